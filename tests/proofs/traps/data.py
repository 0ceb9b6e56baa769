"""Mistakes that lose data, or show it to others."""

from functools import partial

from tests.proofs.checks.data import (
    exposed_databases,
    forgotten_uploads,
    kept_otherwise,
    kept_tables_that_can_be_lost,
    needless_names,
    replaced_otherwise_than_deleted,
    taking_plain_http,
    without_encryption,
)
from tests.proofs.checks.promises import broken_by, done_to_data
from tests.proofs.traps.plants import attribute, not_denied, one_of, renamed, setting, without
from tests.proofs.traps.trap import Resources, Rule, Trap
from tests.support.contracts import kept_in_prod

API, PIPELINE, FILES = "prod-api-crud", "prod-sqs-pipeline", "prod-s3-processing"
EVENTS, REPORT, CUSTOMERS = "prod-sns-fanout", "prod-scheduled-report", "prod-stream-processing"
TABLE, BUCKET, QUEUE = "AWS::DynamoDB::GlobalTable", "AWS::S3::Bucket", "AWS::SQS::Queue"
CLUSTER = "AWS::RDS::DBCluster"
PRODUCTS = "ProductsTable"


def _two_indexes(resources: Resources) -> None:
    table = one_of(resources, TABLE, PRODUCTS)["Properties"]
    table["AttributeDefinitions"] += [{"AttributeName": name, "AttributeType": "S"} for name in ("name", "tag")]
    table["GlobalSecondaryIndexes"] = [
        {"IndexName": name, "KeySchema": [{"AttributeName": name, "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}
        for name in ("name", "tag")
    ]


def _other_key(resources: Resources) -> None:
    properties = one_of(resources, TABLE, PRODUCTS)["Properties"]
    properties["KeySchema"] += [{"AttributeName": "version", "KeyType": "RANGE"}]
    properties["AttributeDefinitions"] += [{"AttributeName": "version", "AttributeType": "S"}]


IN_TRANSIT_AND_AT_REST = [
    Trap("a bucket takes plain HTTP", FILES, not_denied("AWS::S3::BucketPolicy", "ImportsBucket"), Rule("S10")),
    Trap("a queue takes plain HTTP", PIPELINE, not_denied("AWS::SQS::QueuePolicy", "OrdersQueue"), Rule("SQS4")),
    Trap("a topic takes plain HTTP", EVENTS, not_denied("AWS::SNS::TopicPolicy", "EventsTopic"), taking_plain_http),
    Trap("a queue is not encrypted", PIPELINE, without(QUEUE, "OrdersQueue", "KmsMasterKeyId"), without_encryption),
    Trap(
        "a bucket is not encrypted",
        FILES,
        without(BUCKET, "ImportsBucket", "BucketEncryption"),
        without_encryption,
    ),
    Trap(
        "nothing keeps a bucket from becoming public",
        FILES,
        without(BUCKET, "ImportsBucket", "PublicAccessBlockConfiguration"),
        Rule("S3BucketPublicReadProhibited"),
    ),
    Trap(
        "a bucket keeps no versions",
        FILES,
        without(BUCKET, "ImportsBucket", "VersioningConfiguration"),
        Rule("S3BucketVersioningEnabled"),
    ),
    Trap(
        "the parts of unfinished uploads stay for ever",
        FILES,
        without(BUCKET, "ImportsBucket", "LifecycleConfiguration/Rules/0/AbortIncompleteMultipartUpload"),
        forgotten_uploads,
    ),
]
KEPT = [
    Trap(
        "data goes with its stack in prod",
        API,
        attribute(TABLE, PRODUCTS, "DeletionPolicy", "Delete"),
        partial(kept_otherwise, kept=kept_in_prod("api_crud")),
    ),
    Trap(
        "data goes when it is replaced",
        API,
        attribute(TABLE, PRODUCTS, "UpdateReplacePolicy", "Delete"),
        replaced_otherwise_than_deleted,
    ),
    Trap(
        "a table can be deleted by mistake",
        API,
        setting(TABLE, PRODUCTS, "Replicas/0/DeletionProtectionEnabled", value=False),
        kept_tables_that_can_be_lost,
    ),
    Trap(
        "a table is not backed up",
        API,
        without(TABLE, PRODUCTS, "Replicas/0/PointInTimeRecoverySpecification"),
        kept_tables_that_can_be_lost,
    ),
    Trap("a table has another logical id", API, renamed(TABLE, PRODUCTS), partial(broken_by, "api_crud")),
    Trap("a table has another key", API, _other_key, partial(broken_by, "api_crud")),
    Trap(
        "a key of a table has another type",
        API,
        setting(TABLE, PRODUCTS, "AttributeDefinitions/0/AttributeType", "N"),
        partial(broken_by, "api_crud"),
    ),
    Trap("a table gets two indexes at once", API, _two_indexes, partial(done_to_data, API)),
    Trap(
        "the time to live of a table names another attribute",
        API,
        setting(TABLE, "IdempotencyTable", "TimeToLiveSpecification/AttributeName", "created_at"),
        partial(done_to_data, API),
    ),
    Trap(
        "the stream of a table shows less",
        CUSTOMERS,
        setting(TABLE, "SourceTable", "StreamSpecification/StreamViewType", "KEYS_ONLY"),
        partial(done_to_data, CUSTOMERS),
    ),
    Trap(
        "a literal is written over a secret",
        PIPELINE,
        setting("AWS::SecretsManager::Secret", "PaymentSecret", "SecretString", "guessed"),
        partial(done_to_data, PIPELINE),
    ),
    Trap("a table has a name", API, setting(TABLE, PRODUCTS, "TableName", "products"), needless_names),
]
DATABASES = [
    Trap(
        "the internet can reach the database",
        REPORT,
        setting("AWS::RDS::DBInstance", "", "PubliclyAccessible", value=True),
        exposed_databases,
    ),
    Trap(
        "the internet can reach a port of the database",
        REPORT,
        setting("AWS::EC2::SecurityGroup", "", "SecurityGroupIngress", [{"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp"}]),
        exposed_databases,
    ),
    Trap("the database is not encrypted", REPORT, without(CLUSTER, "", "StorageEncrypted"), exposed_databases),
    Trap("the database is not backed up for long", REPORT, without(CLUSTER, "", "BackupRetentionPeriod"), exposed_databases),
    Trap(
        "the database can be deleted by mistake",
        REPORT,
        setting(CLUSTER, "", "DeletionProtection", value=False),
        exposed_databases,
    ),
    Trap(
        "the database is not encrypted, as the scanners see it", REPORT, without(CLUSTER, "", "StorageEncrypted"), Rule("RDS2")
    ),
]
