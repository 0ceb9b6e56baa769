"""Alarms that can fire and be heard: of every template, each alarm watches what AWS publishes, and tells whom it should."""

import ast
import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from uuid import UUID

import botocore.session
import pytest

from serverless_patterns import ENVIRONMENTS
from tests.proofs.account import ACCOUNT, REGION
from tests.proofs.alarm_proofs import KINDS, Asserted, Seen, kind_of, proven
from tests.proofs.alarms import alarms_of, outputs_of
from tests.proofs.aws_commands import fault_of
from tests.proofs.published_metrics import PUBLISHED

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "alarms.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| `…", line)]
SOURCES = [file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py")]
#: Of each kind of resource, what some alarm must watch. Queues are of two kinds: see below.
#: The table of docs/alarms.md says why.
WATCHED = {
    "AWS::ApiGateway::RestApi": {"5XXError", "Latency"},
    "AWS::ApiGatewayV2::Api": {"5xx", "Latency"},
    "AWS::DynamoDB::GlobalTable": {"ThrottledRequests", "SystemErrors"},
    "AWS::Events::Rule": {"FailedInvocations", "InvocationsFailedToBeSentToDlq"},
    "AWS::Kinesis::Stream": {"GetRecords.IteratorAgeMilliseconds", "WriteProvisionedThroughputExceeded"},
    "AWS::Lambda::Function": {"Errors", "Throttles", "Duration"},
    "AWS::SNS::Topic": {"NumberOfNotificationsFailed", "NumberOfNotificationsFailedToRedriveToDlq"},
    "AWS::SQS::Queue": {"ApproximateAgeOfOldestMessage"},
    "AWS::Scheduler::ScheduleGroup": {
        "TargetErrorCount",
        "InvocationDroppedCount",
        "InvocationsFailedToBeSentToDeadLetterCount",
    },
    "AWS::StepFunctions::StateMachine": {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted", "ExecutionThrottled"},
}
#: Where CDK's custom resources begin: no code of this library, and it runs while deploying only.
CDKS_OWN = "__entrypoint__.handler"
#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
HOUR, DAY, WEEK = 3600, 86_400, 604_800
LONGEST_DESCRIPTION, MOST_METRICS = 1024, 10
#: The longest names that CloudFormation makes, with a stack of 60 characters in a region with a long name.
LONG_STACK = "production-europe-order-processing-of-the-whole-company-v2"
AT = "ap-southeast-1:123456789012"
LONGEST = {
    "AWS::ApiGatewayV2::Api": "a1b2c3d4e5",
    "AWS::DynamoDB::GlobalTable": f"{LONG_STACK}-{{id}}-1A2B3C4D5E6F7",
    "AWS::Events::EventBus": "e" * 256,
    "AWS::Events::Rule": f"{LONG_STACK}-{{id}}"[:51] + "-1A2B3C4D5E6F",
    "AWS::Kinesis::Stream": "s" * 128,
    "AWS::Lambda::Function": f"{LONG_STACK}-{{id}}"[:51] + "-1A2B3C4D5E6F",
    "AWS::Logs::LogGroup": f"{LONG_STACK}-{{id}}-1A2B3C4D5E6F",
    "AWS::SNS::Topic": f"arn:aws:sns:{AT}:{LONG_STACK}-{{id}}-1A2B3C4D5E6F",
    "AWS::SQS::Queue": "https://sqs.ap-southeast-1.amazonaws.com/123456789012/" + "q" * 80,
    "AWS::Scheduler::ScheduleGroup": "g" * 64,
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{AT}:stateMachine:" + "m" * 80,
    "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{AT}:secret:{{id}}-1A2B3C4D5E6F-AbCdEf",
}
LONGEST_QUEUE_ARN = f"arn:aws:sqs:{AT}:" + "q" * 80


@pytest.fixture(scope="module")
def imports(every_template):
    """What the stacks of alarm topics give to others."""
    found = {}
    for name, template in every_template.items():
        if name.endswith("-alerts"):
            found |= outputs_of(name, template)
    return found


@pytest.fixture(scope="module")
def alarms(every_template, imports):
    """All alarms there are."""
    return [alarm for name, template in every_template.items() for alarm in alarms_of(name, template, imports)]


# --- they watch what there is


def test_each_alarm_watches_metrics_under_all_the_dimensions_that_aws_publishes_them_with(alarms):
    wrong = [
        (alarm.stack, alarm.name, metric)
        for alarm in alarms
        for metric in alarm.metrics
        if not any(
            metric.name in each.metrics and set(metric.dimensions) == set(each.dimensions)
            for each in PUBLISHED[metric.namespace]
        )
    ]
    assert wrong == []


def test_each_dimension_names_a_resource_of_the_right_type_in_its_own_template(alarms):
    wrong = [
        (alarm.stack, alarm.name, dimension, value)
        for alarm in alarms
        for metric in alarm.metrics
        for dimension, value in metric.dimensions.items()
        if value not in named(alarm.template, metric, dimension)
    ]
    assert wrong == []


def named(template, metric, dimension):
    """What a dimension of a metric can be, in this template."""
    if dimension == "Operation":
        return botocore.session.Session().get_service_model("dynamodb").operation_names
    if dimension == "EventBusName":
        return buses_of(template)
    kinds = [kind for each in PUBLISHED[metric.namespace] for kind in each.dimensions.get(dimension, ())]
    found = template.of_type(*kinds)
    if dimension == "RuleName":
        found = [each for each in found if bus_of(each) == metric.dimensions.get("EventBusName", "default")]
    return {name_of(resource) for resource in found}


def bus_of(rule):
    return rule.properties.get("EventBusName", "default")


def buses_of(template):
    """The buses of the rules: some are of other stacks."""
    return {bus_of(rule) for rule in template.of_type("AWS::Events::Rule")}


def name_of(resource):
    """The name that is the resource's dimension."""
    match resource.type:
        case "AWS::SQS::Queue" | "AWS::SNS::Topic":
            return resource.arn.rpartition(":")[2]
        case "AWS::Events::Rule":
            return resource.name.rpartition("|")[2]
        case "AWS::StepFunctions::StateMachine":
            return resource.arn
        case "AWS::ApiGateway::RestApi":
            return resource.properties["Name"]
        case "AWS::ApiGatewayV2::Stage":
            return resource.properties["StageName"]
    return resource.name


def test_the_handlers_metrics_that_alarms_watch_are_written_by_the_handlers():
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "lambda_src").rglob("*.py"))
    written = set(re.findall(r'metrics\.(?:count|seconds)\(\s*"(\w+)"', source))
    (published,) = PUBLISHED["ServerlessPatterns"]
    assert published.metrics <= written


