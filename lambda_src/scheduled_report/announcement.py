"""What is told of a report: to people in words and links, to a bus as an event."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment

from scheduled_report.days import Day
from scheduled_report.models import Files, Run, State
from shared.envelope import Envelope
from shared.times import timestamp

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
        event: The same for programs.
    """

    subject: str
    text: str
    html: str
    event: Envelope


@dataclass(frozen=True, slots=True)
class Made:
    """A report that has been made.

    Args:
        run: The run that made it.
        day: Its day.
        files: Its files.
        bucket: Where they are.
        time: When they were there.
    """

    run: Run
    day: Day
    files: Files
    bucket: str
    time: datetime


def announcement_of(made: Made, report: str, links: Sequence[tuple[str, str]], link_seconds: int) -> Announcement:
    """The message about a report.

    Args:
        made: The report.
        report: Its name, which has nothing but letters, digits, ``-`` and ``_``.
        links: The name of each file, and a link to it.
        link_seconds: How long the links work.
    """
    day, rows = made.day, made.files.rows
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
        _event_of(made, report, links, link_seconds),
    )


def _event_of(made: Made, report: str, links: Sequence[tuple[str, str]], link_seconds: int) -> Envelope:
    """The event of this report: the same one for each try of an invocation, another one if the report is made again."""
    return Envelope(
        id=f"{made.run.id}:{made.run.request}:{State.DONE}",
        type=f"reports.{State.DONE.lower()}",
        time=timestamp(made.time),
        correlation_id=made.run.id,
        causation_id=made.run.request,
        source=f"scheduled_report/{report}",
        data={
            "report": report,
            "date": made.day.date.isoformat(),
            "time_zone": str(made.day.zone),
            "rows": made.files.rows,
            "bytes": made.files.bytes,
            "bucket": made.bucket,
            "files": [{"key": key, "link": link} for key, (_, link) in zip(made.files.keys, links, strict=True)],
            "link_seconds": link_seconds,
        },
    )


def _duration(seconds: int) -> str:
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}{'' if seconds == length else 's'}"
    return f"{seconds} seconds"
