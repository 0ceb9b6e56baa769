"""Checks of what holds data, and of names: each gives what is wrong with a template, a line each."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from serverless_patterns.guard.stateful import is_stateful, policy, strength
from tests.support.synthesis import resources

Template = Mapping[str, Any]
#: All addresses.
EVERYWHERE = frozenset({"0.0.0.0/0", "::/0"})
#: The strength of a policy that keeps all, after a first deploy at least.
KEPT = 2
#: What names a resource for its whole region or account: with one, a second stack or a replacement fails.
PHYSICAL_NAMES = {
    "AWS::ApiGateway::ApiKey": "Name",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::DynamoDB::GlobalTable": "TableName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::EC2::SecurityGroup": "GroupName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Kinesis::Stream": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::Scheduler::ScheduleGroup": "Name",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
#: Physical names that AWS leaves no choice about -> why.
NAMED = {
    r"API-Gateway-Execution-Logs_\{\}/v1": "API Gateway writes to it, and makes one without retention otherwise",
    r"/aws/vendedlogs/states/[\w-]+-[0-9A-F]{8}": "only groups with this prefix need no part of a policy of the account",
    r"Test-Events-Topic-[0-9A-F]{8}\.fifo": "the name of a FIFO topic must end in .fifo: CDK makes a unique one",
    r"[\w-]+-Events-[0-9A-F]{8}": "CloudFormation makes no names for buses: this one begins with that of its stack",
    r"[\w-]+Rule-[0-9A-F]{8}": "the policies of its queues name a rule before it is there: it would send in vain until then",
}


def physical_names(template: Template) -> list[str]:
    """The names that a template gives to resources, with ``{}`` in the place of what is known at the deploy."""
    return [
        _flat(each["Properties"][PHYSICAL_NAMES[each["Type"]]])
        for each in template["Resources"].values()
        if PHYSICAL_NAMES.get(each["Type"], "-") in each.get("Properties", {})
    ]


def _flat(name: Any) -> str:
    parts = name["Fn::Join"][1] if isinstance(name, dict) else [name]
    return "".join(part if isinstance(part, str) else "{}" for part in parts)


def needless_names(template: Template) -> list[str]:
    """Names that a template gives to resources although AWS would make one."""
    return [name for name in physical_names(template) if not any(re.fullmatch(pattern, name) for pattern in NAMED)]


def keys_of_snapshots(template: Template) -> set[str]:
    """The keys of a template that must stay because a database leaves a snapshot, which nobody could restore without."""
    databases = resources(template, "AWS::RDS::DBCluster").values()
    leaves = any(policy(each, "DeletionPolicy") == "Snapshot" for each in databases)
    return set(resources(template, "AWS::KMS::Key")) if leaves else set()


def kept_otherwise(template: Template, kept: Collection[str]) -> list[str]:
    """Resources with data that stay behind and are not among those that should, and those that should and do not."""
    stateful = {key: each for key, each in template["Resources"].items() if is_stateful(each)}
    return sorted({key for key, each in stateful.items() if strength(policy(each, "DeletionPolicy")) == KEPT} ^ set(kept))


def replaced_otherwise_than_deleted(template: Template) -> list[str]:
    """Resources that a replacement treats otherwise than a removal."""
    found = template["Resources"].items()
    names = ("UpdateReplacePolicy", "DeletionPolicy")
    return [key for key, each in found if len({strength(policy(each, name)) for name in names}) > 1]


def kept_tables_that_can_be_lost(template: Template) -> list[str]:
    """Tables that are kept, and that can be deleted by mistake or are not backed up for 35 days."""
    backups = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 35}
    return [
        key
        for key, table in resources(template, "AWS::DynamoDB::GlobalTable").items()
        if table.get("DeletionPolicy") == "Retain"
        for replica in table["Properties"]["Replicas"]
        if replica.get("DeletionProtectionEnabled") is not True or replica.get("PointInTimeRecoverySpecification") != backups
    ]


def forgotten_uploads(template: Template) -> list[str]:
    """Buckets that keep, and bill, the parts of uploads that nobody has finished."""
    rules = {
        key: bucket["Properties"].get("LifecycleConfiguration", {}).get("Rules", [])
        for key, bucket in resources(template, "AWS::S3::Bucket").items()
    }
    return [key for key, found in rules.items() if not any(_aborts(rule) for rule in found)]


def _aborts(rule: Mapping[str, Any]) -> bool:
    """Whether a rule is about all uploads, and ends them."""
    return rule["Status"] == "Enabled" and "AbortIncompleteMultipartUpload" in rule and not {"Prefix", "TagFilters"} & set(rule)


def without_encryption(template: Template) -> list[str]:
    """Buckets and queues that do not say how they are encrypted."""
    buckets = resources(template, "AWS::S3::Bucket").items()
    queues = resources(template, "AWS::SQS::Queue").items()
    return [
        *(key for key, each in buckets if not each["Properties"].get("BucketEncryption")),
        *(key for key, each in queues if not _is_encrypted(each["Properties"])),
    ]


def _is_encrypted(queue: Mapping[str, Any]) -> bool:
    return "KmsMasterKeyId" in queue or queue.get("SqsManagedSseEnabled") is True


#: What a policy is at -> the policy, and the property that names it.
_POLICIES = {
    "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket"),
    "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics"),
    "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues"),
}


def taking_plain_http(template: Template) -> list[str]:
    """Buckets, topics and queues whose policy does not refuse plain HTTP. Scanners let topics pass that have a key."""
    found = []
    for kind, (its_policy, target) in _POLICIES.items():
        policies = [each["Properties"] for each in resources(template, its_policy).values()]
        refused = json.dumps([each[target] for each in policies if _refuses_plain_http(each["PolicyDocument"])])
        found += [key for key in resources(template, kind) if f'"{key}"' not in refused]
    return found


def _refuses_plain_http(document: Mapping[str, Any]) -> bool:
    refusal = {"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    return any(refusal.items() <= statement.items() for statement in document["Statement"])


def exposed_databases(template: Template) -> list[str]:
    """Databases that the internet can reach, or that are kept without encryption, backups, or protection from a deletion."""
    found = []
    for key, cluster in resources(template, "AWS::RDS::DBCluster").items():
        properties, is_kept = cluster["Properties"], cluster.get("DeletionPolicy") == "Retain"
        right = {
            "encryption": properties.get("StorageEncrypted") is True,
            "backups": properties.get("BackupRetentionPeriod", 1) >= (14 if is_kept else 1),
            "deletion protection": properties.get("DeletionProtection", False) is is_kept,
            "password": properties.get("ManageMasterUserPassword") is True and "MasterUserPassword" not in properties,
        }
        found += [f"{key}: {name}" for name, is_right in right.items() if not is_right]
    public = resources(template, "AWS::RDS::DBInstance").items()
    found += [f"{key}: public" for key, each in public if each["Properties"].get("PubliclyAccessible") is not False]
    return found + [f"{key}: open to the internet" for key, rule in _ways_in(template) if set(rule.values()) & EVERYWHERE]


def _ways_in(template: Template) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Logical id and texts of each rule that lets something in."""
    groups = resources(template, "AWS::EC2::SecurityGroup").items()
    rules = [(key, rule) for key, each in groups for rule in each["Properties"].get("SecurityGroupIngress", [])]
    rules += [(key, each["Properties"]) for key, each in resources(template, "AWS::EC2::SecurityGroupIngress").items()]
    for key, rule in rules:
        yield key, {name: value for name, value in rule.items() if isinstance(value, str)}
