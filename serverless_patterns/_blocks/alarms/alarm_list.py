"""The alarms of one pattern, one after the other: what all of them have in common."""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as cloudwatch_actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from serverless_patterns._blocks.alarms.alerts import Alerts, Tier
from serverless_patterns._blocks.checks import check, check_type


class AlarmList:
    """The alarms of one pattern, while they are being defined."""

    def __init__(self, scope: Construct, alerts: Alerts) -> None:
        check(scope.node.try_find_child("Alarms") is None, f"add_alarms was called before on {scope.node.path}; call it once")
        check_type("alerts", alerts, Alerts, "Alerts(...), such as those of AlertStack(...).alerts")
        self._scope = Construct(scope, "Alarms")
        self._alerts = alerts
        self.alarms: list[cloudwatch.Alarm] = []

    def add(
        self,
        construct_id: str,
        metric: cloudwatch.IMetric,
        *,
        tier: Tier,
        threshold: float,
        description: str,
        periods: tuple[int, int] = (1, 1),
        at_threshold: bool = True,
        must_happen: bool = False,
    ) -> None:
        """Define an alarm.

        Args:
            construct_id: What is wrong, in PascalCase.
            metric: What is watched, with its statistic and period.
            tier: Whose topic is notified.
            threshold: In the unit of the metric.
            description: The likely cause, and the first command to run.
            periods: (M, N): M of the last N periods must breach.
            at_threshold: Whether the threshold itself breaches; else only what is above it.
            must_happen: Whether it is what stays away that breaches: values below the threshold, and none at all.
        """
        datapoints, evaluated = periods
        alarm = cloudwatch.Alarm(
            self._scope,
            construct_id,
            metric=metric,
            threshold=threshold,
            comparison_operator=_comparison(at_threshold=at_threshold, must_happen=must_happen),
            evaluation_periods=evaluated,
            datapoints_to_alarm=datapoints,
            # No requests and no messages are no fault; what must happen has an alarm of its own.
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING
            if must_happen
            else cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"[{tier}] {description}",
        )
        topic: sns.ITopic | None = getattr(self._alerts, tier)
        if topic is not None:
            alarm.add_alarm_action(cloudwatch_actions.SnsAction(topic))
            alarm.add_ok_action(cloudwatch_actions.SnsAction(topic))
        self.alarms.append(alarm)


def _comparison(*, at_threshold: bool, must_happen: bool) -> cloudwatch.ComparisonOperator:
    if must_happen:
        return cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
    if at_threshold:
        return cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
    return cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
