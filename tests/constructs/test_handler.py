"""Handler: code and dependencies, packed without Docker and checked while defining."""

import json
import platform
import sys
import zipfile
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Annotations, Match
from constructs import Construct

from serverless_patterns import BundlingError, Handler, Operations, PatternError
from serverless_patterns._blocks import packaging
from serverless_patterns._blocks.function import HandlerFunction
from serverless_patterns._blocks.packaging import Package
from serverless_patterns.bundled import lambda_source
from tests.support.synthesis import FLAGS, resources, role_policies, template_of


@pytest.fixture
def code(tmp_path):
    """A folder with a handler, as a user would write it."""
    folder = tmp_path / "orders"
    (folder / "deep").mkdir(parents=True)
    (folder / "app.py").write_text("from deep.inner import other\n\ndef handler(event, context):\n    return event\n")
    (folder / "deep" / "__init__.py").write_text("")
    (folder / "deep" / "inner.py").write_text("other = print\n")
    (folder / ".env").write_text("TOKEN=1")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "app.cpython-311.pyc").write_text("")
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of installed dependencies."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheelhouse(tmp_path, monkeypatch):
    """An index in a folder: ``pure`` has a wheel for all, ``native`` one for Lambda's arm64, ``source`` none."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    _wheel(folder, "pure", "py3-none-any")
    _wheel(folder, "native", "py3-none-manylinux_2_28_aarch64")
    (folder / "source-1.0.tar.gz").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_DEFAULT_INDEX", (tmp_path / "empty").as_uri())
    return folder


def _wheel(folder: Path, name: str, tag: str) -> None:
    with zipfile.ZipFile(folder / f"{name}-1.0-{tag}.whl", "w") as wheel:
        info = f"{name}-1.0.dist-info"
        wheel.writestr(f"{name}.py", f"NAME = {name!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def _function(scope: Construct, handler: Handler, **operations: object) -> HandlerFunction:
    return HandlerFunction(
        scope,
        "Function",
        handler=handler,
        description="Answers",
        timeout=cdk.Duration.seconds(3),
        environment={},
        operations=Operations(**operations),
    )


def _bundled_asset(handler: Handler, **operations: object) -> Path:
    """The folder of a function's code after a synth that packs."""
    app = cdk.App(context=FLAGS, analytics_reporting=False)
    stack = cdk.Stack(app, "Test")
    _function(stack, handler, **operations)
    (function,) = resources(template_of(stack), "AWS::Lambda::Function").values()
    return Path(app.outdir) / f"asset.{function['Properties']['Code']['S3Key'].removesuffix('.zip')}"


def test_a_users_folder_is_packed_without_hidden_files_and_byte_code(code):
    asset = _bundled_asset(Handler.from_directory(code, "app.handler"))
    assert sorted(str(path.relative_to(asset)) for path in asset.rglob("*") if path.is_file()) == [
        "app.py",
        "deep/__init__.py",
        "deep/inner.py",
    ]


def test_a_users_requirements_are_packed_for_lambdas_arm64_on_any_host(code, cache, wheelhouse):
    (code / "requirements.txt").write_text("pure==1.0\nnative==1.0\n")
    asset = _bundled_asset(Handler.from_directory(code, "app.handler", requirements=code / "requirements.txt"))
    assert {"app.py", "pure.py", "native.py"} <= {path.name for path in asset.iterdir()}


def test_a_package_without_a_wheel_for_lambda_is_named(code, cache, wheelhouse):
    (code / "requirements.txt").write_text("pure==1.0\nsource==1.0\n")
    with pytest.raises(BundlingError, match=r"(?s)cannot be installed for Lambda \(Python 3\.14, arm64\).*`?source"):
        _bundled_asset(Handler.from_directory(code, "app.handler", requirements=code / "requirements.txt"))


