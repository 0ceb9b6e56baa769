"""Whether the conditions of a statement hold for a request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import ipaddress
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from serverless_patterns.testing.wildcards import Values, arn_like, filled, matches, plain

#: Operator -> key -> values, as in a policy.
Conditions = Mapping[str, Mapping[str, tuple[str, ...]]]
#: Policy's value, request's value -> whether they fit.
Test = Callable[[str, str], bool]


def holds(conditions: Conditions, context: Mapping[str, Values], *, unknown: bool) -> bool:
    """Whether all conditions of a statement hold.

    Args:
        conditions: The conditions; none always hold.
        context: Condition key in lower case -> the request's value or values; ``""`` for one that it does not carry.
        unknown: What an operator or a key counts as that is not known: ``False`` for an Allow, ``True`` for a Deny, so that
            neither lets through what AWS might not.

    Raises:
        PatternError: A value holds a policy variable that has no value in the request.
    """
    return not failing(conditions, context, unknown=unknown)


def failing(conditions: Conditions, context: Mapping[str, Values], *, unknown: bool) -> list[str]:
    """The keys of the conditions that do not hold, as the policy spells them; see ``holds``."""
    return [
        key
        for name, keys in conditions.items()
        for key, values in keys.items()
        if not (
            unknown
            if _is_unknown(key.lower(), context)
            else _one(name, [filled(value, context) for value in values], context.get(key.lower()) or None, unknown=unknown)
        )
    ]


def _is_unknown(key: str, context: Mapping[str, Values]) -> bool:
    """Whether a request may carry a key although nothing is known of it: one of a service, such as ``dynamodb:LeadingKeys``.

    What all of AWS knows, such as ``aws:SourceVpce``, is there if the caller says so.
    """
    return key not in context and not key.startswith("aws:") and key not in _TOLD


def _one(name: str, wanted: Sequence[str], found: Values | None, *, unknown: bool) -> bool:
    """One operator on one key: the form ``Set:OperatorIfExists``."""
    quantity, _, plain = name.rpartition(":")
    if plain == "Null":
        return (found is None) == (wanted[0].lower() == "true")
    basic = plain.removesuffix("IfExists")
    negated = basic.replace("Not", "", 1) if "Not" in basic else None
    test = _TESTS.get(negated or basic)
    if test is None or quantity not in {"", "ForAllValues", "ForAnyValue"}:
        return unknown
    if found is None:
        # A set that is not there has no value that could fail; a negated operator finds nothing that it forbids.
        return plain != basic or quantity == "ForAllValues" or (negated is not None and not quantity)
    values = [found] if isinstance(found, str) else list(found)
    fits = [any(_fits(test, one, value) for one in wanted) is (negated is None) for value in values]
    return any(fits) if quantity == "ForAnyValue" else all(fits)


def _fits(test: Test, wanted: str, found: str) -> bool:
    """What is no number, date or address where one is compared fits nothing."""
    try:
        return test(wanted if test in _WILD else plain(wanted), found)
    except ValueError:
        return False


def _number(compare: Callable[[float, float], bool]) -> Test:
    return lambda wanted, found: compare(float(found), float(wanted))


def _date(compare: Callable[[datetime, datetime], bool]) -> Test:
    return lambda wanted, found: compare(_moment(found), _moment(wanted))


def _moment(text: str) -> datetime:
    """ISO 8601, or seconds since 1970."""
    if text.isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _address(wanted: str, found: str) -> bool:
    return ipaddress.ip_address(found) in ipaddress.ip_network(wanted, strict=False)


#: Keys of services that a need tells of whenever its request carries them.
_TOLD = frozenset(
    {
        "cloudwatch:namespace",
        "events:detail-type",
        "events:source",
        "iam:passedtoservice",
        "kms:viaservice",
        "s3:delimiter",
        "s3:prefix",
        "s3:x-amz-acl",
        "s3:x-amz-server-side-encryption",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "s3:x-amz-storage-class",
        "ses:fromaddress",
    }
)

_ORDERS: Mapping[str, Callable[..., bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
#: Those that know wildcards.
_WILD = (matches, arn_like)
#: Operator without Not and IfExists -> its test.
_TESTS: Mapping[str, Test] = {
    "StringEquals": operator.eq,
    "StringEqualsIgnoreCase": lambda wanted, found: wanted.lower() == found.lower(),
    "StringLike": matches,
    "ArnEquals": arn_like,
    "ArnLike": arn_like,
    "Bool": lambda wanted, found: wanted.lower() == found.lower(),
    "BinaryEquals": operator.eq,
    "IpAddress": _address,
    **{f"Numeric{name}": _number(order) for name, order in _ORDERS.items()},
    **{f"Date{name}": _date(order) for name, order in _ORDERS.items()},
}
