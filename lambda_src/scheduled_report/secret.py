"""The address and the user of the database, from Secrets Manager: ``secretsmanager:GetSecretValue`` on this one secret."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import boto3
from botocore.exceptions import ClientError

from shared import strict_json
from shared.aws import CLIENT_CONFIG
from shared.errors import InvalidError
from shared.strict_json import Json

_MOST_PORT = 65_535
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MODES = ("require", "verify-full", "disable")
_VISIBLE = re.compile(r"[\x21-\x7e]{1,253}")

_HOW = (
    'Put {"host": "...", "port": 5432, "username": "...", "password": "...", "dbname": "..."} into it: '
    "aws secretsmanager put-secret-value --secret-id <its ARN> --secret-string file://secret.json. Where RDS keeps the secret, "
    "which then has no more than username and password, set DATABASE_HOST, DATABASE_PORT and DATABASE_NAME instead."
)


class SecretsClient(Protocol):
    """The call that is made."""

    def get_secret_value(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Read a secret."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is, and who asks; the password is in no text made of it."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    database: str
    sslmode: str

    @classmethod
    def parse(cls, text: str, place: Mapping[str, Json] | None = None) -> "Address":
        """The address in a secret.

        Args:
            text: The secret.
            place: What counts where the secret says nothing, by the names that it has in a secret.

        Raises:
            InvalidError: It is malformed; the message says how to mend it, and nothing of what is in it.
        """
        document = {**(place or {}), **_document(text)}
        host = document.get("host")
        if not (isinstance(host, str) and _VISIBLE.fullmatch(host)):
            raise _malformed(fault="has no host")
        is_local = host in _LOOPBACK or host.startswith("/")
        sslmode = document.get("sslmode", "disable" if is_local else "require")
        if sslmode not in _MODES:
            raise _malformed(fault=f"has an sslmode that is none of {', '.join(_MODES)}")
        if sslmode == "disable" and not is_local:
            raise _malformed(fault="has the sslmode disable, which is for this machine only (127.0.0.1, ::1, localhost)")
        return cls(
            host=host,
            port=_port(document.get("port", 5432)),
            username=_text(document, "username"),
            password=_text(document, "password"),
            database=_text(document, "dbname"),
            sslmode="disable" if host.startswith("/") else str(sslmode),  # the folder of a socket: nothing is on a wire
        )


def _document(text: str) -> dict[str, Json]:
    try:
        return strict_json.parse_object(text)
    except InvalidError:
        raise _malformed(fault="is no JSON object") from None


def _text(document: dict[str, Json], name: str) -> str:
    value = document.get(name)
    if not (isinstance(value, str) and value):
        raise _malformed(fault=f"has no {name}")
    return value


def _port(given: Json) -> int:
    digits = str(given)
    if not (digits.isdecimal() and digits.isascii() and 1 <= int(digits[:6]) <= _MOST_PORT):
        raise _malformed(fault="has a port that is no number from 1 to 65535")
    return int(digits)


def _malformed(*, fault: str) -> InvalidError:
    return InvalidError(f"The database secret {fault}. {_HOW}")


class Secret:
    """The secret.

    Args:
        arn: Its ARN.
        place: What counts where it says nothing.
        client: The client to use. Default: a new one, with short timeouts.
    """

    def __init__(self, arn: str, place: Mapping[str, Json] | None = None, client: SecretsClient | None = None) -> None:
        self._arn = arn
        self._place = place
        self._client: SecretsClient = client or boto3.client("secretsmanager", config=CLIENT_CONFIG)

    def read(self) -> Address:
        """The address as it is now: it is needed once a day, and may have been rotated since.

        Raises:
            InvalidError: There is none, or it is malformed.
        """
        try:
            answer = self._client.get_secret_value(SecretId=self._arn)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                raise _malformed(fault="is empty or missing") from None
            raise
        return Address.parse(str(answer.get("SecretString", "")), self._place)
