"""What makes a report: its steps, in an order in which each can be repeated. It makes no call itself.

The run is claimed, the files are written, people are told, the run is done. A run that fails anywhere is made anew from the
start by the next try, which writes the same keys and tells nobody twice who has been told.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from aws_lambda_powertools.utilities.typing import LambdaContext

from scheduled_report import csv_file, html_page
from scheduled_report.announcement import Announcement, Made, announcement_of
from scheduled_report.days import Day, Order
from scheduled_report.deadline import Deadline
from scheduled_report.models import Claimant, Files, Row, Run, Settings, State, Table
from scheduled_report.reasons import reason_of
from shared import metrics
from shared.errors import InvalidError, TooLargeError
from shared.observability import best_effort, logger
from shared.times import utc_now

_CSV = "text/csv; charset=utf-8"
_HTML = "text/html; charset=utf-8"


class Source(Protocol):
    """Where the rows come from."""

    def open(self, day: Day, deadline: Deadline) -> AbstractContextManager[Table]:
        """The rows of a day, all as they were at one moment.

        Raises:
            TooLargeError: They came in pages that were too large, and would come in smaller ones the next time.
        """


class Runs(Protocol):
    """The table of the runs."""

    def claim(self, report: str, order: Order, claimant: Claimant, seconds: float) -> Run:
        """Take the report of a day up, unless it is done."""

    def published(self, run: Run) -> None:
        """Write down that the topic or the bus has been told."""

    def mailed(self, run: Run) -> None:
        """Write down that the mail has been sent."""

    def finish(self, run: Run, files: Files) -> Run:
        """Write down what has been made."""

    def fail(self, run: Run, reason: str) -> None:
        """Write down why it failed."""


class Upload(Protocol):
    """A file on its way into the bucket."""

    size: int

    def write(self, content: bytes) -> None:
        """Add to it."""

    def complete(self) -> None:
        """Make it an object."""


class Bucket(Protocol):
    """The bucket of the reports."""

    def upload(self, key: str, content_type: str, disposition: str) -> AbstractContextManager[Upload]:
        """A file to write, which is there only once it is completed."""

    def link(self, key: str, seconds: int) -> str:
        """A link to a file."""


class Channel(Protocol):
    """A way to tell people."""

    def send(self, announcement: Announcement) -> None:
        """Tell them."""


class Reporter:
    """Makes the report of a day.

    Args:
        settings: The handler's settings.
        source: Where the rows come from.
        bucket: Where the files go.
        runs: The table of the runs.
        announcer: The topic or the bus that is told, if any.
        mail: Who gets a mail, if anybody.
        clock: The time of day.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        bucket: Bucket,
        runs: Runs,
        *,
        announcer: Channel | None = None,
        mail: Channel | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._source = source
        self._bucket = bucket
        self._runs = runs
        self._announcer = announcer
        self._mail = mail
        self._clock = clock

    def __call__(self, event: object, context: LambdaContext) -> dict[str, Any]:
        """Make the report that the event asks for, unless it is there.

        Raises:
            InvalidError: The event asks for none, or the report cannot be made like this.
            ConflictError: Another run is making it.
        """
        deadline = Deadline(context)
        order = Order.parse(event, self._settings.time_zone, self._clock())
        day, name = order.day, self._settings.report_name
        logger.append_keys(report=name, report_date=day.date.isoformat())
        run = self._runs.claim(name, order, Claimant(context.aws_request_id, context.function_name), deadline.whole())
        if run.state is not State.DONE:
            run = self._made(run, day, deadline)
        if day.is_latest(
            self._clock() - self._settings.flexible_window
        ):  # of an older day it would tell the alarm that today's report is there
            metrics.count("ReportSucceeded")
        files = run.files
        logger.info("report", extra={"state": run.state, "rows": files.rows, "bytes": files.bytes, "attempt": run.attempts})
        return {
            "report": name,
            "date": day.date.isoformat(),
            "rows": files.rows,
            "keys": list(files.keys),
            "state": str(run.state),
        }

    def _made(self, run: Run, day: Day, deadline: Deadline) -> Run:
        try:
            files = self._written_in_fitting_pages(day, deadline)
            self._announce(run, day, files)
            return self._runs.finish(run, files)
        except Exception as error:
            self._failed(run, reason_of(error))
            raise

    def _failed(self, run: Run, reason: str) -> None:
        metrics.count("ReportFailed")
        logger.error("report failed", reason=reason, attempt=run.attempts)
        with best_effort("reason not written down"):  # the reason itself must not get lost over it
            self._runs.fail(run, reason)

    def _written_in_fitting_pages(self, day: Day, deadline: Deadline) -> Files:
        """Write the files, from their beginning again as long as the source finds that its pages are too large."""
        while True:
            try:
                return self._written(day, deadline)
            except TooLargeError as error:
                logger.info("begun again with smaller pages", reason=error.detail)

    def _written(self, day: Day, deadline: Deadline) -> Files:
        """Write the files. The CSV is completed once the source has been read to its end and the page is made."""
        csv_key, html_key = self._keys(day)
        with self._bucket.upload(csv_key, _CSV, f'attachment; filename="{self._file_name(day)}"') as upload:
            with self._source.open(day, deadline) as table:
                self._check_chart(table)
                shown, total = self._streamed(table, upload)
            page = html_page.page(
                self._settings.report_name, day, table.columns, shown, total=total, chart=self._settings.chart
            )
            upload.complete()
        with self._bucket.upload(html_key, _HTML, "inline") as second:
            second.write(page)
            second.complete()
        return Files((csv_key, html_key), total, upload.size + second.size)

    def _keys(self, day: Day) -> tuple[str, str]:
        begin = f"{self._settings.prefix}dt={day.date.isoformat()}/{self._settings.report_name}"
        return f"{begin}.csv", f"{begin}.html"

    def _file_name(self, day: Day) -> str:
        return f"{self._settings.report_name}-{day.date.isoformat()}.csv"

    def _check_chart(self, table: Table) -> None:
        for column in self._settings.chart or ():
            if column not in table.columns:
                msg = f"The report has no column {column}, which CHART_LABEL or CHART_VALUE names."
                raise InvalidError(msg)

    def _streamed(self, table: Table, upload: Upload) -> tuple[list[Row], int]:
        """Write all rows; the answer is those for the page, and how many there were."""
        shown: list[Row] = []
        total = 0
        upload.write(csv_file.header(table.columns))
        for row in table.rows:
            total += 1
            if total > self._settings.most_rows:
                msg = f"The report has more than {self._settings.most_rows} rows, which is its limit (MAX_ROWS)."
                raise InvalidError(msg)
            upload.write(csv_file.line(row))
            if total <= self._settings.html_rows:
                shown.append(html_page.cut(row))
        return shown, total

    def _announce(self, run: Run, day: Day, files: Files) -> None:
        seconds = self._settings.announcement.link_seconds
        links = [(key.rpartition("/")[2], self._bucket.link(key, seconds)) for key in files.keys]
        announcement = announcement_of(
            Made(run, day, files, self._settings.bucket_name, self._clock()), self._settings.report_name, links, seconds
        )
        if self._announcer is not None and not run.published:
            self._announcer.send(announcement)
            self._runs.published(run)
        if self._mail is not None and not run.mailed:
            self._mail.send(announcement)
            self._runs.mailed(run)
