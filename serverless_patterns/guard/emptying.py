"""Buckets that the CDK empties: ``auto_delete_objects`` puts a custom resource beside a bucket.

Its function deletes all objects and all their versions when the custom resource is deleted, or names another bucket, as long as
the bucket has a tag that allows it:
https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_s3.Bucket.html#autodeleteobjects
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.findings import Finding, Kind
from serverless_patterns.guard.stateful import EMPTIER, policy, strength
from serverless_patterns.guard.staying import Staying, properties, staying
from serverless_patterns.guard.values import references

TAG = "aws-cdk:auto-delete-objects"
FROM_NOW_ON = (
    f"from this deploy on, {EMPTIER} deletes its objects, with all their versions, before it is removed, replaced, or "
    "destroyed with its stack"
)
LET_GO = (
    f"{EMPTIER} goes, or turns to another bucket, and CloudFormation tells it so: it deletes the objects of this one, with all "
    f"their versions, and denies every write, although the bucket stays, because its tag {TAG} stays too"
)

KEEP = (
    "keep the id of the custom resource too, "
    '`bucket.node.find_child("AutoDeleteObjectsCustomResource").node.default_child.override_logical_id("{}")`; '
    "or first deploy without auto_delete_objects, which takes the tag away"
)


def emptiers(stack: Stack) -> Mapping[str, set[str]]:
    """Logical id of a bucket -> those of the custom resources that empty it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for logical_id, resource in stack.resources.items():
        if resource["Type"] == EMPTIER:
            for bucket in references(properties(resource).get("BucketName")):
                found[bucket].add(logical_id)
    return found


def find_emptied(old: Stack, new: Stack) -> Iterator[Finding]:
    """The findings on buckets that stay, and that something empties now, or from now on."""
    before, after = emptiers(old), emptiers(new)
    for each in staying(old, new, "AWS::S3::Bucket"):
        was, will_be = before.get(each.logical_id, set()), after.get(each.logical_id, set())
        change = (EMPTIER, _names(was), _names(will_be))
        if will_be and not was:
            yield each.finding(
                Kind.LESS_PROTECTED, change, FROM_NOW_ON, "leave auto_delete_objects off. If it is meant, allow it"
            )
        elif _acts(each, was - will_be):
            yield each.finding(Kind.EMPTIED, change, LET_GO, KEEP.format(min(was)))


def _acts(bucket: Staying, let_go: set[str]) -> bool:
    """Whether one of those that let go of a bucket is told so, and may empty it."""
    told = any(strength(policy(bucket.old.resources[name], "DeletionPolicy")) == 0 for name in let_go)
    tags: Any = properties(bucket.after).get("Tags")
    return told and TAG in json.dumps(tags)


def _names(logical_ids: set[str]) -> str | None:
    return ", ".join(sorted(logical_ids)) or None
