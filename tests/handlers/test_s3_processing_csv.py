"""CSV: what becomes of each row, whatever the file looks like."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_processing.csv_records import MOST_CHARACTERS, Records, delimiter_of, is_table
from s3_processing.texts import lines
from tests.handlers.s3_client import TABLE, Intake, rows_of

#: Cells as people have them; what would be another delimiter is in quotes then, as in any CSV.
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_ ", min_size=1, max_size=12)


def records_of(text: str, delimiter: str = ",", piece: int = 1000) -> list[list[str]]:
    pieces = [text[start : start + piece] for start in range(0, len(text), piece)]
    records = list(Records(lines(pieces, MOST_CHARACTERS), delimiter, MOST_CHARACTERS))
    assert not [record for record in records if record.fault]
    return [list(record.fields) for record in records]


def csv_of(rows: list[list[str]], delimiter: str = ",", end: str = "\r\n") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(rows)
    return file.getvalue()


def test_each_row_is_stored_under_its_line_with_the_columns_of_the_header(intake: Intake) -> None:
    assert intake.work("in/orders.csv", b"id,name\r\n1,Alice\r\n2,Bob\r\n") == []
    assert intake.rows("in/orders.csv") == {2: {"id": "1", "name": "Alice"}, 3: {"id": "2", "name": "Bob"}}
    status = intake.status("in/orders.csv")
    assert (status["state"], status["kind"], status["counts"]) == (
        "PROCESSED",
        "csv",
        {"rows": 2, "accepted": 2, "rejected": 0},
    )
    assert status["details"] == {"delimiter": ",", "columns": 2, "encoding": "utf-8"}


def test_a_csv_costs_these_calls_and_no_others(intake: Intake) -> None:
    intake.work("a.csv", rows_of(60))
    assert intake.table.names == ["update_item", *["batch_write_item"] * 3, "update_item", "update_item"]
    assert (intake.s3.names, intake.sns.names, intake.sqs.names) == (["get_object", "put_object"], ["publish"], [])


def test_formulas_and_numbers_are_stored_as_the_texts_that_they_are(intake: Intake) -> None:
    cells = ["=1+1", "+49 30 1", "-5", "@SUM(A1)", "=cmd|' /C calc'!A0", "007", "1e3", "true", "", " x "]
    intake.work("a.csv", csv_of([["a"] * len(cells), cells]).encode())
    assert list(intake.rows("a.csv")[2].values()) == cells


@settings(deadline=None)
@given(
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=4), max_size=6),
    delimiter=st.sampled_from(",;\t|"),
    piece=st.integers(1, 50),
)
def test_what_pythons_writer_writes_is_read_as_it_was(rows: list[list[str]], delimiter: str, piece: int) -> None:
    assert records_of(csv_of(rows, delimiter), delimiter, piece) == rows


@settings(deadline=None)
@given(text=st.text('ab",\n', max_size=40), piece=st.integers(1, 7))
def test_whatever_the_quotes_the_reading_is_that_of_pythons_parser_or_says_what_is_wrong(text: str, piece: int) -> None:
    pieces = [text[start : start + piece] for start in range(0, len(text), piece)]
    records = list(Records(lines(pieces, MOST_CHARACTERS), ",", MOST_CHARACTERS))
    if not any(record.fault for record in records):
        assert [list(record.fields) for record in records] == [row for row in csv.reader(io.StringIO(text)) if row]
    else:
        assert {record.fault for record in records} <= {None, "has a quote that is not closed"}


@settings(deadline=None)
@given(text=st.text('ab",\n', max_size=60))
def test_each_line_that_is_not_empty_is_in_one_record(text: str) -> None:
    starts = [record.line for record in Records(lines([text], MOST_CHARACTERS), ",", MOST_CHARACTERS)]
    assert starts == sorted(set(starts))
    first = next((number for number, line in enumerate(text.split("\n"), 1) if line), None)
    assert starts[:1] == ([] if first is None else [first])


@settings(deadline=None)
@given(
    header=st.lists(NAMES, min_size=2, max_size=6),
    rows=st.lists(st.lists(CELLS, min_size=6, max_size=6), min_size=2, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
)
def test_the_delimiter_is_found_whatever_the_cells_are(header: list[str], rows: list[list[str]], delimiter: str) -> None:
    quoted = io.StringIO()
    writer = csv.writer(quoted, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([header, *(row[: len(header)] for row in rows)])
    assert delimiter_of(quoted.getvalue()) == delimiter


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a;b\n1,5;2,5\n3,1;4,2\n", ";"),
        ("a\tb\n1,5\t2\n3\t4,0\n", "\t"),
        ("a|b|c\n1|2|3\n", "|"),
        ("a,b\nx;y,1\nz;w,2\n", ","),
        ("name,note\nx,hello; you | and, me\ny,z\nq,r\n", ","),
        ("date,time\n2026-01-01,10:00:00\n2026-01-02,11:00:00\n", ","),
        ("name\nAlice\nBob\n", ","),
        ("a;b;c", ";"),
        ("a,b,c,d;e\n1,2,3,4;x\ny;z\n", ";"),
        ('"a,b,c";d\n"1,2";3\n', ";"),
    ],
)
def test_the_delimiter_is_the_one_that_makes_the_rows_as_wide_as_the_header(text: str, delimiter: str) -> None:
    assert delimiter_of(text) == delimiter


def test_the_letters_that_pythons_sniffer_takes_for_a_delimiter_are_none() -> None:
    text = "name\nselene\nhelene\nirene\n"
    assert csv.Sniffer().sniff(text).delimiter not in ",;\t|"
    assert delimiter_of(text) == ","


@pytest.mark.parametrize("text", ["Dear all,\nhow are you, and you,\nand you?\n", "one line, with a comma", "a,b\n1,2\n"])
def test_prose_is_no_table(text: str) -> None:
    assert not is_table(text)


def test_a_file_that_only_its_content_calls_a_csv_is_one(intake: Intake) -> None:
    intake.work("upload", b"a;b\n1;2\n3;4\n")
    assert (intake.status("upload")["kind"], intake.rows("upload")[3]) == ("csv", {"a": "3", "b": "4"})


def test_the_tab_of_a_tsv_is_its_delimiter_even_where_a_comma_fits_as_well(intake: Intake) -> None:
    intake.work("a.tsv", b"a,x\tb\n1,y\t2\n")
    assert intake.rows("a.tsv") == {2: {"a,x": "1,y", "b": "2"}}


def test_a_row_may_have_ends_of_lines_in_quotes_and_the_lines_after_it_keep_their_numbers(intake: Intake) -> None:
    intake.work("a.csv", b'id,text\n1,"two\r\nlines, ""quoted"""\n2,b\n')
    assert intake.rows("a.csv") == {2: {"id": "1", "text": 'two\r\nlines, "quoted"'}, 4: {"id": "2", "text": "b"}}


