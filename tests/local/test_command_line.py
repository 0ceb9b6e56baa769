"""The command line: what it says, what it leaves, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from serverless_patterns.catalog import CATALOG
from serverless_patterns.errors import LocalRunError
from serverless_patterns.local import cdk_cli, cli
from serverless_patterns.local.account import Account
from serverless_patterns.local.cdk_cli import App, CdkCli
from serverless_patterns.local.commands import Choice
from serverless_patterns.local.drives import drive_of
from serverless_patterns.local.emulator import Emulator
from serverless_patterns.local.http_api import HttpApi, Request
from serverless_patterns.local.processes import wait_until
from tests.local.conftest import ROOT, CommandLine, Deploy, command_environment, processes_that_mention
from tests.support.waiting import PATIENCE

SMALLEST_APP = """
import aws_cdk as cdk
app = cdk.App()
stack = cdk.Stack(app, "mine")
cdk.CfnResource(stack, "Topic", type="AWS::SNS::Topic")
cdk.CfnResource(stack, "Group", type="AWS::XRay::Group", properties={"GroupName": "all"})
cdk.CfnOutput(stack, "Answer", value="42")
app.synth()
"""
OWN_APIS = """
import aws_cdk as cdk
from aws_cdk import aws_apigateway, aws_apigatewayv2
app = cdk.App()
stack = cdk.Stack(app, "own-apis")
shop = aws_apigatewayv2.HttpApi(stack, "Shop")
cdk.CfnOutput(stack, "Endpoint", value=shop.api_endpoint)
cdk.CfnOutput(stack, "Url", value=shop.url)
orders = aws_apigateway.RestApi(stack, "Orders", cloud_watch_role=False)
orders.root.add_method("GET", aws_apigateway.MockIntegration())
cdk.CfnOutput(stack, "OrdersUrl", value=orders.url)
app.synth()
"""
SLOW_APP = """
import time
import aws_cdk as cdk
cdk.App()
open("began", "w").close()
time.sleep(60)
"""
QUALIFIER = "@aws-cdk/core:bootstrapQualifier"
KNOWN = [entry.name for entry in CATALOG]


@pytest.fixture(autouse=True)
def _signals_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command line runs in an empty folder, and what it says about signals ends with the test."""
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (*cli.ENDING, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


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


@pytest.mark.parametrize("pattern", [[], ["--pattern", "api_crud"]], ids=["all", "one"])
def test_a_drive_where_nothing_is_to_be_driven_says_what_is_and_what_to_do_with_an_app_of_ones_own(
    pattern: list[str], emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["drive", "--endpoint-url", emulator.url, "--environment", "nowhere", *pattern]) == 1
    assert capsys.readouterr().err == (
        f"error: there is nothing to drive at {emulator.url}: no stack such as nowhere-api-crud is deployed there "
        "(the drives know only the stacks of this library's own app): deploy that first; to an app of your own send requests, "
        "at the addresses that `deploy` prints\n"
    )


def test_a_report_of_a_stack_that_is_not_there_names_the_stack(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", "2026-03-01", "--endpoint-url", emulator.url, "--environment", "nowhere"]) == 1
    says = f"error: there is no stack nowhere-scheduled-report at {emulator.url}: deploy it first\n"
    assert capsys.readouterr().err == says


@pytest.mark.parametrize("command", ["deploy", "drive", "demo"])
def test_an_unknown_pattern_is_named_with_those_that_there_are_before_anything_is_started(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, "--pattern", "api_crude"]) == 1
    printed = capsys.readouterr()
    assert printed.err == f"error: pattern must be one of {', '.join(KNOWN)}, got 'api_crude'; did you mean 'api_crud'?\n"
    assert printed.out == ""


def test_a_pattern_of_a_users_own_app_is_left_to_the_app() -> None:
    Choice(pattern="mine", app="python app.py").check_pattern()


def test_a_pattern_without_a_drive_is_named_with_those_that_have_one() -> None:
    with pytest.raises(LocalRunError, match="there is no drive for the pattern 'mine', only for api_crud"):
        drive_of("mine")


@pytest.mark.parametrize("port", [-1, 0, 65536, 70000])
def test_a_port_that_there_is_not_is_named_with_those_that_there_are(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["up", "--port", str(port)]) == 1
    assert capsys.readouterr().err == f"error: port must be 1 to 65535, got {port}: leave --port out for a free one\n"


def test_a_folder_that_cannot_hold_the_state_is_named_with_what_helps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / ".serverless-patterns"
    state.touch()
    assert cli.main(["up"]) == 1
    says = f"error: the folder {state} cannot be used (File exists): run it in a folder that you may write to\n"
    assert capsys.readouterr().err == says


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_cache_that_cannot_be_written_to_is_named_with_what_helps(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a-file"))
    assert cli.main([command]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: the folder {tmp_path}/a-file/serverless-patterns cannot be used (Not a directory): ")
    assert error.endswith("let XDG_CACHE_HOME name a folder that you may write to\n")
    assert not error.count("\n") > 1


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
    assert cli.main(["logs", "--stack", "local-api-crud"]) == 0
    printed = capsys.readouterr().out
    assert "REPORT RequestId" in printed
    groups = [line for line in printed.splitlines() if line.startswith("local-")]
    assert groups
    assert {group.split(":")[0] for group in groups} == {"local-api-crud"}
    assert cli.main(["logs", "--emulator"]) == 0
    assert "Lambda worker spawned for local-api-crud" in capsys.readouterr().out


@pytest.mark.usefixtures("_up")
def test_logs_leaves_out_the_groups_in_which_nothing_is(deploy: Deploy, capsys: pytest.CaptureFixture[str]) -> None:
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/mine/silent"}}
    deploy("silent", {"Resources": {"Group": group}})
    assert cli.main(["logs", "--stack", "silent"]) == 0
    assert capsys.readouterr().out == "Nothing is logged yet in silent.\n"


@pytest.mark.usefixtures("_up")
def test_logs_of_a_stack_that_is_not_there_says_so(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["logs", "--stack", "mien"]) == 1
    assert capsys.readouterr().err == f"error: there is no stack mien at {emulator.url}: deploy it first\n"


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
    assert wait_until(lambda: not dead.alive, seconds=PATIENCE)
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


@pytest.mark.usefixtures("_up")
def test_the_addresses_of_a_users_own_apis_are_printed_as_they_answer_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(OWN_APIS)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    assert cli.main(["deploy", "--app", f"{sys.executable} mine.py"]) == 0
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines() if "http://localhost" in line)
    assert answer_of(printed["Endpoint"] + "/products") == answer_of(printed["Url"]) == (404, '{"message":"Not Found"}')
    assert answer_of(printed["OrdersUrl"])[0] == 200


def answer_of(url: str) -> tuple[int, str]:
    answer = URLLib3Session().send(AWSRequest("GET", url).prepare())
    return answer.status_code, answer.text


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("http://33022772.execute-api.localhost:4567", "{url}/_aws/execute-api/33022772"),
        ("http://33022772.execute-api.localhost:4567/prod/x", "{url}/_aws/execute-api/33022772/prod/x"),
        ("https://33022772.execute-api.us-east-1.amazonaws.com/prod/", "{url}/_aws/execute-api/33022772/prod/"),
        ("orders at https://33022772.execute-api.us-east-1.amazonaws.com", "orders at {url}/_aws/execute-api/33022772"),
        ("https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/prod", "{value}"),
        ("arn:aws:execute-api:us-east-1:000000000000:33022772/*", "{value}"),
    ],
    ids=["HTTP API", "with a path", "REST API", "in a sentence", "in an account of AWS", "ARN"],
)
def test_an_address_of_an_api_of_the_emulator_is_told_as_one_that_any_client_finds(value: str, printed: str) -> None:
    url = "http://localhost:4567"
    assert Account(url).reachable(value) == printed.format(url=url, value=value)


