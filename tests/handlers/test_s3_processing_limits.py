"""Files that are too large, that lie, or that would harm whoever opened them."""

import gzip
import io
import tracemalloc
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_processing.api import Rejected
from s3_processing.kinds import kind_of
from s3_processing.models import Created
from s3_processing.reading import Opened, Reader, Work
from s3_processing.rows import Rows
from s3_processing.streams import PIECE_BYTES, Pieces, decompressed
from tests.handlers.s3_client import Intake, bridged, rows_of


def zip_of(names: list[str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


def test_an_object_of_20_gb_is_rejected_before_anything_is_read(intake: Intake) -> None:
    event = bridged(intake.put("a.csv", rows_of(1)))
    event["detail"]["object"]["size"] = 20 * 1024**3
    intake.forget_calls()
    assert intake.deliver(intake.record(event)) == []
    assert intake.verdict("a.csv") == ("REJECTED", "it has more than 5368709120 bytes")
    assert intake.s3.names == ["put_object"]


def test_an_object_that_is_larger_than_its_event_says_is_rejected(intake: Intake) -> None:
    intake.variables["MAX_OBJECT_BYTES"] = "100"
    event = bridged(intake.put("a.csv", rows_of(100)))
    event["detail"]["object"]["size"] = 50
    intake.deliver(intake.record(event))
    assert intake.verdict("a.csv") == ("REJECTED", "it has more than 100 bytes")
    assert intake.written == []


@pytest.mark.parametrize("body", [b"", gzip.compress(b"")], ids=["plain", "gzip"])
def test_an_empty_object_is_rejected(intake: Intake, body: bytes) -> None:
    intake.work("a.csv", body)
    assert intake.verdict("a.csv") == ("REJECTED", "empty")


def test_an_empty_object_is_not_even_read(intake: Intake) -> None:
    intake.work("a.csv", b"")
    assert "get_object" not in intake.s3.names


def test_a_gzip_is_worked_as_what_is_in_it(intake: Intake) -> None:
    intake.work("a.csv.gz", gzip.compress(rows_of(2)))
    assert sorted(intake.rows("a.csv.gz")) == [2, 3]
    assert intake.status("a.csv.gz")["details"]["compression"] == "gzip"


def test_a_gzip_bomb_is_rejected_as_soon_as_it_is_too_large(intake: Intake) -> None:
    intake.variables["MAX_DECOMPRESSED_BYTES"] = "1000000"
    intake.work("a.txt", gzip.compress(b"\n" * 100_000_000))
    assert intake.verdict("a.txt") == ("REJECTED", "it has more than 1000000 bytes once it is decompressed")


def test_a_gzip_bomb_is_never_in_memory_as_a_whole() -> None:
    bomb = gzip.compress(bytes(200_000_000))
    tracemalloc.start()
    with pytest.raises(Rejected, match="decompressed"):
        deque(decompressed([bomb], 50_000_000), maxlen=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


def test_a_gzip_inside_a_gzip_is_not_opened(intake: Intake) -> None:
    intake.work("a.csv.gz", gzip.compress(gzip.compress(rows_of(2))))
    assert (intake.verdict("a.csv.gz"), intake.written) == (("REJECTED", "unsupported"), [])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (gzip.compress(rows_of(5000, 50))[:-12], "its gzip is cut off"),
        (gzip.compress(rows_of(5))[:-8] + bytes(8), "its gzip is broken"),
        (gzip.compress(rows_of(5)) + b"garbage", "its gzip is broken"),
        (b"\x1f\x8b nothing of the kind", "its gzip is broken"),
    ],
    ids=["cut off", "wrong sum", "garbage behind it", "no gzip at all"],  # the time is in its bytes
)
def test_a_gzip_that_is_broken_or_cut_off_is_rejected(intake: Intake, body: bytes, reason: str) -> None:
    intake.work("a.csv.gz", body)
    assert intake.verdict("a.csv.gz") == ("REJECTED", reason)


@settings(deadline=None)
@given(parts=st.lists(st.binary(max_size=2000), min_size=1, max_size=4), size=st.integers(1, 500), padding=st.integers(0, 600))
def test_a_gzip_of_several_is_all_of_them_however_it_comes_in(parts: list[bytes], size: int, padding: int) -> None:
    whole = b"".join(map(gzip.compress, parts)) + bytes(padding)
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert b"".join(decompressed(pieces, 100_000)) == b"".join(parts)


@settings(deadline=None)
@given(body=st.binary(min_size=1, max_size=3000), size=st.integers(1, 300))
def test_looking_at_the_beginning_takes_nothing_away(body: bytes, size: int) -> None:
    pieces = Pieces(body[start : start + size] for start in range(0, len(body), size))
    assert pieces.head() == pieces.head() == body
    assert b"".join(pieces) == body


@pytest.mark.parametrize("names", [["a.csv"], ["../../etc/passwd", "/etc/shadow"], [f"{n}.csv" for n in range(2000)]])
def test_a_zip_is_never_opened(intake: Intake, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    body = zip_of(names)
    monkeypatch.setattr(zipfile.ZipFile, "__init__", lambda *_: pytest.fail("a zip was opened"))
    intake.work("a.csv", body)
    assert intake.verdict("a.csv") == ("REJECTED", "unsupported")
    assert intake.status("a.csv")["details"] == {"format": "zip"}


LAUGHS = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;"><!ENTITY x SYSTEM "file:///etc/passwd">]><a>&c;&x;</a>'


@pytest.mark.parametrize(
    "body", [LAUGHS, LAUGHS.decode().encode("utf-16"), b"\xef\xbb\xbf" + LAUGHS, b"\n <html><body>x</body></html>"]
)
@pytest.mark.parametrize("key", ["a.xml", "a.csv", "a.json"])
def test_xml_is_never_parsed(intake: Intake, key: str, body: bytes) -> None:
    intake.work(key, body, "text/csv")
    assert intake.verdict(key) == ("REJECTED", "unsupported")
    assert "root:" not in str(intake.status(key))


PNG = b"\x89PNG\r\n\x1a\n"
KINDS = [
    (b"a,b\n1,2\n", "x.csv", "", "csv"),
    (b"a,b\n1,2\n", "x.CSV.GZ", "", "csv"),
    (b"a,b\n1,2\n", "x", "text/csv; charset=utf-8", "csv"),
    (b"hello", "x.txt", "text/csv", "text"),
    (b"hello", "x.png", "image/png", "text"),
    (b"hello", "x.pdf", "application/pdf", "text"),
    (b'{"a": 1}', "x.csv", "text/csv", "json"),
    (b'\xef\xbb\xbf{"a": 1}', "x", "", "json"),
    ('{"a": 1}'.encode("utf-16"), "x", "", "json"),
    (b'{"a": 1}\n{"a": 2}\n', "x.json", "", "jsonl"),
    (b'{"a": 1}\n', "x.jsonl", "", "jsonl"),
    (b'[\n{"a": 1},\n{"a": 2}\n]', "x.json", "", "json"),
    (b"[1,2]", "x", "application/json", "json"),
    (b"[note] hello", "x.txt", "", "text"),
    (b"no json", "x.json", "", "json"),
    (PNG, "x.csv", "text/csv", "image"),
    (b"\xff\xd8\xff\xe0", "x.txt", "", "image"),
    (b"RIFF\0\0\0\0WEBP", "x", "", "image"),
    (b"GIF89a", "x.json", "application/json", "image"),
    (b"%PDF-1.7", "x.csv", "text/csv", "unsupported"),
    (b"\x7fELF\x02", "x.txt", "text/plain", "unsupported"),
    (b"MZ\x90\0", "x.png", "image/png", "unsupported"),
    (b"PK\x05\x06", "x.docx", "", "unsupported"),
    (bytes(range(256)), "x", "", "unsupported"),
    (bytes(range(32)) * 10, "x.csv", "text/csv", "unsupported"),
    (b"a,b\n1,\0\n22222,33333\n", "x.csv", "", "csv"),
    (b"a,b\n1,\0\n", "x", "", "unsupported"),
]


@pytest.mark.parametrize(("head", "key", "content_type", "kind"), KINDS)
def test_what_an_object_is_shows_in_its_content_then_its_key_then_its_type(
    head: bytes, key: str, content_type: str, kind: str
) -> None:
    assert kind_of(head, key, content_type).kind == kind


@settings(deadline=None)
@given(head=st.binary(max_size=300), key=st.sampled_from(["x", "x.csv", "x.json", "x.txt"]))
def test_whatever_it_begins_with_it_is_something(head: bytes, key: str) -> None:
    assert kind_of(head, key, "")


class Bin:
    """A table that keeps nothing, and a bucket whose object is made while it is read."""

    def __init__(self, size: int) -> None:
        self.size = size

    def write(self, items: Any) -> None:
        assert len(items) <= 100

    def put(self, key: str, content: bytes, content_type: str) -> None: ...

    def open(self, _: Created) -> Opened:
        return Opened(self.size, "", self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        yield b"id,text\n"
        row = b"1," + b"x" * 2000 + b'\n2,"' + (b"y" * 400 + b"\n") * 5 + b'"\n'
        for _ in range(self.size // (len(row) * 20)):
            yield row * 20


def peak_of(intake: Intake, size: int) -> int:
    bench = Bin(size)
    created = Created("uploads", "a.csv", size, "e", "0055", "v")
    rows = Rows(bench, created.rows_id, most=10**6, written=0, check_time=lambda: None)
    reader = Reader(intake.settings, bench, bench)
    tracemalloc.start()
    reader.read(Work(created, rows, lambda: None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows.counts.accepted > size / 5000
    return peak


def test_a_csv_of_20_mb_takes_no_more_memory_than_one_of_1_mb(intake: Intake) -> None:
    peak_of(intake, 1_000_000)  # what is made once
    assert peak_of(intake, 20_000_000) < 1.5 * peak_of(intake, 1_000_000)


def test_an_object_is_read_in_pieces(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    get = intake.s3.client.get_object

    def watched(**parameters: Any) -> Any:
        answer = get(**parameters)
        read = answer["Body"].read
        monkeypatch.setattr(answer["Body"], "read", lambda size=-1: sizes.append(size) or read(size), raising=False)
        return answer

    monkeypatch.setattr(intake.s3.client, "get_object", watched)
    intake.work("a.txt", b"x" * 1_000_000)
    assert set(sizes) == {PIECE_BYTES}
    assert intake.status("a.txt")["details"]["characters"] == 1_000_000


def test_the_checksum_of_a_gzip_is_looked_at() -> None:
    broken = bytearray(gzip.compress(b"x" * 1000))
    broken[-6] ^= 0xFF
    with pytest.raises(Rejected, match="broken"):
        list(decompressed([bytes(broken)], 10_000))
    with pytest.raises(Rejected, match="cut off"):
        list(decompressed([zlib.compress(b"x", wbits=31)[:-1]], 10_000))