def test_a_bad_row_is_told_with_its_line_and_reason_and_the_good_ones_are_kept(intake: Intake) -> None:
    intake.work("a.csv", b"id,name\n1,a\n2\n3,c,d\n4,\0\n\n5,e\n")
    assert sorted(intake.rows("a.csv")) == [2, 7]
    assert intake.rejected("a.csv") == {
        3: "has 1 fields, and the header has 2",
        4: "has 3 fields, and the header has 2",
        5: "has a NUL",
    }
    assert intake.verdict("a.csv") == ("PROCESSED", None)
    assert intake.status("a.csv")["counts"] == {"rows": 5, "accepted": 2, "rejected": 3}


def test_what_is_in_a_bad_row_is_repeated_nowhere(intake: Intake, log_lines) -> None:
    intake.work("a.csv", b"id,name\n1,a\nsecret-4711,x,y\n")
    assert "secret-4711" not in intake.made(intake.status("a.csv")["result_key"]).decode()
    assert "secret-4711" not in str([*log_lines(), intake.announced, intake.status("a.csv")])


@pytest.mark.parametrize(("characters", "accepted"), [(131_072, 2), (131_073, 1)])
def test_a_field_has_at_most_131072_characters(intake: Intake, characters: int, accepted: int) -> None:
    intake.work("a.csv", b'id,text\n1,"' + b"x" * characters + b'"\n2,ok\n')
    assert intake.status("a.csv")["counts"]["accepted"] == accepted
    assert intake.rows("a.csv")[3] == {"id": "2", "text": "ok"}
    assert set(intake.rejected("a.csv").values()) <= {"has a field of more than 131072 characters"}


