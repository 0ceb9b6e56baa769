"""What AWS services do to the resources of a template by themselves: deliver, invoke, tell. Their policies must let them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from serverless_patterns.testing.api_senders import (
    authorizer_sendings,
    definition_sendings,
    integration_sendings,
    method_sendings,
)
from serverless_patterns.testing.event_keys import event_key_needs
from serverless_patterns.testing.key_needs import key_needs
from serverless_patterns.testing.log_keys import log_key_needs
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.sending import Sending, sending
from serverless_patterns.testing.template import ResolvedTemplate

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


def _subscription(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A topic delivers, and moves what it cannot deliver.

    https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html,
    https://docs.aws.amazon.com/sns/latest/dg/sns-configure-dead-letter-queue.html
    """
    properties = resource.properties
    topic = str(properties["TopicArn"])
    if properties["Protocol"] in {"sqs", "lambda"}:
        yield from sending(template, "sns", properties["Endpoint"], topic, f"the subscription {resource.logical_id}")
    redrive = properties.get("RedrivePolicy", {})
    yield from sending(template, "sns", redrive.get("deadLetterTargetArn"), topic, f"undelivered of {resource.logical_id}")


def _rule(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A rule sends to targets without a role, and moves what it cannot deliver.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
    """
    for target in resource.properties.get("Targets", []):
        if "RoleArn" not in target:
            yield from sending(template, "events", target["Arn"], resource.arn, f"a target of {resource.logical_id}")
        dead_letters = target.get("DeadLetterConfig", {}).get("Arn")
        yield from sending(template, "events", dead_letters, resource.arn, f"undelivered of {resource.logical_id}")


def _bus(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A bus moves what it cannot encrypt or route to its dead-letter queue.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-cmkey.html
    """
    dead_letters = resource.properties.get("DeadLetterConfig", {}).get("Arn")
    yield from sending(template, "events", dead_letters, resource.arn, f"undelivered of {resource.logical_id}")
    yield from _uses_key(template, resource)


def _uses_key(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A bus and its archive use the keys that they have."""
    for need in event_key_needs(template, resource):
        yield Sending("events.amazonaws.com", need)


def _log_group(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """CloudWatch Logs uses the key of a log group, by its principal of the region."""
    for need in log_key_needs(template, resource):
        yield Sending(f"logs.{template.place.region}.{template.place.suffix}", need)


def _subscription_filter(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A log group sends what it is subscribed to, where it has no role for it.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
    """
    properties, place = resource.properties, template.place
    if "RoleArn" not in properties:
        source = f"arn:{place.partition}:logs:{place.region}:{place.account}:log-group:{properties['LogGroupName']}:*"
        yield from sending(template, "logs", properties["DestinationArn"], source, f"the subscription {resource.logical_id}")


def _bucket(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A bucket announces its objects.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
    """
    notifications = resource.properties.get("NotificationConfiguration", {})
    for configurations, target in _NOTIFICATIONS.items():
        for each in notifications.get(configurations, []):
            yield from sending(template, "s3", each[target], resource.arn, f"the notifications of {resource.logical_id}")


def _notifications(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """The custom resource of CDK's buckets sets their notifications, in the shape of the S3 API.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
    """
    bucket = f"arn:{template.place.partition}:s3:::{resource.properties['BucketName']}"
    notifications = resource.properties.get("NotificationConfiguration", {})
    for configurations, target in _API_NOTIFICATIONS.items():
        for each in notifications.get(configurations, []):
            yield from sending(template, "s3", each[target], bucket, f"the notifications of {bucket}")


def _alarm(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """An alarm tells its topics, or invokes functions.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions.html
    """
    for kind in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        for target in resource.properties.get(kind, []):
            lambda_function = ":lambda:" in str(target)
            service = "lambda.alarms.cloudwatch" if lambda_function else "cloudwatch"
            yield from sending(template, service, target, resource.arn, f"the alarm {resource.logical_id}")


def _user_pool(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """A user pool invokes the functions of its triggers.

    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
    """
    for value in _texts(resource.properties.get("LambdaConfig", {})):
        if ":lambda:" in value:
            yield from sending(template, "cognito-idp", value, resource.arn, f"a trigger of {resource.logical_id}")


def _rotation(template: ResolvedTemplate, resource: Resource) -> Iterator[Sending]:
    """Secrets Manager invokes the function that rotates a secret.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets-required-permissions-function.html
    """
    function = resource.properties.get("RotationLambdaARN")
    secret = str(resource.properties["SecretId"])
    yield from sending(template, "secretsmanager", function, secret, f"the rotation of {secret}")


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  any JSON
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def is_judged(service: str, action: str) -> bool:
    """Whether all that a service does with an action is known here: what else it is allowed is too much.

    Of what services do with the objects of buckets - write logs, inventories, analyses - nothing is known.
    """
    name = service.partition(".amazonaws.com")[0]
    return (name in _JUDGED or name.startswith("logs.")) and not action.startswith("s3:")


_JUDGED = frozenset(
    {
        "apigateway",
        "cloudwatch",
        "cognito-idp",
        "events",
        "lambda.alarms.cloudwatch",
        "logs",
        "s3",
        "secretsmanager",
        "sns",
    }
)
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
    "AWS::Logs::SubscriptionFilter": _subscription_filter,
    "AWS::S3::Bucket": _bucket,
    "Custom::S3BucketNotifications": _notifications,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _alarm,
    "AWS::ApiGateway::Authorizer": authorizer_sendings,
    "AWS::ApiGateway::Method": method_sendings,
    "AWS::ApiGateway::RestApi": definition_sendings,
    "AWS::ApiGatewayV2::Api": definition_sendings,
    "AWS::ApiGatewayV2::Authorizer": authorizer_sendings,
    "AWS::ApiGatewayV2::Integration": integration_sendings,
    "AWS::Cognito::UserPool": _user_pool,
    "AWS::SecretsManager::RotationSchedule": _rotation,
}
