"""AlertStack: the topics on which an environment's alarms are heard."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from serverless_patterns._blocks.alarms import Alerts
from serverless_patterns._blocks.checks import check_type
from serverless_patterns.environments import Environment


class AlertStack(Stack):
    """One encrypted topic for each tier: critical, warning, info. Subscribe people and tools to them.

    Args:
        environment: Whose alarms are heard here.
    """

    def __init__(self, scope: Construct, construct_id: str, *, environment: Environment) -> None:
        check_type("environment", environment, Environment, "an Environment, such as PROD or environment_named('prod')")
        super().__init__(
            scope,
            construct_id,
            env=environment.cdk_environment,
            termination_protection=environment.termination_protection,
            description=f"Where the alarms of {environment.name} are heard: one topic for each tier",
        )
        key = kms.Key(
            self,
            "Key",
            description="Encrypts the alarm topics",
            enable_key_rotation=True,
            removal_policy=environment.operations.removal_policy,
        )
        # With the AWS managed key of SNS, CloudWatch could publish nothing, and nobody would be told.
        key.add_to_resource_policy(self._cloudwatch("kms:Decrypt", "kms:GenerateDataKey*", resource="*"))
        self.alerts = Alerts(**{tier: self._topic(tier, key) for tier in ("critical", "warning", "info")})

    def _topic(self, tier: str, key: kms.IKey) -> sns.Topic:
        topic = sns.Topic(self, tier.capitalize(), master_key=key, enforce_ssl=True)
        topic.add_to_resource_policy(self._cloudwatch("sns:Publish", resource=topic.topic_arn))
        CfnOutput(self, f"{tier.capitalize()}TopicArn", value=topic.topic_arn)
        return topic

    def _cloudwatch(self, *actions: str, resource: str) -> iam.PolicyStatement:
        """Lets the alarms of this account use a resource.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
        """
        return iam.PolicyStatement(
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=list(actions),
            resources=[resource],
            conditions={"StringEquals": {"aws:SourceAccount": self.account}},
        )
