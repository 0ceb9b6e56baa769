"""Filter policies: what SNS takes passes, and what it refuses, or what no message could pass, is refused here first."""

import contextlib
import json
import math
import operator
from fractions import Fraction

import pytest
from aws_cdk import CfnParameter, Stack
from hypothesis import given, settings
from hypothesis import strategies as st

from serverless_patterns import PatternError
from serverless_patterns._blocks.filter_policy import check_filter_policy

COMPARISONS = {"=": operator.eq, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}

TEXTS = st.text("ab.*", min_size=1, max_size=3)
NUMBERS = st.integers(-3, 3) | st.sampled_from([0.5, -1e9, 1e9])
CONDITIONS = st.one_of(
    TEXTS,
    NUMBERS,
    st.booleans(),
    st.builds(lambda kind, text: {kind: text}, st.sampled_from(["prefix", "suffix", "wildcard", "equals-ignore-case"]), TEXTS),
    st.builds(lambda holds: {"exists": holds}, st.booleans()),
    st.builds(lambda values: {"anything-but": values}, TEXTS | NUMBERS | st.lists(TEXTS | NUMBERS, min_size=1, max_size=2)),
    st.builds(lambda text: {"anything-but": {"prefix": text}}, TEXTS),
    st.builds(lambda number: {"numeric": [">=", number]}, NUMBERS),
    st.just({"cidr": "10.0.0.0/24"}),
)
ATTRIBUTES = st.dictionaries(st.sampled_from("abcde"), st.lists(CONDITIONS, min_size=1, max_size=2), min_size=1, max_size=5)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$or", "numeric", "exists", "anything-but", "cidr", "prefix", "a"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
RANGES = st.lists(st.tuples(st.sampled_from(list(COMPARISONS)), st.integers(-2, 2)), min_size=1, max_size=2)


def refusal(policy, filter_on="attributes"):
    """What is said of the policy; nothing if it is fine."""
    try:
        check_filter_policy(policy, filter_on)
    except PatternError as error:
        return str(error)
    return None


# --- what SNS takes


@settings(max_examples=200, deadline=None)
@given(policy=ATTRIBUTES)
def test_each_condition_that_sns_knows_passes(policy):
    assert refusal(policy) is None


@pytest.mark.parametrize(
    "policy",
    [
        {"data": {"amount": [{"numeric": [">", 0, "<=", 100]}], "customer": {"country": ["DE", "FR"]}}},
        {"source": ["orders"], "$or": [{"type": ["paid"]}, {"data": {"amount": [{"numeric": [">", 100]}]}}]},
        {"type": ("orders.paid", {"anything-but": ("a", "b")})},
    ],
)
def test_bodies_are_filtered_by_nested_fields_and_by_alternatives(policy):
    assert refusal(policy, "body") is None


def test_what_is_not_known_yet_passes():
    stack = Stack()
    number = CfnParameter(stack, "Least", type="Number").value_as_number
    assert refusal({stack.account: ["x"]}) is None
    assert refusal({"account": [stack.account], "n": [number, {"numeric": [">=", number, "<", 5]}]}) is None


# --- what SNS refuses


