"""One emulator for all tests of this folder, with the local environment deployed to it once."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.cdk_cli import App, CdkCli
from serverless_patterns.local.emulator import Emulator
from serverless_patterns.local.http_api import HttpApi

ROOT = Path(__file__).parents[2]

USERS_APP = """
import sys
sys.path.insert(0, {root!r})
import aws_cdk as cdk
from serverless_patterns import *
app = cdk.App()
stack = cdk.Stack(app, {name!r})
{body}
for name, value in pattern.outputs.items():
    cdk.CfnOutput(stack, name, value=value)
app.synth()
"""

Deploy = Callable[[str, Mapping[str, Any]], Stack]
DeployApp = Callable[[str, str], Stack]
CommandLine = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with Emulator.start(tmp_path_factory.mktemp("emulator")) as started:
        yield started


@pytest.fixture(scope="session")
def account(emulator: Emulator) -> Account:
    return Account(emulator.url)


@pytest.fixture(scope="session")
def local_environment(emulator: Emulator) -> None:
    """Every pattern of the catalogue in the environment ``local``, deployed by the real CDK CLI from this repository's app."""
    cli = CdkCli(App(ROOT, context={"environment": "local"}), emulator)
    lines: list[str] = []
    assembly = cli.synth(lines.append)
    assembly.check(emulator.resource_types)
    cli.bootstrap(assembly, lines.append)
    cli.deploy(assembly, lines.append)


@pytest.fixture(scope="session")
def products(account: Account, local_environment: None) -> Stack:
    """The stack of ApiCrud."""
    return account.stack("local-api-crud")


@pytest.fixture(scope="session")
def orders(account: Account, local_environment: None) -> Stack:
    """The stack of SqsPipeline."""
    return account.stack("local-sqs-pipeline")


@pytest.fixture(scope="session")
def events(account: Account, local_environment: None) -> Stack:
    """The stack of SnsFanout."""
    return account.stack("local-sns-fanout")


@pytest.fixture(scope="session")
def deploy_app(
    emulator: Emulator, account: Account, local_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> DeployApp:
    """Deploys an app of a user's own, given as the body of its stack, where the local environment is deployed already."""

    def run(name: str, body: str) -> Stack:
        folder = tmp_path_factory.mktemp(name)
        (folder / "app.py").write_text(USERS_APP.format(root=str(ROOT), name=name, body=body))
        cli = CdkCli(App(folder, f"{sys.executable} app.py"), emulator)
        cli.deploy(cli.synth(lambda _: None), lambda _: None)
        return account.stack(name)

    return run


@pytest.fixture(scope="session")
def sales(account: Account, local_environment: None) -> Stack:
    """The stack of OrderWorkflow."""
    return account.stack("local-order-workflow")


@pytest.fixture
def api(account: Account, products: Stack) -> HttpApi:
    return HttpApi(account, products, on_hop=lambda _: None)


@pytest.fixture(scope="session")
def deploy(account: Account) -> Deploy:
    """Deploys a template as it is, without CDK."""
    cloudformation = account.client("cloudformation")

    def create(name: str, template: Mapping[str, Any]) -> Stack:
        cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 50})
        return account.stack(name)

    return create


@pytest.fixture
def command_line(tmp_path: Path) -> CommandLine:
    """Runs ``python -m serverless_patterns.local`` in an empty folder."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "serverless_patterns.local", *arguments],
            cwd=tmp_path,
            env=command_environment(tmp_path),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def command_environment(temporary: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}


def zipped(code: str) -> bytes:
    """The code of a function ``index.handler``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", code)
    return buffer.getvalue()


def processes_that_mention(folder: Path) -> list[str]:
    """The command lines of living processes that mention a folder: handlers run a script in it."""
    found = psutil.process_iter(["cmdline", "status"])
    lines = (" ".join(process.info["cmdline"] or []) for process in found if process.info["status"] != psutil.STATUS_ZOMBIE)
    return [line for line in lines if str(folder) in line]
