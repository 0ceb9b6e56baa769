"""Nested stacks: those whose templates are there, and those of which nothing is known."""

import json

import pytest

from serverless_patterns.guard import cli
from serverless_patterns.guard.comparison import compare
from serverless_patterns.guard.findings import Kind
from tests.guard.assemblies import assembly, table
from tests.guard.templates import resource, write

NESTED = "DataNestedStackDataNestedStackResourceEC94013D"
STACK = "AWS::CloudFormation::Stack"


def other_table(scope):
    return table(scope, key="email")


def no_table(scope):
    return table(scope, "People")


def deployed(folder, source, *, nested):
    """What ``get-template`` has answered of an assembly, with its nested stacks or without."""
    parent = json.loads((source / "Shop.template.json").read_text())
    write(folder / "Shop.json", parent)
    if nested:
        child = next(source.glob("*.nested.template.json"))
        write(folder / "Shop" / f"{NESTED}.json", json.loads(child.read_text()))
    return folder


def files(tmp_path, old, new):
    """Two template files."""
    return (write(tmp_path / name, {"Resources": each}) for name, each in (("old.json", old), ("new.json", new)))


def told(old, new):
    return [(each.kind, each.logical_id, each.property) for each in compare(old, new).findings]


@pytest.fixture
def sides(tmp_path):
    """What is deployed, as an assembly; and the assembly of a version with another nested table."""
    return assembly(tmp_path / "old", table, nested=True), assembly(tmp_path / "new", other_table, nested=True)


def test_nested_stacks_in_a_folder_beside_their_parent_are_compared(sides, tmp_path):
    old = deployed(tmp_path / "deployed", sides[0], nested=True)
    (found,) = compare(old, sides[1]).findings
    assert (found.kind, found.property, found.stack) == (Kind.REPLACED, "KeySchema", f"Shop/{NESTED}")
    assert compare(old, sides[0]).findings == ()


def test_a_nested_stack_that_changes_unseen_is_said_and_is_neither_safe_nor_a_finding_of_data(sides, tmp_path, capsys):
    old = deployed(tmp_path / "deployed", sides[0], nested=False)
    assert cli.main([str(old), str(sides[1])]) == 2
    out = capsys.readouterr().out
    assert out.startswith(f"NOT COMPARED  {STACK} {NESTED} in stack Shop")
    assert "what it holds cannot be known, because its template is not there on one side" not in out
    assert f"Shop/{NESTED}.json" in out
    assert out.splitlines()[-1].startswith("not known: 1 nested stack could not be compared, among 0 resources with data")


def test_a_nested_stack_that_only_the_new_side_lacks_is_not_taken_for_removed(sides, tmp_path):
    new = deployed(tmp_path / "deployed", sides[1], nested=False)
    (found,) = compare(sides[0], new).findings
    assert (found.kind, found.logical_id) == (Kind.NOT_COMPARED, NESTED)
    assert "because its template is not there on one side" in found.why


def test_a_nested_stack_that_is_unseen_and_the_same_is_a_note(sides, tmp_path, capsys):
    old = deployed(tmp_path / "deployed", sides[0], nested=False)
    assert cli.main([str(old), str(sides[0])]) == 0
    note, safe = " ".join(capsys.readouterr().out.split()).split(" safe: ")
    assert note == f"note: nothing of these stacks was compared, because OLD or NEW has no template of them: Shop/{NESTED}"
    assert safe == "0 resources with data in 1 stack stay as they are"


def test_what_is_found_beside_it_counts_more_than_what_could_not_be_compared(tmp_path):
    old = {"N": resource(STACK, {"TemplateURL": "a"}), "Q": resource("AWS::SQS::Queue")}
    paths = [str(each) for each in files(tmp_path, old, {"N": resource(STACK, {"TemplateURL": "b"})})]
    assert cli.main(paths) == 1
    assert cli.main([*paths, "--allow", "Q=empty"]) == 2
    assert cli.main([*paths, "--allow", "Q=empty", "--allow", "N=only functions"]) == 0


@pytest.mark.parametrize(
    ("new", "kind", "name"),
    [
        ({}, Kind.REMOVED, "logical id"),
        ({"M": resource(STACK, {"TemplateURL": "a"})}, Kind.REMOVED, "logical id"),
        ({"N": resource("AWS::SQS::Queue")}, Kind.REFUSED, "Type"),
        ({"N": resource(STACK, {"TemplateURL": "a", "Parameters": {"P": "1"}})}, Kind.NOT_COMPARED, "Properties"),
    ],
)
def test_a_nested_stack_of_which_nothing_is_known_is_found_when_it_goes_or_changes(tmp_path, new, kind, name):
    assert told(*files(tmp_path, {"N": resource(STACK, {"TemplateURL": "a"})}, new)) == [(kind, "N", name)]


@pytest.mark.parametrize(
    ("attributes", "words"),
    [({}, "CloudFormation deletes it, and what it holds by the policies in it"), ({"DeletionPolicy": "Retain"}, "keeps it")],
)
def test_the_removal_of_an_unseen_nested_stack_says_what_becomes_of_it(tmp_path, attributes, words):
    (found,) = compare(*files(tmp_path, {"N": resource(STACK, {"TemplateURL": "a"}, **attributes)}, {})).findings
    assert words in found.why


def test_an_unseen_nested_stack_of_a_stack_that_is_gone_is_left_behind(sides, tmp_path):
    old = deployed(tmp_path / "deployed", sides[0], nested=False)
    (found,) = compare(old, assembly(tmp_path / "other", table, stack="Store")).findings
    assert (found.kind, found.logical_id) == (Kind.REMOVED, NESTED)
    assert "its stack is gone: `cdk deploy` leaves it as it is" in found.why


def test_a_nested_stack_under_a_condition_may_go_with_all_that_it_holds(tmp_path):
    old, new = ({"N": resource(STACK, {"TemplateURL": "a"}, **each)} for each in ({}, {"Condition": "Prod"}))
    assert told(*files(tmp_path, old, new)) == [(Kind.MAY_BE_REMOVED, "N", "Condition")]
    assert told(*files(tmp_path, new, old)) == []


def test_what_is_in_an_unseen_nested_stack_is_not_taken_for_the_new_place_of_what_goes(tmp_path):
    """It may have been there before."""
    nested, queue = {"N": resource(STACK, {"TemplateURL": "n"})}, {"Q": resource("AWS::SQS::Queue")}
    write(tmp_path / "old" / "S.json", {"Resources": nested | queue})
    write(tmp_path / "new" / "S.json", {"Resources": nested})
    write(tmp_path / "new" / "S" / "N.json", {"Resources": queue})
    assert told(tmp_path / "old", tmp_path / "new") == [(Kind.REMOVED, "Q", "logical id")]


def test_data_in_a_nested_stack_in_a_removed_one_is_removed_with_it(tmp_path):
    def side(name, top):
        write(tmp_path / name / "S.json", {"Resources": top})
        return tmp_path / name

    inner = {"M": resource(STACK, {"TemplateURL": "m"})}
    old = side("old", {"N": resource(STACK, {"TemplateURL": "n"})})
    write(old / "S" / "N.json", {"Resources": inner})
    write(old / "S" / "N" / "M.json", {"Resources": {"Q": resource("AWS::SQS::Queue")}})
    (found,) = compare(old, side("new", {})).findings
    assert (found.kind, found.stack, found.logical_id) == (Kind.REMOVED, "S/N/M", "Q")
    assert "it is in the template no longer, so CloudFormation removes it" in found.why
