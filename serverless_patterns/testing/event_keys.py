"""What EventBridge does with the customer managed keys of buses and archives: in its own name, and not in a caller's.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-key-policy.html
"""

from collections.abc import Iterator

from serverless_patterns.testing.key_needs import key_of
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.template import ResolvedTemplate

#: Of a bus: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-cmkey.html
_OF_BUS = ("kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey")
#: Of an archive: https://docs.aws.amazon.com/eventbridge/latest/userguide/encryption-archives.html
_OF_ARCHIVE = (*_OF_BUS, "kms:ReEncryptFrom", "kms:ReEncryptTo")
_CONTEXT = "kms:EncryptionContext:aws:events:event-bus:arn"


def event_key_needs(template: ResolvedTemplate, resource: Resource) -> Iterator[Need]:
    """What EventBridge needs of the key of a bus or an archive; of an archive, the bus that it is of is the context."""
    key = key_of(template, resource)
    if key is None:
        return
    is_archive = resource.type == "AWS::Events::Archive"
    bus = str(resource.properties["SourceArn"] if is_archive else resource.arn)
    context = {"aws:SourceAccount": template.place.account, "aws:SourceArn": bus, _CONTEXT: bus}
    for action in _OF_ARCHIVE if is_archive else _OF_BUS:
        yield Need(action, key, f"{resource.logical_id}, which has this key", context)