@pytest.mark.skipif(
    sys.platform == "linux" and platform.machine() == "aarch64",
    reason="on an arm64 Linux host the wheel for Lambda fits the host too: any other host runs this",
)
def test_packing_for_the_host_takes_the_hosts_wheels(code, cache, wheelhouse):
    (code / "requirements.txt").write_text("native==1.0\n")
    handler = Handler.from_directory(code, "app.handler", requirements=code / "requirements.txt")
    with pytest.raises(BundlingError, match="cannot be installed for this machine"):
        _bundled_asset(handler, handler_platform="host")


def test_without_a_network_it_is_said_that_it_is_needed_once(code, cache, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    (code / "requirements.txt").write_text("pure==1.0\n")
    with pytest.raises(BundlingError, match=r"The network is needed the first time only: what is installed is kept in .*cache"):
        _bundled_asset(Handler.from_directory(code, "app.handler", requirements=code / "requirements.txt"))


def test_an_unchanged_lock_is_installed_once(code, cache, wheelhouse):
    lock = code / "requirements.txt"
    lock.write_text("pure==1.0\n")
    first = packaging.installed(lock, "aws")
    (wheelhouse / "pure-1.0-py3-none-any.whl").unlink()
    assert packaging.installed(lock, "aws") == first
    assert (first / "pure.py").is_file()


def test_a_failed_installation_leaves_nothing_behind(code, cache, wheelhouse):
    (code / "requirements.txt").write_text("missing==1.0\n")
    with pytest.raises(BundlingError, match="missing"):
        packaging.installed(code / "requirements.txt", "aws")
    assert list((cache / "serverless-patterns" / "dependencies").iterdir()) == []


def test_the_fingerprint_follows_content_names_requirements_and_platform(code):
    lock = code / "requirements.txt"
    lock.write_text("pure==1.0\n")
    package = Package(root=code, files={"a.py": "1"}, requirements=lock)
    others = [
        Package(root=code, files={"a.py": "2"}, requirements=lock),
        Package(root=code, files={"b.py": "1"}, requirements=lock),
        Package(root=code, files={"a.py": "1"}),
        Package(root=code, files={"a.py": "1"}, requirements=lock, platform="host"),
        Package(root=code, files={"a.py": "1"}, requirements=lock, into="python"),
    ]
    assert len({package.fingerprint(), *(other.fingerprint() for other in others)}) == 6
    assert Package(root=code.parent, files={"a.py": "1"}, requirements=lock).fingerprint() == package.fingerprint()


@pytest.mark.parametrize("option", ["-r ", "-r", "-c\t", "--requirement=", "--constraint "])
def test_the_fingerprint_follows_included_requirements(code, option):
    lock = code / "requirements.txt"
    lock.write_text(f"{option}more.txt\n")
    (code / "more.txt").write_text("pure==1.0\n")
    before = Package(root=code, requirements=lock).fingerprint()
    (code / "more.txt").write_text("pure==1.1\n")
    assert Package(root=code, requirements=lock).fingerprint() != before


@pytest.mark.parametrize("entry", ["app.handler", "app.other", "deep/inner.other", "deep.inner.other"])
def test_an_entry_may_be_defined_imported_or_nested(code, entry):
    assert Handler.from_directory(code, entry).entry == entry


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "app.handlr",
            (
                r"entry 'app\.handlr' names the function 'handlr', but .*app\.py does not define it; "
                r"did you mean 'handler'\?"
            ),
        ),
        ("app.zzz", r"does not define it; it defines handler, other"),
        ("main.handler", r"entry 'main\.handler' names the module 'main', but there is no file .*main\.py"),
        ("app..handler", r"entry must be 'module\.function'"),
        ("handler", r"entry must be 'module\.function', at most 128 characters, got 'handler'"),
    ],
)
def test_an_entry_that_the_code_does_not_have_is_refused(code, entry, message):
    with pytest.raises(PatternError, match=message):
        Handler.from_directory(code, entry)


def test_a_module_that_is_not_python_is_refused_with_its_line(code, monkeypatch):
    monkeypatch.setattr(packaging, "PYTHON_VERSION", sys.version_info[:2])
    (code / "app.py").write_text("def handler(:\n")
    with pytest.raises(BundlingError, match=r"app\.py is not valid Python 3\.14: line 1"):
        Handler.from_directory(code, "app.handler")


