"""Checks of who may do what: each gives what is wrong with a template, a line each."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from serverless_patterns.testing.service_roles import service_reports
from serverless_patterns.testing.template import ResolvedTemplate
from tests.support.synthesis import resources, role_policies

Template = Mapping[str, Any]
#: Actions for which AWS has no resource to name.
#: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
#: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
WITHOUT_RESOURCE = frozenset(
    {
        *(f"xray:{action}" for action in ("GetSamplingRules", "GetSamplingTargets", "PutTelemetryRecords", "PutTraceSegments")),
        *(f"logs:{action}LogDelivery" for action in ("Create", "Delete", "Get", "Update")),
        *(
            f"logs:{action}"
            for action in ("DescribeLogGroups", "DescribeResourcePolicies", "ListLogDeliveries", "PutResourcePolicy")
        ),
    }
)
#: Services whose roles cannot be lent: to name a role takes iam:PassRole, in the role's own account, and what uses it is the
#: resource that named it. https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
WITHOUT_SOURCE = frozenset({"lambda.amazonaws.com", "apigateway.amazonaws.com"})
#: The keys of conditions that name a source.
SOURCES = frozenset(
    {
        "aws:SourceAccount",
        "aws:SourceArn",
        "kms:EncryptionContext:aws:events:event-bus:arn",
        "kms:EncryptionContext:aws:logs:arn",
    }
)
#: What gives permissions to a role beside its policy, and to people.
UNREAD = frozenset(f"AWS::IAM::{name}" for name in ("AccessKey", "Group", "GroupPolicy", "RolePolicy", "User", "UserPolicy"))
#: The resource policies, and where each keeps its document.
RESOURCE_POLICIES = {
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SecretsManager::ResourcePolicy": "ResourcePolicy",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
}


def wide_statements(template: Template) -> list[str]:
    """Statements of roles with a wildcard in an action, or for every resource where AWS knows one."""
    return [
        f"{key}: {json.dumps(statement)}"
        for key, policy in role_policies(template).items()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if _is_wide(statement)
    ]


def _is_wide(statement: Mapping[str, Any]) -> bool:
    if {"NotAction", "NotResource"} & set(statement):  # all but some
        return bool(statement["Effect"] == "Allow")
    actions = set(_listed(statement["Action"]))
    everything = '"*"' in json.dumps(statement["Resource"]) and not actions <= WITHOUT_RESOURCE
    return everything or any("*" in action for action in actions)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def shared_roles(template: Template) -> list[str]:
    """Roles of more than one function."""
    functions = resources(template, "AWS::Lambda::Function").values()
    roles = Counter(function["Properties"]["Role"]["Fn::GetAtt"][0] for function in functions)
    return [role for role, number in roles.items() if number > 1]


def managed_policies(template: Template) -> list[str]:
    """Roles with policies that AWS has written for everybody."""
    return [key for key, role in resources(template, "AWS::IAM::Role").items() if role["Properties"].get("ManagedPolicyArns")]


def unread_permissions(template: Template) -> list[str]:
    """Permissions where nothing that measures them looks: inside of a role, and those of users and groups."""
    inside = [key for key, role in resources(template, "AWS::IAM::Role").items() if role["Properties"].get("Policies")]
    return inside + [key for key, each in template["Resources"].items() if each["Type"] in UNREAD]


def permissions_without_source(template: Template) -> list[str]:
    """Permissions to invoke a function that are not for one service on behalf of one source."""
    return [
        key
        for key, permission in resources(template, "AWS::Lambda::Permission").items()
        if not str(permission["Properties"]["Principal"]).endswith(".amazonaws.com")
        or not {"SourceArn", "SourceAccount"} & set(permission["Properties"])
    ]


def services_without_source(template: Template) -> list[str]:
    """Statements at resources that let a service in on behalf of anybody."""
    return [f"{key}: {json.dumps(each)}" for key, each in service_statements(template) if not _names_a_source(each)]


def service_statements(template: Template) -> list[tuple[str, Mapping[str, Any]]]:
    """The statements at resources that let a service in."""
    found = _resource_statements(template)
    return [(key, each) for key, each in found if each["Effect"] == "Allow" and "Service" in each.get("Principal", {})]


def open_to_anybody(template: Template) -> list[str]:
    """Statements at resources that let anybody in."""
    return [
        f"{key}: {json.dumps(each)}"
        for key, each in _resource_statements(template)
        if each["Effect"] == "Allow" and ("NotPrincipal" in each or "*" in principals(each["Principal"]))
    ]


def principals(principal: Any) -> list[Any]:
    """Whom a statement is about, of whatever kind and in whatever form they are named."""
    named = principal.values() if isinstance(principal, dict) else [principal]
    return [each for value in named for each in _listed(value)]


def roles_without_source(template: Template) -> list[str]:
    """Roles that a service assumes on behalf of anybody."""
    return [
        f"{key}: {service}"
        for key, role in resources(template, "AWS::IAM::Role").items()
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        for service in principals(statement["Principal"])
        if service not in WITHOUT_SOURCE and not _names_a_source(statement)
    ]


def inexact_services(template: Template) -> list[str]:
    """Roles and policies for services that allow more or less than the template's own resources need of them."""
    return [str(report) for report in service_reports(ResolvedTemplate.of(template)) if not report.clean]


def _resource_statements(template: Template) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind, where in RESOURCE_POLICIES.items():
        for key, policy in resources(template, kind).items():
            yield from ((key, statement) for statement in policy["Properties"][where]["Statement"])


def _names_a_source(statement: Mapping[str, Any]) -> bool:
    """Whether a condition of a statement asks for the ARN or the account that a service acts for, whatever the operator.

    CloudWatch Logs names the log group in the context with which it encrypts.
    """
    conditions = statement.get("Condition", {})
    positive = [found for operator, found in conditions.items() if re.match(r"(String|Arn)(Equals|Like)$", operator)]
    return any(key in SOURCES for found in positive for key in found)
