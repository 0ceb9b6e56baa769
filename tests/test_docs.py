"""The words: what the docs promise is the name of a test, what they link to is there, and their code runs."""

import ast
import functools
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import serverless_patterns
from serverless_patterns.catalog import CATALOG
from tests.support.synthesis import empty_stack, resources, template_of
from tests.support.variants import VARIANTS

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


PATTERNS = pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
#: What can happen to any pattern: each page says what then, or why it cannot.
KINDS = (
    "poison message",
    "handler timeout",
    "throttle",
    "duplicate delivery",
    "out of order",
    "dependency down, slow, or answering nonsense",
    "part of a batch fails",
    "delivery fails",
    "record too old",
)
KINDS_HEADER = ("kind of failure", "tried how often", "where it ends", "alarm", "how to recover", "test")
DETAILS_HEADER = ("when", "then", "test")
NOT_APPLICABLE = "not applicable: "


def tables_of(entry) -> dict[tuple[str, ...], list[list[str]]]:
    """Header -> rows, of the tables of "What happens when ..."."""
    page = (ROOT / "docs" / "patterns" / f"{entry.name}.md").read_text(encoding="utf-8")
    section = page.partition("## What happens when ...")[2].partition("\n## ")[0]
    found = {}
    for block in re.findall(r"(?:^\|.*\|\n)+", section, re.MULTILINE):
        header, _, *rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in block.strip().split("\n")]
        found[tuple(header)] = rows
    return found


def applicable(entry) -> list[list[str]]:
    """The rows of both tables that say what happens."""
    tables = tables_of(entry)
    kinds = [row for row in tables[KINDS_HEADER] if not row[1].startswith(NOT_APPLICABLE)]
    return [*kinds, *tables[DETAILS_HEADER]]


def named(row: list[str]) -> set[str]:
    return set(re.findall(r"`(test_\w+)`", row[-1]))


@functools.cache
def local_tests() -> Mapping[str, bool]:
    """The tests that drive what is deployed -> whether they run: whether nothing skips them or lets them fail."""
    skip = re.compile(r"pytest\.(mark\.)?(skip|xfail|importorskip)")
    found = {}
    for file in sorted((ROOT / "tests" / "local").glob("test_*.py")):
        nodes = ast.parse(file.read_text(encoding="utf-8")).body
        tests = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
        by_others = any(skip.search(ast.unparse(node)) for node in nodes if node not in tests)
        found |= {node.name: not (by_others or skip.search(ast.unparse(node))) for node in tests}
    return found


@PATTERNS
def test_each_page_says_of_each_kind_of_failure_what_happens_or_why_it_cannot(entry):
    rows = tables_of(entry)[KINDS_HEADER]
    assert [row[0] for row in rows] == list(KINDS)
    for row in rows:
        if row[1].startswith(NOT_APPLICABLE):
            assert len(row[1].removeprefix(NOT_APPLICABLE).split()) >= 5, row
        assert all(row), row


@PATTERNS
def test_each_row_of_what_happens_when_names_a_test_that_drives_what_is_deployed(entry):
    assert set(tables_of(entry)) == {KINDS_HEADER, DETAILS_HEADER}
    for row in applicable(entry):
        assert [name for name in named(row) if local_tests().get(name)], row


@PATTERNS
def test_each_way_to_break_a_pattern_has_a_row(entry):
    file = ROOT / "tests" / "local" / f"test_{entry.name}_failures.py"
    tests = re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    assert tests
    assert set(tests) - {name for row in applicable(entry) for name in named(row)} == set()


@PATTERNS
def test_each_alarm_of_a_page_exists(entry, templates):
    shapes = [make() for name, make in VARIANTS.items() if name.startswith(entry.name)]
    deployed = templates["prod"][f"prod-{entry.name.replace('_', '-')}"]
    ids = {name for template in [deployed, *shapes] for name in resources(template, "AWS::CloudWatch::Alarm")}
    alarms = {name for row in tables_of(entry)[KINDS_HEADER] for name in re.findall(r"`([A-Z]\w+)`", row[3])}
    assert alarms
    assert {name for name in alarms if not any(re.fullmatch(rf"\w+Alarms{name}[0-9A-F]{{8}}", each) for each in ids)} == set()