@pytest.mark.parametrize("app", [["--app", "python mine.py"], []], ids=["by --app", "by cdk.json"])
def test_the_demo_of_a_users_own_app_deploys_it_and_leaves_nothing(
    app: list[str], command_line: CommandLine, tmp_path: Path
) -> None:
    own = ["cdk.json", "mine.py", "node_modules"]
    (tmp_path / "mine.py").write_text(SMALLEST_APP)
    (tmp_path / "cdk.json").write_text(json.dumps({"app": "python mine.py", "context": {QUALIFIER: "own"}}))
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    done = command_line("demo", *app)
    assert done.returncode == 0, done.stderr
    assert "Deploy mine" in done.stdout
    assert "Deployed, and not driven: the drives know only the stacks of this library's own app." in done.stdout
    assert "Answer  42" in done.stdout
    assert "only configures another resource: AWS::XRay::Group mine/Group" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == own


@pytest.fixture
def slow_demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo of an app that has begun to define its stacks, and will not come to an end."""
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / "slow.py").write_text(SLOW_APP)
    with subprocess.Popen(
        [sys.executable, "-m", "serverless_patterns.local", "demo", "--app", f"python {tmp_path}/slow.py"],
        cwd=tmp_path,
        env=command_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of its own, as a shell gives it
    ) as demo:
        assert wait_until((tmp_path / "began").exists, seconds=PATIENCE)
        yield demo


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["Ctrl-C", "kill", "closed terminal"],
)
def test_an_interrupted_demo_stops_everything(
    slow_demo: subprocess.Popen[str], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    slow_demo.send_signal(number)
    _, error = slow_demo.communicate(timeout=20)
    assert slow_demo.returncode == code
    assert "Traceback" not in error
    assert processes_that_mention(tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["began", "node_modules", "slow.py"]


def test_ctrl_c_in_a_terminal_ends_with_one_sentence_though_it_reaches_every_process(slow_demo: subprocess.Popen[str]) -> None:
    os.killpg(slow_demo.pid, signal.SIGINT)
    _, error = slow_demo.communicate(timeout=20)
    assert slow_demo.returncode == 130
    assert error == "interrupted: what this command has started is stopped\n"


def test_a_demo_that_is_killed_takes_its_processes_and_its_folder_along(
    slow_demo: subprocess.Popen[str], tmp_path: Path
) -> None:
    (folder,) = tmp_path.glob("serverless-patterns-*")
    slow_demo.kill()
    assert wait_until(lambda: not processes_that_mention(tmp_path), seconds=PATIENCE), processes_that_mention(tmp_path)
    assert wait_until(lambda: not folder.exists(), seconds=PATIENCE)
    assert list(tmp_path.glob("jsii-kernel-*")) == []


def test_an_unknown_environment_is_named_with_those_that_there_are(command_line):
    done = command_line("demo", "--environment", "prdo")
    assert done.returncode == 1
    assert done.stderr == "error: environment must be one of local, dev, staging, prod, got 'prdo'; did you mean 'prod'?\n"


def test_only_what_is_packed_for_this_machine_is_driven():
    assert Choice("local").not_driven is None
    assert Choice("dev").not_driven == "the handlers of dev are packed for Lambda, and only those of local for this machine"
    assert Choice("local", app="python app.py").not_driven == "the drives know only the stacks of this library's own app"


def test_an_endpoint_that_is_no_url_is_named_with_one_that_is(command_line):
    done = command_line("drive", "--endpoint-url", "nonsense")
    assert done.returncode == 2
    assert "must be a URL such as http://localhost:4566, got 'nonsense'" in done.stderr


def test_an_account_is_driven_only_with_an_environment_that_is_deployed_to_it(command_line):
    done = command_line("drive", "--aws")
    assert (done.returncode, done.stderr) == (
        1,
        "error: --aws needs --environment with one that is deployed to AWS: local is for the emulator only\n",
    )
