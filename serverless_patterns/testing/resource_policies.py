"""The policies that resources carry themselves: who else may use a bucket, a queue, a topic, a bus, a key or a function.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_identity-vs-resource.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.statements import Statement, statements_of


@dataclass(frozen=True)
class ResourcePolicy:
    """A policy at resources.

    Args:
        logical_id: Where it stands: the policy's logical id, or the resource's that holds it.
        on: The ARNs of the resources that it is attached to.
        statements: Its statements. One for ``*`` is for the resources that the policy is attached to.
    """

    logical_id: str
    on: tuple[str, ...]
    statements: tuple[Statement, ...]


def key_policies(resources: Iterable[Resource]) -> dict[str, tuple[Statement, ...]]:
    """ARN of each KMS key -> the statements of its policy."""
    return {
        each.arn or "": statements_of(each.properties["KeyPolicy"], each.logical_id)
        for each in resources
        if each.type == "AWS::KMS::Key" and "KeyPolicy" in each.properties
    }


def policy_statements(resources: Iterable[Resource]) -> tuple[Statement, ...]:
    """The statements of all policies at resources, except those of keys."""
    return tuple(
        statement
        for policy in resource_policies(resources)
        for statement in policy.statements
        if not any(":kms:" in arn for arn in policy.on)
    )


def resource_policies(resources: Iterable[Resource]) -> list[ResourcePolicy]:
    """All policies at resources, in the order of the template; a Lambda permission is a policy with one statement."""
    known = list(resources)
    names = _Names(known)
    return [policy for resource in known for policy in _policies(resource, names)]


class _Names:
    """Finds resources by whatever a policy calls them."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._arns = {name: each.arn for each in resources if each.arn for name in (each.name, each.arn)}

    def arn(self, name: str) -> str:
        return self._arns.get(name, name)


#: Type of a policy -> its property with the names of the resources.
_ATTACHED_BY = {
    "AWS::SQS::QueuePolicy": "Queues",
    "AWS::SQS::QueueInlinePolicy": "Queue",
    "AWS::SNS::TopicPolicy": "Topics",
    "AWS::SNS::TopicInlinePolicy": "TopicArn",
    "AWS::S3::BucketPolicy": "Bucket",
}
#: Type of a resource -> its property with its policy.
_HELD_IN = {"AWS::KMS::Key": "KeyPolicy", "AWS::Events::EventBus": "Policy"}


def _policies(resource: Resource, names: _Names) -> Iterator[ResourcePolicy]:
    properties = resource.properties
    match resource.type:
        case kind if kind in _ATTACHED_BY:
            found = properties[_ATTACHED_BY[kind]]
            arns = [names.arn(name) for name in (found if isinstance(found, list) else [found])]
            yield _attached(resource, properties["PolicyDocument"], arns)
        case kind if kind in _HELD_IN and _HELD_IN[kind] in properties:
            yield _attached(resource, properties[_HELD_IN[kind]], [resource.arn or ""])
        case "AWS::SecretsManager::ResourcePolicy":
            yield _attached(resource, properties["ResourcePolicy"], [names.arn(properties["SecretId"])])
        case "AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable":
            for document in _of_table(properties):
                yield _attached(resource, document, [resource.arn or ""])
        case "AWS::Events::EventBusPolicy" if "Statement" in properties:
            document = {"Statement": [properties["Statement"]]}
            yield _attached(resource, document, [names.arn(properties.get("EventBusName", "default"))])
        case "AWS::Lambda::Permission":
            function = names.arn(properties["FunctionName"])
            yield _attached(resource, {"Statement": [_permission(properties, function)]}, [function])


def _attached(resource: Resource, document: Mapping[str, Any], arns: list[str]) -> ResourcePolicy:
    found = statements_of(document, resource.logical_id)
    narrowed = [replace(each, resources=tuple(arns)) if each.resources == ("*",) else each for each in found]
    return ResourcePolicy(resource.logical_id, tuple(arns), tuple(narrowed))


def _of_table(properties: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for holder in (properties, *properties.get("Replicas", [])):
        if "ResourcePolicy" in holder:
            yield holder["ResourcePolicy"]["PolicyDocument"]


def _permission(properties: Mapping[str, Any], function: str) -> dict[str, Any]:
    """The statement that Lambda makes of a permission.

    See https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
    """
    # CloudWatch Logs invokes functions by either name: https://docs.aws.amazon.com/lambda/latest/dg/services-cloudwatchlogs.html
    principal = re.sub(r"^logs\.[\w-]+\.amazonaws", "logs.amazonaws", str(properties["Principal"]))
    kind = "Service" if principal.endswith((".amazonaws.com", ".amazonaws.com.cn")) else "AWS"
    conditions = {
        "ArnLike": {"AWS:SourceArn": properties.get("SourceArn")},
        "StringEquals": {
            "AWS:SourceAccount": properties.get("SourceAccount"),
            "lambda:FunctionUrlAuthType": properties.get("FunctionUrlAuthType"),
            "aws:PrincipalOrgID": properties.get("PrincipalOrgID"),
        },
    }
    given = {name: {key: value for key, value in keys.items() if value} for name, keys in conditions.items()}
    return {
        "Effect": "Allow",
        "Action": properties["Action"],
        "Principal": {kind: principal},
        "Resource": function,
        "Condition": {name: keys for name, keys in given.items() if keys},
    }