def test_each_resource_of_a_pattern_has_the_alarms_of_its_kind(every_template, alarms):
    by_stack = {stack: [each for each in alarms if each.stack == stack] for stack in every_template}
    missing = [
        (stack, resource.logical_id, sorted(needed - watched(found, resource)))
        for stack, found in by_stack.items()
        if found
        for resource in found[0].template.resources.values()
        if resource.logical_id.startswith(patterns_of(found))
        for needed in [needed_by(resource, found[0].template)]
        if needed - watched(found, resource)
    ]
    assert missing == []


def patterns_of(alarms):
    """What the logical ids of the patterns' resources begin with: those of others are somebody's own."""
    return tuple({alarm.resource.logical_id.rpartition("Alarms")[0] for alarm in alarms})


def needed_by(resource, template):
    """What some alarm must watch of a resource."""
    needed = set(WATCHED.get(resource.type, ()))
    if resource.properties.get("Handler") == CDKS_OWN:
        return set()
    if resource.type == "AWS::Lambda::Function" and is_invoked_asynchronously(resource, template):
        needed |= {"AsyncEventsDropped", "DestinationDeliveryFailures"}
    if resource.type == "AWS::Lambda::Function" and is_a_step(resource, template):
        needed -= {"Errors"}  # some are answers, some are tried again, and what remains fails the execution
    if resource.type == "AWS::Lambda::EventSourceMapping" and keeps_failures(resource):
        needed |= {"OnFailureDestinationDeliveredEventCount", "DroppedEventCount"}
    if resource.type == "AWS::Lambda::Function" and any(
        each.properties["FunctionName"] == resource.name and keeps_failures(each)
        for each in template.of_type("AWS::Lambda::EventSourceMapping")
    ):
        needed |= {"IteratorAge", "DestinationDeliveryFailures"}
    if resource.type == "AWS::SQS::Queue":
        mapped = [each.properties["EventSourceArn"] for each in template.of_type("AWS::Lambda::EventSourceMapping")]
        # A queue that is worked has an alarm when nothing works it: QueueStall; one that is not, for each message.
        needed |= {"Invocations"} if resource.arn in mapped else {"ApproximateNumberOfMessagesVisible"}
    return needed


def is_invoked_asynchronously(function, template):
    settings = template.of_type("AWS::Lambda::EventInvokeConfig")
    return any(each.properties["FunctionName"] in {function.name, function.arn} for each in settings)


