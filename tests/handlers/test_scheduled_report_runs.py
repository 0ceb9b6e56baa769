"""A run from its tick to its announcement, and each way in which it can end before."""

import copy
import json
import threading
import tracemalloc
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from scheduled_report import channels, handler
from scheduled_report.bucket import PART_BYTES, ReportBucket
from scheduled_report.models import Number, Table
from shared.errors import ConflictError, HandlerError, InvalidError
from tests.handlers.api_client import Context
from tests.handlers.report_client import KEYS, NOW, TICK, refusal

NO_MORE = "The source has no more."
DONE = {"report": "daily_orders", "date": "2026-03-01", "rows": 1, "keys": KEYS, "state": "DONE"}


@pytest.fixture
def reports(reports):
    reports.put_items({"id": "a", "amount": 5})
    return reports


def source_of(rows, columns=("id", "amount")):
    @contextmanager
    def opened(_day, _deadline):
        yield Table(columns, iter(rows))

    return SimpleNamespace(open=opened)


def failing():
    """Rows that end in an error."""
    yield ("a", Number("5"))
    raise ZeroDivisionError


def metrics_of(text):
    lines = [json.loads(line) for line in text.splitlines() if '"_aws"' in line]
    return [metric["Name"] for line in lines for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]]


# --- what comes of a run


def test_a_run_answers_what_it_has_made(reports):
    assert reports.run() == DONE
    assert sorted(reports.keys) == sorted(KEYS)


def test_a_run_writes_down_what_it_has_made(reports):
    reports.run()
    row = reports.row()
    sizes = sum(len(reports.file(key).encode()) for key in KEYS)
    assert (row["state"], row["attempts"], row["rows"], row["keys"], row["bytes"]) == ("DONE", 1, 1, KEYS, sizes)
    assert (row["report"], row["report_date"], row["started_at"]) == ("daily_orders", "2026-03-01", "2026-03-02T05:00:07.000Z")


def test_files_say_what_they_are(reports):
    reports.run()
    heads = [reports.s3.client.head_object(Bucket=reports.bucket, Key=key) for key in KEYS]
    assert [head["ContentType"] for head in heads] == ["text/csv; charset=utf-8", "text/html; charset=utf-8"]
    assert heads[0]["ContentDisposition"] == 'attachment; filename="daily_orders-2026-03-01.csv"'
    assert heads[1]["ContentDisposition"] == "inline"


def test_the_page_shows_the_first_rows_and_its_chart_the_first_bars(reports):
    reports.variables |= {"HTML_ROWS": "2", "CHART_LABEL": "id", "CHART_VALUE": "amount"}
    reports.run(source=source_of([(f"order {n}", Number(str(n))) for n in range(5)]))
    assert reports.html.count("<td>order") == 2
    assert "Here are the first 2 of 5 rows." in reports.html
    assert reports.html.count("<rect") == 2


def test_a_chart_of_a_column_that_there_is_not_fails(reports):
    reports.variables |= {"CHART_LABEL": "id", "CHART_VALUE": "total"}
    with pytest.raises(InvalidError, match="no column total"):
        reports.run()


def test_a_report_without_rows_is_written_and_announced(reports):
    reports.announce()
    assert reports.run(source=source_of([]))["rows"] == 0
    assert sorted(reports.keys) == sorted(KEYS)
    assert reports.published[0]["Subject"] == "daily_orders 2026-03-01: no rows"


def test_a_back_fill_goes_to_the_place_of_its_day(reports):
    assert reports.run({"date": "2026-01-31"})["keys"][0] == "reports/dt=2026-01-31/daily_orders.csv"


def test_an_event_that_asks_for_nothing_leaves_nothing(reports):
    with pytest.raises(InvalidError):
        reports.run({"date": "tomorrow"})
    assert reports.table.made == []
    assert reports.keys == []


