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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from shared import strict_json
from shared.errors import InvalidError
from shared.payment_secret import Credentials, MalformedSecretError, Secret
from shared.strict_json import Json, render
from shared.transport import Answer, Transport, UnansweredError
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
_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

#: What a payment API does not say of an order, but a proxy, a firewall, or whoever answers at a wrong address.
_NO_PAYMENT_API = frozenset({404, 405, 406, 407, 410, 411, 413, 414, 415, 417, 421, 426, 428, 431, 451})
_NOT_NOW = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Chance:
    """What is not certain: kept in one place, for tests to make it so."""

    share: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class PaymentApi:
    """Charges at the payment API.

    Args:
        secret: Its address and key.
        transport: Sends requests.
        chance: Time and luck.
    """

    def __init__(self, secret: Secret, transport: Transport, chance: Chance = Chance()) -> None:
        self._secret = secret
        self._transport = transport
        self._chance = chance

    def charge(self, charge: Charge, seconds: float) -> Outcome:
        """What the payment API decides, asked at most three times within these seconds.

        Raises:
            PaymentDownError: It fails, is silent, cannot be reached or answers nonsense.
            HeldUpError: It asks to wait or refuses the key, or there is none; or too little time is left.
        """
        deadline = self._chance.clock() + seconds
        in_doubt = False
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            try:
                return self._attempt(charge, deadline)
            except (PaymentDownError, AsksToWaitError) as error:
                error.in_doubt = in_doubt = in_doubt or error.in_doubt
                pause = self._pause(attempt) if error.retry_after is None else error.retry_after
                left = deadline - self._chance.clock()
                if attempt == _MOST_ATTEMPTS or pause + _LEAST_ATTEMPT_SECONDS > left:
                    raise
                self._chance.sleep(pause)
            except HeldUpError as error:
                error.in_doubt = in_doubt
                raise
        raise AssertionError  # the last attempt has returned or raised

    def _attempt(self, charge: Charge, deadline: float) -> Outcome:
        answer = self._asked(charge, deadline)
        if answer.status in _REFUSED:  # the key may have been changed since it was read
            self._secret.forget()
            answer = self._asked(charge, deadline)
        if answer.status in _REFUSED:
            msg = "The payment API cannot be used at the moment."
            hint = f"The payment API refuses the credentials ({answer.status}): put the right api_key into the payment secret."
            raise HeldUpError(msg, grows=True, hint=hint)
        return _outcome(answer)

    def _asked(self, charge: Charge, deadline: float) -> Answer:
        credentials = self._credentials()
        left = deadline - self._chance.clock()
        if left < _LEAST_ATTEMPT_SECONDS:
            msg = "There was not enough time left to ask the payment API."
            raise HeldUpError(msg)
        try:
            return self._transport.post(credentials.url, _headers(charge, credentials), _body(charge), left)
        except UnansweredError as error:
            self._secret.forget()  # the address may have been changed since it was read
            msg = f"The payment API gave no answer: {error}."
            raise PaymentDownError(msg) from error

    def _credentials(self) -> Credentials:
        """Of a secret that is not as it must be, no order has a fault: all wait until somebody mends it."""
        try:
            return self._secret.read()
        except MalformedSecretError as error:
            raise HeldUpError(error.detail, grows=True, hint=error.hint) from error

    def _pause(self, attempt: int) -> float:
        """Full jitter: anything up to twice the last bound, so that those who failed together do not come back together.

        https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
        """
        bound: float = _FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
        return self._chance.share() * min(_LONGEST_PAUSE_SECONDS, bound)


def _headers(charge: Charge, credentials: Credentials) -> dict[str, str]:
    return {
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # what is not packed cannot be larger than it is
        "Authorization": f"Bearer {credentials.api_key}",
        "Content-Type": "application/json",
        "Idempotency-Key": charge.key,
    }


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
        return Outcome(State.DECLINED, reason=_reason(_document(answer), f"The payment API answered {status}."))
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _decision(answer)
    msg = f"The payment API answered {status}."
    raise PaymentDownError(msg, retry_after=_retry_after(answer))


def _decision(answer: Answer) -> Outcome:
    document = _document(answer)
    payment_id = document.get("id")
    if document.get("status") == "approved" and isinstance(payment_id, str) and _PAYMENT_ID.fullmatch(payment_id):
        return Outcome(State.PAID, payment_id=payment_id)
    if document.get("status") == "declined":
        return Outcome(State.DECLINED, reason=_reason(document, "The payment API declined it."))
    msg = "The payment API answered something that is neither approved nor declined."
    raise PaymentDownError(msg)


def _document(answer: Answer) -> Mapping[str, Json]:
    try:
        document = strict_json.parse(answer.body)
    except InvalidError:
        return {}
    return document if isinstance(document, dict) else {}


def _reason(document: Mapping[str, Json], otherwise: str) -> str:
    """The payment API's own words, fit to be stored and shown: one line, and short."""
    given = document.get("reason")
    words = " ".join("".join(c if c.isprintable() else " " for c in given).split()) if isinstance(given, str) else ""
    return words[:_LONGEST_REASON] or otherwise


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
    left = (date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime.now(UTC)
    return max(0, round(left.total_seconds()))
