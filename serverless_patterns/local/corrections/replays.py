"""A replay that goes to some rules only.

AWS sends the events of a replay to the rules that ``FilterArns`` of its destination names, or to all rules of the bus if it
names none. https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ReplayDestination.html

The emulator sends them to all.
"""

from __future__ import annotations

from typing import Any

from ministack.services import eventbridge

from .faults import expect

NAME = "correction-check"
TARGET = {"Arn": f"arn:aws:states:us-east-1:000000000000:stateMachine:{NAME}"}
RULE = {"Arn": "one", "Name": NAME, "EventBusName": NAME}
TO_ANOTHER_RULE = {"Destination": {"Arn": f"event-bus/{NAME}", "FilterArns": ["another"]}}
Part = dict[str, Any]


def check() -> None:
    """A rule that is not named gets a replayed event."""
    sent: list[str] = []
    stock = eventbridge._dispatch_to_stepfunctions
    eventbridge._dispatch_to_stepfunctions = lambda arn, _: sent.append(arn)
    eventbridge._replays[NAME] = TO_ANOTHER_RULE
    try:
        eventbridge._invoke_target(TARGET, {"ReplayName": NAME}, RULE)
    finally:
        eventbridge._dispatch_to_stepfunctions = stock
        del eventbridge._replays[NAME]
    expect(bool(sent), "the emulator now sends a replay to those rules only that it names")


def apply() -> None:
    """Leave the others out."""
    stock = eventbridge._invoke_target

    def invoke(target: Part, event: Part, rule: Part, view: Any = None) -> None:  # noqa: ANN401  not typed
        """Sends what is for the rule."""
        if _is_for(event, rule):
            stock(target, event, rule, view)

    eventbridge._invoke_target = invoke


def _is_for(event: Part, rule: Part) -> bool:
    destination = (eventbridge._replays.get(event.get("ReplayName") or "") or {}).get("Destination") or {}
    named = destination.get("FilterArns") or []
    elsewhere = not destination.get("Arn", "").endswith(f"event-bus/{rule.get('EventBusName', 'default')}")
    return not named or elsewhere or rule["Arn"] in named
