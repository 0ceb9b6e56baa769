"""The notification: what people are told, and that no event can put anything else into a mail."""

import dataclasses
import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from types_boto3_dynamodb import DynamoDBClient

from shared.envelope import Envelope
from sns_fanout.notice import notice_of
from tests.handlers.fanout_client import EVENT, Fanout, event, event_about

#: What ends a line somewhere, or turns or hides what follows.
HARMFUL = [
    "\r\n",
    "\n",
    "\r",
    "\t",
    "\x0b",
    "\x0c",
    "\x1b[2J",
    "\x7f",
    "\x85",
    "\x9b[2J",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
]
LINE = "declined by the bank"


@pytest.fixture
def notification(dynamodb: DynamoDBClient) -> Fanout:
    return Fanout("notification", dynamodb)


def notice(envelope: dict[str, Any]) -> Any:
    return notice_of(Envelope.parse(json.dumps(envelope)))


def test_people_are_told_what_happened_to_what_when_and_who_says_so(notification: Fanout) -> None:
    assert notification.send(EVENT) == []
    (told,) = notification.notices
    assert told["Subject"] == "orders.paid: 42"
    assert told["Message"].splitlines() == [
        "orders.paid",
        "",
        "order_id: 42",
        "state: PAID",
        "amount: 19.99",
        "currency: EUR",
        "payment_id: pay_7f3c",
        "",
        "Time: 2026-03-01T12:00:00.123Z",
        "From: orders",
        "Event: 42:PAID",
    ]


def test_an_event_is_one_message(notification: Fanout) -> None:
    sent: list[dict[str, Any]] = []
    notification.sns.meta.events.register("provide-client-params.sns.Publish", lambda params, **_: sent.append(params))
    notification.send(EVENT)
    assert [parameters.keys() for parameters in sent] == [{"TopicArn", "Subject", "Message"}]


def test_an_event_that_comes_again_is_told_again_rather_than_never(notification: Fanout) -> None:
    notification.send(EVENT)
    notification.send(EVENT)
    assert len(notification.notices) == 2


@pytest.mark.parametrize("member", ["type", "correlation_id"])
@pytest.mark.parametrize("harmful", HARMFUL, ids=ascii)
def test_a_subject_stays_one_line(notification: Fanout, member: str, harmful: str) -> None:
    assert notification.send(event(**{member: f"a{harmful}Bcc: mallory@example.com"})) == []
    subject = notification.notices[0]["Subject"]
    assert "a Bcc: mallory@example.com" in subject.replace("[2J", " ").replace("  ", " ")
    assert all(" " <= character <= "~" for character in subject)


def test_a_subject_is_ascii(notification: Fanout) -> None:
    notification.send(event(correlation_id="Grüße 🎉"))
    assert notification.notices[0]["Subject"] == "orders.paid: Gr??e ?"


def test_a_subject_that_begins_with_what_is_not_ascii_begins_with_a_character_that_sns_takes() -> None:
    assert notice(event(type="\n 🎉")).subject == "?: 42"


@pytest.mark.parametrize(("length", "end"), [(86, "xxx"), (87, "..."), (500, "...")])
def test_a_subject_has_less_than_100_characters(length: int, end: str) -> None:
    subject = notice(event(correlation_id="x" * length)).subject
    assert (len(subject), subject[-3:]) == (99, end)


def test_a_subject_has_nothing_that_mail_programs_decode() -> None:
    subject = notice(event(correlation_id="=?utf-8?B?DQpCY2M6IG1hbGxvcnk=?=")).subject
    assert "=?" not in subject
    assert len(notice(event(correlation_id="=?" * 50)).subject) == 99


@pytest.mark.parametrize("harmful", HARMFUL, ids=ascii)
def test_no_value_can_add_a_line_to_the_text(harmful: str) -> None:
    told = notice(event_about(reason=f"{LINE}{harmful}state: PAID"))
    plain = notice(event_about(reason=LINE))
    assert len(told.text.splitlines()) == len(plain.text.splitlines())
    assert harmful not in told.text or harmful == "\n"


@given(st.text(max_size=200), st.text(max_size=200))
def test_whatever_an_event_says_its_subject_fits_into_a_header_and_its_text_has_the_same_lines(text: str, name: str) -> None:
    fields = {"id": text, "type": text, "source": text, "correlation_id": text}
    told = notice_of(dataclasses.replace(Envelope.parse(json.dumps(EVENT)), **fields, data={name: text}))
    assert re.fullmatch(r"[\x21-\x7e][\x20-\x7e]{0,98}", told.subject)
    assert len(told.text.splitlines()) == 7


@pytest.mark.parametrize("member", ["id", "type", "source"])
def test_no_member_of_the_envelope_can_add_a_line_to_the_text(member: str) -> None:
    told = notice(event(**{member: "a\nstate: PAID"}))
    assert len(told.text.splitlines()) == len(notice(EVENT).text.splitlines())


def test_no_name_of_a_field_can_add_a_line_to_the_text() -> None:
    told = notice(event(data={"a\nb": 1}))
    assert "a b: 1" in told.text.splitlines()


def test_words_in_other_languages_stay_in_the_text(notification: Fanout) -> None:
    notification.send(event_about(reason="Grüße 🎉 日本"))
    assert "reason: Grüße 🎉 日本" in notification.notices[0]["Message"].splitlines()


def test_amounts_are_told_to_the_last_digit() -> None:
    told = notice_of(Envelope.parse(json.dumps(event_about(amount="?")).replace('"?"', "12345678901234567890.10")))
    assert "amount: 12345678901234567890.1" in told.text.splitlines()


def test_a_field_that_is_no_text_is_told_as_json() -> None:
    told = notice(event(data={"items": [{"sku": "a", "quantity": 2}], "gift": True, "note": None}))
    assert {'items: [{"quantity":2,"sku":"a"}]', "gift: true", "note: null"} <= set(told.text.splitlines())


def test_a_long_value_is_cut() -> None:
    told = notice(event_about(reason="x" * 200_000))
    assert f"reason: {'x' * 497}..." in told.text.splitlines()


def test_of_many_fields_the_first_thirty_are_told() -> None:
    told = notice(event(data={f"field{number:03}": number for number in range(1000)}))
    assert "field029: 29" in told.text
    assert "field030" not in told.text
    assert "... and 970 more" in told.text.splitlines()


def test_the_largest_event_is_a_text_that_sns_takes() -> None:
    told = notice(event(data={f"{number}{'🎉' * 1000}": "🎉" * 1000 for number in range(30)}))
    assert len(told.text.encode()) < 256 * 1024


def test_an_event_without_data_is_told() -> None:
    assert notice(event(data={})).text.splitlines()[0] == "orders.paid"


def test_what_could_not_be_told_is_told_at_the_next_try(notification: Fanout, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled(**_: object) -> object:
        response: Any = {"Error": {"Code": "Throttled", "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": 429}}
        raise ClientError(response, "Publish")

    with monkeypatch.context() as patch:
        patch.setattr(notification.sns, "publish", throttled)
        (again,) = notification.send(EVENT)
    assert notification.send(again) == []
    assert len(notification.notices) == 1
