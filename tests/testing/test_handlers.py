"""A function of a template runs in the process of a test: with its own code, its own variables, and nothing left behind."""

import os
import sys
from pathlib import Path

import boto3
import pytest

from serverless_patterns.bundled import lambda_source
from serverless_patterns.errors import PatternError
from serverless_patterns.testing import (
    LambdaContext,
    ResolvedTemplate,
    code_of,
    deliver,
    make_importable,
    record,
    running,
    stand_in,
)

COUNTING = """
import os
COUNT = [0]

def handler(event, context):
    COUNT[0] += 1
    left = context.get_remaining_time_in_millis()
    return {"count": COUNT[0], "greeting": os.environ["GREETING"], "event": event, "left": left}
"""
FAILING = """
def handler(event, context):
    return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in event["Records"] if each["body"] == "bad"]}
"""


def template_of(**more):
    role = {"Type": "AWS::IAM::Role", "Properties": {}}
    variables = {"GREETING": "hello", "QUEUE_URL": {"Ref": "Queue"}}
    properties = {
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Handler": "mine.handler",
        "Environment": {"Variables": variables},
        **more,
    }
    queue = {"Type": "AWS::SQS::Queue", "Properties": {}}
    worker = {"Type": "AWS::Lambda::Function", "Properties": {**properties, **more}}
    return ResolvedTemplate.of({"Resources": {"Role": role, "Queue": queue, "Worker": worker}})


@pytest.fixture
def code(tmp_path):
    (tmp_path / "mine.py").write_text(COUNTING)
    return tmp_path


def test_a_function_has_its_own_variables_and_is_told_its_time(code):
    (function,) = template_of().functions
    with running(function, code) as invoke:
        answer = invoke({"a": 1}, LambdaContext(milliseconds_left=5))
    assert answer == {"count": 1, "greeting": "hello", "event": {"a": 1}, "left": 5}


def test_modules_live_as_long_as_the_function_and_begin_anew_with_it(code):
    (function,) = template_of().functions
    with running(function, code) as invoke:
        assert [invoke({})["count"] for _ in range(2)] == [1, 2]
        invoke.restart()
        assert invoke({})["count"] == 1
    with running(function, code) as invoke:
        assert invoke({})["count"] == 1


def test_nothing_is_left_of_a_function_that_ran(code):
    (function,) = template_of().functions
    before = dict(os.environ), list(sys.path), sys.modules.get("mine")
    with running(function, code), pytest.raises(ZeroDivisionError):
        raise ZeroDivisionError
    assert (dict(os.environ), list(sys.path), sys.modules.get("mine")) == before


def test_a_module_of_a_test_s_own_is_given_back(code, monkeypatch):
    theirs = object()
    monkeypatch.setitem(sys.modules, "mine", theirs)
    (function,) = template_of().functions
    with running(function, code) as invoke:
        assert invoke({})["count"] == 1
    assert sys.modules["mine"] is theirs


def test_packages_that_are_installed_beside_the_code_are_no_modules_of_its_own(code):
    (code / "other").mkdir()
    (code / "other" / "__init__.py").write_text("")
    (code / "other-1.0.dist-info").mkdir()
    (code / "other-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (code / "other-1.0.dist-info" / "RECORD").write_text("other/__init__.py,,\n")
    (code / "mine.py").write_text(f"import other\n{COUNTING}")
    (function,) = template_of().functions
    with running(function, code) as invoke:
        first = sys.modules["other"]
        invoke.restart()
        assert sys.modules["other"] is first
    del sys.modules["other"]


def test_what_fails_comes_again_and_what_is_worked_is_gone(code):
    (code / "mine.py").write_text(FAILING)
    template = template_of()
    (function,) = template.functions
    with stand_in(template), running(function, code) as invoke, record() as calls:
        (handle,) = deliver(invoke, function.environment["QUEUE_URL"], "good", "bad")
        sqs = boto3.client("sqs", region_name="eu-central-1")
        sqs.change_message_visibility(QueueUrl=function.environment["QUEUE_URL"], ReceiptHandle=handle, VisibilityTimeout=0)
        assert len(deliver(invoke, function.environment["QUEUE_URL"])) == 1
    assert [call.operation for call in calls] == ["ChangeMessageVisibility"]  # what the queue does is no call of the function


def test_the_stand_in_is_empty_each_time():
    template = template_of()
    sqs = boto3.client("sqs", region_name="eu-central-1")
    url = template.functions[0].environment["QUEUE_URL"]
    for _ in range(2):
        with stand_in(template):
            assert sqs.receive_message(QueueUrl=url).get("Messages") is None
            sqs.send_message(QueueUrl=url, MessageBody="here")


def test_code_that_was_not_packed_is_an_error_that_says_why(tmp_path):
    (function,) = template_of(Code={"S3Key": "abc.zip"}).functions
    with pytest.raises(PatternError, match=r"holds no code of Worker \(looked for .*asset\.abc\).*bundling-stacks"):
        code_of(tmp_path, function)


def test_code_in_the_template_itself_has_no_folder(tmp_path):
    (function,) = template_of(Code={"ZipFile": "pass"}).functions
    with pytest.raises(PatternError, match="holds no code of Worker"):
        code_of(tmp_path, function)


def test_folders_are_importable_once_and_before_all_others(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    for _ in range(2):
        make_importable(tmp_path)
    assert sys.path[:2] == [str(tmp_path), str(lambda_source())]
    assert sys.path.count(str(tmp_path)) == 1


def test_a_folder_that_is_not_there_is_an_error_that_names_it():
    with pytest.raises(PatternError, match=r"must be there, got '.*src/stok'"):
        make_importable(Path("src") / "stok")
