"""Whether what is allowed to a service says for whom: by the ARN, the account or the organization that it acts for.

https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html#cross-service-confused-deputy-prevention
"""

from collections.abc import Iterable

from serverless_patterns.testing.statements import Statement

#: Condition keys that name a source. Keys of CloudWatch Logs and of S3 are used for them with its encryption context.
_KEYS = {"aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths", "sts:externalid"}
_CONTEXT = "kms:encryptioncontext:"
#: Operators that let nothing through without the key.
_STRICT = {"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"}
#: Keys that narrow anybody down to somebody.
_NARROWING = {
    "aws:principalorgid",
    "aws:principalaccount",
    "aws:principalarn",
    "kms:calleraccount",
    "aws:sourcevpce",
    "aws:sourcevpc",
}

#: Services whose requests to assume a role carry a source, with the page that says so. Others - Lambda, API Gateway, SNS - send
#: none that is documented: a condition would lock them out.
TRUST_WITH_SOURCE = {
    "scheduler.amazonaws.com": "https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html",
    "events.amazonaws.com": "https://docs.aws.amazon.com/eventbridge/latest/userguide/cross-service-confused-deputy-prevention.html",
    "pipes.amazonaws.com": "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-permissions.html",
    "states.amazonaws.com": "https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html",
    "monitoring.rds.amazonaws.com": "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/cross-service-confused-deputy-prevention.html",
}


def unconditioned(statements: Iterable[Statement]) -> tuple[str, ...]:
    """What statements allow without naming a source, in words, in their order.

    Args:
        statements: Those of a policy at a resource, or of the trust policy of a role.
    """
    return tuple(
        f"{statement.source} allows {', '.join(statement.actions)} to {name} {_remedy(kind, name)}"
        for statement in statements
        if statement.effect == "Allow"
        for kind, name in statement.principals
        if _needs_source(statement, kind, name) and not _has_source(statement, kind)
    )


def _needs_source(statement: Statement, kind: str, name: str) -> bool:
    if kind == "Service":
        trust = any(action.lower().startswith("sts:") for action in statement.actions)
        return not trust or name in TRUST_WITH_SOURCE
    return name == "*"


def _has_source(statement: Statement, kind: str) -> bool:
    keys = _KEYS if kind == "Service" else _KEYS | _NARROWING
    return any(
        (key.lower() in keys or key.lower().startswith(_CONTEXT)) and "*" not in values
        for operator, conditions in statement.conditions.items()
        if operator in _STRICT
        for key, values in conditions.items()
    )


def _remedy(kind: str, name: str) -> str:
    if kind == "Service":
        return "without a condition on aws:SourceArn or aws:SourceAccount: anybody's resource can make the service do it"
    return f"({kind}: {name}), which is anybody: name the principals, or a condition on aws:PrincipalOrgID"
