"""What a processor of your own is given, and how it says that a file is bad: the public part of this folder.

A processor is a function of one argument that PROCESSOR names as ``module:function``::

    def process(obj: StoredObject) -> dict:
        total = sum(int(line) for line in obj.lines())
        if total < 0:
            raise Rejected("the total is negative")
        return {"total": total}
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

#: The longest line of a text, in characters: what is read at once must fit into the function's memory.
MOST_LINE_CHARACTERS = 1024 * 1024


class Rejected(Exception):  # noqa: N818  it is an outcome, and users raise it by this name
    """The file is bad: trying again cannot help. It is not retried, and its status says why.

    Args:
        reason: Why, in words that anybody may read. They go into the status, the result and the event.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the bucket, in the version that the event is about.

    Args:
        bucket: Its bucket.
        key: Its key, as it was uploaded.
        version: Its version id; of a bucket without versioning, its ETag and sequencer.
        size: Its size in bytes, never more than MAX_OBJECT_BYTES.
        content_type: What the uploader says it is.
        body: Its bytes, read from S3 as they are asked for. Read them in pieces: ``read()`` takes all into memory.
    """

    bucket: str
    key: str
    version: str
    size: int
    content_type: str
    body: BinaryIO

    def lines(self, encoding: str = "utf-8-sig") -> Iterator[str]:
        """The lines of the body, without their ends, one at a time.

        Raises:
            Rejected: It is not in this encoding, or a line has more than a million characters.
        """
        text = io.TextIOWrapper(self.body, encoding=encoding)
        try:
            while line := text.readline(MOST_LINE_CHARACTERS):
                if len(line) == MOST_LINE_CHARACTERS and not line.endswith("\n"):
                    msg = f"a line has more than {MOST_LINE_CHARACTERS} characters"
                    raise Rejected(msg)
                yield line.removesuffix("\n")
        except UnicodeError:
            msg = f"it is not in {encoding}"
            raise Rejected(msg) from None
        finally:
            text.detach()  # else the body would be closed with it


class Processor(Protocol):
    """Takes an object, and says what is to be known about it: a mapping that JSON has a form for, or nothing."""

    def __call__(self, obj: StoredObject, /) -> Mapping[str, Any] | None:
        """Process the object. Raise ``Rejected`` for a bad file; after any other exception it is tried again."""


class ByteReader(io.RawIOBase):
    """A readable file of what comes in pieces.

    Args:
        pieces: The pieces.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  anything that has the buffer protocol
        """Fill the buffer as far as the piece goes; 0 at the end."""
        if not self._rest:
            self._rest = next(self._pieces, b"")
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)
