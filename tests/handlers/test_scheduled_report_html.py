import re
from datetime import UTC, date
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from scheduled_report import html_page
from scheduled_report.chart import chart_of
from scheduled_report.days import Day
from scheduled_report.models import Number

DAY = Day(date(2026, 3, 1), UTC)
ATTACK = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{ 7*7 }}"
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


class Reader(HTMLParser):
    """The elements of a page, and the text of its cells."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.cells, self.attributes = [], [], set()
        self._is_cell = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "td":
            self._is_cell = True
            self.cells.append("")

    def handle_endtag(self, tag):
        self._is_cell = self._is_cell and tag != "td"

    def handle_data(self, data):
        if self._is_cell:
            self.cells[-1] += data


def page(rows=(), columns=("id", "amount"), total=None, chart=None):
    rows = list(rows)
    return html_page.page("orders", DAY, columns, rows, total=len(rows) if total is None else total, chart=chart).decode()


def test_the_page_says_name_day_zone_and_how_many_rows():
    text = page([("a", Number("1"))])
    assert "<h1>orders</h1>" in text
    assert "2026-03-01 (UTC), 1 row<" in text
    assert "2 rows" in page([("a", None), ("b", None)])


def test_a_page_without_rows_says_so():
    assert "There are no rows for this day." in page()
    assert "There are no rows" not in page([("a", None)])


def test_a_page_with_a_part_of_the_rows_says_where_all_are():
    assert "Here are the first 1 of 5000 rows. The CSV file has them all." in page([("a", None)], total=5000)
    assert "The CSV file has them all" not in page([("a", None)])


def test_numbers_are_set_apart_and_nothing_is_a_dash():
    text = page([("a", Number("-5")), (None, "-5")])
    assert '<td class="number">-5</td>' in text
    assert "<td>-5</td>" in text
    assert '<td><span class="nothing">\N{EN DASH}</span></td>' in text


def test_nothing_in_a_cell_or_a_column_becomes_markup():
    text = page([(ATTACK, ATTACK)], columns=(ATTACK, "amount"))
    reader = Reader(text)
    assert reader.cells == [ATTACK, ATTACK]
    assert not {"script", "img", "iframe", "link", "a"} & set(reader.tags)
    assert not [name for name in reader.attributes if name.startswith("on")]


def test_nothing_in_a_chart_becomes_markup():
    text = page([(ATTACK[:20], Number("5"))], chart=("id", "amount"))
    assert not {"script", "img"} & set(Reader(text).tags)
    assert "<rect" in text


def test_the_page_lets_nothing_be_loaded_or_run():
    text = page([("a", None)])
    assert "default-src 'none'" in re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "http://" not in text
    assert "https://" not in text


@given(st.lists(st.tuples(texts, texts), max_size=3))
def test_any_texts_are_shown_as_they_are(rows):
    assert Reader(page(rows)).cells == [cell for row in rows for cell in row]


def test_long_cells_are_cut_for_the_page_only():
    (cell, number) = html_page.cut(("x" * 501, Number("5")))
    assert cell == "x" * 500 + "..."
    assert isinstance(number, Number)


# --- the chart


def test_bars_are_as_long_as_their_values():
    chart = chart_of([("a", Number("10")), ("b", Number("5")), ("c", Number("0"))])
    first, second, third = chart.bars
    assert (second.width * 2, third.width) == (first.width, 0)
    assert first.x == second.x == chart.label_width
    assert first.y < second.y < third.y < chart.height


def test_values_below_zero_go_to_the_left_of_zero():
    loss, gain = chart_of([("loss", Number("-10")), ("gain", Number("10"))]).bars
    assert loss.x + loss.width == gain.x


def test_what_is_no_number_has_no_bar():
    chart = chart_of([("a", "7"), ("b", None), ("c", Number("1"))])
    assert [bar.label for bar in chart.bars] == ["c"]
    assert chart_of([("a", None)]) is None


def test_a_chart_of_many_rows_shows_the_first_and_says_so():
    text = page([(f"r{n}", Number("1")) for n in range(50)], chart=("id", "amount"))
    assert text.count("<rect ") == 40
    assert "The chart shows 40 of 50 rows: the first that have a number in amount." in text


@given(
    st.lists(
        st.tuples(texts, st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: Number.of(str(number)))),
        min_size=1,
        max_size=5,
    )
)
def test_any_numbers_have_bars_inside_the_drawing(pairs):
    for bar in chart_of(pairs).bars:
        assert 0 <= bar.x <= bar.x + bar.width <= 720
