"""Text that comes in pieces: its encoding, its lines, and what there is to count in it."""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from s3_processing.api import Rejected

#: The first bytes of a text that says its encoding itself. The longer ones first: one begins with another.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

#: Windows-1252 as browsers read it: the five bytes that it leaves open are control characters, as in Latin-1.
_WINDOWS_1252 = {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xA0)}

#: Half a surrogate pair: what stands in a decoded text where its bytes were not in the encoding.
_UNDECODED = re.compile("[\ud800-\udfff]")

_BREAK = re.compile(r"\r\n|\r|\n")


def marked_encoding(head: bytes) -> str | None:
    """The encoding that the byte order mark says, if there is one."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def is_decoded(text: str) -> bool:
    """Whether all of the text was in its encoding."""
    return not _UNDECODED.search(text)


class Decoder:
    """Decodes pieces of a text whose encoding may only become known on the way.

    The byte order mark says it. Without one it is UTF-8; and if something comes after ASCII only that is not UTF-8, then it is
    Windows-1252 from there on, which is the same for what came before. In a text that had UTF-8 in it, bytes that are none
    become half surrogate pairs, for ``is_decoded`` to find.

    Args:
        head: The first bytes.
        guesses: Whether Windows-1252 is taken, which JSON never is in.
    """

    def __init__(self, head: bytes, *, guesses: bool = True) -> None:
        marked = marked_encoding(head)
        self.encoding = marked or "utf-8"
        self._guesses = guesses and marked is None
        errors = {None: "strict" if guesses else "surrogateescape", "utf-8-sig": "surrogateescape"}.get(marked, "surrogatepass")
        self._decoder = codecs.getincrementaldecoder(self.encoding)(errors)
        self._is_ascii = True

    def __call__(self, pieces: Iterable[bytes]) -> Iterator[str]:
        """The text in these bytes.

        Raises:
            Rejected: Its end is missing.
        """
        for piece in pieces:
            yield self._decoded(piece)
        yield self._decoded(b"", final=True)

    def _decoded(self, piece: bytes, *, final: bool = False) -> str:
        if self.encoding == "cp1252":
            return piece.decode("latin-1").translate(_WINDOWS_1252)
        try:
            text = self._decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            if not self._guesses:
                msg = f"it is not in {self.encoding}, as its byte order mark says"
                raise Rejected(msg) from None
            return self._guessed(error.object, error.object[: error.start], final=final)
        self._is_ascii = self._is_ascii and text.isascii()
        return text

    def _guessed(self, data: bytes, readable: bytes, *, final: bool) -> str:
        """Decode once more what is no UTF-8: ``data`` begins with what was left over from the piece before."""
        self._guesses = False
        if self._is_ascii and readable.isascii():
            self.encoding = "cp1252"
        else:
            self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        return self._decoded(data, final=final)


def beginning(head: bytes) -> str:
    """The text of the first bytes of something, which may end in the middle of a character."""
    encoding = marked_encoding(head)
    return head.decode(encoding, "replace") if encoding else "".join(Decoder(head)([head]))


@dataclass(frozen=True, slots=True)
class Line:
    """A line.

    Args:
        number: Its number; the first is 1.
        text: What is in it, its end included.
        is_cut: Whether it was longer than allowed: then the text is empty.
    """

    number: int
    text: str
    is_cut: bool = False

    @property
    def content(self) -> str:
        """The text without its end."""
        return self.text.rstrip("\r\n")


def lines(pieces: Iterable[str], most: int) -> Iterator[Line]:
    """The lines of a text in pieces, none longer than ``most`` characters. They end with LF, CR LF or CR."""
    number, rest, is_cut = 1, "", False
    for piece in pieces:
        text = rest + piece
        end = 0
        for match in _BREAK.finditer(text, 0, len(text) - text.endswith("\r")):  # its LF may come with the next piece
            is_cut = is_cut or match.end() - end > most
            yield Line(number, "" if is_cut else text[end : match.end()], is_cut)
            number, end, is_cut = number + 1, match.end(), False
        rest = text[end:]
        if len(rest) > most:
            rest, is_cut = rest[-1:], True  # the last one may be half of an end
    if rest or is_cut:
        yield Line(number, "" if is_cut else rest, is_cut)


class Statistics:
    """Counts the characters, words and lines of a text, and the characters of its longest line without its end."""

    def __init__(self) -> None:
        self._characters = self._words = self._breaks = 0
        self._longest = self._current = 0
        self._in_word = self._after_return = False

    def add(self, text: str) -> None:
        """Count the next part of the text, as ``str.split`` and a text editor would count the whole."""
        if not text:
            return
        self._characters += len(text)
        self._words += len(text.split()) - (self._in_word and not text[0].isspace())
        self._in_word = not text[-1].isspace()
        start = 0
        if self._after_return and text[0] == "\n":  # the other half of an end that was counted
            start = 1
        for match in _BREAK.finditer(text, start):
            self._longest = max(self._longest, self._current + match.start() - start)
            self._breaks, self._current, start = self._breaks + 1, 0, match.end()
        self._current += len(text) - start
        self._longest = max(self._longest, self._current)
        self._after_return = text[-1] == "\r"

    def as_dict(self) -> dict[str, Any]:
        """What was counted. A last line without an end is a line too."""
        return {
            "characters": self._characters,
            "words": self._words,
            "lines": self._breaks + (self._current > 0),
            "longest_line": self._longest,
        }


def measured(pieces: Iterable[str], check_time: Callable[[], None]) -> dict[str, Any]:
    """What there is to count in a text.

    Raises:
        Rejected: Some of it is not in its encoding.
    """
    statistics = Statistics()
    for piece in pieces:
        check_time()
        if not is_decoded(piece):
            msg = "it is not all in one encoding"
            raise Rejected(msg)
        statistics.add(piece)
    return statistics.as_dict()
