"""``python -m serverless_patterns.guard``: what it prints, and what its exit code says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import serverless_patterns
from serverless_patterns.guard import __main__ as program
from serverless_patterns.guard import cli
from tests.guard.assemblies import assembly, table
from tests.guard.templates import resource, write

PACKAGE = Path(serverless_patterns.__file__).parent
#: The package without what its ``__init__`` imports.
BARE = f"""import sys, types
bare = sys.modules['serverless_patterns'] = types.ModuleType('bare')
bare.__path__ = [{str(PACKAGE)!r}]
"""


@pytest.fixture
def run(tmp_path, capsys):
    """Run the command on two templates; its exit code, and what it has printed."""

    def called(old, new, *arguments):
        files = [str(write(tmp_path / name, {"Resources": each})) for name, each in (("old.json", old), ("new.json", new))]
        code = cli.main([*files, *arguments])
        return code, capsys.readouterr().out

    return called


def queues(**names):
    return {key: resource("AWS::SQS::Queue", {"QueueName": name}) for key, name in names.items()}


def test_a_safe_deploy_exits_with_0_and_one_line(run):
    code, out = run(queues(A="a"), queues(A="a", B="b"))
    assert (code, out) == (0, "safe: 1 resource with data in 1 stack stay as they are\n")


def test_a_finding_exits_with_1_and_says_where_what_why_and_how_to_mend(run):
    code, out = run(queues(A="a"), queues(A="b"))
    assert code == 1
    title, path, name, old, new, *rest = out.splitlines()
    assert title == "REPLACED  AWS::SQS::Queue A in stack new.json"
    assert [line.split() for line in (path, name, old, new)] == [
        ["path", "A"],
        ["property", "QueueName"],
        ["old", "a"],
        ["new", "b"],
    ]
    assert [line.split()[0] for line in rest if line[2:3].strip()] == ["why", "mend", "not"]
    assert rest[-1].startswith("not safe: 1 finding on 1 resource with data in 1 stack.")
    assert max(map(len, out.splitlines())) <= 120


def test_json_has_all_that_the_words_have(run):
    code, out = run(queues(A="a", B="b"), queues(A="x", B="y"), "--json", "--allow", "B=empty", "--allow", "C=gone")
    content = json.loads(out)
    assert code == 1
    assert {key: content[key] for key in ("safe", "stacks", "resources", "unused")} == {
        "safe": False,
        "stacks": 1,
        "resources": 2,
        "unused": ["C"],
    }
    (found,), (allowed,) = content["findings"], content["allowed"]
    names = {"stack", "logical_id", "path", "type", "kind", "property", "old", "new", "why", "mend"}
    assert (set(found), found["kind"], found["old"], found["new"]) == (names, "replaced", "a", "x")
    assert (set(allowed) - names, allowed["logical_id"], allowed["reason"]) == ({"reason"}, "B", "empty")


@pytest.mark.parametrize("name", ["A", "new.json/A"])
def test_what_is_allowed_is_safe_and_told_with_its_reason(run, name):
    code, out = run(queues(A="a"), queues(A="b"), "--allow", f"{name}=it = empty")
    assert code == 0
    assert "allowed: A in stack new.json is replaced (QueueName): it = empty" in out
    assert out.endswith("safe: 1 resource with data in 1 stack stay as they are but for what is allowed\n")


def test_what_is_allowed_for_one_resource_is_not_for_another(run):
    code, out = run(queues(A="a", B="b"), queues(A="x", B="y"), "--allow", "A=empty")
    assert code == 1
    assert "REPLACED  AWS::SQS::Queue B" in out
    assert "REPLACED  AWS::SQS::Queue A" not in out


def test_an_allowance_for_nothing_is_told(run):
    code, out = run(queues(A="a"), queues(A="a"), "--allow", "A=was empty")
    assert code == 0
    assert "nothing was found for A: remove its --allow" in out


@pytest.mark.parametrize("text", ["A", "A=", "=why", "A= "])
def test_an_allowance_needs_a_reason(run, capsys, text):
    with pytest.raises(SystemExit, match="2"):
        run({}, {}, "--allow", text)
    assert "must be LOGICAL_ID=REASON, such as" in capsys.readouterr().err


def test_input_that_cannot_be_compared_exits_with_2_and_says_what_was_expected(tmp_path, capsys):
    assert cli.main([str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "does not exist: expected a cdk.out folder with its manifest.json" in capsys.readouterr().err


def test_the_command_compares_two_assemblies(tmp_path):
    old, new = assembly(tmp_path / "old", table), assembly(tmp_path / "new", lambda scope: table(scope, key="email"))
    command = [sys.executable, "-m", "serverless_patterns.guard", str(old), str(new)]
    ran = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.startswith("REPLACED  AWS::DynamoDB::GlobalTable Users0A0EEA89 in stack Shop\n  path      Shop/Users")


def test_resources_that_are_kept_and_of_no_known_type_are_counted(run):
    kept = {f"P{n}": resource("AWS::ApiGateway::Account", DeletionPolicy="Retain") for n in range(2)}
    more = {
        "C": resource("Custom::Thing", UpdateReplacePolicy={"Ref": "P"}),
        "D": resource("Custom::Other", DeletionPolicy="Delete"),
    }
    code, out = run({**queues(A="a"), **kept, **more}, queues(A="a"))
    note, last = " ".join(out.split()).split(" safe: ")
    assert (code, last) == (0, "1 resource with data in 1 stack stay as they are")
    assert note.startswith("note: 3 resources have a policy that keeps them, and a type that is not known to hold data")
    assert note.endswith("nothing of them was compared: AWS::ApiGateway::Account (2), Custom::Thing (1)")
    _, out = run(kept, {}, "--json")
    assert json.loads(out)["unknown"] == {"AWS::ApiGateway::Account": 2}


def test_help_says_what_the_exit_code_means(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Exit code: 0 when the deploy is safe, 1 when something was found, 2 when the input cannot be compared" in said


def test_without_cfn_lint_the_command_says_how_to_get_it(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("serverless_patterns.guard.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cfnlint.decode", None)
    monkeypatch.setattr(sys, "argv", ["guard", "old", "new"])
    assert program.main() == 2
    assert "`pip install 'serverless-patterns[guard]'` brings it" in capsys.readouterr().err


def test_the_guards_own_modules_import_neither_the_cdk_nor_jsii():
    modules = "serverless_patterns.guard.cli, serverless_patterns.guard.comparison, serverless_patterns.guard.report"
    check = f"import {modules}; print({{'aws_cdk', 'jsii', 'boto3'}} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", BARE + check], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "set()\n"), ran.stderr
