"""Tables: which are one, what may be given for one, and what a function may do with several."""

import re

import pytest
from aws_cdk import Environment, Fn, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from serverless_patterns import PatternError, S3Processing, ScheduledReport, TableOptions
from serverless_patterns._blocks.table import Keys, checked_table, grant_tables, is_same_table
from tests.support.reports import items
from tests.support.synthesis import new_app, statements, template_of

HERE, THERE = "1" * 12, "2" * 12
PLACE, ELSEWHERE = ("eu-central-1", HERE), ("us-east-1", HERE)


def stack_in(region=None, account=None, *, app=None, name="Test") -> Stack:
    return Stack(new_app() if app is None else app, name, env=Environment(account=account, region=region))


def arn(region, account, name="orders") -> str:
    return f"arn:aws:dynamodb:{region}:{account}:table/{name}"


def by_arn(stack, construct_id, table_arn, kind=dynamodb.TableV2):
    return kind.from_table_arn(stack, construct_id, table_arn)


def by_name(stack, construct_id, name="orders"):
    return dynamodb.TableV2.from_table_name(stack, construct_id, name)


def table(stack, construct_id="Mine", **options) -> dynamodb.TableV2:
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    return dynamodb.TableV2(stack, construct_id, partition_key=key, **options)


# --- which are one


def same(one, other) -> bool:
    """Whether two are one, asked both ways."""
    answer = is_same_table(one, other)
    assert is_same_table(other, one) is answer
    return answer


def test_a_table_is_itself_and_no_other_of_its_stack():
    stack = stack_in()
    assert same(mine := table(stack), mine)
    assert not same(mine, table(stack, "Other"))


@pytest.mark.parametrize("place", [(), PLACE], ids=["anywhere", "known"])
def test_a_table_that_is_imported_again_by_what_it_says_of_itself_is_one(place):
    stack = stack_in(*place)
    mine = table(stack)
    assert same(mine, by_arn(stack, "Arn", mine.table_arn))
    assert same(mine, by_name(stack, "Name", mine.table_name))


@pytest.mark.parametrize("kind", [dynamodb.TableV2, dynamodb.Table])
@pytest.mark.parametrize("other", [arn("eu-central-1", THERE), arn("us-east-1", HERE), arn(*PLACE, "others")])
def test_a_name_is_another_table_in_another_account_or_region(kind, other):
    stack = stack_in(*PLACE)
    one = by_arn(stack, "One", arn(*PLACE), kind)
    assert not same(one, by_arn(stack, "Other", other, kind))
    assert same(one, by_arn(stack, "Again", arn(*PLACE), kind))


@pytest.mark.parametrize(
    ("place", "one"), [(PLACE, True), (ELSEWHERE, False), ((), True)], ids=["there", "elsewhere", "anywhere"]
)
def test_a_name_in_a_stack_is_the_table_of_an_arn_unless_the_stack_is_known_to_be_elsewhere(place, one):
    stack = stack_in(*place)
    assert same(by_name(stack, "Name"), by_arn(stack, "Arn", arn(*PLACE))) is one


@pytest.mark.parametrize("places", [(PLACE, PLACE), (PLACE, ELSEWHERE), ((), ()), (PLACE, ())])
def test_a_name_in_two_stacks_is_one_table_where_both_are_known_to_be_in_one_place(places):
    app = new_app()
    one, other = (by_name(stack_in(*place, app=app, name=name), "T") for place, name in zip(places, "AB", strict=True))
    assert same(one, other) is (places == (PLACE, PLACE))


def test_an_arn_in_two_stacks_that_can_be_anywhere_is_one_table():
    app = new_app()
    one, other = (by_arn(stack_in(app=app, name=name), "T", arn(*PLACE)) for name in "AB")
    assert same(one, other)


def test_an_arn_that_another_stack_exports_is_one_table():
    stack = stack_in()
    exported = Fn.import_value("Exported")
    one, other = (by_arn(stack, name, exported) for name in "AB")
    assert same(one, other)
    assert not same(one, by_arn(stack, "C", Fn.import_value("Another")))


@pytest.mark.parametrize("other", [None, TableOptions(), "orders"])
def test_what_is_no_table_is_not_the_same(other):
    assert not is_same_table(table(stack_in()), other)


# --- what may be given


def test_without_any_it_is_one_with_the_key_of_the_pattern():
    key = kms.Key(stack_in(), "Key")
    assert checked_table("table", None, expiry="expires_at", key=key) == TableOptions(
        time_to_live_attribute="expires_at", encryption_key=key
    )


def test_options_keep_what_they_say():
    stack = stack_in()
    key, images = kms.Key(stack, "Key"), dynamodb.StreamViewType.NEW_IMAGE
    given = TableOptions(encryption_key=key, stream=images)
    assert checked_table("table", given, key=kms.Key(stack, "Other")) == given


def test_a_table_of_yours_stays_as_it_is():
    mine = table(stack_in())
    assert checked_table("table", mine, expiry="expires_at", key=None) is mine


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"given": "orders"}, "mine must be TableOptions(...) or a DynamoDB table, got 'orders'"),
        (
            {"given": TableOptions(time_to_live_attribute="until")},
            "time_to_live_attribute of mine must be left out, as its rows have none, got 'until'",
        ),
        (
            {"given": TableOptions(time_to_live_attribute="until"), "expiry": "expires_at"},
            "time_to_live_attribute of mine must be 'expires_at', or left out, got 'until'",
        ),
    ],
    ids=["type", "no_expiry", "expiry"],
)
def test_what_does_not_fit_is_refused_by_its_name(options, message):
    with pytest.raises(PatternError, match=f"^{re.escape(message)}$"):
        checked_table("mine", **options, key=None)


def test_a_table_of_yours_with_another_key_is_refused_by_its_name():
    with pytest.raises(PatternError, match=r"^mine must have the partition key 'id' .* sort key 'row' of type number, got id "):
        checked_table("mine", table(stack_in()), keys=Keys(sort_key="row"), key=None)


@pytest.mark.parametrize("define", [S3Processing, ScheduledReport])
def test_a_table_whose_rows_never_expire_takes_no_attribute_for_it(define):
    stack = stack_in()
    options = {"source": items(stack)} if define is ScheduledReport else {}
    with pytest.raises(
        PatternError, match=r"time_to_live_attribute of table must be left out, as its rows have none, got 'age'"
    ):
        define(stack, "Mine", table=TableOptions(time_to_live_attribute="age"), **options)


# --- what may be done with them


def test_actions_on_tables_come_first_and_then_the_use_of_their_keys():
    stack = stack_in(*PLACE)
    keys = [kms.Key(stack, name) for name in ("KeyA", "KeyB")]
    encrypted = [table(stack, key.node.id[-1], encryption=dynamodb.TableEncryptionV2.customer_managed_key(key)) for key in keys]
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    grant_tables(role, {encrypted[0]: ["GetItem"], table(stack, "Plain"): ["Scan"], encrypted[1]: ["PutItem", "GetItem"]})
    use = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
    found = [each["Action"] for each in statements(template_of(stack))]
    assert found == [
        "dynamodb:GetItem",
        "dynamodb:Scan",
        ["dynamodb:GetItem", "dynamodb:PutItem"],
        use,
    ]  # CDK joins what is alike
