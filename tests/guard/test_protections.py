"""What keeps data from a later mistake, and indexes: what DynamoDB refuses."""

import pytest

from serverless_patterns.guard.findings import Kind
from serverless_patterns.guard.protections import PROTECTIONS
from serverless_patterns.guard.schemas import create_only
from serverless_patterns.guard.stateful import HOLDS
from tests.guard.templates import findings, resource

TABLE, GLOBAL, LOGS, BUCKET = "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::Logs::LogGroup", "AWS::S3::Bucket"
ON, OFF = {"PointInTimeRecoveryEnabled": True}, {"PointInTimeRecoveryEnabled": False}
FUNCTION = {"Fn::If": ["Prod", 30, 7]}
REDRIVE = {"RedrivePolicy": {"deadLetterTargetArn": "a", "maxReceiveCount": 3}}
KEY, LOCK = "AWS::KMS::Key", "ObjectLockConfiguration.Rule.DefaultRetention"


def replicas(*recoveries):
    return {"Replicas": [{"Region": f"r{n}", "PointInTimeRecoverySpecification": each} for n, each in enumerate(recoveries)]}


def ttl(*switches):
    return [{"TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": each}} for each in switches]


def locks(*retentions):
    modes = [{"DefaultRetention": {"Mode": each[0], **each[1]}} if each else {} for each in retentions]
    return [{"ObjectLockConfiguration": {"Rule": each}} for each in modes]


def changed(kind, old, new):
    return [(each.kind, each.property) for each in findings({"R": resource(kind, old)}, {"R": resource(kind, new)})]


