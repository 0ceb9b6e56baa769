"""What using a resource that has a customer managed key needs of that key, by what is done to the resource.

The services use the key in the caller's name: the request to KMS carries ``kms:ViaService`` and the caller's identity.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from serverless_patterns.errors import PatternError
from serverless_patterns.testing.intrinsics import to_give
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.template import ResolvedTemplate


def key_needs(template: ResolvedTemplate, needs: Iterable[Need]) -> list[Need]:
    """The needs of keys that follow from other needs: those of calls and those that a template shows.

    Args:
        template: The template with the resources; one of another template has no key that is known.
        needs: What is done.
    """
    return sorted({key_need for need in needs for key_need in _of(template, need)})


def key_of(template: ResolvedTemplate, resource: Resource) -> str | None:
    """The ARN of the customer managed key of a resource, ``None`` if it has none.

    Raises:
        PatternError: Its key is of another template, and is not given.
    """
    key = str(_KEY_OF[resource.type](resource.properties) or "") if resource.type in _KEY_OF else ""
    remedy = to_give(key)
    if remedy:
        msg = f"{resource.logical_id} has a key that is not known: {remedy}"
        raise PatternError(msg)
    return key_arn_of(template, key)


def _of(template: ResolvedTemplate, need: Need) -> Iterator[Need]:
    actions = _ACTIONS.get(need.action)
    resource = _resource(template, need.resource) if actions else None
    key = None if resource is None else key_of(template, resource)
    if resource is None or key is None:
        return
    service = need.action.partition(":")[0]
    context = {"kms:ViaService": f"{service}.{template.place.region}.{template.place.suffix}"}
    for action in actions or ():
        yield Need(f"kms:{action}", key, f"{need.action} on {resource.logical_id}, which has this key", context)


def _resource(template: ResolvedTemplate, arn: str) -> Resource | None:
    """The resource of an ARN that may go on to an object, an index or a stream, or be the secret that a database keeps."""
    for parent in (arn, arn.partition("/stream/")[0], arn.partition("/index/")[0], arn.partition("/consumer/")[0]):
        found = template.at(parent)
        if found is not None:
            return found
    if arn.split(":")[2:3] == ["s3"]:
        return template.at(arn.partition("/")[0])
    databases = template.of_type("AWS::RDS::DBCluster", "AWS::RDS::DBInstance")
    return next((each for each in databases if template.attribute(each.logical_id, "MasterUserSecret.SecretArn") == arn), None)


def key_arn_of(template: ResolvedTemplate, text: str) -> str | None:
    """The ARN of a customer managed key that something names by its ARN, its id, its alias or its logical id."""
    aliases = template.of_type("AWS::KMS::Alias")
    targets = {name: each.properties["TargetKeyId"] for each in aliases for name in (each.name, each.arn)}
    named = targets.get(text, text)
    own = next(
        (each.arn for each in template.of_type("AWS::KMS::Key") if named in {each.name, each.arn, each.logical_id}), None
    )
    return own or (named if ":key/" in str(named) else None)


def _of_table(properties: Mapping[str, Any]) -> Any:  # noqa: ANN401  the same
    """A global table has the key of each region at its replica: the templates here have one region."""
    return properties.get("SSESpecification", {}).get("KMSMasterKeyId")


def _of_replica(properties: Mapping[str, Any]) -> Any:  # noqa: ANN401  the same
    keys = [each.get("SSESpecification", {}).get("KMSMasterKeyId") for each in properties.get("Replicas", [])]
    return next((key for key in keys if key), None)


def _of_bucket(properties: Mapping[str, Any]) -> Any:  # noqa: ANN401  the same
    rules = properties.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [])
    return next((rule.get("ServerSideEncryptionByDefault", {}).get("KMSMasterKeyID") for rule in rules), None)


def _of_master_secret(properties: Mapping[str, Any]) -> Any:  # noqa: ANN401  the same
    """The key of the secret: that of the storage is used by the database alone."""
    return properties.get("MasterUserSecret", {}).get("KmsKeyId")


def _property(name: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda properties: properties.get(name)


#: Type -> where its key stands.
_KEY_OF: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "AWS::DynamoDB::Table": _of_table,
    "AWS::DynamoDB::GlobalTable": _of_replica,
    "AWS::S3::Bucket": _of_bucket,
    "AWS::SQS::Queue": _property("KmsMasterKeyId"),
    "AWS::SNS::Topic": _property("KmsMasterKeyId"),
    "AWS::SecretsManager::Secret": _property("KmsKeyId"),
    "AWS::Events::EventBus": _property("KmsKeyIdentifier"),
    "AWS::Events::Archive": _property("KmsKeyIdentifier"),
    "AWS::Logs::LogGroup": _property("KmsKeyId"),
    "AWS::RDS::DBCluster": _of_master_secret,
    "AWS::RDS::DBInstance": _of_master_secret,
    "AWS::Kinesis::Stream": lambda properties: properties.get("StreamEncryption", {}).get("KeyId"),
}
_READ, _WRITTEN = ("Decrypt",), ("Decrypt", "GenerateDataKey")
_TABLE_READS = ("BatchGetItem", "ConditionCheckItem", "GetItem", "GetRecords", "Query", "Scan", "PartiQLSelect")
_TABLE_WRITES = ("BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem", "PartiQLDelete", "PartiQLInsert", "PartiQLUpdate")
#: Action on the resource -> actions on its key.
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    # What the page asks for at least, without what is for choosing a key (ReEncrypt, CreateGrant, DescribeKey):
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    **{f"dynamodb:{action}": _READ for action in _TABLE_READS},
    **{f"dynamodb:{action}": (*_WRITTEN, "Encrypt") for action in _TABLE_WRITES},
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    "s3:GetObject": _READ,
    "s3:GetObjectVersion": _READ,
    "s3:PutObject": ("GenerateDataKey",),
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    "sqs:ReceiveMessage": _READ,
    "sqs:SendMessage": _WRITTEN,
    # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    "sns:Publish": _WRITTEN,
    # https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
    "secretsmanager:GetSecretValue": _READ,
    "secretsmanager:PutSecretValue": _WRITTEN,
    # https://docs.aws.amazon.com/streams/latest/dev/permissions-user-key-KMS.html
    "kinesis:GetRecords": _READ,
    "kinesis:SubscribeToShard": _READ,
    "kinesis:PutRecord": ("GenerateDataKey",),
    "kinesis:PutRecords": ("GenerateDataKey",),
}
