"""A deployed handler sees what Lambda would show it: boto3, its own code, its layer, and Lambda's variables."""

import json
from typing import Any

import pytest

from serverless_patterns.local.account import Account
from serverless_patterns.local.emulator import Emulator
from tests.local.conftest import zipped

PROBE = """
import importlib.util, os, sys
def handler(event, context):
    found = [name for name in event["modules"] if importlib.util.find_spec(name)]
    return {"found": found, "variables": dict(os.environ), "executable": sys.executable, "path": sys.path}
"""
FOREIGN = [
    "ministack",
    "hypercorn",
    "yaml",
    "cryptography",
    "rich",
    "aws_cdk",
    "pytest",
    "uv",
    "serverless_patterns",
    "corrections",
]


@pytest.fixture(scope="module")
def seen(account: Account) -> dict[str, Any]:
    client = account.client("lambda")
    client.create_function(
        FunctionName="probe",
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/probe",
        Handler="index.handler",
        Code={"ZipFile": zipped(PROBE)},
        Environment={"Variables": {"OWN": "value"}},
    )
    payload = json.dumps({"modules": ["boto3", "botocore", *FOREIGN]})
    answer: dict[str, Any] = json.loads(client.invoke(FunctionName="probe", Payload=payload)["Payload"].read())
    return answer


def test_a_handler_can_import_boto3_and_nothing_else(seen: dict[str, Any]) -> None:
    assert seen["found"] == ["boto3", "botocore"]


def test_a_handler_gets_its_own_variables_and_those_of_lambda(seen: dict[str, Any]) -> None:
    assert seen["variables"]["OWN"] == "value"
    assert seen["variables"]["AWS_LAMBDA_FUNCTION_NAME"] == "probe"
    assert seen["variables"]["AWS_REGION"] == "us-east-1"


def test_a_handler_gets_no_variable_of_the_emulator_or_of_this_machine(seen: dict[str, Any], emulator: Emulator) -> None:
    others = {name for name in seen["variables"] if not name.startswith(("AWS_", "_"))}
    assert others <= {"HOME", "LANG", "LAMBDA_TASK_ROOT", "OWN", "PATH", "TMPDIR", "TZ", "LC_CTYPE"}
    assert seen["variables"]["HOME"] == str(emulator.folder)
    assert seen["variables"]["PATH"] == "/usr/local/bin:/usr/bin:/bin"
