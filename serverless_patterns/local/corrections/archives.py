"""Archives of an event bus that a template defines.

AWS makes them, changes them in place, and deletes them with their events: their name is their ``Ref``.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-archive.html

The emulator has archives, but its CloudFormation does not know the type and refuses the template.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import eventbridge
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as PROVISIONERS
from ministack.services.cloudformation.provisioners import _physical_name

from .faults import Properties, expect

ARCHIVE = "AWS::Events::Archive"
LONGEST_NAME = 48
REFUSED = 400
Made = tuple[str, Properties]


def check() -> None:
    """The type is not known."""
    expect(ARCHIVE not in PROVISIONERS, "the emulator now knows the archives of a template")


def apply() -> None:
    """Make them."""
    PROVISIONERS[ARCHIVE] = {"create": _create, "update": _update, "delete": _delete}


def _create(logical_id: str, properties: Properties, stack_name: str) -> Made:
    name = properties.get("ArchiveName") or _physical_name(stack_name, logical_id, max_len=LONGEST_NAME)
    _take(eventbridge._create_archive({**_given(properties), "ArchiveName": name, "EventSourceArn": properties["SourceArn"]}))
    return _made(name)


def _update(name: str, _old: Properties, new: Properties, _stack_name: str) -> Made:
    _take(eventbridge._update_archive({**_given(new), "ArchiveName": name}))
    return _made(name)


def _delete(name: str, _: Properties) -> None:
    eventbridge._delete_archive({"ArchiveName": name})


def _given(properties: Properties) -> Properties:
    """What may change in place, as the API takes it."""
    pattern = properties.get("EventPattern", "")
    return {
        "Description": properties.get("Description", ""),
        "EventPattern": pattern if isinstance(pattern, str) else json.dumps(pattern),
        "KmsKeyIdentifier": properties.get("KmsKeyIdentifier", ""),
        "RetentionDays": int(properties.get("RetentionDays", 0)),
    }


def _made(name: str) -> Made:
    return name, {"Arn": eventbridge._archives[name]["ArchiveArn"], "ArchiveName": name}


def _take(answer: tuple[int, Any, bytes]) -> None:
    if answer[0] >= REFUSED:
        msg = f"{ARCHIVE}: {json.loads(answer[2])}"
        raise ValueError(msg)
