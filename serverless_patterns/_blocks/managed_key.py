"""Keys that AWS manages: nobody can change their policies, so the services that deliver events may not use them."""

from __future__ import annotations

from serverless_patterns._blocks.checks import check

#: What the names of all keys begin with that AWS manages, such as ``alias/aws/sqs``.
MANAGED = "alias/aws/"
#: What is to be done instead.
INSTEAD = {
    "key": "give a customer managed key, or none",
    "queue": "encrypt it with encryption=sqs.QueueEncryption.SQS_MANAGED, or with a customer managed key",
    "topic": "define it with a customer managed key as its master_key, or without a key",
}


def check_no_managed_key(name: str, resource: object) -> None:
    """Check that a key, queue or topic is not encrypted by AWS's managed key, as far as its key is known.

    SNS, EventBridge and CloudWatch cannot send to what has such a key, and tell nobody.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html

    Args:
        name: What the user calls it.
        resource: The key, queue or topic, of this app or imported; anything else passes.
    """
    kind = next((kind for kind, attribute in _ARNS.items() if hasattr(resource, attribute)), None)
    if kind is None:
        return
    found = next((text.partition(MANAGED)[2] for text in _keys(resource) if MANAGED in text), None)
    check(
        found is None,
        f"{name} must not use {MANAGED}{found}, a key that AWS manages: its policy does not let SNS, EventBridge or CloudWatch "
        f"use it, and what they send is lost without a word; {INSTEAD[kind]}",
    )


_ARNS = {"key": "key_arn", "queue": "queue_arn", "topic": "topic_arn"}


def _keys(resource: object) -> list[str]:
    """All that names the key: what CDK knows of it, and what the queue or topic is defined with."""
    definition = getattr(getattr(resource, "node", None), "default_child", None)
    keys = [resource, getattr(resource, "encryption_master_key", None), getattr(resource, "master_key", None)]
    found = [getattr(key, "key_arn", None) for key in keys]
    return [str(text) for text in (*found, getattr(definition, "kms_master_key_id", None)) if text is not None]
