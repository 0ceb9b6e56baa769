"""What AWS services do to the resources of a template by themselves: deliver, invoke, tell. Their policies must let them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serverless_patterns.testing.event_keys import event_key_needs
from serverless_patterns.testing.key_needs import key_needs
from serverless_patterns.testing.log_keys import log_key_needs
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.service_needs import sending_action
from serverless_patterns.testing.template import ResolvedTemplate


@dataclass(frozen=True, order=True)
class Sending:
    """One thing that a service does to a resource.

    Args:
        service: The service's principal, as ``sns.amazonaws.com``.
        need: What it does, in the context that the service gives with it.
    """

    service: str
    need: Need


Rule = Callable[[ResolvedTemplate, Resource], Iterable[Sending]]


def sendings(template: ResolvedTemplate, *others: ResolvedTemplate) -> list[Sending]:
    """All that services do to resources, as the templates say, sorted, without repetitions.

    For a queue or a topic with a key, the service that sends uses the key too:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html

    Args:
        template: The template with the resources that it is done to.
        others: Templates with resources that do it, as alarms tell topics of another stack.
    """
    every = (template, *others)
    found = [done for one in every for each in one.resources.values() for done in _RULES.get(each.type, _nothing)(one, each)]
    keys = [
        Sending(each.service, Need(key.action, key.resource, key.why, each.need.context))
        for each in found
        for key in key_needs(template, [each.need])
    ]
    # Two sources that do the same are two: a policy may let in the one and not the other.
    unique = {(each, tuple(sorted(each.need.context.items()))): each for each in (*found, *keys)}
    return [unique[key] for key in sorted(unique)]


def _nothing(template: ResolvedTemplate, resource: Resource) -> Iterable[Sending]:
    del template, resource
    return ()


def _sending(template: ResolvedTemplate, service: str, target: object, source: str | None, why: str) -> Iterator[Sending]:
    action = sending_action(str(target))
    if action:
        context = {"aws:SourceAccount": template.place.account} | ({"aws:SourceArn": source} if source else {})
        yield Sending(f"{service}.amazonaws.com", Need(action, str(target), why, context))


def _subscription(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A topic delivers, and moves what it cannot deliver.

    https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html,
    https://docs.aws.amazon.com/sns/latest/dg/sns-configure-dead-letter-queue.html
    """
    properties = resource.properties
    topic = str(properties["TopicArn"])
    if properties["Protocol"] in {"sqs", "lambda"}:
        yield from _sending(template, "sns", properties["Endpoint"], topic, f"the subscription {resource.logical_id}")
    redrive = properties.get("RedrivePolicy", {})
    yield from _sending(template, "sns", redrive.get("deadLetterTargetArn"), topic, f"undelivered of {resource.logical_id}")


def _rule(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A rule sends to targets without a role, and moves what it cannot deliver.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
    """
    for target in resource.properties.get("Targets", []):
        if "RoleArn" not in target:
            yield from _sending(template, "events", target["Arn"], resource.arn, f"a target of {resource.logical_id}")
        dead_letters = target.get("DeadLetterConfig", {}).get("Arn")
        yield from _sending(template, "events", dead_letters, resource.arn, f"undelivered of {resource.logical_id}")


def _bus(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A bus moves what it cannot encrypt or route to its dead-letter queue.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-cmkey.html
    """
    dead_letters = resource.properties.get("DeadLetterConfig", {}).get("Arn")
    yield from _sending(template, "events", dead_letters, resource.arn, f"undelivered of {resource.logical_id}")
    yield from _uses_key(template, resource)


def _uses_key(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A bus and its archive use the keys that they have."""
    for need in event_key_needs(template, resource):
        yield Sending("events.amazonaws.com", need)


def _log_group(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """CloudWatch Logs uses the key of a log group, by its principal of the region."""
    for need in log_key_needs(template, resource):
        yield Sending(f"logs.{template.place.region}.{template.place.suffix}", need)


def _bucket(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A bucket announces its objects.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
    """
    notifications = resource.properties.get("NotificationConfiguration", {})
    for configurations, target in _NOTIFICATIONS.items():
        for each in notifications.get(configurations, []):
            yield from _sending(template, "s3", each[target], resource.arn, f"the notifications of {resource.logical_id}")


def _notifications(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """The custom resource of CDK's buckets sets their notifications, in the shape of the S3 API.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
    """
    bucket = f"arn:{template.place.partition}:s3:::{resource.properties['BucketName']}"
    notifications = resource.properties.get("NotificationConfiguration", {})
    for configurations, target in _API_NOTIFICATIONS.items():
        for each in notifications.get(configurations, []):
            yield from _sending(template, "s3", each[target], bucket, f"the notifications of {bucket}")


def _alarm(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """An alarm tells its topics, or invokes functions.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions.html
    """
    for kind in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        for target in resource.properties.get(kind, []):
            lambda_function = ":lambda:" in str(target)
            service = "lambda.alarms.cloudwatch" if lambda_function else "cloudwatch"
            yield from _sending(template, service, target, resource.arn, f"the alarm {resource.logical_id}")


def _method(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A method of a REST API invokes its function, where it has no role for it.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html
    """
    integration = resource.properties.get("Integration", {})
    function = str(integration.get("Uri", "")).partition("/functions/")[2].removesuffix("/invocations")
    if function and "Credentials" not in integration:
        yield from _of_api(template, resource, function, str(resource.properties["RestApiId"]))


def _integration(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """An integration of an HTTP API invokes its function, where it has no role for it.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    function = str(resource.properties.get("IntegrationUri", ""))
    if ":lambda:" in function and "CredentialsArn" not in resource.properties:
        yield from _of_api(template, resource, function, str(resource.properties["ApiId"]))


def _of_api(template: ResolvedTemplate, resource: Resource, function: str, api: str) -> Iterator[Sending]:
    place = template.place
    # Stage, method and path of the request: a policy that names fewer than all of them is judged by its pattern.
    source = f"arn:{place.partition}:execute-api:{place.region}:{place.account}:{api}/stage/METHOD/path"
    yield from _sending(template, "apigateway", function, source, f"the integration of {resource.logical_id}")


def _user_pool(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A user pool invokes the functions of its triggers.

    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
    """
    for value in _texts(resource.properties.get("LambdaConfig", {})):
        if ":lambda:" in value:
            yield from _sending(template, "cognito-idp", value, resource.arn, f"a trigger of {resource.logical_id}")


def _rotation(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """Secrets Manager invokes the function that rotates a secret.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets-required-permissions-function.html
    """
    function = resource.properties.get("RotationLambdaARN")
    secret = str(resource.properties["SecretId"])
    yield from _sending(template, "secretsmanager", function, secret, f"the rotation of {secret}")


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  any JSON
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


_NOTIFICATIONS = {"LambdaConfigurations": "Function", "QueueConfigurations": "Queue", "TopicConfigurations": "Topic"}
_API_NOTIFICATIONS = {
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
    "QueueConfigurations": "QueueArn",
    "TopicConfigurations": "TopicArn",
}
_RULES: Mapping[str, Rule] = {
    "AWS::SNS::Subscription": _subscription,
    "AWS::Events::Rule": _rule,
    "AWS::Events::EventBus": _bus,
    "AWS::Events::Archive": _uses_key,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::S3::Bucket": _bucket,
    "Custom::S3BucketNotifications": _notifications,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _alarm,
    "AWS::ApiGateway::Method": _method,
    "AWS::ApiGatewayV2::Integration": _integration,
    "AWS::Cognito::UserPool": _user_pool,
    "AWS::SecretsManager::RotationSchedule": _rotation,
}
