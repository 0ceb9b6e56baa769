"""Check of what encrypts data where a stack has a key of its own: all that holds data is under it.

Keys that AWS manages or owns do not count: nobody could take those away from whoever should not read any more.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tests.support.synthesis import resources

Template = Mapping[str, Any]


def _of_table(table: Mapping[str, Any]) -> list[Any]:
    is_on = table.get("SSESpecification", {}).get("SSEEnabled") is True
    return [each.get("SSESpecification", {}).get("KMSMasterKeyId") if is_on else None for each in table["Replicas"]]


def _of_bucket(bucket: Mapping[str, Any]) -> list[Any]:
    rules = bucket.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [])
    return [each.get("ServerSideEncryptionByDefault", {}).get("KMSMasterKeyID") for each in rules] or [None]


def _of_cluster(cluster: Mapping[str, Any]) -> list[Any]:
    return [cluster.get("KmsKeyId"), cluster.get("MasterUserSecret", {}).get("KmsKeyId")]


def _under(name: str) -> Callable[[Mapping[str, Any]], list[Any]]:
    return lambda properties: [properties.get(name)]


#: What holds data -> the keys that its properties name; ``None`` where there is none.
KEYS: Mapping[str, Callable[[Mapping[str, Any]], list[Any]]] = {
    "AWS::DynamoDB::GlobalTable": _of_table,
    "AWS::Events::Archive": _under("KmsKeyIdentifier"),
    "AWS::Events::EventBus": _under("KmsKeyIdentifier"),
    "AWS::Kinesis::Stream": lambda stream: [stream.get("StreamEncryption", {}).get("KeyId")],
    "AWS::Logs::LogGroup": _under("KmsKeyId"),
    "AWS::RDS::DBCluster": _of_cluster,
    "AWS::S3::Bucket": _of_bucket,
    "AWS::SNS::Topic": _under("KmsMasterKeyId"),
    "AWS::SQS::Queue": _under("KmsMasterKeyId"),
    "AWS::SecretsManager::Secret": _under("KmsKeyId"),
}


def beside_the_key(template: Template) -> list[str]:
    """What holds data and is not under a key of its own stack."""
    own = [name for key in resources(template, "AWS::KMS::Key") for name in ({"Ref": key}, {"Fn::GetAtt": [key, "Arn"]})]
    without = _where_the_key_fails(template)
    return [
        f"{key}: {named}"
        for kind, named_by in KEYS.items()
        for key, each in resources(template, kind).items()
        for named in named_by(each.get("Properties", {}))
        if named not in ([None] if key in without else own)
    ]


def _where_the_key_fails(template: Template) -> list[str]:
    """The queues for what a bus cannot encrypt: no key may be between it and them.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-dlq.html
    """
    buses = resources(template, "AWS::Events::EventBus").values()
    return [each["Properties"].get("DeadLetterConfig", {}).get("Arn", {}).get("Fn::GetAtt", [""])[0] for each in buses]
