"""The values of the ingest: its settings, the message of an order, and what the table has about it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared import settings, strict_json
from shared.errors import Fault, InvalidError, TooLargeError
from shared.observability import LogSettings
from shared.strict_json import Json
from sqs_pipeline.models import Order, State

#: The largest message that SQS takes, 1 MiB, less the room for the attributes of a copy: a dead-letter queue gets it with more.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MOST_MESSAGE_BYTES = 1024 * 1024 - 16 * 1024

#: What the id of a message group may be. (The same page.)
_GROUP = re.compile(r"[\x21-\x7e]{1,128}")

#: The characters that JSON may have as they are and a message may not. (The same page; JSON escapes the others itself.)
_ESCAPES = {ord("\ufffe"): "\\ufffe", ord("\uffff"): "\\uffff"}


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """What the construct tells the ingest through environment variables.

    Args:
        resource: RESOURCE: the path segment of the collection, such as ``orders``.
        table_name: TABLE_NAME: the table of the orders; its key is the text ``id``.
        queue_url: QUEUE_URL: the queue of the worker, or nothing: then the API itself sends, and here orders are only read.
        group_by: GROUP_BY: the field of an order that names its message group, or nothing.
        schema_file: SCHEMA_FILE: the JSON Schema of an order, relative to the root of the code.
        max_body_bytes: MAX_BODY_BYTES: the largest body that is taken. Default 256 KB.
        allow_origins: ALLOW_ORIGINS: the origins of web pages that may read the answers, with commas between them; ``*`` means
            any. Default none: an HTTP API adds these headers itself.
        allow_credentials: ALLOW_CREDENTIALS: ``true`` if those pages may send credentials. Default ``false``.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
    """

    resource: str
    table_name: str
    queue_url: str
    group_by: str
    schema_file: Path
    max_body_bytes: int
    allow_origins: tuple[str, ...]
    allow_credentials: bool
    logs: LogSettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "IngestSettings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        origins, credentials = settings.allowed_origins(variables)
        return cls(
            resource=settings.resource(variables),
            table_name=settings.text(variables, "TABLE_NAME"),
            queue_url=variables.get("QUEUE_URL", ""),
            group_by=variables.get("GROUP_BY", ""),
            schema_file=settings.code_file(variables, "SCHEMA_FILE"),
            max_body_bytes=settings.integer(variables, "MAX_BODY_BYTES", 262_144, least=1, most=6_291_456),
            allow_origins=origins,
            allow_credentials=credentials,
            logs=LogSettings.from_environment(variables),
        )


@dataclass(frozen=True, slots=True)
class Message:
    """What the queue gets of an order.

    Args:
        order_id: The id of the order.
        body: The order with its id, as JSON.
        group: The message group that a field of the order names, if one is to.
    """

    order_id: str
    body: str
    group: str | None

    @classmethod
    def of(cls, order: Order, group_by: str) -> "Message":
        """The message of this order.

        Raises:
            InvalidError: The order has no field that names its group.
            TooLargeError: It is larger than what a queue takes.
        """
        body = order.body.translate(_ESCAPES)
        if len(body.encode()) > MOST_MESSAGE_BYTES:
            msg = f"The order is larger than the {MOST_MESSAGE_BYTES} bytes that a queue takes, names included."
            raise TooLargeError(msg)
        return cls(order.id, body, _group(order, group_by) if group_by else None)


def _group(order: Order, field: str) -> str:
    """The field's value as a text; a text that cannot be a group's id is hashed: equal ones still make one group."""
    document = order.fields | {"id": order.id}
    if field not in document:
        msg = "The order does not fit: errors has the fields."
        raise InvalidError(msg, faults=[Fault.at([field], "is required")])
    text = _text(document[field])
    return text if _GROUP.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()


def _text(value: Json) -> str:
    return value if isinstance(value, str) else strict_json.render(value)


@dataclass(frozen=True, slots=True)
class Reservation:
    """The row that holds an id for an order.

    Args:
        body_hash: For which order.
        state: Where that order stands.
        created_at: When its id came first.
    """

    body_hash: str
    state: State
    created_at: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """An order whose message is in the queue."""

    id: str
    accepted_at: str
