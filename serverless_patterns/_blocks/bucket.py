"""Buckets: private, encrypted, for callers with TLS only, versioned; what is left of uploads and old versions is cleaned up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from urllib.parse import quote_plus

from aws_cdk import Duration, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from serverless_patterns._blocks.checks import check, check_duration, check_grantee, check_has, check_type
from serverless_patterns.operations import Operations

#: Days after which the parts of an upload that was never completed are deleted: they cost like objects and nobody sees them.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpu-abort-incomplete-mpu-lifecycle-config.html
INCOMPLETE_UPLOAD_DAYS = 7
#: Days for which an overwritten or deleted version is kept.
OLD_VERSION_DAYS = 90
#: What a user may give.
BUCKET = "BucketOptions(...) or an S3 bucket"


@dataclass(frozen=True, kw_only=True)
class BucketOptions:
    """How a pattern's own bucket is defined.

    Args:
        versioned: Whether overwritten and deleted objects are kept for 90 days. Default yes: a message that is worked late
            then still finds the version that it is about.
        expiration: How long objects are kept, in whole days. Default: for ever.
        access_logs: A bucket of yours for S3's server access logs, in the same region, without a key of its own. Default: none.

    Raises:
        PatternError: A value does not fit.
    """

    versioned: bool = True
    expiration: Duration | None = None
    access_logs: s3.IBucket | None = None

    def __post_init__(self) -> None:
        """Check the types."""
        check_type("versioned", self.versioned, bool, "True or False")
        if self.expiration is not None:
            day = 24 * 60 * 60
            check_duration("expiration", self.expiration, least=day, most=36_500 * day)
            days = 1 if self.expiration.is_unresolved() else self.expiration.to_seconds() / day
            check(days % 1 == 0, f"expiration must be whole days, got {days:g} days")
        check_has("access_logs", self.access_logs, "bucket_arn", "an S3 bucket", optional=True)


def define_bucket(
    scope: Construct, construct_id: str, *, options: BucketOptions, key: kms.IKey | None, operations: Operations
) -> s3.Bucket:
    """Define a bucket."""
    return s3.Bucket(
        scope,
        construct_id,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        encryption=s3.BucketEncryption.S3_MANAGED if key is None else s3.BucketEncryption.KMS,
        encryption_key=key,
        # One call to KMS for many objects, not one for each.
        bucket_key_enabled=None if key is None else True,
        enforce_ssl=True,
        versioned=options.versioned,
        lifecycle_rules=[
            s3.LifecycleRule(
                abort_incomplete_multipart_upload_after=Duration.days(INCOMPLETE_UPLOAD_DAYS),
                noncurrent_version_expiration=Duration.days(OLD_VERSION_DAYS) if options.versioned else None,
                expiration=options.expiration,
                # What is left of a deleted object once its last version is gone.
                expired_object_delete_marker=True if options.versioned and options.expiration is None else None,
            )
        ],
        server_access_logs_bucket=options.access_logs,
        server_access_logs_prefix=None if options.access_logs is None else f"{scope.node.id}/{construct_id}/",
        removal_policy=operations.removal_policy,
    )


def bucket_of(
    scope: Construct,
    construct_id: str,
    given: s3.IBucket | BucketOptions | None,
    *,
    default: BucketOptions = BucketOptions(),
    key: kms.IKey | None,
    operations: Operations,
) -> s3.IBucket:
    """The bucket that was given, or one that is defined with the options that were, or these."""
    if given is not None and not isinstance(given, BucketOptions):
        return given
    return define_bucket(scope, construct_id, options=given or default, key=key, operations=operations)


def send_events(bucket: s3.IBucket) -> None:
    """Let a bucket of this app tell EventBridge of its objects; an imported one must do so already.

    CDK's own switch for it (``event_bridge_enabled``) adds a second function with permissions on ``*``; the property does not.
    A bucket that has that function all the same, for notifications of the user's, is told by it: it overwrites the property.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html
    """
    definition = bucket.node.default_child
    if bucket.node.try_find_child("Notifications") is not None:
        bucket.enable_event_bridge_notification()
    elif isinstance(definition, s3.CfnBucket):
        definition.add_property_override("NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", value=True)


def send_to_function(bucket: s3.Bucket, function: lambda_.Function, *, prefix: str, suffix: str) -> None:
    """Let a bucket invoke a function for each object that is created.

    The bucket depends on the permission, and so on the function: nothing that the function depends on may name the bucket, not
    even its role's policy (the bucket's own policy lets the role read). CDK's ``add_event_notification`` avoids that circle
    with a second function that has permissions on ``*``.
    """
    permission = lambda_.CfnPermission(
        bucket,
        "InvokeFunction",
        action="lambda:InvokeFunction",
        function_name=function.function_arn,
        principal="s3.amazonaws.com",
        source_account=bucket.env.account,
    )
    rules = [{"Name": name, "Value": _encoded(value)} for name, value in (("prefix", prefix), ("suffix", suffix)) if value]
    configuration = {
        "Event": "s3:ObjectCreated:*",
        "Function": function.function_arn,
        **({"Filter": {"S3Key": {"Rules": rules}}} if rules else {}),
    }
    definition = cast(s3.CfnBucket, bucket.node.default_child)
    definition.add_property_override("NotificationConfiguration.LambdaConfigurations", [configuration])
    bucket.node.add_dependency(permission)


def _encoded(text: str) -> str:
    """A prefix or suffix as the filter of a notification has it; EventBridge has keys as they are.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
    """
    return text if Token.is_unresolved(text) else quote_plus(text, safe="/!'()")


def let_read(bucket: s3.Bucket, reader: iam.IGrantable, *, below: str) -> None:
    """Let a role read objects by the policy of the bucket, which the role does not know of."""
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[reader.grant_principal],
            actions=["s3:GetObject", "s3:GetObjectVersion"],
            resources=[bucket.arn_for_objects(f"{below}*")],
        )
    )
    # Without it, S3 says 403 and not 404 of an object that is gone.
    bucket.add_to_resource_policy(
        iam.PolicyStatement(principals=[reader.grant_principal], actions=["s3:ListBucket"], resources=[bucket.bucket_arn])
    )


def grant_objects(grantee: iam.IGrantable, bucket: s3.IBucket, *actions: str, below: str = "") -> None:
    """Allow these actions on the objects below a prefix, and the use of the bucket's key as far as it is known."""
    check_grantee(grantee)
    names = [f"s3:{action}" for action in actions]
    iam.Grant.add_to_principal(grantee=grantee, actions=names, resource_arns=[bucket.arn_for_objects(f"{below}*")])
    if bucket.encryption_key is not None:
        writes = any(action.startswith("Put") for action in actions)
        bucket.encryption_key.grant(grantee, *(("kms:Decrypt", "kms:GenerateDataKey") if writes else ("kms:Decrypt",)))


def grant_listing(grantee: iam.IGrantable, bucket: s3.IBucket) -> None:
    """Let a principal list a bucket: without it, S3 says 403 and not 404 of an object that is gone.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    iam.Grant.add_to_principal(grantee=grantee, actions=["s3:ListBucket"], resource_arns=[bucket.bucket_arn])
