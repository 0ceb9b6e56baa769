"""How the calls of each service name their resources, where the reference's patterns and the names of parameters differ."""

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from serverless_patterns.testing.arns import Arns
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.reference import arn_patterns

#: The secret that a name means gets these characters from AWS: six, drawn at random.
_DRAWN = "-AbCdEf"


def resource_of(arns: Arns, action: str) -> str:
    """The resource that a call's action is about, ``*`` for an action that knows none.

    Raises:
        PatternError: The parameters do not tell which resource it is.
    """
    if not arn_patterns(action):
        return "*"
    rule = _RULES.get(arns.call.service)
    return (rule(arns, action) if rule else None) or arns.by_reference(action)


def need(arns: Arns, action: str, resource: str | None = None, **context: str) -> Need:
    """A need of this call; its resource is the one that the parameters name, unless it is given."""
    call = arns.call
    why = f"{call.service} {call.operation}{' by a presigned URL' if call.presigned else ''}"
    return Need(action, resource or resource_of(arns, action), why, context)


def _table(arns: Arns, _: str) -> str | None:
    """The table, or its index: a query of an index is about the index alone.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/api-permissions-reference.html
    """
    name, index = arns.given("TableName"), arns.given("IndexName")
    if name is None:
        return None
    return table_arn(arns, name) + (f"/index/{index}" if index else "")


def table_arn(arns: Arns, name: str) -> str:
    """The ARN of a table that is named by its name or its ARN."""
    return arns.named("dynamodb", "table/", name)


def _stream(arns: Arns, action: str) -> str | None:
    """The stream of a table: an iterator begins with its ARN."""
    iterator = arns.given("ShardIterator")
    if iterator is None:
        return None
    if not iterator.startswith("arn:"):
        raise arns.unknown(action, "the iterator is none of DynamoDB's: take the one that GetShardIterator gave")
    return iterator.partition("|")[0]


def _queue(arns: Arns, _: str) -> str | None:
    """The queue behind a URL, ``https://host/account/name``."""
    url = arns.given("QueueUrl")
    if url is None:
        return arns.named("sqs", "", arns.parameters["QueueName"]) if "QueueName" in arns.parameters else None
    known = next((each.arn for each in arns.template.of_type("AWS::SQS::Queue") if each.name == url), None)
    if known is not None:
        return known
    parts = urlsplit(url)
    host = (parts.hostname or "").split(".")
    account, name = parts.path.strip("/").split("/")[-2:]
    return arns.at("sqs", name, region=host[1] if host[0] == "sqs" and "amazonaws" in host else None, account=account)


def _topic(arns: Arns, _: str) -> str | None:
    """The topic; a text message to a telephone has none."""
    return "*" if arns.given("PhoneNumber") else arns.given("TopicArn", "TargetArn")


def bucket_arn(arns: Arns, bucket: str) -> str:
    """The ARN of a bucket or of an access point."""
    return bucket if bucket.startswith("arn:") else f"arn:{arns.place.partition}:s3:::{bucket}"


def object_arn(arns: Arns, bucket: str, key: str) -> str:
    """The ARN of an object."""
    return f"{bucket_arn(arns, bucket)}{'/object' if bucket.startswith('arn:') else ''}/{key}"


def _s3(arns: Arns, action: str) -> str | None:
    """The object, or the bucket, whichever the action is about."""
    bucket, key = arns.given("Bucket"), arns.given("Key")
    if bucket is None:
        return None
    about_objects = any("${ObjectName}" in pattern for pattern in arn_patterns(action))
    return object_arn(arns, bucket, key) if key and about_objects else bucket_arn(arns, bucket)


def _secret(arns: Arns, _: str) -> str | None:
    """The secret that is named by its ARN, with or without the characters that AWS drew, or by its name."""
    secret = arns.given("SecretId") or arns.given("Name")
    if secret is None:
        return None
    arn = arns.named("secretsmanager", "secret:", secret)
    whole = f"{arn}{_DRAWN}"
    if arns.template.at(whole) is None and re.fullmatch(r"arn:.*-\w{6}", secret):
        return arn
    return whole if secret.startswith("arn:") else arns.at("secretsmanager", f"secret:{secret}{_DRAWN}")


def _function(arns: Arns, _: str) -> str | None:
    """The function, with the version or the alias that is called.

    https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
    """
    name, qualifier = arns.given("FunctionName"), arns.given("Qualifier")
    if name is None:
        return None
    account, found, rest = name.rpartition("function:") if not name.startswith("arn:") else ("", "", name)
    arn = (
        arns.at("lambda", f"function:{rest}", account=account.rstrip(":")) if found else arns.named("lambda", "function:", rest)
    )
    return f"{arn}:{qualifier}" if qualifier else arn


def _key(arns: Arns, action: str) -> str:
    """The key of a call of KMS itself."""
    key = arns.given("KeyId", "TargetKeyId")
    if key is None:
        raise arns.unknown(action, "pass KeyId: then no other key can be used either")
    return key_arn(arns, action, key)


def key_arn(arns: Arns, action: str, key: str) -> str:
    """The ARN of a key that is named by its ARN, its id, or an alias that the template defines."""
    name = key.rpartition(":")[2]
    if not name.startswith("alias/"):
        return arns.named("kms", "key/", key)
    for alias in arns.template.of_type("AWS::KMS::Alias"):
        if alias.properties["AliasName"] == name:
            return arns.named("kms", "key/", str(alias.properties["TargetKeyId"]))
    raise arns.unknown(action, f"the template does not define {name}: pass the key's ARN")


def _parameter(arns: Arns, _: str) -> str | None:
    """The parameter of Systems Manager: a leading slash is not repeated in the ARN."""
    name = arns.given("Name", "Path")
    return None if name is None else arns.named("ssm", "parameter/", name.removeprefix("/"))


def _log(arns: Arns, action: str) -> str | None:
    """The stream of a log, or what IAM compares for a whole group."""
    group = arns.given("logGroupIdentifier", "logGroupArn", "logGroupName")
    if group is None:
        return None
    arn = arns.named("logs", "log-group:", group).removesuffix(":*")
    about_streams = any("${LogStreamName}" in pattern for pattern in arn_patterns(action))
    return f"{arn}:log-stream:{arns.given('logStreamName') or ''}" if about_streams else arn


def _rule(arns: Arns, _: str) -> str | None:
    """A rule, on its bus; a bus otherwise."""
    rule, bus = arns.given("Rule", "Name"), arns.given("EventBusName")
    if rule is None or ("Rule" not in arns.call.operation and "Target" not in arns.call.operation):
        return None
    name = (bus or "default").rpartition("/")[2]
    return arns.at("events", f"rule/{rule}" if name == "default" else f"rule/{name}/{rule}")


def _schedule(arns: Arns, action: str) -> str | None:
    """A schedule, in its group."""
    name = arns.given("Name")
    if name is None or not action.endswith("Schedule"):
        return None
    return arns.at("scheduler", f"schedule/{arns.given('GroupName') or 'default'}/{name}")


#: Service -> how its calls name their resources, where the patterns of the reference and the names of parameters differ.
_RULES: Mapping[str, Callable[[Arns, str], str | None]] = {
    "dynamodb": _table,
    "dynamodbstreams": _stream,
    "events": _rule,
    "kms": _key,
    "lambda": _function,
    "logs": _log,
    "s3": _s3,
    "scheduler": _schedule,
    "secretsmanager": _secret,
    "sns": _topic,
    "sqs": _queue,
    "ssm": _parameter,
}
