"""What an object is: first by what is in it, then by its name, and only then by what its uploader says."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from s3_processing.csv_records import is_table
from s3_processing.models import Kind
from s3_processing.streams import is_gzip
from s3_processing.texts import beginning, marked_encoding

_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")

#: First bytes of what is never opened here.
_OTHERS = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"PK\x07\x08": "zip",
    b"%PDF-": "pdf",
    b"Rar!\x1a\x07": "rar",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"BZh91AY&SY": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x7fELF": "program",
    b"MZ\x90": "program",
    b"\xca\xfe\xba\xbe": "program",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "ole",
    b"PAR1\x15": "parquet",
    b"Obj\x01": "avro",
    b"SQLite format 3\0": "sqlite",
    b"{\\rtf": "rtf",
}

_SUFFIXES = {
    ".csv": Kind.CSV,
    ".tsv": Kind.CSV,
    ".tab": Kind.CSV,
    ".json": Kind.JSON,
    ".jsonl": Kind.JSON_LINES,
    ".ndjson": Kind.JSON_LINES,
    ".txt": Kind.TEXT,
    ".text": Kind.TEXT,
    ".log": Kind.TEXT,
    ".md": Kind.TEXT,
}

_TYPES = {
    "text/csv": Kind.CSV,
    "text/tab-separated-values": Kind.CSV,
    "application/json": Kind.JSON,
    "application/jsonl": Kind.JSON_LINES,
    "application/x-ndjson": Kind.JSON_LINES,
    "application/x-jsonlines": Kind.JSON_LINES,
    "text/plain": Kind.TEXT,
    "text/markdown": Kind.TEXT,
}

#: A tag, a declaration or a comment where a document begins.
_MARKUP = re.compile(r"\s*<(?:[?!]|[A-Za-z][\w:.-]*(?:\s[^<>]*)?/?>)")
_OBJECT = re.compile(r'\s*(?:\{\s*["}]|\[\s*["{])')

#: A line that is a whole object or array, and another one after it.
_TWO_LINES = re.compile(r"\s*(?:\{[^\r\n]*\}|\[[^\r\n]*\])[ \t]*\r?\n\s*[\[{]")

#: Control characters that texts have: tab, the ends of lines and pages, escape.
_NOT_IN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

#: A text may have a few of the others, and its rows are told of each; a program or an archive has them all over.
_MOST_CONTROL = 0.3


@dataclass(frozen=True, slots=True)
class Found:
    """What an object is.

    Args:
        kind: What it is worked as.
        format: What it is in the words of others, where that says more.
    """

    kind: Kind
    format: str | None = None


def kind_of(head: bytes, key: str, content_type: str) -> Found:
    """What an object is that begins like this, has this key, and is said to be of this type."""
    if binary := _binary(head):
        return binary
    says = _named(key, content_type)
    if marked_encoding(head) is None and _is_binary(head, is_said_to_be_text=says is not None):
        return Found(Kind.UNSUPPORTED, "binary")
    text = beginning(head)
    if _MARKUP.match(text):
        return Found(Kind.UNSUPPORTED, "markup")
    if _OBJECT.match(text) or says in {Kind.JSON, Kind.JSON_LINES}:
        return Found(_json_kind(text, says))
    return Found(says or (Kind.CSV if is_table(text) else Kind.TEXT))


def _binary(head: bytes) -> Found | None:
    if head.startswith(_IMAGES) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"):
        return Found(Kind.IMAGE)
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return Found(Kind.IMAGE)
    if is_gzip(head):
        return Found(Kind.UNSUPPORTED, "gzip")
    name = next((name for magic, name in _OTHERS.items() if head.startswith(magic)), None)
    return Found(Kind.UNSUPPORTED, name) if name else None


def _named(key: str, content_type: str) -> Kind | None:
    name = key.lower().removesuffix(".gz")
    by_name = _SUFFIXES.get(PurePosixPath(name).suffix)
    return by_name or _TYPES.get(content_type.partition(";")[0].strip().lower())


def _is_binary(head: bytes, *, is_said_to_be_text: bool) -> bool:
    strange = len(_NOT_IN_TEXT.findall(head))
    return strange > _MOST_CONTROL * len(head) or (strange > 0 and not is_said_to_be_text)


def _json_kind(text: str, says: Kind | None) -> Kind:
    if says is Kind.JSON_LINES or _TWO_LINES.match(text):
        return Kind.JSON_LINES
    return Kind.JSON
