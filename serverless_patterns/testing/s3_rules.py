"""What calls of S3 need, where an operation needs several actions or its parameters decide which."""

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote

from serverless_patterns.testing.arn_rules import bucket_arn, need, object_arn
from serverless_patterns.testing.arns import Arns
from serverless_patterns.testing.need import Need

#: Operation -> its actions; each has a form of its own for a version of an object.
_OF_VERSIONS = {
    "DeleteObject": ("DeleteObject",),
    "DeleteObjectTagging": ("DeleteObjectTagging",),
    "GetObject": ("GetObject",),
    "GetObjectAcl": ("GetObjectAcl",),
    "GetObjectAttributes": ("GetObject", "GetObjectAttributes"),
    "GetObjectTagging": ("GetObjectTagging",),
    "HeadObject": ("GetObject",),
    "PutObjectAcl": ("PutObjectAcl",),
    "PutObjectTagging": ("PutObjectTagging",),
}
#: What S3 answers of an object that it does not have, to who may list the bucket; to others it answers 403.
NOT_FOUND = frozenset({"404", "NoSuchKey", "NoSuchVersion"})


def _object_or_version(arns: Arns) -> Iterator[Need]:
    """An object, or one version of it; who may list the bucket is told that an object does not exist.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    version = "VersionId" in arns.parameters
    for action in _OF_VERSIONS[arns.call.operation]:
        yield need(arns, f"s3:{action.replace('Object', 'ObjectVersion') if version else action}")
    if arns.parameters.get("BypassGovernanceRetention"):
        yield need(arns, "s3:BypassGovernanceRetention")
    if arns.call.error in NOT_FOUND:
        yield listing(arns)


def listing(arns: Arns) -> Need:
    """What being told 404 instead of 403 takes."""
    found = need(arns, "s3:ListBucket")
    return Need(found.action, found.resource, f"{found.why} is told that the object does not exist")


#: Parameters of a new object -> the further action that they need.
_WITH_OBJECT = {
    "ACL": "PutObjectAcl",
    "GrantFullControl": "PutObjectAcl",
    "GrantRead": "PutObjectAcl",
    "GrantReadACP": "PutObjectAcl",
    "GrantWriteACP": "PutObjectAcl",
    "ObjectLockLegalHoldStatus": "PutObjectLegalHold",
    "ObjectLockMode": "PutObjectRetention",
    "ObjectLockRetainUntilDate": "PutObjectRetention",
    "Tagging": "PutObjectTagging",
}
#: Parameter of a new object -> condition key.
_KEYS_OF_OBJECTS = {
    "ACL": "s3:x-amz-acl",
    "SSEKMSKeyId": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "ServerSideEncryption": "s3:x-amz-server-side-encryption",
    "StorageClass": "s3:x-amz-storage-class",
}


def _new_object(arns: Arns) -> Iterator[Need]:
    """An object, with what is set together with it.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
    """
    given = arns.parameters
    context = {key: str(given[name]) for name, key in _KEYS_OF_OBJECTS.items() if name in given}
    yield need(arns, "s3:PutObject", **context)
    for action in sorted({action for name, action in _WITH_OBJECT.items() if name in given}):
        yield need(arns, f"s3:{action}", **context)


def _copied_object(arns: Arns) -> Iterator[Need]:
    """The source is read and the target written. Whether the source has tags, no parameter tells.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """
    bucket, key, version = _source(arns.parameters["CopySource"])
    yield need(arns, "s3:GetObjectVersion" if version else "s3:GetObject", object_arn(arns, bucket, key))
    yield from _new_object(arns)


def _source(source: str | Mapping[str, str]) -> tuple[str, str, str | None]:
    """Bucket, key and version: S3 takes them as a text, the SDK as a dictionary too."""
    if not isinstance(source, str):
        return source["Bucket"], source["Key"], source.get("VersionId")
    path, _, version = source.removeprefix("/").partition("?versionId=")
    separator = "/object/" if path.startswith("arn:") else "/"
    bucket, _, key = path.partition(separator)
    return bucket, unquote(key), version or None


def _deleted_objects(arns: Arns) -> Iterator[Need]:
    """Each object by itself."""
    for item in arns.parameters["Delete"]["Objects"]:
        action = "s3:DeleteObjectVersion" if "VersionId" in item else "s3:DeleteObject"
        yield need(arns, action, object_arn(arns, arns.parameters["Bucket"], item["Key"]))


def _listed_objects(arns: Arns) -> Iterator[Need]:
    """A bucket's keys, perhaps below a prefix only."""
    action = "s3:ListBucketVersions" if arns.call.operation == "ListObjectVersions" else "s3:ListBucket"
    context = {f"s3:{name.lower()}": str(arns.parameters[name]) for name in ("Prefix", "Delimiter") if name in arns.parameters}
    yield need(arns, action, bucket_arn(arns, arns.parameters["Bucket"]), **context)


#: Operation -> what it needs.
S3_RULES: Mapping[str, Callable[[Arns], Iterator[Need]]] = {
    **dict.fromkeys(_OF_VERSIONS, _object_or_version),
    **dict.fromkeys(("ListObjectVersions", "ListObjects", "ListObjectsV2"), _listed_objects),
    "CopyObject": _copied_object,
    "CreateMultipartUpload": _new_object,
    "DeleteObjects": _deleted_objects,
    "PutObject": _new_object,
    "UploadPartCopy": _copied_object,
}