@pytest.mark.parametrize(
    ("kind", "stronger", "weaker", "name"),
    [
        (TABLE, {"DeletionProtectionEnabled": True}, {}, "DeletionProtectionEnabled"),
        (TABLE, {"DeletionProtectionEnabled": "true"}, {"DeletionProtectionEnabled": "false"}, "DeletionProtectionEnabled"),
        (
            TABLE,
            {"PointInTimeRecoverySpecification": ON},
            {"PointInTimeRecoverySpecification": OFF},
            "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled",
        ),
        (
            GLOBAL,
            replicas(ON, ON),
            replicas(ON, OFF),
            "Replicas.*.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled",
        ),
        (
            GLOBAL,
            replicas({**ON, "RecoveryPeriodInDays": 35}),
            replicas({**ON, "RecoveryPeriodInDays": 7}),
            "Replicas.*.PointInTimeRecoverySpecification.RecoveryPeriodInDays",
        ),
        (BUCKET, {"VersioningConfiguration": {"Status": "Enabled"}}, {}, "VersioningConfiguration.Status"),
        (LOGS, {}, {"RetentionInDays": 3653}, "RetentionInDays"),
        (LOGS, {"RetentionInDays": 365}, {"RetentionInDays": 30}, "RetentionInDays"),
        ("AWS::SQS::Queue", {}, {"MessageRetentionPeriod": 60}, "MessageRetentionPeriod"),
        ("AWS::RDS::DBCluster", {"DeletionProtection": True}, {"DeletionProtection": False}, "DeletionProtection"),
        ("AWS::RDS::DBInstance", {"BackupRetentionPeriod": 7}, {}, "BackupRetentionPeriod"),
        ("AWS::Kinesis::Stream", {"RetentionPeriodHours": 48}, {"RetentionPeriodHours": 24}, "RetentionPeriodHours"),
        ("AWS::Cognito::UserPool", {"DeletionProtection": "ACTIVE"}, {"DeletionProtection": "INACTIVE"}, "DeletionProtection"),
        (
            TABLE,
            {},
            {"TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True}},
            "TimeToLiveSpecification.Enabled",
        ),
        (GLOBAL, *ttl(False, True), "TimeToLiveSpecification.Enabled"),
        ("AWS::ECR::Repository", {"EmptyOnDelete": False}, {"EmptyOnDelete": True}, "EmptyOnDelete"),
        ("AWS::Events::Archive", {}, {"RetentionDays": 30}, "RetentionDays"),
        (
            "AWS::Timestream::Table",
            {"RetentionProperties": {"MagneticStoreRetentionPeriodInDays": "365"}},
            {"RetentionProperties": {"MagneticStoreRetentionPeriodInDays": "30"}},
            "RetentionProperties.MagneticStoreRetentionPeriodInDays",
        ),
        (KEY, {}, {"Enabled": False}, "Enabled"),
        (KEY, {}, {"PendingWindowInDays": 7}, "PendingWindowInDays"),
        (KEY, {"EnableKeyRotation": True}, {}, "EnableKeyRotation"),
        ("AWS::KMS::ReplicaKey", {"Enabled": True}, {"Enabled": False}, "Enabled"),
        (BUCKET, *locks(("COMPLIANCE", {"Years": 1}), ("GOVERNANCE", {"Years": 1})), f"{LOCK}.Mode"),
        (BUCKET, *locks(("COMPLIANCE", {"Years": 7}), ("COMPLIANCE", {"Days": 365})), LOCK),
        (BUCKET, *locks(("GOVERNANCE", {"Days": 30}), None), LOCK),
        ("AWS::RDS::DBCluster", {"DeleteAutomatedBackups": False}, {}, "DeleteAutomatedBackups"),
        ("AWS::RDS::DBCluster", {}, {"DeleteAutomatedBackups": True}, "DeleteAutomatedBackups"),
        ("AWS::RDS::DBInstance", {"DeleteAutomatedBackups": False}, {"DeleteAutomatedBackups": True}, "DeleteAutomatedBackups"),
        ("AWS::SQS::Queue", REDRIVE, {}, "RedrivePolicy"),
        ("AWS::SQS::Queue", REDRIVE, {"RedrivePolicy": {}}, "RedrivePolicy"),
        ("AWS::SQS::Queue", {"RedrivePolicy": '{"deadLetterTargetArn": "a"}'}, {"RedrivePolicy": "{}"}, "RedrivePolicy"),
        ("AWS::Events::Archive", {"RetentionDays": 0}, {"RetentionDays": 30}, "RetentionDays"),
        ("AWS::Events::Archive", {"RetentionDays": 90}, {"RetentionDays": 30}, "RetentionDays"),
        ("AWS::SNS::Topic", {"ArchivePolicy": {"MessageRetentionPeriod": "30"}}, {}, "ArchivePolicy"),
        ("AWS::SNS::Topic", *({"ArchivePolicy": {"MessageRetentionPeriod": each}} for each in (30, 7)), "ArchivePolicy"),
        ("AWS::KinesisVideo::Stream", {"DataRetentionInHours": 24}, {}, "DataRetentionInHours"),
        ("AWS::CloudTrail::EventDataStore", {}, {"RetentionPeriod": 90}, "RetentionPeriod"),
        ("AWS::CloudTrail::EventDataStore", {}, {"TerminationProtectionEnabled": False}, "TerminationProtectionEnabled"),
        ("AWS::QLDB::Ledger", {}, {"DeletionProtection": False}, "DeletionProtection"),
        ("AWS::DocDB::GlobalCluster", {"DeletionProtection": True}, {}, "DeletionProtection"),
        ("AWS::Neptune::GlobalCluster", {"DeletionProtection": True}, {}, "DeletionProtection"),
        (
            "AWS::Backup::BackupVault",
            {"LockConfiguration": {"MinRetentionDays": 30}},
            {"LockConfiguration": {"MinRetentionDays": 7}},
            "LockConfiguration.MinRetentionDays",
        ),
    ],
)
def test_a_protection_that_falls_is_found_and_one_that_rises_is_not(kind, stronger, weaker, name):
    found = changed(kind, stronger, weaker)
    assert (Kind.LESS_PROTECTED, name) in found
    assert Kind.LESS_PROTECTED not in {kind for kind, _ in changed(kind, weaker, stronger)}


@pytest.mark.parametrize("name", ["DeletionPolicy", "UpdateReplacePolicy"])
@pytest.mark.parametrize(
    ("old", "new"), [("Retain", "Delete"), ("Retain", None), ("Retain", "Snapshot"), ("Snapshot", "Delete")]
)
def test_a_policy_that_keeps_less_is_found(name, old, new):
    before, after = ({"T": resource(TABLE, {}, **({name: each} if each else {}))} for each in (old, new))
    (found,) = findings(before, after)
    assert (found.kind, found.property, found.old, found.new) == (Kind.LESS_PROTECTED, name, old, new or "Delete")
    assert findings(after, before) == []


def test_what_holds_no_data_needs_no_protection():
    role = resource("AWS::IAM::Role")
    assert findings({"R": {**role, "DeletionPolicy": "Retain"}}, {"R": role}) == []


def test_a_type_that_changes_is_refused_and_its_protections_are_not_compared():
    protected = resource(TABLE, {"DeletionProtectionEnabled": True})
    assert [each.kind for each in findings({"T": protected}, {"T": resource(GLOBAL)})] == [Kind.REFUSED]


def test_a_policy_that_keeps_the_same_is_no_finding():
    one, other = ({"T": resource(TABLE, {}, DeletionPolicy=each)} for each in ("Retain", "RetainExceptOnCreate"))
    assert findings(one, other) == findings(other, one) == []


def test_recovery_that_begins_with_few_days_is_no_loss():
    assert changed(GLOBAL, replicas(OFF), replicas({**ON, "RecoveryPeriodInDays": 7})) == []


def test_a_number_that_becomes_a_function_can_be_told_no_longer_and_one_that_was_never_could():
    assert changed(LOGS, {"RetentionInDays": 30}, {"RetentionInDays": FUNCTION}) == [(Kind.LESS_PROTECTED, "RetentionInDays")]
    assert changed(LOGS, {"RetentionInDays": FUNCTION}, {"RetentionInDays": 1}) == []
    assert changed(LOGS, {"RetentionInDays": FUNCTION}, {"RetentionInDays": FUNCTION}) == []


def test_every_type_that_holds_data_is_known_to_cloudformation_and_every_protected_one_holds_data():
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # noqa: PLC0415  beside what is tested

    assert set(HOLDS) <= set(PROVIDER_SCHEMA_MANAGER.get_resource_types("us-east-1"))
    assert set(PROTECTIONS) <= set(HOLDS)


def test_every_protection_stands_in_the_schema_of_its_type():
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # noqa: PLC0415  the same

    for kind, protections in PROTECTIONS.items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind)
        for each in protections:
            assert schema.resolver.resolve_cfn_pointer(each.pointer), (kind, each.pointer)


