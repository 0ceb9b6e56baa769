"""The command line: what it says, what it leaves, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local import cdk_cli, cli
from serverless_patterns.local.cdk_cli import App, CdkCli
from serverless_patterns.local.commands import Choice
from serverless_patterns.local.emulator import Emulator
from serverless_patterns.local.http_api import HttpApi, Request
from serverless_patterns.local.processes import wait_until
from tests.local.conftest import ROOT, CommandLine, command_environment

SMALLEST_APP = """
import aws_cdk as cdk
app = cdk.App()
stack = cdk.Stack(app, "mine")
cdk.CfnResource(stack, "Topic", type="AWS::SNS::Topic")
cdk.CfnResource(stack, "Group", type="AWS::XRay::Group", properties={"GroupName": "all"})
cdk.CfnOutput(stack, "Answer", value="42")
app.synth()
"""


@pytest.fixture(autouse=True)
def _signals_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command line runs in an empty folder, and what it says about signals ends with the test."""
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"\n    {command} " in printed for command in ("up", "deploy", "drive", "demo", "logs", "down"))


@pytest.mark.parametrize("command", ["deploy", "drive", "logs"])
def test_a_command_that_needs_an_emulator_says_how_to_start_one(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command]) == 1
    error = capsys.readouterr().err
    assert "no emulator is running here: start one with `python -m serverless_patterns.local up`" in error
    assert "Traceback" not in error


def test_down_without_an_emulator_is_friendly(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["down"]) == 0
    assert capsys.readouterr().out == "No emulator is running here.\n"


def test_a_drive_of_what_is_not_deployed_says_so(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["drive", "--endpoint-url", emulator.url, "--environment", "nowhere"]) == 1
    assert "the stack nowhere-api-crud cannot be found" in capsys.readouterr().err


def test_a_pattern_without_a_drive_is_named_with_those_that_have_one(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["drive", "--endpoint-url", emulator.url, "--pattern", "api_crude"]) == 1
    assert "there is no drive for the pattern 'api_crude', only for api_crud" in capsys.readouterr().err


@pytest.fixture
def _up(emulator: Emulator, tmp_path: Path) -> None:
    """The emulator of all tests, as if it had been started in this folder."""
    (tmp_path / ".serverless-patterns").mkdir()
    (tmp_path / ".serverless-patterns" / "emulator").symlink_to(emulator.folder)


@pytest.mark.usefixtures("_up", "products")
def test_a_drive_ends_with_a_table_of_what_each_request_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["drive", "--pattern", "api_crud"]) == 0
    printed = capsys.readouterr().out
    assert "What happened in local-api-crud" in printed
    assert "✗" not in printed


@pytest.mark.usefixtures("products")
def test_any_endpoint_that_speaks_aws_can_be_driven(emulator: Emulator) -> None:
    assert cli.main(["drive", "--endpoint-url", emulator.url]) == 0


@pytest.mark.usefixtures("_up")
def test_logs_shows_what_the_functions_and_the_emulator_have_logged(api: HttpApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert api.send(Request(method="GET", path="/products/unknown")).status == 404
    assert cli.main(["logs"]) == 0
    assert "REPORT RequestId" in capsys.readouterr().out
    assert cli.main(["logs", "--emulator"]) == 0
    assert "Lambda worker spawned for local-api-crud" in capsys.readouterr().out


def test_a_missing_cdk_cli_is_named_with_what_installs_it(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "node").touch(mode=0o755)
    monkeypatch.setattr(cdk_cli, "_search_path", lambda: str(tmp_path))
    with pytest.raises(LocalRunError, match="the CDK CLI is missing: `npm install aws-cdk@2`"):
        CdkCli(App(tmp_path), emulator).synth(print)


def test_missing_node_is_named_with_what_installs_it(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cdk_cli, "_search_path", lambda: str(tmp_path))
    with pytest.raises(LocalRunError, match="node is missing"):
        CdkCli(App(tmp_path), emulator).synth(print)


def test_an_emulator_goes_on_running_until_it_is_taken_down(command_line: CommandLine, tmp_path: Path) -> None:
    first, second = command_line("up"), command_line("up")
    assert first.returncode == second.returncode == 0, first.stderr
    emulator = Emulator.of_folder(tmp_path / ".serverless-patterns" / "emulator")
    assert emulator
    assert emulator.alive
    assert f"already running at {emulator.url}" in second.stdout
    assert command_line("down").stdout == "The emulator is stopped, its state is removed.\n"
    assert not emulator.healthy
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_emulator_has_left_does_not_stand_in_the_way(command_line: CommandLine, tmp_path: Path) -> None:
    command_line("up")
    dead = Emulator.of_folder(tmp_path / ".serverless-patterns" / "emulator")
    assert dead
    os.kill(dead.pid, signal.SIGKILL)
    assert wait_until(lambda: not dead.alive, seconds=5)
    assert "the emulator died" in command_line("drive").stderr
    assert command_line("up").returncode == 0
    assert command_line("down").returncode == 0


def test_a_process_that_has_got_the_number_of_a_dead_emulator_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / ".serverless-patterns" / "emulator"
    folder.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as innocent:
        (folder / "emulator.json").write_text(json.dumps({"port": 1, "pid": innocent.pid}))
        assert cli.main(["down"]) == 0
        assert innocent.poll() is None
        innocent.kill()
    assert "is stopped" in capsys.readouterr().out


def test_the_demo_of_a_users_own_app_deploys_it_and_leaves_nothing(command_line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SMALLEST_APP)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    done = command_line("demo", "--app", "python mine.py")
    assert done.returncode == 0, done.stderr
    assert "Deploy mine" in done.stdout
    assert "Answer  42" in done.stdout
    assert "only configures another resource: AWS::XRay::Group mine/Group" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.py", "node_modules"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_demo_stops_everything(tmp_path: Path, number: signal.Signals, code: int) -> None:
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / "slow.py").write_text("import time; open('began', 'w').close(); time.sleep(60)")
    command = [sys.executable, "-m", "serverless_patterns.local", "demo", "--app", "python slow.py"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=command_environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert wait_until((tmp_path / "began").exists, seconds=30)
        demo.send_signal(number)
        _, error = demo.communicate(timeout=20)
    assert demo.returncode == code
    assert "Traceback" not in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["began", "node_modules", "slow.py"]
    listed = subprocess.run(["ps", "-ww", "-eo", "args="], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in listed
    assert "slow.py" not in listed


def test_an_unknown_environment_is_named_with_those_that_there_are(command_line):
    done = command_line("demo", "--environment", "prdo")
    assert done.returncode == 1
    assert done.stderr == "error: environment must be one of local, dev, staging, prod, got 'prdo'; did you mean 'prod'?\n"


def test_only_what_is_packed_for_this_machine_is_driven():
    assert Choice("local").not_driven is None
    assert Choice("dev").not_driven == "the handlers of dev are packed for Lambda, and only those of local for this machine"
    assert Choice("local", app="python app.py").not_driven == "the drives know only the patterns of this library"
