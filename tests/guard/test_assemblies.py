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
from tests.guard.templates import resource, write

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
    assert (found.kind, found.property, found.stack) == (Kind.MAY_BE_REPLACED, "KeySchema", stack)
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


def test_one_stack_in_two_regions_is_compared_region_by_region(tmp_path):
    def app(folder, keys):
        found = cdk.App(outdir=str(folder), analytics_reporting=False)
        for region, key in keys.items():
            stack = cdk.Stack(found, region, stack_name="Shop", env=cdk.Environment(account="123456789012", region=region))
            table(stack, key=key)
        found.synth()
        return folder

    old = app(tmp_path / "old", {"eu-central-1": "id", "us-east-1": "id"})
    new = app(tmp_path / "new", {"eu-central-1": "id", "us-east-1": "email"})
    assert [each.stack for each in compare(old, new).findings] == ["Shop (aws://123456789012/us-east-1)"]


# --- folders and files


def test_what_get_template_has_answered_can_stand_against_an_assembly(tmp_path):
    new = assembly(tmp_path / "new", lambda scope: table(scope, key="email"))
    old = json.loads((assembly(tmp_path / "old", table) / "Shop.template.json").read_text())
    write(tmp_path / "deployed" / "Shop.json", old)
    (found,) = compare(tmp_path / "deployed", new).findings
    assert found.property == "KeySchema"


def test_a_folder_of_templates_may_hold_other_files(tmp_path):
    for side, content in (("old", TABLE), ("new", OTHER)):
        write(tmp_path / side / "a.template.json", content)
        write(tmp_path / side / "notes.json", ["no template"])
        (tmp_path / side / "readme.txt").write_text("no JSON")
    (found,) = compare(tmp_path / "old", tmp_path / "new").findings
    assert (found.stack, found.property) == ("a", "TableName")


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


def unusable(tmp_path, kind):
    """A path of each kind that is none."""
    match kind:
        case "missing":
            return tmp_path / "missing"
        case "an empty folder":
            (tmp_path / "empty").mkdir()
            return tmp_path / "empty"
        case "a manifest of something else":
            return write(tmp_path / "other" / "manifest.json", {"name": "web app"}).parent
        case "a manifest without its template":
            artifact = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "gone.json"}}
            return write(tmp_path / "torn" / "manifest.json", {"artifacts": {"S": artifact}}).parent
        case "two templates of one name":
            write(tmp_path / "twice" / "a.json", TABLE)
            return write(tmp_path / "twice" / "a.template.json", TABLE).parent
    file = tmp_path / ("broken.yaml" if kind == "broken YAML" else "file.json")
    file.write_bytes({"broken JSON": b"{", "broken YAML": b"a: [", "JSON of something else": b"[1]", "no text": b"\xff"}[kind])
    return file


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "missing does not exist"),
        ("an empty folder", "empty has no template"),
        ("a manifest of something else", "is not that of a cloud assembly"),
        ("a manifest without its template", "gone.json cannot be read"),
        ("two templates of one name", "these stacks more than once: a"),
        ("broken JSON", "file.json is not JSON"),
        ("broken YAML", "broken.yaml is neither JSON nor YAML"),
        ("JSON of something else", "file.json is not a CloudFormation template"),
        ("no text", "file.json cannot be read"),
    ],
)
def test_what_cannot_be_compared_is_named_with_what_was_expected(tmp_path, kind, message):
    path = unusable(tmp_path, kind)
    with pytest.raises(GuardError, match=rf"{message}.*expected a cdk\.out folder"):
        compare(path, path)


def test_a_file_cannot_stand_against_a_folder(tmp_path):
    file = write(tmp_path / "folder" / "a.json", TABLE)
    with pytest.raises(GuardError, match="must be of one kind, two folders or two template files"):
        compare(file, file.parent)