def test_only_a_report_of_the_last_day_tells_the_alarm_that_it_is_there(reports, capsys):
    reports.run({"date": "2026-02-27"})
    assert metrics_of(capsys.readouterr().out) == []
    reports.run()
    assert metrics_of(capsys.readouterr().out) == ["ReportSucceeded"]
    reports.now = NOW + timedelta(days=1, hours=2)
    reports.run({"date": "2026-03-01"})
    assert metrics_of(capsys.readouterr().out) == []


def test_a_report_that_took_until_after_midnight_still_tells_the_alarm(reports, capsys):
    reports.run({"date": "2026-02-28"})
    assert metrics_of(capsys.readouterr().out) == ["ReportSucceeded"]


def test_a_report_whose_schedule_may_begin_late_still_tells_the_alarm(reports, capsys):
    reports.now = NOW + timedelta(hours=26)  # a tick of 05:00 with a window of a day, and two hours more
    reports.run()
    assert metrics_of(capsys.readouterr().out) == []
    reports.variables["FLEXIBLE_WINDOW_SECONDS"] = "86400"
    reports.run()
    assert metrics_of(capsys.readouterr().out) == ["ReportSucceeded"]


# --- the same day twice


def test_the_second_tick_of_a_day_does_nothing_and_answers_the_same(reports):
    reports.announce()
    first = reports.run()
    calls = len(reports.s3.made)
    assert reports.run() == first
    assert reports.run({"date": "2026-03-01"}) == first
    assert len(reports.s3.made) == calls
    assert (len(reports.published), len(reports.mailed)) == (1, 1)


def test_a_report_can_be_made_and_announced_again(reports):
    reports.announce()
    reports.run()
    reports.put_items({"id": "b", "amount": 7})
    reports.context.aws_request_id = "another"
    assert reports.run(TICK | {"again": True})["rows"] == 2
    assert (len(reports.published), len(reports.mailed), reports.row()["attempts"]) == (2, 2, 2)


def test_lambdas_own_retry_of_a_report_that_was_made_again_does_not_make_it_again(reports):
    reports.announce()
    reports.run()
    reports.context.aws_request_id = "another"
    for _ in range(2):
        reports.run(TICK | {"again": True})
    assert (len(reports.published), reports.row()["attempts"]) == (2, 2)


def made_by(reports, function, state):
    """Another function has made the report of the day, or has tried to, or was cut off over it."""
    reports.context = replace(reports.context, function_name=function, aws_request_id=f"of {function}")
    if state == "DONE":
        reports.run()
    else:
        reports.table.failures["update_item"] = [] if state == "FAILED" else [None, refusal("UpdateItem")]
        with pytest.raises(ZeroDivisionError):
            reports.run(source=source_of(failing()))
    reports.context = replace(reports.context, function_name="orders", aws_request_id="another")
    assert reports.row()["state"] == state


@pytest.mark.parametrize("state", ["DONE", "FAILED", "RUNNING"])
def test_a_report_of_another_function_is_not_taken_for_ones_own(reports, state):
    reports.announce()
    made_by(reports, "refunds", state)
    row, told = reports.row(), len(reports.published)
    with pytest.raises(InvalidError) as caught:
        reports.run()
    assert "is that of the function refunds: two reports of one name share the table" in caught.value.detail
    assert (reports.row(), len(reports.published)) == (row, told)


@pytest.mark.parametrize(("state", "told"), [("DONE", 2), ("FAILED", 1)])
def test_a_function_that_replaces_another_takes_its_report_over_when_it_is_told_to(reports, state, told):
    reports.announce()
    made_by(reports, "before", state)
    for _ in range(2):  # Lambda's own retry too
        assert reports.run(TICK | {"again": True})["rows"] == 1
    assert (reports.row()["owner"], len(reports.published)) == ("orders", told)


def test_a_mail_names_the_configuration_set_that_it_is_sent_with(reports):
    reports.announce()
    reports.run()
    assert "ConfigurationSetName" not in reports.mailed[0]
    reports.variables["MAIL_CONFIGURATION_SET"] = "reports"
    reports.run({"date": "2026-02-27"})
    assert reports.mailed[1]["ConfigurationSetName"] == "reports"


