"""The values of this pattern: the worker's settings, an order, its states, its row, and what became of a charge."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from shared import settings, strict_json
from shared.announcer import AnnouncerSettings
from shared.dynamodb import MOST_ITEM_BYTES, MOST_NESTING, item_size
from shared.errors import Fault, InvalidError, TooLargeError
from shared.ids import id_faults, is_id
from shared.observability import LogSettings
from shared.queue_consumer import QueueSettings
from shared.schema import Schema
from shared.strict_json import Json

#: What an order may take of its row; the rest is for the row's other attributes and its history.
MOST_ORDER_BYTES = MOST_ITEM_BYTES - 32 * 1024

#: It becomes an attribute of its row: one level deeper.
_MOST_NESTING = MOST_NESTING - 1

#: Four days in the queue and fourteen in the dead-letter queue: so long can a message live that repeats a charge.
_EIGHTEEN_DAYS = 18 * 86_400

#: Without a colon, which ends it in a key; and short enough for a key that is a header of at most 255 characters.
_PIPELINE = re.compile(r"[A-Za-z0-9._/@+~-]{1,100}")

_DOUBT = "It is not known whether money was taken."


class State(StrEnum):
    """Where an order stands: PENDING, then PROCESSING, then one of the other three."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    PAID = "PAID"
    DECLINED = "DECLINED"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        """Whether it never changes again. FAILED does, when a message of the order comes once more."""
        return self in {State.PAID, State.DECLINED}


