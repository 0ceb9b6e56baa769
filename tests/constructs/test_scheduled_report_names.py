"""Two reports of one name: where one would be taken for the other, the second is refused."""

import pytest
from aws_cdk import Aws, Environment, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from serverless_patterns import PatternError
from tests.support.reports import items, own_table, report
from tests.support.synthesis import new_app

PLACES = [{"account": "1" * 12, "region": "eu-central-1"}, {"account": "2" * 12, "region": "eu-central-1"}]


def two(stack, *, names=("Report", "Report"), **shared):
    """Two reports in scopes of their own, of these names, that share something; the path of the first."""
    for scope, name in zip(("Orders", "Refunds"), names, strict=True):
        inner = Construct(stack, scope)
        report(inner, name, source=items(inner), **shared)


MEND = "got 'Report', as that of Test/Orders/Report: give one of them another report_name, or a"


@pytest.mark.parametrize(
    ("shared", "message"),
    [
        (
            lambda stack: {"table": own_table(stack)},
            f"report_name must be the only one in a table of runs, {MEND} table of its own",
        ),
        (
            lambda stack: {"bucket": s3.Bucket(stack, "Files")},
            f"report_name must be the only one in a folder of a bucket, {MEND} prefix of its own",
        ),
    ],
    ids=["table", "bucket"],
)
def test_two_reports_of_one_name_share_no_table_and_no_folder(stack, shared, message):
    with pytest.raises(PatternError) as raised:
        two(stack, **shared(stack))
    assert str(raised.value) == message


def test_a_name_may_be_used_twice_where_nothing_is_shared(stack):
    two(stack)


def test_reports_of_two_names_may_share_everything(stack):
    two(stack, names=("Daily", "Weekly"), table=own_table(stack), bucket=s3.Bucket(stack, "Files"))


def test_reports_of_one_name_may_have_folders_of_their_own(stack):
    bucket = s3.Bucket(stack, "Files")
    for prefix in ("orders/", "refunds/"):
        inner = Construct(stack, prefix[:-1])
        report(inner, source=items(inner), bucket=bucket, prefix=prefix)


def test_a_name_that_is_known_only_when_deployed_passes(stack):
    two(stack, report_name=Aws.STACK_NAME, table=own_table(stack))


def imported(app, name, place):
    """A report whose table is imported by a name."""
    stack = Stack(app, name, env=Environment(**place))
    report(stack, source=items(stack), table=dynamodb.Table.from_table_name(stack, "T", "runs"))


def test_a_table_that_is_imported_twice_is_one_in_an_account_and_region():
    app = new_app()
    imported(app, "A", PLACES[0])
    imported(app, "B", PLACES[1])
    with pytest.raises(PatternError, match="in a table of runs, got 'Report', as that of A/Report"):
        imported(app, "C", PLACES[0])


@pytest.mark.parametrize("kind", [dynamodb.Table, dynamodb.TableV2])
def test_a_table_that_is_imported_by_its_arn_is_where_that_says_and_not_where_its_stack_is(kind):
    app = new_app()

    def reported(name, account, **where):
        stack = Stack(app, name, **where)
        table = kind.from_table_arn(stack, "T", f"arn:aws:dynamodb:eu-central-1:{account * 12}:table/runs")
        report(stack, source=items(stack), table=table)

    reported("A", "1", env=Environment(**PLACES[0]))
    reported("B", "2")  # a stack that can be anywhere
    with pytest.raises(PatternError, match="in a table of runs, got 'Report', as that of A/Report"):
        reported("C", "1")


def test_tables_of_stacks_that_can_be_anywhere_are_two():
    app = new_app()
    for name in ("A", "B"):
        imported(app, name, {})
