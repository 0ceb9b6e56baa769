"""Policies are evaluated as IAM does it: each row a statement or a few, a request, and the answer."""

import pytest

from serverless_patterns.errors import PatternError
from serverless_patterns.testing.need import ABSENT, Need
from serverless_patterns.testing.permissions import Grant, Permissions
from serverless_patterns.testing.statements import statements_of

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/worker"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
TABLE = f"arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/orders"
QUEUE = f"arn:aws:sqs:eu-central-1:{ACCOUNT}:orders"
GROUP = f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/aws/lambda/worker"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234"
OBJECT = "arn:aws:s3:::files/in/a.csv"


def allow(action="sqs:SendMessage", resource=QUEUE, **others):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **others}


def deny(action="sqs:SendMessage", resource=QUEUE, **others):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **others}


def permissions(*statements, **others):
    return Permissions(statements_of({"Statement": list(statements)}, "Policy"), principal=ROLE, **others)


def policy(*statements):
    return statements_of({"Statement": list(statements)}, "KeyPolicy")


def allows(statements, action="sqs:SendMessage", resource=QUEUE, context=None, **others):
    return permissions(*statements, **others).allows(Need(action, resource, "", context or {}))


NOT_ACTION = {"Effect": "Allow", "NotAction": ["sqs:SendMessage", "iam:*"], "Resource": "*"}
NOT_RESOURCE = {"Effect": "Allow", "Action": "sqs:*", "NotResource": [f"{QUEUE}-secret", "arn:aws:sqs:*:*:other*"]}

