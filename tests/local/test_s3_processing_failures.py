"""S3Processing broken on purpose: hostile files, events that come twice or late, and what dies or is gone meanwhile.

And what the catalogue's instance has not: files that are large, a bucket without versions, a bucket that invokes
the function itself, code of a user's own.
"""

import gzip
import json
import signal
import struct
import threading
import time
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from serverless_patterns.local.drives.s3_processing import png
from serverless_patterns.local.processes import wait_until
from serverless_patterns.local.queues import Inbox
from tests.support.deployed import taken
from tests.support.intake import KEYS, Intake, announced, csv_of, new_key, of_version
from tests.support.waiting import PATIENCE, eventually

FOLDER = "in/"

#: The bundled handler begins an object with 33 seconds left, and stops with 26 left.
SHORT_TIMEOUT, LEFT_SECONDS = 34, 26

#: The code of a user's own: it rejects a file, and it fails.
CODE = """
from s3_processing.api import Rejected

def process(obj):
    total = sum(int(line) for line in obj.lines())
    if total < 0:
        raise Rejected("the total is negative")
    return {"total": total, "key": obj.key, "version": obj.version, "size": obj.size, "type": obj.content_type}
"""

APP = f"""
from pathlib import Path
from types import SimpleNamespace
from aws_cdk import Duration, Size

Path("code").mkdir()
Path("code/readings.py").write_text({CODE!r})
operations = LOCAL.operations.replace(capacity=Capacity())
order = {{"type": "object", "properties": {{"id": {{"type": "integer"}}}}, "required": ["id"]}}
small = FileLimits(object_size=Size.kibibytes(64), decompressed_size=Size.mebibytes(1), rows=1000, pixels=1_000_000)
given = {{
    "Small": {{"limits": small, "schema": order}},
    "Large": {{}},
    "Unversioned": {{"bucket": BucketOptions(versioned=False)}},
    "WithoutTable": {{}},
    "Own": {{"processor": Handler.from_directory("code", "readings.process")}},
    "Direct": {{"trigger": "direct", "worker": WorkerOptions(timeout=Duration.seconds(60))}},
}}
outputs = {{}}
worker = WorkerOptions(
    timeout=Duration.seconds(60), batch_size=1, max_concurrency=2, max_attempts=3, retry_delay=Duration.seconds(0)
)
for name, options in given.items():
    made = S3Processing(stack, name, prefix={FOLDER!r}, operations=operations, **{{"worker": worker, **options}})
    outputs |= {{f"{{name}}{{key}}": value for key, value in made.outputs.items()}}
pattern = SimpleNamespace(outputs=outputs)
"""


