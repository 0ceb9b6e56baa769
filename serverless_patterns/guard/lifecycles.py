"""Rules that delete what is older than a time, of buckets and of image repositories: none may begin to delete unseen.

Each way in which a new rule deletes must have been one before: an old rule that takes all that the new one takes, as early.
The shortest time of all rules would not tell: beside one that deletes ``tmp/`` after a day, one for everything is no shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.expiries import Expiry, of_images, of_objects
from serverless_patterns.guard.findings import Finding, Kind
from serverless_patterns.guard.staying import properties, staying
from serverless_patterns.guard.values import meaning

Read = Callable[[Any], list[Expiry]]
#: Type -> the property with its rules, what they delete, and how they are read.
RULES: Mapping[str, tuple[str, str, Read]] = {
    "AWS::ECR::Repository": ("LifecyclePolicy", "images", of_images),
    "AWS::S3::Bucket": ("LifecycleConfiguration", "objects", of_objects),
    "AWS::S3Express::DirectoryBucket": ("LifecycleConfiguration", "objects", of_objects),
}


def find_kept_shorter(old: Stack, new: Stack) -> Iterator[Finding]:
    """The findings on resources with a rule that deletes something, or deletes it earlier, from now on."""
    for each in staying(old, new, *RULES):
        name, what, read = RULES[each.before["Type"]]
        was, will_be = (properties(side).get(name) for side in (each.before, each.after))
        known = read(meaning(was, old.template))
        earlier = [one for one in read(meaning(will_be, new.template)) if not any(other.covers(one) for other in known)]
        if earlier:
            ways = ", ".join(map(str, earlier))
            why = f"a rule deletes {what} earlier than before, or for the first time: {ways}. What is older goes soon"
            mend = "leave the rules as they were. If it is meant, allow it"
            yield each.finding(Kind.LESS_PROTECTED, (name, _rules(was), _rules(will_be)), why, mend)


def _rules(configuration: Any) -> Any:  # noqa: ANN401  JSON
    """The rules alone, where there is a list of them."""
    return configuration.get("Rules", configuration) if isinstance(configuration, dict) else configuration
