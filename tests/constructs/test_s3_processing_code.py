"""What works the files of S3Processing: schema, limits, a processor or a handler of one's own; construct and handler agree."""

import json

import pytest
from aws_cdk import Duration, Size

from s3_processing.logic import LEAST_SECONDS
from s3_processing.models import Settings
from serverless_patterns import (
    FileLimits,
    Handler,
    PatternError,
    WorkerOptions,
)
from serverless_patterns.s3_processing import LEAST_TIMEOUT
from tests.support.imports import CONSUME, DIRECT, OWN, READ, WORK, imports, variables
from tests.support.readable import permissions, properties_at
from tests.support.synthesis import empty_stack

# --- what is worked, and by what


def test_a_schema_is_packed_with_the_code_and_named(stack):
    schema = {"type": "object", "properties": {"sensor": {"type": "string"}}}
    imports(stack)
    imports(stack, "Checked", schema=schema)
    assert "SCHEMA_FILE" not in variables(stack)
    checked = properties_at(stack, "Checked/Function")
    assert checked["Environment"]["Variables"]["SCHEMA_FILE"] == "s3_processing/schema.json"
    assert checked["Code"] != properties_at(stack, "Imports/Function")["Code"]


def test_a_document_may_have_an_id_of_any_type(stack):
    """It is no key here: the table has the key of the object and the number of the row."""
    imports(stack, schema={"type": "object", "properties": {"id": {"type": "integer"}}})
    assert variables(stack)["SCHEMA_FILE"] == "s3_processing/schema.json"


def test_the_schema_is_the_one_of_the_code():
    schema = {"type": "object", "properties": {"sensor": {"type": "string"}}, "additionalProperties": True}
    packed = []
    stack = empty_stack()
    original = Handler.bundled.__func__

    def bundled(cls, *args, **options):
        packed.append(options.get("files"))
        return original(cls, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handler, "bundled", classmethod(bundled))
        imports(stack, schema=schema)
    assert [{name: json.loads(text) for name, text in files.items()} for files in packed] == [{"schema.json": schema}]


@pytest.fixture
def readings(tmp_path):
    """A folder with a processor, as a user would write it."""
    folder = tmp_path / "readings"
    (folder / "deep").mkdir(parents=True)
    (folder / "readings.py").write_text("def process(obj):\n    return {}\n")
    (folder / "deep" / "inner.py").write_text("def process(obj):\n    return {}\n")
    (folder / "requirements.txt").write_text("pure==1.0\n")
    return folder


@pytest.mark.parametrize("trigger", ["queue", "direct"])
@pytest.mark.parametrize(
    ("entry", "named_as"),
    [
        ("readings.process", "readings:process"),
        ("deep.inner.process", "deep.inner:process"),
        ("deep/inner.process", "deep.inner:process"),
    ],
)
def test_a_processor_is_called_by_the_bundled_handler(stack, readings, trigger, entry, named_as):
    imports(stack, trigger=trigger, processor=Handler.from_directory(readings, entry))
    assert variables(stack)["PROCESSOR"] == named_as
    function = properties_at(stack, "Imports/Function")
    assert function["Handler"] == "s3_processing.handler.handler"
    assert function["Layers"] == ["HandlerDependencies", "S3ProcessingHandlerDependencies"]


def test_without_a_processor_none_is_named(stack):
    imports(stack)
    assert "PROCESSOR" not in variables(stack)


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("shared/more.py", "'shared'"),
        ("shared.py", "'shared'"),
        ("s3_processing/__init__.py", "'s3_processing'"),
        ("s3_processing.py", "'s3_processing'"),
    ],
)
@pytest.mark.parametrize("trigger", ["queue", "direct"])
def test_a_processor_beside_a_module_that_the_bundled_handler_has_too_is_refused_before_anything_is_defined(
    stack, readings, file, names, trigger
):
    (readings / file).parent.mkdir(exist_ok=True)
    (readings / file).write_text("")
    with pytest.raises(PatternError) as raised:
        imports(stack, trigger=trigger, processor=Handler.from_directory(readings, "readings.process"))
    message = f"processor must be in a folder without {names}, which the bundled handler has too, got {readings}: rename yours"
    assert str(raised.value) == message
    assert stack.node.children == []


def test_a_processor_beside_several_such_modules_hears_of_all_of_them(stack, readings):
    for name in ("shared.py", "s3_processing.py"):
        (readings / name).write_text("")
    with pytest.raises(PatternError, match=r"^processor must be in a folder without 's3_processing' or 'shared', "):
        imports(stack, processor=Handler.from_directory(readings, "readings.process"))


