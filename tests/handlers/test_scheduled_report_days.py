from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduled_report.days import Day, Order
from shared.errors import InvalidError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
BERLIN, SAO_PAULO, KOLKATA, HAVANA = map(ZoneInfo, ["Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "America/Havana"])


def day_of(event, zone=UTC, now=NOW):
    return Order.parse(event, zone, now).day.date


def faults_of(event, zone=UTC, now=NOW):
    with pytest.raises(InvalidError) as caught:
        Order.parse(event, zone, now)
    return [f"{fault.pointer} {fault.message}" for fault in caught.value.faults] or [caught.value.detail]


def between(day, zone):
    made = Day(date.fromisoformat(day), zone)
    return made.begins.isoformat(), made.ends.isoformat()


# --- which day


def test_a_tick_is_about_the_last_whole_day_before_it():
    assert day_of({"scheduled_time": "2026-03-02T05:00:00Z"}) == date(2026, 3, 1)


def test_the_day_is_one_of_the_time_zone():
    tick = {"scheduled_time": "2026-03-01T23:30:00Z"}
    assert day_of(tick) == date(2026, 2, 28)
    assert day_of(tick, BERLIN) == date(2026, 3, 1)
    assert day_of(tick, SAO_PAULO) == date(2026, 2, 28)


def test_a_tick_at_midnight_is_about_the_day_that_has_just_ended():
    assert day_of({"scheduled_time": "2026-03-28T23:00:00Z"}, BERLIN) == date(2026, 3, 28)


def test_the_event_of_a_rule_says_its_time():
    event = {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "time": "2026-03-02T05:00:00Z",
        "detail": {},
    }
    assert day_of(event) == date(2026, 3, 1)


def test_a_day_can_be_asked_for_by_hand():
    assert day_of({"date": "2026-02-28"}, KOLKATA) == date(2026, 2, 28)


@pytest.mark.parametrize("time", ["2026-03-02T05:00:00", "2026-03-02T05:00", "2026-03-02T06:30:00.123456+01:30"])
def test_times_are_iso_8601_and_in_utc_unless_they_say_otherwise(time):
    assert day_of({"scheduled_time": time}) == date(2026, 3, 1)


@pytest.mark.parametrize(
    "event", [None, [], "2026-03-01", {}, {"again": True}, {"date": "2026-03-01", "time": "2026-03-02T05:00:00Z"}]
)
def test_an_event_that_names_no_day_or_two_is_refused_with_what_there_is(event):
    (fault,) = faults_of(event)
    assert '{"date": "2026-03-01"}' in fault


@pytest.mark.parametrize(
    "time",
    [
        "", "yesterday", "2026-03-02", "20260302T050000Z", "2026-W10-1", "2026-03-02 05:00:00Z", "2026-02-30T05:00:00Z",
        "2026-03-02T25:00:00Z", "2026-03-02T05:00:00Z\n", "202\uff16-03-02T05:00:00Z", 1772427600, None, {"a": 1},
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["scheduled_time", "time"])
def test_a_time_that_is_none_is_refused(name, time):
    assert faults_of({name: time}) == [f"/{name} must be a time such as 2026-03-02T05:00:00Z"]


def test_a_time_that_the_scheduler_did_not_fill_in_says_so():
    (fault,) = faults_of({"scheduled_time": "<aws.scheduler.scheduled-time>"})
    assert fault.startswith("/scheduled_time was not filled in by the scheduler")


@pytest.mark.parametrize("day", ["", "2026-3-1", "2026-02-30", "2026-13-01", "01.03.2026", "../../etc", 20260301, None])
def test_a_date_that_is_none_is_refused(day):
    (fault,) = faults_of({"date": day})
    assert fault.startswith("/date must be a day")


@pytest.mark.parametrize("event", [{"time": "1970-01-01T00:00:00Z"}, {"date": "1970-01-01"}, {"date": "0001-01-01"}])
def test_times_before_there_was_anything_to_report_are_refused(event):
    (fault,) = faults_of(event)
    assert fault.endswith("is not in the years 2000 to 9998")


def test_a_tick_of_the_first_moment_of_the_calendar_is_refused():
    for time in ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:00"):
        assert faults_of({"time": time}, SAO_PAULO)


def test_a_tick_of_the_future_is_refused():
    assert faults_of({"time": "2026-06-01T12:10:00Z"}) == ["/time is in the future"]
    assert day_of({"time": "2026-06-01T12:04:00Z"}) == date(2026, 5, 31), "clocks differ a little"


def test_a_day_that_has_not_ended_in_its_zone_is_refused():
    evening = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    assert faults_of({"date": "2026-03-01"}, now=evening) == ["/date names a day that has not ended yet"]
    assert day_of({"date": "2026-03-01"}, BERLIN, evening) == date(2026, 3, 1)
    assert faults_of({"date": "9999-12-31"})


@pytest.mark.parametrize("again", ["true", 1, None])
def test_again_is_true_or_false(again):
    assert faults_of({"date": "2026-03-01", "again": again}) == ["/again must be true or false"]


# --- from when until when


def test_a_day_begins_and_ends_at_midnight_of_its_zone():
    assert between("2026-03-01", KOLKATA) == ("2026-02-28T18:30:00+00:00", "2026-03-01T18:30:00+00:00")


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        ("2026-03-29", BERLIN, 23),
        ("2026-10-25", BERLIN, 25),
        ("2026-06-01", KOLKATA, 24),
        ("2018-11-04", SAO_PAULO, 23),  # midnight itself was skipped
        ("2018-02-17", SAO_PAULO, 25),
        ("2025-11-02", HAVANA, 25),  # midnight came twice
    ],
)
def test_days_on_which_clocks_change_are_shorter_or_longer(day, zone, hours):
    made = Day(date.fromisoformat(day), zone)
    assert made.ends - made.begins == timedelta(hours=hours)


def test_a_day_without_a_midnight_begins_when_the_clocks_change():
    assert between("2018-11-04", SAO_PAULO) == ("2018-11-04T03:00:00+00:00", "2018-11-05T02:00:00+00:00")


@given(
    st.dates(date(2000, 1, 1), date(2037, 12, 30)),
    st.sampled_from(
        ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "America/Havana", "Pacific/Apia", "Africa/Cairo"]
    ),
)
def test_each_moment_is_in_one_day(day, name):
    zone = ZoneInfo(name)
    assert Day(day, zone).ends == Day(day + timedelta(days=1), zone).begins
    assert Day(day, zone).begins <= Day(day, zone).ends


@given(
    st.datetimes(NOW.replace(year=2001, tzinfo=None), NOW.replace(tzinfo=None), timezones=st.just(UTC)),
    st.sampled_from([BERLIN, SAO_PAULO, KOLKATA]),
)
def test_the_day_of_a_tick_is_over_at_the_tick_and_no_longer_than_a_day_ago(moment, zone):
    day = Order.parse({"time": moment.isoformat()}, zone, NOW).day
    assert day.ends <= moment < day.ends + timedelta(hours=25)