class Taken(StrEnum):
    """What is known of the money of an order that has failed: the attribute ``charge`` of its row and of its event."""

    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What the construct tells the worker through environment variables.

    Args:
        resource: RESOURCE: what the orders are called, such as ``orders``; the events about them begin with it.
        pipeline: PIPELINE: the name of this pipeline, different from that of each other one which uses the same payment API
            or has the same subscribers: the keys of charges and the ids of events begin with it. Default: RESOURCE.
        table_name: TABLE_NAME: the table of the orders; its key is the text ``id``.
        idempotency_table_name: IDEMPOTENCY_TABLE_NAME: the table of finished charges, as Powertools keeps it.
        idempotency_ttl_seconds: IDEMPOTENCY_TTL_SECONDS: how long a finished charge is remembered. Default 18 days: a message
            can live four in the queue and fourteen in the dead-letter queue.
        circuit_table_name: CIRCUIT_TABLE_NAME: the table of the circuit breaker, as Powertools keeps it.
        circuit_failure_threshold: CIRCUIT_FAILURE_THRESHOLD: failures in a row that open the circuit. Default 5.
        circuit_recovery_seconds: CIRCUIT_RECOVERY_SECONDS: how long it stays open before one call may try. Default 30.
        queue: QUEUE_URL, DEAD_LETTER_QUEUE_URL, MAX_RECEIVE_COUNT and RETRY_DELAY_SECONDS.
        max_attempts: MAX_ATTEMPTS: how often a charge is tried before its order has failed. Default 5.
        announcer: TOPIC_ARN or BUS_NAME: where it is announced what became of an order.
        payment_secret_arn: PAYMENT_SECRET_ARN: the secret with the payment API's address and key.
        schema_file: SCHEMA_FILE: the JSON Schema of an order, relative to the root of the code.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
    """

    resource: str
    pipeline: str
    table_name: str
    idempotency_table_name: str
    idempotency_ttl_seconds: int
    circuit_table_name: str
    circuit_failure_threshold: int
    circuit_recovery_seconds: int
    queue: QueueSettings
    max_attempts: int
    announcer: AnnouncerSettings
    payment_secret_arn: str
    schema_file: Path
    logs: LogSettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "WorkerSettings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        integer = settings.integer
        return cls(
            resource=settings.resource(variables),
            pipeline=_pipeline(variables),
            table_name=settings.text(variables, "TABLE_NAME"),
            idempotency_table_name=settings.text(variables, "IDEMPOTENCY_TABLE_NAME"),
            idempotency_ttl_seconds=integer(variables, "IDEMPOTENCY_TTL_SECONDS", _EIGHTEEN_DAYS, least=1, most=31_536_000),
            circuit_table_name=settings.text(variables, "CIRCUIT_TABLE_NAME"),
            circuit_failure_threshold=integer(variables, "CIRCUIT_FAILURE_THRESHOLD", 5, least=1, most=1000),
            circuit_recovery_seconds=integer(variables, "CIRCUIT_RECOVERY_SECONDS", 30, least=1, most=900),
            queue=QueueSettings.from_environment(variables),
            max_attempts=integer(variables, "MAX_ATTEMPTS", 5, least=1, most=1000),
            announcer=AnnouncerSettings.from_environment(variables),
            payment_secret_arn=settings.text(variables, "PAYMENT_SECRET_ARN"),
            schema_file=settings.code_file(variables, "SCHEMA_FILE"),
            logs=LogSettings.from_environment(variables),
        )


def _pipeline(variables: Mapping[str, str]) -> str:
    given = settings.text(variables, "PIPELINE", settings.resource(variables))
    if not _PIPELINE.fullmatch(given):
        msg = f"PIPELINE must be 1 to 100 letters, digits or characters of ._/@+~-, got {given!r}"
        raise settings.SettingsError(msg)
    return given


@dataclass(frozen=True, slots=True)
class Order:
    """An order that fits.

    Args:
        id: Its id, chosen by the client or new.
        fields: All that it has besides.
    """

    id: str
    fields: dict[str, Json]

    @classmethod
    def parse(cls, body: bytes | str, schema: Schema, new_id: Callable[[], str] | None = None) -> "Order":
        """The order in this JSON text.

        Args:
            body: The text.
            schema: What an order looks like. If it names ``id``, the id is validated with the rest.
            new_id: Makes the id of an order that has none. Default: it must have one.

        Raises:
            InvalidError: It is no JSON object, or does not fit; all that is wrong is listed.
            TooLargeError: It is larger than what a row can hold.
        """
        document = strict_json.parse_object(body, _MOST_NESTING)
        fields = {name: value for name, value in document.items() if name != "id"}
        faults = [*schema.faults(document if schema.declares("id") else fields), *_id_faults(document, required=new_id is None)]
        if faults:
            msg = "The order does not fit: errors has the fields."
            raise InvalidError(msg, faults=faults)
        if item_size(fields) > MOST_ORDER_BYTES:
            msg = f"The order is larger than the {MOST_ORDER_BYTES} bytes that can be stored, names included."
            raise TooLargeError(msg)
        return cls(str(document["id"]) if "id" in document or new_id is None else new_id(), fields)

    @property
    def body(self) -> str:
        """The order with its id as the one JSON text for it: what the queue carries."""
        return strict_json.render(self.fields | {"id": self.id})

    @property
    def body_hash(self) -> str:
        """What tells this order from another one under the same id."""
        return body_hash(self.fields | {"id": self.id})


def body_hash(document: dict[str, Json]) -> str:
    """What tells this order, with its id in it, from another one; the order of its names and zeros at the end do not count."""
    return hashlib.sha256(strict_json.render(document).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Identity:
    """Which order a message is of, known even if the order does not fit."""

    id: str
    body_hash: str

    @classmethod
    def of(cls, body: str) -> "Identity | None":
        """The identity in this text; ``None`` if it has none."""
        try:
            document = strict_json.parse_object(body, _MOST_NESTING)
        except InvalidError:
            return None
        order_id = document.get("id")
        return cls(order_id, body_hash(document)) if isinstance(order_id, str) and is_id(order_id) else None


@dataclass(frozen=True, slots=True)
class Charge:
    """What the payment API is asked to take.

    Args:
        order_id: For which order.
        amount: How much, exactly.
        currency: Of which currency.
        key: What makes a repeated charge the same one, for the payment API and for the table of finished charges.
    """

    order_id: str
    amount: Decimal
    currency: str
    key: str

    @classmethod
    def of(cls, order: Order, pipeline: str) -> "Charge":
        """What is to be paid for this order of this pipeline.

        Raises:
            InvalidError: The order has no amount or no currency; its schema should have asked for them.
        """
        amount, currency = order.fields.get("amount"), order.fields.get("currency")
        faults = [] if isinstance(amount, Decimal) and amount > 0 else [Fault.at(["amount"], "must be a number above 0")]
        faults += [] if isinstance(currency, str) and currency else [Fault.at(["currency"], "must be a text")]
        if faults or not (isinstance(amount, Decimal) and isinstance(currency, str)):
            msg = "The order cannot be charged: errors has the fields."
            raise InvalidError(msg, faults=faults)
        return cls(order.id, amount, currency, f"{pipeline}:{order.id}:charge")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the payment API decided.

    Args:
        state: PAID or DECLINED.
        payment_id: The payment API's id of the payment, if there is one.
        reason: Why it was declined.
    """

    state: State
    payment_id: str | None = None
    reason: str | None = None

    def as_dict(self) -> dict[str, str]:
        """The outcome as it is kept."""
        return {name: str(value) for name in self.__dataclass_fields__ if (value := getattr(self, name)) is not None}

    @classmethod
    def from_dict(cls, kept: Mapping[str, str]) -> "Outcome":
        """The outcome that was kept like this."""
        return cls(State(kept["state"]), kept.get("payment_id"), kept.get("reason"))


@dataclass(frozen=True, slots=True)
class Row:
    """What the table has about an order."""

    id: str
    order: dict[str, Json]
    body_hash: str
    state: State
    attempts: int
    updated_at: str
    payment_id: str | None = None
    reason: str | None = None
    charge: str | None = None
    announced_at: str | None = None

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Row":
        """The row with these attributes."""
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        return cls(**(known | {"state": State(values["state"]), "attempts": int(values["attempts"])}))


def in_doubt(reason: str) -> str:
    """The reason of an order that may have been charged all the same: it says so, once."""
    return reason if reason.endswith(_DOUBT) else f"{reason.removesuffix('.')}. {_DOUBT}"


def _id_faults(document: dict[str, Json], *, required: bool) -> list[Fault]:
    if "id" not in document:
        return [Fault.at(["id"], "is required")] if required else []
    return id_faults(document["id"])