def test_a_row_that_no_item_can_hold_is_a_bad_row(intake: Intake) -> None:
    cell = b"x" * 130_000
    intake.work("a.csv", b"a,b,c,d\n" + b",".join([cell] * 4) + b"\n1,2,3,4\n")
    assert list(intake.rows("a.csv")) == [3]
    assert intake.rejected("a.csv") == {2: "is larger than the 400 KB that can be stored"}


def test_a_line_longer_than_a_million_characters_is_a_bad_row(intake: Intake) -> None:
    intake.work("a.csv", b"a,b\n" + b"x" * 2_500_000 + b"\r\n1,2\r\n")
    assert intake.rows("a.csv") == {3: {"a": "1", "b": "2"}}
    assert intake.rejected("a.csv") == {2: f"has more than {MOST_CHARACTERS} characters"}


def test_a_quote_that_is_not_closed_costs_only_its_own_row(intake: Intake) -> None:
    intake.work("a.csv", b'id,text\n1,a\n2,"b\n3,c\n4,d\n')
    assert sorted(intake.rows("a.csv")) == [2, 4, 5]
    assert intake.rejected("a.csv") == {3: "has a quote that is not closed"}


def test_a_quote_that_is_not_closed_in_a_large_file_costs_only_its_own_row(intake: Intake) -> None:
    intake.work("a.csv", b'id,text\n1,"b\n' + b"".join(b"%d,%s\n" % (number, b"x" * 90_000) for number in range(30)))
    assert intake.status("a.csv")["counts"] == {"rows": 31, "accepted": 30, "rejected": 1}
    assert intake.rejected("a.csv") == {2: "has a quote that is not closed"}


