"""Templates as tests read them: constructs by their paths instead of logical ids and intrinsic functions."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from tests.support.synthesis import role_policies, template_of


def readable(stack: cdk.Stack, node: Any) -> Any:
    """A part of the template in which each reference is the path of its construct, and each join is one text."""
    paths = {
        stack.resolve(each.logical_id): each.node.path.removeprefix(f"{stack.node.path}/").removesuffix("/Resource")
        for each in stack.node.find_all()
        if isinstance(each, cdk.CfnElement)
    }

    def read(part: Any) -> Any:
        match part:
            case {"Ref": name, **others} | {"Fn::GetAtt": [name, _], **others} if not others:
                return paths.get(name, name)
            case {"Fn::Join": [separator, parts], **others} if not others:
                return separator.join(map(read, parts))
            case {"Fn::Select": [_, {"Fn::Split": [_, whole]}], **others} if not others:
                return read(whole)
            case dict():
                return {key: read(value) for key, value in part.items()}
            case list():
                return [read(each) for each in part]
        return part

    return read(node)


def properties_at(stack: cdk.Stack, path: str) -> dict[str, Any]:
    """The properties of the construct at this path, below the stack."""
    found: dict[str, Any] = readable(stack, _resource_at(stack, path).get("Properties", {}))
    return found


def _resource_at(stack: cdk.Stack, path: str) -> dict[str, Any]:
    """The resource at this path, below the stack, as it stands in the template."""
    found: dict[str, Any] = template_of(stack)["Resources"][_logical_id(stack, path)]
    return found


def depends_on(stack: cdk.Stack, path: str, other: str) -> bool:
    """Whether CloudFormation is told to define another one before the resource at this path."""
    return _logical_id(stack, other) in _resource_at(stack, path).get("DependsOn", [])


def rule_arn(stack: cdk.Stack, path: str) -> str:
    """The ARN that the rule at this path will have, of its name and that of its bus."""
    rule = properties_at(stack, path)
    bus = rule.get("EventBusName", "default")
    name = rule["Name"] if bus == "default" else f"{bus}/{rule['Name']}"
    arn: str = readable(stack, stack.resolve(stack.format_arn(service="events", resource="rule", resource_name=name)))
    return arn


def _logical_id(stack: cdk.Stack, path: str) -> str:
    construct: Any = stack
    for name in path.split("/"):
        construct = construct.node.find_child(name)
    return stack.get_logical_id(construct if isinstance(construct, cdk.CfnElement) else construct.node.default_child)


def key_statements(stack: cdk.Stack, path: str) -> list[dict[str, Any]]:
    """What the policy of the key at this path says, without what it says of CloudWatch Logs, as that of each pattern does."""
    found: list[dict[str, Any]] = properties_at(stack, path)["KeyPolicy"]["Statement"]
    others = [each for each in found if not each["Principal"].get("Service", "").startswith("logs.")]
    assert len(others) == len(found) - 1
    return others


def permissions(stack: cdk.Stack, role: str) -> dict[str, list[str]]:
    """What the role at this path may do: path or ARN of a resource -> actions. All of it is allowed without a condition."""
    found: dict[str, list[str]] = {}
    for policy in role_policies(template_of(stack)).values():
        properties = readable(stack, policy["Properties"])
        if properties["Roles"] != [role]:
            continue
        for statement in properties["PolicyDocument"]["Statement"]:
            assert statement.keys() == {"Action", "Effect", "Resource"}
            assert statement["Effect"] == "Allow"
            actions, places = (
                value if isinstance(value, list) else [value] for value in (statement["Action"], statement["Resource"])
            )
            for place in places:
                found[place] = sorted({*found.get(place, []), *actions})
    return found


def alarms(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    """Name of the alarm -> its properties, with ``tier`` and ``metric`` (name of the metric, or the expression) beside them."""
    found = {}
    template = template_of(stack)
    for each in stack.node.find_all():
        if isinstance(each, cloudwatch.CfnAlarm):
            properties = readable(stack, template["Resources"][stack.get_logical_id(each)]["Properties"])
            expression = [metric["Expression"] for metric in properties.get("Metrics", []) if "Expression" in metric]
            found[each.node.path.split("/Alarms/")[1].removesuffix("/Resource")] = properties | {
                "tier": properties["AlarmDescription"].split("]")[0].removeprefix("["),
                "metric": properties.get("MetricName") or expression[0],
                "watched": {each["Name"]: each["Value"] for each in properties.get("Dimensions", [])},
            }
    return found
