"""ScheduledReport broken on purpose: its database is down, slow or asleep, what it calls refuses, and it dies in the middle."""

import json
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from serverless_patterns.local.database import Database
from serverless_patterns.local.processes import wait_until
from serverless_patterns.local.queues import Inbox
from serverless_patterns.local.reports import Reports
from tests.support.between import Between, refusal_in_json, refusal_in_xml
from tests.support.report_stack import SQL, TABLE, ReportStack, links_in, new_day, opened, sell, told
from tests.support.waiting import PATIENCE, eventually

SENDER = "reports@broken.example"
#: What Lambda does of itself with an event that fails.
TRIES = 3
MANY = 200_000
#: Bytes. Parts of the upload and pages of rows are held, but never all rows: those are 90 MB more.
HELD = 40 * 1024 * 1024

APP = f"""
from types import SimpleNamespace
from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_sns as sns

items = dynamodb.Table(
    stack, "Items", partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
    removal_policy=RemovalPolicy.DESTROY,
)
alarms = sns.Topic(stack, "Alarms")
given = {{
    "Broken": {{
        "query": ReportQuery(
            sql={SQL!r}, key_columns=["id"], page_rows=5000, statement_timeout=Duration.seconds(1)
        ),
        "mail": ReportMail(sender={SENDER!r}, recipients=["ann@example.com"]),
        "schedule": ReportSchedule(missing_after=Duration.hours(2)),
    }},
    "Gone": {{"source": ReportSource.dynamodb(items, columns=["id"])}},
}}
outputs = {{"AlarmsTopicArn": alarms.topic_arn}}
for name, options in given.items():
    made = ScheduledReport(stack, f"{{name}}Report", report_name=name, operations=LOCAL.operations, **options)
    made.add_alarms(Alerts(critical=alarms))
    outputs |= {{f"{{name}}{{key}}": value for key, value in made.outputs.items()}}
pattern = SimpleNamespace(outputs=outputs)
"""


@pytest.fixture(scope="module")
def stack(deploy_app):
    return deploy_app("broken-reports", APP)


@pytest.fixture(scope="module")
def database(account, stack):
    database = Database(account, stack.outputs["BrokenClusterArn"], stack.outputs["BrokenDatabaseSecretArn"], "reports")
    database.execute(TABLE)
    return database


@pytest.fixture(scope="module")
def between(emulator):
    """What stands between the function and the services that it calls, and lets all through."""
    with Between(emulator.url) as between:
        yield between


@pytest.fixture(scope="module")
def deployed(emulator, account, stack, database, between):
    account.client("sesv2").create_email_identity(EmailIdentity=SENDER)
    report = ReportStack(emulator, account, stack, "Broken")
    report.function.add_variables(**between.variables)
    return report


@pytest.fixture
def report(deployed):
    """The report; nobody leaves a kept event behind."""
    yield deployed
    assert [letter.body for letter in deployed.dead_letters().take()] == []


@pytest.fixture
def inbox(account, deployed):
    with Inbox(account, deployed.output("TopicArn")) as inbox:
        yield inbox


@pytest.fixture
def day(database):
    """A day with three sales."""
    day = new_day()
    sell(database, f"{day}T08:00:00Z", 3)
    return day


def once(report, inbox, day, rows=3):
    """Make sure that there is the whole report of a day, and that people were told of it once."""
    run = report.done(day)
    assert (run["rows"], len(report.rows(day)), report.keys(day)) == (rows, rows, report.files)
    assert (len(told(inbox, day)), len(report.mails(day))) == (1, 1)
    return run


# --- the database


@pytest.fixture(scope="module")
def down(account, stack, deployed, between, database):
    """A day whose report was asked for while the database was down: what was kept of it, and what could be seen then."""
    day = new_day()
    sell(database, f"{day}T08:00:00Z", 3)
    with (
        Inbox(account, deployed.output("TopicArn")) as inbox,
        Inbox(account, stack.outputs["AlarmsTopicArn"]) as alarms,
        between.refusing(lambda call: refusal_in_json("DatabaseUnavailableException") if call.service == "rds-data" else None),
    ):
        deployed.send({"date": day})
        assert wait_until(deployed.dead_letters().count, seconds=PATIENCE)
        run, files, people = deployed.run(day), deployed.keys(day), [*told(inbox, day), *deployed.mails(day)]
        alarm = eventually(lambda: deployed.alarm("ApproximateNumberOfMessagesVisible"), "ALARM")
        heard = eventually(lambda: _of_dead_letters(alarms.received(), deployed), wanted=True)
        (kept,) = deployed.kept()
    return SimpleNamespace(day=day, run=run, files=files, people=people, kept=kept, alarm=alarm, heard=heard)


def _of_dead_letters(messages, report):
    url = report.output("DeadLetterQueueUrl")
    heard = [json.loads(message.body) for message in messages]
    return any(url in each["AlarmDescription"] and each["NewStateValue"] == "ALARM" for each in heard)


