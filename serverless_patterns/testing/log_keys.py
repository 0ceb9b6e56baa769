"""What CloudWatch Logs does with the customer managed key of a log group: in its own name, and not in a writer's.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
"""

from collections.abc import Iterator

from serverless_patterns.testing.key_needs import key_of
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.template import ResolvedTemplate

#: What the page's ``Encrypt*``, ``Decrypt*``, ``ReEncrypt*``, ``GenerateDataKey*`` and ``Describe*`` mean for a symmetric key.
_OF_GROUP = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


def log_key_needs(template: ResolvedTemplate, resource: Resource) -> Iterator[Need]:
    """What CloudWatch Logs needs of the key of a log group; the group is the context."""
    key = key_of(template, resource)
    if key is None:
        return
    group = str(resource.arn).removesuffix(":*")
    for action in _OF_GROUP:
        yield Need(action, key, f"{resource.logical_id}, which has this key", {"kms:EncryptionContext:aws:logs:arn": group})
