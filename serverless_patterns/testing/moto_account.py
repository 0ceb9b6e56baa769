"""An account on this machine (moto) with the resources of one template, under the names that the template gives them."""

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping
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

from serverless_patterns.testing.calls import unwatched
from serverless_patterns.testing.names import Place
from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.state_machines import definition_of
from serverless_patterns.testing.template import ResolvedTemplate

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
def stand_in(template: ResolvedTemplate) -> Iterator[None]:
    """Moto instead of AWS, with the template's tables, queues, topics, buckets, secrets and state machines, all of them empty.

    The account and the region are those of ``ResolvedTemplate.of``; buses are there that its functions put events on. Nothing
    is delivered from a bus or a bucket, and no execution of a state machine runs. What was there is gone when it ends. To make
    the resources counts as no call of the function (``unwatched``).

    Example::

        with stand_in(template), running(function, code_of(cdk_out, function)) as invoke:
            assert invoke(event)["statusCode"] == 201
    """
    account = template.place.account
    # Variables first: moto puts back those that it finds.
    with mock.patch.dict(os.environ, MOTO_ACCOUNT_ID=account), mock_aws():
        try:
            with unwatched():
                _make_all(template)
            yield
        finally:
            for backends in _BACKENDS:
                for backend in backends[account].values() if account in backends else ():
                    backend.reset()


@functools.cache
def client(service: str, region: str) -> Any:  # noqa: ANN401  as boto3 itself has it
    """A client for preparing the account and for looking into it; to make one takes longer than all else."""
    make: Any = boto3.client  # typed for each service, which is any here
    return make(service, region_name=region)


def name_of(arn: str) -> str:
    """The last part of an ARN or of a URL."""
    return arn.rpartition(":")[2].rpartition("/")[2]


def _make_all(template: ResolvedTemplate) -> None:
    for kind, make in _MAKERS.items():
        for resource in template.of_type(kind):
            make(resource, template.place)
    # Those that functions announce on: buses are their users', and often of other templates.
    buses = {name_of(function.environment["BUS_NAME"]) for function in template.functions if "BUS_NAME" in function.environment}
    for name in sorted(buses - {"default"}):
        client("events", template.place.region).create_event_bus(Name=name)


def _table(resource: Resource, place: Place) -> None:
    names = ("AttributeDefinitions", "KeySchema")
    definition = {name: resource.properties[name] for name in names}
    client("dynamodb", place.region).create_table(TableName=resource.name, BillingMode="PAY_PER_REQUEST", **definition)


def _queue(resource: Resource, place: Place) -> None:
    names = ("FifoQueue", "ContentBasedDeduplication", "VisibilityTimeout")
    attributes = {name: str(resource.properties[name]).lower() for name in names if name in resource.properties}
    client("sqs", place.region).create_queue(QueueName=name_of(resource.name), Attributes=attributes)


def _topic(resource: Resource, place: Place) -> None:
    attributes = {"FifoTopic": "true"} if resource.properties.get("FifoTopic") else {}
    client("sns", place.region).create_topic(Name=name_of(resource.name), Attributes=attributes)


def _bucket(resource: Resource, place: Place) -> None:
    s3 = client("s3", place.region)
    # us-east-1 is where a bucket is without a constraint, and no value of one.
    where = {} if place.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": place.region}}
    s3.create_bucket(Bucket=resource.name, **where)
    if "VersioningConfiguration" in resource.properties:
        s3.put_bucket_versioning(Bucket=resource.name, VersioningConfiguration=resource.properties["VersioningConfiguration"])


def _secret(resource: Resource, place: Place) -> None:
    name = name_of(resource.name)[:-7]  # without the six characters that Secrets Manager adds, and moto chooses by chance
    client("secretsmanager", place.region).create_secret(Name=name)
    secretsmanager_backends[place.account][place.region].secrets[name].arn = str(resource.arn)


def _machine(resource: Resource, place: Place) -> None:
    """It starts executions and does not run them."""
    role = f"arn:aws:iam::{place.account}:role/machine"
    definition = json.dumps(definition_of(resource))
    client("stepfunctions", place.region).create_state_machine(name=name_of(resource.name), definition=definition, roleArn=role)


_MAKERS: Mapping[str, Callable[[Resource, Place], None]] = {
    "AWS::DynamoDB::GlobalTable": _table,
    "AWS::DynamoDB::Table": _table,
    "AWS::S3::Bucket": _bucket,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::SNS::Topic": _topic,
    "AWS::SQS::Queue": _queue,
    "AWS::StepFunctions::StateMachine": _machine,
}
