"""What a function's role needs though no call of its handler shows it: what Lambda does in the function's name.

Each rule is a function with the page that says so. What the handler calls itself is found by recording it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from serverless_patterns.errors import PatternError
from serverless_patterns.testing.intrinsics import to_give
from serverless_patterns.testing.key_needs import key_needs
from serverless_patterns.testing.need import ABSENT, Need
from serverless_patterns.testing.resource import FunctionResource, Resource
from serverless_patterns.testing.template import ResolvedTemplate

#: What Lambda does by itself does not carry this key, which calls of a function's code do.
#: https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
_BY_LAMBDA_ITSELF = {"lambda:SourceFunctionArn": ABSENT}

Rule = Callable[[ResolvedTemplate, FunctionResource], Iterable[Need]]


def derived_needs(template: ResolvedTemplate, function: FunctionResource) -> list[Need]:
    """What the template says that the function's role needs, sorted, without repetitions.

    Args:
        template: The template.
        function: One of its functions.
    """
    found = [need for rule in _RULES for need in rule(template, function)]
    return sorted({*found, *key_needs(template, found)})


def log_needs(template: ResolvedTemplate, function: FunctionResource) -> Iterator[Need]:
    """Writing its log; Lambda makes the group itself only where the template has none.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
    """
    name = function.properties.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{function.name}")
    known = next((each for each in template.of_type("AWS::Logs::LogGroup") if each.name == name), None)
    place = template.place
    group = known.arn if known else f"arn:{place.partition}:logs:{place.region}:{place.account}:log-group:{name}"
    if known is None:
        yield Need("logs:CreateLogGroup", group or "", "makes its log group, which the template does not define")
    # Lambda draws the names of the streams.
    yield Need("logs:CreateLogStream", f"{group}:log-stream:*", "begins a stream of its log")
    yield Need("logs:PutLogEvents", f"{group}:log-stream:*", "writes its log")


def trace_needs(template: ResolvedTemplate, function: FunctionResource) -> Iterator[Need]:
    """Sending traces, where tracing is active.

    https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
    """
    del template
    if function.properties.get("TracingConfig", {}).get("Mode") == "Active":
        yield Need("xray:PutTraceSegments", "*", "sends traces")
        yield Need("xray:PutTelemetryRecords", "*", "sends figures about traces")


def network_needs(template: ResolvedTemplate, function: FunctionResource) -> Iterator[Need]:
    """Having network interfaces in a VPC.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
    """
    del template
    if function.properties.get("VpcConfig", {}).get("SubnetIds"):
        for action in _INTERFACE_ACTIONS:
            yield Need(f"ec2:{action}", "*", "has network interfaces in a VPC", _BY_LAMBDA_ITSELF)


def source_needs(template: ResolvedTemplate, function: FunctionResource) -> Iterator[Need]:
    """Polling the sources of its event source mappings.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html (queues),
    https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-eventsourcemapping.html (streams of tables),
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html (Kinesis)
    """
    for mapping in mappings_of(template, function):
        source = str(mapping.properties.get("EventSourceArn", ""))
        if ":kinesis:" in source and "/consumer/" in source:
            stream = source.partition("/consumer/")[0]
            yield Need("kinesis:SubscribeToShard", source, f"polls {source}")
            for action in _STREAM_ACTIONS:
                yield Need(action, stream, f"polls {source}")
            continue
        for action in _polling(mapping, source):
            yield Need(action, source, f"polls {source}")


def failure_needs(template: ResolvedTemplate, function: FunctionResource) -> Iterator[Need]:
    """Sending what its event source mappings give up on to their destinations.

    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """
    for mapping in mappings_of(template, function):
        yield from _destination(mapping.properties, "OnFailure", "keeps what its source gave up on")


def invocation_needs(template: ResolvedTemplate, function: FunctionResource) -> Iterator[Need]:
    """Sending the results of asynchronous invocations to their destinations.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    for config in template.of_type("AWS::Lambda::EventInvokeConfig"):
        if is_function(config.properties["FunctionName"], function):
            yield from _destination(config.properties, "OnFailure", "tells of failed invocations")
            yield from _destination(config.properties, "OnSuccess", "tells of successful invocations")


