"""The apps of this repository and of its examples: what their context says, and what becomes of a context that does not fit."""

import json
import os
import subprocess
import sys

import pytest

import app as repository_app
from examples.shop.stacks import define_shop
from serverless_patterns import DEV, PROD, STAGING, PatternError, UnknownEnvironmentError, environment_of
from tests.support.synthesis import FLAGS, NO_BUNDLING, ROOT, new_app

#: How the CLI runs each app, as its cdk.json says.
APPS = {"repository": "app.py", "order_events": "examples/order_events/app.py", "shop": "-m examples.shop.app"}
ALLOWED = "name must be 1 to 31 lower-case letters, digits and hyphens, starting with a letter, such as 'dev-alice', got"
LONGEST_NAME = "alice-and-bob-and-carol-and-dan"


def test_an_app_without_context_is_that_of_dev_in_any_account_and_region():
    assert environment_of(new_app()) == DEV


def test_the_context_of_an_app_says_which_environment_it_has_and_where():
    context = {"environment": "prod", "account": "123456789012", "region": "eu-central-1"}
    assert environment_of(new_app(**context)) == PROD.at(account="123456789012", region="eu-central-1")
    with pytest.raises(UnknownEnvironmentError, match=r"got 'prdo'; did you mean 'prod'\?"):
        environment_of(new_app(environment="prdo"))


def test_a_name_of_ones_own_changes_nothing_but_the_name():
    named = environment_of(new_app(environment="staging", name="staging-alice"))
    assert named.name == "staging-alice"
    assert named.operations == STAGING.operations
    assert environment_of(new_app(environment="staging", name="staging")) == STAGING


@pytest.mark.parametrize("name", ["Alice", "dev_alice", "dev.alice", "1st", "-dev", "", " ", "x" * 32, 7])
def test_a_name_that_no_stack_can_have_is_refused_with_what_is_allowed(name):
    with pytest.raises(PatternError) as raised:
        environment_of(new_app(name=name))
    assert str(raised.value) == f"{ALLOWED} {name!r}"


@pytest.mark.parametrize(("environment", "name"), [("dev", "prod"), ("prod", "dev"), (None, "staging")])
def test_a_name_under_which_the_stacks_of_another_environment_would_be_changed_is_refused(environment, name):
    with pytest.raises(PatternError) as raised:
        environment_of(new_app(**({"environment": environment} if environment else {}), name=name))
    asked = environment or "dev"
    assert str(raised.value) == (
        f"name must not be that of another environment than {asked}, got {name!r}: its stacks would be changed; "
        f"choose one of your own, such as '{asked}-alice'"
    )


def templates_of(define, **context):
    app = new_app(environment="staging", pattern="api_crud", **context)  # the shop has all
    define(app)
    return {artifact.stack_name: json.dumps(artifact.template) for artifact in app.synth().stacks}


@pytest.mark.parametrize(
    "define",
    [repository_app.define, lambda app: define_shop(app, environment_of(app))],
    ids=["repository", "shop"],
)
def test_two_people_have_stacks_of_their_own_in_one_account(define):
    shared, own = templates_of(define), templates_of(define, name=LONGEST_NAME)
    assert {*own} == {stack.replace("staging", LONGEST_NAME, 1) for stack in shared}
    assert {*own}.isdisjoint(shared)
    for stack, template in own.items():
        assert [other for other in shared if other in template] == [], f"{stack} uses a stack that is somebody else's"


@pytest.mark.parametrize("app", APPS)
def test_a_context_that_does_not_fit_is_an_error_in_one_line(app, tmp_path):
    """Without an environment: that of dev is meant."""
    context = json.dumps({**FLAGS, **NO_BUNDLING, "name": "prod"})
    variables = os.environ | {"CDK_CONTEXT_JSON": context, "CDK_OUTDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, *APPS[app].split()], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert run.stderr.startswith("error: name must not be that of another environment than dev, got 'prod'"), run.stderr
    assert len(run.stderr.splitlines()) == 1
