"""Buses with routes and what feeds them, as the tests of their constructs define and read them."""

from aws_cdk import aws_kms as kms

from serverless_patterns import EventRouting
from tests.support.readable import alarms, properties_at
from tests.support.synthesis import empty_stack

PAID = {"detail-type": ["orders.paid"]}
QUEUE_KEY = ["kms:Decrypt", "kms:GenerateDataKey"]
REFUSE_HTTP = {"Bool": {"aws:SecureTransport": "false"}}


def routing(scope, construct_id="Events", **options):
    return EventRouting(scope, construct_id, **options)


def keyed_stack():
    stack = empty_stack(region="eu-central-1")
    return stack, kms.Key(stack, "Key")


def allowed_in(stack, queue):
    """The statements of a queue's policy that allow something."""
    statements = properties_at(stack, f"{queue}/Policy")["PolicyDocument"]["Statement"]
    refused = [each for each in statements if each["Effect"] == "Deny"]
    assert [each["Condition"] for each in refused] == [REFUSE_HTTP]
    return [each for each in statements if each["Effect"] == "Allow"]


def watched(stack):
    return {
        name: (each["tier"], each["metric"], each["watched"], each["Threshold"], each["ComparisonOperator"])
        for name, each in alarms(stack).items()
    }
