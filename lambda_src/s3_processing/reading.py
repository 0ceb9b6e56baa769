"""Reading an object: what it is decides how, and whatever is wrong with it rejects it."""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from s3_processing.api import ByteReader, Processor, Rejected, StoredObject
from s3_processing.csv_records import MOST_CHARACTERS, Record, Records, columns_of, delimiter_of
from s3_processing.documents import work_document, work_lines
from s3_processing.kinds import kind_of
from s3_processing.models import THUMBNAILS, Created, Kind, Settings
from s3_processing.rows import Rows
from s3_processing.streams import Pieces, decompressed, is_gzip
from s3_processing.texts import Decoder, beginning, lines, measured
from shared import strict_json
from shared.dynamodb import item_size
from shared.errors import InvalidError
from shared.schema import Schema

#: What the details of a status may take of its item.
_MOST_DETAILS_BYTES = 300 * 1024

_EMPTY = "empty"
_UNSUPPORTED = "unsupported"
_NO_RESULT = f"The processor must answer with a mapping that JSON has a form for, of at most {_MOST_DETAILS_BYTES} bytes."


@dataclass(frozen=True, slots=True)
class Opened:
    """An object that can be read.

    Args:
        size: Its size in bytes.
        content_type: What its uploader says it is.
        pieces: Its bytes.
    """

    size: int
    content_type: str
    pieces: Iterator[bytes]


class Source(Protocol):
    """The bucket."""

    def open(self, created: Created) -> Opened:
        """Begin to read the version that the event is about. It raises ``Rejected`` if that is gone or was overwritten."""


class Output(Protocol):
    """The bucket for what is made of objects."""

    def put(self, key: str, content: bytes, content_type: str) -> None:
        """Write an object over what is there."""


@dataclass(slots=True)
class Work:
    """An object while it is worked.

    Args:
        created: The object.
        rows: Its rows.
        check_time: Raises if there is too little time left to go on.
        kind: What it is, once that is known.
        details: What is known about it so far.
        thumbnail_key: Where its thumbnail is, if it has one.
    """

    created: Created
    rows: Rows
    check_time: Callable[[], None]
    kind: Kind | None = None
    details: dict[str, Any] = field(default_factory=dict)
    thumbnail_key: str | None = None


class Reader:
    """Reads objects.

    Args:
        settings: The limits.
        source: Where they are.
        output: Where thumbnails go.
        schema: What a JSON document, or each line of JSON Lines, looks like; ``None`` lets all pass.
        processor: The user's own, which then works all objects.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        output: Output,
        schema: Schema | None = None,
        processor: Processor | None = None,
    ) -> None:
        self._settings = settings
        self._source = source
        self._output = output
        self._schema = schema
        self._processor = processor

    def read(self, work: Work) -> None:
        """Read the object, and write down in ``work`` what it is and has.

        Raises:
            Rejected: It is a bad file.
        """
        self._check_size(work.created.size)
        opened = self._source.open(work.created)
        self._check_size(opened.size)
        if self._processor:
            self._work_custom(work, opened, self._processor)
            return
        pieces = self._opened(work, Pieces(opened.pieces))
        found = kind_of(pieces.head(), work.created.key, opened.content_type)
        work.kind = found.kind
        if found.format:
            work.details["format"] = found.format
        self._work(work, pieces)

    def _check_size(self, size: int) -> None:
        if size == 0:
            raise Rejected(_EMPTY)
        if size > self._settings.max_object_bytes:
            msg = f"it has more than {self._settings.max_object_bytes} bytes"
            raise Rejected(msg)

    def _opened(self, work: Work, pieces: Pieces) -> Pieces:
        """What is in it, if it is a gzip; a gzip inside is left as it is."""
        if not is_gzip(pieces.head()):
            return pieces
        work.details["compression"] = "gzip"
        inner = Pieces(decompressed(pieces, self._settings.max_decompressed_bytes))
        if not inner.head():
            raise Rejected(_EMPTY)
        return inner

    def _work(self, work: Work, pieces: Pieces) -> None:
        match work.kind:
            case Kind.CSV:
                self._work_csv(work, pieces)
            case Kind.JSON:
                work.details |= work_document(Decoder(pieces.head(), guesses=False)(pieces), self._schema, work.rows)
            case Kind.JSON_LINES:
                work_lines(Decoder(pieces.head(), guesses=False)(pieces), self._schema, work.rows)
            case Kind.TEXT:
                decoder = Decoder(pieces.head())
                work.details |= measured(decoder(pieces), work.check_time)
                work.details["encoding"] = decoder.encoding
            case Kind.IMAGE:
                self._work_image(work, pieces)
            case _:
                raise Rejected(_UNSUPPORTED)

    def _work_csv(self, work: Work, pieces: Pieces) -> None:
        head = pieces.head()
        delimiter = delimiter_of(beginning(head), "\t" if ".tsv" in work.created.key.lower() else "")
        work.details["delimiter"] = delimiter
        decoder = Decoder(head)
        records = iter(Records(lines(decoder(pieces), MOST_CHARACTERS), delimiter, self._settings.max_field_characters))
        header = next(records, None)
        if header is None:
            raise Rejected(_EMPTY)
        columns = columns_of(header)
        work.details["columns"] = len(columns)
        try:
            for record in records:
                _add(work.rows, record, columns)
        finally:
            work.details["encoding"] = decoder.encoding  # known for certain only at the end

    def _work_image(self, work: Work, pieces: Pieces) -> None:
        from s3_processing import images  # noqa: PLC0415  it needs Pillow, which takes its time to start

        details, thumbnail = images.worked(pieces, self._settings.max_pixels, self._settings.thumbnail_pixels)
        work.details |= details
        key = work.created.output_key(THUMBNAILS, thumbnail.ending)
        self._output.put(key, thumbnail.content, thumbnail.content_type)
        work.thumbnail_key = key

    def _work_custom(self, work: Work, opened: Opened, processor: Processor) -> None:
        work.kind = Kind.CUSTOM
        created = work.created
        with io.BufferedReader(ByteReader(opened.pieces)) as body:
            stored = StoredObject(created.bucket, created.key, created.version, opened.size, opened.content_type, body)
            work.details |= _checked(processor(stored))


def _add(rows: Rows, record: Record, columns: list[str]) -> None:
    if record.fault:
        rows.reject(record.line, record.fault)
    elif len(record.fields) != len(columns):
        rows.reject(record.line, f"has {len(record.fields)} fields, and the header has {len(columns)}")
    else:
        rows.accept(record.line, dict(zip(columns, record.fields, strict=True)))


def _checked(result: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the processor answered, as it is stored.

    Raises:
        InvalidError: It cannot be stored.
    """
    try:
        details = strict_json.parse(strict_json.render(dict(result or {})))
    except (InvalidError, TypeError, ValueError) as error:
        raise InvalidError(_NO_RESULT) from error
    if item_size({"details": details}) > _MOST_DETAILS_BYTES:
        raise InvalidError(_NO_RESULT)
    return cast("dict[str, Any]", details)