def as_large_as_a_town():
    """An image of a few bytes whose header says that it has 2,500 million pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 6, 0, 0, 0)
    tiny = png(1, 1)
    return tiny[:12] + header + struct.pack(">I", zlib.crc32(header)) + tiny[33:]


#: Bombs, lies and fragments, and what their reason must say.
HOSTILE = {
    "a gzip that grows a thousand times": ("bomb.csv.gz", gzip.compress(b"0" * 4 * 1024 * 1024), "decompressed"),
    "a gzip that is cut off": ("cut.csv.gz", gzip.compress(csv_of(100))[:-20], "cut off"),
    "a gzip in a gzip": ("twice.csv.gz", gzip.compress(gzip.compress(csv_of(2))), "unsupported"),
    "a zip": ("archive.zip", b"PK\x03\x04\x14\x00\x00\x00\x08\x00", "unsupported"),
    "a zip that says it is a CSV": ("orders.csv", b"PK\x03\x04\x14\x00\x00\x00\x08\x00", "unsupported"),
    "markup that says it is a CSV": ("orders.csv", b"<html><script>alert(1)</script></html>", "unsupported"),
    "a program": ("orders.json", b"\x7fELF\x02\x01\x01" + bytes(64), "unsupported"),
    "more rows than allowed": ("many.csv", csv_of(1001), "more than 1000 rows"),
    "more bytes than allowed": ("large.txt", b"x" * (64 * 1024 + 1), "more than 65536 bytes"),
    "no row that fits": ("orders.jsonl", b'{"id": "1"}\n[]\n', "none of its rows fits"),
    "JSON that goes 10,000 deep": ("deep.json", b"[" * 10_000 + b"]" * 10_000, "nested deeper"),
    "a document that does not fit the schema": ("order.json", b'{"id": "1"}', "does not fit"),
    "an image that is cut off": ("cut.png", png(64, 64)[:-40], "broken or cut off"),
    "an image that says it is as large as a town": ("bomb.png", as_large_as_a_town(), "more than 1000000 pixels"),
    "an image of too many pixels": ("large.png", png(1001, 1000), "more than 1000000 pixels"),
}


@pytest.fixture(scope="module")
def stack(deploy_app):
    return deploy_app("broken-imports", APP)


@pytest.fixture(scope="module")
def intakes(emulator, account, stack):
    """Each S3Processing of the stack, by its name."""
    names = ("Small", "Large", "Unversioned", "WithoutTable", "Own", "Direct")
    return SimpleNamespace(**{name: Intake(emulator, account, stack, name, FOLDER) for name in names})


@pytest.fixture(scope="module")
def small(intakes):
    return intakes.Small


@pytest.fixture(scope="module")
def large(intakes):
    return intakes.Large


@pytest.fixture(scope="module")
def broken(intakes):
    """The one from which a bucket, and then the topic, is taken away for a while."""
    return intakes.Unversioned


@pytest.fixture(scope="module")
def judged(account, small):
    """What became of the hostile files, by their name; and what was announced of it."""
    folders = {name: new_key("hostile") for name in HOSTILE}
    with Inbox(account, small.output("TopicArn")) as inbox:
        keys = small.put_all({f"{folders[name]}/{file}": content for name, (file, content, _) in HOSTILE.items()})
        statuses = dict(zip(HOSTILE, small.ended(*keys), strict=True))
        small.emptied()
        return SimpleNamespace(statuses=statuses, announced=announced(inbox))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_rejected_with_its_reason_and_announced_so(small, judged, name):
    status = judged.statuses[name]
    assert (status["state"], HOSTILE[name][2] in status["reason"]) == ("REJECTED", True), status["reason"]
    assert small.result(status)["reason"] == status["reason"]
    (event,) = [each for each in judged.announced if each["data"]["version"] == status["version"]]
    assert (event["type"], event["data"]["reason"]) == ("objects.rejected", status["reason"])


def test_a_hostile_file_is_not_tried_again_and_stops_no_other(small, judged):
    assert {status["state"] for status in judged.statuses.values()} == {"REJECTED"}
    assert small.dead_letters().count() == 0
    assert small.worked(new_key("good.csv"), csv_of(2))["state"] == "PROCESSED"


def test_each_line_that_does_not_fit_the_schema_is_told_of_and_the_others_are_kept(small):
    status = small.worked(new_key("orders.jsonl"), b'{"id": 1}\n{"id": "2"}\n{}\n{"id": 4}\n')
    assert status["state"] == "PROCESSED"
    assert small.rows(status) == {1: {"data": {"id": 1}}, 4: {"data": {"id": 4}}}
    assert [row["line"] for row in small.result(status)["rejected_rows"]] == [2, 3]


def test_an_event_that_comes_again_changes_nothing_and_is_not_announced_again(account, small):
    with Inbox(account, small.output("TopicArn")) as inbox:
        name = new_key("orders.csv")
        (event,) = small.events_of((name, csv_of(3)))
        small.queue().send(event)
        key = f"{FOLDER}{name}"
        (status,) = small.ended(key)
        small.emptied()
        small.table.delete_item(Key={"object": f"{status['object']}@{status['version']}", "row": 3})
        before = small.status(key)
        small.queue().send(event, event, event)
        small.emptied()
        assert small.status(key) == before
        assert set(small.rows(status)) == {2, 4}  # else they would have been written again
        assert [each["type"] for each in announced(inbox)] == ["objects.processed"]


def test_events_of_one_version_that_are_worked_at_the_same_time_leave_its_rows_once_and_are_one_event_to_others(account, small):
    with Inbox(account, small.output("TopicArn")) as inbox:
        name = new_key("orders.csv")
        (event,) = small.events_of((name, csv_of(900)))
        small.queue().send(*[event] * 6)
        (status,) = small.ended(f"{FOLDER}{name}")
        small.emptied()
        assert (status["state"], status["counts"]["accepted"]) == ("PROCESSED", 900)
        assert set(small.rows(status)) == set(range(2, 902))
        assert {each["id"] for each in announced(inbox)} == {f"{status['object']}@{status['version']}:PROCESSED"}
    assert small.dead_letters().count() == 0


def test_the_event_of_an_older_version_that_comes_late_changes_nothing(account, small):
    with Inbox(account, small.output("TopicArn")) as inbox:
        name = new_key("orders.csv")
        older, newer = small.events_of((name, csv_of(1, width=5)), (name, csv_of(2, width=7)))
        small.queue().send(newer)
        small.ended(f"{FOLDER}{name}")
        small.emptied()
        status = small.status(f"{FOLDER}{name}")
        small.queue().send(older)
        small.emptied()
        assert small.status(f"{FOLDER}{name}") == status
        assert small.rows(status) == {2: {"id": "1", "text": "x" * 7}, 3: {"id": "2", "text": "x" * 7}}
        assert {each["data"]["version"] for each in announced(inbox)} == {status["version"]}
    older_rows = f"{status['object']}@{json.loads(older)['detail']['object']['version-id']}"
    assert small.rows_of(older_rows) == {}


def test_a_version_that_was_overwritten_before_it_was_worked_is_worked_as_it_was(account, small):
    with Inbox(account, small.output("TopicArn")) as inbox:
        name = new_key("orders.csv")
        events = small.events_of((name, csv_of(1, width=5)), (name, csv_of(2, width=7)))
        for event in events:
            small.queue().send(event)
            small.emptied()
        (status,) = small.ended(f"{FOLDER}{name}")
        versions = [json.loads(event)["detail"]["object"]["version-id"] for event in events]
        assert {each["data"]["version"]: each["data"]["rows"] for each in announced(inbox)} == {versions[0]: 1, versions[1]: 2}
    assert status["version"] == versions[1]
    assert small.rows_of(f"{status['object']}@{versions[0]}") == {2: {"id": "1", "text": "x" * 5}}


def test_an_object_that_is_gone_before_it_is_worked_is_rejected_as_gone(small):
    with small.held():
        key = small.put(new_key("orders.csv"), csv_of(1))
        small.s3.delete_object(Bucket=small.output("BucketName"), Key=key, VersionId=small.version(key))
    (status,) = small.ended(key)
    assert (status["state"], status["reason"]) == ("REJECTED", "gone")
    small.emptied()


def test_without_versions_an_object_that_was_overwritten_is_superseded_and_the_newer_one_is_worked(account, intakes):
    intake = intakes.Unversioned
    with Inbox(account, intake.output("TopicArn")) as inbox:
        name = new_key("orders.csv")
        for event in intake.events_of((name, csv_of(1)), (name, csv_of(2))):
            intake.queue().send(event)
            intake.emptied()
        told = {each["type"]: (each["data"].get("reason"), each["data"]["rows"]) for each in announced(inbox)}
    assert told == {"objects.rejected": ("superseded", 0), "objects.processed": (None, 2)}
    assert set(intake.rows(intake.status(f"{FOLDER}{name}"))) == {2, 3}


@pytest.fixture(scope="module")
def peaks(large):
    """The most memory that the function ever had, in bytes, after files of 2, 20 and 200 MB: megabytes -> (status, peak)."""
    large.worked(new_key("first.csv"), csv_of(1))
    found = {}
    for megabytes in (2, 20, 200):
        status = large.worked(new_key("large.csv"), csv_of(100 * megabytes, width=10_000))
        found[megabytes] = status, max(_peak(process) for process in large.function.processes())
    return found


def _peak(process):
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("megabytes", [20, 200])
def test_a_file_of_any_size_is_read_with_the_memory_of_a_small_one(peaks, megabytes):
    status, peak = peaks[megabytes]
    assert (status["state"], status["counts"]["accepted"]) == ("PROCESSED", 100 * megabytes)
    assert peak < 1.5 * peaks[2][1]


def test_a_function_that_is_killed_in_the_middle_of_a_file_has_stored_each_row_once_in_the_end(account, large):
    rows = 10_000
    large.worked(new_key("first.csv"), csv_of(1))  # it is started: what follows is quick
    large.set_visibility(5)
    with Inbox(account, large.output("TopicArn")) as inbox:
        key = large.put(new_key("killed.csv"), csv_of(rows))
        rows_id = f"{large.id(key)}@{large.version(key)}"
        assert wait_until(lambda: _has(large, rows_id, 1002), seconds=PATIENCE, interval=0.01)
        for process in large.function.processes():
            process.send_signal(signal.SIGKILL)
        large.set_visibility(360)
        assert not _has(large, rows_id, rows + 1)  # it was in the middle
        (status,) = large.ended(key)
        large.emptied()
        assert (status["state"], status["counts"]) == ("PROCESSED", {"rows": rows, "accepted": rows, "rejected": 0})
        assert set(large.rows(status)) == set(range(2, rows + 2))
        assert len(announced(inbox)) == 1


def _has(intake, rows_id, row):
    return "Item" in intake.table.get_item(Key={"object": rows_id, "row": row}, ConsistentRead=True)


def letters_about(intake, key, number=1):
    """The messages about an object in the dead-letter queue, as soon as there are so many."""
    return taken(intake.dead_letters(), number, lambda message: json.dumps(key) in message.body)


@pytest.fixture(scope="module")
def failed(account, broken):
    """A file whose result cannot be written, since the output bucket is gone, and how it ended."""
    with broken.without_output(), Inbox(account, broken.output("TopicArn")) as inbox:
        key = broken.put(new_key("orders.csv"), csv_of(2))
        (status,) = broken.ended(key)
        broken.emptied()
        letters = letters_about(broken, key)
        events = of_version(inbox, status)
    return SimpleNamespace(key=key, status=status, letters=letters, events=events)


def test_a_file_whose_result_cannot_be_written_is_tried_three_times_and_its_event_is_kept_with_the_reason(failed):
    (letter,) = failed.letters
    assert json.loads(letter.body)["detail"]["object"]["key"] == failed.key
    assert {name: letter.attributes[name] for name in ("Error", "ReceiveCount")} == {
        "Error": "NoSuchBucket",
        "ReceiveCount": "3",
    }
    assert "NoSuchBucket" in letter.attributes["Reason"]


def test_a_file_whose_result_cannot_be_written_has_failed_and_is_announced_so_with_the_reason(failed):
    assert (failed.status["state"], "NoSuchBucket" in failed.status["reason"]) == ("FAILED", True)
    (event,) = failed.events
    assert (event["type"], event["data"]["reason"]) == ("objects.failed", failed.status["reason"])


def test_a_file_that_has_failed_is_worked_when_its_event_is_sent_again_from_the_dead_letter_queue(account, broken, failed):
    with Inbox(account, broken.output("TopicArn")) as inbox:
        broken.queue().send(failed.letters[0].body)
        states = eventually(lambda: (broken.status(failed.key)["state"], broken.queue().count()), ("PROCESSED", 0))
        assert states == ("PROCESSED", 0)
        assert [event["type"] for event in of_version(inbox, failed.status)] == ["objects.processed"]
    assert set(broken.rows(failed.status)) == {2, 3}


def test_what_cannot_be_announced_is_tried_again_kept_with_the_reason_and_announced_when_it_is_sent_again(account, broken):
    topics, topic = account.client("sns"), broken.output("TopicArn")
    topics.delete_topic(TopicArn=topic)
    key = broken.put(new_key("orders.csv"), csv_of(2))
    (letter,) = letters_about(broken, key)
    broken.emptied()
    status = broken.status(key)
    assert (status["state"], "announced_at" in status) == ("PROCESSED", False)
    assert (letter.attributes["ReceiveCount"], letter.attributes["Error"]) == ("3", "NotFoundException")
    assert topics.create_topic(Name=topic.rpartition(":")[2])["TopicArn"] == topic
    with Inbox(account, topic) as inbox:
        broken.queue().send(letter.body)
        broken.emptied()
        assert [event["type"] for event in announced(inbox, key)] == ["objects.processed"]
    after = broken.status(key)
    assert {**after, "announced_at": None} == {**status, "announced_at": None}


def the_only_letter(intake, key):
    """The one message about an object in the dead-letter queue, once its event can come no more."""
    intake.emptied()
    (letter,) = letters_about(intake, key)
    assert json.loads(letter.body)["detail"]["object"]["key"] == key
    return letter


def test_an_event_that_finds_no_table_is_tried_three_times_and_kept_once_with_the_reason(account, intakes):
    intake = intakes.WithoutTable
    tables, name = account.client("dynamodb"), intake.output("TableName")
    tables.delete_table(TableName=name)
    tables.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    intake.set_visibility(2)  # an event that is not done comes again while the test waits
    letter = the_only_letter(intake, intake.put(new_key("orders.csv"), csv_of(2)))
    assert (letter.attributes["ReceiveCount"], letter.attributes["Error"]) == ("3", "ResourceNotFoundException")
    assert letter.attributes["Reason"] == "unexpected error: ResourceNotFoundException"


class _Denying(BaseHTTPRequestHandler):
    """Answers each call as AWS does where the role may not make it: DynamoDB in JSON, SNS in XML."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if "X-Amz-Target" in self.headers:
            status, body = 400, b'{"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "not authorized"}'
        else:
            error = b"<Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>not authorized</Message></Error>"
            status, body = 403, b"<ErrorResponse>%s<RequestId>1</RequestId></ErrorResponse>" % error
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def denied(intake, service):
    """The function may do nothing with a service as long as this lasts: the emulator itself knows no permissions."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Denying) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with intake.function.changed(**{f"AWS_ENDPOINT_URL_{service}": f"http://127.0.0.1:{server.server_port}"}):
                yield
        finally:
            server.shutdown()


@pytest.fixture
def impatient(broken):
    """The one that is broken, whose events come again at once if they are not done."""
    broken.set_visibility(2)
    yield broken
    broken.set_visibility(360)


def test_an_event_whose_table_is_denied_is_kept_once_with_the_reason_and_worked_when_it_is_sent_again(impatient):
    with denied(impatient, "DYNAMODB"):
        key = impatient.put(new_key("orders.csv"), csv_of(2))
        letter = the_only_letter(impatient, key)
    assert letter.attributes["ReceiveCount"] == "3"
    assert letter.attributes["Reason"] == "unexpected error: AccessDeniedException"
    assert impatient.status(key) == {}
    impatient.queue().send(letter.body)
    (status,) = impatient.ended(key)
    assert (status["state"], set(impatient.rows(status))) == ("PROCESSED", {2, 3})


def test_an_event_whose_topic_is_denied_is_worked_kept_once_with_the_reason_and_announced_when_it_is_sent_again(
    account, impatient
):
    with denied(impatient, "SNS"):
        key = impatient.put(new_key("orders.csv"), csv_of(2))
        letter = the_only_letter(impatient, key)
    assert letter.attributes["ReceiveCount"] == "3"
    assert letter.attributes["Reason"] == "unexpected error: AuthorizationError"
    status = impatient.status(key)
    assert (status["state"], "announced_at" in status) == ("PROCESSED", False)
    with Inbox(account, impatient.output("TopicArn")) as inbox:
        impatient.queue().send(letter.body)
        impatient.emptied()
        assert [event["type"] for event in announced(inbox, key)] == ["objects.processed"]


@pytest.fixture(scope="module")
def continued(account, large):
    """A file that takes longer than an invocation may: the function stood still in its middle, and a row was lost then."""
    rows = 10_000
    large.function.configure(Timeout=SHORT_TIMEOUT)
    with Inbox(account, large.output("TopicArn")) as inbox:
        key = large.put(new_key("continued.csv"), csv_of(rows))
        rows_id = f"{large.id(key)}@{large.version(key)}"
        assert wait_until(lambda: _has(large, rows_id, 1002), seconds=PATIENCE, interval=0.01)
        (process,) = large.function.processes()
        process.send_signal(signal.SIGSTOP)
        large.table.delete_item(Key={"object": rows_id, "row": 2})
        is_whole = _has(large, rows_id, rows + 1)
        time.sleep(SHORT_TIMEOUT - LEFT_SECONDS + 0.5)
        process.send_signal(signal.SIGCONT)
        statuses = []
        wait_until(
            lambda: statuses.append(large.status(key)) or statuses[-1]["state"] in {"PROCESSED", "FAILED"}, seconds=PATIENCE
        )
        large.emptied()
        events = announced(inbox, key)
    large.function.configure(Timeout=60)
    return SimpleNamespace(rows=rows, is_whole=is_whole, statuses=statuses, stored=set(large.rows_of(rows_id)), events=events)


def test_a_file_that_takes_longer_than_an_invocation_goes_on_in_the_next_one_where_it_left_off(large, continued):
    assert not continued.is_whole
    assert max(int(status.get("progress", 0)) for status in continued.statuses) >= 1000
    assert continued.statuses[-1]["counts"] == {"rows": continued.rows, "accepted": continued.rows, "rejected": 0}
    assert continued.stored == set(range(3, continued.rows + 2))  # row 2, which was there before, was not written again
    assert [event["type"] for event in continued.events] == ["objects.processed"]
    assert large.dead_letters().count() == 0


@pytest.fixture(scope="module")
def direct(account, intakes):
    """Files that the bucket itself sends to the function, and what was announced: case -> (key, status), events."""
    intake = intakes.Direct
    with Inbox(account, intake.output("TopicArn")) as inbox:
        files = {case: (name, b"id\n1\n") for case, name in KEYS.items()} | {"a zip": ("archive.zip", b"PK\x03\x04")}
        statuses = {case: intake.worked(new_key(name), content) for case, (name, content) in files.items()}
        intake.emptied("Success")
        eventually(lambda: len(announced(inbox)), len(files))
        return SimpleNamespace(statuses=statuses, events=announced(inbox))


@pytest.mark.parametrize("case", KEYS)
def test_a_file_whose_bucket_invokes_the_function_is_worked_whatever_its_key_and_announced_by_the_notifier(
    intakes, direct, case
):
    status = direct.statuses[case]
    assert status["state"] == "PROCESSED"
    assert intakes.Direct.rows(status) == {2: {"id": "1"}}
    (event,) = [each for each in direct.events if each["data"]["version"] == status["version"]]
    assert (event["type"], event["data"]["key"].endswith(KEYS[case])) == ("objects.processed", True)


def test_a_file_that_is_rejected_where_the_bucket_invokes_the_function_is_announced_as_such_and_is_no_failure(intakes, direct):
    version = direct.statuses["a zip"]["version"]
    (event,) = [each for each in direct.events if each["data"]["version"] == version]
    assert (event["type"], event["data"]["reason"]) == ("objects.rejected", "unsupported")
    assert [intakes.Direct.queue(name).count() for name in ("Failure", "FailureDeadLetter", "SuccessDeadLetter")] == [0, 0, 0]


def test_a_function_that_its_bucket_invokes_is_not_invoked_for_what_is_not_below_the_prefix(intakes):
    other = new_key("other.csv")
    intakes.Direct.put_object(other, csv_of(1))
    intakes.Direct.worked(new_key("last.csv"), csv_of(1))
    assert intakes.Direct.status(other) == {}


@pytest.fixture(scope="module")
def failed_directly(account, intakes):
    """A file whose bucket invokes a function that fails: what is kept while nobody announces it, and what becomes of it."""
    intake = intakes.Direct
    with intake.without_output(), Inbox(account, intake.output("TopicArn")) as inbox:
        with intake.held("Failure") as queue:
            key = intake.put(new_key("two words.csv"), csv_of(2))
            assert wait_until(queue.count, seconds=PATIENCE)
            (kept,) = queue.messages()
            before = intake.status(key)
        (status,) = intake.ended(key)
        intake.emptied("Failure")
        return SimpleNamespace(key=key, kept=json.loads(kept.body), before=before, status=status, events=announced(inbox, key))


def test_what_a_function_fails_at_that_its_bucket_invokes_is_kept_with_event_and_reason_after_three_tries(failed_directly):
    record = failed_directly.kept["requestPayload"]["Records"][0]
    assert record["s3"]["object"]["key"].endswith("two+words.csv")
    assert "NoSuchBucket" in failed_directly.kept["responsePayload"]["errorMessage"]
    assert failed_directly.kept["requestContext"]["approximateInvokeCount"] == 3


def test_what_a_function_fails_at_that_its_bucket_invokes_has_failed_and_is_announced_by_the_notifier(failed_directly):
    assert failed_directly.before["state"] == "RECEIVED"
    status = failed_directly.status
    assert (status["state"], "NoSuchBucket" in status["reason"]) == ("FAILED", True)
    (event,) = failed_directly.events
    assert (event["type"], event["data"]["reason"]) == ("objects.failed", status["reason"])


@pytest.fixture(scope="module")
def own(intakes):
    return intakes.Own


def test_a_processor_of_the_users_own_gets_the_object_and_what_it_answers_is_kept(own):
    status = own.worked(new_key("two words.txt"), "\ufeff1\n2\n39\n".encode(), ContentType="text/x-numbers")
    assert (status["state"], status["kind"]) == ("PROCESSED", "custom")
    key = status["object"].removeprefix(own.id(""))
    expected = {"total": 42, "key": key, "version": own.version(key), "size": 10, "type": "text/x-numbers"}
    assert status["details"] == expected
    assert own.result(status)["details"] == expected


def test_a_file_that_a_processor_of_the_users_own_rejects_is_not_tried_again_and_the_status_has_its_reason(account, own):
    with Inbox(account, own.output("TopicArn")) as inbox:
        status = own.worked(new_key("numbers.txt"), b"1\n-2\n")
        own.emptied()
        assert [event["type"] for event in of_version(inbox, status)] == ["objects.rejected"]
    assert (status["state"], status["reason"]) == ("REJECTED", "the total is negative")


def test_a_processor_of_the_users_own_that_fails_is_tried_three_times_and_its_exception_tells_nobody_what_is_in_the_file(own):
    key = own.put(new_key("numbers.txt"), b"secret\n")
    (status,) = own.ended(key)
    (letter,) = letters_about(own, key)
    assert (status["state"], status["reason"]) == ("FAILED", "unexpected error: ValueError")
    assert (letter.attributes["ReceiveCount"], letter.attributes["Reason"]) == ("3", status["reason"])
