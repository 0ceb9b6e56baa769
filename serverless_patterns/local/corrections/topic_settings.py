"""FIFO, encryption and other settings of a topic that a template defines.

AWS takes them from ``AWS::SNS::Topic``: a FIFO topic wants a message group, drops duplicates, and keeps the order.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-topic.html

The emulator knows all of it, but its CloudFormation drops the settings.
"""

from __future__ import annotations

from ministack.services import sns

from .faults import Properties, after, expect, provision, remove

TOPIC = "AWS::SNS::Topic"
FIFO = {"TopicName": "correction-check.fifo", "FifoTopic": True}
SWITCHES = ("FifoTopic", "ContentBasedDeduplication")
SETTINGS = ("FifoThroughputScope", "KmsMasterKeyId", "SignatureVersion", "TracingConfig")


def check() -> None:
    """A FIFO topic is none."""
    arn = provision(TOPIC, FIFO)
    fifo = sns._is_fifo_topic(sns._topics[arn])
    remove(TOPIC, arn, FIFO)
    expect(not fifo, "the emulator now makes the FIFO topics of a template")


def apply() -> None:
    """Set what the template says."""
    after(TOPIC, _set)


def _set(arn: str, properties: Properties) -> None:
    attributes = sns._topics[arn]["attributes"]
    for name in SETTINGS:
        attributes.pop(name, None)
        if properties.get(name):
            attributes[name] = str(properties[name])
    for name in SWITCHES:
        attributes.pop(name, None)
        if str(properties.get(name)).lower() == "true":
            attributes[name] = "true"
