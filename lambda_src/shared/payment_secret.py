"""The payment API's address and key, from Secrets Manager: ``secretsmanager:GetSecretValue`` on this one secret."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import boto3
from botocore.exceptions import ClientError

from shared import strict_json
from shared.addresses import url_fault
from shared.aws import CLIENT_CONFIG
from shared.errors import InvalidError, UnavailableError
from shared.strict_json import Json

_KEPT_SECONDS = 300
_VISIBLE = re.compile(r"[\x21-\x7e]{1,4096}")

_HOW = (
    'Put {"url": "https://...", "api_key": "..."} into the payment secret: '
    "aws secretsmanager put-secret-value --secret-id <stack output PaymentSecretArn> --secret-string file://secret.json"
)


class MalformedSecretError(UnavailableError):
    """The secret is not as it must be; the hint says how to mend it, and nothing of what is in it."""

    def __init__(self, *, fault: str) -> None:
        super().__init__("The payment API cannot be reached at the moment.", hint=f"The payment secret {fault}. {_HOW}")


class SecretsClient(Protocol):
    """The call that is made."""

    def get_secret_value(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Read a secret."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where to charge, and with which key; the key is in no text made of it."""

    url: str
    api_key: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Credentials":
        """The credentials in a secret.

        Raises:
            MalformedSecretError: They are malformed, or the address is one that the key must not be sent to.
        """
        document = _document(text)
        url, api_key = document.get("url"), document.get("api_key")
        if not (isinstance(api_key, str) and _VISIBLE.fullmatch(api_key)):
            raise MalformedSecretError(fault="has no api_key of visible ASCII characters")
        if not (isinstance(url, str) and _VISIBLE.fullmatch(url)):
            raise MalformedSecretError(fault="has no url of visible ASCII characters")
        if fault := url_fault(url):
            raise MalformedSecretError(fault=f"has a url that {fault}")
        return cls(url, api_key)


def _document(text: str) -> dict[str, Json]:
    try:
        return strict_json.parse_object(text)
    except InvalidError:
        raise MalformedSecretError(fault="is no JSON object") from None


class Secret:
    """The secret, read when it is needed and kept for five minutes.

    Args:
        arn: The secret.
        client: The client to use. Default: a new one, with short timeouts.
        clock: Seconds, from any beginning.
    """

    def __init__(self, arn: str, client: SecretsClient | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._client: SecretsClient = client or boto3.client("secretsmanager", config=CLIENT_CONFIG)
        self._arn = arn
        self._clock = clock
        self._kept: tuple[float, Credentials] | None = None

    def read(self) -> Credentials:
        """The credentials.

        Raises:
            MalformedSecretError: There are none, or they are malformed; the hint says how to put them.
        """
        if self._kept is None or self._clock() - self._kept[0] >= _KEPT_SECONDS:
            self._kept = (self._clock(), Credentials.parse(self._text()))
        return self._kept[1]

    def forget(self) -> None:
        """Read it anew the next time."""
        self._kept = None

    def _text(self) -> str:
        try:
            answer = self._client.get_secret_value(SecretId=self._arn)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                raise MalformedSecretError(fault="is empty or missing") from error
            raise
        return str(answer.get("SecretString", ""))
