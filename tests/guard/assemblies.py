"""Two versions of a small app, written as ``cdk synth`` writes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3

from tests.support.synthesis import FLAGS, NO_BUNDLING

#: What the CDK CLI asks for besides.
AS_THE_CLI = {"aws:cdk:enable-path-metadata": True, "aws:cdk:enable-asset-metadata": True}
Define = Callable[[Any], Any]


def assembly(folder: Path, define: Define, *, nested: bool = False, stages: bool = False, stack: str = "Shop") -> Path:
    """A cloud assembly with one stack; what is defined lies in it, or in a stack nested in it."""
    app = cdk.App(outdir=str(folder), context={**FLAGS, **NO_BUNDLING, **AS_THE_CLI}, analytics_reporting=False)
    home = cdk.Stack(cdk.Stage(app, "Prod") if stages else app, stack)
    define(cdk.NestedStack(home, "Data") if nested else home)
    app.synth()
    return folder


def table(scope: Any, construct_id: str = "Users", key: str = "id", **options: Any) -> dynamodb.TableV2:
    """A table, kept unless told."""
    attribute = dynamodb.Attribute(name=key, type=dynamodb.AttributeType.STRING)
    return dynamodb.TableV2(scope, construct_id, partition_key=attribute, **options)


def indexed(*names: str) -> Define:
    """A table with global secondary indexes."""

    def define(scope: Any) -> None:
        found = table(scope)
        for name in names:
            found.add_global_secondary_index(
                index_name=name, partition_key=dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
            )

    return define


def bucket(scope: Any, **options: Any) -> s3.Bucket:
    """A bucket, kept unless told."""
    return s3.Bucket(scope, "Files", **options)