@pytest.mark.parametrize("trigger", ["queue", "direct"])
def test_code_of_ones_own_gets_the_settings_and_the_permissions(stack, trigger):
    imports(stack, handler=OWN, trigger=trigger)
    imports(stack, "Bundled", trigger=trigger)
    own, bundled = properties_at(stack, "Imports/Function"), properties_at(stack, "Bundled/Function")
    assert (own["Handler"], own.get("Layers")) == ("index.handler", None)
    assert own["Environment"]["Variables"].keys() == bundled["Environment"]["Variables"].keys()
    expected = {**WORK, **({**CONSUME, "Imports/Bucket/*": READ} if trigger == "queue" else DIRECT)}
    assert permissions(stack, "Imports/FunctionRole") == expected
    assert own["Timeout"] == 300


def test_code_of_ones_own_may_be_quick_and_sqs_itself_gives_up_for_it(stack):
    imports(stack, handler=OWN, worker=WorkerOptions(timeout=Duration.seconds(5), max_attempts=2))
    assert properties_at(stack, "Imports/Function")["Timeout"] == 5
    assert properties_at(stack, "Imports/Queue")["RedrivePolicy"]["maxReceiveCount"] == 2


def test_limits_reach_the_handler_as_whole_numbers(stack):
    limits = FileLimits(
        object_size=Size.mebibytes(1),
        decompressed_size=Size.tebibytes(5),
        rows=7,
        pixels=200_000_000,
        thumbnail=16,
    )
    imports(stack, limits=limits)
    names = ("MAX_OBJECT_BYTES", "MAX_DECOMPRESSED_BYTES", "MAX_ROWS", "MAX_PIXELS", "THUMBNAIL_PIXELS")
    assert [variables(stack)[name] for name in names] == ["1048576", "5497558138880", "7", "200000000", "16"]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"object_size": Size.bytes(0)}, "object_size must be 1 to 5497558138880 bytes, got 0 bytes"),
        ({"object_size": Size.tebibytes(6)}, "object_size must be 1 to 5497558138880 bytes, got 6597069766656 bytes"),
        (
            {"decompressed_size": Size.tebibytes(6)},
            "decompressed_size must be 1 to 5497558138880 bytes, got 6597069766656 bytes",
        ),
        ({"object_size": 5}, "object_size must be a size such as Size.gibibytes(1), got 5 (int, not Size)"),
        (
            {"decompressed_size": None},
            "decompressed_size must be a size such as Size.gibibytes(1), got None (NoneType, not Size)",
        ),
        ({"rows": 0}, "rows must be 1 to 100000000, got 0"),
        ({"rows": 100_000_001}, "rows must be 1 to 100000000, got 100000001"),
        ({"rows": 1.5}, "rows must be a whole number, got 1.5 (float, not int)"),
        ({"pixels": 200_000_001}, "pixels must be 1 to 200000000, got 200000001"),
        ({"pixels": True}, "pixels must be a whole number, got True (bool, not int)"),
        ({"thumbnail": 15}, "thumbnail must be 16 to 4096, got 15"),
        ({"thumbnail": 4097}, "thumbnail must be 16 to 4096, got 4097"),
    ],
)
def test_limits_outside_their_range_are_refused(limits, message):
    with pytest.raises(PatternError) as raised:
        FileLimits(**limits)
    assert str(raised.value) == message


def test_a_processor_and_a_handler_exclude_each_other(stack, readings):
    with pytest.raises(PatternError) as raised:
        imports(stack, processor=Handler.from_directory(readings, "readings.process"), handler=OWN)
    assert str(raised.value) == "processor is called by the bundled handler: give it, or a handler of yours"


def test_a_processor_must_be_code_that_can_be_packed_beside_the_handler(stack):
    with pytest.raises(
        PatternError, match=r"^processor must be made by Handler.from_directory\(folder, 'module.process'\), got "
    ):
        imports(stack, processor=OWN)


# --- construct and handler agree


def test_construct_and_handler_agree_on_the_time_that_a_file_needs():
    assert LEAST_SECONDS < LEAST_TIMEOUT


def test_construct_and_handler_agree_on_the_limits(stack):
    imports(stack, trigger="direct")
    found = {name: value if isinstance(value, str) else "x" for name, value in variables(stack).items()}
    limits = ("MAX_OBJECT_BYTES", "MAX_DECOMPRESSED_BYTES", "MAX_ROWS", "MAX_PIXELS", "THUMBNAIL_PIXELS")
    without = {name: value for name, value in found.items() if name not in limits}
    assert Settings.from_environment(found) == Settings.from_environment(without)


@pytest.mark.parametrize(
    "limits", [{"rows": 100_000_000, "pixels": 200_000_000, "thumbnail": 4096}, {"object_size": Size.bytes(1)}]
)
def test_the_handler_takes_whatever_the_construct_does(stack, limits):
    imports(stack, trigger="direct", limits=FileLimits(**limits))
    assert Settings.from_environment(variables(stack))
