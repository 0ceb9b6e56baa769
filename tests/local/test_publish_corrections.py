"""What the emulator's state machines publish, like those of AWS."""

import json

from serverless_patterns.local.account import Account
from tests.local.conftest import Deploy
from tests.local.test_corrections import QUEUE, ROLE, TOPIC, arn_of, messages, subscription, template

DEFINITION = {
    "StartAt": "Tell",
    "States": {
        "Tell": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sns:publish",
            "Parameters": {
                "TopicArn": "${Topic}",
                "Message": "check",
                "MessageAttributes": {
                    "kind": {"DataType": "String", "StringValue.$": "$.kind"},
                    "version": {"DataType": "Number", "StringValue": "1"},
                },
            },
            "End": True,
        }
    },
}


def test_subscriptions_filter_by_the_attributes_that_a_state_machine_publishes_with(account: Account, deploy: Deploy) -> None:
    wanted = {"FilterPolicy": {"kind": ["wanted"], "version": [{"numeric": ["=", 1]}]}, "RawMessageDelivery": True}
    machine = {
        "DefinitionString": json.dumps(DEFINITION),
        "DefinitionSubstitutions": {"Topic": {"Ref": "Topic"}},
        "RoleArn": ROLE,
    }
    resources = {
        "Topic": TOPIC,
        "Queue": QUEUE,
        "Subscription": subscription("sqs", arn_of("Queue"), **wanted),
        "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": machine},
    }
    stack = deploy("state-machine-that-publishes", template(resources))
    states = account.client("stepfunctions")
    for kind in ("other", "wanted"):
        states.start_execution(stateMachineArn=stack.outputs["Machine"], input=json.dumps({"kind": kind}))
    (message,) = messages(account, stack.outputs["Queue"])
    assert message["MessageAttributes"]["kind"]["StringValue"] == "wanted"
