"""What the emulator cannot deploy is said before anything is deployed."""

import json
from pathlib import Path
from typing import Any

import pytest

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.assembly import Assembly, Resource
from serverless_patterns.local.emulator import Emulator, ResourceTypes

TYPES = ResourceTypes(deployed=frozenset({"AWS::S3::Bucket"}), only_accepted=frozenset({"AWS::XRay::Group"}))


def assembly(folder: Path, **types: str) -> Assembly:
    """An assembly with one stack, ``local-things``, of these resources."""
    resources: dict[str, Any] = {
        name: {"Type": resource_type, "Metadata": {"aws:cdk:path": f"local-things/{name}/Resource"}}
        for name, resource_type in types.items()
    }
    stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "t.json", "stackName": "local-things"}}
    folder.mkdir(exist_ok=True)
    (folder / "t.json").write_text(json.dumps({"Resources": resources}))
    (folder / "manifest.json").write_text(json.dumps({"artifacts": {"Things": stack, "Tree": {"type": "cdk:tree"}}}))
    return Assembly(folder)


def test_an_unknown_type_is_named_with_its_construct_its_stack_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(LocalRunError) as caught:
        assembly(tmp_path, Files="AWS::S3::Bucket", Cluster="AWS::DSQL::Cluster").check(TYPES)
    message = str(caught.value)
    assert "AWS::DSQL::Cluster  local-things/Cluster/Resource (stack local-things)" in message
    assert "AWS::S3::Bucket" not in message
    assert "deploy these stacks to an AWS account" in message


def test_what_only_configures_is_listed(tmp_path: Path) -> None:
    listed = assembly(tmp_path, Files="AWS::S3::Bucket", Group="AWS::XRay::Group").check(TYPES)
    assert listed == [Resource("local-things", "local-things/Group/Resource", "AWS::XRay::Group")]


def test_a_custom_resource_is_known_by_its_provider(tmp_path: Path) -> None:
    assert assembly(tmp_path, Own="Custom::Own").check(TYPES) == []


def test_the_stacks_of_a_stage_are_checked_too(tmp_path: Path) -> None:
    assembly(tmp_path / "assembly-stage", Cluster="AWS::DSQL::Cluster")
    stage = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-stage"}}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"Stage": stage}}))
    assert Assembly(tmp_path).stacks == ["local-things"]
    with pytest.raises(LocalRunError, match="AWS::DSQL::Cluster"):
        Assembly(tmp_path).check(TYPES)


def test_the_emulator_says_itself_which_types_it_knows(emulator: Emulator) -> None:
    types = emulator.resource_types
    assert {"AWS::Lambda::Function", "AWS::DynamoDB::GlobalTable"} <= types.deployed
    assert "AWS::ApplicationAutoScaling::ScalableTarget" in types.only_accepted
    assert not types.deployed & types.only_accepted
