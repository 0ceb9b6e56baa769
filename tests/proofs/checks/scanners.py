"""Checks of what scanners find: what no template may have, and what has no reason."""

import re
from collections.abc import Iterable

from tests.support.reasons import REASONS
from tools.scan import Finding

#: What no template may have, whatever the reason, by what it is about. A rule ``IAM5[Action`` stands for all that begin so.
MUST_BE_ZERO = {
    "wide permissions": "IAM4 IAM5[Action LambdaFunctionPublicAccessProhibited IAMRolesOverprivilegedRule WildcardResourceRule "
    "PrivilegeEscalationRule",
    "inline policies": "IAMNoInlinePolicy",
    "public policies": "EVB1 FullWildcardPrincipalRule GenericResourceFullWildcardPrincipalRule SQSQueuePolicyPublicRule "
    "KMSKeyWildcardPrincipalRule S3BucketPublicReadWriteAclRule S3BucketPublicReadProhibited S3BucketPublicWriteProhibited",
    "API: authorization, validation": "APIG4 APIG2",
    "API: throttling, logging": "APIGWDefaultThrottling APIG1 APIG6 APIGWAccessLogging APIGWExecutionLoggingEnabled "
    "APIGWXrayEnabled",
    "encryption": "SQS2 KMS5 KMSBackingKeyRotationEnabled KMSKeyEnabledKeyRotation",
    "TLS": "S10 S3BucketSSLRequestsOnly SNS3 SQS4",
    "dead letters": "SNSRedrivePolicy EventBusDLQ LambdaAsyncFailureDestination",
    "versions": "S3BucketVersioningEnabled S3ObjectVersioningRule S3LifecycleConfigurationRule",
    "runtime": "L1 LambdaLatestVersion LambdaTracing LambdaDefaultMemorySize LambdaDefaultTimeout",
    "logs that are kept for ever": "CloudWatchLogGroupRetentionPeriod",
    "state machines": "SF1 SF2 StepFunctionStateMachineXray",
}
#: But for log deliveries, which state machines need and for which there is no resource to name: their role, and no other.
#: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
LOG_DELIVERIES = "WildcardResourceRule", re.compile(r"\w*StateMachineRolePolicy[0-9A-F]{8}")
ALL_MUST_BE_ZERO = sorted({rule for rules in MUST_BE_ZERO.values() for rule in rules.split()})


def must_not_be(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that no reason could excuse."""
    found = [finding for finding in findings if any(is_of(rule, finding) for rule in ALL_MUST_BE_ZERO)]
    return [finding for finding in found if not _is_log_delivery(finding)]


def _is_log_delivery(finding: Finding) -> bool:
    rule, roles = LOG_DELIVERIES
    return is_of(rule, finding) and roles.fullmatch(finding.resource) is not None


def without_reason(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that have no reason."""
    return [finding for finding in findings if finding.rule not in REASONS]


def is_of(rule: str, finding: Finding) -> bool:
    """``IAM4`` is the rule of ``IAM4[Policy::...]`` too."""
    return re.fullmatch(rf"{re.escape(rule)}(\W.*)?", finding.rule) is not None
