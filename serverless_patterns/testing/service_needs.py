"""What the roles need that services other than Lambda assume, by the resources that name them.

Each rule has the page that says what the service does with the role.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from serverless_patterns.testing.integrations import http_needs, rest_needs
from serverless_patterns.testing.key_needs import key_needs
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.state_machines import machine_needs
from serverless_patterns.testing.template import ResolvedTemplate

#: The ARN of the role -> what is needed of it.
Rule = Callable[[ResolvedTemplate, Resource, str], Iterable[Need]]


def needs_of_role(template: ResolvedTemplate, role: Resource) -> list[Need]:
    """What the resources of a template need of a role that they name, sorted, without repetitions."""
    arn = role.arn or ""
    found = [
        need
        for resource in template.resources.values()
        for need in _RULES.get(resource.type, _nothing)(template, resource, arn)
    ]
    return sorted({*found, *key_needs(template, found)})


def unjudged_users(template: ResolvedTemplate, role: Resource) -> list[str]:
    """The resources that name a role and use it in a way that has no rule here: what they need must be judged by hand."""
    named = [each for each in template.resources.values() if not each.type.startswith("AWS::IAM::")]
    users = [each for each in named if each.type not in _RULES and str(role.arn) in map(str, each.properties.values())]
    partners = [f"{each.logical_id} ({each.type}) with {arn}" for each in named for arn in _unknown_partners(each, role)]
    return [*(f"{each.logical_id} ({each.type})" for each in users), *partners]


def _unknown_partners(resource: Resource, role: Resource) -> Iterator[str]:
    """What a rule, a schedule or a pipe sends to or reads from with a role, and is of a kind that has no action here."""
    properties = resource.properties
    match resource.type:
        case "AWS::Events::Rule":
            targets = [each["Arn"] for each in properties.get("Targets", []) if each.get("RoleArn") == role.arn]
        case "AWS::Scheduler::Schedule":
            target = properties.get("Target", {})
            targets = [target["Arn"]] if target.get("RoleArn") == role.arn else []
        case "AWS::Pipes::Pipe" if properties.get("RoleArn") == role.arn:
            targets = [properties[name] for name in ("Target", "Enrichment") if name in properties]
            yield from (each for each in [str(properties["Source"])] if each.split(":")[2] not in _POLLING)
        case _:
            targets = []
    yield from (each for each in map(str, targets) if sending_action(each) is None and ":scheduler:::aws-sdk:" not in each)


def sending_action(target: str) -> str | None:
    """What puts an event into the resource with this ARN, ``None`` for one that takes none."""
    service = target.split(":")[2] if target.count(":") > 1 else ""
    if service == "events" and ":api-destination/" in target:
        return "events:InvokeApiDestination"
    return _SENDING.get(service)


def _nothing(template: ResolvedTemplate, resource: Resource, role: str) -> Iterable[Need]:
    del template, resource, role
    return ()


def _method(template: ResolvedTemplate, resource: Resource, role: str) -> Iterable[Need]:
    used = resource.properties.get("Integration", {}).get("Credentials") == role
    return rest_needs(template, resource) if used else ()


def _integration(template: ResolvedTemplate, resource: Resource, role: str) -> Iterable[Need]:
    return http_needs(template, resource) if resource.properties.get("CredentialsArn") == role else ()


def _machine(template: ResolvedTemplate, resource: Resource, role: str) -> Iterable[Need]:
    return machine_needs(template, resource) if resource.properties.get("RoleArn") == role else ()


def _schedule(template: ResolvedTemplate, resource: Resource, role: str) -> Iterator[Need]:
    """A schedule sends to its target, and what fails to its dead-letter queue, both with its role.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html#setting-up-execution-role,
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
    """
    target = resource.properties.get("Target", {})
    if target.get("RoleArn") != role:
        return
    yield from _sending(str(target["Arn"]), f"the target of {resource.logical_id}")
    dead_letters = target.get("DeadLetterConfig", {}).get("Arn")
    if dead_letters:
        yield Need("sqs:SendMessage", str(dead_letters), f"the dead-letter queue of {resource.logical_id}")
    key = resource.properties.get("KmsKeyArn")
    if key:
        via = f"scheduler.{template.place.region}.{template.place.suffix}"
        yield Need("kms:Decrypt", str(key), f"{resource.logical_id}, which has this key", {"kms:ViaService": via})


def _rule(template: ResolvedTemplate, resource: Resource, role: str) -> Iterator[Need]:
    """A rule sends to a target that has a role with that role.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-identity-based.html
    """
    del template
    for target in resource.properties.get("Targets", []):
        if target.get("RoleArn") == role:
            yield from _sending(str(target["Arn"]), f"a target of {resource.logical_id}")


def _pipe(template: ResolvedTemplate, resource: Resource, role: str) -> Iterator[Need]:
    """A pipe polls its source and sends to its target and its enrichment with its role.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-permissions.html
    """
    del template
    properties = resource.properties
    if properties.get("RoleArn") != role:
        return
    source = str(properties["Source"])
    for action in _POLLING.get(source.split(":")[2], ()):
        yield Need(action, source, f"the source of {resource.logical_id}")
    for place in ("Target", "Enrichment"):
        if place in properties:
            yield from _sending(str(properties[place]), f"the {place.lower()} of {resource.logical_id}")


def _topic(template: ResolvedTemplate, resource: Resource, role: str) -> Iterator[Need]:
    """A topic writes the status of deliveries with the roles of its protocols.

    https://docs.aws.amazon.com/sns/latest/dg/topics-attrib.html
    """
    place = template.place
    name = (resource.arn or "").rpartition(":")[2]
    group = f"arn:{place.partition}:logs:{place.region}:{place.account}:log-group:sns/{place.region}/{place.account}/{name}"
    for each in resource.properties.get("DeliveryStatusLogging", []):
        if role in {each.get("SuccessFeedbackRoleArn"), each.get("FailureFeedbackRoleArn")}:
            for action in _FEEDBACK:
                yield Need(f"logs:{action}", f"{group}:log-stream:*", f"the delivery status of {resource.logical_id}")


def _account(template: ResolvedTemplate, resource: Resource, role: str) -> Iterator[Need]:
    """API Gateway writes its logs with the role of the account's settings.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
    """
    del template
    if resource.properties.get("CloudWatchRoleArn") == role:
        yield from (Need(f"logs:{action}", "*", "the logs of the account's APIs") for action in _API_LOGGING)


def _proxy(template: ResolvedTemplate, resource: Resource, role: str) -> Iterator[Need]:
    """A database proxy reads the secrets of its users.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-iam-setup.html
    """
    del template
    if resource.properties.get("RoleArn") == role:
        for each in resource.properties.get("Auth", []):
            yield Need("secretsmanager:GetSecretValue", str(each["SecretArn"]), f"a user of {resource.logical_id}")


def _sending(target: str, why: str) -> Iterator[Need]:
    """What sending to a target needs; a universal target of Scheduler names its action, and its resource in the input only."""
    if ":scheduler:::aws-sdk:" in target:
        service, action = target.rpartition("aws-sdk:")[2].split(":")
        yield Need(f"{_PREFIX.get(service, service)}:{action[:1].upper()}{action[1:]}", "*", why)
        return
    action = sending_action(target) or ""
    if action:
        yield Need(action, target, why)


_PREFIX = {"sfn": "states", "eventbridge": "events"}
_SENDING = {
    "lambda": "lambda:InvokeFunction",
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "states": "states:StartExecution",
    "events": "events:PutEvents",
    "kinesis": "kinesis:PutRecord",
    "firehose": "firehose:PutRecord",
}
_POLLING = {
    "sqs": ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    "dynamodb": ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
    "kinesis": ("kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator"),
}
_FEEDBACK = ("CreateLogGroup", "CreateLogStream", "PutLogEvents", "PutMetricFilter", "PutRetentionPolicy")
_API_LOGGING = (
    "CreateLogGroup",
    "CreateLogStream",
    "DescribeLogGroups",
    "DescribeLogStreams",
    "PutLogEvents",
    "GetLogEvents",
    "FilterLogEvents",
)
_RULES: Mapping[str, Rule] = {
    "AWS::ApiGateway::Method": _method,
    "AWS::ApiGatewayV2::Integration": _integration,
    "AWS::StepFunctions::StateMachine": _machine,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::Events::Rule": _rule,
    "AWS::Pipes::Pipe": _pipe,
    "AWS::SNS::Topic": _topic,
    "AWS::ApiGateway::Account": _account,
    "AWS::RDS::DBProxy": _proxy,
}
