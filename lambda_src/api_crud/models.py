"""The values of this pattern: its settings, what is stored, and the texts that clients hand back (cursors, ETags, keys)."""

import base64
import hmac
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared import settings
from shared.errors import InvalidError
from shared.observability import LogSettings
from shared.strict_json import Json

#: The attribute that holds an item's version. No representation shows it: the ETag header does.
ETAG = "etag"

#: Attributes that the server sets and no client can. A schema must not declare them.
SERVER_OWNED = ("created_at", "updated_at", ETAG)

_VERSION = re.compile(r"[0-9a-f]{32}")
_ETAG = re.compile(r'(W/)?"([^"]*)"')
_CONDITION = re.compile(rf"\s*(?:\*|{_ETAG.pattern}(?:\s*,\s*{_ETAG.pattern})*)\s*")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_CURSOR_MARK_BYTES = 16


@dataclass(frozen=True, slots=True)
class Settings:
    """What the construct tells the handler through environment variables.

    Args:
        resource: RESOURCE: the path segment of the collection, such as ``orders``.
        table_name: TABLE_NAME: the table of the items; its key is the text ``id``.
        idempotency_table_name: IDEMPOTENCY_TABLE_NAME: the table of used keys; its key is the text ``id``, and its
            time-to-live attribute ``expires_at``.
        idempotency_ttl_seconds: IDEMPOTENCY_TTL_SECONDS: how long a key is remembered. Default one day.
        max_body_bytes: MAX_BODY_BYTES: the largest body that is taken. Default 256 KB.
        schema_file: SCHEMA_FILE: the JSON Schema of the resource, relative to the root of the code.
        ttl_attribute: TTL_ATTRIBUTE: the table's time-to-live attribute, or nothing. DynamoDB deletes an expired item within
            days; here it is gone at once.
        allow_origins: ALLOW_ORIGINS: the origins of web pages that may read the answers, with commas between them; ``*`` means
            any. Default none: an HTTP API adds these headers itself.
        allow_credentials: ALLOW_CREDENTIALS: ``true`` if those pages may send credentials. Default ``false``.
        logs: LOG_LEVEL and DEBUG_SAMPLE_RATE.
    """

    resource: str
    table_name: str
    idempotency_table_name: str
    idempotency_ttl_seconds: int
    max_body_bytes: int
    schema_file: Path
    ttl_attribute: str
    allow_origins: tuple[str, ...]
    allow_credentials: bool
    logs: LogSettings

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "Settings":
        """The settings in these variables.

        Raises:
            SettingsError: A variable is missing or malformed; the message begins with its name.
        """
        origins, credentials = settings.allowed_origins(variables)
        return cls(
            resource=settings.resource(variables),
            table_name=settings.text(variables, "TABLE_NAME"),
            idempotency_table_name=settings.text(variables, "IDEMPOTENCY_TABLE_NAME"),
            idempotency_ttl_seconds=settings.integer(variables, "IDEMPOTENCY_TTL_SECONDS", 86_400, least=1, most=31_536_000),
            max_body_bytes=settings.integer(variables, "MAX_BODY_BYTES", 262_144, least=1, most=6_291_456),
            schema_file=settings.code_file(variables, "SCHEMA_FILE"),
            ttl_attribute=variables.get("TTL_ATTRIBUTE", ""),
            allow_origins=origins,
            allow_credentials=credentials,
            logs=LogSettings.from_environment(variables),
        )


@dataclass(frozen=True, slots=True)
class Item:
    """One item.

    Args:
        attributes: What clients see: its id, its fields, and when it was created and updated.
        etag: Its version, new with each write; ``None`` if something other than this handler wrote it.
    """

    attributes: dict[str, Json]
    etag: str | None

    @property
    def id(self) -> str:
        """The item's key."""
        return str(self.attributes["id"])

    @property
    def created_at(self) -> str | None:
        """When it was created, kept by each change; ``None`` if something other than this handler left no such text."""
        time = self.attributes.get("created_at")
        return time if isinstance(time, str) and time else None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the items, and the id after which the next part begins."""

    items: list[Item]
    last_id: str | None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A used idempotency key.

    It has what the first answer was made of besides the request. A repetition brings the same request (the hash shows that), so
    the answer can be made again, and no second copy of the data lies in another table.
    """

    id: str
    request_hash: str
    item_id: str
    etag: str
    created_at: str
    expires_at: int