@settings(max_examples=500, deadline=None)
@given(policy=ANYTHING, filter_on=st.sampled_from(["attributes", "body"]))
def test_anything_is_taken_or_refused_with_its_place(policy, filter_on):
    message = refusal(policy, filter_on)
    if message is None:
        assert json.loads(json.dumps(policy, allow_nan=False)) == policy
    else:
        assert message.startswith("filter_policy")


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ([], "filter_policy must be a dict such as {'event_type': ['orders.paid']}, got [] (list, not Mapping)"),
        ({}, "filter_policy must have at least one key; leave it out to get every message"),
        (
            {"type": "orders.paid"},
            "filter_policy['type'] must be a list of values, got 'orders.paid': write ['orders.paid']",
        ),
        ({"type": []}, "filter_policy['type'] is an empty list, which matches nothing: list the values, or leave the key out"),
        (
            {"data": {"amount": [1]}},
            (
                "filter_policy['data'] must be a list of values: attributes have no parts; "
                "use filter_on='body' to filter on the body"
            ),
        ),
        ({"type": [None]}, "filter_policy['type']: None does not reach SNS, since CDK leaves nulls out; use {'exists': ...}"),
        ({"type": [["a"]]}, "filter_policy['type']: a value or one condition, got ['a']"),
        (
            {"type": [{"prefix": "a", "suffix": "b"}]},
            "filter_policy['type']: a value or one condition, got {'prefix': 'a', 'suffix': 'b'}",
        ),
        (
            {"type": [{"regex": "a"}]},
            (
                "filter_policy['type']: a condition must be one of anything-but, cidr, equals-ignore-case, exists, numeric, "
                "prefix, suffix, wildcard, got 'regex'"
            ),
        ),
        ({"type": [{"prefix": ""}]}, "filter_policy['type']: prefix must be a text, got ''"),
        ({"type": [{"wildcard": 3}]}, "filter_policy['type']: wildcard must be a text, got 3"),
        ({"type": [{"exists": "yes"}]}, "filter_policy['type']: exists must be True or False, got 'yes'"),
        (
            {"ip": [{"cidr": "10.0.0.1/24"}]},
            "filter_policy['ip']: cidr must be an address block such as '10.0.0.0/24', got '10.0.0.1/24'",
        ),
        ({"type": [{"anything-but": []}]}, "filter_policy['type']: anything-but must name at least one value, got []"),
        (
            {"type": [{"anything-but": [None]}]},
            "filter_policy['type']: anything-but must hold texts or numbers, got [None]",
        ),
        (
            {"type": [{"anything-but": {"numeric": [">", 1]}}]},
            (
                "filter_policy['type']: anything-but must be values or one of prefix, suffix, wildcard, equals-ignore-case, "
                "got {'numeric': ['>', 1]}"
            ),
        ),
        (
            {"type": [{"anything-but": {"prefix": 3}}]},
            "filter_policy['type']: anything-but: prefix must be a text, got 3",
        ),
        ({"n": [1_000_000_001]}, "filter_policy['n'] must be a number from -1000000000 to 1000000000, got 1000000001"),
        ({"n": [math.nan]}, "filter_policy['n'] must be a number from -1000000000 to 1000000000, got nan"),
        (
            {"n": [{"numeric": [">"]}]},
            "filter_policy['n']: numeric must be like ['>=', 10] or ['>', 0, '<', 100], got ['>']",
        ),
        (
            {"n": [{"numeric": ["=>", 1]}]},
            "filter_policy['n']: numeric: a comparison must be one of =, >, >=, <, <=, got '=>'",
        ),
        (
            {"n": [{"numeric": [">", "1"]}]},
            "filter_policy['n']: numeric must be a number from -1000000000 to 1000000000, got '1'",
        ),
        (
            {"n": [{"numeric": [">", True]}]},
            "filter_policy['n']: numeric must be a number from -1000000000 to 1000000000, got True",
        ),
        (
            {"n": [{"numeric": [">", 1_000_000_000]}]},
            "filter_policy['n']: numeric ['>', 1000000000] matches no number: nothing would ever arrive",
        ),
        (
            {"n": [{"numeric": ["<", -1_000_000_000]}]},
            "filter_policy['n']: numeric ['<', -1000000000] matches no number: nothing would ever arrive",
        ),
        (
            {"n": [{"numeric": [">", 10, "<", 5]}]},
            "filter_policy['n']: numeric ['>', 10, '<', 5] matches no number: nothing would ever arrive",
        ),
        ({"$or": [{"a": ["b"]}]}, "filter_policy['$or'] must be a list of at least two dicts, got [{'a': ['b']}]"),
        ({"$or": [{"a": ["b"]}, {}]}, "filter_policy['$or'][1] must have at least one key"),
        (
            {"$or": [{"a": ["b"]}, {"c": [{"prefix": ""}]}]},
            "filter_policy['$or'][1]['c']: prefix must be a text, got ''",
        ),
    ],
)
def test_a_policy_that_cannot_work_is_refused_with_its_place(policy, message):
    assert refusal(policy) == message


@pytest.mark.parametrize(
    "name",
    ["event type", "", "é", "a" * 257, ".a", "a.", "a..b", "AWS.SNS", "aws.x", "Amazon.x", "AMAZON.x", "a\n", "a/b", "data[0]"],
)
def test_a_filter_for_an_attribute_that_no_message_can_have_is_refused(name):
    message = (
        f"filter_policy[{name!r}] matches nothing: no message has an attribute of that name; names have at most 256 letters, "
        "digits, '_', '-' and single '.' between them, and do not begin with 'AWS.' or 'Amazon.'"
    )
    assert refusal({name: ["x"]}) == message
    assert refusal({"$or": [{"a": ["x"]}, {name: ["x"]}]}) == message
    assert refusal({name: ["x", {"exists": False}]}) is None
    assert refusal({name: ["x"]}, "body") is None


