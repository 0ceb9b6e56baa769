"""Stacks of one name in several accounts and regions: each is compared with itself."""

import json

import aws_cdk as cdk
import pytest

from serverless_patterns.errors import GuardError
from serverless_patterns.guard.comparison import compare
from serverless_patterns.guard.findings import Kind
from tests.guard.assemblies import table
from tests.guard.templates import write

ACCOUNT = "123456789012"
HERE, THERE = f"Shop (aws://{ACCOUNT}/eu-central-1)", f"Shop (aws://{ACCOUNT}/us-east-1)"


def app(folder, keys):
    """An assembly with the same stack in some regions (``None``: it says none), each with another key of its table."""
    found = cdk.App(outdir=str(folder), analytics_reporting=False)
    for region, key in keys.items():
        env = cdk.Environment(account=ACCOUNT, region=region) if region else None
        table(cdk.Stack(found, region or "Anywhere", stack_name="Shop", env=env), key=key)
    found.synth()
    return folder


def deployed(folder, key):
    """What ``get-template`` has answered: nothing in it says where."""
    app(folder / "assembly", {None: key})
    write(folder / "Shop.json", json.loads((folder / "assembly" / "Anywhere.template.json").read_text()))
    return folder


def keys(old, new):
    """The stacks whose table gets another key: a region that is written down changes other properties too."""
    return [(each.stack, each.kind) for each in compare(old, new).findings if each.property == "KeySchema"]


def told(old, new):
    return [(each.stack, each.kind) for each in compare(old, new).findings]


def test_one_stack_in_two_regions_is_compared_region_by_region(tmp_path):
    old = app(tmp_path / "old", {"eu-central-1": "id", "us-east-1": "id"})
    new = app(tmp_path / "new", {"eu-central-1": "id", "us-east-1": "email"})
    assert told(old, new) == [(THERE, Kind.REPLACED)]


def test_a_region_that_comes_is_a_new_stack_and_one_that_goes_leaves_its_stack_behind(tmp_path):
    one, two = app(tmp_path / "one", {"eu-central-1": "id"}), app(tmp_path / "two", {"eu-central-1": "id", "us-east-1": "id"})
    comparison = compare(one, two)
    assert (comparison.findings, comparison.uncompared) == ((), (THERE,))
    assert told(two, one) == [(THERE, Kind.REMOVED)]


def test_a_stack_that_goes_to_another_region_leaves_the_old_one_behind(tmp_path):
    old, new = app(tmp_path / "old", {"eu-central-1": "id"}), app(tmp_path / "new", {"us-east-1": "id"})
    assert told(old, new) == [(HERE, Kind.RENAMED)]


@pytest.mark.parametrize(("was", "now"), [(None, "eu-central-1"), ("eu-central-1", None), (None, None)])
def test_a_stack_that_does_not_say_its_region_is_the_one_of_its_name(tmp_path, was, now):
    old, new = app(tmp_path / "old", {was: "id"}), app(tmp_path / "new", {now: "email"})
    assert keys(old, new) == [("Shop", Kind.REPLACED)]


def test_what_get_template_has_answered_is_compared_with_each_stack_of_its_name(tmp_path):
    old, new = deployed(tmp_path / "old", "id"), app(tmp_path / "new", {"eu-central-1": "id", "us-east-1": "email"})
    assert keys(old, new) == keys(new, old) == [(THERE, Kind.REPLACED)]


def test_one_stack_twice_in_one_environment_cannot_be_compared(tmp_path):
    manifest = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "a.json", "stackName": "Shop"}}
    write(tmp_path / "manifest.json", {"artifacts": {"A": manifest, "B": manifest}})
    write(tmp_path / "a.json", {"Resources": {}})
    with pytest.raises(GuardError, match="these stacks more than once: Shop"):
        compare(tmp_path, tmp_path)
