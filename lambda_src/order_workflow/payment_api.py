"""The payment API: charge, or pay back, asked once for each attempt of the step. The state machine waits and tries again.

Each operation of an order has one Idempotency-Key, the same in each attempt: the payment API takes or returns the money once
however often it is asked. It must remember a key for as long as an execution can last. Nothing that it answers is trusted:
neither its size, its speed, its form nor where it points to.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from order_workflow.errors import PaymentDeclined
from order_workflow.models import Task
from shared.errors import HandlerError, UnavailableError
from shared.payment import PaymentLine, document_of, reason_in
from shared.payment_secret import Secret
from shared.strict_json import Json, render
from shared.transport import Answer, Transport

#: An attempt in full, with its timeouts: see ``shared.transport.Limits``.
_ATTEMPT_SECONDS = 7.0

_LONGEST_TEXT = 256

#: What says that the payment API takes no money: the card's fault, or the request's. All other codes from 400 on are those of
#: a proxy, a firewall, whoever answers at a wrong address, or a payment API that asks to wait.
_DECLINED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.UNPROCESSABLE_ENTITY})


class RefundRefusedError(HandlerError):
    """The payment API does not pay back: trying again cannot help, people have to look at it."""


class PaymentApi:
    """Charges and pays back at the payment API.

    Args:
        workflow: What the keys of this workflow begin with.
        secret: The payment API's address and key.
        transport: Sends requests.
    """

    def __init__(self, workflow: str, secret: Secret, transport: Transport) -> None:
        self._workflow = workflow
        self._line = PaymentLine(secret, transport)

    def charge(self, task: Task) -> dict[str, Any]:
        """Take the money of this order, or say that it was taken.

        Raises:
            PaymentDeclined: The payment API does not take it.
            UnavailableError: It is not known whether it did.
        """
        answer = self._asked(task, "charge", path="", reference=task.order_id)
        document = document_of(answer)
        if answer.status in _DECLINED or document.get("status") == "declined":
            raise PaymentDeclined(_reason(document))
        return {"success": True, "payment_id": _approved(answer, document)}

    def refund(self, task: Task) -> dict[str, Any]:
        """Pay back what was taken for this order, if anything was: the charge is named by its key, known or not.

        Raises:
            RefundRefusedError: The payment API does not pay it back.
            UnavailableError: It is not known whether it did.
        """
        more = {"charge_key": self._key(task, "charge")}
        answer = self._asked(task, "refund", path="/refunds", reference=f"{task.order_id}/refund", **more)
        document = document_of(answer)
        if _is_success(answer) and document.get("status") == "nothing_to_refund":
            return {"refund_id": None}
        if answer.status in _DECLINED or document.get("status") == "declined":
            raise RefundRefusedError(_reason(document))
        return {"refund_id": _approved(answer, document)}

    def _asked(self, task: Task, operation: str, *, path: str, **fields: str) -> Answer:
        body = render({**fields, "amount": task.amount, "currency": task.currency}).encode()
        return self._line.ask(path, self._key(task, operation), body, lambda: _ATTEMPT_SECONDS)

    def _key(self, task: Task, operation: str) -> str:
        return f"{self._workflow}:{task.order_id}:{operation}"


def _approved(answer: Answer, document: Mapping[str, Json]) -> str:
    """The payment API's id of what it did; an answer that is neither yes nor no is none."""
    found = document.get("id")
    is_id = isinstance(found, str) and found.isascii() and found.isprintable() and 0 < len(found) <= _LONGEST_TEXT
    if _is_success(answer) and document.get("status") == "approved" and is_id:
        return str(found)
    msg = f"The payment API answered {answer.status}, and neither yes nor no."
    raise UnavailableError(msg)


def _is_success(answer: Answer) -> bool:
    return HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES


def _reason(document: Mapping[str, Json]) -> str:
    return reason_in(document, _LONGEST_TEXT, "The payment API declined it.")
