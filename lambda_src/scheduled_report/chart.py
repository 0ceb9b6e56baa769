"""A bar for each row: where the bars go. The page draws them."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from scheduled_report.models import Cell, Number

#: More bars than this are no picture any more.
MOST_BARS = 40

WIDTH = 720
BAR_HEIGHT = 16
STEP = 22
LABEL_WIDTH = 180
#: Room for the number at the end of the longest bar.
_VALUE_WIDTH = 110
_LONGEST_LABEL = 26
_LONGEST_VALUE = 16


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar and the words beside it, in the units of the drawing."""

    label: str
    value: str
    x: float
    y: int
    width: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The bars, and the size of the drawing."""

    bars: tuple[Bar, ...]
    height: int
    width: int = WIDTH
    label_width: int = LABEL_WIDTH
    bar_height: int = BAR_HEIGHT


def chart_of(pairs: Iterable[tuple[Cell, Cell]]) -> Chart | None:
    """The chart of these labels and values; values that are no numbers have no bar. ``None`` if no bar is left."""
    numbers = [(label or "", value, Decimal(value)) for label, value in pairs if isinstance(value, Number)][:MOST_BARS]
    if not numbers:
        return None
    least = min(Decimal(0), *(number for _, _, number in numbers))
    most = max(Decimal(0), *(number for _, _, number in numbers))
    unit = (most - least) or Decimal(1)
    room = WIDTH - LABEL_WIDTH - _VALUE_WIDTH
    bars = (
        Bar(
            label=_cut(label, _LONGEST_LABEL),
            value=_cut(value, _LONGEST_VALUE),
            x=round(LABEL_WIDTH + room * float((min(number, Decimal(0)) - least) / unit), 2),
            y=place * STEP,
            width=round(room * float(abs(number) / unit), 2),
        )
        for place, (label, value, number) in enumerate(numbers)
    )
    return Chart(tuple(bars), len(numbers) * STEP)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
