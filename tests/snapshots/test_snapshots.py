"""Did anything change? The template of each pattern in prod, and of its other shapes, with only the hashes of assets masked."""

import json
import re
from pathlib import Path

import pytest

from serverless_patterns.catalog import CATALOG
from tests.support.variants import VARIANTS, variants

SNAPSHOTS = Path(__file__).parent


def masked(node: object) -> object:
    """The template without the hashes of assets: by key, and by the shape of what stands there."""
    if isinstance(node, dict):
        return {key: _hash(value) if _is_asset(key, value) else masked(value) for key, value in node.items()}
    if isinstance(node, list):
        return [masked(item) for item in node]
    return node


def _is_asset(key: str, value: object) -> bool:
    """Whether it is the key of an asset: the filter of a bucket's notification has the same name, and is none."""
    return key == "S3Key" and not isinstance(value, dict)


def _hash(value: str) -> str:
    assert re.fullmatch(r"[0-9a-f]{64}\.zip", value)
    return "<hash>.zip"


@pytest.fixture(scope="module")
def snapshotted(templates):
    """Name -> template: each pattern as prod has it, and its other shapes."""
    return {entry.name: templates["prod"][f"prod-{entry.name.replace('_', '-')}"] for entry in CATALOG} | variants()


@pytest.mark.parametrize("name", [*(entry.name for entry in CATALOG), *VARIANTS])
def test_the_template_is_that_of_the_snapshot(snapshotted, name, request):
    text = json.dumps(masked(snapshotted[name]), indent=2, sort_keys=True) + "\n"
    snapshot = SNAPSHOTS / f"{name}.json"
    if request.config.getoption("--update-snapshots"):
        snapshot.write_text(text, encoding="utf-8")
    assert snapshot.is_file(), "run `make snapshots`, and read what it writes"
    assert text == snapshot.read_text(encoding="utf-8"), "run `make snapshots` and look at the diff"


def test_only_hashes_of_assets_are_masked():
    template = {
        "S3Key": f"{'0' * 64}.zip",
        "Other": [{"S3Key": f"{'a' * 64}.zip"}, "0" * 64],
        "Filter": {"S3Key": {"Rules": []}},
    }
    assert masked(template) == {
        "S3Key": "<hash>.zip",
        "Other": [{"S3Key": "<hash>.zip"}, "0" * 64],
        "Filter": {"S3Key": {"Rules": []}},
    }
