"""What public scanners and CDK itself say of the templates: each finding that remains has its reason here."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from serverless_patterns import ENVIRONMENTS
from tests.support.variants import variants

ROOT = Path(__file__).resolve().parents[1]
VALIDATING = {name: value for name, value in os.environ.items() if name != "CDK_VALIDATION"}

#: Rule, without the name of its pack -> why it does not apply. A reason that no finding needs any more fails the test.
REASONS = {
    "CloudWatchLogGroupEncrypted": "log groups are encrypted by CloudWatch Logs; they hold no bodies, headers or tokens",
    "IAM5[Resource::*]": "X-Ray has no resources to name: xray:PutTraceSegments and PutTelemetryRecords only",
    "IAM5[Resource::<ImportsBucketB463A28B.Arn>/incoming/*]": "objects have no names before they are uploaded: those below "
    "the prefix of the pattern, to be read",
    "IAM5[Resource::<ImportsOutputBucket26721170.Arn>/results/*]": "a result is named after its object: those of this folder, "
    "to be written and not read",
    "IAM5[Resource::<ImportsOutputBucket26721170.Arn>/thumbnails/*]": "the same",
    "IAMNoInlinePolicy": "a policy belongs to one role of one function: sharing it would widen it",
    "LambdaConcurrency": "reserved concurrency throttles, and burns tries of messages: an API's throttle and the most batches "
    "that the poller of a queue starts at once are the limits",
    "LambdaDLQ": "a function behind an API answers with its failure; a queue keeps what its worker could not do; an event of "
    "SNS or S3 goes to a destination on failure, which keeps the reason too",
    "LambdaEventSourceMappingDestination": "destinations are for streams: a queue has its dead-letter queue",
    "LambdaInsideVPC": "functions reach public endpoints only: a VPC would add a NAT gateway and protect nothing",
    "CloudWatchAlarmAction": "the alarms of local and dev notify nobody on purpose: nobody is on call for them",
    "COG4": "authorization is IAM by default, or a token of the issuer that the user names",
    "APIG3": "WAF is the account's choice and has a price for each rule: the exposed API takes a web ACL",
    "APIGWAssociatedWithWAF": "the same",
    "APIGWCacheEnabledAndEncrypted": "no cache: an answer that depends on the caller must not be cached",
    "APIGWSSLEnabled": "client certificates authenticate API Gateway to HTTP back ends: these are functions and SQS",
    "S1": "access logs need a bucket of the account's, whose own would need another one: BucketOptions(access_logs=) takes it",
    "S3BucketLoggingEnabled": "the same",
    "S3BucketReplicationEnabled": "S3 keeps objects in three zones; another region is the user's choice of where data may be, "
    "and a second deployment; old versions are kept for 90 days",
    "S3DefaultEncryptionKMS": "S3 encrypts with a key of its own; encryption_key= takes a customer managed one, with its price",
    "SMG4": "the key is a payment provider's: there is no function that could rotate it there; a new one is put by hand",
    "SecretsManagerRotationEnabled": "the same",
    "SecretsManagerUsingKMSKey": "Secrets Manager encrypts with a key of AWS's; encryption_key= takes a customer managed one",
    "SNSEncryptedKMS": "SNS encrypts its disks; encryption_key= adds a customer managed key; with the AWS managed one "
    "services could not publish, and would not say so",
    "SQS3": "these are dead-letter queues, of a subscription, a rule or a function: the rule knows those of queues only",
    "SQSRedrivePolicy": "dead-letter queues have no dead-letter queue",
}
#: Code of cfn-lint -> why it does not apply.
CFN_LINT_REASONS = {"W3005": "CDK writes DependsOn on the role beside the role's ARN: redundant, and not ours to change"}


@pytest.fixture(scope="session")
def scanned(templates):
    """Name -> template: all that is deployed, and the other shapes of each pattern."""
    found = {name: template for stacks in templates.values() for name, template in stacks.items()}
    return found | {name.replace("_", "-"): template for name, template in variants().items()}


def test_cdk_nag_finds_nothing_without_a_reason(scanned, tmp_path):
    for name, template in scanned.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(template))
    script = [sys.executable, str(ROOT / "tests" / "support" / "nag.py"), str(tmp_path)]
    run = subprocess.run(script, capture_output=True, text=True, env=VALIDATING, check=False)
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout.splitlines()[-1])
    rules = {re.sub(r"^.*?-", "", rule) for rule, _ in result["findings"]}
    assert result["packs"] == 5
    assert rules - set(REASONS) == set(), [
        finding for finding in result["findings"] if finding[0].split("-", 1)[1] not in REASONS
    ]
    assert set(REASONS) - rules == set(), "these reasons are not needed any more"


def test_cfn_lint_finds_nothing_without_a_reason(scanned, tmp_path):
    for name, template in scanned.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(template))
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--format", "json", *map(str, sorted(tmp_path.glob("*.json")))]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    found = {(match["Rule"]["Id"], match["Message"]) for match in json.loads(run.stdout)}
    assert {finding for finding in found if finding[0] not in CFN_LINT_REASONS} == set()
    assert {code for code, _ in found} == set(CFN_LINT_REASONS), "these reasons are not needed any more"


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
