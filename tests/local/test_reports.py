"""Reports of a day by the command line and from Python: what they make, what they save, and what they say if they cannot."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local import cli
from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.database import Database
from serverless_patterns.local.emulator import Emulator
from serverless_patterns.local.reports import Reports

DAY = date(2025, 2, 3)


@pytest.fixture
def reports(account: Account, local_environment: None) -> Reports:
    """Those of the catalogue, whose database has the table of orders."""
    stack = account.stack("local-scheduled-report")
    Database(account, stack.outputs["ClusterArn"], stack.outputs["DatabaseSecretArn"], "reports").seed(0)
    return Reports(account, stack)


@pytest.mark.parametrize("given", ["2026-02-30", "yesterday", "03/01/2026", ""])
def test_a_date_that_is_none_is_named_with_one_that_is(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["report", given])
    assert ended.value.code == 2
    assert f"must be a day such as 2026-03-01, got {given!r}" in capsys.readouterr().err


def test_a_report_without_an_emulator_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", "2026-03-01"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: no emulator is running here: start one with `python -m serverless_patterns.local up`")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("reports")
def test_a_report_of_a_day_that_has_not_ended_says_so_and_saves_nothing(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    today = datetime.now(UTC).date().isoformat()
    assert cli.main(["report", today, "--endpoint-url", emulator.url]) == 1
    reason = "The event asks for no report that can be made: date names a day that has not ended yet."
    assert capsys.readouterr().err == f"error: the report of {today} failed: {reason}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("reports")
def test_a_report_is_made_and_its_files_are_saved_where_git_does_not_look(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", str(DAY), "--endpoint-url", emulator.url]) == 0
    printed = capsys.readouterr().out
    assert f"DailySales of {DAY}: DONE, 0 rows." in printed
    folder = tmp_path / ".serverless-patterns"
    files = [folder / "reports" / f"dt={DAY}" / f"DailySales.{ending}" for ending in ("csv", "html")]
    assert [str(file) in printed and file.stat().st_size > 0 for file in files] == [True, True]
    assert (folder / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_a_report_is_made_again_only_if_it_is_asked_for(account: Account, reports: Reports) -> None:
    runs = account.table(account.stack("local-scheduled-report").outputs["RunsTableName"])
    key = {"id": "DailySales#2025-02-04"}
    attempts = []
    for again in (False, False, True):
        assert reports.make(date(2025, 2, 4), again=again)["state"] == "DONE"
        attempts.append(int(runs.get_item(Key=key, ConsistentRead=True)["Item"]["attempts"]))
    assert attempts == [1, 1, 2]


def test_a_report_that_is_on_no_schedule_of_scheduler_cannot_be_made_to_tick(account: Account) -> None:
    with pytest.raises(LocalRunError, match="mine has no schedule of EventBridge Scheduler; make a report by its date"):
        Reports(account, Stack("mine", {"RuleName": "daily"})).tick()
