"""What can be compared: real assemblies of two versions of an app, folders of templates, files; and what cannot."""

import json

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from serverless_patterns.errors import GuardError
from serverless_patterns.guard.comparison import compare
from serverless_patterns.guard.findings import Kind
from tests.guard.assemblies import assembly, bucket, indexed, table
from tests.guard.templates import put, resource, write

TABLE = {"Resources": {"T": resource("AWS::DynamoDB::Table", {"TableName": "a"})}}
OTHER = {"Resources": {"T": resource("AWS::DynamoDB::Table", {"TableName": "b"})}}
YAML = "Resources:\n  T:\n    Type: AWS::DynamoDB::Table\n    Properties:\n      TableName: !Sub '${AWS::StackName}-%s'\n"


def nothing(_scope):
    """A stack without resources."""


@pytest.fixture
def upgrade(tmp_path):
    """Compare two versions of an app."""

    def compared(old, new, **options):
        return compare(assembly(tmp_path / "old", old, **options), assembly(tmp_path / "new", new, **options)).findings

    return compared


# --- cloud assemblies


@pytest.mark.parametrize(
    ("options", "stack"),
    [({}, "Shop"), ({"stages": True}, "Prod-Shop"), ({"nested": True}, "Shop/DataNestedStackDataNestedStackResourceEC94013D")],
)
def test_a_key_that_changes_is_found_in_a_stack_a_stage_and_a_nested_stack(upgrade, options, stack):
    (found,) = upgrade(table, lambda scope: table(scope, key="email"), **options)
    assert (found.kind, found.property, found.stack) == (Kind.REPLACED, "KeySchema", stack)
    assert found.path.startswith("Prod/Shop/" if "stages" in options else "Shop/")
    assert found.path.endswith("/Users/Resource")


def test_a_construct_that_gets_another_id_is_a_rename_and_overriding_the_id_mends_it(upgrade, tmp_path):
    (found,) = upgrade(table, lambda scope: table(scope, "People"))
    assert found.kind == Kind.RENAMED

    def mended(scope):
        table(scope, "People").node.default_child.override_logical_id(found.old)

    assert compare(tmp_path / "old", assembly(tmp_path / "mended", mended)).findings == ()


def test_a_table_that_goes_is_found_also_when_its_stack_is_left_empty(upgrade):
    (found,) = upgrade(table, nothing)
    assert (found.kind, found.logical_id) == (Kind.REMOVED, "Users0A0EEA89")


def test_a_bucket_with_another_name_is_replaced_and_one_that_is_protected_less_is_found(upgrade):
    found = upgrade(
        lambda scope: bucket(scope, bucket_name="files-1", versioned=True),
        lambda scope: bucket(scope, bucket_name="files-2", removal_policy=cdk.RemovalPolicy.DESTROY),
    )
    assert {(each.kind, each.property) for each in found} == {
        (Kind.REPLACED, "BucketName"),
        (Kind.LESS_PROTECTED, "DeletionPolicy"),
        (Kind.LESS_PROTECTED, "UpdateReplacePolicy"),
        (Kind.LESS_PROTECTED, "VersioningConfiguration.Status"),
    }


def test_two_new_indexes_are_refused_and_one_is_not(upgrade, tmp_path):
    (found,) = upgrade(table, indexed("email", "city"))
    assert (found.kind, found.property) == (Kind.REFUSED, "GlobalSecondaryIndexes")
    assert compare(tmp_path / "old", assembly(tmp_path / "one", indexed("email"))).findings == ()


def test_what_only_changes_in_place_is_safe(upgrade):
    def encrypted(scope):
        key = kms.Key(scope, "Key")
        bucket(scope, versioned=True, encryption=s3.BucketEncryption.KMS, encryption_key=key)
        table(scope, contributor_insights_specification={"enabled": True})

    assert upgrade(lambda scope: (bucket(scope), table(scope)), encrypted) == ()


def test_a_table_that_lets_items_expire_and_a_bucket_that_is_emptied_are_found(upgrade):
    def expiring(scope):
        table(scope, time_to_live_attribute="expires")
        bucket(scope, removal_policy=cdk.RemovalPolicy.DESTROY, auto_delete_objects=True)

    found = upgrade(lambda scope: (table(scope), bucket(scope, removal_policy=cdk.RemovalPolicy.DESTROY)), expiring)
    assert {(each.kind, each.property) for each in found} == {
        (Kind.LESS_PROTECTED, "TimeToLiveSpecification.Enabled"),
        (Kind.LESS_PROTECTED, "Custom::S3AutoDeleteObjects"),
    }


