"""An account on this machine (moto) with the resources of one template, under the names that the template gives them.

It has a number of its own: what other tests of the same process have in theirs stays as it is.
"""

import contextlib
import functools
import json
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

import boto3
from moto import mock_aws
from moto.core.base_backend import BackendDict
from moto.dynamodb.models import dynamodb_backends
from moto.events.models import events_backends
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.ses.models import ses_backends
from moto.sesv2.models import sesv2_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.stepfunctions.models import stepfunctions_backends

from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.state_machines import definition_of
from serverless_patterns.testing.template import ResolvedTemplate

ACCOUNT = "111122223333"
REGION = "eu-central-1"
#: What every topic is subscribed by, so that it can be seen what was published; and the rule of every bus, for the same.
INBOX = "inbox-of-"

_BACKENDS: tuple[BackendDict[Any], ...] = (
    dynamodb_backends,
    events_backends,
    s3_backends,
    secretsmanager_backends,
    ses_backends,
    sesv2_backends,
    sns_backends,
    sqs_backends,
    stepfunctions_backends,
)


@contextlib.contextmanager
def account_of(template: ResolvedTemplate) -> Iterator[None]:
    """The account, as long as the context lasts."""
    # Variables first: moto puts back those that it finds.
    with mock.patch.dict(os.environ, MOTO_ACCOUNT_ID=ACCOUNT), mock_aws():
        try:
            for kind, make in _MAKERS.items():
                for resource in template.of_type(kind):
                    make(resource)
            _make_buses(template)
            yield
        finally:
            for backends in _BACKENDS:
                for backend in backends[ACCOUNT].values() if ACCOUNT in backends else ():
                    backend.reset()


@functools.cache
def client(service: str) -> Any:
    """A client for preparing the account and for looking into it; to make one takes longer than all else."""
    return boto3.client(service, region_name=REGION)


def name_of(arn: str) -> str:
    """The last part of an ARN."""
    return arn.rpartition(":")[2].rpartition("/")[2]


def _table(resource: Resource) -> None:
    names = ("AttributeDefinitions", "KeySchema")
    definition = {name: resource.properties[name] for name in names}
    client("dynamodb").create_table(TableName=resource.name, BillingMode="PAY_PER_REQUEST", **definition)


def _queue(resource: Resource) -> None:
    names = ("FifoQueue", "ContentBasedDeduplication", "VisibilityTimeout")
    attributes = {name: str(resource.properties[name]).lower() for name in names if name in resource.properties}
    made = client("sqs").create_queue(QueueName=name_of(resource.arn), Attributes=attributes)
    assert made["QueueUrl"] == resource.name


def _topic(resource: Resource) -> None:
    name = name_of(resource.arn)
    attributes = {"FifoTopic": "true"} if resource.properties.get("FifoTopic") else {}
    made = client("sns").create_topic(Name=name, Attributes=attributes)
    assert made["TopicArn"] == resource.arn
    is_fifo = {"FifoQueue": "true"} if attributes else {}
    client("sqs").create_queue(QueueName=f"{INBOX}{name}", Attributes=is_fifo)
    client("sns").subscribe(TopicArn=resource.arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{INBOX}{name}")


class InboxRule:
    """A rule that matches every event, and keeps it: those of moto need a library for whatever they send."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def send_to_targets(self, event: dict[str, Any]) -> None:
        self.events.append(event)


def _make_buses(template: ResolvedTemplate) -> None:
    """Those that functions announce on: buses are their users', and mostly of other templates."""
    arns = {function.environment.get("BUS_NAME") for function in template.functions} - {None}
    for name in sorted(name_of(str(arn)) for arn in arns):
        client("events").create_event_bus(Name=name)
        events_backends[ACCOUNT][REGION].event_buses[name].rules[INBOX] = InboxRule()


def _bucket(resource: Resource) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=resource.name, CreateBucketConfiguration={"LocationConstraint": REGION})
    if "VersioningConfiguration" in resource.properties:
        s3.put_bucket_versioning(Bucket=resource.name, VersioningConfiguration=resource.properties["VersioningConfiguration"])


def _secret(resource: Resource) -> None:
    name = name_of(resource.arn)[:-7]  # without the six characters that Secrets Manager adds, and moto chooses by chance
    client("secretsmanager").create_secret(Name=name)
    secretsmanager_backends[ACCOUNT][REGION].secrets[name].arn = resource.arn


def _machine(resource: Resource) -> None:
    """It starts executions and does not run them."""
    role = f"arn:aws:iam::{ACCOUNT}:role/machine"
    definition = json.dumps(definition_of(resource))
    name = name_of(resource.arn)
    made = client("stepfunctions").create_state_machine(name=name, definition=definition, roleArn=role)
    assert made["stateMachineArn"] == resource.arn


_MAKERS = {
    "AWS::DynamoDB::GlobalTable": _table,
    "AWS::DynamoDB::Table": _table,
    "AWS::S3::Bucket": _bucket,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::SNS::Topic": _topic,
    "AWS::SQS::Queue": _queue,
    "AWS::StepFunctions::StateMachine": _machine,
}