def newer_syntax(code, monkeypatch) -> Handler:
    """A handler that this Python cannot read, and Lambda's may."""
    monkeypatch.setattr(packaging, "PYTHON_VERSION", (sys.version_info.major, sys.version_info.minor + 1))
    (code / "app.py").write_text("def handler(new syntax): ...\n")
    return Handler.from_directory(code, "app.handler")


def warnings(stack) -> list[str]:
    found = Annotations.from_stack(stack).find_warning("*", Match.string_like_regexp("serverless-patterns:handler-"))
    return [str(each.entry.data) for each in found]


def test_syntax_that_only_a_newer_python_may_know_is_warned_of_with_its_line(stack, code, monkeypatch):
    _function(stack, newer_syntax(code, monkeypatch))
    [said] = warnings(stack)
    assert "app.py is not valid Python" in said
    assert "line 1" in said
    assert "'def handler(new syntax): ...'" in said


def test_such_syntax_beside_a_bundled_handler_is_warned_of_too(stack, code, monkeypatch):
    _function(stack, Handler.bundled("s3_processing", beside=newer_syntax(code, monkeypatch)))
    assert "line 1" in warnings(stack)[0]


def test_such_syntax_is_refused_where_this_python_is_to_run_it(stack, code, monkeypatch):
    with pytest.raises(BundlingError, match=r"app\.py is not valid Python .*line 1"):
        _function(stack, newer_syntax(code, monkeypatch), handler_platform="host")


def test_an_import_that_nothing_brings_is_warned_of(stack, code):
    (code / "app.py").write_text("import os\nimport boto4.session\n\ndef handler(event, context): ...\n")
    _function(stack, Handler.from_directory(code, "app.handler"))
    [said] = warnings(stack)
    assert "app.py imports 'boto4' (line 2), which is neither in" in said
    assert "Name its package in requirements=" in said


@pytest.mark.parametrize(
    "text",
    [
        "import boto3, json, annotationlib\nfrom botocore.config import Config",
        "from deep.inner import other\nimport deep",
        "from . import deep",
        "try:\n    import orjson\nexcept ImportError:\n    import json as orjson",
    ],
    ids=["of the runtime", "of the folder", "relative", "tried"],
)
def test_an_import_that_will_be_there_or_may_fail_is_not_warned_of(stack, code, text):
    (code / "app.py").write_text(f"{text}\n\ndef handler(event, context): ...\n")
    _function(stack, Handler.from_directory(code, "app.handler"))
    assert warnings(stack) == []


def test_what_requirements_or_a_bundled_handler_bring_is_not_known_and_passes(stack, code):
    (code / "app.py").write_text("import boto4\n\ndef handler(event, context): ...\n")
    (code / "requirements.txt").write_text("boto4\n")
    assert Handler.from_directory(code, "app.handler", requirements=code / "requirements.txt").code.doubts == ()
    _function(stack, Handler.bundled("s3_processing", beside=Handler.from_directory(code, "app.handler")))
    assert warnings(stack) == []


def test_a_byte_order_mark_is_no_fault(code):
    (code / "app.py").write_bytes(b"\xef\xbb\xbfdef handler(event, context): ...\n")
    assert Handler.from_directory(code, "app.handler").entry == "app.handler"


def test_linked_folders_and_programs_are_packed_as_they_are(code, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "elsewhere" / "tool").chmod(0o755)
    (code / "linked").symlink_to(tmp_path / "elsewhere")
    asset = _bundled_asset(Handler.from_directory(code, "app.handler"))
    assert (asset / "linked" / "tool").stat().st_mode & 0o777 == 0o755


def test_files_are_packed_for_all_to_read_whatever_this_machine_allows(code):
    before = Handler.from_directory(code, "app.handler").code.fingerprint()
    (code / "app.py").chmod(0o600)
    handler = Handler.from_directory(code, "app.handler")
    assert (_bundled_asset(handler) / "app.py").stat().st_mode & 0o777 == 0o644
    assert handler.code.fingerprint() == before


