"""S3Processing deployed by the real CDK CLI, used from outside: what is uploaded, and what becomes of each file."""

import gzip
import json
import struct
from collections import Counter
from decimal import Decimal

import pytest

from serverless_patterns.local.drives import driven_patterns
from serverless_patterns.local.drives.s3_processing import drive, png
from serverless_patterns.local.functions import FunctionLog
from serverless_patterns.local.processes import wait_until
from serverless_patterns.local.queues import Inbox
from tests.support.deployed import taken
from tests.support.intake import KEYS, Intake, announced, csv_of, new_key, of_version
from tests.support.waiting import PATIENCE, eventually

ORDERS = b'id,"full name",note\r\n1,Ada,"two\r\nlines"\r\n2,Grace,"a ""quote"", a comma"\r\n'
ORDER_ROWS = {
    2: {"id": "1", "full name": "Ada", "note": "two\r\nlines"},
    4: {"id": "2", "full name": "Grace", "note": 'a "quote", a comma'},
}
#: Tables as programs write them: the same rows in each.
TABLES = {
    "commas": ("orders.csv", ORDERS),
    "semicolons and a BOM": (
        "orders.csv",
        b"\xef\xbb\xbf" + ORDERS.replace(b", a", b"\x00 a").replace(b",", b";").replace(b"\x00", b","),
    ),
    "tabs": ("orders.tsv", ORDERS.replace(b", a", b"\x00 a").replace(b",", b"\t").replace(b"\x00", b",")),
    "UTF-16": ("orders.csv", ORDERS.decode().encode("utf-16")),
    "a gzip": ("orders.csv.gz", gzip.compress(ORDERS)),
    "a gzip under another name": ("orders", gzip.compress(ORDERS)),
}
#: What comes 20 times each among 100 files at once.
CONTENTS = {
    "csv": csv_of(10) + b"bad\n",
    "jsonl": b'{"id": 1}\n{"id": 2}\n{\n',
    "txt": b"some words\n",
    "png": png(32, 32),
    "zip": b"PK\x03\x04",
}


@pytest.fixture(scope="module")
def stack(account, local_environment):
    return account.stack("local-s3-processing")


@pytest.fixture(scope="module")
def intake(emulator, account, stack):
    return Intake(emulator, account, stack)


@pytest.fixture(scope="module")
def inbox(account, intake):
    with Inbox(account, intake.output("TopicArn")) as inbox:
        yield inbox


def first(inbox, status):
    """The first that was announced of the object that a status is about."""
    found = []
    assert wait_until(lambda: found.extend(of_version(inbox, status)) or found, seconds=PATIENCE, interval=0.05)
    return found[0]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_stored_as_a_row_for_each_record_under_the_names_of_its_header(intake, name):
    file, content = TABLES[name]
    status = intake.worked(new_key(file), content)
    assert (status["state"], status["kind"]) == ("PROCESSED", "csv")
    assert status["counts"] == {"rows": 2, "accepted": 2, "rejected": 0}
    assert intake.rows(status) == ORDER_ROWS


def test_a_json_document_is_stored_as_it_is(intake):
    text = '{"id": 1, "lines": [{"sku": "A", "price": 0.10}], "none": null, "text": "漢字 \\u0041"}'
    status = intake.worked(new_key("order.json"), text.encode())
    assert (status["state"], status["kind"]) == ("PROCESSED", "json")
    document = {"id": 1, "lines": [{"sku": "A", "price": Decimal("0.1")}], "none": None, "text": "漢字 A"}
    assert intake.rows(status) == {1: {"data": document}}


def test_each_line_of_json_lines_is_stored_and_each_that_is_none_is_told_of_with_its_number(intake):
    lines = ['{"id": 1}', "", '{"id": ', '{"id": 4}', '{"id": 5, "id": 5}']
    status = intake.worked(new_key("orders.jsonl"), "\n".join(lines).encode())
    assert (status["state"], status["kind"]) == ("PROCESSED", "jsonl")
    assert intake.rows(status) == {1: {"data": {"id": 1}}, 4: {"data": {"id": 4}}}
    assert [row["line"] for row in intake.result(status)["rejected_rows"]] == [3, 5]


