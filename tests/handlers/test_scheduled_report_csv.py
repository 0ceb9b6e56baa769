import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from scheduled_report import csv_file
from scheduled_report.models import Number

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
numbers = st.one_of(
    st.integers().map(str), st.decimals(allow_nan=False, allow_infinity=False).map(lambda n: format(n, "f"))
).map(Number)
cells = st.one_of(st.none(), numbers, texts)


def read(content):
    return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))


def written(*row):
    return csv_file.line(row).decode()


def test_a_file_begins_with_the_byte_order_mark_and_the_columns():
    assert csv_file.header(("id", "größe")) == b"\xef\xbb\xbfid,gr\xc3\xb6\xc3\x9fe\r\n"


def test_nothing_is_empty_and_an_empty_text_is_quoted():
    assert written(None, "", "a") == ',"",a\r\n'


def test_a_row_with_nothing_in_its_only_column_is_no_empty_line():
    assert written(None) == '""\r\n'


def test_commas_quotes_and_new_lines_are_quoted():
    assert written('say "hi"', "a,b", "one\r\ntwo", "plain; text") == '"say ""hi""","a,b","one\r\ntwo",plain; text\r\n'


def test_texts_that_begin_like_formulas_get_an_apostrophe():
    row = ("=1+1", "+1", "-1", "@SUM(A1)", "\tx", '=HYPERLINK("http://x")')
    assert written(*row) == "'=1+1,'+1,'-1,'@SUM(A1),'\tx,\"'=HYPERLINK(\"\"http://x\"\")\"\r\n"
    assert written("\r=1") == '"\'\r=1"\r\n'


def test_a_name_of_a_column_that_begins_like_a_formula_gets_one_too():
    assert csv_file.header(("=cmd|' /C calc'!A0",)).decode() == "\ufeff'=cmd|' /C calc'!A0\r\n"


def test_numbers_are_neither_quoted_nor_marked_nor_rounded():
    digits = ("-5", "12345678901234567890123456789012345678", "0.10", "-1.5E+30")
    assert written(*map(Number, digits)) == ",".join(digits) + "\r\n"


def test_what_only_looks_like_a_number_is_a_text():
    for text in ("-Infinity", "-5; =1", "- 5", "+5", "-", "-5\n", "-٣"):
        assert type(Number.of(text)) is str
        assert written(Number.of(text)).lstrip('"').startswith("'")
    assert type(Number.of("NaN")) is str


@given(st.lists(st.lists(cells, min_size=3, max_size=3), max_size=5))
def test_any_rows_are_read_as_they_were_written(rows):
    content = b"".join(csv_file.line(row) for row in rows)
    found = read(content)
    wanted = [[("" if cell is None else shown(cell)) for cell in row] for row in rows]
    assert found == wanted


def shown(cell):
    return f"'{cell}" if not isinstance(cell, Number) and cell[:1] in tuple("=+-@\t\r\n") else str(cell)


@given(texts)
def test_no_text_begins_like_a_formula(text):
    (row,) = read(csv_file.line((text, "x")))
    assert row[0][:1] not in tuple("=+-@\t\r\n")


def test_half_a_surrogate_pair_does_not_break_the_file():
    assert written("a\ud800") == "a?\r\n"
