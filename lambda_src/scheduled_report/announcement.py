"""What people are told of a report."""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment

from scheduled_report.days import Day

_HTML = Environment(autoescape=True).from_string(
    "<p>{{ summary }}</p>\n"
    '<ul>{% for name, link in links %}<li><a href="{{ link }}">{{ name }}</a></li>{% endfor %}</ul>\n'
    "<p>{{ note }}</p>\n"
)


@dataclass(frozen=True, slots=True)
class Announcement:
    """A message.

    Args:
        subject: One line of ASCII, shorter than 100 characters.
        text: Plain text.
        html: The same for mail programs.
    """

    subject: str
    text: str
    html: str


def announcement_of(report: str, day: Day, rows: int, links: Sequence[tuple[str, str]], link_seconds: int) -> Announcement:
    """The message about a report.

    Args:
        report: Its name, which has nothing but letters, digits, ``-`` and ``_``.
        day: Its day.
        rows: How many rows it has.
        links: The name of each file, and a link to it.
        link_seconds: How long the links work.
    """
    date = day.date.isoformat()
    counted = "no rows" if rows == 0 else "1 row" if rows == 1 else f"{rows} rows"
    summary = f"The report {report} of {date} ({day.zone}) has {counted}."
    note = (
        f"The links work for at most {_duration(link_seconds)}, and for everybody who has them. The files stay in the bucket."
    )
    files = "\n\n".join(f"{name}:\n{link}" for name, link in links)
    return Announcement(
        f"{report} {date}: {counted}",
        f"{summary}\n\n{files}\n\n{note}\n",
        _HTML.render(summary=summary, links=links, note=note),
    )


def _duration(seconds: int) -> str:
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}{'' if seconds == length else 's'}"
    return f"{seconds} seconds"