def test_a_text_is_measured(intake):
    status = intake.worked(new_key("note.txt"), "Über\nlange Zeilen wissen wir\n".encode())
    assert (status["state"], status["kind"]) == ("PROCESSED", "text")
    expected = {"characters": 29, "words": 5, "lines": 2, "longest_line": 23, "encoding": "utf-8"}
    assert {name: status["details"].get(name) for name in expected} == expected


def test_an_image_gets_a_thumbnail_that_is_small_and_has_its_shape(intake):
    status = intake.worked(new_key("picture.png"), png(600, 300))
    assert (status["state"], status["kind"]) == ("PROCESSED", "image")
    assert (status["details"]["width"], status["details"]["height"]) == (600, 300)
    thumbnail = intake.made(status["thumbnail_key"])
    assert thumbnail.startswith(b"\x89PNG")
    assert struct.unpack(">II", thumbnail[16:24]) == (256, 128)


def test_a_file_is_what_is_in_it_whatever_its_name_and_its_type_say(intake):
    status = intake.worked(new_key("picture.csv"), png(8, 8), ContentType="text/csv")
    assert (status["state"], status["kind"]) == ("PROCESSED", "image")


@pytest.mark.parametrize("case", KEYS)
def test_a_key_means_the_same_file_wherever_it_is_named(intake, inbox, case):
    name = new_key(KEYS[case])
    status = intake.worked(name, b"id\n1\n")
    key = f"{intake.folder}{name}"
    assert intake.rows(status) == {2: {"id": "1"}}
    assert intake.result(status)["key"] == key
    assert eventually(lambda: [event["type"] for event in announced(inbox, key)], ["objects.processed"]) == [
        "objects.processed"
    ]


def test_the_good_rows_of_a_file_are_kept_and_the_bad_ones_are_told_of_with_line_and_reason(intake, inbox):
    status = intake.worked(new_key("orders.csv"), b'id,name\n1,Ada\n2\n3,Edsger,more\n4,nul\0\n5,Grace\n6,"open\n')
    assert status["state"] == "PROCESSED"
    assert status["counts"] == {"rows": 6, "accepted": 2, "rejected": 4}
    assert intake.rows(status) == {2: {"id": "1", "name": "Ada"}, 6: {"id": "5", "name": "Grace"}}
    reasons = {row["line"]: row["reason"] for row in intake.result(status)["rejected_rows"]}
    assert reasons == {
        3: "has 1 fields, and the header has 2",
        4: "has 3 fields, and the header has 2",
        5: "has a NUL",
        7: "has a quote that is not closed",
    }
    data = first(inbox, status)["data"]
    assert {name: data[name] for name in ("rows", "accepted", "rejected")} == status["counts"]


def test_an_empty_file_is_rejected_as_such(intake):
    status = intake.worked(new_key("orders.csv"), b"")
    assert (status["state"], status["reason"]) == ("REJECTED", "empty")
    assert intake.result(status)["reason"] == "empty"


def test_only_what_is_below_the_prefix_is_worked(intake):
    others = [new_key("other.csv"), "incoming", f"INCOMING/{new_key('a.csv')}", f"old/incoming/{new_key('a.csv')}"]
    for key in others:
        intake.put_object(key, csv_of(1))
    intake.worked(new_key("last.csv"), csv_of(1))
    intake.emptied()
    assert [intake.status(key) for key in others] == [{}] * len(others)


@pytest.fixture(scope="module")
def rush(intake, inbox):
    """100 files of all kinds, uploaded at the same time: their statuses, when all have come to their end."""
    folder = new_key("rush")
    files = {f"{folder}/{number}.{ending}": content for number in range(20) for ending, content in CONTENTS.items()}
    return intake.ended(*intake.put_all(files))


