"""Asking the payment API: what a request of any kind needs, and how its answer is read. What an answer means is the pattern's.

Nothing that it answers is trusted: neither its size, its speed, its form nor where it points to.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from shared import strict_json
from shared.errors import InvalidError, UnavailableError
from shared.payment_secret import Credentials, Secret
from shared.strict_json import Json
from shared.transport import Answer, Transport, UnansweredError

_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class KeyRefusedError(UnavailableError):
    """The payment API refuses the key, also the one that is in the secret now: it lasts until somebody mends that."""

    def __init__(self, status: int) -> None:
        hint = f"The payment API refuses the credentials ({status}): put the right api_key into the payment secret."
        super().__init__("The payment API cannot be used at the moment.", hint=hint)


class SilentError(UnavailableError):
    """The payment API gave no answer: what became of the request is not known."""


class PaymentLine:
    """Sends requests to the payment API, each with the key that is in the secret.

    Args:
        secret: The payment API's address and key.
        transport: Sends requests.
    """

    def __init__(self, secret: Secret, transport: Transport) -> None:
        self._secret = secret
        self._transport = transport

    def ask(self, path: str, key: str, body: bytes, seconds: Callable[[], float]) -> Answer:
        """The answer to this request. If the key is refused, it is asked once more with the one that is in the secret then.

        Args:
            path: What follows the address in the secret.
            key: The Idempotency-Key.
            body: A JSON document.
            seconds: How long an answer may take, asked for right before the request is sent. It may raise instead.

        Raises:
            MalformedSecretError: The secret is not as it must be, and nothing was sent.
            KeyRefusedError: The key was refused both times.
            SilentError: There was no answer, or none that can be read.
        """
        answer = self._sent(path, key, body, seconds)
        if answer.status in _REFUSED:  # the key may have been changed since it was read
            self._secret.forget()
            answer = self._sent(path, key, body, seconds)
        if answer.status in _REFUSED:
            raise KeyRefusedError(answer.status)
        return answer

    def _sent(self, path: str, key: str, body: bytes, seconds: Callable[[], float]) -> Answer:
        credentials = self._secret.read()
        within = seconds()
        try:
            return self._transport.post(credentials.url + path, _headers(key, credentials), body, within)
        except UnansweredError as error:
            self._secret.forget()  # the address may have been changed since it was read
            msg = f"The payment API gave no answer: {error}."
            raise SilentError(msg) from error


def document_of(answer: Answer) -> Mapping[str, Json]:
    """The JSON object in an answer; an empty one if there is none."""
    try:
        return strict_json.parse_object(answer.body)
    except InvalidError:
        return {}


def reason_in(document: Mapping[str, Json], most_characters: int, otherwise: str) -> str:
    """The payment API's own words, fit to be stored and shown: one line, and short.

    Args:
        document: Its answer.
        most_characters: How long they may be.
        otherwise: What is said if it gives no reason.
    """
    given = document.get("reason")
    words = " ".join("".join(c if c.isprintable() else " " for c in given).split()) if isinstance(given, str) else ""
    return words[:most_characters] or otherwise


def _headers(key: str, credentials: Credentials) -> dict[str, str]:
    return {
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # what is not packed cannot be larger than it is
        "Authorization": f"Bearer {credentials.api_key}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