PLAIN = {
    "the action on the resource": (True, [allow()], "sqs:SendMessage", QUEUE),
    "nothing is granted": (False, [], "sqs:SendMessage", QUEUE),
    "another action": (False, [allow()], "sqs:ReceiveMessage", QUEUE),
    "another resource": (False, [allow()], "sqs:SendMessage", f"{QUEUE}2"),
    "a resource that only begins the same": (False, [allow()], "sqs:SendMessage", QUEUE[:-1]),
    "actions without regard to case": (True, [allow("SQS:sendmessage")], "sqs:SendMessage", QUEUE),
    "the request's case does not count either": (True, [allow()], "SQS:SENDMESSAGE", QUEUE),
    "resources with regard to case": (False, [allow(resource=QUEUE.replace("orders", "Orders"))], "sqs:SendMessage", QUEUE),
    "a list of actions": (True, [allow(["sqs:A", "sqs:SendMessage"])], "sqs:SendMessage", QUEUE),
    "a list of resources": (True, [allow(resource=[TABLE, QUEUE])], "sqs:SendMessage", QUEUE),
    "all actions": (True, [allow("*")], "sqs:SendMessage", QUEUE),
    "all actions of the service": (True, [allow("sqs:*")], "sqs:SendMessage", QUEUE),
    "all actions of another service": (False, [allow("sns:*")], "sqs:SendMessage", QUEUE),
    "actions that begin so": (True, [allow("sqs:Send*")], "sqs:SendMessage", QUEUE),
    "actions that end so": (True, [allow("sqs:*Message")], "sqs:SendMessage", QUEUE),
    "a star within an action": (True, [allow("sqs:S*Message")], "sqs:SendMessage", QUEUE),
    "one character of an action": (True, [allow("sqs:SendMessag?")], "sqs:SendMessage", QUEUE),
    "one character is not none": (False, [allow("sqs:SendMessage?")], "sqs:SendMessage", QUEUE),
    "a star may be nothing": (True, [allow("sqs:SendMessage*")], "sqs:SendMessage", QUEUE),
    "a dot is a dot": (False, [allow("sqs.SendMessage")], "sqs:SendMessage", QUEUE),
    "all resources": (True, [allow(resource="*")], "sqs:SendMessage", QUEUE),
    "one character of a resource": (True, [allow(resource=f"{QUEUE[:-1]}?")], "sqs:SendMessage", QUEUE),
    "resources that begin so": (True, [allow(resource=f"{QUEUE[:-3]}*")], "sqs:SendMessage", QUEUE),
    "any region and account": (True, [allow(resource="arn:aws:sqs:*:*:orders")], "sqs:SendMessage", QUEUE),
    "a trailing star goes beyond colons": (True, [allow(resource="arn:aws:sqs:*")], "sqs:SendMessage", QUEUE),
    "a star within a part stays in it": (False, [allow(resource="arn:aws:sqs:eu*2:orders")], "sqs:SendMessage", QUEUE),
    "a star in the last part goes beyond slashes": (True, [allow("s3:*", "arn:aws:s3:::files/*.csv")], "s3:GetObject", OBJECT),
    "the objects are not the bucket": (False, [allow("s3:*", "arn:aws:s3:::files/*")], "s3:ListBucket", "arn:aws:s3:::files"),
    "the bucket is not its objects": (False, [allow("s3:*", "arn:aws:s3:::files")], "s3:GetObject", OBJECT),
    "the prefix is not the name": (False, [allow("s3:*", "arn:aws:s3:::files/i/*")], "s3:GetObject", OBJECT),
    "the streams of a group": (True, [allow("logs:*", f"{GROUP}:*")], "logs:PutLogEvents", f"{GROUP}:log-stream:*"),
    "the group is not its streams": (False, [allow("logs:*", GROUP)], "logs:PutLogEvents", f"{GROUP}:log-stream:*"),
    "one stream is not each": (False, [allow("logs:*", f"{GROUP}:log-stream:a")], "logs:PutLogEvents", f"{GROUP}:log-stream:*"),
    "the index is not the table": (False, [allow("dynamodb:*", TABLE)], "dynamodb:Query", f"{TABLE}/index/state"),
    "no resource": (True, [allow("xray:*", "*")], "xray:PutTraceSegments", "*"),
    "no resource, and one is granted": (False, [allow("xray:*", QUEUE)], "xray:PutTraceSegments", "*"),
    "not these actions: another": (True, [NOT_ACTION], "sqs:ReceiveMessage", QUEUE),
    "not these actions: one of them": (False, [NOT_ACTION], "sqs:sendmessage", QUEUE),
    "not these actions: one of a pattern": (False, [NOT_ACTION], "iam:PassRole", ROLE),
    "not these resources: another": (True, [NOT_RESOURCE], "sqs:SendMessage", QUEUE),
    "not these resources: one of them": (False, [NOT_RESOURCE], "sqs:SendMessage", f"{QUEUE}-secret"),
    "not these resources: one of a pattern": (False, [NOT_RESOURCE], "sqs:SendMessage", QUEUE.replace("orders", "others")),
    "a deny wins": (False, [allow(), deny()], "sqs:SendMessage", QUEUE),
    "a deny wins from any place": (False, [deny(), allow()], "sqs:SendMessage", QUEUE),
    "a deny of a pattern wins": (False, [allow(), deny("sqs:*", "*")], "sqs:SendMessage", QUEUE),
    "a deny of another action": (True, [allow(), deny("sqs:DeleteMessage")], "sqs:SendMessage", QUEUE),
    "a deny of another resource": (True, [allow(), deny(resource=TABLE)], "sqs:SendMessage", QUEUE),
    "a deny of all but this": (
        True,
        [allow("*", "*"), {"Effect": "Deny", "NotAction": "sqs:*", "Resource": "*"}],
        "sqs:SendMessage",
        QUEUE,
    ),
    "a deny of all but others": (
        False,
        [allow("*", "*"), {"Effect": "Deny", "NotAction": "sns:*", "Resource": "*"}],
        "sqs:SendMessage",
        QUEUE,
    ),
    "a deny with a condition that does not hold": (
        True,
        [allow(), deny(Condition={"Bool": {"aws:SecureTransport": "false"}})],
        "sqs:SendMessage",
        QUEUE,
    ),
    "a deny with an operator that is not known": (
        False,
        [allow(), deny(Condition={"StringFuzzy": {"a:b": "c"}})],
        "sqs:SendMessage",
        QUEUE,
    ),
    "a literal star is no wildcard": (False, [allow(resource=f"{QUEUE}${{*}}")], "sqs:SendMessage", f"{QUEUE}x"),
    "a literal star is a star": (True, [allow(resource=f"{QUEUE}${{*}}")], "sqs:SendMessage", f"{QUEUE}*"),
    "a literal question mark": (False, [allow(resource=f"{QUEUE[:-1]}${{?}}")], "sqs:SendMessage", QUEUE),
    "the account of the role": (
        True,
        [allow(resource="arn:aws:sqs:*:${aws:PrincipalAccount}:orders")],
        "sqs:SendMessage",
        QUEUE,
    ),
    "a variable with a default": (
        True,
        [allow(resource=f"{QUEUE[:-6]}${{aws:PrincipalTag/team, 'orders'}}")],
        "sqs:SendMessage",
        QUEUE,
    ),
}

