"""Patterns of rules: what cannot match is refused while defining, and so is what matches everything."""

from collections import UserDict

import pytest
from aws_cdk import CfnParameter

from serverless_patterns import PatternError
from serverless_patterns._blocks.event_pattern import checked_pattern, exact_types


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["shop"]},
        {"detail-type": ["orders.paid", {"prefix": "refunds."}]},
        {"source": [{"anything-but": {"prefix": "aws."}}]},
        {"source": ["shop"], "detail": {"metadata": {"version": [1, {"numeric": [">", 2]}]}}},
        {"source": ["aws.s3"], "resources": [{"suffix": ":bucket"}], "region": ["eu-central-1"]},
        {"source": ["shop"], "replay-name": [{"exists": False}]},
        {"$or": [{"source": ["shop"]}, {"detail-type": ["orders.paid"]}]},
        {"source": ["shop"], "$or": [{"detail": {"data": {"paid": [True]}}}, {"account": ["111122223333"]}]},
    ],
)
def test_a_pattern_that_names_sources_or_types_passes_as_it_is(pattern):
    assert checked_pattern(pattern) == pattern


def test_a_pattern_may_be_of_any_mapping_and_of_tuples():
    pattern = UserDict({"source": ("shop",), "detail": UserDict({"data": UserDict({"paid": (True,)})})})
    assert checked_pattern(pattern) == {"source": ["shop"], "detail": {"data": {"paid": [True]}}}


def test_a_pattern_may_have_tokens(stack):
    source = CfnParameter(stack, "Source").value_as_string
    assert checked_pattern({"source": [source]}) == {"source": [source]}


@pytest.mark.parametrize(
    "pattern",
    [
        {"account": ["111122223333"]},
        {"detail": {"data": {"currency": ["EUR"]}}},
        {"source": [{"prefix": ""}]},
        {"source": ["shop", {"prefix": ""}]},
        {"source": [{"exists": True}]},
        {"detail-type": [{"wildcard": "*"}]},
        {"detail-type": [{"suffix": ""}]},
        {"$or": [{"source": ["shop"]}, {"account": ["111122223333"]}]},
    ],
)
def test_a_pattern_that_all_events_match_is_refused(pattern):
    """What the function of its route publishes to the same bus would match as well, without end."""
    with pytest.raises(PatternError, match=r"^pattern must limit .source. or .detail-type., in each"):
        checked_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (None, "pattern must be a dict such as {'detail-type': ['orders.paid']}, got None (NoneType, not Mapping)"),
        (["orders.paid"], "pattern must be a dict such as {'detail-type': ['orders.paid']}, got ['orders.paid'] (list"),
        ({}, "pattern must have at least one key"),
        (
            {"detailType": ["orders.paid"]},
            (
                "pattern must have keys that an event has (account, detail, detail-type, id, region, replay-name, resources, "
                "source, time, version) or '$or', got 'detailType': what is in an event's data is below 'detail'"
            ),
        ),
        (
            {"source": ["shop"], "$or": [{"data": ["a"]}, {"id": ["b"]}]},
            "pattern['$or'] must have keys that an event has (account,",
        ),
        (
            {"source": ["shop"], "detail": ["EUR"]},
            "pattern['detail'] must be a dict such as {'data': {'currency': ['EUR']}}, got ['EUR']",
        ),
        ({"source": "shop"}, "pattern['source'] must be a list of values, got 'shop': write ['shop']"),
        (
            {"source": []},
            "pattern['source'] is an empty list, which matches nothing: list the values, or leave the key out",
        ),
        ({"source": ["shop"], "detail": {}}, "pattern['detail'] must have at least one key"),
        (
            {"source": ["shop"], "$or": [{"account": ["1"]}]},
            "pattern['$or'] must be a list of at least two dicts, got [{'account': ['1']}]",
        ),
        (
            {"source": [None]},
            "pattern['source']: None does not reach EventBridge, since CDK leaves nulls out; use {'exists': ...}",
        ),
        (
            {"source": [{"startswith": "a"}]},
            (
                "pattern['source']: a condition must be one of anything-but, cidr, equals-ignore-case, exists, numeric, "
                "prefix, suffix, wildcard, got {'startswith': 'a'}"
            ),
        ),
        (
            {"source": [{"prefix": "a", "suffix": "b"}]},
            "pattern['source']: a condition must be one of anything-but,",
        ),
        ({"source": [["shop"]]}, "pattern['source'] must hold texts, numbers, True, False and conditions, got ['shop']"),
        (
            {"source": ["shop"], "account": [111122223333]},
            "pattern['account'] must hold texts and conditions, got 111122223333: an event has only texts there",
        ),
        (
            {"source": ["shop"], "detail": {"metadata": {"version": ["1"]}}},
            (
                "pattern['detail']['metadata']['version'] must hold numbers, got '1': the version of an envelope is a number, "
                "such as 1"
            ),
        ),
        ({"source": ["x" * 4096]}, "pattern must be at most 4096 characters as JSON, got 4112"),
    ],
)
def test_a_pattern_that_nothing_matches_is_refused_with_what_is_allowed(pattern, message):
    with pytest.raises(PatternError) as raised:
        checked_pattern(pattern)
    assert str(raised.value).startswith(message)


def test_the_version_of_data_may_be_a_text():
    pattern = {"source": ["shop"], "detail": {"data": {"version": ["1"]}}}
    assert checked_pattern(pattern) == pattern


def test_the_types_that_a_pattern_lists_are_known_and_others_are_not(stack):
    token = CfnParameter(stack, "Type").value_as_string
    assert exact_types({"detail-type": ["orders.paid", "orders.declined"]}) == {"orders.paid", "orders.declined"}
    for values in ([{"prefix": "orders."}], ["orders.paid", {"prefix": "a"}], [token]):
        assert exact_types({"detail-type": values}) is None
    assert exact_types({"source": ["shop"]}) is None
