"""The pipeline in docs/upgrading.md: what it fetches is what the guard takes, nested stacks and first deploys included."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from serverless_patterns.guard.comparison import compare
from serverless_patterns.guard.findings import Kind
from tests.guard.assemblies import assembly, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "upgrading.md"
NESTED = "DataNestedStackDataNestedStackResourceEC94013D"
#: ``aws``, as far as the recipe needs it: stacks are folders with what CloudFormation answers about them.
AWS = f"""#!{sys.executable}
import json, pathlib, sys
import jmespath
_, _, command, *rest = sys.argv
options = dict(zip(rest[::2], rest[1::2]))
answer = pathlib.Path(__file__).parent / options["--stack-name"] / (command + ".json")
if not answer.exists():
    sys.exit("An error occurred (ValidationError): " + (answer.parent / "error").read_text())
content = json.loads(answer.read_text())
found = jmespath.search(options["--query"], content) if "--query" in options else content
if options.get("--output") == "text":
    print(*("\\t".join(row) + "\\n" for row in found), sep="", end="")
else:
    print(json.dumps(found))
"""


def steps():
    """The steps of the pipeline, by their names."""
    (workflow,) = re.findall(r"```yaml\n(name: deploy.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return {
        step.get("name", step.get("run") or step["uses"]): step for step in yaml.safe_load(workflow)["jobs"]["deploy"]["steps"]
    }


@pytest.fixture
def fetch(tmp_path):
    """Run the step that fetches what is deployed, against these stacks."""

    def run(**answers):
        home = tmp_path / "bin"
        for name in ("prod-users", "prod-alerts"):
            (home / name).mkdir(parents=True)
            (home / name / "error").write_text("Stack with id X does not exist")
        for stack, files in answers.items():
            folder = home / stack.replace("_", "-")
            folder.mkdir(exist_ok=True)
            for name, content in files.items():
                (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
        (home / "aws").write_text(AWS)
        (home / "aws").chmod(0o755)
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", steps()["What is deployed"]["run"]]
        environment = {**os.environ, "PATH": f"{home}:{os.environ['PATH']}"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def answers(template, *nested):
    """What CloudFormation answers about a stack with a template, and stacks nested in it."""
    listed = [{"LogicalResourceId": key, "PhysicalResourceId": name, "ResourceType": kind} for key, name, kind in nested]
    return {
        "describe-stacks.json": {},
        "get-template.json": {"TemplateBody": template},
        "list-stack-resources.json": {"StackResourceSummaries": listed},
    }


def test_the_recipe_fetches_nested_stacks_and_the_guard_compares_them(fetch, tmp_path):
    old, new = (
        assembly(tmp_path / name, lambda scope, key=key: table(scope, key=key), nested=True, stack="prod-users")
        for name, key in (("old", "id"), ("new", "email"))
    )
    parent, child = (
        json.loads(next(old.glob(f"*{ending}")).read_text()) for ending in ("users.template.json", ".nested.template.json")
    )
    found = [(NESTED, "arn-of-nested", "AWS::CloudFormation::Stack"), ("Q", "queue", "AWS::SQS::Queue")]
    ran = fetch(prod_users=answers(parent, *found), arn_of_nested=answers(child))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "prod-alerts" not in {file.stem for file in (tmp_path / "deployed").iterdir()}
    (each,) = compare(tmp_path / "deployed", new).findings
    assert (each.kind, each.property, each.stack) == (Kind.REPLACED, "KeySchema", f"prod-users/{NESTED}")
    assert compare(tmp_path / "deployed", old).findings == ()


def test_the_recipe_takes_a_stack_that_is_not_deployed_for_new_and_fails_over_all_else(fetch, tmp_path):
    assert fetch().returncode == 0
    assert list((tmp_path / "deployed").iterdir()) == []


def test_the_recipe_fails_when_cloudformation_does_not_answer(fetch):
    ran = fetch(prod_users={"error": "Rate exceeded"})
    assert (ran.returncode, "Rate exceeded" in ran.stdout) == (1, True)


def test_the_recipe_fails_when_a_nested_stack_cannot_be_fetched(fetch):
    nested = ("N", "arn-of-nested", "AWS::CloudFormation::Stack")
    ran = fetch(prod_users=answers({"Resources": {}}, nested), arn_of_nested={"error": "Rate exceeded"})
    assert ran.returncode != 0


def test_the_recipe_compares_only_when_something_is_deployed_and_deploys_what_was_compared():
    found = steps()
    assert found["Does data survive?"]["if"] == "hashFiles('deployed/*.json') != ''"
    assert found["Does data survive?"]["run"] == "python -m serverless_patterns.guard deployed cdk.out"
    assert list(found)[-1].endswith("--app cdk.out")