def new_version() -> str:
    """A version that no item ever had."""
    return uuid.uuid4().hex


def as_version(value: object) -> str | None:
    """This value of the attribute ``etag`` as a version; ``None`` if it has not the form of one, so something else wrote it."""
    return value if isinstance(value, str) and _VERSION.fullmatch(value) else None


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key and who sent it: the same key of two callers is two keys."""

    text: str
    caller: str

    @classmethod
    def parse(cls, header: str | None, caller: str) -> "Key | None":
        """The key in an Idempotency-Key header, if there is one.

        Raises:
            InvalidError: The header is no key.
        """
        if header is None:
            return None
        if not _IDEMPOTENCY_KEY.fullmatch(header):
            msg = "Idempotency-Key must be 1 to 255 visible ASCII characters."
            raise InvalidError(msg)
        return cls(header, caller)


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold of an item for a change of it to be made (RFC 9110, section 13).

    Args:
        if_match: The If-Match header: the versions to change, or ``*`` for any.
        if_none_match: The If-None-Match header: the versions to leave alone, or ``*`` for all.
    """

    if_match: str = "*"
    if_none_match: str = ""

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> "Precondition":
        """The condition in these headers.

        Raises:
            InvalidError: A header is neither ``*`` nor a list of ETags.
        """
        for name in ("If-Match", "If-None-Match"):
            if not _CONDITION.fullmatch(headers.get(name.lower(), "*")):
                msg = f'{name} must be * or a list of ETags in quotes, such as "5d41".'
                raise InvalidError(msg)
        return cls(headers.get("if-match", "*"), headers.get("if-none-match", ""))

    @property
    def is_bound(self) -> bool:
        """Whether the change is of the version that was read, and of no later one.

        If-None-Match does not bind it: no client can know, and exclude, a version that comes later.
        """
        return self.if_match.strip() != "*"

    def allows(self, item: Item) -> bool:
        """Whether the item, as it is now, may be changed. A weak ETag never matches in If-Match."""
        return is_listed(item, self.if_match, weak=False) and not is_listed(item, self.if_none_match, weak=True)


def is_listed(item: Item, header: str, *, weak: bool) -> bool:
    """Whether the header is ``*`` or lists the item's version; ``weak`` lets weak ETags count as well."""
    return header.strip() == "*" or item.etag in {etag for mark, etag in _ETAG.findall(header) if weak or not mark}


@dataclass(frozen=True, slots=True)
class Cursors:
    """Makes the cursors of one listing and reads them back.

    A cursor is the id after which to go on, and a mark that ties it to this listing: one that was made up, changed or brought
    from another listing is refused. It holds no secret, and neither does the key of the mark.
    """

    listing: str

    def write(self, last_id: str) -> str:
        """The cursor that goes on after this id."""
        mark = hmac.digest(self.listing.encode(), last_id.encode(), "sha256")[:_CURSOR_MARK_BYTES]
        return base64.urlsafe_b64encode(mark + last_id.encode()).rstrip(b"=").decode()

    def read(self, cursor: str) -> str:
        """The id in this cursor.

        Raises:
            InvalidError: It is not exactly what ``write`` made.
        """
        try:
            last_id = base64.urlsafe_b64decode(f"{cursor}==")[_CURSOR_MARK_BYTES:].decode()
        except ValueError:
            last_id = ""
        if not hmac.compare_digest(self.write(last_id).encode(), cursor.encode("utf-8", "replace")):
            msg = "cursor must be a next_cursor of this listing, unchanged."
            raise InvalidError(msg)
        return last_id
