"""StreamProcessing, driven from outside: customers are put, changed and removed, and the view and the audit say so.

And the other half of the promises: what must not be stored, what expires by itself, and a record that no view can show.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from boto3.dynamodb.conditions import Key

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.events import PATIENCE, Events
from serverless_patterns.local.hops import Effect, OnHop
from serverless_patterns.local.processes import wait_until

#: What the catalogue's instance keeps out of the view and the audit.
EXCLUDED = "password_hash"
#: Bytes of a text in an item of almost 400 KB: a row of the view would have more.
LARGEST_TEXT = 400 * 1024 - 60


def drive(account: Account, stack: Stack, on_hop: OnHop) -> None:
    """Drive the deployed pattern, and delete what was created."""
    function, customers = Events(account, stack.outputs["LogGroupName"], on_hop), Customers(account, stack)
    try:
        _keep(function, customers)
        _remove(function, customers, expires=account.url is not None)
        _poison(function, customers)
        function.hop("Every one is accounted for", "all that was written", customers.accounted_for, called=False)
    finally:
        customers.delete()


def _keep(function: Events, customers: Customers) -> None:
    ada = {"name": "Ada", "city": "London", EXCLUDED: "secret"}
    _write(function, customers, "A customer is put: the view has it", "ada", ada, ["INSERTED"])
    _write(function, customers, "It is changed: the audit says what", "ada", {**ada, "city": "Paris"}, ["INSERTED", "MODIFIED"])
    step = "Only what must not be stored changes: the view stays"
    hashed = {**ada, "city": "Paris", EXCLUDED: "another secret"}
    _write(function, customers, step, "ada", hashed, ["INSERTED", "MODIFIED", "MODIFIED"])


def _remove(function: Events, customers: Customers, *, expires: bool) -> None:
    """AWS removes what has expired within days: nobody waits for that there."""
    function.hop("It is removed by a user", "DELETE ada", lambda: customers.removed("ada", "REMOVED"), send=customers.remove)
    if expires:
        over = {"name": "Grace", "expires_at": int(time.time()) - 1}
        function.hop(
            "Another expires, and nobody has removed it",
            "PUT grace, expired",
            lambda: customers.removed("grace", "EXPIRED"),
            send=lambda: customers.put("grace", over),
        )


def _poison(function: Events, customers: Customers) -> None:
    large = {"name": "x" * LARGEST_TEXT}
    send = f"PUT edsger: a name of {LARGEST_TEXT} bytes"
    step = "A record that no view can show is kept, with the reason"
    function.hop(step, send, lambda: customers.kept("edsger"), send=lambda: customers.put("edsger", large))
    _write(function, customers, "And the stream goes on", "barbara", {"name": "Barbara"}, ["INSERTED"])


def _write(  # noqa: PLR0917  a line each, as they are read
    function: Events, customers: Customers, step: str, name: str, item: dict[str, Any], actions: Sequence[str]
) -> None:
    look = _shown(customers, name, item, actions)
    function.hop(step, f"PUT {name}: {', '.join(item)}", look, send=lambda: customers.put(name, item))


def _shown(customers: Customers, name: str, item: dict[str, Any], actions: Sequence[str]) -> Callable[[], Effect]:
    visible = {field: value for field, value in item.items() if field != EXCLUDED}
    return lambda: customers.shown(name, visible, actions)


class Customers:
    """The customers of one drive: what is in the table, and what the pattern has made of it.

    Args:
        account: Where the stack is.
        stack: The stack.
    """

    def __init__(self, account: Account, stack: Stack) -> None:
        names = ("SourceTableName", "ViewTableName", "AuditTableName")
        self._source, self._view, self._audit = (account.table(stack.outputs[name]) for name in names)
        self._s3, self._bucket = account.client("s3"), stack.outputs["FailureBucketName"]
        self._run = uuid.uuid4().hex[:8]
        self._written: list[str] = []

    def put(self, name: str, item: dict[str, Any]) -> str:
        """Put a customer."""
        return self._said(name, self._source.put_item(Item={"id": self._id(name), **item}))

    def remove(self) -> str:
        """Remove the first customer."""
        return self._said("ada", self._source.delete_item(Key={"id": self._id("ada")}))

    def shown(self, name: str, item: dict[str, Any], actions: Sequence[str]) -> Effect:
        """The view has it as it is, and the audit what happened."""
        row, faults = self._row(name), self._audit_faults(name, actions)
        if row.get("data") != {"id": self._id(name), **item}:
            faults.append(f"the view should show {item}, got {row.get('data')}")
        secret = EXCLUDED in json.dumps([row, self._audit_rows(name)], default=str)
        return Effect(f"in the view; audit: {', '.join(actions)}", (*faults, *([f"{EXCLUDED} was stored"] if secret else [])))

    def removed(self, name: str, action: str) -> Effect:
        """It is a tombstone in the view, and the audit says who has removed it."""
        row, rows = self._row(name), self._audit_rows(name)
        faults = [] if row.get("removed") and "data" not in row else [f"the view should have a tombstone, got {row}"]
        last = rows[-1]["action"] if rows else "nothing"
        faults += [] if last == action else [f"the audit should end with {action}, got {last}"]
        return Effect(f"a tombstone in the view; audit: {last}", tuple(faults))

    def kept(self, name: str) -> Effect:
        """The record is in the bucket of failures, whole, with its reason."""
        found = self._failures(name)
        reasons = [each["reason"] for each in found]
        return Effect(f"kept: {reasons[0][:60]}..." if reasons else "not kept", () if reasons else ("it is not kept",))

    def accounted_for(self) -> Effect:
        """Each change has its one row in the audit, and what the view cannot show is kept."""
        names = sorted(set(self._written))
        rows = [row for name in names for row in self._audit_rows(name)]
        expired = sum(1 for row in rows if row["action"] == "EXPIRED")
        kept, sent = sum(len(self._failures(name)) for name in names), len(self._written) + expired
        shown = f"{sent} changes = {len(rows)} rows in the audit; {kept} of them kept for people to look at"
        return Effect(shown, () if (len(rows), kept) == (sent, 1) else (f"{sent} changes, {len(rows)} rows, {kept} kept",))

    def delete(self) -> None:
        """Delete what the drive has created, and nothing else; what that changes is waited for, and deleted too."""
        names = sorted(set(self._written))
        for name in names:
            self._source.delete_item(Key={"id": self._id(name)})
        wait_until(lambda: all(self._row(name).get("removed") for name in names), seconds=PATIENCE, interval=0.1)
        for name in names:
            self._view.delete_item(Key={"id": self._id(name)})
            for row in self._audit_rows(name):
                self._audit.delete_item(Key={"id": row["id"], "sequence": row["sequence"]})
            for key, _ in self._objects(name):
                self._delete_object(key)

    def _said(self, name: str, answer: dict[str, Any]) -> str:
        self._written.append(name)
        return str(answer["ResponseMetadata"]["HTTPStatusCode"])

    def _id(self, name: str) -> str:
        return f"drive-{self._run}-{name}"

    def _row(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._view.get_item(Key={"id": self._id(name)}, ConsistentRead=True).get("Item", {})
        return found

    def _audit_rows(self, name: str) -> list[dict[str, Any]]:
        rows = self._audit.query(KeyConditionExpression=Key("id").eq(self._id(name)), ConsistentRead=True)
        found: list[dict[str, Any]] = rows["Items"]
        return found

    def _audit_faults(self, name: str, actions: Sequence[str]) -> list[str]:
        got = [row["action"] for row in self._audit_rows(name)]
        return [] if got == list(actions) else [f"the audit should have {list(actions)}, got {got}"]

    def _failures(self, name: str) -> list[dict[str, Any]]:
        return [content for _, content in self._objects(name)]

    def _objects(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        """The objects that are about a customer, by their keys."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix="records/")
        keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        found = [(key, json.loads(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())) for key in keys]
        return [(key, kept) for key, kept in found if kept["record"]["dynamodb"]["Keys"]["id"]["S"] == self._id(name)]

    def _delete_object(self, key: str) -> None:
        """Delete all versions: an object that is only deleted leaves them."""
        found = self._s3.list_object_versions(Bucket=self._bucket, Prefix=key)
        for version in [*found.get("Versions", []), *found.get("DeleteMarkers", [])]:
            self._s3.delete_object(Bucket=self._bucket, Key=key, VersionId=version["VersionId"])
