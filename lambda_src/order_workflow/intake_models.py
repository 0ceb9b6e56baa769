"""The values of the intake: its settings, an order that fits, and what the table has about its id."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from order_workflow.logic import exact_amount, faults_of, input_of
from shared import settings, strict_json
from shared.errors import InvalidError
from shared.observability import LogSettings
from shared.schema import Schema
from shared.strict_json import Json


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    """What the construct tells the intake through environment variables.

    Args:
        resource: RESOURCE: the path segment of the collection, such as ``orders``.
        table_name: TABLE_NAME: the table of the orders; its key is the text ``id``.
        state_machine_arn: STATE_MACHINE_ARN: what is started.
        schema_file: SCHEMA_FILE: the JSON Schema of an order, relative to the root of the code.
        max_body_bytes: MAX_BODY_BYTES: the largest body that is taken. Default 100 KiB, the largest order.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
        allow_origins: None: an HTTP API adds the headers for web pages itself.
        allow_credentials: The same.
    """

    resource: str
    table_name: str
    state_machine_arn: str
    schema_file: Path
    max_body_bytes: int
    logs: LogSettings
    allow_origins: tuple[str, ...] = ()
    allow_credentials: bool = False

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "IntakeSettings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        return cls(
            resource=settings.resource(variables),
            table_name=settings.text(variables, "TABLE_NAME"),
            state_machine_arn=settings.text(variables, "STATE_MACHINE_ARN"),
            schema_file=settings.code_file(variables, "SCHEMA_FILE"),
            max_body_bytes=settings.integer(variables, "MAX_BODY_BYTES", 102_400, least=1, most=6_291_456),
            logs=LogSettings.from_environment(variables),
        )


@dataclass(frozen=True, slots=True)
class Order:
    """An order that fits.

    Args:
        id: Its id, chosen by the client or new: the name of its execution.
        fields: All that it has, its id included.
        input: The one JSON text for it, which its execution gets.
    """

    id: str
    fields: dict[str, Json]
    input: str

    @classmethod
    def parse(cls, body: bytes, schema: Schema, new_id: Callable[[], str]) -> "Order":
        """The order in this JSON text.

        Args:
            body: The text.
            schema: What an order looks like. A new id must fit as well: it is looked at once more before the first step.
            new_id: Makes the id of an order that has none.

        Raises:
            InvalidError: It is no JSON object, or does not fit; all that is wrong is listed.
            TooLargeError: It is larger than what an execution can have.
        """
        given = strict_json.parse_object(body)
        order_id = given["id"] if "id" in given else new_id()
        fields = given | {"id": order_id}
        faults = faults_of(given, order_id, schema) or faults_of(fields, order_id, schema)
        if faults:
            msg = "The order does not fit: errors has the fields."
            raise InvalidError(msg, faults=faults)
        return cls(str(order_id), fields, input_of(fields))

    @property
    def body_hash(self) -> str:
        """What tells this order from another one; the order of its names and zeros at the end do not count."""
        return hashlib.sha256(self.input.encode()).hexdigest()

    @property
    def as_worked(self) -> str:
        """The order as the steps get it, and as its row has it from the first step on: the amount is a text."""
        return strict_json.render(self.fields | exact_amount(self.fields))


@dataclass(frozen=True, slots=True)
class Reservation:
    """The row that holds an id for an order.

    Args:
        body_hash: For which order; empty if it was not the API that took it.
        state: Where that order stands.
        created_at: When its id came first.
    """

    body_hash: str
    state: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """An order whose execution was started."""

    id: str
    accepted_at: str
