"""What a release has promised to those who have deployed it holds in every later one; the guard itself is asked."""

import json

import pytest

from serverless_patterns.guard.report import words
from tests.proofs.checks.promises import broken_promises
from tests.support.contracts import CONTRACTS, VERSION, contract, promised


@pytest.fixture(scope="module")
def today(templates):
    return promised(templates)


def broken(release, today):
    """What an upgrade would do to the data, in the guard's words."""
    return "\n\n".join(words(finding) for finding in broken_promises(release, today))


def completed(release, today):
    """The contract with what is new; what stands in it stays as it is."""
    return {
        name: {"Resources": {**template["Resources"], **release.get(name, {"Resources": {}})["Resources"]}}
        for name, template in {**release, **today}.items()
    }


@pytest.mark.parametrize("version", sorted(file.stem for file in CONTRACTS.glob("*.json")))
def test_no_upgrade_from_this_release_replaces_or_removes_what_holds_data(today, version):
    found = broken(contract(version), today)
    assert not found, f"an upgrade from {version} would break what users have deployed:\n\n{found}"


def test_the_contract_of_this_version_has_every_resource_that_holds_data(today, request):
    """A release that is out keeps its file; until then, ``make snapshots`` adds what is new, never changes what is there."""
    if request.config.getoption("--update-snapshots"):
        text = json.dumps(completed(contract(), today), indent=2, sort_keys=True) + "\n"
        (CONTRACTS / f"{VERSION}.json").write_text(text, encoding="utf-8")
    frozen = {(name, key) for name, template in contract().items() for key in template["Resources"]}
    missing = {(name, key) for name, template in today.items() for key in template["Resources"]} - frozen
    assert not missing, f"run `make snapshots`: tests/contracts/{VERSION}.json has not yet {sorted(missing)}"


def test_a_logical_id_that_changes_breaks_the_contract_in_the_guards_words(today):
    resources = dict(today["api_crud"]["Resources"])
    resources["Other"] = resources.pop("ProductsTableEB101A78")
    found = broken(today, {**today, "api_crud": {"Resources": resources}})
    assert found.startswith("RENAMED  AWS::DynamoDB::GlobalTable ProductsTableEB101A78 in stack api_crud")
    assert 'override_logical_id("ProductsTableEB101A78")' in " ".join(found.split())


def test_a_key_that_changes_breaks_the_contract_in_the_guards_words(today):
    changed = json.loads(json.dumps(today).replace('{"AttributeName": "id", "KeyType": "HASH"}', '{"AttributeName": "x"}'))
    title = "REPLACED  AWS::DynamoDB::GlobalTable ProductsTableEB101A78 in stack api_crud"
    assert title in broken(today, changed).splitlines()


def test_a_key_of_another_type_breaks_the_contract_in_the_guards_words(today):
    text = json.dumps(today).replace(
        '{"AttributeName": "id", "AttributeType": "S"}', '{"AttributeName": "id", "AttributeType": "N"}'
    )
    assert "MAY BE REPLACED  AWS::DynamoDB::GlobalTable ProductsTableEB101A78" in broken(contract(), json.loads(text))


def test_data_that_is_kept_no_longer_breaks_the_contract(today):
    changed = json.loads(json.dumps(today).replace('"DeletionPolicy": "Retain"', '"DeletionPolicy": "Delete"'))
    assert "LESS PROTECTED  AWS::DynamoDB::GlobalTable ProductsTableEB101A78" in broken(today, changed)


def test_a_pattern_that_is_gone_breaks_the_contract(today):
    rest = {name: template for name, template in today.items() if name != "s3_processing"}
    assert "REMOVED  AWS::S3::Bucket ImportsBucketB463A28B" in broken(today, rest)


def test_a_new_resource_is_added_to_the_contract_and_nothing_in_it_changes(today):
    written = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "as-released"}}
    rewritten = {**written, "Properties": {}}
    before, after = {"a": {"Resources": {"Q": written}}}, {"a": {"Resources": {"Q": rewritten, "R": rewritten}}}
    assert completed(before, after) == {"a": {"Resources": {"Q": written, "R": rewritten}}}
    assert completed(before, {}) == before
