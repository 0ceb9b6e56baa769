"""What CDK's own grants would let a function do, for the same resources and the same use: the other column of the page.

For each resource that the function's role may use, a stack is defined with one like it, encrypted in the same way, and CDK's
own grant that fits best: the one for reading, if the function only reads. The function has the role that CDK gives it.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

from serverless_patterns.testing.need import Need
from serverless_patterns.testing.permissions import Grant, Permissions
from serverless_patterns.testing.template import ResolvedTemplate
from tests.proofs.account import REGION
from tests.proofs.subjects import Subject
from tests.support.synthesis import empty_stack, template_of

#: What a function does to a resource by calls that change nothing there.
_READS = frozenset(
    {
        "dynamodb:BatchGetItem",
        "dynamodb:GetItem",
        "dynamodb:Query",
        "dynamodb:Scan",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
    }
)
_Grant = Callable[[Any, lambda_.Function, Collection[str]], object]


def effective_actions(found: Iterable[Grant | Need]) -> int:
    """How many things these are: actions, those behind a wildcard counted one by one, each for every resource.

    The objects of a bucket and the bucket itself are one resource; so are the streams of a log.
    """
    return len({(each.action, _whole(each.resource)) for each in found})


def permissions_of_cdk(subject: Subject) -> Permissions:
    """What the function's role could do if each arrow were CDK's grant."""
    stack = empty_stack(REGION)
    function = lambda_.Function(
        stack,
        "Function",
        code=lambda_.Code.from_inline("def handler(event, context): ..."),
        handler="index.handler",
        runtime=lambda_.Runtime.PYTHON_3_14,
        tracing=lambda_.Tracing.ACTIVE,
    )
    for arn, actions in _used(subject).items():
        resource = subject.template.at(arn)
        if resource is None or resource.type not in _LIKE:
            continue  # a log group or a key: CDK's own role and grants see to these
        make, grant = _LIKE[resource.type]
        grant(make(stack, resource.logical_id, _key(stack, resource.properties)), function, actions)
    template = ResolvedTemplate.of(template_of(stack))
    (found,) = template.functions
    assert found.role
    return template.permissions(found.role)


def _used(subject: Subject) -> Mapping[str, set[str]]:
    """ARN of each resource that the role names -> what it may do there."""
    found = defaultdict(set)
    for grant in subject.template.permissions(subject.role).grants:
        found[_whole(grant.resource)].add(grant.action)
    return found


def _whole(resource: str) -> str:
    """The bucket of objects, the log group of streams; anything else as it is."""
    return resource.partition("/")[0] if ":s3:::" in resource else re.sub(r":(log-stream:)?\*$", "", resource)


def _key(stack: cdk.Stack, properties: Mapping[str, Any]) -> kms.IKey | None:
    """A key for what has one of the user's."""
    if "arn:aws:kms" not in str(properties):
        return None
    found: Any = stack.node.try_find_child("Key")
    return found or kms.Key(stack, "Key")


def _table(stack: cdk.Stack, name: str, key: kms.IKey | None) -> dynamodb.TableV2:
    partition_key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    encryption = dynamodb.TableEncryptionV2.customer_managed_key(key) if key else None
    return dynamodb.TableV2(stack, name, partition_key=partition_key, encryption=encryption)


def _grant_table(table: dynamodb.TableV2, function: lambda_.Function, actions: Collection[str]) -> None:
    _fitting(actions, table.grant_read_data, table.grant_write_data, table.grant_read_write_data)(function)


def _bucket(stack: cdk.Stack, name: str, key: kms.IKey | None) -> s3.Bucket:
    return s3.Bucket(stack, name, encryption_key=key)


def _grant_bucket(bucket: s3.Bucket, function: lambda_.Function, actions: Collection[str]) -> None:
    _fitting(actions, bucket.grant_read, bucket.grant_write, bucket.grant_read_write)(function)


def _queue(stack: cdk.Stack, name: str, key: kms.IKey | None) -> sqs.Queue:
    return sqs.Queue(stack, name, encryption_master_key=key)


def _grant_queue(queue: sqs.Queue, function: lambda_.Function, actions: Collection[str]) -> None:
    if "sqs:SendMessage" in actions:
        queue.grant_send_messages(function)
    if "sqs:ReceiveMessage" in actions:
        queue.grant_consume_messages(function)


def _topic(stack: cdk.Stack, name: str, key: kms.IKey | None) -> sns.Topic:
    return sns.Topic(stack, name, master_key=key)


def _grant_topic(topic: sns.Topic, function: lambda_.Function, _: Collection[str]) -> None:
    topic.grant_publish(function)


def _secret(stack: cdk.Stack, name: str, key: kms.IKey | None) -> secretsmanager.Secret:
    return secretsmanager.Secret(stack, name, encryption_key=key)


def _grant_secret(secret: secretsmanager.Secret, function: lambda_.Function, _: Collection[str]) -> None:
    secret.grant_read(function)


def _cluster(stack: cdk.Stack, name: str, key: kms.IKey | None) -> rds.IDatabaseCluster:
    return rds.DatabaseCluster.from_database_cluster_attributes(
        stack, name, cluster_identifier="cluster", data_api_enabled=True, secret=_secret(stack, f"{name}Secret", key)
    )


def _grant_cluster(cluster: rds.IDatabaseCluster, function: lambda_.Function, _: Collection[str]) -> None:
    cluster.grant_data_api_access(function)


def _fitting(
    actions: Collection[str],
    read: Callable[[Any], object],
    write: Callable[[Any], object],
    both: Callable[[Any], object],
) -> Callable[[Any], object]:
    if _READS.isdisjoint(actions):
        return write
    return read if _READS.issuperset(actions) else both


_LIKE: Mapping[str, tuple[Callable[[cdk.Stack, str, kms.IKey | None], Any], _Grant]] = {
    "AWS::DynamoDB::GlobalTable": (_table, _grant_table),
    "AWS::S3::Bucket": (_bucket, _grant_bucket),
    "AWS::RDS::DBCluster": (_cluster, _grant_cluster),
    "AWS::SQS::Queue": (_queue, _grant_queue),
    "AWS::SNS::Topic": (_topic, _grant_topic),
    "AWS::SecretsManager::Secret": (_secret, _grant_secret),
}
