"""Texts: their encoding, their lines, and what there is to count in them."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_processing.texts import Decoder, Statistics, lines
from tests.handlers.s3_client import Intake

TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from("\r\n \t"), max_size=60)


def cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def cut_bytes(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def test_a_text_is_measured(intake: Intake) -> None:
    intake.work("a.txt", "Ein längerer\r\nText,\n\nvier Zeilen".encode())
    assert intake.status("a.txt")["details"] == {
        "characters": 32,
        "words": 5,
        "lines": 4,
        "longest_line": 12,
        "encoding": "utf-8",
    }
    assert intake.rows("a.txt") == {}


@settings(deadline=None)
@given(text=TEXTS, size=st.integers(1, 10))
def test_a_text_in_pieces_counts_as_the_whole(text: str, size: int) -> None:
    statistics = Statistics()
    for piece in cut(text, size):
        statistics.add(piece)
    all_lines = io.StringIO(text, newline=None).read().split("\n")
    assert statistics.as_dict() == {
        "characters": len(text),
        "words": len(text.split()),
        "lines": len(all_lines) - (all_lines[-1] == ""),
        "longest_line": max(map(len, all_lines)),
    }


@settings(deadline=None)
@given(text=TEXTS, size=st.integers(1, 10))
def test_the_lines_of_a_text_are_all_of_it_and_numbered(text: str, size: int) -> None:
    found = list(lines(cut(text, size), 1000))
    assert "".join(line.text for line in found) == text
    assert [line.number for line in found] == list(range(1, len(found) + 1))
    assert [line.content for line in found] == io.StringIO(text, newline=None).read().removesuffix("\n").split("\n")[
        : len(found)
    ]


@settings(deadline=None)
@given(lengths=st.lists(st.integers(0, 40), max_size=8), size=st.integers(1, 50), end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_a_line_that_is_too_long_is_cut_and_the_others_are_not(lengths: list[int], size: int, end: str) -> None:
    found = list(lines(cut("".join("x" * length + end for length in lengths), size), 20))
    assert [line.is_cut for line in found] == [length + len(end) > 20 for length in lengths]
    assert [line.content for line in found if not line.is_cut] == ["x" * n for n in lengths if n + len(end) <= 20]


@settings(deadline=None)
@given(text=TEXTS, encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]), size=st.integers(1, 9))
def test_a_text_in_pieces_is_decoded_as_the_whole(text: str, encoding: str, size: int) -> None:
    data = text.encode(encoding)
    if encoding == "utf-8" and text.startswith("\ufeff"):
        text = text[1:]
    assert "".join(Decoder(data)(cut_bytes(data, size))) == text


@settings(deadline=None)
@given(data=st.binary(max_size=60), size=st.integers(1, 9))
def test_whatever_the_bytes_without_a_mark_a_text_comes_out(data: bytes, size: int) -> None:
    decoder = Decoder(b"")
    text = "".join(decoder(cut_bytes(data, size)))
    assert decoder.encoding in {"utf-8", "cp1252"}
    if decoder.encoding == "utf-8":
        assert text == data.decode("utf-8", "surrogateescape")
    else:
        assert len(text) == len(data)


def test_an_umlaut_after_a_long_text_in_ascii_makes_it_windows_1252(intake: Intake) -> None:
    intake.work("a.txt", b"x" * 200_000 + b"\xfc")
    assert intake.status("a.txt")["details"]["encoding"] == "cp1252"
    assert intake.status("a.txt")["details"]["characters"] == 200_001


@pytest.mark.parametrize("between", [0, 200_000])
def test_a_text_in_two_encodings_is_rejected(intake: Intake, between: int) -> None:
    intake.work("a.txt", "ü".encode() + b"x" * between + b"\xfc")
    assert intake.verdict("a.txt") == ("REJECTED", "it is not all in one encoding")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_million_short_lines_are_measured_in_a_time_that_grows_with_them(end: str) -> None:
    statistics = Statistics()
    for piece in cut(f"x{end}" * 1_000_000, 65_536):
        statistics.add(piece)
    assert statistics.as_dict()["lines"] == 1_000_000


def test_a_line_without_an_end_is_searched_only_once() -> None:
    (line,) = lines(cut("x" * 3_000_000, 65_536), 4_000_000)
    assert len(line.text) == 3_000_000
