"""Each function of each template may do exactly what its code does: on these very resources, no more and no less."""

import copy
import gc

import pytest

from serverless_patterns.testing.report import FunctionReport
from tests.proofs.account import ACCOUNT
from tests.proofs.checks.permissions import avoidable
from tests.proofs.measure import measured, run_with, survivors
from tests.proofs.page import PAGE, page_with_figures
from tests.proofs.subjects import STACKS, resolved, subjects_of, template_named
from tests.proofs.table import ZERO, of_permissions
from tests.support.synthesis import role_policies

EVERY_STACK = pytest.mark.parametrize("stack", STACKS)


@pytest.fixture(scope="module", autouse=True)
def _frozen_heap():
    """What CDK and moto leave is millions of objects: the collector would take half of the time to go through them again."""
    for stack in STACKS:
        subjects_of(stack)
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@EVERY_STACK
def test_every_call_is_granted_and_every_grant_is_used(stack):
    for subject in subjects_of(stack):
        report = measured(subject).report
        assert report.missing == ()
        assert report.excess == ()


@EVERY_STACK
def test_no_grant_is_on_more_than_is_used(stack):
    for subject in subjects_of(stack):
        assert measured(subject).report.scope == ()


@EVERY_STACK
def test_no_grant_is_on_everything_where_aws_knows_a_resource(stack):
    for subject in subjects_of(stack):
        assert avoidable(subject) == []


@EVERY_STACK
def test_no_policy_of_a_resource_lets_a_function_do_more_than_it_needs(stack):
    for subject in subjects_of(stack):
        assert measured(subject).excess_elsewhere == []


@EVERY_STACK
def test_each_function_works_with_nothing_but_its_role(stack):
    for subject in subjects_of(stack):
        for scenario in subject.scenarios:
            run_with(subject, scenario, measured(subject).permissions)


@EVERY_STACK
def test_no_grant_can_be_taken_away_without_a_scenario_failing(stack):
    for subject in subjects_of(stack):
        assert [mutant.denied for mutant in survivors(subject)] == []


@EVERY_STACK
def test_the_table_of_make_prove_has_zero_where_it_is_due(stack):
    """Here, where everything is measured already."""
    table = of_permissions(stack)
    assert table.faults == []
    assert [name for name in ZERO if table.total[name]] == []


# --- mistakes that must be seen


def with_mistake(stack, action, mistake):
    """What is said of the first function whose role has a statement with this action, once that statement is another one."""
    template = copy.deepcopy(template_named(stack))
    for policy in role_policies(template).values():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            if action in statement["Action"]:
                statement.update(mistake)
    found = [measured(subject) for subject in subjects_of(stack)]
    roles = {subject.role: found for subject, found in zip(subjects_of(stack), found, strict=True)}
    role = next(role for role, each in roles.items() if action in {grant.action for grant in each.permissions.grants})
    return FunctionReport.of(stack, resolved(template).permissions(role), roles[role].report.used)


@pytest.mark.parametrize(
    ("stack", "action", "mistake", "kind"),
    [
        ("prod-api-crud", "dynamodb:Scan", {"Action": "dynamodb:*"}, "excess"),
        ("prod-api-crud", "dynamodb:Scan", {"Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan"]}, "missing"),
        ("prod-api-crud", "dynamodb:Scan", {"Resource": f"arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/other"}, "missing"),
        ("prod-api-crud", "dynamodb:Scan", {"Resource": "*"}, "scope"),
        ("prod-api-crud", "dynamodb:Scan", {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}, "missing"),
        ("prod-s3-processing", "s3:GetObject", {"Resource": "arn:aws:s3:::importsbucketb463a28b/*"}, "scope"),
        ("sns_fanout_direct_and_endpoints", "kms:Encrypt", {"Action": "kms:Decrypt"}, "missing"),
        ("sns_fanout_direct_and_endpoints", "kms:Encrypt", {"Effect": "Deny"}, "missing"),
    ],
)
def test_a_mistake_in_a_policy_is_seen(stack, action, mistake, kind):
    assert getattr(with_mistake(stack, action, mistake), kind)


def test_the_page_has_the_figures(request):
    text = PAGE.read_text(encoding="utf-8")
    now = page_with_figures(text)
    if request.config.getoption("--update-snapshots"):
        PAGE.write_text(now, encoding="utf-8")
    assert now == PAGE.read_text(encoding="utf-8"), "run python tools/least_privilege.py, and look at the diff"