def test_a_row_that_names_no_function_is_ones_own(reports):
    reports.run()
    reports.table.client.update_item(
        TableName="keys-table",
        Key={"id": {"S": "daily_orders#2026-03-01"}},
        UpdateExpression="REMOVE #owner",
        ExpressionAttributeNames={"#owner": "owner"},
    )
    assert reports.run() == DONE


def test_a_tick_while_the_report_is_being_made_is_refused_and_changes_nothing(reports):
    found = []

    @contextmanager
    def opened(_day, _deadline):
        before = reports.row()
        reports.context = Context(300_000, aws_request_id="another")
        with pytest.raises(ConflictError, match="Another run makes the report of this day"):
            reports.run()
        found.append(reports.row() == before)
        yield Table(("id",), iter([("a",)]))

    assert reports.run(source=SimpleNamespace(open=opened))["state"] == "DONE"
    assert found == [True]


def test_of_ticks_at_the_same_moment_one_makes_the_report(reports):
    reports.announce()
    both = threading.Barrier(4, timeout=20)
    ends = []
    original = reports.table.client.update_item
    waiting = threading.local()
    one_after_the_other = threading.Lock()  # an update of DynamoDB is atomic, one of moto is not

    def together(**parameters):
        if not getattr(waiting, "passed", False):
            waiting.passed = True
            both.wait()
        with one_after_the_other:
            return original(**parameters)

    reports.table.client = SimpleNamespace(
        update_item=together, scan=reports.table.client.scan, exceptions=reports.table.client.exceptions
    )

    def run(number):
        one = copy.copy(reports)
        one.context = Context(300_000, aws_request_id=f"request-{number}")
        try:
            ends.append(one.run()["state"])
        except ConflictError:
            ends.append("refused")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(ends) <= {"DONE", "refused"}
    assert "DONE" in ends
    assert (len(reports.published), len(reports.mailed), reports.row()["attempts"]) == (1, 1, 1)