def test_packages_are_packed_for_all_to_read_too(code, cache, wheelhouse):
    lock = code / "requirements.txt"
    lock.write_text("pure==1.0\n")
    (packaging.installed(lock, "aws") / "pure.py").chmod(0o600)
    asset = _bundled_asset(Handler.from_directory(code, "app.handler", requirements=lock))
    assert (asset / "pure.py").stat().st_mode & 0o777 == 0o644
    assert (asset / "pure.py").read_text() == "NAME = 'pure'\n"


def test_a_link_to_a_folder_above_is_refused(code):
    (code / "loop").symlink_to(code)
    with pytest.raises(BundlingError, match="is a link to a folder that it is in"):
        Handler.from_directory(code, "app.handler")


def test_an_entry_may_be_a_package(code):
    (code / "deep" / "__init__.py").write_text("def handler(event, context): ...\n")
    assert Handler.from_directory(code, "deep.handler").entry == "deep.handler"


def test_only_code_is_packed(code):
    for name in ("cdk.out", "node_modules", "venv"):
        (code / name).mkdir()
        (code / name / "large.py").write_text("")
    assert set(Handler.from_directory(code, "app.handler").code.files) == {"app.py", "deep/__init__.py", "deep/inner.py"}


def test_the_layer_is_packed_for_where_it_runs(stack, monkeypatch):
    platforms = []
    monkeypatch.setattr(Package, "fingerprint", lambda package: platforms.append(package.platform) or "0" * 64)
    _function(stack, Handler.bundled("api_crud"), handler_platform="host")
    assert set(platforms) == {"host"}


def test_an_editable_requirement_is_refused(code):
    (code / "requirements.txt").write_text("-e ./lib\n")
    with pytest.raises(BundlingError, match=r"must not have '-e \./lib': an editable package stays on this machine"):
        _bundled_asset(Handler.from_directory(code, "app.handler", requirements=code / "requirements.txt"))


