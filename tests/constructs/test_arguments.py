"""What patterns are given: an argument of one name is of one type everywhere, and is checked in one way."""

import inspect
import math
import re
from collections.abc import Callable

import pytest
from aws_cdk import Stack
from constructs import Construct

import serverless_patterns
from serverless_patterns import (
    DEV,
    ApiCrud,
    EventRouting,
    PatternError,
    Retry,
    S3Processing,
    SnsFanout,
    SqsPipeline,
)
from serverless_patterns._blocks.arguments import REQUIRED, RESOURCES, TYPES, check_arguments
from serverless_patterns.stacks import PatternStack
from tests.support.synthesis import new_app

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


@pytest.mark.parametrize("name", sorted(RESOURCES))
def test_a_name_or_arn_instead_of_a_resource_is_told_how_it_is_imported(name):
    with pytest.raises(PatternError, match=rf"^{name} must be .*, got 'arn:aws:it'; import it: [a-z0-9]+\.[A-Za-z0-9]+\.from_"):
        check_arguments({name: "arn:aws:it"})


@pytest.mark.parametrize(
    ("name", "pattern", "part"),
    [
        ("bus", EventRouting, "bus"),
        ("topic", SqsPipeline, "topic"),
        ("queue", SqsPipeline, "queue"),
        ("view_table", ApiCrud, "table"),
        ("bucket", S3Processing, "bucket"),
    ],
)
def test_a_pattern_instead_of_its_resource_is_told_which_was_meant(stack, name, pattern, part):
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    options = {"resource": "users", "schema": schema} if pattern is ApiCrud else {}
    with pytest.raises(PatternError) as raised:
        check_arguments({name: pattern(stack, "Other", **options)})
    assert str(raised.value).endswith(f"got <{pattern.__name__}>; did you mean its .{part}?")


def test_a_pipeline_with_a_bus_instead_of_its_topic_is_refused_as_any_other(stack):
    orders = SqsPipeline(stack, "Orders", bus=EventRouting(stack, "Events").bus)
    with pytest.raises(PatternError, match=r"^topic must be an SNS topic, got <SqsPipeline>"):
        check_arguments({"topic": orders})


def test_an_environment_instead_of_its_operations_is_named_in_few_words():
    with pytest.raises(PatternError) as raised:
        check_arguments({"operations": DEV})
    assert str(raised.value) == (
        "operations must be Operations(...), such as DEV.operations, got <Environment> (Environment, not Operations); did you "
        "mean its .operations?"
    )


# --- where a pattern is defined


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (lambda stack: ("Orders", stack), "scope must be a stack or a construct in one, such as self, got 'Orders'"),
        (lambda _: (None, "Orders"), "scope must be a stack or a construct in one, such as self, got NoneType"),
        (lambda stack: (stack.node.scope, "Orders"), "got App: define a Stack in it, and give that"),
        (lambda stack: (stack, ""), "construct_id must be a name such as 'Orders', got ''"),
        (lambda stack: (stack, None), "construct_id must be a name such as 'Orders', got None"),
        (lambda stack: (stack, "Taken"), "construct_id must be one that is not taken, got 'Taken', which Test has already"),
    ],
    ids=["swapped", "no scope", "an app", "empty", "none", "taken"],
)
def test_a_place_where_nothing_can_be_defined_is_refused_in_plain_words(place, message):
    stack = Stack(new_app(), "Test")
    Construct(stack, "Taken")
    with pytest.raises(PatternError, match=re.escape(message)):
        SnsFanout(*place(stack))


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_no_number_is_refused_before_cdk_is_asked_about_it(number):
    with pytest.raises(PatternError, match=r"^backoff_rate must be 1 to 10, got (nan|inf)"):
        Retry(backoff_rate=number)
    assert Retry(backoff_rate=2)


def test_a_list_instead_of_a_number_is_refused():
    with pytest.raises(PatternError, match=r"^backoff_rate must be a number from 1 to 10, got \(2,\)"):
        Retry(backoff_rate=(2,))


@pytest.mark.parametrize("grantee", ["role", "arn:aws:iam::123456789012:role/caller", None])
@pytest.mark.parametrize(
    "grant",
    [
        lambda stack: SqsPipeline(stack, "One").grant_read,
        lambda stack: EventRouting(stack, "One").grant_publish,
        lambda stack: SnsFanout(stack, "One").grant_publish,
        lambda stack: S3Processing(stack, "One").grant_upload,
    ],
    ids=["API", "bus", "topic", "bucket"],
)
def test_a_grant_to_what_is_no_principal_is_refused_in_plain_words(stack, grant, grantee):
    message = f"grantee must be a role, a user, or what has one, such as a function, got {grantee!r}; import a role: iam.Role."
    with pytest.raises(PatternError, match=re.escape(message)):
        grant(stack)(grantee)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tags": ["a"]}, "tags must be a dict of texts, got ['a']"),
        ({"tags": {"a": 1}}, "tags must be a dict of texts, got {'a': 1}"),
        ({"define": None}, "define must be a function that is given the stack and its operations, got None"),
    ],
)
def test_what_a_stack_cannot_be_made_of_is_refused(options, message):
    define = {"define": lambda scope, operations: SnsFanout(scope, "Events", operations=operations)}
    with pytest.raises(PatternError, match=re.escape(message)):
        PatternStack(new_app(), "Events", environment=DEV, pattern="sns_fanout", **{**define, **options})
