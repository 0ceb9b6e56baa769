"""The report as a page to read and to print: one file without scripts, whatever its cells hold."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scheduled_report.chart import chart_of
from scheduled_report.days import Day
from scheduled_report.models import Cell, Number, Row

_LONGEST_CELL = 500

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def cut(row: Row) -> Row:
    """The row as far as the page shows it, so that a thousand of them are no matter for the memory."""
    return tuple(_cut(cell) for cell in row)


def page(
    name: str, day: Day, columns: Sequence[str], rows: Sequence[Row], *, total: int, chart: tuple[str, str] | None
) -> bytes:
    """The page.

    Args:
        name: What the report is called.
        day: The day that it is about.
        columns: The names of the columns.
        rows: The rows that it shows.
        total: How many there are.
        chart: The columns with the label and the value of each bar, if there is a chart.
    """
    bars = None
    if chart is not None:
        label, value = (columns.index(column) for column in chart)
        bars = chart_of((row[label], row[value]) for row in rows)
    text = _TEMPLATES.get_template("report.html.jinja").render(
        name=name,
        date=day.date.isoformat(),
        zone=str(day.zone),
        columns=columns,
        rows=rows,
        total=total,
        chart=bars,
        chart_columns=chart,
        is_number=lambda cell: isinstance(cell, Number),
    )
    return text.encode("utf-8", "replace")


def _cut(cell: Cell) -> Cell:
    if cell is None or len(cell) <= _LONGEST_CELL:
        return cell
    return f"{cell[:_LONGEST_CELL]}..."
