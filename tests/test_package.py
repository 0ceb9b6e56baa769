"""The package as a whole: public names, the direction of imports, words that stay out."""

import ast
import json
import os
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import aws_cdk
import pytest

import serverless_patterns
from serverless_patterns.catalog import CATALOG

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "serverless_patterns"
HANDLERS = ROOT / "lambda_src"

#: Layer -> what it may import of the library, besides itself. Imports run one way: towards the end of this list.
LAYERS = {
    "app": {"stacks", "catalog", "pattern", "_blocks", "environments", "operations", "errors", "serverless_patterns"},
    "guard": {"errors", "version"},
    "testing": {"bundled", "errors"},
    "local": {"stacks", "catalog", "pattern", "_blocks", "environments", "operations", "errors", "version"},
    "stacks": {"catalog", "pattern", "_blocks", "environments", "operations", "errors"},
    "catalog": {"pattern", "_blocks", "operations", "errors"},
    "pattern": {"_blocks", "operations", "errors"},
    "_blocks": {"bundled", "operations", "errors"},
    "environments": {"operations", "errors"},
    "operations": {"errors"},
    "bundled": set(),
    "errors": set(),
    "version": set(),
}


def imports_of(file: Path) -> set[str]:
    """The dotted names that a file imports, wherever it does."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def layer_of(module: str) -> str:
    """The layer of a module such as ``serverless_patterns.stacks.alert_stack``."""
    _, _, rest = module.partition(".")
    first = rest.partition(".")[0]
    return first if first in LAYERS else "pattern" if first else "serverless_patterns"


LIBRARY_FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if file != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("file", [*LIBRARY_FILES, ROOT / "app.py"], ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_run_one_way(file):
    module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    layer = "app" if file.name == "app.py" else layer_of(module)
    wanted = {layer_of(name) for name in imports_of(file) if name.partition(".")[0] == "serverless_patterns"}
    assert wanted - {layer} <= LAYERS[layer]


def test_no_pattern_imports_another():
    patterns = {entry.name for entry in CATALOG}
    for name in patterns:
        others = {f"serverless_patterns.{other}" for other in patterns - {name}}
        assert not imports_of(PACKAGE / f"{name}.py") & others


def test_library_and_handlers_never_import_each_other():
    handler_roots = {path.name for path in HANDLERS.iterdir() if path.is_dir()}
    for file in PACKAGE.rglob("*.py"):
        assert not {name.partition(".")[0] for name in imports_of(file)} & handler_roots, file
    for file in HANDLERS.rglob("*.py"):
        assert not {name.partition(".")[0] for name in imports_of(file)} & {"serverless_patterns", "aws_cdk"}, file


@pytest.mark.parametrize("file", sorted(HANDLERS.rglob("*.py")), ids=lambda file: str(file.relative_to(HANDLERS)))
def test_handlers_import_logic_store_and_models_and_these_import_only_what_is_shared(file):
    own = file.relative_to(HANDLERS).parts[0]
    roots = {path.name for path in HANDLERS.iterdir() if path.is_dir()}
    imported = imports_of(file)
    assert {name.partition(".")[0] for name in imported} & roots <= {own, "shared"}
    if file.stem == "logic":
        assert not {name for name in imported if name.partition(".")[0] in {"boto3", "botocore"} or name.endswith(".store")}


def test_the_public_names_are_those_of_all():
    public = {name for name in vars(serverless_patterns) if not name.startswith("_")} - {"TYPE_CHECKING"}
    modules = {name for name in public if isinstance(getattr(serverless_patterns, name), type(sys))}
    assert public - modules == set(serverless_patterns.__all__)


def test_the_package_imports_public_names_and_knows_its_version_and_does_nothing_else():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    docstring, *imports, names, version = tree.body
    assert isinstance(docstring, ast.Expr)
    assert [type(node) for node in imports] == [ast.ImportFrom] * len(imports)
    assert (type(names), type(version)) == (ast.Assign, ast.If)


def test_the_version_is_that_of_the_installed_package(monkeypatch):
    monkeypatch.setattr("serverless_patterns.version.version", {"serverless-patterns": "1.2.3"}.__getitem__)
    assert serverless_patterns.__version__ == "1.2.3"
    with pytest.raises(AttributeError, match="no attribute 'ApiCrut'"):
        _ = serverless_patterns.ApiCrut


@pytest.mark.parametrize("command", ["guard", "local"])
def test_each_command_line_says_its_version(command):
    run = [sys.executable, "-m", f"serverless_patterns.{command}", "--version"]
    output = subprocess.run(run, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert output == f"serverless-patterns {serverless_patterns.__version__}\n"


def test_the_guard_explains_itself_without_what_it_compares_with():
    script = "import sys; sys.modules['cfnlint'] = None; from serverless_patterns.guard.cli import main; main(['--help'])"
    output = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "--allow LOGICAL_ID=REASON" in output


def test_every_public_name_is_documented():
    undocumented = [name for name in serverless_patterns.__all__ if not getattr(serverless_patterns, name).__doc__]
    assert undocumented == []


def test_the_template_does_not_depend_on_the_working_directory_the_environment_or_the_hash_seed(tmp_path):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import json\nfrom tests.support.synthesis import _templates\n"
        "print(json.dumps(_templates('prod')))"
    )
    outputs = set()
    for seed, folder in (("1", ROOT), ("2", tmp_path)):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "ENVIRONMENT": f"other-{seed}", "TABLE_NAME": seed}
        command = [sys.executable, "-c", script, str(ROOT)]
        outputs.add(subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout)
    assert len(outputs) == 1


def test_every_recommended_feature_flag_is_set():
    (archive,) = (Path(aws_cdk.__file__).parent / "_jsii").glob("aws-cdk-lib@*.tgz")
    with tarfile.open(archive) as package:
        recommended = json.load(package.extractfile("package/recommended-feature-flags.json"))
    assert json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"] == recommended


def test_only_the_constructs_dependencies_are_required():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {requirement.split(">")[0] for requirement in project["dependencies"]} == {"aws-cdk-lib", "constructs", "uv"}


def test_the_extra_for_testing_brings_what_the_bundled_handlers_import():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = {line for file in HANDLERS.rglob("requirements.in") for line in file.read_text(encoding="utf-8").splitlines()}
    assert wanted <= set(extras["testing"])