def test_a_renamed_bucket_whose_id_is_overridden_is_emptied_unless_that_of_its_emptier_is_too(upgrade, tmp_path):
    """The way to mend a rename must not delete what it is to keep."""
    options = {"removal_policy": cdk.RemovalPolicy.DESTROY, "auto_delete_objects": True}

    def renamed(scope, *emptier):
        found = s3.Bucket(scope, "Archive", **options)
        found.node.default_child.override_logical_id("Files8E6940B8")
        for name in emptier:
            found.node.find_child("AutoDeleteObjectsCustomResource").node.default_child.override_logical_id(name)

    (found,) = upgrade(lambda scope: bucket(scope, **options), renamed)
    assert (found.kind, found.logical_id) == (Kind.EMPTIED, "Files8E6940B8")
    mended = assembly(tmp_path / "mended", lambda scope: renamed(scope, found.old))
    assert compare(tmp_path / "old", mended).findings == ()


def test_a_stack_with_another_name_leaves_the_old_one_behind(tmp_path):
    old, new = (assembly(tmp_path / name, table, stack=name) for name in ("Shop", "Store"))
    (found,) = compare(old, new).findings
    assert (found.kind, found.stack, found.new) == (Kind.RENAMED, "Shop", "Users0A0EEA89 in stack Store")


# --- folders and files


def test_what_get_template_has_answered_can_stand_against_an_assembly(tmp_path):
    new = assembly(tmp_path / "new", lambda scope: table(scope, key="email"))
    old = json.loads((assembly(tmp_path / "old", table) / "Shop.template.json").read_text())
    write(tmp_path / "deployed" / "Shop.json", old)
    (found,) = compare(tmp_path / "deployed", new).findings
    assert found.property == "KeySchema"


def test_a_folder_of_templates_may_hold_other_files_and_what_the_cdk_writes_beside_them(tmp_path):
    for side, content in (("old", TABLE), ("new", OTHER)):
        write(tmp_path / side / "a.template.json", content)
        for name in ("a.assets.json", "a.metadata.json", "tree.json"):
            write(tmp_path / side / name, {"version": 1})
        (tmp_path / side / "readme.txt").write_text("no JSON")
    (found,) = compare(tmp_path / "old", tmp_path / "new").findings
    assert (found.stack, found.property) == ("a", "TableName")


@pytest.mark.parametrize("side", ["old", "new"])
def test_a_file_in_a_folder_that_is_no_template_is_not_passed_over(tmp_path, side):
    for each in ("old", "new"):
        write(tmp_path / each / "a.json", TABLE)
    write(tmp_path / side / "b.json", ["no template"])
    with pytest.raises(GuardError, match=rf"{side}/b\.json is not a CloudFormation template: it has no Resources"):
        compare(tmp_path / "old", tmp_path / "new")


def test_a_date_in_yaml_needs_no_quotes(tmp_path):
    for name in ("a", "b"):
        file = tmp_path / f"{name}.yaml"
        file.write_text(f"AWSTemplateFormatVersion: 2010-09-09\n{YAML % name}      Tags: [{{Key: since, Value: 2026-01-01}}]\n")
    (found,) = compare(tmp_path / "a.yaml", tmp_path / "b.yaml").findings
    assert found.property == "TableName"


@pytest.mark.parametrize(
    "answer",
    [
        {"TemplateBody": OTHER, "StagesAvailable": ["Original"]},
        "Resources:\n  T:\n    Type: AWS::DynamoDB::Table\n    Properties: {TableName: b}\n",
        {"TemplateBody": json.dumps(OTHER)},
    ],
)
def test_what_get_template_answers_about_a_template_in_yaml_or_as_a_whole_is_unwrapped(tmp_path, answer):
    old, new = write(tmp_path / "old" / "a.json", answer), write(tmp_path / "new" / "a.json", TABLE)
    for sides in ((old, new), (old.parent, new.parent)):
        (found,) = compare(*sides).findings
        assert (found.old, found.new) == ("b", "a")


def test_a_value_that_is_null_is_as_one_that_is_not_there(tmp_path):
    nothing_said = {"Type": "AWS::DynamoDB::Table", **dict.fromkeys(("Properties", "Metadata", "Condition", "DeletionPolicy"))}
    old = write(tmp_path / "a.json", {"Resources": {"T": nothing_said}, "Parameters": None})
    (found,) = compare(old, write(tmp_path / "b.json", TABLE)).findings
    assert (found.path, found.property, found.old, found.new) == ("T", "TableName", None, "a")


def test_two_files_are_one_stack_whatever_they_are_called(tmp_path):
    (found,) = compare(write(tmp_path / "a.json", TABLE), write(tmp_path / "b.json", OTHER)).findings
    assert (found.old, found.new) == ("a", "b")


