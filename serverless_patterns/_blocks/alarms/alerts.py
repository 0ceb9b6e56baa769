"""Where alarms are heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from aws_cdk import aws_sns as sns

from serverless_patterns._blocks.checks import check_has
from serverless_patterns._blocks.managed_key import check_no_managed_key

#: Critical: data or users are hurt now. Warning: they will be. Info: good to know.
Tier = Literal["critical", "warning", "info"]


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """Where alarms are heard: one SNS topic for each tier; a tier without a topic has alarms that notify nobody.

    An encrypted topic needs a customer managed key whose policy lets ``cloudwatch.amazonaws.com`` use it; with the AWS
    managed key ``alias/aws/sns`` nothing is ever delivered.
    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """

    critical: sns.ITopic | None = None
    warning: sns.ITopic | None = None
    info: sns.ITopic | None = None

    def __post_init__(self) -> None:
        """Check that topics are topics."""
        for tier in get_args(Tier):
            topic = getattr(self, tier)
            check_has(tier, topic, "topic_arn", "an SNS topic", optional=True)
            check_no_managed_key(tier, topic)
