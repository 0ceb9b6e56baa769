"""The types that hold what no deploy brings back, and what becomes of it when CloudFormation lets go of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Type -> what is lost with a resource of it.
HOLDS: Mapping[str, str] = {
    "AWS::ACMPCA::CertificateAuthority": "its private key",
    "AWS::AmazonMQ::Broker": "its messages",
    "AWS::Backup::BackupVault": "its backups",
    "AWS::Backup::LogicallyAirGappedBackupVault": "its backups",
    "AWS::Cassandra::Keyspace": "its tables",
    "AWS::Cassandra::Table": "its rows",
    "AWS::CloudFront::KeyValueStore": "its keys and values",
    "AWS::CloudTrail::EventDataStore": "its events",
    "AWS::CodeArtifact::Repository": "its packages",
    "AWS::CodeCommit::Repository": "its commits",
    "AWS::Cognito::IdentityPool": "its identities",
    "AWS::Cognito::UserPool": "its users and their passwords",
    "AWS::CustomerProfiles::Domain": "its profiles",
    "AWS::DSQL::Cluster": "its data",
    "AWS::DocDB::DBCluster": "its data",
    "AWS::DocDB::GlobalCluster": "its data",
    "AWS::DocDBElastic::Cluster": "its data",
    "AWS::DynamoDB::GlobalTable": "its items",
    "AWS::DynamoDB::Table": "its items",
    "AWS::EC2::Instance": "its root volume, unless that outlives it",
    "AWS::EC2::Volume": "its data",
    "AWS::ECR::Repository": "its images",
    "AWS::EFS::FileSystem": "its files",
    "AWS::ElastiCache::CacheCluster": "its data",
    "AWS::ElastiCache::ReplicationGroup": "its data",
    "AWS::ElastiCache::ServerlessCache": "its data",
    "AWS::Elasticsearch::Domain": "its documents",
    "AWS::Events::Archive": "its events",
    "AWS::Events::EventBus": "its ARN, to which others send",
    "AWS::FSx::FileSystem": "its files",
    "AWS::FSx::Volume": "its files",
    "AWS::Glue::Database": "its tables",
    "AWS::HealthLake::FHIRDatastore": "its resources",
    "AWS::KMS::Key": "whatever is encrypted with it",
    "AWS::KMS::ReplicaKey": "whatever is encrypted with it in its region",
    "AWS::Kendra::Index": "its documents",
    "AWS::Kinesis::Stream": "its records",
    "AWS::KinesisVideo::Stream": "its video",
    "AWS::Lightsail::Bucket": "its objects",
    "AWS::Lightsail::Database": "its data",
    "AWS::Lightsail::Disk": "its data",
    "AWS::Lightsail::Instance": "its disk",
    "AWS::Logs::LogGroup": "its events",
    "AWS::MSK::Cluster": "its records",
    "AWS::MSK::ServerlessCluster": "its records",
    "AWS::MSK::Topic": "its records",
    "AWS::MediaStore::Container": "its objects",
    "AWS::MemoryDB::Cluster": "its data",
    "AWS::Neptune::DBCluster": "its data",
    "AWS::Neptune::GlobalCluster": "its data",
    "AWS::NeptuneGraph::Graph": "its data",
    "AWS::Omics::AnnotationStore": "its annotations",
    "AWS::Omics::ReferenceStore": "its references",
    "AWS::Omics::SequenceStore": "its reads",
    "AWS::Omics::VariantStore": "its variants",
    "AWS::OpenSearchServerless::Collection": "its documents",
    "AWS::OpenSearchServerless::Index": "its documents",
    "AWS::OpenSearchService::Domain": "its documents",
    "AWS::PaymentCryptography::Key": "whatever is encrypted with it",
    "AWS::QLDB::Ledger": "its journal and its tables",
    "AWS::RDS::DBCluster": "its data",
    "AWS::RDS::DBInstance": "its data",
    "AWS::RDS::GlobalCluster": "its data",
    "AWS::Redshift::Cluster": "its data",
    "AWS::RedshiftServerless::Namespace": "its data",
    "AWS::Rekognition::Collection": "its faces",
    "AWS::Route53::HostedZone": "its name servers, to which others delegate",
    "AWS::S3::Bucket": "its objects",
    "AWS::S3Express::DirectoryBucket": "its objects",
    "AWS::S3Outposts::Bucket": "its objects",
    "AWS::S3Tables::Namespace": "its tables",
    "AWS::S3Tables::Table": "its rows",
    "AWS::S3Tables::TableBucket": "its tables",
    "AWS::S3Vectors::Index": "its vectors",
    "AWS::S3Vectors::VectorBucket": "its vectors",
    "AWS::SDB::Domain": "its items",
    "AWS::SES::MailManagerArchive": "its mails",
    "AWS::SNS::Topic": "its subscriptions, those by mail included",
    "AWS::SQS::Queue": "its messages",
    "AWS::SSM::Parameter": "its value",
    "AWS::SecretsManager::Secret": "its value, and the versions of it",
    "AWS::Serverless::SimpleTable": "its items",
    "AWS::Timestream::Database": "its tables",
    "AWS::Timestream::InfluxDBCluster": "its data",
    "AWS::Timestream::InfluxDBInstance": "its data",
    "AWS::Timestream::Table": "its records",
    "AWS::WorkSpaces::Workspace": "its volumes",
}
#: What the CDK empties a bucket with.
EMPTIER = "Custom::S3AutoDeleteObjects"
#: What is deleted in another way than at once.
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
SLOWLY: Mapping[str, str] = {
    "AWS::S3::Bucket": " (a bucket with objects cannot be deleted and stays behind)",
    "AWS::KMS::Key": " (after its waiting period: until then its deletion can be cancelled)",
}
#: The policies from the weakest to the strongest; the last two are the same for a resource that is there already.
POLICIES = ("Delete", "Snapshot", "Retain", "RetainExceptOnCreate")


def is_stateful(resource: Mapping[str, Any]) -> bool:
    """Whether a resource holds what no deploy brings back; an instance in a database cluster holds nothing of its own."""
    return resource["Type"] in HOLDS and not _in_cluster(resource)


def is_kept_unknown(resource: Mapping[str, Any]) -> bool:
    """Whether somebody wants a resource kept, although nothing is known of what it holds."""
    policies = (resource.get(name) for name in ("DeletionPolicy", "UpdateReplacePolicy"))
    return resource["Type"] not in HOLDS and any(each not in (None, "Delete") for each in policies)  # a function has no hash


def _in_cluster(resource: Mapping[str, Any]) -> bool:
    return resource["Type"] == "AWS::RDS::DBInstance" and "DBClusterIdentifier" in resource.get("Properties", {})


def policy(resource: Mapping[str, Any], name: str) -> str:
    """The ``DeletionPolicy`` or the ``UpdateReplacePolicy`` that holds for a resource, also where none is written.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
    """
    database = resource["Type"] in {"AWS::RDS::DBCluster", "AWS::RDS::DBInstance"} and not _in_cluster(resource)
    written = resource.get(name, "Snapshot" if database and name == "DeletionPolicy" else "Delete")
    return written if written in POLICIES else "Delete"


def strength(written: str) -> int:
    """How much a policy keeps: 0 nothing, 1 a snapshot, 2 all."""
    return min(POLICIES.index(written), 2)


def fate(resource_type: str, written: str, *, emptied: bool = False) -> str:
    """What becomes of the old resource and of what it holds, under a policy; of a bucket, also when the CDK empties it."""
    holds = HOLDS[resource_type]
    match strength(written):
        case 0:
            how = f" ({EMPTIER} empties it first)" if emptied else SLOWLY.get(resource_type, "")
            return f"the old one is deleted, and with it {holds}{how}"
        case 1:
            return f"the old one is deleted after a snapshot: only restoring that brings back {holds}"
    if emptied:
        return f"the old one is kept outside of the stack, but {EMPTIER} deletes {holds} first"
    return (
        f"the old one is kept outside of the stack with {holds}: nothing of the stack uses it any more, and it goes on costing"
    )
