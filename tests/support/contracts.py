"""What a release promises to those who have deployed it: what may not change of the resources that hold data."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serverless_patterns.catalog import CATALOG
from serverless_patterns.guard.stateful import is_stateful, policy
from serverless_patterns.guard.undeclared import replacing
from serverless_patterns.guard.values import references

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "tests" / "contracts"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def promised(templates: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Pattern (and ``alerts``) -> its template in prod, reduced to what a release promises."""
    names = {entry.name: f"prod-{entry.name.replace('_', '-')}" for entry in CATALOG} | {"alerts": "prod-alerts"}
    return {name: reduced(templates["prod"][stack]) for name, stack in names.items()}


def reduced(template: Mapping[str, Any]) -> dict[str, Any]:
    """A template with only the resources that hold data, and those that these are replaced with.

    Of each its type, its policies and the properties that replace it.
    """
    resources = {logical_id: _reduced(each) for logical_id, each in template["Resources"].items()}
    found = further = {logical_id for logical_id, each in template["Resources"].items() if is_stateful(each)}
    while further:
        further = (references([resources[each]["Properties"] for each in further]) & set(resources)) - found
        found = found | further
    return {"Resources": {logical_id: resources[logical_id] for logical_id in sorted(found)}}


def _reduced(resource: Mapping[str, Any]) -> dict[str, Any]:
    names = {rule.pointer.split("/")[2] for rule in replacing(resource)}
    return {
        "Type": resource["Type"],
        **{name: policy(resource, name) for name in ("DeletionPolicy", "UpdateReplacePolicy")},
        "Properties": {name: value for name, value in resource.get("Properties", {}).items() if name in names},
    }


def contract(version: str = VERSION) -> dict[str, Any]:
    """What a release has promised; nothing where none is written down yet."""
    file = CONTRACTS / f"{version}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def kept_in_prod(name: str) -> set[str]:
    """The resources of a pattern whose data outlives their stack: this version promises that."""
    frozen = contract()
    assert name in frozen, f"run `make snapshots`: it adds those of {name} to the contract"
    found = frozen[name]["Resources"]
    return {key for key, each in found.items() if is_stateful(each) and each["DeletionPolicy"].startswith("Retain")}
