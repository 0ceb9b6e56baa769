"""What patterns are given: an argument of one name is of one type everywhere, and is checked in one way."""

import inspect
from collections.abc import Callable

import pytest

import serverless_patterns
from serverless_patterns import PatternError
from serverless_patterns._blocks.arguments import REQUIRED, RESOURCES, TYPES, check_arguments

PATTERNS = (
    "ApiCrud",
    "EventRouting",
    "OrderWorkflow",
    "S3Processing",
    "ScheduledReport",
    "SnsFanout",
    "SqsPipeline",
    "StreamProcessing",
)
#: What a pattern reads is a matter of its own: rows of a report, or records of a stream.
OWN = {"source"}


def arguments(pattern: str) -> dict[str, str]:
    """Name -> type, as written, of what the constructor of a pattern takes."""
    constructor: Callable[..., object] = getattr(serverless_patterns, pattern).__init__
    found = inspect.signature(constructor).parameters.values()
    return {each.name: str(each.annotation).removesuffix(" | None") for each in found if each.kind is each.KEYWORD_ONLY}


def uses(name: str) -> dict[str, str]:
    """Pattern -> type of its argument of this name."""
    return {pattern: arguments(pattern)[name] for pattern in PATTERNS if name in arguments(pattern)}


@pytest.mark.parametrize("name", sorted({name for pattern in PATTERNS for name in arguments(pattern)} - OWN))
def test_an_argument_of_one_name_is_of_one_type_in_all_patterns(name):
    assert len(set(uses(name).values())) == 1, uses(name)


@pytest.mark.parametrize("name", sorted({*TYPES, *RESOURCES}))
def test_what_is_checked_for_all_patterns_is_an_argument_of_one(name):
    assert uses(name)


@pytest.mark.parametrize("name", sorted(name for name, (_, _, options) in RESOURCES.items() if options is not None))
def test_where_options_will_do_the_argument_says_so(name):
    (written,) = set(uses(name).values())
    assert RESOURCES[name][2].__name__ in written


@pytest.mark.parametrize("name", sorted({*TYPES, *RESOURCES}))
def test_a_value_of_another_type_is_refused_by_its_name(name):
    with pytest.raises(PatternError, match=f"^{name} must be .*, got <object"):
        check_arguments({name: object()})


@pytest.mark.parametrize("name", sorted({*TYPES, *RESOURCES} - {*REQUIRED}))
def test_an_argument_that_is_left_out_passes(name):
    check_arguments({name: None})
