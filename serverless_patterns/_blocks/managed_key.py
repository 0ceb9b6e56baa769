"""Keys that AWS manages: nobody can change their policies, so the services that deliver events may not use them.

The principals of their own account may, through the service that a key is for: what only roles send to may have one.
"""

from __future__ import annotations

from serverless_patterns._blocks.checks import check

#: What the names of all keys begin with that AWS manages, such as ``alias/aws/sqs``.
MANAGED = "alias/aws/"
#: What is to be done instead.
INSTEAD = {
    "key": "give a customer managed key, or none",
    "topic": "define it with a customer managed key as its master_key, or without a key",
}


def check_no_managed_key(name: str, resource: object) -> None:
    """Check that a key, or that of a topic, is not one that AWS manages, as far as it is known.

    SNS, EventBridge and CloudWatch cannot send to what has such a key, and tell nobody: for keys that a pattern encrypts its
    queues with, and for topics that alarms publish to.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html

    Args:
        name: What the user calls it.
        resource: The key or topic, of this app or imported; anything else passes.
    """
    kind = next((kind for kind, attribute in _ARNS.items() if hasattr(resource, attribute)), None)
    if kind is None:
        return
    found = managed_service(resource)
    check(
        found is None,
        f"{name} must not use {MANAGED}{found}, a key that AWS manages: its policy does not let SNS, EventBridge or CloudWatch "
        f"use it, and what they send is lost without a word; {INSTEAD[kind]}",
    )


def managed_service(resource: object) -> str | None:
    """The service whose key, managed by AWS, this is or this topic has, such as ``"sns"``; ``None`` if it is another one.

    What such a key allows is in its own policy: a grant could add nothing.
    """
    definition = getattr(getattr(resource, "node", None), "default_child", None)
    keys = (getattr(each, "key_arn", None) for each in (resource, getattr(resource, "master_key", None)))
    names = [str(name) for name in (*keys, getattr(definition, "kms_master_key_id", None))]
    return next((name.partition(MANAGED)[2] for name in names if MANAGED in name), None)


_ARNS = {"key": "key_arn", "topic": "topic_arn"}