def test_a_cache_that_cannot_be_written_is_named(code, wheelhouse, monkeypatch):
    (code / "requirements.txt").write_text("pure==1.0\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(code / "app.py"))
    with pytest.raises(BundlingError, match=r"the handler's code cannot be packed: .*app\.py"):
        _bundled_asset(Handler.from_directory(code, "app.handler", requirements=code / "requirements.txt"))


def test_only_handlers_that_sample_get_the_level_for_it(stack):
    _function(stack, Handler(lambda_.Code.from_inline("def handler(event, context): ..."), "index.handler"))
    (function,) = resources(template_of(stack), "AWS::Lambda::Function").values()
    assert function["Properties"]["LoggingConfig"]["ApplicationLogLevel"] == "INFO"


def test_a_missing_folder_says_where_it_was_looked_for():
    with pytest.raises(
        BundlingError, match=r"directory must be an existing folder, got 'src/nothing' \(looked for /.*src/nothing"
    ):
        Handler.from_directory("src/nothing", "app.handler")


def test_missing_requirements_say_where_they_were_looked_for(code):
    with pytest.raises(BundlingError, match=r"requirements must be an existing file, got 'nothing\.txt'"):
        Handler.from_directory(code, "app.handler", requirements="nothing.txt")


def test_any_code_that_cdk_knows_can_be_a_handler(stack):
    _function(stack, Handler(lambda_.Code.from_inline("def handler(event, context): ..."), "index.handler"))
    (function,) = resources(template_of(stack), "AWS::Lambda::Function").values()
    assert function["Properties"]["Handler"] == "index.handler"
    assert "Layers" not in function["Properties"]


def test_the_bundled_handler_holds_its_pattern_and_what_is_shared_and_no_other_pattern():
    asset = _bundled_asset(Handler.bundled("api_crud", files={"schema.json": json.dumps({"type": "object"})}))
    assert {path.name for path in asset.iterdir()} == {"shared", "api_crud"}
    assert (asset / "api_crud" / "schema.json").read_text() == '{"type": "object"}'
    assert (asset / "api_crud" / "handler.py").read_bytes() == (lambda_source() / "api_crud" / "handler.py").read_bytes()


def test_code_of_the_users_is_packed_beside_the_bundled_handler_with_its_requirements(code, cache, wheelhouse, tmp_path):
    (code / "requirements.txt").write_text("pure==1.0\nnative==1.0\n")
    users = Handler.from_directory(code, "app.handler", requirements=code / "requirements.txt")
    handler = Handler.bundled("sns_fanout", files={"more.txt": "text"}, beside=users)
    handler.for_platform("aws").code.write(tmp_path / "asset")
    found = {path.name for path in (tmp_path / "asset").iterdir() if path.suffix != ".dist-info"}
    assert found == {"app.py", "deep", "native.py", "pure.py", "requirements.txt", "shared", "sns_fanout"}
    assert (tmp_path / "asset" / "app.py").read_bytes() == (code / "app.py").read_bytes()
    assert (tmp_path / "asset" / "sns_fanout" / "more.txt").read_text() == "text"
    assert handler.entry == "sns_fanout.handler.handler"


def test_the_code_beside_a_bundled_handler_decides_its_hash(code):
    def fingerprint() -> str:
        return Handler.bundled("sns_fanout", beside=Handler.from_directory(code, "app.handler")).code.fingerprint()

    before = fingerprint()
    assert before == fingerprint() != Handler.bundled("sns_fanout").code.fingerprint()
    (code / "deep" / "inner.py").write_text("other = max\n")
    assert before != fingerprint()


@pytest.mark.parametrize("name", ["shared/helpers.py", "sns_fanout/__init__.py"])
def test_code_whose_folder_the_library_has_too_cannot_be_packed_beside_it(code, name):
    (code / name).parent.mkdir()
    (code / name).write_text("")
    taken = name.partition("/")[0]
    with pytest.raises(PatternError) as raised:
        Handler.bundled("sns_fanout", beside=Handler.from_directory(code, "app.handler"))
    message = f"processor must be in a folder without '{taken}', which the bundled handler has too, got {code}: rename yours"
    assert str(raised.value) == message


def test_the_name_of_another_pattern_is_free(code):
    (code / "sns_fanout").mkdir()
    (code / "sns_fanout" / "mine.py").write_text("")
    handler = Handler.bundled("sqs_pipeline", beside=Handler.from_directory(code, "app.handler"))
    assert {name for name in handler.code.files if name.startswith("sns_fanout/")} == {"sns_fanout/mine.py"}


def test_a_pattern_that_needs_more_has_a_second_layer_that_its_functions_share(stack):
    for number, pattern in enumerate(("s3_processing", "s3_processing", "api_crud")):
        _function(Construct(stack, f"Child{number}"), Handler.bundled(pattern))
    template = template_of(stack)
    layers = {
        name: stack.get_logical_id(stack.node.find_child(name).node.default_child)
        for name in ("HandlerDependencies", "S3ProcessingHandlerDependencies")
    }
    assert resources(template, "AWS::Lambda::LayerVersion").keys() == set(layers.values())
    found = {
        function["Properties"]["Handler"]: [layer["Ref"] for layer in function["Properties"]["Layers"]]
        for function in resources(template, "AWS::Lambda::Function").values()
    }
    assert found == {
        "api_crud.handler.handler": [layers["HandlerDependencies"]],
        "s3_processing.handler.handler": [layers["HandlerDependencies"], layers["S3ProcessingHandlerDependencies"]],
    }


def test_the_second_layer_holds_what_only_its_pattern_needs_for_where_it_runs():
    app = cdk.App(context=FLAGS, analytics_reporting=False)
    stack = cdk.Stack(app, "Test")
    _function(stack, Handler.bundled("s3_processing"))
    packed = {}
    for layer in resources(template_of(stack), "AWS::Lambda::LayerVersion").values():
        folder = Path(app.outdir) / f"asset.{layer['Properties']['Content']['S3Key'].removesuffix('.zip')}"
        packed[layer["Properties"]["Description"]] = folder / "python"
        assert layer["Properties"]["CompatibleRuntimes"] == ["python3.14"]
        assert layer["Properties"]["CompatibleArchitectures"] == ["arm64"]
    common = packed["What the bundled handlers need beyond the Lambda runtime"]
    own = packed["What the bundled handlers of s3_processing need beyond the Lambda runtime"]
    assert ((common / "PIL").exists(), (own / "PIL").exists()) == (False, True)
    assert ((common / "aws_lambda_powertools").exists(), (own / "aws_lambda_powertools").exists()) == (True, False)
    native = [path.name for path in (own / "PIL").glob("_imaging.*.so")]
    assert native == ["_imaging.cpython-314-aarch64-linux-gnu.so"]


def test_both_layers_have_names_of_their_own_for_the_host(stack):
    _function(stack, Handler.bundled("s3_processing"), handler_platform="host")
    names = {child.node.id for child in stack.node.children if isinstance(child, lambda_.LayerVersion)}
    assert names == {"HandlerDependenciesForHost", "S3ProcessingHandlerDependenciesForHost"}


def test_functions_of_one_stack_share_one_dependency_layer(stack):
    for number in range(2):
        _function(Construct(stack, f"Child{number}"), Handler.bundled("api_crud"))
    assert len(resources(template_of(stack), "AWS::Lambda::LayerVersion")) == 1


def test_a_function_may_only_write_its_own_logs_and_traces(stack):
    _function(stack, Handler.bundled("api_crud"))
    (policy,) = role_policies(template_of(stack)).values()
    assert [statement["Action"] for statement in policy["Properties"]["PolicyDocument"]["Statement"]] == [
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        ["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
    ]


@pytest.mark.parametrize(
    ("level", "rate", "emitted"),
    [
        ("INFO", 0, "INFO"),
        ("INFO", 0.01, "DEBUG"),
        ("ERROR", 0.01, "DEBUG"),
        ("DEBUG", 0, "DEBUG"),
        # The metrics of a handler are lines of the log that count as INFO.
        ("WARNING", 0, "INFO"),
        ("ERROR", 0, "INFO"),
    ],
)
def test_lambda_lets_metrics_through_always_and_debug_only_where_it_is_sampled_or_wanted(stack, level, rate, emitted):
    _function(stack, Handler.bundled("api_crud"), log_level=level, debug_sample_rate=rate)
    (function,) = resources(template_of(stack), "AWS::Lambda::Function").values()
    assert function["Properties"]["LoggingConfig"]["ApplicationLogLevel"] == emitted
    assert function["Properties"]["Environment"]["Variables"]["LOG_LEVEL"] == level


@pytest.mark.parametrize(("level", "emitted"), [("DEBUG", "DEBUG"), ("INFO", "INFO"), ("WARNING", "WARN"), ("ERROR", "ERROR")])
def test_code_of_ones_own_has_the_level_that_the_operations_say(stack, level, emitted):
    code = lambda_.Code.from_inline("def handler(event, context): ...")
    _function(stack, Handler(code, "index.handler"), log_level=level, debug_sample_rate=0)
    (function,) = resources(template_of(stack), "AWS::Lambda::Function").values()
    assert function["Properties"]["LoggingConfig"]["ApplicationLogLevel"] == emitted


def test_the_packing_constants_name_the_same_python_as_the_runtime():
    assert packaging.runtime().name == f"python{packaging.PYTHON}"
    assert packaging.architecture().name == packaging.ARCHITECTURE


def test_a_pattern_without_a_bundled_handler_names_those_that_have_one():
    with pytest.raises(PatternError, match=r"pattern must be one that has a bundled handler \(.*api_crud.*\), got 'api_crd'"):
        Handler.bundled("api_crd")
