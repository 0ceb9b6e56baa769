"""Check of how tables and buckets are set: what others rely on without looking."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.synthesis import resources

Template = Mapping[str, Any]
#: Tables whose rows nothing ends, without the hash of their logical ids -> why. All others forget.
KEPT = {
    r"(Products|Users|Orders|Imports|Sales|SalesStock)Table": "what the pattern is about",
    r"EventsAuditTable": "a record of everything that was said",
    r"DailySalesRuns": "a row a day",
    r"Items": "somebody else's",
}
#: The attributes with the time after which a row may go, as the handlers and Powertools write them.
TIMES = frozenset({"expires_at", "expiration"})
_BOTH = {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def badly_set_stores(template: Template) -> list[str]:
    """Buckets with access lists; tables that never forget what they should, or whose stream does not say what was changed."""
    owners = [{"ObjectOwnership": "BucketOwnerEnforced"}]
    buckets = resources(template, "AWS::S3::Bucket").items()
    return [
        *(f"{key}: owner" for key, each in buckets if each["Properties"].get("OwnershipControls", {}).get("Rules") != owners),
        *(
            f"{key}: {name}"
            for key, table in resources(template, "AWS::DynamoDB::GlobalTable").items()
            for name, is_right in _settings(key, table["Properties"])
            if not is_right
        ),
    ]


def _settings(key: str, table: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    expiry = table.get("TimeToLiveSpecification")
    if expiry is None:
        yield "time to live", _is_kept(key)
    else:
        yield "time to live", expiry["Enabled"] is True and expiry.get("AttributeName") in TIMES
    yield "stream", table.get("StreamSpecification", _BOTH) == _BOTH


def _is_kept(key: str) -> bool:
    return any(re.fullmatch(f"{name}[0-9A-F]{{8}}", key) for name in KEPT)
