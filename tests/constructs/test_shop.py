"""The shop of the examples: how its stacks hang together in every environment, and that each keeps the library's promises."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from examples.shop.patterns import NOT_SHIPPED, NOT_UNDONE
from examples.shop.stacks import define_shop
from serverless_patterns import ENVIRONMENTS
from serverless_patterns.catalog import CATALOG
from tests.proofs.checks import access, alarms, apis, data, deliveries, functions
from tests.support.synthesis import FLAGS, ROOT, new_app, resources, statements

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
        ("imports", "dynamodb:UpdateItem"),
        ("imports", "events:PutEvents"),
        ("fulfilment", "dynamodb:GetItem"),
        ("fulfilment", "secretsmanager:GetSecretValue"),
        ("fulfilment", "events:PutEvents"),
        ("fulfilment", "sns:Publish"),
        ("notifications", "dynamodb:GetItem"),
        ("notifications", "secretsmanager:GetSecretValue"),
    }


#: Ends at which there is nothing to pay back: what was bought is on its way, or no money was taken.
NOTHING_TO_PAY_BACK = {"orders.shipped", "orders.declined"}


def machine_of(template: Mapping[str, Any]) -> dict[str, Any]:
    """The definition of the state machine, with a word in the place of what is known only when it is deployed."""
    (machine,) = resources(template, "AWS::StepFunctions::StateMachine").values()
    parts = machine["Properties"]["DefinitionString"]["Fn::Join"][1]
    found: dict[str, Any] = json.loads("".join(part if isinstance(part, str) else "-" for part in parts))
    return found


def ways_on(state: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Where a state may lead, and what is assigned on the way."""
    on = [(state[key], state.get("Assign", {})) for key in ("Next", "Default") if key in state]
    others = [*state.get("Choices", ()), *state.get("Catch", ())]
    return [*on, *((each["Next"], each.get("Assign", {})) for each in others)]


def ends_of(machine: Mapping[str, Any], without: str) -> set[str]:
    """What may become of an order whose execution does not go through a state, as it is announced."""
    ends, seen = set(), set()
    waiting = [(machine["StartAt"], "")]
    while waiting:
        name, outcome = waiting.pop()
        if (name, outcome) in seen or name == without:
            continue
        seen.add((name, outcome))
        if name == "Broadcast":
            ends.add(f"orders.{outcome.lower()}")
        for following, assigned in ways_on(machine["States"][name]):
            waiting.append((following, assigned.get("outcome", {}).get("state", outcome)))
    return ends


@EVERYWHERE
def test_whatever_a_paid_order_comes_to_its_money_goes_back_if_the_workflow_may_not_have_paid_it_back(shop):
    machine = machine_of(shop["fulfilment"].template)
    assert ends_of(machine, without="RefundPayment") - NOTHING_TO_PAY_BACK == {*NOT_UNDONE}
    policies = [each["Properties"] for each in resources(shop["notifications"].template, "AWS::SNS::Subscription").values()]
    assert {"event_type": NOT_UNDONE} in [each.get("FilterPolicy") for each in policies]


@EVERYWHERE
def test_people_are_told_of_each_order_that_is_not_shipped(shop):
    assert {*NOT_SHIPPED} == ends_of(machine_of(shop["fulfilment"].template), without="") - {"orders.shipped"}
    policies = [each["Properties"] for each in resources(shop["notifications"].template, "AWS::SNS::Subscription").values()]
    assert {"event_type": NOT_SHIPPED} in [each.get("FilterPolicy") for each in policies]
