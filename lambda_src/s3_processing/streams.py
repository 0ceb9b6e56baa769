"""Bytes that come in pieces: looked into before they are worked, and decompressed no further than allowed."""

import zlib
from collections import deque
from collections.abc import Iterable, Iterator

from s3_processing.api import Rejected

#: So much is read, and decompressed, at once.
PIECE_BYTES = 64 * 1024

_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31  # 15 for the largest window, 16 for gzip's header and checksum


class Pieces:
    """Pieces of which the first can be looked at before they are taken.

    Args:
        source: The pieces.
    """

    def __init__(self, source: Iterable[bytes]) -> None:
        self._source = iter(source)
        self._held: deque[bytes] = deque()

    def head(self) -> bytes:
        """The first 64 KB, or all there is."""
        held = b"".join(self._held)
        while len(held) < PIECE_BYTES and (piece := next(self._source, b"")):
            held += piece
        self._held = deque([held])
        return held[:PIECE_BYTES]

    def __iter__(self) -> Iterator[bytes]:
        """Each piece once."""
        while self._held:
            yield self._held.popleft()  # not kept while it is worked
        yield from self._source


def is_gzip(head: bytes) -> bool:
    """Whether these are the first bytes of a gzip."""
    return head.startswith(_GZIP)


def decompressed(pieces: Iterable[bytes], most: int) -> Iterator[bytes]:
    """What is in a gzip.

    Raises:
        Rejected: It is broken or cut off, or there is more in it than ``most`` bytes.
    """
    taken = 0
    for piece in _decompressed(pieces):
        taken += len(piece)
        if taken > most:
            msg = f"it has more than {most} bytes once it is decompressed"
            raise Rejected(msg)
        yield piece


def _decompressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    engine = zlib.decompressobj(_GZIP_WINDOW)
    try:
        for piece in pieces:
            rest = piece
            while rest:
                if engine.eof:
                    if not rest.strip(b"\0"):
                        break  # padding, as tapes and some tools leave it
                    engine = zlib.decompressobj(_GZIP_WINDOW)  # a gzip may be several, one after the other
                yield from _some(engine, rest)
                rest = engine.unused_data if engine.eof else engine.unconsumed_tail
        while not engine.eof and (left := engine.decompress(b"", PIECE_BYTES)):
            yield left
    except zlib.error:
        msg = "its gzip is broken"
        raise Rejected(msg) from None
    if not engine.eof:
        msg = "its gzip is cut off"
        raise Rejected(msg)


def _some(engine: "zlib._Decompress", data: bytes) -> Iterator[bytes]:
    if made := engine.decompress(data, PIECE_BYTES):
        yield made
