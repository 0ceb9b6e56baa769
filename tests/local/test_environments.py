"""Each environment goes through the life of a deployment with the pinned CLI: synth, deploy, diff, destroy."""

import pytest

from serverless_patterns import DEV, LOCAL, PROD, STAGING
from serverless_patterns.catalog import CATALOG
from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.account import Account
from serverless_patterns.local.cdk_cli import App, CdkCli
from serverless_patterns.local.emulator import Emulator
from tests.local.conftest import ROOT


@pytest.fixture(scope="module")
def own_emulator(tmp_path_factory):
    """An emulator apart from that of the other tests: its stacks come and go."""
    with Emulator.start(tmp_path_factory.mktemp("environments")) as started:
        yield started


def deployed(emulator, environment):
    cli = CdkCli(App(ROOT, context={"environment": environment.name}), emulator)
    assembly = cli.synth(lambda _: None)
    if not cli.bootstrapped:
        cli.bootstrap(assembly, lambda _: None)
    cli.deploy(assembly, lambda _: None)
    return cli, str(assembly.folder), {name for name in Account(emulator.url).stack_names() if name != "CDKToolkit"}


def stacks_of(environment):
    patterns = {f"{environment.name}-{entry.name.replace('_', '-')}" for entry in CATALOG}
    return patterns | ({f"{environment.name}-alerts"} if environment.alarm_actions else set())


@pytest.mark.parametrize("environment", [LOCAL, DEV, STAGING], ids=lambda environment: environment.name)
def test_an_environment_is_deployed_without_a_difference_and_destroyed(own_emulator, environment):
    cli, assembly, stacks = deployed(own_emulator, environment)
    assert stacks == stacks_of(environment)
    cli.run("diff", "--app", assembly, "--fail", on_line=lambda _: None)
    cli.run("destroy", "--app", assembly, "--all", "--force", on_line=lambda _: None)
    assert Account(own_emulator.url).stack_names() == {"CDKToolkit"}


def test_prod_is_deployed_and_refuses_to_be_destroyed(own_emulator):
    cli, assembly, stacks = deployed(own_emulator, PROD)
    assert stacks == stacks_of(PROD)
    with pytest.raises(LocalRunError, match=r"(?i)termination ?protection"):
        cli.run("destroy", "--app", assembly, "--all", "--force", on_line=lambda _: None)
    assert stacks <= Account(own_emulator.url).stack_names()


def test_alarms_of_staging_notify_the_topics_that_were_deployed(own_emulator):
    deployed(own_emulator, STAGING)
    account = Account(own_emulator.url)
    topics = {topic["TopicArn"] for topic in account.client("sns").list_topics()["Topics"]}
    alarms = account.client("cloudwatch").describe_alarms(AlarmNamePrefix="staging-api-crud")["MetricAlarms"]
    assert alarms
    assert {action for alarm in alarms for action in alarm["AlarmActions"]} <= topics
