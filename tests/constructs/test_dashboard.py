"""The dashboard of a stack: which stacks have one, and what is on it."""

import json

import pytest
from aws_cdk import aws_cloudwatch as cloudwatch

from serverless_patterns import DEV, ENVIRONMENTS, PROD, Environment, PatternError
from serverless_patterns.catalog import CATALOG
from serverless_patterns.stacks import PatternStack
from serverless_patterns.stacks.dashboard import define_dashboard
from tests.support.synthesis import empty_stack, new_app, resources, template_of

PATTERNS = pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)


def stack_of(environment, entry=CATALOG[0], **options):
    return PatternStack(new_app(), "One", environment=environment, pattern=entry.name, define=entry.define, **options)


def dashboards(stack):
    return resources(template_of(stack), "AWS::CloudWatch::Dashboard")


def widgets(stack):
    """The widgets of the only dashboard, with logical ids in the place of references."""
    (dashboard,) = dashboards(stack).values()
    assert "DashboardName" not in dashboard["Properties"], "a name of its own would collide"
    parts = dashboard["Properties"]["DashboardBody"]["Fn::Join"][1]
    return json.loads("".join(part if isinstance(part, str) else of(part) for part in parts))["widgets"]


def of(reference):
    """The logical id of what a reference is to."""
    (found,) = reference.values()
    return found if isinstance(found, str) else found[0]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_staging_and_prod_have_a_dashboard_for_each_pattern_and_the_others_none(environment):
    assert bool(dashboards(stack_of(environment))) is (environment.name in {"staging", "prod"})


@pytest.mark.parametrize("wanted", [True, False])
def test_a_stack_can_have_a_dashboard_or_none_whatever_its_environment_says(wanted):
    for environment in (DEV, PROD):
        assert bool(dashboards(stack_of(environment, dashboard=wanted))) is wanted


def test_an_environment_of_ones_own_has_dashboards_unless_told():
    assert dashboards(stack_of(Environment(name="mine")))
    assert not dashboards(stack_of(Environment(name="mine", dashboards=False)))


def test_a_dashboard_is_wanted_or_not():
    with pytest.raises(PatternError, match="dashboard must be True or False, got 'yes'"):
        stack_of(PROD, dashboard="yes")


@PATTERNS
def test_the_states_of_all_alarms_stand_on_top_and_each_has_a_graph_with_its_threshold(entry):
    stack = stack_of(PROD, entry)
    alarms = set(resources(template_of(stack), "AWS::CloudWatch::Alarm"))
    states, _, *graphs = widgets(stack)
    assert states["type"] == "alarm"
    assert set(states["properties"]["alarms"]) == alarms
    assert {graph["type"] for graph in graphs} == {"metric"}
    assert {alarm for graph in graphs for alarm in graph["properties"]["annotations"]["alarms"]} == alarms


@PATTERNS
def test_the_latest_warnings_are_those_of_all_functions(entry):
    stack = stack_of(PROD, entry)
    functions = resources(template_of(stack), "AWS::Lambda::Function").values()
    groups = {each["Properties"]["LoggingConfig"]["LogGroup"]["Ref"] for each in functions}
    query = widgets(stack)[1]["properties"]["query"]
    assert {group for group in groups if f"SOURCE '{group}'" in query} == groups
    assert query.count("SOURCE") == len(groups)


@PATTERNS
def test_no_widget_lies_on_another_or_beside_the_grid(entry):
    taken = set()
    for each in widgets(stack_of(PROD, entry)):
        cells = {(each["x"] + x, each["y"] + y) for x in range(each["width"]) for y in range(each["height"])}
        assert not taken & cells
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_more_alarms_than_one_widget_takes_stand_in_two():
    stack = empty_stack()
    metric = cloudwatch.Metric(namespace="Shop", metric_name="Orders")
    alarms = [metric.create_alarm(stack, f"Alarm{n}", threshold=1, evaluation_periods=1) for n in range(101)]
    define_dashboard(stack, alarms)
    states = [each for each in widgets(stack) if each["type"] == "alarm"]
    assert [len(each["properties"]["alarms"]) for each in states] == [100, 1]
