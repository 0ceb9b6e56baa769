"""The tasks of OrderWorkflow: each has an end, is tried again with jitter, and is granted where it is defined.

https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from serverless_patterns._blocks.event_bus import grant_put_events
from serverless_patterns._blocks.function import grant_invoke
from serverless_patterns._blocks.order_retries import CALL_TIMEOUT, GRACE, Retries
from serverless_patterns._blocks.queue import grant_send
from serverless_patterns._blocks.state_machine import Retry
from serverless_patterns._blocks.table import grant_tables
from serverless_patterns._blocks.topic import grant_publish

#: What a step raises that would work later, and what Lambda and Step Functions say of a function that could not be run, or did
#: not come to its end. Each step can be repeated, so none of them needs more thought.
#: https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception
#: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
TRANSIENT = (
    "UnavailableError",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "States.Timeout",
)
#: A function that may not run now: it passes like the others, but can last for as long as a crowd does.
#: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
THROTTLED = "Lambda.TooManyRequestsException"
#: What is answered to a step that undoes: it would be answered again. Whatever else it fails with, somebody may mend: a
#: permission, a package, the code itself.
FINAL = ("RefundRefusedError", "ConflictError")
#: Every error but two, which no state can handle. https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
ANY = "States.ALL"
#: Of calls that Step Functions makes itself: it names them by the service, and not by what passes.
CALL_FAILED = ("States.TaskFailed", "States.Timeout")
#: The row of the order belongs to another execution.
CLAIMED = "DynamoDB.ConditionalCheckFailedException"

NOW = "{% $states.context.State.EnteredTime %}"
#: Which order it is: as variables, and before there are any.
KNOWN: Mapping[str, str] = {"order_id": "{% $order_id %}", "execution": "{% $execution %}"}
FROM_CONTEXT: Mapping[str, str] = {
    "order_id": "{% $states.context.Execution.Name %}",
    "execution": "{% $states.context.Execution.Id %}",
}


class OrderTasks:
    """Defines tasks, and grants to the role of the state machine what each of them calls.

    Args:
        scope: Of the states.
        role: The state machine's.
        table: The table of the orders.
        retries: How they are tried again.
    """

    def __init__(self, scope: Construct, *, role: iam.Role, table: dynamodb.ITable, retries: Retries) -> None:
        self._scope, self._role, self._table, self._retries = scope, role, table, retries

    def step(
        self,
        name: str,
        function: lambda_.Function,
        *,
        known: Mapping[str, str] = KNOWN,
        order: str = "{% $order %}",
        assign: Mapping[str, Any] | None = None,
    ) -> tasks.LambdaInvoke:
        """Let a function do a step: what passes is tried again."""
        task = self._ask(name, function, known=known, order=order, assign=assign)
        self._retries.throttled.apply(task, [THROTTLED])
        self._retries.step.apply(task, TRANSIENT)
        return task

    def undo(self, name: str, function: lambda_.Function) -> tasks.LambdaInvoke:
        """Let a function undo a step: all but an answer is tried again."""
        task = self._ask(name, function, known=KNOWN, order="{% $order %}", assign=None)
        task.add_retry(errors=list(FINAL), max_attempts=0)
        self._retries.undo.apply(task, [ANY])
        return task

    def _ask(
        self, name: str, function: lambda_.Function, *, known: Mapping[str, str], order: str, assign: Mapping[str, Any] | None
    ) -> tasks.LambdaInvoke:
        grant_invoke(self._role, function)
        timeout = function.timeout or Duration.seconds(CALL_TIMEOUT)
        return tasks.LambdaInvoke.jsonata(
            self._scope,
            name,
            lambda_function=function,
            payload=sfn.TaskInput.from_object({"step": name, **known, "order": order}),
            retry_on_service_exceptions=False,  # they are tried again with all that passes, and with jitter
            task_timeout=_seconds(timeout.to_seconds() + GRACE),
            assign=assign,
        )

    def update(
        self, name: str, expression: str, values: Mapping[str, str], *, assign: Mapping[str, str] | None = None
    ) -> tasks.DynamoUpdateItem:
        """Change the row of the order, if it is nobody's or has been claimed by this execution.

        It may be there before: whoever starts executions may write it to hold the id, and names no execution in it.
        """
        grant_tables(self._role, {self._table: ["UpdateItem"]})
        given = {**values, ":execution": KNOWN["execution"], ":now": NOW}
        names = {f"#{word}": word for word in ("state", "order") if f"#{word} " in expression}
        task = tasks.DynamoUpdateItem.jsonata(
            self._scope,
            name,
            table=self._table,
            key={"id": tasks.DynamoAttributeValue.from_string(KNOWN["order_id"])},
            update_expression=f"{expression}, updated_at = :now, execution = :execution",
            condition_expression="attribute_not_exists(execution) OR execution = :execution",
            expression_attribute_names=names,
            expression_attribute_values={key: tasks.DynamoAttributeValue.from_string(text) for key, text in given.items()},
            task_timeout=_seconds(CALL_TIMEOUT),
            assign=assign,
        )
        task.add_retry(errors=[CLAIMED], max_attempts=0)  # the condition will not hold later either
        self._retries.step.apply(task, CALL_FAILED)
        return task

    def send(
        self, name: str, queue: sqs.IQueue, body: Mapping[str, Any] | str, *, retry: Retry | None = None
    ) -> tasks.SqsSendMessage:
        """Put a message into a queue."""
        grant_send(self._role, queue)
        task = tasks.SqsSendMessage.jsonata(
            self._scope,
            name,
            queue=queue,
            message_body=sfn.TaskInput.from_text(body) if isinstance(body, str) else sfn.TaskInput.from_object(dict(body)),
            task_timeout=_seconds(CALL_TIMEOUT),
        )
        (retry or self._retries.step).apply(task, CALL_FAILED)
        return task

    def publish(self, name: str, topic: sns.ITopic, event: str, kind: str) -> tasks.SnsPublish:
        """Publish an event, with what subscribers can filter by without reading it; both are JSONata."""
        grant_publish(self._role, topic)
        task = tasks.SnsPublish.jsonata(
            self._scope,
            name,
            topic=topic,
            message=sfn.TaskInput.from_text(f"{{% $string({event}) %}}"),
            message_attributes={
                "event_type": tasks.MessageAttribute(value=f"{{% {kind} %}}"),
                "event_version": tasks.MessageAttribute(value="1"),
            },
            task_timeout=_seconds(CALL_TIMEOUT),
        )
        self._retries.step.apply(task, CALL_FAILED)
        return task

    def put_event(self, name: str, bus: events.IEventBus, *, source: str, kind: str, detail: str) -> tasks.EventBridgePutEvents:
        """Put an event on a bus; its kind and its detail are JSONata.

        PutEvents answers 200 even if the bus took nothing: Step Functions fails the task then, by ``EventBridge.FailedEntry``.
        https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html
        """
        grant_put_events(self._role, bus)
        task = tasks.EventBridgePutEvents.jsonata(
            self._scope,
            name,
            entries=[
                tasks.EventBridgePutEventsEntry(
                    event_bus=bus,
                    source=source,
                    detail_type=f"{{% {kind} %}}",
                    detail=sfn.TaskInput.from_text(f"{{% {detail} %}}"),
                )
            ],
            task_timeout=_seconds(CALL_TIMEOUT),
        )
        self._retries.step.apply(task, CALL_FAILED)
        return task


def _seconds(number: float) -> sfn.Timeout:
    return sfn.Timeout.duration(Duration.seconds(number))
