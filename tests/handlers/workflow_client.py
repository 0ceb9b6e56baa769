"""The steps of an order between their tables and the payment API, each called as its function calls it."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from types_boto3_dynamodb import DynamoDBClient

from order_workflow.logic import check_destination, validated
from order_workflow.models import Task
from order_workflow.payment_api import PaymentApi
from order_workflow.steps import Work, run
from order_workflow.store import ShipmentsTable, StockTable
from shared.aws import CLIENT_CONFIG
from shared.dynamodb import attributes_of, values_of
from shared.observability import LogSettings
from shared.payment_secret import Secret
from shared.schema import Schema
from shared.transport import Limits, Transport
from tests.handlers.payment_server import PaymentServer
from tests.handlers.worker_client import Recorder

ORDERS, STOCK = "items-table", "keys-table"
EXECUTION = "arn:aws:states:eu-central-1:123456789012:execution:orders:o-1"
QUIET = LogSettings(level="INFO", debug_sample_rate=0)

SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "amount": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "items": {"type": "array", "minItems": 1},
        "ship_to": {"type": "object"},
    },
    "required": ["amount", "currency", "items"],
    "additionalProperties": False,
}


def order_of(**fields: Any) -> dict[str, Any]:
    return {"amount": "19.99", "currency": "EUR", "items": [{"sku": "cup", "quantity": 2}], **fields}


@dataclass
class Steps:
    """All steps, with a table of orders in which ``o-1`` is claimed, and three cups in stock."""

    dynamodb: DynamoDBClient
    payment: PaymentServer
    ships_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.table = Recorder(self.dynamodb)
        self.secrets = Recorder(boto3.client("secretsmanager", config=CLIENT_CONFIG))
        self.secret = self.secrets.create_secret(Name=uuid.uuid4().hex)["ARN"]
        self.put_secret({"url": self.payment.url, "api_key": "key-1"})
        self.claim("o-1", EXECUTION)
        self.put_stock(cup=3)
        client: Any = self.table
        self.stock = StockTable(ORDERS, STOCK, client)
        self.shipments = ShipmentsTable(ORDERS, client)
        self.api = PaymentApi("shop", Secret(self.secret, self.secrets), Transport(Limits(connect=2, read=1, attempt=2)))

    @property
    def works(self) -> dict[str, Work]:
        schema = Schema(SCHEMA)

        def ship(task: Task) -> dict[str, Any]:
            check_destination(task, self.ships_to)
            return self.shipments.request(task)

        return {
            "ValidateOrder": lambda task: validated(task, schema),
            "ReserveStock": self.stock.reserve,
            "ReleaseStock": self.stock.release,
            "ProcessPayment": self.api.charge,
            "RefundPayment": self.api.refund,
            "ShipOrder": ship,
            "CancelShipment": self.shipments.cancel,
        }

    def do(self, step: str, order: object = None, *, order_id: str = "o-1", execution: str = EXECUTION) -> dict[str, Any]:
        """Do a step; what it answers goes through JSON, as it does in Lambda."""
        event = {"step": step, "order_id": order_id, "execution": execution, "order": order_of() if order is None else order}
        answer: dict[str, Any] = json.loads(json.dumps(run(self.works, event, QUIET)))
        return answer

    def claim(self, order_id: str, execution: str) -> None:
        item = attributes_of({"id": order_id, "state": "PROCESSING", "execution": execution})
        self.dynamodb.put_item(TableName=ORDERS, Item=item)

    def put_stock(self, **available: int) -> None:
        for sku, number in available.items():
            self.dynamodb.put_item(TableName=STOCK, Item=attributes_of({"id": sku, "available": number}))

    def put_secret(self, value: object) -> None:
        self.secrets.put_secret_value(SecretId=self.secret, SecretString=json.dumps(value))

    def available(self, sku: str = "cup") -> int | None:
        found = self._item(STOCK, sku)
        return int(found["available"]) if found else None

    def row(self, order_id: str = "o-1") -> Mapping[str, Any]:
        return self._item(ORDERS, order_id)

    def _item(self, table: str, key: str) -> dict[str, Any]:
        return values_of(self.dynamodb.get_item(TableName=table, Key={"id": {"S": key}}).get("Item", {}))