@pytest.mark.parametrize("name", ["event_type", "a" * 256, "a.b.c", "A-1_b", "AWS", "AWSx", "amazon-id", "7"])
def test_a_filter_for_an_attribute_that_a_message_can_have_passes(name):
    assert refusal({name: ["x"]}) is None


@pytest.mark.parametrize("texts", ["*", "**", ["*.paid", "*"]])
def test_a_filter_that_leaves_nothing_over_is_refused(texts):
    assert refusal({"type": [{"anything-but": {"wildcard": texts}}]}).endswith("leaves nothing over: nothing would ever arrive")
    assert refusal({"type": [{"anything-but": {"prefix": texts}}]}) is None


def test_a_nested_key_without_values_is_refused():
    assert refusal({"data": {}}, "body") == "filter_policy['data'] must have at least one key"
    assert refusal({"data": {"a": "b"}}, "body") == (
        "filter_policy['data']['a'] must be a list of values, got 'b': write ['b']"
    )


# --- limits


def test_a_policy_has_at_most_five_keys_nested_ones_counted():
    assert refusal({key: ["x"] for key in "abcde"}) is None
    assert refusal({key: ["x"] for key in "abcdef"}) == "filter_policy must have at most 5 keys, got 6: SNS takes no more"
    nested = {"data": {key: ["x"] for key in "abcdef"}}
    assert refusal(nested, "body") == "filter_policy must have at most 5 keys, got 6: SNS takes no more"


def values(count):
    return [str(number) for number in range(count)]


@pytest.mark.parametrize(
    ("policy", "combinations"),
    [
        ({"a": values(150)}, 150),
        ({"a": values(151)}, 151),
        ({"a": values(15), "b": values(10)}, 150),
        ({"a": values(16), "b": values(10)}, 160),
        # SNS's own example: four values three levels deep, three values two levels deep.
        ({"a": {"b": {"c": values(4)}}, "d": {"e": values(3)}}, 72),
        ({"a": {"b": values(5)}, "c": {"d": {"e": values(5)}}}, 150),
        ({"a": {"b": values(6)}, "c": {"d": {"e": values(5)}}}, 180),
        ({"$or": [{"a": values(75)}, {"b": values(75)}]}, 150),
        ({"$or": [{"a": values(75)}, {"b": values(76)}]}, 151),
        ({"a": values(2), "$or": [{"b": values(40)}, {"c": values(40)}]}, 160),
    ],
)
def test_a_policy_has_at_most_150_combinations_as_sns_counts_them(policy, combinations):
    message = (
        "filter_policy must have at most 150 combinations (the numbers of values of all keys, multiplied; of nested keys, "
        f"times their depth), got {combinations}"
    )
    assert refusal(policy, "body") == (None if combinations <= 150 else message)


# --- ranges of numbers


@settings(max_examples=400, deadline=None)
@given(comparisons=RANGES)
def test_a_range_is_refused_exactly_if_no_number_is_in_it(comparisons):
    tenths = (Fraction(number, 10) for number in range(-40, 41))
    some = any(all(COMPARISONS[sign](number, bound) for sign, bound in comparisons) for number in tenths)
    taken = refusal({"n": [{"numeric": [part for comparison in comparisons for part in comparison]}]}) is None
    assert taken is some


def test_the_check_changes_nothing():
    policy = {"$or": [{"a": ["b"]}, {"c": [{"numeric": [">", 1]}]}]}
    before = json.dumps(policy)
    with contextlib.suppress(PatternError):
        check_filter_policy(policy, "attributes")
    assert json.dumps(policy) == before


def test_what_is_no_plain_value_is_not_shown_as_if_it_could_be_put_into_a_list():
    with pytest.raises(PatternError) as raised:
        check_filter_policy({"type": object()}, "attributes")
    assert str(raised.value) == (
        "filter_policy['type'] must be a list of values, got <object>: write what SNS takes, such as ['orders.paid'] or "
        "[{'prefix': 'orders.'}]"
    )