def cut_off(reports):
    """A run that ends after its claim, and writes no reason down."""
    reports.table.failures["update_item"] = [None, KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        reports.run()
    assert reports.row()["state"] == "RUNNING"


def test_a_run_that_was_cut_off_is_taken_up_at_once_by_lambdas_own_retry(reports):
    cut_off(reports)
    assert reports.run() == DONE
    assert reports.row()["attempts"] == 2


def test_a_run_that_was_made_again_and_cut_off_is_announced_once_by_lambdas_own_retry(reports):
    reports.announce()
    reports.run()
    reports.context.aws_request_id = "another"
    reports.table.failures["update_item"] = [None, None, None, None, KeyboardInterrupt()]  # after topic and mail
    with pytest.raises(KeyboardInterrupt):
        reports.run(TICK | {"again": True})
    assert reports.row()["state"] == "RUNNING"
    assert reports.run(TICK | {"again": True}) == DONE
    assert (len(reports.published), len(reports.mailed)) == (2, 2)


def test_a_run_that_was_cut_off_is_taken_up_by_another_one_when_its_time_is_over(reports):
    cut_off(reports)
    reports.context.aws_request_id = "another"
    reports.now = NOW + timedelta(seconds=300)
    with pytest.raises(ConflictError):
        reports.run()
    reports.now = NOW + timedelta(seconds=306)
    assert reports.run() == DONE
    assert reports.row()["attempts"] == 2


def test_a_run_that_was_overtaken_does_not_write_over_the_other_one(reports):
    @contextmanager
    def opened(_day, _deadline):
        reports.now = NOW + timedelta(hours=1)
        reports.run(source=source_of([("b", None), ("c", None)]))
        yield Table(("id",), iter([("a",)]))

    with pytest.raises(ConflictError, match="Another run has taken over"):
        reports.run(source=SimpleNamespace(open=opened))
    assert (reports.row()["state"], reports.row()["rows"]) == ("DONE", 2)


class Forgetful:
    """A client of DynamoDB whose SDK repeats an update, because the answer to it got lost."""

    def __init__(self, client, losing):
        self._client = client
        self._losing = losing

    def __getattr__(self, name):
        return getattr(self._client, name)

    def update_item(self, **parameters):
        if self._losing in parameters["UpdateExpression"]:
            self._client.update_item(**parameters)
        return self._client.update_item(**parameters)


@pytest.mark.parametrize("losing", ["#state = :running", "published_at = :now", "mailed_at = :now", "#state = :done"])
@pytest.mark.parametrize("event", [{"date": "2026-03-02"}, TICK | {"again": True}])
def test_an_update_whose_answer_got_lost_does_not_stand_in_its_own_way(reports, losing, event):
    reports.run()
    reports.announce()
    reports.context.aws_request_id = "another"
    reports.now += timedelta(days=1)
    reports.table.client = Forgetful(reports.table.client, losing)
    assert reports.run(event)["state"] == "DONE"
    assert (len(reports.published), len(reports.mailed)) == (1, 1)


# --- failures


def test_a_bucket_that_refuses_means_no_mail_and_a_reason(reports, capsys):
    reports.announce()
    reports.s3.failures["put_object"] = [refusal("PutObject")]
    with pytest.raises(ClientError):
        reports.run()
    row = reports.row()
    assert (row["state"], row["reason"]) == ("FAILED", "PutObject did not work: AccessDenied.")
    assert (reports.published, reports.mailed) == ([], [])
    assert metrics_of(capsys.readouterr().out) == ["ReportFailed"]


def test_a_page_that_cannot_be_written_means_no_mail(reports):
    reports.announce()
    reports.s3.failures["put_object"] = [None, refusal("PutObject")]
    with pytest.raises(ClientError):
        reports.run()
    assert (reports.published, reports.mailed) == ([], [])


def test_a_source_that_fails_in_the_middle_leaves_no_file(reports):
    def rows():
        yield ("a", None)
        raise InvalidError(NO_MORE)

    with pytest.raises(InvalidError):
        reports.run(source=source_of(rows()))
    assert reports.keys == []
    assert reports.row()["reason"] == NO_MORE


def test_a_failed_run_is_made_anew_by_the_next_try(reports):
    reports.s3.failures["put_object"] = [refusal("PutObject", "SlowDown")]
    with pytest.raises(ClientError):
        reports.run()
    assert reports.run() == DONE
    assert reports.row()["attempts"] == 2
    assert "reason" not in reports.row()


def test_a_mail_that_fails_after_the_topic_is_all_that_the_next_try_sends(reports):
    reports.announce()
    reports.ses.failures["send_email"] = [refusal("SendEmail", "MessageRejected")]
    with pytest.raises(ClientError):
        reports.run()
    assert reports.row()["reason"] == "SendEmail did not work: MessageRejected."
    reports.run()
    assert (len(reports.published), len(reports.mailed)) == (1, 2)


def test_a_run_that_cannot_be_finished_after_the_mail_sends_no_second_one(reports):
    reports.announce()
    reports.table.failures["update_item"] = [None, None, None, refusal("UpdateItem", "ThrottlingException")]
    with pytest.raises(ClientError):
        reports.run()
    assert reports.row()["state"] == "FAILED"
    assert reports.run() == DONE
    assert (len(reports.published), len(reports.mailed)) == (1, 1)


def test_a_message_without_an_answer_in_time_is_not_sent_by_the_sdk_a_second_time():
    client = boto3.client("sns", config=channels.CONFIG)
    assert client.meta.config.retries["total_max_attempts"] == 1


def test_a_reason_that_cannot_be_written_down_does_not_hide_the_failure(reports, log_lines):
    reports.s3.failures["put_object"] = [refusal("PutObject")]
    reports.table.failures["update_item"] = [None, ReadTimeoutError(endpoint_url="x")]
    with pytest.raises(ClientError, match="PutObject"):
        reports.run()
    assert [line["message"] for line in log_lines()] == ["report failed", "reason not written down"]


def test_a_bug_is_named_by_its_class_only(reports):
    def rows():
        yield ("a", {"secret": "4111"}["nothing"])

    with pytest.raises(KeyError):
        reports.run(source=source_of(rows()))
    assert reports.row()["reason"] == "unexpected error: KeyError"


def test_a_report_with_too_many_rows_says_so(reports):
    reports.variables["MAX_ROWS"] = "3"
    assert reports.run({"date": "2026-02-01"}, source_of([("a", None)] * 3))["rows"] == 3
    with pytest.raises(InvalidError, match="more than 3 rows, which is its limit"):
        reports.run(source=source_of([("a", None)] * 4))
    assert [key for key in reports.keys if "2026-03-01" in key] == []


def test_a_report_that_has_too_little_time_says_so(reports):
    reports.context.milliseconds_left = 20_000
    with pytest.raises(HandlerError, match="too little time left"):
        reports.run()
    assert reports.row()["state"] == "FAILED"


# --- large reports


LARGE = "x" * 999


def test_a_large_report_is_sent_in_parts(reports):
    count = 2 * PART_BYTES // 1000 + 100
    reports.run(source=source_of((f"{n:06}", LARGE) for n in range(count)))
    made = reports.s3.names
    assert (made.count("create_multipart_upload"), made.count("upload_part"), made.count("complete_multipart_upload")) == (
        1,
        3,
        1,
    )
    lines = reports.csv.split("\r\n")
    assert [line[:6] for line in lines[1:-1]] == [f"{n:06}" for n in range(count)]
    assert [len(part["Body"]) >= PART_BYTES for part in reports.s3.of("upload_part")] == [True, True, False]


def test_a_large_report_that_fails_leaves_no_parts(reports):
    def rows():
        for n in range(PART_BYTES // 500):
            yield (str(n), LARGE)
        raise InvalidError(NO_MORE)

    with pytest.raises(InvalidError):
        reports.run(source=source_of(rows()))
    assert reports.s3.names.count("upload_part") >= 1
    assert reports.keys == []
    assert "Uploads" not in reports.s3.client.list_multipart_uploads(Bucket=reports.bucket)


def test_parts_that_cannot_be_thrown_away_do_not_hide_why(reports, log_lines):
    reports.s3.failures = {
        "complete_multipart_upload": [refusal("CompleteMultipartUpload")],
        "abort_multipart_upload": [refusal("AbortMultipartUpload")],
    }
    with pytest.raises(ClientError, match="CompleteMultipartUpload"):
        reports.run(source=source_of((str(n), LARGE) for n in range(PART_BYTES // 900)))
    assert "upload not aborted" in [line["message"] for line in log_lines()]


class Nowhere:
    """A bucket that keeps nothing, not even what it was asked."""

    sent = 0

    def create_multipart_upload(self, **_):
        return {"UploadId": "1"}

    def upload_part(self, **parameters):
        self.sent += len(parameters["Body"])
        return {"ETag": "1"}

    def put_object(self, **parameters):
        self.sent += len(parameters["Body"])

    def complete_multipart_upload(self, **_):
        pass

    def generate_presigned_url(self, *_, **__):
        return "https://example.com"


def test_memory_does_not_grow_with_the_rows(reports):
    reports.s3 = Nowhere()

    def peak(count, date):
        tracemalloc.start()
        reports.run({"date": date}, source_of((f"{n:06}", LARGE) for n in range(count)))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1_000, "2026-02-01")  # what is loaded once
    few, many = peak(1_000, "2026-02-02"), peak(50_000, "2026-02-03")
    assert reports.s3.sent > 50_000_000
    assert many - few < 2.5 * PART_BYTES, "the part that waits, and its copy while it is sent"


# --- announcements


def test_people_are_told_with_links_to_both_files(reports):
    reports.announce()
    reports.run()
    (message,) = reports.published
    assert message["TopicArn"] == reports.topic
    assert message["Subject"] == "daily_orders 2026-03-01: 1 row"
    assert message["Message"].startswith(
        "The report daily_orders of 2026-03-01 (UTC) has 1 row.\n\ndaily_orders.csv:\nhttps://"
    )
    (mail,) = reports.mailed
    assert mail["FromEmailAddress"] == "reports@example.com"
    assert mail["Destination"] == {"ToAddresses": ["ann@example.com", "bob@example.com"]}
    simple = mail["Content"]["Simple"]
    assert simple["Subject"]["Data"] == "daily_orders 2026-03-01: 1 row"
    assert simple["Body"]["Text"]["Data"] == message["Message"]
    html = simple["Body"]["Html"]["Data"]
    assert html.count('<a href="https://') == 2
    assert "&amp;X-Amz-Signature=" in html
    assert "&X-Amz" not in html


def test_nobody_is_told_where_nobody_is_named(reports):
    reports.run()
    assert (reports.sns.made, reports.ses.made) == ([], [])


@pytest.mark.parametrize(
    ("seconds", "words"), [("3600", "1 hour"), ("43200", "12 hours"), ("90", "90 seconds"), ("600", "10 minutes")]
)
def test_links_work_as_long_as_they_say(reports, seconds, words):
    reports.announce()
    reports.variables["LINK_SECONDS"] = seconds
    reports.run()
    text = reports.published[0]["Message"]
    links = [line for line in text.splitlines() if line.startswith("https://")]
    assert [parse_qs(urlsplit(link).query)["X-Amz-Expires"] for link in links] == [[seconds]] * 2
    assert f"The links work for at most {words}," in text


def test_links_name_the_buckets_own_region(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    link = ReportBucket("my-bucket").link(KEYS[0], 60)
    assert link.startswith("https://my-bucket.s3.eu-central-1.amazonaws.com/reports/dt%3D2026-03-01/daily_orders.csv?")
    assert parse_qs(urlsplit(link).query)["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]


def test_links_of_a_local_run_lead_to_it(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert ReportBucket("my-bucket").link(KEYS[0], 60).startswith("http://127.0.0.1:4566/my-bucket/reports/")


def test_neither_links_nor_rows_get_into_the_log_the_row_or_the_answer(reports, log_lines):
    reports.announce()
    reports.put_items({"id": "card 4111 1111", "amount": 1})
    answer = reports.run()
    written = json.dumps([log_lines(), answer, reports.row()], default=str)
    assert "X-Amz-Signature" not in written
    assert "card 4111" not in written
    assert [line["message"] for line in log_lines()] == ["report"]


# --- as Lambda invokes it


def test_the_function_makes_the_report_of_its_environment(reports, monkeypatch):
    variables = {
        "REPORT_NAME": "stock",
        "TIME_ZONE": "Europe/Berlin",
        "REPORT_BUCKET_NAME": reports.bucket,
        "REPORT_PREFIX": "daily/stock/",
        "RUNS_TABLE_NAME": "keys-table",
        "SOURCE": "dynamodb",
        "SOURCE_TABLE_NAME": "items-table",
        "COLUMNS": "id,amount",
        "TOPIC_ARN": reports.topic,
        "MAIL_FROM": "reports@example.com",
        "MAIL_TO": "ann@example.com",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for cached in (handler._settings, handler._reporter):  # noqa: SLF001  as in a new execution environment
        cached.cache_clear()
    day = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
    answer = handler.handler({"date": day}, reports.context)
    keys = [f"daily/stock/dt={day}/stock.csv", f"daily/stock/dt={day}/stock.html"]
    assert answer == {"report": "stock", "date": day, "rows": 1, "keys": keys, "state": "DONE"}
    assert reports.file(keys[0]) == "\ufeffid,amount\r\na,5\r\n"
    assert {"published_at", "mailed_at"} <= reports.row(f"stock#{day}").keys()
    for cached in (handler._settings, handler._reporter):  # noqa: SLF001
        cached.cache_clear()