def is_a_step(function, template):
    machines = template.of_type("AWS::StepFunctions::StateMachine")
    return any(f'"{function.arn}"' in each.properties["DefinitionString"] for each in machines)


def keeps_failures(mapping):
    """Whether it is of a stream, and what is given up goes somewhere."""
    return "DestinationConfig" in mapping.properties


def watched(alarms, resource):
    """The metrics of alarms that watch a resource, in an expression with others too."""
    name = name_of(resource)
    kinds = {
        each
        for published in PUBLISHED.values()
        for group in published
        for each, types in group.dimensions.items()
        if resource.type in types
    }
    return {
        metric.name
        for alarm in alarms
        if any(each.dimensions.get(kind) == name for each in alarm.metrics for kind in kinds)
        for metric in alarm.metrics
    }


# --- they are heard


def test_each_alarm_tells_the_topic_of_its_tier_where_its_environment_wants_that(alarms, every_template, imports):
    wants = {environment.name for environment in ENVIRONMENTS if environment.alarm_actions}
    for alarm in alarms:
        environment = alarm.stack.partition("-")[0]
        topic = imports.get(f"{environment}-alerts.{alarm.tier.capitalize()}TopicArn")
        assert alarm.actions == ([topic, topic] if environment in wants else []), (alarm.stack, alarm.name)
    assert {f"{name}-alerts" for name in wants} <= set(every_template)


def test_cloudwatch_may_publish_to_each_topic_of_an_action_and_use_its_key(alarms, every_template):
    heard = {alarm.stack.partition("-")[0] for alarm in alarms if alarm.actions}
    assert heard
    told = {action for alarm in alarms for action in alarm.actions}
    for environment in heard:
        (stack,) = [f"{environment}-alerts"]
        topics, keys, publishable = alert_resources(every_template[stack])
        assert told <= publishable, (stack, told - publishable)
        for arn in told:
            assert topics[arn] is None or {"kms:Decrypt", "kms:GenerateDataKey"} <= keys[topics[arn]], (stack, arn)


def alert_resources(template):
    """ARN of a topic -> its key; ARN of a key -> what CloudWatch may do with it; the topics that it may publish to."""
    from serverless_patterns.testing.template import ResolvedTemplate  # noqa: PLC0415  read where it is used

    resolved = ResolvedTemplate.of(template, account=ACCOUNT, region=REGION)
    topics = {each.arn: each.properties.get("KmsMasterKeyId") for each in resolved.of_type("AWS::SNS::Topic")}
    keys = {
        each.arn: {
            action for action in ("kms:Decrypt", "kms:GenerateDataKey") if allowed(each.properties["KeyPolicy"], action, "*")
        }
        for each in resolved.of_type("AWS::KMS::Key")
    }
    policies = [each.properties["PolicyDocument"] for each in resolved.of_type("AWS::SNS::TopicPolicy")]
    publishable = {arn for arn in topics if any(allowed(policy, "sns:Publish", arn) for policy in policies)}
    return topics, keys, publishable


