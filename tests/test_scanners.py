"""What public scanners and CDK itself say of the templates: each finding that remains has its reason in tests/support."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from serverless_patterns import ENVIRONMENTS
from serverless_patterns._blocks.network import INTERFACE_ACTIONS
from serverless_patterns._blocks.state_machine import LOGGING
from tests.proofs.checks.scanners import ALL_MUST_BE_ZERO, is_of, must_not_be, without_reason
from tests.proofs.table import ZERO, of_findings
from tests.proofs.traps.every_trap import SCANNED, outcomes, to_be_scanned
from tests.support.reasons import REASONS
from tests.support.synthesis import resources
from tools import scan

ROOT = Path(__file__).resolve().parents[1]
VALIDATING = {name: value for name, value in os.environ.items() if name != "CDK_VALIDATION"}
#: With every fault of MUST_BE_ZERO: scanned with the others, it shows that none of these rules is deaf.
FAULTY = json.loads((ROOT / "tests" / "support" / "faulty.json").read_text(encoding="utf-8"))

#: Rules that want a customer managed key: a pattern that is given one has none of their findings.
WANT_A_KEY = {"CloudWatchLogGroupEncrypted", "SNSEncryptedKMS", "S3DefaultEncryptionKMS", "SecretsManagerUsingKMSKey"}


@pytest.fixture(scope="session")
def scanned():
    """Name -> template: all that is deployed, and the other shapes of each pattern."""
    return scan.templates()


@pytest.fixture(scope="session")
def everything(scanned):
    """All findings, those of templates with mistakes too: one run of each scanner."""
    return scan.scan({**scanned, **to_be_scanned(), "faulty": FAULTY})


@pytest.fixture(scope="session")
def findings(everything, scanned):
    return [finding for finding in everything if finding.template in scanned]


@pytest.fixture
def of_rule(findings, scanned):
    """Template, logical id and properties of each resource at which a rule found something."""

    def found(*rules):
        places = {(finding.template, finding.resource) for finding in findings if finding.rule in rules}
        return [(template, name, scanned[template]["Resources"][name]) for template, name in sorted(places)]

    return found


def test_all_environments_of_each_pattern_and_its_other_shapes_are_scanned(scanned, templates):
    deployed = {name for stacks in templates.values() for name in stacks}
    assert {environment.name for environment in ENVIRONMENTS} == {name.partition("-")[0] for name in deployed}
    assert deployed < set(scanned)


def test_no_finding_is_without_a_reason_and_no_reason_without_a_finding(findings):
    assert without_reason(findings) == []
    assert set(REASONS) - {finding.rule for finding in findings} == set(), "these reasons are not needed any more"


@pytest.mark.parametrize("rule", ALL_MUST_BE_ZERO)
def test_a_scanner_would_see_what_must_not_be_there(everything, rule):
    assert [finding for finding in everything if finding.template == "faulty" and is_of(rule, finding)]


def test_what_must_not_be_there_is_not_there_whatever_the_reason(findings):
    assert must_not_be(findings) == []


@pytest.mark.parametrize("trap", SCANNED, ids=lambda trap: trap.mistake)
def test_a_mistake_is_caught_by_its_scanner(trap, everything):
    (outcome,) = outcomes([trap], everything)
    assert outcome.found_without == ()
    assert outcome.found


def test_the_table_of_make_prove_has_zero_findings_without_a_reason(findings):
    table = of_findings(findings)
    assert table.faults == []
    assert [name for name in ZERO if table.total[name]] == []


def test_each_scanner_and_each_pack_has_looked(everything):
    assert {finding.scanner for finding in everything} >= {*scan.PACKS, "cfn-lint", "cfripper"}


# --- the reasons are true: where a reason names a condition, what was found fulfils it


def test_a_queue_without_a_dead_letter_queue_is_one_itself(of_rule, scanned):
    found = of_rule("SQS3", "SQSRedrivePolicy")
    assert found
    assert [(template, name) for template, name, _ in found if name not in dead_letter_queues(scanned[template])] == []


def dead_letter_queues(template):
    """The queues that something names as the place for what it could not do."""
    found = set()
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        targets = [*_listed(properties.get("Targets")), *_listed(properties.get("Target"))]
        places = [each.get("DeadLetterConfig") for each in (properties, *targets)]
        places += [properties.get("RedrivePolicy"), properties.get("DestinationConfig", {}).get("OnFailure")]
        found |= set(re.findall(r'"Fn::GetAtt": \["(\w+)"', json.dumps(places)))
    return found | set(re.findall(r'"Ref": "(\w+ManualQueue[0-9A-F]{8})"', workflows(template)))


def workflows(template):
    """The definitions of the state machines, which name their functions, and the queues in which they leave what failed."""
    machines = resources(template, "AWS::StepFunctions::StateMachine").values()
    return json.dumps([each["Properties"]["DefinitionString"] for each in machines])


def _listed(value):
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, dict)]


def test_a_function_without_a_dead_letter_queue_answers_somebody_or_has_a_queue_or_a_destination(of_rule, scanned):
    found = of_rule("LambdaDLQ")
    assert found
    assert [(template, name) for template, name, _ in found if not keeps_failures(scanned[template], name)] == []


def keeps_failures(template, function):
    """Whether what a function fails at is answered (API, workflow), stays in its queue, or goes to a destination."""
    keepers = [*resources(template, "AWS::Lambda::EventSourceMapping").values()]
    keepers += [
        each
        for each in resources(template, "AWS::Lambda::EventInvokeConfig").values()
        if each["Properties"].get("DestinationConfig", {}).get("OnFailure")
    ]
    keepers += [
        each
        for each in resources(template, "AWS::Lambda::Permission").values()
        if each["Properties"]["Principal"] == "apigateway.amazonaws.com"
    ]
    kept = any(f'"{function}"' in json.dumps(each["Properties"]["FunctionName"]) for each in keepers)
    return kept or f'"Fn::GetAtt": ["{function}", "Arn"]' in workflows(template)


def test_a_table_without_backups_is_of_an_environment_without_them(of_rule):
    places = {template for template, *_ in of_rule("DDB3", "DynamoDBPITREnabled")}
    assert {place.partition("-")[0] for place in places} == {"local", "dev"}


def test_a_database_that_can_be_deleted_is_of_an_environment_whose_data_goes(findings):
    places = {finding.template for finding in findings if finding.rule in {"RDS10", "RDSInstanceDeletionProtectionEnabled"}}
    assert {place.partition("-")[0] for place in places} <= {"local", "dev", "staging"}


def test_a_resource_that_is_every_resource_is_that_of_x_ray_of_interfaces_that_the_code_is_denied_or_of_log_deliveries(of_rule):
    found = of_rule("IAM5[Resource::*]")
    assert found
    for template, name, policy in found:
        wide = [s for s in policy["Properties"]["PolicyDocument"]["Statement"] if '"*"' in json.dumps(s["Resource"])]
        may, may_not = (
            {action for each in wide if each["Effect"] == effect for action in each["Action"]} for effect in ("Allow", "Deny")
        )
        others = {action for action in may if not action.startswith("xray:")}
        assert others in (may_not, set(LOGGING)), (template, name)
        assert others in (set(), set(INTERFACE_ACTIONS), set(LOGGING)), (template, name)


def test_an_alarm_that_notifies_nobody_is_of_an_environment_that_wants_it_so(findings):
    places = {finding.template for finding in findings if finding.rule == "CloudWatchAlarmAction"}
    assert places
    assert [place for place in places if place.startswith(("staging-", "prod-"))] == []


def test_a_pattern_with_a_key_of_its_own_has_no_finding_about_keys(findings, scanned):
    with_key = {name for name, template in scanned.items() if resources(template, "AWS::KMS::Key")}
    assert {name for name in scanned if name.startswith(("staging-", "prod-"))} <= with_key
    assert len([name for name in with_key if not name.startswith(("staging-", "prod-", "alerts"))]) >= 3
    assert [finding for finding in findings if finding.rule in WANT_A_KEY and finding.template in with_key] == []


def test_the_wildcards_that_cfripper_sees_are_those_of_key_policies(of_rule):
    assert {resource["Type"] for *_, resource in of_rule("GenericResourceWildcardPolicyRule")} == {"AWS::KMS::Key"}


def test_the_wildcard_resources_that_cfripper_sees_are_those_of_the_log_deliveries_of_state_machines(of_rule):
    found = of_rule("WildcardResourceRule")
    assert found
    for template, name, policy in found:
        wide = [each for each in policy["Properties"]["PolicyDocument"]["Statement"] if each["Resource"] == "*"]
        others = {action for each in wide for action in each["Action"] if not action.startswith("xray:")}
        assert others == set(LOGGING), (template, name)


# --- the words


def test_the_figures_of_the_security_page_are_those_of_the_scanners(findings, scanned):
    page = scan.PAGE.read_text(encoding="utf-8")
    assert scan.with_figures(page, scan.figures(findings, scanned)) == page, "stale: run python tools/scan.py --write"


def test_a_stale_figure_is_seen(findings, scanned):
    page = scan.PAGE.read_text(encoding="utf-8")
    assert scan.with_figures(page, scan.figures(findings[1:], scanned)) != page


# --- CDK's own validation


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_the_pinned_cli_synthesises_with_cdks_own_validation_and_complains_of_nothing(environment, tmp_path):
    cdk = ROOT / "node_modules" / ".bin" / "cdk"
    command = [str(cdk), "synth", "--quiet", "--no-notices", "-c", f"environment={environment.name}", "--output", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, env=VALIDATING, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    said = [
        line for line in run.stderr.splitlines() if line and not re.match(r"Bundling asset|Successfully|Supply a stack", line)
    ]
    assert said == []
