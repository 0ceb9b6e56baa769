"""The words: what the docs promise is the name of a test, what they link to is there, and their code runs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import serverless_patterns
from serverless_patterns.catalog import CATALOG
from tests.support.synthesis import empty_stack, resources, template_of

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SOURCES = [file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py")]
TESTS = {name for source in SOURCES for name in re.findall(r"^def (test_\w+)", source, re.MULTILINE)}


def code_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_a_page_names_exists(page):
    named = {name for name in re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8")) if not name.endswith("_")}
    assert named <= TESTS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_each_row_of_what_happens_when_names_a_test(entry):
    page = (ROOT / "docs" / "patterns" / f"{entry.name}.md").read_text(encoding="utf-8")
    table = page.partition("## What happens when ...")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert rows
    assert [row for row in rows if not re.search(r"\| `test_\w+` \|$", row)] == []


def test_the_code_of_the_readme_runs_as_one_app(tmp_path):
    source = tmp_path / "src" / "users"
    source.mkdir(parents=True)
    (source / "app.py").write_text("def handler(event, context): ...\n")
    (source / "requirements.txt").write_text("")
    smallest, handler, environment = code_blocks(ROOT / "README.md")
    app = [
        smallest.replace("app.synth()\n", ""),
        'USER = {"type": "object", "properties": {"name": {"type": "string"}}}\n',
        "from serverless_patterns import Handler\n",
        handler.replace('"Users"', '"Mine"'),
        environment,
        "app.synth()\n",
    ]
    (tmp_path / "app.py").write_text("".join(app))
    out = tmp_path / "out"
    context = '{"aws:cdk:bundling-stacks": []}'
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "CDK_OUTDIR": str(out), "CDK_CONTEXT_JSON": context}
    run = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert {path.name for path in out.glob("*.template.json")} == {"Users.template.json", "dev-users.template.json"}


@pytest.mark.parametrize("environment", ["local", "dev", "prod"])
def test_the_app_of_the_own_app_page_is_synthesised(tmp_path, environment):
    app, *_ = code_blocks(ROOT / "docs" / "your_own_app.md")
    (tmp_path / "app.py").write_text(app)
    context = {"aws:cdk:bundling-stacks": [], "environment": environment}
    variables = {"PYTHONPATH": str(ROOT), "CDK_OUTDIR": str(tmp_path / "out"), "CDK_CONTEXT_JSON": json.dumps(context)}
    command = [sys.executable, "app.py"]
    run = subprocess.run(command, cwd=tmp_path, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "out" / f"{environment}-users.template.json").is_file()
    assert (tmp_path / "out" / f"{environment}-alerts.template.json").is_file() is (environment == "prod")


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_the_code_of_a_patterns_page_defines_what_it_says(entry):
    names = {**vars(serverless_patterns), "stack": empty_stack()}
    for code in code_blocks(ROOT / "docs" / "patterns" / f"{entry.name}.md"):
        exec(code, names)  # noqa: S102  the page's own code
    assert resources(template_of(names["stack"]), "AWS::Lambda::Function")


def test_the_test_of_the_own_app_page_passes():
    _, test, _ = code_blocks(ROOT / "docs" / "your_own_app.md")
    names: dict[str, Any] = {}
    exec(test, names)  # noqa: S102  the page's own code
    names["test_users_are_kept"]()


def test_make_help_names_every_command_that_the_readme_names():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"make (\w+)", "\n".join(re.findall(r"`make \w+`|^\$ make \w+", readme, re.MULTILINE))))
    defined = set(re.findall(r"^(\w+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named
    assert named <= defined
