"""Events whose target is gone.

AWS sends an event that it cannot deliver to the dead-letter queue of the rule's target, with the reason in the message's
attributes: at once when the target no longer exists, since to try again would not help.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
It counts both, under the name of the rule, and of its bus unless that is the default one:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html

The emulator writes a line into its log. Corrected, this is so for targets that are queues, topics, functions and other buses;
one that is there takes every event, so nothing is tried again.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

from ministack.services import eventbridge

from .faults import expect
from .targets import bury, count, fault_of

Part = dict[str, Any]


def check() -> None:
    """Dead-letter queues are not known."""
    code = inspect.getsource(eventbridge._invoke_target)
    expect("DeadLetterConfig" not in code, "the emulator now knows the dead-letter queues of a rule's targets")


def apply() -> None:
    """Send the event there."""
    stock = eventbridge._invoke_target

    def invoke(target: Part, event: Part, rule: Part, view: Any = None) -> None:  # noqa: ANN401  not typed
        """Ends at DeadLetterConfig when the target is gone."""
        fault = fault_of(target.get("Arn", ""))
        if not fault:
            stock(target, event, rule, view)
            return
        said = {
            "ERROR_CODE": "NO_RESOURCE",
            "ERROR_MESSAGE": fault[1],
            "RETRY_ATTEMPTS": "0",
            "RULE_ARN": rule.get("Arn", ""),
            "TARGET_ARN": target["Arn"],
        }
        whole = (view or eventbridge._pattern_event_view(event)).event_with_detail()
        names = _names(rule)
        count("AWS/Events", "FailedInvocations", **names)
        if bury(target, json.dumps(whole), said):
            count("AWS/Events", "InvocationsFailedToBeSentToDlq", **names)

    eventbridge._invoke_target = invoke


def _names(rule: Part) -> dict[str, str]:
    bus = rule.get("EventBusName", "default")
    return {"RuleName": rule["Name"]} | ({"EventBusName": bus} if bus != "default" else {})
