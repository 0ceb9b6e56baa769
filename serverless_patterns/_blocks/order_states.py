"""The states of OrderWorkflow: a saga, whose steps are undone in reverse order when one of them fails.

What is known of an order is in variables, which each state can read: ``order``, ``payment``, ``outcome`` (what became of the
order), ``charge_tried`` (whether its charge was asked for more than once), ``fault`` (what broke, if something did) and
``unresolved`` (the compensations that failed). An order that is declined, or of which too little is in stock, has come to an
end as it was meant to: its execution succeeds. One that fails is broken.

https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from serverless_patterns._blocks.order_broadcast import IS_UNTOLD, UNTOLD, Announcements, define_broadcast
from serverless_patterns._blocks.order_retries import Retries
from serverless_patterns._blocks.order_tasks import ANY, CLAIMED, FROM_CONTEXT, NOW, OrderTasks

#: What is known when an execution begins.
FRESH: Mapping[str, Any] = {**FROM_CONTEXT, "payment": {}, "unresolved": [], "fault": {"error": "", "cause": ""}}
#: Characters. Step Functions cuts a cause off at 32,768 characters, or bytes, of which a character has four at most: a shorter
#: one than ``LONGEST_CAUSE`` is whole. No longer one is kept either: four of them, and the order, are in one state, and nothing
#: catches the error of one that has more than 256 KiB. Of what tells people in a word, ``LONGEST_WORDS`` have to do.
#: https://docs.aws.amazon.com/step-functions/latest/apireference/API_LambdaFunctionFailedEventDetails.html
#: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
LONGEST_CAUSE, LONGEST_WORDS = 8192, 1000
#: A timeout may come without a cause: an expression without a value would end the execution, and nothing would be undone.
CAUSE = f'{{% $exists($states.errorOutput.Cause) ? $substring($states.errorOutput.Cause, 0, {LONGEST_CAUSE}) : "" %}}'
FAULT: Mapping[str, Any] = {"fault": {"error": "{% $states.errorOutput.Error %}", "cause": CAUSE}}
#: The words of an exception, which Lambda puts into JSON. One that was cut off is no JSON any more, and an expression that
#: fails ends the execution, whatever it has done. So its beginning has to do.
REASON = (
    '{% ($cause := $exists($states.errorOutput.Cause) ? $states.errorOutput.Cause : ""; '
    f'$length($cause) < {LONGEST_CAUSE} and $contains($cause, "\\"errorMessage\\"") '
    f"? $string($parse($cause).errorMessage) : $substring($cause, 0, {LONGEST_WORDS})) %}}"
)
#: Whether the charge was asked for before, in this execution or before it was redriven. If so, it may have been taken, whatever
#: the last answer is. https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html
TRIED: Mapping[str, str] = {
    "charge_tried": "{% $states.context.State.RetryCount > 0 or $states.context.Execution.RedriveCount > 0 %}"
}
#: A payment of the user's may say why in any form, and the row takes a text.
DECLINED = (
    f'{{% $type($payment.reason) = "string" ? $substring($payment.reason, 0, {LONGEST_WORDS}) : "Payment processing failed" %}}'
)


@dataclass(frozen=True, kw_only=True)
class OrderSteps:
    """The functions that do the steps, each with what undoes it.

    Attributes:
        validation: ``ValidateOrder``.
        stock: ``ReserveStock`` and ``ReleaseStock``.
        payment: ``ProcessPayment`` and ``RefundPayment``.
        shipping: ``ShipOrder`` and ``CancelShipment``.
    """

    validation: lambda_.Function
    stock: lambda_.Function
    payment: lambda_.Function
    shipping: lambda_.Function


class OrderStates:
    """Defines the states.

    Args:
        scope: The pattern.
        role: The state machine's.
        steps: The functions.
        table: The table of the orders.
        announcements: Who is told what became of an order.
        retries: How they are tried again.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        role: iam.Role,
        steps: OrderSteps,
        table: dynamodb.ITable,
        announcements: Announcements,
        retries: Retries,
    ) -> None:
        self._scope = Construct(scope, "States")
        self._tasks = OrderTasks(self._scope, role=role, table=table, retries=retries)
        self._steps, self._announcements, self._retries = steps, announcements, retries

    def define(self) -> sfn.IChainable:
        """The first state, and all that come after it: the way forward, the way back, and the end that both have."""
        record = self._end()
        cancel, refund, release = self._way_back(record)

        validate = self._validate()
        claim = self._claim()
        reserve = self._tasks.step("ReserveStock", self._steps.stock)
        paid = {"payment": "{% $states.result.Payload %}", **TRIED}
        process = self._tasks.step("ProcessPayment", self._steps.payment, assign=paid)
        is_paid = sfn.Choice.jsonata(self._scope, "IsPaymentSuccessful", comment="Only what says so is shipped")
        declined = sfn.Pass.jsonata(self._scope, "PaymentFailed", assign=_outcome("DECLINED", DECLINED))
        is_tried = sfn.Choice.jsonata(self._scope, "WasChargeTried", comment="A try before the last one may have been charged")
        ship = self._tasks.step("ShipOrder", self._steps.shipping, assign=_outcome("SHIPPED", ""))

        validate.next(claim).next(reserve).next(process).next(is_paid)
        is_paid.when(sfn.Condition.jsonata("{% $payment.success = true %}"), ship).otherwise(declined)
        declined.next(is_tried)
        is_tried.when(sfn.Condition.jsonata("{% $charge_tried %}"), refund).otherwise(release)
        ship.next(record)

        _catch(validate, record, "InvalidOrder", {**FRESH, "order": {}, **_outcome("REJECTED", REASON)})
        _catch_fault(validate, record, {**FRESH, "order": {}})
        _catch_fault(claim, record)
        _catch(reserve, release, "OutOfStock", _outcome("OUT_OF_STOCK", REASON))
        _catch_fault(reserve, release)
        _catch(process, is_paid, "PaymentDeclined", {"payment": {"success": False, "reason": REASON}, **TRIED})
        _catch_fault(process, refund)
        _catch(ship, cancel, "ShippingFailed", _outcome("SHIPPING_FAILED", REASON))
        _catch_fault(ship, cancel)
        return validate

    def _validate(self) -> sfn.TaskStateBase:
        known = {**FRESH, "order": "{% $states.result.Payload.order %}"}
        function = self._steps.validation
        return self._tasks.step("ValidateOrder", function, known=FROM_CONTEXT, order="{% $states.input %}", assign=known)

    def _claim(self) -> sfn.TaskStateBase:
        """Write the order down, for this execution alone: another one of the same name ends here."""
        claim = self._tasks.update(
            "ClaimOrder",
            "SET #state = :state, #order = :order, created_at = if_not_exists(created_at, :now)",
            {":state": "PROCESSING", ":order": "{% $string($order) %}"},
        )
        known = sfn.Succeed.jsonata(self._scope, "OrderKnown", comment="Another execution works it, or has done so")
        _catch(claim, known, CLAIMED, {})
        return claim

    def _way_back(self, record: sfn.TaskStateBase) -> Sequence[sfn.TaskStateBase]:
        """What undoes the steps, the last one first. One that fails keeps none of the others from being done."""
        undoing = {
            "CancelShipment": self._steps.shipping,
            "RefundPayment": self._steps.payment,
            "ReleaseStock": self._steps.stock,
        }
        undone = [self._tasks.undo(*each) for each in undoing.items()]
        is_all = sfn.Choice.jsonata(self._scope, "IsAllUndone")
        for state, following in zip(undone, [*undone[1:], is_all], strict=True):
            state.next(following)
            cause = f"$substring($states.errorOutput.Cause, 0, {LONGEST_CAUSE})"
            entry = f'{{"step": "{state.id}", "error": $states.errorOutput.Error, "cause": {cause}}}'
            _catch(state, following, ANY, {"unresolved": f"{{% $append($unresolved, [{entry}]) %}}"})
        is_all.when(sfn.Condition.jsonata("{% $count($unresolved) = 0 %}"), record).otherwise(self._keep(record))
        return undone

    def _keep(self, record: sfn.TaskStateBase) -> sfn.TaskStateBase:
        """Leave to people what could not be undone, with all that is known about it."""
        names = ("order_id", "execution", "order", "payment", "outcome", "fault", "unresolved")
        body = {"kind": "compensation failed", **{name: f"{{% ${name} %}}" for name in names}}
        keep = self._tasks.send("KeepForPeople", self._announcements.manual_queue, body, retry=self._retries.undo)
        words = f'{{"step": step, "error": error, "cause": $substring(cause, 0, {LONGEST_WORDS})}}'
        fault = {"fault": {"error": "CompensationFailed", "cause": f"{{% $string([$unresolved.{words}]) %}}"}}
        outcome = _outcome("UNRESOLVED", "{% $outcome.reason %}")
        failed = sfn.Pass.jsonata(self._scope, "CompensationFailed", assign={**fault, **outcome})
        keep.next(failed).next(record)
        _catch(keep, failed, ANY, {})
        return keep

    def _end(self) -> sfn.TaskStateBase:
        """Write down what became of the order, tell everybody, and fail if something was broken."""
        values = {
            ":state": "{% $outcome.state %}",
            ":reason": "{% $outcome.reason %}",
            ":payment_id": '{% $exists($payment.payment_id) ? $string($payment.payment_id) : "" %}',
        }
        expression = "SET #state = :state, reason = :reason, payment_id = :payment_id"
        record = self._tasks.update("RecordOutcome", expression, values, assign={"ended_at": NOW})
        broadcast = define_broadcast(self._scope, self._tasks, self._announcements, letters=self._retries.undo)
        record.next(broadcast)
        elsewhere = sfn.Succeed.jsonata(self._scope, "OrderElsewhere", comment="Its row is another execution's")
        _catch(record, elsewhere, CLAIMED, {})
        _catch(record, broadcast, ANY, {**FAULT, "ended_at": NOW})
        broadcast.next(self._is_broken())
        return record

    def _is_broken(self) -> sfn.Choice:
        cause = f"{{% $substring($fault.cause, 0, {LONGEST_CAUSE}) %}}"
        failed = sfn.Fail.jsonata(self._scope, "OrderFailed", error="{% $fault.error %}", cause=cause)
        told = {"order_id": "{% $order_id %}", "state": "{% $outcome.state %}", "reason": "{% $outcome.reason %}"}
        closed = sfn.Succeed.jsonata(self._scope, "OrderClosed", outputs=told)
        untold = sfn.Pass.jsonata(self._scope, "AnnouncementFailed", assign={"fault": dict(UNTOLD)}).next(failed)
        is_broken = sfn.Choice.jsonata(self._scope, "IsSomethingBroken").when(sfn.Condition.jsonata(IS_UNTOLD), untold)
        return is_broken.when(sfn.Condition.jsonata('{% $fault.error != "" %}'), failed).otherwise(closed)


def _outcome(state: str, reason: str) -> dict[str, Any]:
    return {"outcome": {"state": state, "reason": reason}}


def _catch(state: sfn.TaskStateBase, following: sfn.IChainable, error: str, assign: Mapping[str, Any]) -> None:
    state.add_catch(following, errors=[error], assign=dict(assign) or None)


def _catch_fault(state: sfn.TaskStateBase, following: sfn.IChainable, known: Mapping[str, Any] | None = None) -> None:
    """Whatever else goes wrong: the order has failed, and so has the execution."""
    broken = f'{{% "{state.id}: " & $states.errorOutput.Error %}}'
    _catch(state, following, ANY, {**(known or {}), **FAULT, **_outcome("FAILED", broken)})
