"""The calls to the state machine: ``states:StartExecution``, and ``DescribeExecution`` of one that is there already."""

from typing import Any, Protocol

import boto3
from botocore.exceptions import ClientError

from shared import strict_json
from shared.aws import CLIENT_CONFIG
from shared.errors import InvalidError, UnavailableError
from shared.observability import logger
from shared.strict_json import Json


class StatesClient(Protocol):
    """The calls that are made."""

    def start_execution(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Start an execution."""

    def describe_execution(self, **parameters: Any) -> Any:  # noqa: ANN401  the same
        """What an execution was started with."""


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
        """Start the execution of this order, if there was none of its name: for those who know that it is the same order."""
        self._is_started(order_id, order)

    def start_the_same(self, order_id: str, order: str) -> None:
        """Start the execution of this order. That there is one already is what was wanted: the message came twice.

        An Express workflow has no such names. There, all are started, and the first one claims the order's row.

        Raises:
            InvalidError: There is one of this name, of another order.
            UnavailableError: Which order it is of cannot be told yet.
        """
        if not self._is_started(order_id, order) and self._order(order_id) != strict_json.parse(order):
            msg = "Another order has had this id before: send it under another one."
            raise InvalidError(msg)

    def _is_started(self, order_id: str, order: str) -> bool:
        """Whether there was no execution of this name.

        Step Functions remembers a name for 90 days after its execution has ended.
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
        """
        try:
            self._client.start_execution(stateMachineArn=self._arn, name=order_id, input=order)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
            logger.info("started before", order_id=order_id)
            return False
        return True

    def _order(self, order_id: str) -> Json:
        """The order that the execution of this name was started with, by whoever started it; ``None`` if that was none.

        DescribeExecution may not know an execution that has only just been started.
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
        """
        arn = f"{self._arn.replace(':stateMachine:', ':execution:', 1)}:{order_id}"
        try:
            given = strict_json.parse(self._client.describe_execution(executionArn=arn)["input"])
        except InvalidError:
            return None
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise
            msg = "There is an execution with this id, and its order cannot be told yet."
            raise UnavailableError(msg) from error
        return {"id": order_id, **given} if isinstance(given, dict) else None
