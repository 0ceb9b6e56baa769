"""What the role of a state machine needs, by the tasks in its definition.

https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from serverless_patterns.testing.action_names import spelled
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.template import ResolvedTemplate

#: arn:partition:states:::[aws-sdk:]service:action[.pattern]
_TASK = re.compile(r"arn:[^:]+:states:[^:]*:[^:]*:(?:aws-sdk:)?(?P<service>\w+):(?P<action>\w+)(?P<pattern>\.[\w:.]+)?")
_PREFIX = {"sfn": "states", "eventbridge": "events"}
_ACTION = {"lambda:invoke": "lambda:InvokeFunction"}
#: Arguments of tasks that name what they work on.
_TARGETS = (
    "FunctionName",
    "QueueUrl",
    "TopicArn",
    "TableName",
    "StateMachineArn",
    "SecretId",
    "Bucket",
    "StreamName",
    "EventBusName",
)
_QUEUE_URL = re.compile(r"https://sqs\.(?P<region>[^.]+)\.[^/]+/(?P<account>\d+)/(?P<name>[^/]+)")
#: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
_LOGGING = (
    "CreateLogDelivery",
    "GetLogDelivery",
    "UpdateLogDelivery",
    "DeleteLogDelivery",
    "ListLogDeliveries",
    "PutResourcePolicy",
    "DescribeResourcePolicies",
    "DescribeLogGroups",
)
#: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html
_TRACING = ("PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets")


def machine_needs(template: ResolvedTemplate, machine: Resource) -> Iterator[Need]:
    """What the tasks, the log and the traces of a state machine need."""
    for name, state in _states(definition_of(machine)):
        if state.get("Type") == "Task":
            yield from _task_needs(template, str(state["Resource"]), state, f"the task {name} of {machine.logical_id}")
    if machine.properties.get("LoggingConfiguration", {}).get("Level", "OFF") != "OFF":
        yield from (Need(f"logs:{action}", "*", f"the log of {machine.logical_id}") for action in _LOGGING)
    if machine.properties.get("TracingConfiguration", {}).get("Enabled"):
        yield from (Need(f"xray:{action}", "*", f"the traces of {machine.logical_id}") for action in _TRACING)


def definition_of(machine: Resource) -> Mapping[str, Any]:
    """The definition of a state machine, with its substitutions."""
    properties = machine.properties
    text = properties.get("DefinitionString") or json.dumps(properties.get("Definition", {}))
    for name, value in properties.get("DefinitionSubstitutions", {}).items():
        text = text.replace(f"${{{name}}}", str(value))
    definition: Mapping[str, Any] = json.loads(text)
    return definition


def _states(definition: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All states, those in branches and in maps included."""
    for name, state in definition.get("States", {}).items():
        yield name, state
        for inner in (*state.get("Branches", []), state.get("ItemProcessor", {}), state.get("Iterator", {})):
            yield from _states(inner)


def _task_needs(template: ResolvedTemplate, resource: str, state: Mapping[str, Any], why: str) -> Iterator[Need]:
    if ":lambda:" in resource and ":function:" in resource:
        yield Need("lambda:InvokeFunction", resource, why)
        return
    found = _TASK.fullmatch(resource)
    if found is None:  # an activity: its worker asks for the tasks, with a role of its own
        return
    service = _PREFIX.get(found["service"].lower(), found["service"].lower())
    action = _ACTION.get(f"{service}:{found['action']}", f"{service}:{found['action']}")
    arguments = state.get("Parameters") or state.get("Arguments") or {}
    for spelling in spelled([action]):
        for target in _targets(template, arguments, service):
            yield Need(spelling, target, why)
    if (found["pattern"] or "").startswith(".sync") and service == "states":
        yield from _nested_needs(template, arguments, why)


def _nested_needs(template: ResolvedTemplate, arguments: Mapping[str, Any], why: str) -> Iterator[Need]:
    """Waiting for another state machine.

    https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html
    """
    place = template.place
    for machine in _targets(template, arguments, "states"):
        execution = f"{machine.replace(':stateMachine:', ':execution:')}:*"
        yield Need("states:DescribeExecution", execution, why)
        yield Need("states:StopExecution", execution, why)
    rule = (
        f"arn:{place.partition}:events:{place.region}:{place.account}:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"
    )
    yield from (Need(f"events:{action}", rule, why) for action in ("PutTargets", "PutRule", "DescribeRule"))


def _targets(template: ResolvedTemplate, arguments: Mapping[str, Any], service: str) -> list[str]:
    """The ARNs of what a task works on; one that only the input names is any."""
    entries = arguments.get("Entries")
    holders = [arguments, *(entries if isinstance(entries, list) else [])]
    named = [str(holder[key]) for holder in holders for key in _TARGETS if key in holder]
    if service == "events" and not named:
        place = template.place
        return [f"arn:{place.partition}:events:{place.region}:{place.account}:event-bus/default"]
    return [_arn(template, each, service) for each in named] or ["*"]


def _arn(template: ResolvedTemplate, name: str, service: str) -> str:
    """The ARN of what a task names; of a queue that is not in the template, its URL says it."""
    found = template.arn_of(name, service)
    queue = _QUEUE_URL.fullmatch(found) if service == "sqs" else None
    if queue is None:
        return found
    return f"arn:{template.place.partition}:sqs:{queue['region']}:{queue['account']}:{queue['name']}"