@PATTERNS
def test_what_ends_in_a_dead_letter_queue_names_its_alarm(entry):
    for row in tables_of(entry)[KINDS_HEADER]:
        if row[2].startswith("in the") and "dead-letter queue" in row[2]:
            assert "DeadLetters`" in row[3], row


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


@PATTERNS
def test_the_code_of_a_patterns_page_defines_what_it_says(entry, tmp_path, monkeypatch):
    blocks = code_blocks(ROOT / "docs" / "patterns" / f"{entry.name}.md")
    write_files(blocks, tmp_path)
    monkeypatch.chdir(tmp_path)
    names = {"stack": empty_stack()}
    for code in blocks:
        if code.startswith("# "):  # it says where it runs: not in the app
            compile(code, entry.name, "exec")
        else:
            exec(code, names)  # noqa: S102  the page's own code
    assert resources(template_of(names["stack"]), "AWS::Lambda::Function")


@PATTERNS
def test_the_code_of_a_patterns_page_imports_what_it_uses(entry):
    """From its first block on: whoever copies it needs nothing else but a stack."""
    tree = ast.parse("".join(code for code in code_blocks(ROOT / "docs" / "patterns" / f"{entry.name}.md") if code[0] != "#"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert used & set(serverless_patterns.__all__) <= imported


def write_files(blocks: list[str], folder: Path) -> None:
    """Write the blocks that begin with the name of their file."""
    for code in blocks:
        name = re.match(r"# (\S+\.py)\n", code)
        if name:
            file = folder / name[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(code)


def test_the_test_of_the_own_app_page_passes():
    _, test, _ = code_blocks(ROOT / "docs" / "your_own_app.md")
    names: dict[str, Any] = {}
    exec(test, names)  # noqa: S102  the page's own code
    names["test_users_are_kept"]()


def test_the_patterns_of_the_page_that_puts_them_together_are_synthesised(tmp_path):
    (tmp_path / "app.py").write_text(code_blocks(ROOT / "docs" / "together.md")[0])
    variables = {"PYTHONPATH": str(ROOT), "CDK_OUTDIR": str(tmp_path), "CDK_CONTEXT_JSON": '{"aws:cdk:bundling-stacks": []}'}
    command = [sys.executable, "app.py"]
    run = subprocess.run(command, cwd=tmp_path, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    template = json.loads((tmp_path / "Shop.template.json").read_text())
    rules = [json.dumps(each["Properties"]["EventPattern"]) for each in resources(template, "AWS::Events::Rule").values()]
    assert sum("orders." in pattern for pattern in rules) == 2  # the ledger's and the workflow's


def test_the_files_of_the_testing_page_pass(tmp_path):
    write_files(code_blocks(ROOT / "docs" / "testing.md"), tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^5 passed", run.stdout, re.MULTILINE)


def test_the_request_of_the_own_app_page_is_signed_and_has_its_key(tmp_path):
    seen = []

    class Api(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, json.loads(body), self.headers["Idempotency-Key"], self.headers["Authorization"]))
            self.send_response(201)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Say nothing."""

    *_, call = code_blocks(ROOT / "docs" / "your_own_app.md")
    write_files([call], tmp_path)
    with http.server.HTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        command = [sys.executable, "call.py", f"http://127.0.0.1:{server.server_port}/users"]
        variables = os.environ | {
            "AWS_ACCESS_KEY_ID": "AKIAOFADA",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "eu-central-1",
        }
        run = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True)
    assert run.stdout == "{'name': 'Ada', 'age': 36}\n"
    [(path, body, key, authorization)] = seen
    assert (path, body, key) == ("/users", {"name": "Ada", "age": 36}, "ada-1")
    assert re.match(r"AWS4-HMAC-SHA256 Credential=AKIAOFADA/.*idempotency-key", authorization)


def test_make_help_names_every_command_that_the_readme_names():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"make (\w+)", "\n".join(re.findall(r"`make \w+`|^\$ make \w+", readme, re.MULTILINE))))
    defined = set(re.findall(r"^(\w+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named
    assert named <= defined