def test_quotes_that_are_never_closed_keep_nobody_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line opens a field that the next one closes and opens anew: each would be read as often as there are lines."""
    monkeypatch.setattr("s3_processing.csv_records._MOST_LOOKED_AHEAD", 2 * MOST_CHARACTERS)
    records = list(Records(lines(['a"b,"c\n' * 300_000], MOST_CHARACTERS), ",", MOST_CHARACTERS))
    assert len(records) < 10
    assert "has a quote that is not closed, up to line" in str(records[-1].fault) + str(records[-2].fault)


def test_a_quote_inside_a_field_is_a_character(intake: Intake) -> None:
    intake.work("a.csv", b'id,size\n1,5" pipe\n2,6" pipe\n')
    assert intake.rows("a.csv") == {2: {"id": "1", "size": '5" pipe'}, 3: {"id": "2", "size": '6" pipe'}}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_as_on_any_system(intake: Intake, end: bytes) -> None:
    intake.work("a.csv", end.join([b"a,b", b"1,2", b"3,4"]))
    assert intake.rows("a.csv") == {2: {"a": "1", "b": "2"}, 3: {"a": "3", "b": "4"}}


@pytest.mark.parametrize(
    ("encoding", "called"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("cp1252", "cp1252"), ("latin-1", "cp1252")],
)
def test_the_encoding_is_found_and_said(intake: Intake, encoding: str, called: str) -> None:
    body = ("name,city\n" + f"{'x' * 1000},y\n" * 100 + "Jürgen,Köln\n").encode(encoding)
    intake.work("a.csv", body)
    assert intake.rows("a.csv")[102] == {"name": "Jürgen", "city": "Köln"}
    assert intake.status("a.csv")["details"]["encoding"] == called


def test_windows_1252_has_its_own_characters(intake: Intake) -> None:
    intake.work("a.csv", b"a,b\n\x80,\x93x\x94\n\x81,y\n")
    assert intake.rows("a.csv") == {2: {"a": "€", "b": "“x”"}, 3: {"a": "\x81", "b": "y"}}


def test_bytes_that_are_no_utf_8_in_a_utf_8_file_make_a_bad_row(intake: Intake) -> None:
    intake.work("a.csv", "a,b\nü,1\n".encode() + b"\xfc,2\n3,4\n")
    assert sorted(intake.rows("a.csv")) == [2, 4]
    assert intake.rejected("a.csv") == {3: "is not all in the file's encoding"}


def test_utf_16_that_ends_in_half_a_character_is_rejected(intake: Intake) -> None:
    intake.work("a.csv", "a,b\n1,2\n".encode("utf-16") + b"x")
    assert intake.verdict("a.csv") == ("REJECTED", "it is not in utf-16, as its byte order mark says")


def test_names_of_columns_are_cleaned_and_each_is_another_one(intake: Intake) -> None:
    intake.work("a.csv", b'object,row,,a,a, a\tb ,"x\ny",a\n' + b",".join(b"%d" % n for n in range(8)) + b"\n")
    assert list(intake.rows("a.csv").values()) == [
        {"column_object": "0", "column_row": "1", "column_3": "2", "a": "3", "a_2": "4", "a b": "5", "x y": "6", "a_3": "7"}
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'"a,b\n1,2\n', "its header has a quote that is not closed"),
        (b"a,\0\n1,2\n", "its header has a NUL"),
        (b",".join([b"a"] * 5000) + b"\n", "its header has more than 4096 columns"),
        (b"\n\n\n", "empty"),
        (b"a,b\n1\n2\n", "none of its rows fits"),
    ],
)
def test_a_file_without_a_header_or_a_row_that_fits_is_rejected(intake: Intake, body: bytes, reason: str) -> None:
    assert intake.work("a.csv", body) == []
    assert intake.verdict("a.csv") == ("REJECTED", reason)


def test_a_header_alone_is_a_file_without_rows(intake: Intake) -> None:
    intake.work("a.csv", b"a,b\n")
    assert (intake.verdict("a.csv"), intake.status("a.csv")["counts"]["rows"]) == (("PROCESSED", None), 0)


def test_more_rows_than_allowed_reject_the_file_and_the_status_says_how_many_are_there(intake: Intake) -> None:
    intake.variables["MAX_ROWS"] = "30"
    intake.work("a.csv", rows_of(31))
    assert intake.verdict("a.csv") == ("REJECTED", "it has more than 30 rows")
    assert (len(intake.rows("a.csv")), intake.status("a.csv")["counts"]["accepted"]) == (30, 30)


def test_as_many_rows_as_allowed_are_taken(intake: Intake) -> None:
    intake.variables["MAX_ROWS"] = "30"
    intake.work("a.csv", rows_of(30))
    assert intake.verdict("a.csv") == ("PROCESSED", None)


def test_only_the_first_thousand_bad_rows_are_listed_and_all_are_counted(intake: Intake) -> None:
    intake.work("a.csv", b"a,b\n1,2\n" + b"x\n" * 1_500)
    assert len(intake.rejected("a.csv")) == 1_000
    assert intake.status("a.csv")["counts"] == {"rows": 1_501, "accepted": 1, "rejected": 1_500}


def test_rows_go_to_the_table_in_batches_of_25_at_most(intake: Intake) -> None:
    intake.work("a.csv", rows_of(260))
    sizes = [len(batch["RequestItems"][TABLE]) for batch in intake.table.of("batch_write_item")]
    assert (max(sizes), sum(sizes), len(intake.rows("a.csv"))) == (25, 260, 260)
