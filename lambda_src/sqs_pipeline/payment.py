"""The payment API: one charge, within the time there is, told apart into paid, declined and not known yet.

What is not known is asked again with the same Idempotency-Key, so that the payment API takes the money once however often it is
asked. Nothing that it answers is trusted: neither its size, its speed, its form nor where it points to.

So the payment API must remember an Idempotency-Key, and what came of it, at least as long as an order can live: four days of
waiting, the retention of the queue, and that of the dead-letter queue, from which it may be sent back. If it forgets a key
earlier, an order whose answer was lost can be charged once more.
"""

import email.utils
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from http import HTTPStatus

from shared.payment import KeyRefusedError, PaymentLine, SilentError, document_of, reason_in
from shared.payment_secret import MalformedSecretError, Secret
from shared.strict_json import render
from shared.times import utc_now
from shared.transport import Answer, Transport
from sqs_pipeline.failures import AsksToWaitError, HeldUpError, PaymentDownError
from sqs_pipeline.models import Charge, Outcome, State

_MOST_ATTEMPTS = 3
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 2.0

#: With less time no attempt is begun: it would be cut off rather than answered.
_LEAST_ATTEMPT_SECONDS = 1.0

_LONGEST_REASON = 200
_PAYMENT_ID = re.compile(r"[\x21-\x7e]{1,256}")
_SECONDS = re.compile(r"[0-9]{1,9}")

#: What a payment API does not say of an order, but a proxy, a firewall, or whoever answers at a wrong address.
_NO_PAYMENT_API = frozenset({404, 405, 406, 407, 410, 411, 413, 414, 415, 417, 421, 426, 428, 431, 451})
_NOT_NOW = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Chance:
    """What is not certain: kept in one place, for tests to make it so."""

    share: Callable[[], float] = random.random
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class PaymentApi:
    """Charges at the payment API.

    Args:
        secret: Its address and key.
        transport: Sends requests.
        chance: Time and luck.
    """

    def __init__(self, secret: Secret, transport: Transport, chance: Chance = Chance()) -> None:
        self._line = PaymentLine(secret, transport)
        self._chance = chance

    def charge(self, charge: Charge, seconds: float) -> Outcome:
        """What the payment API decides, asked at most three times within these seconds.

        Raises:
            PaymentDownError: It fails, is silent, cannot be reached or answers nonsense.
            HeldUpError: It asks to wait or refuses the key, or there is none; or too little time is left.
        """
        deadline = self._chance.monotonic() + seconds
        in_doubt = False
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            try:
                return self._attempt(charge, deadline)
            except (PaymentDownError, AsksToWaitError) as error:
                error.in_doubt = in_doubt = in_doubt or error.in_doubt
                pause = self._pause(attempt) if error.retry_after is None else error.retry_after
                left = deadline - self._chance.monotonic()
                if attempt == _MOST_ATTEMPTS or pause + _LEAST_ATTEMPT_SECONDS > left:
                    raise
                self._chance.sleep(pause)
            except HeldUpError as error:
                error.in_doubt = in_doubt
                raise
        raise AssertionError  # the last attempt has returned or raised

    def _attempt(self, charge: Charge, deadline: float) -> Outcome:
        try:
            answer = self._line.ask("", charge.key, _body(charge), partial(self._left, deadline))
        except (MalformedSecretError, KeyRefusedError) as error:
            # Of a secret that is not as it must be, no order has a fault: all wait until somebody mends it.
            raise HeldUpError(error.detail, grows=True, hint=error.hint) from error
        except SilentError as error:
            raise PaymentDownError(error.detail) from error
        return _outcome(answer)

    def _left(self, deadline: float) -> float:
        left = deadline - self._chance.monotonic()
        if left < _LEAST_ATTEMPT_SECONDS:
            msg = "There was not enough time left to ask the payment API."
            raise HeldUpError(msg)
        return left

    def _pause(self, attempt: int) -> float:
        """Full jitter: anything up to twice the last bound, so that those who failed together do not come back together.

        https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
        """
        bound: float = _FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
        return self._chance.share() * min(_LONGEST_PAUSE_SECONDS, bound)


def _body(charge: Charge) -> bytes:
    amount = format(charge.amount, "f")
    return render({"reference": charge.order_id, "amount": amount, "currency": charge.currency}).encode()


def _outcome(answer: Answer) -> Outcome:
    status = answer.status
    if status in _NOT_NOW:
        msg = f"The payment API asks to wait ({status})."
        at_it = status == HTTPStatus.CONFLICT  # with the same key, which came before
        raise AsksToWaitError(msg, retry_after=_retry_after(answer), in_doubt=at_it)
    if status in _NO_PAYMENT_API:
        msg = "The payment API cannot be reached at the moment."
        raise PaymentDownError(msg, hint=f"The payment API answered {status}: look at the url in the payment secret.")
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return Outcome(
            State.DECLINED, reason=reason_in(document_of(answer), _LONGEST_REASON, f"The payment API answered {status}.")
        )
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _decision(answer)
    msg = f"The payment API answered {status}."
    raise PaymentDownError(msg, retry_after=_retry_after(answer))


def _decision(answer: Answer) -> Outcome:
    document = document_of(answer)
    payment_id = document.get("id")
    if document.get("status") == "approved" and isinstance(payment_id, str) and _PAYMENT_ID.fullmatch(payment_id):
        return Outcome(State.PAID, payment_id=payment_id)
    if document.get("status") == "declined":
        return Outcome(State.DECLINED, reason=reason_in(document, _LONGEST_REASON, "The payment API declined it."))
    msg = "The payment API answered something that is neither approved nor declined."
    raise PaymentDownError(msg)


def _retry_after(answer: Answer) -> int | None:
    """The seconds in a Retry-After header, which can be a date; ``None`` if it is neither.

    https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    """
    given = answer.retry_after
    if _SECONDS.fullmatch(given):
        return int(given)
    try:
        date = email.utils.parsedate_to_datetime(given)
    except ValueError:
        return None
    left = (date if date.tzinfo else date.replace(tzinfo=UTC)) - utc_now()
    return max(0, round(left.total_seconds()))
