"""The shop of the examples: how its stacks hang together in every environment, and that each keeps the library's promises."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from examples.shop.stacks import define_shop
from serverless_patterns import ENVIRONMENTS
from serverless_patterns.catalog import CATALOG
from tests.proofs.checks import access, alarms, apis, data, deliveries, functions
from tests.support.synthesis import FLAGS, ROOT, new_app, statements

#: In the order in which they are defined.
STACKS = ("bus", "products", "view", "imports", "orders", "notifications", "fulfilment", "report")
CHECKS = (
    access.managed_policies,
    access.open_to_anybody,
    access.permissions_without_source,
    access.roles_without_source,
    access.services_without_source,
    access.shared_roles,
    access.wide_statements,
    alarms.content_with_silence,
    apis.telltale_access_logs,
    data.forgotten_uploads,
    data.kept_tables_that_can_be_lost,
    data.replaced_otherwise_than_deleted,
    data.without_encryption,
    deliveries.batches_that_fail_as_a_whole,
    deliveries.deliveries_that_lose,
    deliveries.failures_that_nobody_keeps,
    deliveries.messages_seen_too_early,
    deliveries.pollers_without_limit,
    deliveries.queues_that_lose,
    deliveries.streams_that_lose,
    functions.unlike_the_library,
)
EVERYWHERE = pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)


@pytest.fixture(scope="module")
def shops() -> Mapping[str, Mapping[str, Any]]:
    """Environment -> stack -> what is synthesised of it."""
    found = {}
    for environment in ENVIRONMENTS:
        app = new_app()
        define_shop(app, environment.at(account="123456789012", region="eu-central-1"))
        found[environment.name] = {artifact.stack_name: artifact for artifact in app.synth().stacks}
    return found


@pytest.fixture
def shop(shops, environment) -> Mapping[str, Any]:
    """Stack -> what is synthesised of it, in an environment."""
    return {name.removeprefix(f"{environment.name}-shop-"): artifact for name, artifact in shops[environment.name].items()}


LOOKED_UP = re.compile(r'"Fn::GetStackOutput": {"StackName": "\w+-shop-(\w+)", "Region": "[\w-]+", "OutputName": "(\w+)"}')


def looked_up(artifact: Any) -> set[str]:
    """The stacks that a stack looks something up in while it is deployed."""
    return {stack for stack, _ in LOOKED_UP.findall(json.dumps(artifact.template))}


def dependencies(artifact: Any) -> set[str]:
    """The stacks that the CDK CLI deploys before a stack, and destroys after it."""
    return {each.id.partition("-shop-")[2] for each in artifact.dependencies if not each.id.endswith(".assets")}


@EVERYWHERE
def test_each_pattern_of_the_catalogue_has_a_stack_of_the_shop(shop, environment):
    assert {*shop} - {"alerts"} == {*STACKS}
    assert ("alerts" in shop) == environment.alarm_actions
    described = {shop[name].template["Description"] for name in STACKS}
    assert described == {f"{entry.name} in {environment.name}" for entry in CATALOG}


@EVERYWHERE
def test_a_stack_looks_things_up_in_stacks_before_it_only_so_that_they_go_in_the_reverse_order(shop):
    for number, name in enumerate(STACKS):
        assert looked_up(shop[name]) <= {"alerts", *STACKS[:number]}, name
        assert looked_up(shop[name]) <= dependencies(shop[name]) <= {"alerts", *STACKS[:number]}, name
    assert sum(len(looked_up(artifact)) for artifact in shop.values()) >= 9


@EVERYWHERE
def test_no_stack_exports_what_another_one_would_keep_it_from_changing(shop):
    for name, artifact in shop.items():
        assert "Fn::ImportValue" not in json.dumps(artifact.template), name
        assert [key for key, output in artifact.template.get("Outputs", {}).items() if "Export" in output] == [], name


@EVERYWHERE
def test_what_a_stack_looks_up_is_an_output_of_that_stack(shop):
    for name, artifact in shop.items():
        text = json.dumps(artifact.template)
        wanted = LOOKED_UP.findall(text)
        assert len(wanted) == text.count("Fn::GetStackOutput"), name
        assert [each for each in wanted if each[1] not in shop[each[0]].template["Outputs"]] == [], name


@EVERYWHERE
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_each_stack_passes_the_checks_of_the_library(shop, check):
    assert {name: found for name, artifact in shop.items() if (found := check(artifact.template))} == {}


@EVERYWHERE
def test_the_shop_can_be_synthesised_for_any_account_and_region(environment):
    app = new_app()
    define_shop(app, environment)
    assert len(app.synth().stacks) >= len(STACKS)


def test_the_app_has_the_feature_flags_of_the_library():
    """``weak`` is one of them: without it, what passes between stacks would be exports."""
    cdk = json.loads((ROOT / "examples" / "shop" / "cdk.json").read_text(encoding="utf-8"))
    assert cdk["context"] == FLAGS
    assert cdk["context"]["@aws-cdk/core:defaultCrossStackReferences"] == "weak"


@EVERYWHERE
def test_the_functions_of_the_shop_may_do_one_thing_each(shop):
    """Of those that are the shop's own, and not the patterns': what they look up in other stacks."""
    found = {
        (name, action)
        for name in ("imports", "fulfilment", "notifications")
        for statement in statements(shop[name].template)
        if "GetStackOutput" in json.dumps(statement["Resource"])
        for action in [statement["Action"]] * isinstance(statement["Action"], str)
        if not action.startswith("kms:")
    }
    assert found == {
        ("imports", "dynamodb:PutItem"),
        ("imports", "events:PutEvents"),
        ("fulfilment", "dynamodb:GetItem"),
        ("fulfilment", "secretsmanager:GetSecretValue"),
        ("fulfilment", "events:PutEvents"),
        ("fulfilment", "sns:Publish"),
        ("notifications", "dynamodb:GetItem"),
        ("notifications", "secretsmanager:GetSecretValue"),
    }