def dead_letter_needs(template: ResolvedTemplate, function: FunctionResource) -> Iterator[Need]:
    """Sending events that failed to the function's dead-letter queue or topic.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq
    """
    del template
    target = function.properties.get("DeadLetterConfig", {}).get("TargetArn")
    if target:
        yield from _sending(str(target), "keeps events that failed")


def environment_needs(template: ResolvedTemplate, function: FunctionResource) -> Iterator[Need]:
    """Decrypting its variables, where they have a customer managed key.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
    """
    key = function.properties.get("KmsKeyArn")
    if key:
        via = f"lambda.{template.place.region}.{template.place.suffix}"
        yield Need("kms:Decrypt", str(key), "reads its variables", {"kms:ViaService": via})


def file_system_needs(template: ResolvedTemplate, function: FunctionResource) -> Iterator[Need]:
    """Mounting file systems.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-filesystem.html
    """
    del template
    for each in function.properties.get("FileSystemConfigs", []):
        yield Need("elasticfilesystem:ClientMount", str(each["Arn"]), "mounts a file system")
        yield Need("elasticfilesystem:ClientWrite", str(each["Arn"]), "writes to a file system")


def mappings_of(template: ResolvedTemplate, function: FunctionResource) -> list[Resource]:
    """The event source mappings of a function."""
    found = template.of_type("AWS::Lambda::EventSourceMapping")
    return [each for each in found if is_function(each.properties["FunctionName"], function)]


def is_function(name: object, function: FunctionResource) -> bool:
    """Whether a text names this function: its name or its ARN, each perhaps with a version or an alias."""
    text = str(name)
    return any(text == each or text.startswith(f"{each}:") for each in (function.name, function.arn))


def _destination(properties: Mapping[str, Any], result: str, why: str) -> Iterator[Need]:
    target = properties.get("DestinationConfig", {}).get(result, {}).get("Destination")
    if target:
        yield from _sending(str(target), why)


def _polling(mapping: Resource, source: str) -> tuple[str, ...]:
    service = _service(source)
    if service not in _POLLING:
        named = source or "a source with no EventSourceArn"
        raise _not_known(doing=f"{mapping.logical_id}: what polling", arn=named, known=_POLLING)
    return _POLLING[service]


def _sending(target: str, why: str) -> Iterator[Need]:
    """What sending a record to this ARN needs."""
    service = _service(target)
    if service == "s3":
        # Lambda draws the key of the object, below a folder of its own.
        yield Need("s3:PutObject", f"{target}/aws/lambda/*", why)
        yield Need("s3:ListBucket", target, why)
        return
    if service not in _SENDING:
        raise _not_known(doing="what sending to", arn=target, known=("s3", *_SENDING))
    yield Need(_SENDING[service], target, why)


def _service(arn: str) -> str:
    return (*arn.split(":"), "", "", "")[2]


def _not_known(doing: str, arn: str, known: Iterable[str]) -> PatternError:
    remedy = to_give(arn) or (
        f"only of {', '.join(known)}. Measure a template without it, and judge by hand what the role is granted for it"
    )
    return PatternError(f"{doing} {arn} needs is not known here: {remedy}")


_INTERFACE_ACTIONS = (
    "CreateNetworkInterface",
    "DescribeNetworkInterfaces",
    "DescribeSubnets",
    "DeleteNetworkInterface",
    "AssignPrivateIpAddresses",
    "UnassignPrivateIpAddresses",
)
_STREAM_ACTIONS = (
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
)
_POLLING = {
    "sqs": ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    "dynamodb": ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"),
    "kinesis": _STREAM_ACTIONS,
}
_SENDING = {
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "lambda": "lambda:InvokeFunction",
    "events": "events:PutEvents",
}
_RULES: tuple[Rule, ...] = (
    log_needs,
    trace_needs,
    network_needs,
    source_needs,
    failure_needs,
    invocation_needs,
    dead_letter_needs,
    environment_needs,
    file_system_needs,
)