def test_the_schemas_name_what_replaces_with_and_without_conditions():
    table = create_only("AWS::DynamoDB::GlobalTable")
    assert "/properties/TableName" in table.always
    assert "/properties/KeySchema" in table.conditional
    assert create_only("Example::Of::Another").pointers == ()


# --- indexes


def indexes(*listed):
    return {"GlobalSecondaryIndexes": [{"IndexName": name, "KeySchema": [key]} for name, key in listed]}


NOTHING = {"Ref": "AWS::NoValue"}


def maybe(condition, name):
    return {"Fn::If": [condition, name, NOTHING]}


def named(value):
    """The same with an index for each name."""
    match value:
        case {"Fn::If": [condition, *branches]}:
            return {"Fn::If": [condition, *map(named, branches)]}
        case list():
            return [named(each) for each in value]
        case str():
            return {"IndexName": value, "KeySchema": [{"AttributeName": value}]}
    return value


@pytest.mark.parametrize("kind", [TABLE, GLOBAL])
@pytest.mark.parametrize(
    ("old", "new", "steps"),
    [
        ([], [("a", 1), ("b", 1)], "create a, create b"),
        ([("a", 1), ("b", 1)], [], "delete a, delete b"),
        ([("a", 1)], [("b", 1)], "delete a, create b"),
        ([("a", 1)], [("a", 2)], "delete a, create a"),
    ],
)
def test_two_steps_on_the_indexes_of_a_table_are_refused(kind, old, new, steps):
    (found,) = findings({"T": resource(kind, indexes(*old))}, {"T": resource(kind, indexes(*new))})
    assert (found.kind, found.property) == (Kind.REFUSED, "GlobalSecondaryIndexes")
    assert f"it has to {steps}, and DynamoDB creates or deletes one index" in found.why
    assert "API_UpdateTable" in found.why


def test_one_step_is_safe_and_so_is_a_new_table_with_many():
    one, two = ({"T": resource(TABLE, indexes(*each))} for each in ([("a", 1)], [("b", 1), ("a", 1)]))
    assert findings(one, two) == findings(two, one) == findings({}, two) == []


@pytest.mark.parametrize("kind", [TABLE, GLOBAL])
@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (["a"], {"Fn::If": ["Prod", ["b", "c"], NOTHING]}, [Kind.MAY_BE_REFUSED]),
        (["a"], ["a", maybe("Prod", "b"), maybe("Test", "c")], [Kind.MAY_BE_REFUSED]),
        (["a"], [maybe("Prod", "b"), maybe("Test", "c")], [Kind.MAY_BE_REFUSED]),
        (["a"], ["b", maybe("Prod", "c")], [Kind.REFUSED]),
        (["a"], {"Fn::FindInMap": ["Indexes", "a", "b"]}, [Kind.MAY_BE_REFUSED]),
        (["a"], [{"Fn::Transform": "Indexes"}], [Kind.MAY_BE_REFUSED]),
        (["a"], ["a", *(maybe(f"C{n}", "b") for n in range(7))], [Kind.MAY_BE_REFUSED]),
        (["a"], ["a", maybe("Prod", "b")], []),
        (["a", maybe("Prod", "b")], ["a"], []),
        (["a"], {"Fn::If": ["Prod", ["a"], NOTHING]}, []),
        ([maybe("Prod", "b")], [maybe("Prod", "b"), "a"], []),
        ([{"Fn::If": ["Prod", "a", "b"]}], [{"Fn::If": ["Prod", "a", "b"]}, "c"], []),
    ],
)
def test_indexes_under_a_condition_are_counted_in_each_way_in_which_it_may_turn_out(kind, old, new, expected):
    sides = ({"T": resource(kind, {"GlobalSecondaryIndexes": named(each)})} for each in (old, new))
    assert [each.kind for each in findings(*sides)] == expected


def test_a_period_in_years_that_becomes_the_same_in_days_is_no_fall():
    assert changed(BUCKET, *locks(("GOVERNANCE", {"Years": 1}), ("GOVERNANCE", {"Days": 365}))) == []


def test_another_dead_letter_queue_is_no_fall():
    old, new = ({"RedrivePolicy": {"deadLetterTargetArn": each, "maxReceiveCount": 3}} for each in "ab")
    assert changed("AWS::SQS::Queue", old, new) == []


def test_time_to_live_says_that_items_are_deleted():
    (found,) = findings(*({"T": resource(TABLE, each)} for each in ttl(False, True)))
    assert "items whose time is over are deleted" in found.why
