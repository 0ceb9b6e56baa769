"""The dashboard of a stack: what its alarms watch, and what its functions said last when something was wrong."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

#: CloudWatch's limits: alarms in one widget of their states, and log groups in one query.
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
MOST_ALARMS, MOST_LOG_GROUPS = 100, 50
#: The grid of a dashboard is 24 wide: three graphs stand beside each other.
WIDTH, GRAPHS, HEIGHT = 24, 3, 5
#: Lines of the bundled handlers, and Lambda's own of an invocation that failed.
QUERY = (
    "fields @timestamp, level, message",
    'filter level in ["WARNING", "ERROR", "CRITICAL"] or record.status in ["error", "failure", "timeout"]',
    "sort @timestamp desc",
    "limit 50",
)


def define_dashboard(scope: Construct, alarms: Sequence[cloudwatch.Alarm]) -> cloudwatch.Dashboard:
    """Define a dashboard of alarms and of the functions below the scope. CloudFormation gives it a name.

    Args:
        scope: The stack.
        alarms: Their states stand on top, then a graph for each with its threshold.
    """
    graphs = [
        cloudwatch.AlarmWidget(alarm=alarm, title=alarm.node.id, width=WIDTH // GRAPHS, height=HEIGHT) for alarm in alarms
    ]
    rows = [graphs[start : start + GRAPHS] for start in range(0, len(graphs), GRAPHS)]
    return cloudwatch.Dashboard(scope, "Dashboard", widgets=[*_states(alarms), *_warnings(scope), *rows])


def _states(alarms: Sequence[cloudwatch.Alarm]) -> list[list[cloudwatch.IWidget]]:
    parts = [alarms[start : start + MOST_ALARMS] for start in range(0, len(alarms), MOST_ALARMS)]
    return [[cloudwatch.AlarmStatusWidget(alarms=part, title="Alarms", width=WIDTH, height=HEIGHT)] for part in parts]


def _warnings(scope: Construct) -> list[list[cloudwatch.IWidget]]:
    """What functions warned of, in one list: it leads to Logs Insights, and costs only when somebody looks."""
    functions = [each for each in scope.node.find_all() if isinstance(each, lambda_.Function)]
    groups = [each.log_group.log_group_name for each in functions][:MOST_LOG_GROUPS]
    if not groups:
        return []
    lines = cloudwatch.LogQueryWidget(
        log_group_names=groups, query_lines=list(QUERY), title="Latest warnings and errors", width=WIDTH, height=HEIGHT
    )
    return [[lines]]
