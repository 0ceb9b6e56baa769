"""Properties whose change does something to data in a resource that stays, or that no deploy can change."""

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from serverless_patterns.guard.changes import CHANGES, DEFAULTS
from serverless_patterns.guard.findings import Kind
from serverless_patterns.guard.report import words
from serverless_patterns.guard.stateful import HOLDS
from tests.guard.templates import findings, resource

SECRET, PARAMETER = "AWS::SecretsManager::Secret", "AWS::SSM::Parameter"
TABLE, GLOBAL, ARCHIVE = "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::Events::Archive"
POOL, KEY = "AWS::Cognito::UserPool", "AWS::KMS::Key"


def found(kind, old, new):
    return findings({"R": resource(kind, old)}, {"R": resource(kind, new)})


def told(kind, old, new):
    return [(each.kind, each.property) for each in found(kind, old, new)]


# --- values that are written over


@pytest.mark.parametrize("old", [{"GenerateSecretString": {"PasswordLength": 30}}, {"SecretString": "a"}, {}])
def test_a_secret_that_is_generated_in_another_way_is_written_over(old):
    (each,) = found(SECRET, old, {"GenerateSecretString": {"PasswordLength": 32}})
    assert (each.kind, each.property) == (Kind.OVERWRITTEN, "GenerateSecretString")
    assert "a new random value is drawn and becomes the current version" in each.why
    assert "leave GenerateSecretString as it was" in each.mend


def test_a_secret_that_is_generated_as_before_or_no_longer_is_no_finding():
    one, same = ({"GenerateSecretString": {"PasswordLength": each}} for each in (30, "30"))
    assert told(SECRET, one, {**same, "Description": "new"}) == told(SECRET, one, {}) == []


@pytest.mark.parametrize("old", [{"GenerateSecretString": {}}, {"SecretString": "old-value"}, {}])
def test_a_secret_that_gets_a_literal_value_is_written_over_and_no_value_is_printed(old):
    (each,) = found(SECRET, old, {"SecretString": "new-value"})
    assert (each.kind, each.property) == (Kind.OVERWRITTEN, "SecretString")
    assert "-value" not in f"{words(each)}{each.as_json()}"
    assert told(SECRET, {"SecretString": "a"}, {"SecretString": "a"}) == []


def test_where_the_value_of_a_secret_comes_from_is_printed():
    (each,) = found(SECRET, {"SecretString": "old-value"}, {"SecretString": {"Ref": "Password"}})
    assert (each.old, each.new) == ("(not shown)", {"Ref": "Password"})


def test_a_parameter_may_have_another_value_since_its_history_keeps_the_old_one():
    assert told(PARAMETER, {"Value": "a"}, {"Value": "b"}) == []


# --- tables


def expiring(name, *, enabled=True):
    return {"TimeToLiveSpecification": {"AttributeName": name, "Enabled": enabled}}


def streaming(view):
    return {"StreamSpecification": {"StreamViewType": view}}


@pytest.mark.parametrize("kind", [TABLE, GLOBAL])
def test_another_attribute_of_a_time_to_live_that_is_on_is_refused(kind):
    (each,) = found(kind, expiring("a"), expiring("b"))
    assert (each.kind, each.property) == (Kind.REFUSED, "TimeToLiveSpecification.AttributeName")
    assert "time to live must be disabled before another attribute can be named" in each.why
    assert told(kind, expiring("a", enabled=False), expiring("b", enabled=False)) == told(kind, expiring("a"), {}) == []


@pytest.mark.parametrize("kind", [TABLE, GLOBAL])
@pytest.mark.parametrize("new", [{}, streaming("KEYS_ONLY")])
def test_a_stream_that_ends_keeps_from_its_readers_what_they_have_not_read(kind, new):
    (each,) = found(kind, streaming("NEW_IMAGE"), new)
    assert (each.kind, each.property) == (Kind.LESS_PROTECTED, "StreamSpecification.StreamViewType")
    assert "what the readers of the old one have not read yet does not reach them" in each.why


def test_a_stream_that_begins_and_one_that_goes_on_are_no_finding():
    on = streaming("NEW_IMAGE")
    assert told(TABLE, {}, on) == told(TABLE, on, on) == []


# --- the rest


@pytest.mark.parametrize("old", [{}, {"EventPattern": {"source": ["a", "b"]}}])
def test_an_archive_with_another_pattern_may_keep_less(old):
    assert told(ARCHIVE, old, {"EventPattern": {"source": ["a"]}}) == [(Kind.LESS_PROTECTED, "EventPattern")]
    assert told(ARCHIVE, {"EventPattern": {"source": ["a"]}}, {}) == []


@pytest.mark.parametrize(
    ("kind", "name", "old", "new"),
    [
        (POOL, "AliasAttributes", ["email"], ["email", "phone_number"]),
        (POOL, "UsernameAttributes", None, ["email"]),
        (POOL, "UsernameConfiguration", {"CaseSensitive": True}, {"CaseSensitive": False}),
        (KEY, "KeySpec", None, "RSA_2048"),
        (KEY, "KeyUsage", "SIGN_VERIFY", None),
        (KEY, "MultiRegion", False, True),
        (KEY, "Origin", None, "EXTERNAL"),
    ],
)
def test_what_is_fixed_when_a_resource_is_created_is_refused(kind, name, old, new):
    sides = ({} if each is None else {name: each} for each in (old, new))
    (each,) = found(kind, *sides)
    assert (each.kind, each.property) == (Kind.REFUSED, name)
    assert "it cannot be changed after the resource has been created" in each.why


def test_a_default_that_is_written_down_is_no_change():
    for (kind, pointer), default in DEFAULTS.items():
        assert told(kind, {}, {pointer.removeprefix("/properties/"): default}) == []


def test_every_property_is_one_of_a_type_that_holds_data_and_stands_in_its_schema():
    assert set(CHANGES) <= set(HOLDS)
    for kind, changes in CHANGES.items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind)
        assert all(schema.resolver.resolve_cfn_pointer(each.pointer) for each in changes), kind
