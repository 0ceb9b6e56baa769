"""The Data API as it is documented, in front of a real PostgreSQL, where botocore would send its requests.

https://docs.aws.amazon.com/rdsdataservice/latest/APIReference/API_ExecuteStatement.html
"""

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from pg8000 import native
from pg8000.converters import PG_TYPES

from shared.aws import CLIENT_CONFIG

MOST_BYTES = 1024 * 1024

_NAMES = {16: "bool", 17: "bytea", 20: "int8", 21: "int2", 23: "int4", 25: "text", 700: "float4", 701: "float8"}
_NAMES |= {1042: "bpchar", 1043: "varchar", 1082: "date", 1114: "timestamp", 1184: "timestamptz", 1700: "numeric"}
_NAMES |= {1007: "_int4", 1009: "_text", 1000: "_bool", 2950: "uuid", 3802: "jsonb"}
_TYPED = {16, 17, 20, 21, 23, 700, 701, 1007, 1009, 1000}
_TEXT = 25
_TIMESTAMPTZ = 1184
_NUMERIC = 1700


class RefusedError(Exception):
    """What the Data API answers instead of a result."""

    def __init__(self, *, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class RdsData:
    """The Data API of one cluster; ``client`` is a boto3 client of it.

    Args:
        connect: Makes a connection to the database behind it.
        resuming: How many requests find the database asleep.
        most_bytes: How large an answer may be.
    """

    connect: Callable[[], native.Connection]
    resuming: int = 0
    most_bytes: int = MOST_BYTES
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    failures: list[RefusedError | None] = field(default_factory=list)
    open: dict[str, native.Connection] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ids = itertools.count(1)
        self.client = boto3.client("rds-data", config=CLIENT_CONFIG)
        self.client.meta.events.register("before-call.rds-data", self._answer)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.requests]

    @property
    def pages(self) -> list[dict[str, Any]]:
        """The requests for a page, as they were sent."""
        return [body for _, body in self.requests if "LIMIT CAST(:page_rows" in body.get("sql", "")]

    def _answer(self, model: Any, params: Any, **_: Any) -> tuple[AWSResponse, Any]:
        body = json.loads(params["body"])
        self.requests.append((model.name, body))
        try:
            self._refuse_as_planned()
            return _response(200), getattr(self, f"_{model.name}")(body)
        except RefusedError as error:
            return _response(400), {"Error": {"Code": error.code, "Message": str(error)}, "ResponseMetadata": {}}

    def _refuse_as_planned(self) -> None:
        planned = self.failures.pop(0) if self.failures else None
        if planned is not None:
            raise planned
        if self.resuming:
            self.resuming -= 1
            raise RefusedError(code="DatabaseResumingException", message="The DB instance is resuming after being auto-paused.")

    def _BeginTransaction(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  the API's own name
        assert body["database"]
        transaction = f"transaction-{next(self._ids)}"
        self.open[transaction] = self.connect()
        for oid in PG_TYPES:
            if oid not in _TYPED:
                self.open[transaction].register_in_adapter(oid, str)
        self.open[transaction].run("BEGIN")
        return {"transactionId": transaction}

    def _RollbackTransaction(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  the API's own name
        connection = self._connection(body)
        del self.open[body["transactionId"]]
        connection.run("ROLLBACK")
        connection.close()
        return {"transactionStatus": "Rollback Complete"}

    def _ExecuteStatement(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  the API's own name
        connection = self._connection(body)
        parameters = {parameter["name"]: parameter["value"] for parameter in body.get("parameters", ())}
        wanted = set(re.findall(r"(?<!:):(\w+)", re.sub(r"'[^']*'|\"[^\"]*\"", "", body["sql"])))
        if wanted != set(parameters):
            raise RefusedError(code="BadRequestException", message="The parameters are not those of the statement")
        values = {name: None if value.get("isNull") else value["stringValue"] for name, value in parameters.items()}
        try:
            # Texts are sent as texts: what is to be another type must be cast.
            rows = (
                connection.run(body["sql"], types=dict.fromkeys(values, _TEXT), **values)
                if values
                else connection.run(body["sql"])
            )
        except native.DatabaseError as error:
            told = error.args[0]
            raise RefusedError(code="DatabaseErrorException", message=f"ERROR: {told['M']}; SQLState: {told['C']}") from None
        oids = [column["type_oid"] for column in connection.columns or ()]
        if body.get("resultSetOptions", {}).get("decimalReturnType") == "DOUBLE_OR_LONG":
            rows = [
                [float(value) if oid == _NUMERIC else value for oid, value in zip(oids, row, strict=True)] for row in rows or ()
            ]
        records = [[_field(oid, value) for oid, value in zip(oids, row, strict=True)] for row in rows or ()]
        if len(json.dumps(records, default=str)) > self.most_bytes:
            self.open.pop(body["transactionId"]).close()  # the call is terminated, and the transaction with it
            raise RefusedError(
                code="BadRequestException", message="Database returned more than the allowed response size limit"
            )
        columns = [{"label": column["name"], "typeName": _NAMES[column["type_oid"]]} for column in connection.columns or ()]
        return {"records": records, "columnMetadata": columns, "numberOfRecordsUpdated": 0}

    def _connection(self, body: dict[str, Any]) -> native.Connection:
        if body["transactionId"] not in self.open:
            raise RefusedError(code="TransactionNotFoundException", message=f"Transaction {body['transactionId']} is not found")
        return self.open[body["transactionId"]]


def _response(status: int) -> AWSResponse:
    return AWSResponse("https://rds-data.eu-central-1.amazonaws.com", status, {}, None)


def _field(oid: int, value: Any) -> dict[str, Any]:
    """A value as a member of a field."""
    if value is None:
        return {"isNull": True}
    if isinstance(value, list):
        return {"arrayValue": {{1007: "longValues", 1009: "stringValues", 1000: "booleanValues"}[oid]: value}}
    kinds = {bool: "booleanValue", int: "longValue", float: "doubleValue", bytes: "blobValue"}
    if type(value) in kinds:
        return {kinds[type(value)]: value}
    return {"stringValue": value.removesuffix("+00") if oid == _TIMESTAMPTZ else value}