def test_a_report_whose_database_is_down_is_tried_three_times_and_its_event_is_kept_with_the_reason(down):
    assert down.kept == ({"date": down.day}, "The database cannot be reached now.", TRIES)
    found = {name: down.run[name] for name in ("state", "reason", "attempts")}
    assert found == {"state": "FAILED", "reason": "The database cannot be reached now.", "attempts": TRIES}


def test_a_report_whose_database_is_down_leaves_no_file_and_nobody_is_told_of_one(down):
    assert (down.files, down.people) == ([], [])


def test_a_kept_event_sets_off_the_alarm_of_the_dead_letter_queue_which_is_heard(down):
    assert (down.alarm, down.heard) == ("ALARM", True)


def test_a_kept_event_makes_the_report_when_it_is_invoked_again_with_the_database_back(report, inbox, down):
    report.send(down.kept[0])
    assert once(report, inbox, down.day)["attempts"] == TRIES + 1
    assert "reason" not in report.run(down.day)


def test_a_database_that_is_slow_is_stopped_after_the_statement_timeout_and_the_run_says_so(report, database, inbox):
    day = new_day()
    sell(database, f"{day}T08:00:00Z", 1, seconds=20)
    began = time.monotonic()
    words = report.invoke({"date": day})
    assert time.monotonic() - began < 15
    assert words.startswith("The database stopped the query: it took longer than STATEMENT_TIMEOUT_SECONDS")
    assert (report.run(day)["state"], report.run(day)["reason"]) == ("FAILED", words)
    assert (report.keys(day), told(inbox, day)) == ([], [])


def test_a_database_that_is_asleep_is_woken_up_and_waited_for(report, between, inbox, day):
    asleep = iter(range(2))

    def rule(call):
        resumes = call.path == "/BeginTransaction" and next(asleep, None) is not None
        return refusal_in_json("DatabaseResumingException") if resumes else None

    with between.refusing(rule):
        report.made(day)
    assert next(asleep, None) is None
    once(report, inbox, day)


def test_a_query_of_a_table_that_there_is_not_says_so(report, database, inbox, day):
    database.execute("ALTER TABLE sales RENAME TO elsewhere")
    try:
        words = report.invoke({"date": day})
    finally:
        database.execute("ALTER TABLE elsewhere RENAME TO sales")
    assert words.startswith('The database refused the query (SQLSTATE 42P01): relation "sales" does not exist')
    assert report.run(day)["reason"] == words
    report.made(day)
    once(report, inbox, day)


def test_a_day_without_rows_has_a_report_that_says_so(report, inbox):
    day = new_day()
    report.made(day)
    once(report, inbox, day, rows=0)
    assert "There are no rows for this day." in report.content(day, "html").decode()
    assert report.content(day, "csv").decode("utf-8-sig") == "id,item,amount\r\n"


# --- what it calls


#: What cannot be done with the bucket, and whether the CSV was there by then.
REFUSED = {"all of it": ("", False), "the page, when the CSV is there": (".html", True)}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bucket_that_denies_means_no_mail_and_no_message(report, between, inbox, day, case):
    ending, there = REFUSED[case]
    with between.refusing(
        lambda call: refusal_in_xml("AccessDenied") if call.service == "s3" and call.path.endswith(ending) else None
    ):
        assert "AccessDenied" in report.invoke({"date": day})
    assert (told(inbox, day), report.mails(day)) == ([], [])
    assert report.run(day)["reason"] == "PutObject did not work: AccessDenied."
    assert report.keys(day) == report.files[: int(there)]
    report.made(day)
    once(report, inbox, day)


def test_a_bucket_that_goes_in_the_middle_fails_the_run_and_the_event_makes_the_report_when_it_is_back(
    report, between, inbox, day
):
    with ExitStack() as gone:
        with between.held(lambda call: call.path.endswith(".html")) as waits:
            report.send({"date": day})
            assert waits.wait(PATIENCE)
            gone.enter_context(report.without_bucket())
        ((event, words, tries),) = report.kept()
        assert (event, "NoSuchBucket" in words, tries) == ({"date": day}, True, TRIES)
        assert report.run(day)["reason"] == "PutObject did not work: NoSuchBucket."
        assert (told(inbox, day), report.mails(day)) == ([], [])
    report.send(event)
    once(report, inbox, day)


def test_a_mail_that_is_refused_is_tried_again_while_the_files_are_there_and_the_topic_is_told_once(
    account, report, inbox, day
):
    identities = account.client("sesv2")
    identities.delete_email_identity(EmailIdentity=SENDER)
    try:
        report.send({"date": day})
        ((event, words, tries),) = report.kept()
        files, (message,) = report.keys(day), told(inbox, day)
    finally:
        identities.create_email_identity(EmailIdentity=SENDER)
    assert (event, "MessageRejected" in words, tries) == ({"date": day}, True, TRIES)
    assert (files, report.mails(day)) == (report.files, [])
    assert [opened(link) for link in links_in(message)] == [report.content(day, "csv"), report.content(day, "html")]
    assert report.run(day)["reason"] == "SendEmail did not work: MessageRejected."
    report.send(event)
    once(report, inbox, day)