def test_templates_in_yaml_have_their_short_forms(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(YAML % name)
    (found,) = compare(tmp_path / "a.yaml", tmp_path / "b.yaml").findings
    assert found.old == {"Fn::Sub": "${AWS::StackName}-a"}
    assert compare(tmp_path / "a.yaml", tmp_path / "a.yaml").findings == ()


# --- what cannot be compared


def a_resource(**attributes):
    return {"Resources": {"T": {"Type": "AWS::DynamoDB::Table"} | attributes}}


def artifact(**changes):
    return {"S": {"type": "aws:cloudformation:stack", "properties": {"templateFile": "S.json"}} | changes}


CONTENTS = {
    "broken JSON": (b"{", r"a\.json is not JSON"),
    "JSON of something else": (b"[1]", r"a\.json is not a CloudFormation template: it has no Resources"),
    "no text": (b"\xff", r"a\.json cannot be read"),
    "resources that are none": ({"Resources": []}, "it has no Resources"),
    "a resource that is none": ({"Resources": {"T": "x"}}, "its resource T has no Type"),
    "a resource without a type": ({"Resources": {"T": {}}}, "its resource T has no Type"),
    "a text in JSON that is no template": (b'"text"', r"a\.json is"),
    "a type that is none": (a_resource(Type=3), "Type of its resource T is 3"),
    "properties that are none": (a_resource(Properties=["x"]), "Properties of its resource T is"),
    "metadata that are none": (a_resource(Metadata="x"), "Metadata of its resource T is 'x'"),
    "parameters that are none": (a_resource() | {"Parameters": ["x"]}, "its Parameters are no object"),
    "a text that is no template": (b"text", r"a\.json is not JSON"),
}
FOLDERS = {
    "an empty folder": ({}, "has no template"),
    "a manifest of something else": ({"manifest.json": {"name": "web app"}}, "is not that of a cloud assembly"),
    "a manifest without its template": ({"manifest.json": {"artifacts": artifact()}}, r"S\.json cannot be read"),
    "a stack that is nowhere": ({"manifest.json": {"artifacts": artifact(properties={})}}, "S does not say where it is"),
    "a stack without properties": ({"manifest.json": {"artifacts": artifact(properties=None)}}, "S does not say where it is"),
    "a stage that is nowhere": (
        {"manifest.json": {"artifacts": {"P": {"type": "cdk:cloud-assembly"}}}},
        "P does not say where",
    ),
    "a stack that is none": ({"manifest.json": {"artifacts": artifact()}, "S.json": []}, r"S\.json is not a CloudFormation"),
    "a resource of a stack without a type": (
        {"manifest.json": {"artifacts": artifact()}, "S.json": {"Resources": {"T": {}}}},
        "its resource T has no Type",
    ),
    "two templates of one name": ({"a.json": TABLE, "a.template.json": TABLE}, "these stacks more than once: a"),
    "broken YAML": ({"a.yaml": b"a: ["}, r"a\.yaml is neither JSON nor YAML"),
}


def refused(path, message):
    with pytest.raises(GuardError, match=rf"{message}.*expected a cdk\.out folder"):
        compare(path, path)


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_file_that_cannot_be_compared_is_named_with_what_was_expected(tmp_path, kind):
    content, message = CONTENTS[kind]
    file = (put if isinstance(content, bytes) else write)(tmp_path / "a.json", content)
    refused(file, message)
    refused(tmp_path, message)


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_folder_that_cannot_be_compared_is_named_with_what_was_expected(tmp_path, kind):
    files, message = FOLDERS[kind]
    for name, content in files.items():
        (put if isinstance(content, bytes) else write)(tmp_path / name, content)
    refused(tmp_path, message)


def test_what_is_not_there_is_named(tmp_path):
    refused(tmp_path / "missing", "missing does not exist")


@pytest.mark.parametrize("side", ["old", "new"])
def test_what_a_transform_makes_of_the_resources_cannot_be_compared(tmp_path, side):
    loop = {"Fn::ForEach::Queues": ["Name", ["a", "b"], {"Queue${Name}": resource("AWS::SQS::Queue")}]}
    files = {each: write(tmp_path / each / "a.json", TABLE) for each in ("old", "new")}
    write(files[side], {"Resources": {**TABLE["Resources"], **loop}})
    with pytest.raises(GuardError, match=r"Fn::ForEach::Queues makes of its Resources is known only after the transform"):
        compare(files["old"].parent, files["new"].parent)


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::S3::Bucket", {"LifecycleConfiguration": {"Rules": [{"NoncurrentVersionExpiration": "x"}]}}),
        ("AWS::SQS::Queue", {"RedrivePolicy": 3}),
    ],
)
def test_a_value_of_an_unexpected_shape_ends_in_a_sentence(tmp_path, kind, properties):
    old = write(tmp_path / "a.json", {"Resources": {"T": resource(kind)}})
    new = write(tmp_path / "b.json", {"Resources": {"T": resource(kind, properties)}})
    with pytest.raises(
        GuardError, match=r"stack b\.json cannot be compared: a value in it has a shape .*`cfn-lint` says which"
    ):
        compare(old, new)


def test_a_condition_that_names_itself_ends_in_a_sentence(tmp_path):
    round_and_round = {"Conditions": {"C": {"Fn::Not": [{"Condition": "C"}]}}, **a_resource(Condition="C")}
    file = write(tmp_path / "a.json", round_and_round)
    with pytest.raises(GuardError, match="cannot be compared"):
        compare(file, file)


def test_a_file_cannot_stand_against_a_folder(tmp_path):
    file = write(tmp_path / "folder" / "a.json", TABLE)
    with pytest.raises(GuardError, match="must be of one kind, two folders or two template files"):
        compare(file, file.parent)
