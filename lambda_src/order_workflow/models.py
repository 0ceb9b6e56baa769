"""The values of this pattern: the settings of its functions, and an order as the steps need it."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from shared import settings
from shared.observability import LogSettings
from shared.queue_consumer import QueueSettings

#: What the name of an execution can be, of characters that need no quoting anywhere: at most 80.
#: https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
_ORDER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,79}")

#: Without a colon, which ends it in a key; and short enough for a key that is a header of at most 255 characters.
_WORKFLOW = re.compile(r"[A-Za-z0-9._/@+~-]{1,100}")


def is_order_id(text: object) -> bool:
    """Whether this can be the id of an order, and so the name of its execution."""
    return isinstance(text, str) and _ORDER_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class StarterSettings:
    """What the construct tells the function that starts executions.

    Args:
        state_machine_arn: STATE_MACHINE_ARN: what is started.
        messages: MESSAGES: what the queue has: ``orders``, or ``events`` with an order each. Default orders.
        queue: QUEUE_URL, DEAD_LETTER_QUEUE_URL, MAX_RECEIVE_COUNT and RETRY_DELAY_SECONDS.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
    """

    state_machine_arn: str
    messages: str
    queue: QueueSettings
    logs: LogSettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "StarterSettings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        return cls(
            settings.text(variables, "STATE_MACHINE_ARN"),
            settings.choice(variables, "MESSAGES", "orders", allowed=("orders", "events")),
            QueueSettings.from_environment(variables),
            LogSettings.from_environment(variables),
        )


@dataclass(frozen=True, slots=True)
class ValidationSettings:
    """What the construct tells the function that validates orders.

    Args:
        schema_file: SCHEMA_FILE: the JSON Schema of an order, relative to the root of the code.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
    """

    schema_file: Path
    logs: LogSettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "ValidationSettings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        return cls(settings.code_file(variables, "SCHEMA_FILE"), LogSettings.from_environment(variables))


@dataclass(frozen=True, slots=True)
class StockSettings:
    """What the construct tells the function that reserves and releases stock.

    Args:
        table_name: TABLE_NAME: the table of the orders; its key is the text ``id``.
        stock_table_name: STOCK_TABLE_NAME: what is ``available`` of each item; its key ``id`` is the item's ``sku``.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
    """

    table_name: str
    stock_table_name: str
    logs: LogSettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "StockSettings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        return cls(
            settings.text(variables, "TABLE_NAME"),
            settings.text(variables, "STOCK_TABLE_NAME"),
            LogSettings.from_environment(variables),
        )


@dataclass(frozen=True, slots=True)
class PaymentSettings:
    """What the construct tells the function that charges and pays back.

    Args:
        workflow: WORKFLOW: the name of this workflow, different from that of each other one that uses the same payment API:
            the keys of charges begin with it.
        payment_secret_arn: PAYMENT_SECRET_ARN: the secret with the payment API's address and key.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
    """

    workflow: str
    payment_secret_arn: str
    logs: LogSettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "PaymentSettings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        workflow = settings.text(variables, "WORKFLOW")
        if not _WORKFLOW.fullmatch(workflow):
            msg = f"WORKFLOW must be 1 to 100 letters, digits or characters of ._/@+~-, got {workflow!r}"
            raise settings.SettingsError(msg)
        return cls(workflow, settings.text(variables, "PAYMENT_SECRET_ARN"), LogSettings.from_environment(variables))


@dataclass(frozen=True, slots=True)
class ShippingSettings:
    """What the construct tells the function that ships.

    Args:
        table_name: TABLE_NAME: the table of the orders; its key is the text ``id``.
        ships_to: SHIPS_TO: the countries that it ships to, by commas. Default: all.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
    """

    table_name: str
    ships_to: tuple[str, ...]
    logs: LogSettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "ShippingSettings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        return cls(
            settings.text(variables, "TABLE_NAME"),
            settings.texts(variables, "SHIPS_TO"),
            LogSettings.from_environment(variables),
        )


@dataclass(frozen=True, slots=True)
class Task:
    """What the state machine asks of a step.

    Args:
        step: Which one: the name of its state.
        order_id: The order, and the name of its execution.
        execution: The execution: it alone may work this order.
        order: The order. The steps after ``ValidateOrder`` get what that has answered.
    """

    step: str
    order_id: str
    execution: str
    order: Mapping[str, Any]

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "Task":
        """The task in this event."""
        return cls(event["step"], event["order_id"], event["execution"], event["order"])

    @property
    def quantities(self) -> dict[str, int]:
        """How much of each item: one that stands there twice is wanted twice. In an order of its own, for transactions."""
        wanted: Counter[str] = Counter()
        for item in self.order["items"]:
            wanted[item["sku"]] += int(item["quantity"])
        return dict(sorted(wanted.items()))

    @property
    def amount(self) -> str:
        """How much there is to pay, exactly: the text that ``ValidateOrder`` has made of it."""
        return str(self.order["amount"])

    @property
    def currency(self) -> str:
        """Of which currency."""
        return str(self.order["currency"])

    @property
    def country(self) -> str | None:
        """Where it goes, if it says so."""
        place = self.order.get("ship_to")
        country = place.get("country") if isinstance(place, Mapping) else None
        return country if isinstance(country, str) else None


def is_amount(value: object) -> bool:
    """Whether it can be charged: a number above 0."""
    return isinstance(value, Decimal) and value > 0