OPERATORS = {
    "StringEquals": (True, "StringEquals", "a", "a"),
    "StringEquals another": (False, "StringEquals", "a", "b"),
    "StringEquals with regard to case": (False, "StringEquals", "a", "A"),
    "StringEquals one of several": (True, "StringEquals", ["b", "a"], "a"),
    "StringEquals takes no wildcards": (False, "StringEquals", "a*", "ab"),
    "StringEquals without the key": (False, "StringEquals", "a", None),
    "StringNotEquals": (True, "StringNotEquals", "a", "b"),
    "StringNotEquals the same": (False, "StringNotEquals", "a", "a"),
    "StringNotEquals one of several": (False, "StringNotEquals", ["a", "b"], "b"),
    "StringNotEquals without the key": (True, "StringNotEquals", "a", None),
    "StringEqualsIgnoreCase": (True, "StringEqualsIgnoreCase", "a", "A"),
    "StringNotEqualsIgnoreCase": (False, "StringNotEqualsIgnoreCase", "a", "A"),
    "StringLike": (True, "StringLike", "a*c?", "abbcd"),
    "StringLike another": (False, "StringLike", "a*c?", "abbc"),
    "StringLike with regard to case": (False, "StringLike", "A*", "ab"),
    "ArnLike with regard to case": (False, "ArnLike", QUEUE.replace("orders", "Orders"), QUEUE),
    "StringNotLike": (False, "StringNotLike", "a*", "ab"),
    "ArnEquals": (True, "ArnEquals", QUEUE, QUEUE),
    "ArnEquals with a wildcard": (True, "ArnEquals", f"{QUEUE[:-2]}*", QUEUE),
    "ArnLike": (True, "ArnLike", "arn:aws:sqs:*:*:orders", QUEUE),
    "ArnLike part by part": (False, "ArnLike", "arn:aws:sqs:*:orders", QUEUE),
    "ArnNotLike": (True, "ArnNotLike", "arn:aws:sns:*:*:orders", QUEUE),
    "ArnNotEquals": (False, "ArnNotEquals", QUEUE, QUEUE),
    "Bool": (True, "Bool", "true", "True"),
    "Bool another": (False, "Bool", "true", "false"),
    "Bool as JSON": (True, "Bool", True, "true"),
    "BinaryEquals": (True, "BinaryEquals", "QUJD", "QUJD"),
    "NumericEquals": (True, "NumericEquals", "10", "10.0"),
    "NumericNotEquals": (False, "NumericNotEquals", "10", "10"),
    "NumericLessThan": (True, "NumericLessThan", "10", "9"),
    "NumericLessThan the same": (False, "NumericLessThan", "10", "10"),
    "NumericLessThanEquals": (True, "NumericLessThanEquals", 10, "10"),
    "NumericGreaterThan": (False, "NumericGreaterThan", "10", "9"),
    "NumericGreaterThanEquals": (True, "NumericGreaterThanEquals", "10", "10"),
    "a number that is none": (False, "NumericEquals", "10", "ten"),
    "DateLessThan": (True, "DateLessThan", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z"),
    "DateLessThan later": (False, "DateLessThan", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"),
    "DateGreaterThan seconds": (True, "DateGreaterThan", "2020-01-01T00:00:00Z", "1700000000"),
    "DateEquals without a zone": (True, "DateEquals", "2026-01-01", "2026-01-01T00:00:00+00:00"),
    "IpAddress": (True, "IpAddress", "192.0.2.0/24", "192.0.2.7"),
    "IpAddress another": (False, "IpAddress", "192.0.2.0/24", "198.51.100.7"),
    "NotIpAddress": (True, "NotIpAddress", "192.0.2.0/24", "198.51.100.7"),
    "Null: the key must not be there": (True, "Null", "true", None),
    "Null: the key must not be there, and is": (False, "Null", "true", "a"),
    "Null: the key must be there": (True, "Null", "false", "a"),
    "Null: the key must be there, and is not": (False, "Null", "false", None),
    "StringEqualsIfExists without the key": (True, "StringEqualsIfExists", "a", None),
    "StringEqualsIfExists another": (False, "StringEqualsIfExists", "a", "b"),
    "ArnLikeIfExists": (True, "ArnLikeIfExists", "arn:aws:sqs:*:*:*", QUEUE),
    "NumericLessThanIfExists without the key": (True, "NumericLessThanIfExists", "10", None),
    "ForAllValues": (True, "ForAllValues:StringEquals", ["a", "b"], ["a", "b"]),
    "ForAllValues one too many": (False, "ForAllValues:StringEquals", ["a", "b"], ["a", "c"]),
    "ForAllValues without the key": (True, "ForAllValues:StringEquals", ["a"], None),
    "ForAllValues none": (True, "ForAllValues:StringLike", ["a*"], []),
    "ForAllValues:StringNotEquals": (False, "ForAllValues:StringNotEquals", ["a"], ["b", "a"]),
    "ForAnyValue": (True, "ForAnyValue:StringLike", ["a*"], ["b", "ab"]),
    "ForAnyValue none of them": (False, "ForAnyValue:StringLike", ["a*"], ["b", "c"]),
    "ForAnyValue without the key": (False, "ForAnyValue:StringEquals", ["a"], None),
    "ForAnyValue:StringNotEquals without the key": (False, "ForAnyValue:StringNotEquals", ["a"], None),
    "an operator that is not known": (False, "StringFuzzy", "a", "a"),
    "a quantity that is not known": (False, "ForSomeValues:StringEquals", "a", "a"),
}

WHOLE = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": {"AWS": ROOT}}
DIRECT = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", "Principal": {"AWS": ROLE}}
VIA = {"StringEquals": {"kms:ViaService": "sqs.eu-central-1.amazonaws.com"}}
KEYS = {
    "the key delegates to the account and the role is granted": (True, [allow("kms:Decrypt", KEY)], [WHOLE], {}),
    "the key delegates and the role is not granted": (False, [], [WHOLE], {}),
    "the key does not delegate": (False, [allow("kms:Decrypt", KEY)], [], {}),
    "the key delegates another action": (False, [allow("kms:Decrypt", KEY)], [{**WHOLE, "Action": "kms:Encrypt"}], {}),
    "the key delegates to another account": (
        False,
        [allow("kms:Decrypt", KEY)],
        [{**WHOLE, "Principal": {"AWS": "arn:aws:iam::999999999999:root"}}],
        {},
    ),
    "the key delegates to the account by its number": (
        True,
        [allow("kms:Decrypt", KEY)],
        [{**WHOLE, "Principal": {"AWS": ACCOUNT}}],
        {},
    ),
    "the key names the role, which is enough": (True, [], [DIRECT], {}),
    "the key names another role": (False, [], [{**DIRECT, "Principal": {"AWS": f"{ROLE}2"}}], {}),
    "the key names a service": (False, [], [{**DIRECT, "Principal": {"Service": "sqs.amazonaws.com"}}], {}),
    "the key names the role for another action": (False, [], [{**DIRECT, "Action": "kms:Encrypt"}], {}),
    "the key denies the role": (False, [allow("kms:*", "*")], [WHOLE, {**DIRECT, "Effect": "Deny"}], {}),
    "the role denies what the key allows it": (False, [deny("kms:Decrypt", KEY)], [DIRECT], {}),
    "only by a service, and it is by it": (True, [], [{**DIRECT, "Condition": VIA}], dict(VIA["StringEquals"])),
    "only by a service, and it is not": (False, [], [{**DIRECT, "Condition": VIA}], {}),
    "delegated only by a service, and it is not": (False, [allow("kms:*", KEY)], [{**WHOLE, "Condition": VIA}], {}),
}


@pytest.mark.parametrize("case", PLAIN, ids=list(PLAIN))
def test_a_request_is_allowed_as_iam_would(case):
    expected, statements, action, resource = PLAIN[case]
    assert allows(statements, action, resource) is expected


@pytest.mark.parametrize("case", OPERATORS, ids=list(OPERATORS))
def test_a_condition_holds_as_in_iam(case):
    expected, operator, wanted, found = OPERATORS[case]
    context = {} if found is None else {"AWS:Key": found}
    assert allows([allow(Condition={operator: {"aws:key": wanted}})], context=context) is expected


@pytest.mark.parametrize("case", KEYS, ids=list(KEYS))
def test_a_key_is_used_only_as_its_policy_says(case):
    expected, statements, key_policy, context = KEYS[case]
    assert allows(statements, "kms:Decrypt", KEY, context, key_policies={KEY: policy(*key_policy)}) is expected


def test_a_key_of_another_template_leaves_the_decision_to_the_role():
    assert allows([allow("kms:Decrypt", KEY)], "kms:Decrypt", KEY)
    assert not allows([], "kms:Decrypt", KEY)


def test_all_conditions_of_a_statement_must_hold():
    both = {"StringEquals": {"app:a": "1", "app:b": "2"}}
    assert allows([allow(Condition=both)], context={"app:a": "1", "app:b": "2"})
    assert not allows([allow(Condition=both)], context={"app:a": "1", "app:b": "3"})


def test_every_request_is_encrypted_and_carries_who_asks_and_where():
    carried = {
        "Bool": {"aws:SecureTransport": "true"},
        "ArnEquals": {"aws:PrincipalArn": ROLE},
        "StringEquals": {
            "aws:RequestedRegion": "eu-central-1",
            "aws:ResourceAccount": ACCOUNT,
            "aws:PrincipalAccount": ACCOUNT,
        },
    }
    assert allows([allow(Condition=carried)])


def test_a_policy_variable_without_a_value_is_refused_by_name():
    with pytest.raises(
        PatternError, match=r"\$\{aws:PrincipalTag/team\}, which has no single value here: give it in the context"
    ):
        allows([allow(resource=f"{QUEUE}-${{aws:PrincipalTag/team}}")])


def test_a_policy_variable_takes_its_value_from_the_request():
    statement = allow(resource=f"{QUEUE[:-6]}${{aws:PrincipalTag/team}}")
    assert allows([statement], context={"aws:PrincipalTag/team": "orders"})
    assert not allows([statement], context={"aws:PrincipalTag/team": "*"})


def test_a_policy_variable_in_a_condition_is_compared_as_it_is():
    statement = allow(Condition={"StringEquals": {"app:key": "${aws:PrincipalTag/team}?"}})
    assert allows([statement], context={"aws:PrincipalTag/team": "a*", "app:key": "a*?"})
    assert not allows([statement], context={"aws:PrincipalTag/team": "a*", "app:key": "ab?"})


def test_an_import_without_a_value_is_refused_with_the_way_to_give_it():
    with pytest.raises(PatternError, match=r"imports=\{'Shared:QueueArn': value\}"):
        allows([allow(resource="${Import:Shared:QueueArn}")])


def test_a_policy_of_the_resource_that_names_the_role_is_enough():
    bucket = policy({"Effect": "Allow", "Action": "s3:GetObject", "Resource": OBJECT, "Principal": {"AWS": ROLE}})
    assert allows([], "s3:GetObject", OBJECT, resource_policies=bucket)
    assert not allows([deny("s3:*", "*")], "s3:GetObject", OBJECT, resource_policies=bucket)
    assert permissions(resource_policies=bucket).grants == [Grant("s3:GetObject", OBJECT)]


def test_a_policy_of_the_resource_that_denies_wins():
    bucket = policy({"Effect": "Deny", "Action": "s3:*", "Resource": OBJECT, "Principal": "*"})
    assert not allows([allow("s3:GetObject", OBJECT)], "s3:GetObject", OBJECT, resource_policies=bucket)


def test_a_boundary_limits_what_the_policies_allow():
    boundary = statements_of({"Statement": allow("sqs:*", "*")}, "Boundary")
    assert allows([allow("*", "*")], boundary=boundary)
    assert not allows([allow("*", "*")], "sns:Publish", "arn:aws:sns:eu-central-1:1:t", boundary=boundary)
    assert not allows([], boundary=boundary)


def test_grants_are_single_actions_on_single_patterns():
    found = permissions(allow(["sqs:SendMessage", "sqs:receivemessage"], [QUEUE, "*"]), deny()).grants
    assert found == [Grant(f"sqs:{name}", place) for name in ("ReceiveMessage", "SendMessage") for place in ("*", QUEUE)]


def test_a_wildcard_is_all_the_actions_that_it_grants():
    found = {grant.action for grant in permissions(allow("sqs:*Message")).grants}
    assert found == {"sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"}


def test_not_action_is_all_other_actions_of_aws():
    found = {grant.action for grant in permissions({"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"}).grants}
    assert len(found) > 10_000
    assert "sqs:SendMessage" in found
    assert not any(action.startswith("iam:") for action in found)


def test_an_action_that_aws_does_not_have_stays_visible():
    assert [grant.action for grant in permissions(allow("sqs:SendMessages")).grants] == ["sqs:SendMessages"]


def test_without_a_need_all_else_stays():
    before = permissions(allow(["sqs:SendMessage", "sqs:DeleteMessage"], "*"))
    after = before.without(Need("sqs:SendMessage", QUEUE))
    assert not after.allows(Need("sqs:SendMessage", QUEUE))
    assert after.allows(Need("sqs:DeleteMessage", QUEUE))
    assert after.allows(Need("sqs:SendMessage", f"{QUEUE}2"))
    assert before.allows(Need("sqs:SendMessage", QUEUE))


def test_without_a_grant_what_the_key_policy_allows_is_denied_too():
    after = permissions(key_policies={KEY: policy(DIRECT)})
    (grant,) = after.grants
    assert grant == Grant("kms:Decrypt", KEY)
    assert not after.without(grant).allows(Need("kms:Decrypt", KEY))


def test_the_statement_of_a_grant_is_found():
    one, other = allow("sqs:SendMessage", QUEUE), allow("sqs:DeleteMessage", QUEUE, Sid="Two")
    assert permissions(one, other).statement_of(Grant("sqs:DeleteMessage", QUEUE)).sid == "Two"
    with pytest.raises(PatternError, match="is not one of these permissions"):
        permissions(one).statement_of(Grant("sqs:DeleteMessage", QUEUE))


def test_a_grant_covers_the_need_that_it_is_for():
    assert Grant("s3:GetObject", "arn:aws:s3:::files/*").covers(Need("s3:GetObject", OBJECT))
    assert not Grant("s3:GetObject", "arn:aws:s3:::files/*").covers(Need("s3:PutObject", OBJECT))
    assert not Grant("s3:GetObject", "arn:aws:s3:::other/*").covers(Need("s3:GetObject", OBJECT))


def test_a_statement_without_an_effect_is_refused():
    with pytest.raises(PatternError, match="Policy: a statement needs Effect Allow or Deny, and Action or NotAction"):
        permissions({"Action": "sqs:*", "Resource": "*"})


# --- what is not known of a request


LEADING_KEYS = "dynamodb:LeadingKeys"


@pytest.mark.parametrize(
    "condition",
    [
        {"ForAllValues:StringEquals": {LEADING_KEYS: ["mine"]}},
        {"StringEqualsIfExists": {LEADING_KEYS: "mine"}},
        {"Null": {LEADING_KEYS: "true"}},
        {"StringNotEquals": {LEADING_KEYS: "theirs"}},
    ],
)
def test_a_key_of_a_service_of_which_nothing_is_known_allows_nothing(condition):
    assert not allows([allow("dynamodb:GetItem", TABLE, Condition=condition)], "dynamodb:GetItem", TABLE)
    assert allows(
        [allow("dynamodb:GetItem", TABLE, Condition=condition)], "dynamodb:GetItem", TABLE, {LEADING_KEYS: "mine"}
    ) is ("Null" not in condition)


@pytest.mark.parametrize("condition", [{"ForAnyValue:StringEquals": {LEADING_KEYS: ["x"]}}, {"Null": {LEADING_KEYS: "false"}}])
def test_a_key_of_a_service_of_which_nothing_is_known_denies(condition):
    statements = [allow("dynamodb:*", TABLE), deny("dynamodb:GetItem", TABLE, Condition=condition)]
    assert not allows(statements, "dynamodb:GetItem", TABLE)


def test_what_lambda_does_by_itself_passes_a_denial_of_what_its_code_does():
    statements = [allow("ec2:*", "*"), deny("ec2:*", "*", Condition={"Null": {"lambda:SourceFunctionArn": "false"}})]
    assert not allows(statements, "ec2:DescribeSubnets", "*")
    assert allows(statements, "ec2:DescribeSubnets", "*", {"lambda:SourceFunctionArn": ABSENT})


# --- other accounts and boundaries


FOREIGN = "arn:aws:sqs:eu-central-1:999999999999:orders"


def test_a_resource_of_another_account_must_allow_it_too():
    assert not allows([allow("sqs:*", "*")], resource=FOREIGN)
    theirs = policy({**allow(resource=FOREIGN), "Principal": {"AWS": ROOT}})
    assert allows([allow("sqs:*", "*")], resource=FOREIGN, resource_policies=theirs)
    named = policy({**allow(resource=FOREIGN), "Principal": {"AWS": ROLE}})
    assert not allows([], resource=FOREIGN, resource_policies=named)


def test_a_boundary_limits_what_a_policy_at_the_resource_gives_the_role():
    named = policy({**allow(), "Principal": {"AWS": ROLE}})
    boundary = policy(allow("s3:*", "*"))
    assert allows([], resource_policies=named)
    assert not allows([], resource_policies=named, boundary=boundary)
    assert allows([], resource_policies=named, boundary=policy(allow()))


SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/worker"


@pytest.mark.parametrize(
    ("spared", "allowed"), [([ROLE], False), ([ROLE, ROOT], False), ([ROLE, ROOT, SESSION], True), ("*", True)]
)
def test_a_denial_for_all_others_spares_a_role_whose_session_and_account_are_named_too(spared, allowed):
    others = policy({**deny(), "NotPrincipal": {"AWS": spared}})
    assert allows([allow()], resource_policies=others) is allowed
    assert not allows([allow()], resource_policies=others, boundary=policy(allow("*", "*")))
