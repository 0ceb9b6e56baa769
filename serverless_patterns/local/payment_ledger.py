"""What a payment provider has taken and returned: once for each idempotency key, and never more back than was taken."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus


@dataclass(frozen=True)
class Charge:
    """Money that was taken.

    Args:
        id: The provider's id of it.
        key: The idempotency key that it was asked for with.
        reference: What it was taken for.
        amount: How much, as it was written.
        currency: Of which.
    """

    id: str
    key: str
    reference: str
    amount: str
    currency: str


@dataclass(frozen=True)
class Refund(Charge):
    """Money that was returned.

    Args:
        charge_key: The idempotency key of the charge that it was taken with.
    """

    charge_key: str


@dataclass(frozen=True)
class Answer:
    """What a request is answered."""

    status: int
    body: Mapping[str, str]


class Ledger:
    """Charges, refunds, and what was answered to whom.

    A refund of a charge that never came closes its key: a charge that is only late is declined then, so that no money is
    taken that nobody would return.
    """

    def __init__(self) -> None:
        #: What was charged, by idempotency key.
        self.charges: dict[str, Charge] = {}
        #: What was paid back, by idempotency key.
        self.refunds: dict[str, Refund] = {}
        #: How many requests had the key of an earlier one and got its answer.
        self.replays = 0
        self._answers: dict[str, tuple[bytes, Answer]] = {}
        self._closed: set[str] = set()
        self._lock = threading.Lock()

    def replayed(self, key: str, body: bytes) -> Answer | None:
        """The answer that a key has got, if it has got one: a key stands for one request."""
        with self._lock:
            if key not in self._answers:
                return None
            first, answer = self._answers[key]
            if first != body:
                return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": "the idempotency key was used for another request"})
            self.replays += 1
            return answer

    def settle(self, key: str, body: bytes, *, back: bool, willing: bool) -> Answer:
        """Take money, or give it back, once for each key; or decline to."""
        fields = json.loads(body)
        decide = self._refund if back else self._charge
        with self._lock:
            if key in self._answers:
                self.replays += 1
            else:
                self._answers[key] = body, decide(key, fields, willing=willing)
            return self._answers[key][1]

    def _charge(self, key: str, fields: Mapping[str, str], *, willing: bool) -> Answer:
        if key in self._closed:
            return _declined("paid back before it was charged")
        if not willing:
            return _declined("card refused")
        charge = Charge(f"ch_{len(self.charges) + 1}", key, fields["reference"], fields["amount"], fields["currency"])
        self.charges[key] = charge
        return _approved(charge.id)

    def _refund(self, key: str, fields: Mapping[str, str], *, willing: bool) -> Answer:
        if not willing:
            return _declined("refund refused")
        charge_key, amount = fields["charge_key"], fields["amount"]
        charge = self.charges.get(charge_key)
        if charge is None:
            self._closed.add(charge_key)
            return Answer(HTTPStatus.OK, {"status": "nothing_to_refund"})
        returned = sum(Decimal(each.amount) for each in self.refunds.values() if each.charge_key == charge_key)
        if charge.currency != fields["currency"] or returned + Decimal(amount) > Decimal(charge.amount):
            reason = "more than was charged, or of another currency"
            return _declined(reason, HTTPStatus.UNPROCESSABLE_ENTITY)
        identifier = f"re_{len(self.refunds) + 1}"
        self.refunds[key] = Refund(identifier, key, fields["reference"], amount, charge.currency, charge_key)
        return _approved(identifier)


def _approved(identifier: str) -> Answer:
    return Answer(HTTPStatus.OK, {"status": "approved", "id": identifier})


def _declined(reason: str, status: int = HTTPStatus.OK) -> Answer:
    return Answer(status, {"status": "declined", "reason": reason})