def test_each_of_100_files_at_once_comes_to_its_own_end(rush):
    assert Counter((status["kind"], status["state"]) for status in rush) == {
        ("csv", "PROCESSED"): 20,
        ("jsonl", "PROCESSED"): 20,
        ("text", "PROCESSED"): 20,
        ("image", "PROCESSED"): 20,
        ("unsupported", "REJECTED"): 20,
    }


def test_the_rows_of_100_files_at_once_add_up_and_nothing_is_left(intake, rush):
    counts = Counter()
    for status in rush:
        counts.update({name: int(number) for name, number in status["counts"].items()})
    assert counts == {"rows": 20 * (11 + 3), "accepted": 20 * (10 + 2), "rejected": 20 * 2}
    assert sum(len(intake.rows(status)) for status in rush) == counts["accepted"]
    intake.emptied()
    assert [intake.queue(name).count() for name in ("DeadLetter", "DeliveryDeadLetter")] == [0, 0]


def test_each_of_100_files_at_once_is_announced_once_with_what_became_of_it(inbox, rush):
    expected = Counter((status["object"], f"objects.{status['state'].lower()}") for status in rush)

    def told():
        events = announced(inbox)
        told = Counter((f"{event['data']['bucket']}/{event['data']['key']}", event["type"]) for event in events)
        return Counter({each: number for each, number in told.items() if each in expected})

    assert len(expected) == 100
    assert eventually(told, expected) == expected


def test_a_message_that_is_no_event_about_this_bucket_is_put_aside_with_the_reason(intake):
    bucket, version = {"name": "another-bucket"}, {"size": 1, "etag": "1", "sequencer": "1"}
    foreign = {"detail-type": "Object Created", "detail": {"bucket": bucket, "object": {"key": "incoming/a.csv", **version}}}
    poison = {"no JSON": "JSON", json.dumps({"detail-type": "sold"}): "no event", json.dumps(foreign): "another bucket"}
    intake.queue().send(*poison)
    letters = taken(intake.dead_letters(), 3, lambda message: message.body in poison)
    assert {letter.body for letter in letters} == poison.keys()
    assert [letter.attributes["Reason"] for letter in letters if poison[letter.body] not in letter.attributes["Reason"]] == []


def test_nothing_of_what_is_in_a_file_is_logged(account, intake):
    log = FunctionLog(account.client("logs"), intake.output("LogGroupName"))
    secret = b"nobody-should-read-this"
    bad = {"a.csv": b"id,%s\n1\n" % secret, "b.jsonl": b'{"%s": \n' % secret, "c.json": b"{%s}" % secret, "d.txt": secret}
    folder = new_key("secret")
    keys = intake.put_all({f"{folder}/{name}": content for name, content in bad.items()})
    intake.ended(*keys)
    assert eventually(lambda: sum(key in line for line in log.lines() for key in keys) > 0, wanted=True)
    intake.emptied()
    lines = list(log.lines())
    assert {key for key in keys if any(key in line for line in lines)} == set(keys)
    assert [line for line in lines if secret.decode() in line] == []


def test_the_drive_shows_each_hop_and_deletes_its_own_files_and_rows_only(account, stack, intake):
    of_somebody_else = intake.worked(new_key("of-somebody-else.csv"), csv_of(2))
    intake.dead_letters().send("of somebody else")

    def there():
        buckets = [intake.output(name) for name in ("BucketName", "OutputBucketName")]
        pages = [page for each in buckets for page in intake.s3.get_paginator("list_object_versions").paginate(Bucket=each)]
        objects = {(each["Key"], each["VersionId"]) for page in pages for each in page.get("Versions", [])}
        return objects, intake.rows(of_somebody_else), intake.table.scan(Select="COUNT")["Count"]

    before = there()
    hops = []
    drive(account, stack, hops.append)
    assert len(hops) > 6
    assert [hop for hop in hops if hop.faults] == []
    assert there() == before
    assert [letter.body for letter in taken(intake.dead_letters())] == ["of somebody else"]


def test_s3_processing_has_a_drive():
    assert "s3_processing" in driven_patterns()