# --- ticks


def test_an_event_that_asks_for_no_report_is_kept_with_the_reason(report):
    report.send({"wanted": "a report"})
    ((event, words, tries),) = report.kept()
    assert (event, tries) == ({"wanted": "a report"}, TRIES)
    assert words.startswith("The event has to say which day the report is about")


def test_two_ticks_at_the_same_moment_make_one_report_and_tell_of_it_once(report, between, inbox, day):
    with between.held(lambda call: call.path.endswith(".csv")) as waits:
        for _ in range(2):
            report.send({"date": day})
        assert waits.wait(PATIENCE)
        time.sleep(1)  # the second one is throttled meanwhile, as often as it is tried
        assert len(report.function.processes()) == 1
    assert once(report, inbox, day)["attempts"] == 1
    report.made(day)  # both have ended: there is room for this one
    assert once(report, inbox, day)["attempts"] == 1


#: The call in whose middle the function is killed, and what people have been told by then.
CALLS = {
    "it reads the rows": lambda call: call.path == "/Execute",
    "it writes the CSV": lambda call: call.path.endswith(".csv"),
    "it sends the mail": lambda call: call.service == "ses",
}


@pytest.mark.parametrize("case", CALLS)
def test_a_function_that_is_killed_in_the_middle_makes_the_report_in_its_next_try_and_tells_of_it_once(
    report, between, inbox, day, case
):
    with between.held(CALLS[case], lost=True) as waits:
        report.send({"date": day})
        assert waits.wait(PATIENCE)
        assert report.run(day)["state"] == "RUNNING"
        (process,) = report.function.processes()
        process.send_signal(signal.SIGKILL)
    assert once(report, inbox, day)["attempts"] == 2


def test_each_tick_ends_as_a_report_or_is_kept_with_its_reason_and_nothing_is_doubled(report, database, inbox):
    good, slow, future = [new_day() for _ in range(4)], new_day(), (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    for number, day in enumerate(good):
        sell(database, f"{day}T08:00:00Z", number)
    sell(database, f"{slow}T08:00:00Z", 1, seconds=20)
    for day in [*good, slow, future, *good]:
        report.send({"date": day})
    kept = {event["date"]: (words, tries) for event, words, tries in report.kept(2)}
    assert kept.keys() == {slow, future}
    assert "names a day that has not ended" in kept[future][0]
    assert "The database stopped the query" in kept[slow][0]
    assert [tries for _, tries in kept.values()] == [TRIES, TRIES]
    for number, day in enumerate(good):
        assert once(report, inbox, day, rows=number)["attempts"] == 1


# --- size


def _peak(process):
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def test_a_report_of_200_000_rows_has_them_all_and_needs_the_memory_of_a_small_one(report, database, day):
    report.made(day)
    (process,) = report.function.processes()
    small = _peak(process)
    large = new_day()
    sell(database, f"{large}T00:00:00Z", MANY, every="400 milliseconds")
    assert report.made(large)["rows"] == MANY
    rows = report.rows(large)
    assert (len(rows), len({row["id"] for row in rows})) == (MANY, MANY)
    assert _peak(process) < small + HELD


# --- alarms, and what the schedule cannot deliver


def test_the_alarm_of_a_missing_report_is_on_until_the_report_of_the_latest_day_is_there(report):
    assert report.alarm("ReportSucceeded") == "ALARM"
    report.made((datetime.now(UTC) - timedelta(days=1)).date().isoformat())
    assert eventually(lambda: report.alarm("ReportSucceeded"), "OK") == "OK"


@pytest.fixture(scope="module")
def gone(emulator, account, stack):
    """The report from which one thing after the other is taken away."""
    return ReportStack(emulator, account, stack, "Gone")


def test_an_event_that_finds_no_table_is_kept_with_the_reason(account, gone):
    account.client("dynamodb").delete_table(TableName=gone.output("RunsTableName"))
    day = new_day()
    gone.send({"date": day})
    ((event, words, tries),) = gone.kept()
    assert (event, tries) == ({"date": day}, TRIES)
    assert "ResourceNotFoundException" in words
    assert gone.keys(day) == []


def test_a_tick_whose_function_is_gone_is_kept_in_the_dead_letter_queue_of_the_schedule_with_the_reason(account, stack, gone):
    account.client("lambda").delete_function(FunctionName=gone.output("FunctionName"))
    outputs = {name: gone.output(name) for name in ("ScheduleName", "ScheduleGroupName")}
    Reports(account, replace(stack, outputs=outputs)).tick()
    (letter,) = gone.letters(delivery=True)
    assert letter.attributes["ERROR_CODE"] == "ResourceNotFoundException"
    assert datetime.fromisoformat(json.loads(letter.body)["scheduled_time"]).date() == datetime.now(UTC).date()
