"""What the API decides: which body fits, who may change what, what a repeated request gets. It makes no AWS call itself."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, auto
from typing import Protocol

from api_crud.models import (
    ETAG,
    SERVER_OWNED,
    Cursors,
    Item,
    Key,
    KeyRecord,
    Page,
    Precondition,
    Settings,
    new_version,
)
from shared import strict_json
from shared.dynamodb import MOST_ITEM_BYTES, item_size
from shared.errors import (
    RETRY_AFTER_SECONDS,
    ConflictError,
    Fault,
    HandlerError,
    InvalidError,
    KeyReusedError,
    NotFoundError,
    PreconditionError,
    TooLargeError,
)
from shared.ids import id_faults, is_id, new_id
from shared.schema import Schema
from shared.strict_json import Json
from shared.times import timestamp, utc_now

#: A function's answer is at most 6 MB, and the answer's own JSON is one text in it: a character can take seven bytes there.
#: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MOST_PAGE_BYTES = 5_000_000

_DEFAULT_LIMIT = "25"
_LIMIT = re.compile(r"[1-9][0-9]?|100")


class Outcome(Enum):
    """How the creation of an item under an idempotency key ended."""

    CREATED = auto()
    ITEM_EXISTS = auto()
    KEY_IN_USE = auto()


class Store(Protocol):
    """The tables. A write happens as a whole or not at all: ``False`` says that something else is there, or came first."""

    def get(self, item_id: str) -> Item | None:
        """The item as it is now."""

    def scan(self, limit: int, after: str | None) -> Page:
        """At most ``limit`` items, from the one after this id."""

    def create(self, item: Item, now: int) -> bool:
        """Write the item if there is none with its id, or if that one has expired."""

    def create_once(self, item: Item, record: KeyRecord, now: int) -> Outcome:
        """Write the item and the record of its key, both or neither."""

    def key_record(self, record_id: str) -> KeyRecord | None:
        """The record of a used key."""

    def replace(self, item: Item, current: Item, *, same_version: bool) -> bool:
        """Write the item over the current one if that is still there, at the same version or at any."""

    def delete(self, current: Item, *, same_version: bool) -> bool:
        """Delete the current item if it is still there, at the same version or at any."""


@dataclass(frozen=True, slots=True)
class Created:
    """An item, and whether an earlier request with the same key had created it."""

    item: Item
    replayed: bool = False


class Items:
    """The items of one resource.

    Args:
        settings: The handler's settings.
        schema: What the body of an item looks like.
        store: The tables.
        clock: The time of day.
    """

    def __init__(self, settings: Settings, schema: Schema, store: Store, clock: Callable[[], datetime] = utc_now) -> None:
        self._settings = settings
        self._schema = schema
        self._store = store
        self._clock = clock
        self._cursors = Cursors(f"{settings.table_name}/{settings.resource}")

    def read(self, item_id: str) -> Item:
        """The item with this id.

        Raises:
            NotFoundError: There is none, or it has expired.
        """
        item = self._store.get(item_id) if is_id(item_id) else None
        if item is None or self._expired(item):
            raise _missing()
        return item

    def page(self, query: Mapping[str, str]) -> tuple[list[Item], str | None]:
        """A page of items and the cursor of the next one; a page can be short, or empty, and not be the last.

        Raises:
            InvalidError: A parameter is unknown or malformed.
        """
        if query.keys() - {"limit", "cursor"}:
            msg = "The parameters of a listing are limit and cursor."
            raise InvalidError(msg)
        limit = query.get("limit", _DEFAULT_LIMIT)
        if not _LIMIT.fullmatch(limit):
            msg = "limit must be a whole number from 1 to 100."
            raise InvalidError(msg)
        after = self._cursors.read(query["cursor"]) if "cursor" in query else None
        page = _fitting(self._store.scan(int(limit), after))
        cursor = None if page.last_id is None else self._cursors.write(page.last_id)
        return [item for item in page.items if not self._expired(item)], cursor

    def create(self, body: bytes, key: Key | None, before_write: Callable[[], None]) -> Created:
        """A new item; with a key, exactly one however often the request comes.

        Raises:
            InvalidError: The body does not fit.
            TooLargeError: The item would be larger than a table can hold.
            ConflictError: There is an item with this id, or the same request is still under way.
            KeyReusedError: The key came with another body before.
        """
        fields = self._fields(body)
        item = self._item(str(fields.get("id", new_id())), fields, etag=new_version())
        before_write()
        if key is not None:
            return self._create_once(item, fields, key)
        if not self._store.create(item, self._now()):
            raise _exists()
        return Created(item)

    def replace(self, item_id: str, body: bytes, precondition: Precondition, before_write: Callable[[], None]) -> Item:
        """The item with all its fields replaced. Of changes at once that name no version, each is made, and the last one stays.

        Raises:
            InvalidError: The body does not fit.
            TooLargeError: The item would be larger than a table can hold.
            NotFoundError: There is no item with this id.
            PreconditionError: The item is not as the caller made it a condition.
        """
        fields = self._fields(body, item_id)
        etag = new_version()
        self._item(item_id, fields, etag)  # too large an item is refused before any call
        current = self._allowed(item_id, precondition)
        item = self._item(item_id, fields, etag, current.created_at)
        before_write()
        if not self._store.replace(item, current, same_version=precondition.is_bound):
            raise self._overtaken(item_id, precondition)
        return item

    def delete(self, item_id: str, precondition: Precondition, before_write: Callable[[], None]) -> None:
        """Delete the item.

        Raises:
            NotFoundError: There is no item with this id.
            PreconditionError: The item is not as the caller made it a condition.
        """
        current = self._allowed(item_id, precondition)
        before_write()
        if not self._store.delete(current, same_version=precondition.is_bound):
            raise self._overtaken(item_id, precondition)

    def _create_once(self, item: Item, fields: dict[str, Json], key: Key) -> Created:
        now = self._now()
        record = KeyRecord(
            id=_hash([key.caller, self._settings.resource, key.text]),
            request_hash=_hash(fields),
            item_id=item.id,
            etag=str(item.etag),
            created_at=str(item.attributes["created_at"]),
            expires_at=now + self._settings.idempotency_ttl_seconds,
        )
        outcome = self._store.create_once(item, record, now)
        if outcome is Outcome.CREATED:
            return Created(item)
        earlier = self._store.key_record(record.id)
        if earlier is not None and earlier.expires_at >= now:
            return self._replay(earlier, record, fields)
        raise _exists() if outcome is Outcome.ITEM_EXISTS else _under_way()

    def _replay(self, earlier: KeyRecord, record: KeyRecord, fields: dict[str, Json]) -> Created:
        if earlier.request_hash != record.request_hash:
            msg = "This Idempotency-Key came with another body before. Use a new key for a new request."
            raise KeyReusedError(msg)
        times: dict[str, Json] = {"created_at": earlier.created_at, "updated_at": earlier.created_at}
        return Created(Item(fields | {"id": earlier.item_id} | times, earlier.etag), replayed=True)

    def _allowed(self, item_id: str, precondition: Precondition) -> Item:
        current = self.read(item_id)
        if not precondition.allows(current):
            raise _not_allowed()
        return current

    def _overtaken(self, item_id: str, precondition: Precondition) -> HandlerError:
        """Why a change came too late; one that was not bound to a version, only because the item was deleted."""
        deleted = not precondition.is_bound or self._store.get(item_id) is None
        return _missing() if deleted else _not_allowed()

    def _fields(self, body: bytes, item_id: str | None = None) -> dict[str, Json]:
        document = strict_json.parse_object(body)
        owned = SERVER_OWNED if self._schema.declares("id") else (*SERVER_OWNED, "id")
        fields = {name: value for name, value in document.items() if name not in owned}
        faults = [Fault.at([name], "is set by the server") for name in document if name in owned]
        faults += [*self._schema.faults(fields), *_id_faults(fields, item_id)]
        if faults:
            msg = "The body does not fit: errors has the fields."
            raise InvalidError(msg, faults=faults)
        return fields

    def _item(self, item_id: str, fields: dict[str, Json], etag: str, created_at: str | None = None) -> Item:
        now = timestamp(self._clock())
        attributes = fields | {"id": item_id, "created_at": created_at or now, "updated_at": now}
        if item_size(attributes | {ETAG: etag}) > MOST_ITEM_BYTES:
            msg = f"The item is larger than the {MOST_ITEM_BYTES} bytes that can be stored, names included."
            raise TooLargeError(msg)
        return Item(attributes, etag)

    def _expired(self, item: Item) -> bool:
        expires = item.attributes.get(self._settings.ttl_attribute)
        return isinstance(expires, Decimal) and expires < self._now()

    def _now(self) -> int:
        return int(self._clock().timestamp())


def _fitting(page: Page) -> Page:
    """The part of the page, from its first item, that fits into one answer: a single item always does."""
    left = MOST_PAGE_BYTES
    for count, item in enumerate(page.items):
        left -= len(json.dumps(strict_json.render(item.attributes)))
        if left < 0 < count:
            return Page(page.items[:count], page.items[count - 1].id)
    return page


def _id_faults(fields: dict[str, Json], item_id: str | None) -> list[Fault]:
    given = fields.get("id")
    if given is None:
        return []
    if item_id is not None and given != item_id:
        return [Fault.at(["id"], "is not the id in the path")]
    return id_faults(given)


def _hash(document: Json) -> str:
    return hashlib.sha256(strict_json.render(document).encode()).hexdigest()


def _missing() -> NotFoundError:
    return NotFoundError("There is no item with this id.")


def _not_allowed() -> PreconditionError:
    return PreconditionError("The item is not at a version that your condition allows. Read it again, and repeat your change.")


def _exists() -> ConflictError:
    return ConflictError("There is an item with this id already.")


def _under_way() -> ConflictError:
    return ConflictError("A request with this Idempotency-Key is under way. Try again.", retry_after=RETRY_AFTER_SECONDS)
