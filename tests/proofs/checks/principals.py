"""Checks of whom the policies at resources let in: each gives who should not be, a line each.

An account has its own users and roles, and services act for it: anybody else is a stranger, whom the template of a pattern lets
in only where its user names them.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.synthesis import resources

Template = Mapping[str, Any]
Statements = Iterator[tuple[str, Mapping[str, Any]]]
#: What has a policy -> where it keeps its document.
_DOCUMENTS = {
    "AWS::IAM::Role": "AssumeRolePolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SecretsManager::ResourcePolicy": "ResourcePolicy",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
}
_DYNAMODB, _STREAM = "AWS::DynamoDB::GlobalTable", "AWS::Kinesis::ResourcePolicy"
#: The permissions of functions and of layers, which are statements in other words.
_PERMISSIONS = ("AWS::Lambda::Permission", "AWS::Lambda::LayerVersionPermission")
ACCOUNT = {"Ref": "AWS::AccountId"}


def strangers(template: Template) -> list[str]:
    """Whom resources let in beside their own account, its roles and services that act for it."""
    return [
        *(f"{key}: {json.dumps(who)}" for key, each in _allowed(template) for who in _strangers_in(template, each)),
        *(f"{key}: {json.dumps(account)}" for key, each in _allowed(template) for account in _foreign_sources(each)),
        *(
            f"{key}: everybody, by its URL"
            for key, each in resources(template, "AWS::Lambda::Url").items()
            if each["Properties"].get("AuthType") != "AWS_IAM"
        ),
    ]


def _allowed(template: Template) -> Statements:
    """Logical id and statement of all that is allowed at resources."""
    found = (*_in_documents(template), *_of_buses(template), *_of_tables(template), *_of_functions(template))
    return ((key, each) for key, each in found if each["Effect"] == "Allow")


def _in_documents(template: Template) -> Statements:
    for kind, where in {**_DOCUMENTS, _STREAM: "ResourcePolicy"}.items():
        for key, each in resources(template, kind).items():
            yield from ((key, statement) for statement in _listed(each["Properties"][where]["Statement"]))


def _of_buses(template: Template) -> Statements:
    for key, each in resources(template, "AWS::Events::EventBusPolicy").items():
        properties = each["Properties"]  # a statement, or an account in words of its own
        yield key, properties.get("Statement") or {"Effect": "Allow", "Principal": {"AWS": properties.get("Principal", "*")}}


def _of_tables(template: Template) -> Statements:
    for key, each in resources(template, _DYNAMODB).items():
        for replica in each["Properties"]["Replicas"]:
            document = replica.get("ResourcePolicy", {}).get("PolicyDocument", {})
            yield from ((key, statement) for statement in _listed(document.get("Statement", [])))


def _of_functions(template: Template) -> Statements:
    for kind in _PERMISSIONS:
        for key, each in resources(template, kind).items():
            properties = each["Properties"]
            who = properties["Principal"]
            is_service = isinstance(who, str) and who.endswith(".amazonaws.com")
            source = {"StringEquals": {"aws:SourceAccount": properties.get("SourceAccount", ACCOUNT)}}
            yield key, {"Effect": "Allow", "Principal": {"Service" if is_service else "AWS": who}, "Condition": source}


def _strangers_in(template: Template, statement: Mapping[str, Any]) -> list[object]:
    if "Principal" not in statement:  # all but some
        return [{"NotPrincipal": statement.get("NotPrincipal")}]
    principal = statement["Principal"]
    named = principal if isinstance(principal, dict) else {"AWS": principal}
    return [who for kind, values in named.items() for who in _listed(values) if not _is_own(template, kind, who)]


def _is_own(template: Template, kind: str, who: Any) -> bool:
    text = _flat(who)
    if kind == "Service":
        return text.endswith(".amazonaws.com")
    role = who.get("Fn::GetAtt", [""])[0] if isinstance(who, dict) else ""
    of_account = text == "{AWS::AccountId}" or ":{AWS::AccountId}:" in text
    return kind == "AWS" and (of_account or role in resources(template, "AWS::IAM::Role"))


def _foreign_sources(statement: Mapping[str, Any]) -> list[object]:
    """The accounts, other than the own, that a service may act for."""
    conditions = statement.get("Condition", {}).values()
    named = [account for each in conditions for account in _listed(each.get("aws:SourceAccount", ACCOUNT))]
    return [account for account in named if account != ACCOUNT]


def _flat(value: Any) -> str:
    """A text with the names of what it refers to in braces; the partition is always AWS's."""
    match value:
        case {"Ref": "AWS::Partition"}:
            return "aws"
        case {"Ref": name}:
            return f"{{{name}}}"
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_flat(part) for part in parts)
    return value if isinstance(value, str) else ""


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