def allowed(policy, action, resource):
    """Whether a policy lets CloudWatch do this, for the alarms of this account."""

    def listed(value):
        return value if isinstance(value, list) else [value]

    return any(
        statement["Effect"] == "Allow"
        and listed(statement["Principal"].get("Service", [])) == ["cloudwatch.amazonaws.com"]
        and any(fnmatchcase(action, pattern) for pattern in listed(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
        and statement.get("Condition", {"StringEquals": {"aws:SourceAccount": ACCOUNT}})
        == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
        for statement in policy["Statement"]
        if isinstance(statement["Principal"], dict)
    )


# --- CloudWatch takes them


def test_periods_and_metrics_are_within_the_limits_of_cloudwatch(alarms):
    for alarm in alarms:
        periods = {metric.period for metric in alarm.metrics}
        assert len(periods) == 1, (alarm.stack, alarm.name)
        (period,) = periods
        evaluated = alarm.properties["EvaluationPeriods"]
        assert period % 60 == 0, (alarm.stack, alarm.name)
        assert period * evaluated <= (DAY if period < HOUR else WEEK), (alarm.stack, alarm.name)
        assert 1 <= alarm.properties.get("DatapointsToAlarm", evaluated) <= evaluated, (alarm.stack, alarm.name)
        assert len(alarm.metrics) <= MOST_METRICS, (alarm.stack, alarm.name)
        assert alarm.properties["TreatMissingData"] in {"breaching", "notBreaching"}, (alarm.stack, alarm.name)


def test_a_description_is_within_its_limit_even_with_the_longest_names(every_template):
    lengths = {
        (stack, name): len(with_long_names(resource["Properties"]["AlarmDescription"], template["Resources"]))
        for stack, template in every_template.items()
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert {where: length for where, length in lengths.items() if length > LONGEST_DESCRIPTION} == {}
    assert max(lengths.values()) > LONGEST_DESCRIPTION / 2, "long names are no longer put in"


def with_long_names(node, resources):
    """A text with the longest names in the place of references."""
    match node:
        case {"Fn::Join": [separator, parts]}:
            return separator.join(with_long_names(part, resources) for part in parts)
        case {"Fn::GetAtt": [name, "Arn"]} if resources[name]["Type"] == "AWS::SQS::Queue":
            return LONGEST_QUEUE_ARN
        case {"Fn::GetAtt": [name, "Id"]} if resources[name]["Type"] == "AWS::Lambda::EventSourceMapping":
            return str(UUID(int=0))
        case {"Ref": name}:
            return LONGEST[resources[name]["Type"]].format(id=name)
    assert isinstance(node, str), f"not known here: {json.dumps(node)}"
    return node


# --- whoever hears them knows what to do


def test_each_description_says_the_cause_and_commands_that_can_be_typed_as_they_are(alarms):
    faults = {
        (alarm.name, fault)
        for alarm in alarms
        for cause, _, first in [alarm.description.partition(" First: ")]
        for fault in ([] if cause and first else ["says nothing to do"]) + [fault_of(each) for each in commands(first)]
        if fault
    }
    assert faults == set()


def commands(text):
    """The commands of a description; what comes after a condition is one too."""
    return [part.partition("when it is mended: ")[2] or part for part in text.split("; ")]


def test_each_command_names_a_resource_of_the_alarms_own_stack(alarms):
    for alarm in alarms:
        own = {each for resource in alarm.template.resources.values() for each in (resource.name, resource.arn) if each}
        own |= buses_of(alarm.template)
        for command in commands(alarm.description.partition(" First: ")[2]):
            if command != "aws lambda get-account-settings":
                assert any(word in own for word in command.split()), (alarm.stack, alarm.name, command)


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("aws logs tail group --since 15m", None),
        ("aws logs tail group --sinc 15m", "has no"),
        ("aws sqs receive-message --queue-url url", None),
        ("aws sqs receive-message", "needs"),
        ("aws sqs receive-messages --queue-url url", "there is no"),
        ("aws sqs receive-message --queue url", "has no"),
        ("aws nothing list", "there is no"),
        ("look into the console", "is not aws"),
    ],
)
def test_a_command_that_nobody_can_type_is_found(command, fault):
    found = fault_of(command)
    assert (found is None) if fault is None else fault in found


# --- how it is known that they fire


def test_each_alarm_is_of_one_kind_and_each_kind_has_alarms(alarms):
    found = {kind_of(alarm) for alarm in alarms}
    assert [kind for kind in KINDS if kind not in found] == []


def test_each_kind_was_seen_by_a_test_that_there_is_or_says_why_not():
    tests = {node.name for source in SOURCES for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
    for kind in KINDS:
        match kind.proof:
            case Seen(test, _):
                assert test in tests, (kind.suffix, kind.of)
            case Asserted(why):
                assert why, (kind.suffix, kind.of)


def test_the_page_has_a_row_for_each_kind_of_alarm_with_its_proof():
    expected = {
        (f"`…{kind.suffix}`", kind.of, kind.tier, ", ".join(f"`{each}`" for each in kind.metrics), kind.proven)
        for kind in KINDS
    }
    cells = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in ROWS]
    found = {(name, of, tier, metrics, proof) for name, of, metrics, _, tier, proof in cells}
    assert (found - expected, expected - found) == (set(), set())
    assert len(cells) == len(KINDS)


#: In how many periods: the others depend on what is watched.
FIXED = [kind for kind in KINDS if isinstance(kind.goes_off.periods, tuple)]


@pytest.mark.parametrize("kind", FIXED, ids=lambda kind: f"{kind.suffix} of {kind.of}")
def test_the_page_says_in_how_many_periods_a_kind_goes_off(kind):
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in ROWS]
    (words,) = [words for name, of, _, words, _, _ in cells if (name, of) == (f"`…{kind.suffix}`", kind.of)]
    said = [(int(some), int(of)) for some, of in re.findall(r"(\d+) of (\d+)", words)]
    assert said == ([kind.goes_off.periods] if kind.goes_off.periods != (1, 1) else [])


def test_the_alarms_of_the_catalogue_were_all_seen(templates, imports):
    """What is only asserted is a REST API: no pattern has one unless it is asked to."""
    for stack, template in templates["prod"].items():
        assert proven(template, imports)["asserted"] == 0, stack
