"""The call to the state machine: ``states:StartExecution``."""

from typing import Any, Protocol

import boto3
from botocore.exceptions import ClientError

from shared.aws import CLIENT_CONFIG
from shared.observability import logger


class StatesClient(Protocol):
    """The call that is made."""

    def start_execution(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Start an execution."""


class Executions:
    """The executions of a state machine, each named after its order.

    Args:
        state_machine_arn: The state machine.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(self, state_machine_arn: str, client: StatesClient | None = None) -> None:
        self._client: StatesClient = client or boto3.client("stepfunctions", config=CLIENT_CONFIG)
        self._arn = state_machine_arn

    def start(self, order_id: str, order: str) -> None:
        """Start the execution of this order. That there is one already is what was wanted: the message came twice.

        Step Functions remembers a name for 90 days after its execution has ended.
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
        """
        try:
            self._client.start_execution(stateMachineArn=self._arn, name=order_id, input=order)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
            logger.info("started before", order_id=order_id)
