"""Alarms of what delivers events: topics, rules, schedules."""

from __future__ import annotations

from aws_cdk import Duration, Fn
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns

from serverless_patterns._blocks.alarms.alarm_list import AlarmList


class DeliveryAlarms(AlarmList):
    """Alarms of what delivers events."""

    def add_topic(self, name: str, topic: sns.ITopic) -> None:
        """The alarms of a topic: notifications that reached nobody, and those that were not even kept."""
        look = f"aws sns list-subscriptions-by-topic --topic-arn {topic.topic_arn}"
        for suffix, metric, cause in (
            (
                "Failed",
                "NumberOfNotificationsFailed",
                "A subscriber could not be reached; what it missed is in its delivery dead-letter queue",
            ),
            (
                "Lost",
                "NumberOfNotificationsFailedToRedriveToDlq",
                "A notification reached neither its subscriber nor a dead-letter queue",
            ),
        ):
            self.add(
                f"{name}Notifications{suffix}",
                topic.metric(metric, period=Duration.minutes(1), statistic="Sum"),
                tier="critical",
                threshold=1,
                description=f"{cause}. First: {look}",
            )

    def add_rule(self, name: str, rule: events.CfnRule, *, target: str = "queue", bus: events.IEventBus | None = None) -> None:
        """The alarms of a rule: events that could not be delivered, and those that were not even kept.

        Only the metrics of rules on other buses than the default one have the dimension of the bus. Such a rule is referred to
        as ``bus|rule``.
        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
        https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-rule.html
        """
        dimensions = {"RuleName": rule.ref}
        look = f"aws events list-targets-by-rule --rule {rule.ref}"
        if bus is not None and bus.event_bus_name != "default":
            dimensions = {"EventBusName": bus.event_bus_name, "RuleName": Fn.select(1, Fn.split("|", rule.ref))}
            look = f"aws events list-rules --event-bus-name {bus.event_bus_name}"
        for metric, cause in (
            ("FailedInvocations", f"Events could not be delivered to the {target}; they are in the delivery dead-letter queue"),
            ("InvocationsFailedToBeSentToDlq", f"Events reached neither the {target} nor the delivery dead-letter queue"),
        ):
            self.add(
                f"{name}{metric}",
                cloudwatch.Metric(
                    namespace="AWS/Events",
                    metric_name=metric,
                    dimensions_map=dimensions,
                    period=Duration.minutes(1),
                    statistic="Sum",
                ),
                tier="critical",
                threshold=1,
                description=f"{cause}. First: {look}",
            )

    def add_schedule(self, name: str, group: scheduler.CfnScheduleGroup) -> None:
        """The alarms of a group of schedules: targets that fail, and invocations that were given up or not even kept.

        https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html
        """
        look = f"aws scheduler list-schedules --group-name {group.ref}"
        for metric, cause in (
            ("TargetErrorCount", "The schedule could not invoke its target; it tries again"),
            ("InvocationDroppedCount", "The schedule gave an invocation up; it is in the delivery dead-letter queue"),
            ("InvocationsFailedToBeSentToDeadLetterCount", "An invocation reached neither its target nor a dead-letter queue"),
        ):
            self.add(
                f"{name}{metric}",
                cloudwatch.Metric(
                    namespace="AWS/Scheduler",
                    metric_name=metric,
                    dimensions_map={"ScheduleGroup": group.ref},
                    period=Duration.minutes(1),
                    statistic="Sum",
                ),
                tier="critical",
                threshold=1,
                description=f"{cause}. First: {look}",
            )
