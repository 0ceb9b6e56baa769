"""The message attributes that a state machine publishes with.

AWS publishes them with the message, so that subscriptions can filter by them.
https://docs.aws.amazon.com/step-functions/latest/dg/connect-sns.html

The emulator looks for them in the form of a query, and publishes none: what is filtered by them reaches nobody.
"""

from __future__ import annotations

from typing import Any

from ministack.services import sns, stepfunctions

from .faults import expect, provision, remove

TOPIC = "AWS::SNS::Topic"
TASK = "arn:aws:states:::sns:publish"
ATTRIBUTES = "MessageAttributes"


def check() -> None:
    """None is published."""
    published: list[Any] = []

    def publish(*_: object, message_attributes: object, **__: object) -> dict[str, Any]:
        published.append(message_attributes)
        return {"message_id": "check", "sequence_number": None}

    stock, sns.publish_internal = sns.publish_internal, publish
    topic = provision(TOPIC, {"TopicName": "correction-check"})
    try:
        attributes = {"kind": {"DataType": "String", "StringValue": "check"}}
        stepfunctions._SERVICE_DISPATCH[TASK](TASK, {"TopicArn": topic, "Message": "check", ATTRIBUTES: attributes})
    finally:
        sns.publish_internal = stock
        remove(TOPIC, topic, {})
    expect(published == [{}], f"the emulator now publishes these message attributes of a state machine: {published}")


def apply() -> None:
    """Bring them into that form."""
    stock = stepfunctions._SERVICE_DISPATCH[TASK]

    def publish(resource: str, parameters: dict[str, Any]) -> Any:  # noqa: ANN401  the emulator's own
        return stock(resource, {**parameters, **_as_query(parameters.get(ATTRIBUTES) or {})})

    stepfunctions._SERVICE_DISPATCH[TASK] = publish


def _as_query(attributes: dict[str, dict[str, str]]) -> dict[str, str]:
    query = {}
    for number, (name, value) in enumerate(attributes.items(), start=1):
        entry = f"{ATTRIBUTES}.entry.{number}"
        query[f"{entry}.Name"] = name
        query |= {f"{entry}.Value.{part}": text for part, text in value.items()}
    return query
