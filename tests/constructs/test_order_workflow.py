"""OrderWorkflow: its states, who may do what, what its options do to the template, and what it refuses."""

import json
import re

import pytest
from aws_cdk import CfnParameter, Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

from order_workflow import errors, payment, shipping, stock, validation
from order_workflow import handler as starter_entry
from order_workflow.logic import MOST_INPUT_BYTES
from order_workflow.payment_api import RefundRefusedError
from serverless_patterns import DEV, PROD, Alerts, Handler, PatternError, QueueOptions, TableOptions, WorkerOptions
from serverless_patterns._blocks.order_retries import CALL_TIMEOUT, GRACE, Retries
from serverless_patterns._blocks.order_states import LONGEST_CAUSE, LONGEST_WORDS, REASON
from serverless_patterns._blocks.order_tasks import FINAL, THROTTLED, TRANSIENT
from serverless_patterns._blocks.state_machine import LOGGING, TRACING, Retry
from serverless_patterns.order_workflow import ORDER, PARTS, OrderWorkflow
from shared.aws import LONGEST_CALL_SECONDS
from shared.errors import ConflictError, UnavailableError
from shared.transport import Limits
from tests.support.readable import alarms, permissions, properties_at, readable
from tests.support.synthesis import empty_stack, resources, role_policies, template_of

OWN = Handler(lambda_.Code.from_inline("def handler(event, context): ..."), "index.handler")
LOGS = ["logs:CreateLogStream", "logs:PutLogEvents"]
XRAY = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
POLL = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
TABLE_KEY = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
QUEUE_KEY = ["kms:Decrypt", "kms:GenerateDataKey"]
#: As the template names them: of one state machine, under any name.
EXECUTIONS = "arn:AWS::Partition:states:AWS::Region:AWS::AccountId:execution:Orders/StateMachine:*"
#: Bytes of a state, and of the cause of an execution that fails.
#: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
#: https://docs.aws.amazon.com/step-functions/latest/apireference/API_ExecutionFailedEventDetails.html
MOST_STATE_BYTES, MOST_CAUSE = 256 * 1024, 32_768
WAY_BACK = ["CancelShipment", "RefundPayment", "ReleaseStock"]
STEPS = {
    "ValidateOrder": "Validation",
    "ReserveStock": "Stock",
    "ReleaseStock": "Stock",
    "ProcessPayment": "Payment",
    "RefundPayment": "Payment",
    "ShipOrder": "Shipping",
    "CancelShipment": "Shipping",
}
#: What the state machine may do, whatever the options are.
MACHINE = {
    "Orders/Validation": ["lambda:InvokeFunction"],
    "Orders/Stock": ["lambda:InvokeFunction"],
    "Orders/Payment": ["lambda:InvokeFunction"],
    "Orders/Shipping": ["lambda:InvokeFunction"],
    "Orders/Table": ["dynamodb:UpdateItem"],
    "Orders/Topic": ["sns:Publish"],
    "Orders/ManualQueue": ["sqs:SendMessage"],
    "*": sorted([*LOGGING, *TRACING]),
}


def orders(scope, **options):
    return OrderWorkflow(scope, "Orders", **options)


def definition(stack):
    """The definition of the state machine, with paths instead of references."""
    return json.loads(properties_at(stack, "Orders/StateMachine")["DefinitionString"])


def all_states(stack):
    """Name -> state, those in branches included."""
    states = definition(stack)["States"]
    branches = [branch for state in states.values() for branch in state.get("Branches", [])]
    return states | {name: state for branch in branches for name, state in branch["States"].items()}


def nexts(state):
    """Error or condition -> where it goes; "" is the way without either."""
    found = {error: each["Next"] for each in state.get("Catch", []) for error in each["ErrorEquals"]}
    found |= {each["Condition"]: each["Next"] for each in state.get("Choices", [])}
    return found | {"": state.get("Next", state.get("Default"))}


# The states.


def test_the_way_forward_has_the_states_of_a_saga_in_their_order(stack):
    orders(stack)
    states, name, way = definition(stack)["States"], definition(stack)["StartAt"], []
    while name:
        way.append(name)
        name = {"IsPaymentSuccessful": "ShipOrder"}.get(name, nexts(states[name])[""])
    assert way == [
        "ValidateOrder",
        "ClaimOrder",
        "ReserveStock",
        "ProcessPayment",
        "IsPaymentSuccessful",
        "ShipOrder",
        "RecordOutcome",
        "Broadcast",
        "IsSomethingBroken",
        "OrderClosed",
    ]


def test_steps_are_undone_in_reverse_order_and_a_failed_one_keeps_no_other_from_it(stack):
    orders(stack)
    states = definition(stack)["States"]
    assert [nexts(states[name]) for name in WAY_BACK] == [
        {"": following, "States.ALL": following} for following in [*WAY_BACK[1:], "IsAllUndone"]
    ]


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("ValidateOrder", {"InvalidOrder": "RecordOutcome", "States.ALL": "RecordOutcome", "": "ClaimOrder"}),
        ("ReserveStock", {"OutOfStock": "ReleaseStock", "States.ALL": "ReleaseStock", "": "ProcessPayment"}),
        (
            "ProcessPayment",
            {"PaymentDeclined": "IsPaymentSuccessful", "States.ALL": "RefundPayment", "": "IsPaymentSuccessful"},
        ),
        ("IsPaymentSuccessful", {"{% $payment.success = true %}": "ShipOrder", "": "PaymentFailed"}),
        ("PaymentFailed", {"": "WasChargeTried"}),
        ("WasChargeTried", {"{% $charge_tried %}": "RefundPayment", "": "ReleaseStock"}),
        ("ShipOrder", {"ShippingFailed": "CancelShipment", "States.ALL": "CancelShipment", "": "RecordOutcome"}),
        ("IsAllUndone", {"{% $count($unresolved) = 0 %}": "RecordOutcome", "": "KeepForPeople"}),
        ("KeepForPeople", {"States.ALL": "CompensationFailed", "": "CompensationFailed"}),
        ("Broadcast", {"": "IsSomethingBroken"}),
        (
            "IsSomethingBroken",
            {
                "{% $exists($states.input.untold) %}": "AnnouncementFailed",
                '{% $fault.error != "" %}': "OrderFailed",
                "": "OrderClosed",
            },
        ),
        ("AnnouncementFailed", {"": "OrderFailed"}),
    ],
)
def test_each_failure_leads_to_what_undoes_it(stack, state, wanted):
    orders(stack)
    assert nexts(definition(stack)["States"][state]) == wanted


def test_a_step_asks_its_function_and_nobody_else(stack):
    orders(stack)
    states = definition(stack)["States"]
    asked = {name: state["Arguments"] for name, state in states.items() if "FunctionName" in state.get("Arguments", {})}
    assert {name: found["FunctionName"].removeprefix("Orders/") for name, found in asked.items()} == STEPS
    assert {name: found["Payload"]["step"] for name, found in asked.items()} == {name: name for name in STEPS}


def test_every_task_has_an_end_and_one_of_a_function_ends_after_it(stack):
    orders(stack, broadcast_to={"Warehouse": sqs.Queue(stack, "Warehouse")})
    limits = {part.capitalize(): seconds for part, (_, seconds) in PARTS.items()}
    for name, state in all_states(stack).items():
        if state["Type"] == "Task":
            assert state["TimeoutSeconds"] == (limits[STEPS[name]] + GRACE if name in STEPS else CALL_TIMEOUT), name
    assert definition(stack)["TimeoutSeconds"] == 24 * 60 * 60


def tries(state):
    """Errors -> how often they are tried again, in their order."""
    assert all(retry["JitterStrategy"] == "FULL" for retry in state["Retry"] if retry["MaxAttempts"])
    return [(retry["ErrorEquals"], retry["MaxAttempts"]) for retry in state["Retry"]]


def test_every_task_is_tried_again_with_jitter_and_a_step_only_for_what_passes(stack):
    orders(stack)
    calls = (["States.TaskFailed", "States.Timeout"], 4)
    for name, state in all_states(stack).items():
        if state["Type"] == "Task" and name not in {*WAY_BACK, "KeepForPeople", "KeepTopic"}:
            wanted = [([THROTTLED], 20), ([*TRANSIENT], 4)] if name in STEPS else [calls]
            assert tries(state)[-len(wanted) :] == wanted, name
            assert all(most == 0 for _, most in tries(state)[: -len(wanted)])


def test_what_undoes_a_step_is_tried_again_whatever_it_fails_with_but_for_an_answer(stack):
    orders(stack)
    states = definition(stack)["States"]
    for name in WAY_BACK:
        assert tries(states[name]) == [(["RefundRefusedError", "ConflictError"], 0), (["States.ALL"], 20)]


def test_what_leaves_to_people_what_could_not_be_undone_or_told_is_tried_as_long(stack):
    orders(stack)
    for name in ("KeepForPeople", "KeepTopic"):
        assert tries(all_states(stack)[name]) == [(["States.TaskFailed", "States.Timeout"], 20)]


def test_the_answers_that_are_not_asked_for_again_are_called_as_their_classes():
    assert (RefundRefusedError.__name__, ConflictError.__name__) == FINAL


@pytest.mark.parametrize("kind", ["standard", "express"])
def test_a_throttled_function_is_waited_for_far_longer_unless_the_execution_has_only_minutes(stack, kind):
    orders(stack, kind=kind)
    for name in ("ValidateOrder", "ReserveStock", "ProcessPayment", "ShipOrder"):
        (retry,) = [each for each in definition(stack)["States"][name]["Retry"] if each["ErrorEquals"] == [THROTTLED]]
        assert (retry["MaxAttempts"], retry["MaxDelaySeconds"]) == ((20, 300) if kind == "standard" else (4, 60))


def test_the_pauses_are_as_long_as_the_words_say():
    retries = Retries.of("standard", None, None)
    assert [round(each.pauses / 60) for each in (retries.undo, retries.throttled)] == [201, 68]
    assert Retries.of("express", None, None).undo.pauses == 1 + 2 + 4 + 8
    assert "200 minutes at most, 100 on average" in " ".join(OrderWorkflow.__doc__.split())


def test_a_charge_that_was_asked_for_before_is_paid_back_even_if_it_is_declined_in_the_end(stack):
    orders(stack)
    state = definition(stack)["States"]["ProcessPayment"]
    (declined,) = [each for each in state["Catch"] if each["ErrorEquals"] == ["PaymentDeclined"]]
    asked = "{% $states.context.State.RetryCount > 0 or $states.context.Execution.RedriveCount > 0 %}"
    assert declined["Assign"]["charge_tried"] == state["Assign"]["charge_tried"] == asked


def test_the_words_of_an_answer_are_read_only_where_they_cannot_be_cut_off(stack):
    orders(stack)
    states = definition(stack)["States"]
    caught = [each for name in STEPS for each in states[name]["Catch"] if "$parse" in json.dumps(each)]
    assert [each["ErrorEquals"] for each in caught] == [
        ["InvalidOrder"],
        ["OutOfStock"],
        ["PaymentDeclined"],
        ["ShippingFailed"],
    ]
    for each in caught:
        (text,) = re.findall(r"{% .*? %}", each["Assign"].get("outcome", each["Assign"].get("payment"))["reason"])
        assert text.index("$length($cause) < 8192 and ") < text.index("? $string($parse($cause).errorMessage)")


def test_all_that_an_execution_keeps_of_errors_fits_into_a_state_beside_the_largest_order():
    kept = len(WAY_BACK) + 1  # what broke, and what could not be undone
    assert 4 * LONGEST_CAUSE <= MOST_CAUSE  # bytes of a character
    assert kept * 4 * LONGEST_CAUSE + MOST_INPUT_BYTES < MOST_STATE_BYTES
    assert len(WAY_BACK) * 6 * LONGEST_WORDS < MOST_CAUSE  # in JSON, one that cannot be shown has six


def test_no_longer_cause_is_kept_than_that(stack):
    orders(stack)
    cut = ("$exists($states.errorOutput.Cause)", f"$substring($states.errorOutput.Cause, 0, {LONGEST_CAUSE})")
    for name, state in all_states(stack).items():
        kept = json.dumps([each.get("Assign") for each in state.get("Catch", [])])
        for text in (json.dumps(REASON), *cut):
            kept = kept.replace(text, "")
        assert "errorOutput.Cause" not in kept, name
    assert definition(stack)["States"]["OrderFailed"]["Cause"] == f"{{% $substring($fault.cause, 0, {LONGEST_CAUSE}) %}}"


def longest(states):
    """Seconds of an execution all of whose tries fail."""
    return sum(
        max(longest(branch["States"]) for branch in state["Branches"]) if "Branches" in state else _longest(state)
        for state in states.values()
    )


def _longest(state):
    found = [each for each in state.get("Retry", []) if each["MaxAttempts"]]
    pauses = sum(
        min(each["IntervalSeconds"] * each["BackoffRate"] ** number, each["MaxDelaySeconds"])
        for each in found
        for number in range(each["MaxAttempts"])
    )
    return pauses + state.get("TimeoutSeconds", 0) * (1 + sum(each["MaxAttempts"] for each in found))


def test_an_execution_may_last_as_long_as_all_its_tries_do(stack):
    orders(stack, broadcast_to={"Warehouse": sqs.Queue(stack, "Warehouse")})
    least = Retries.of("standard", None, None).longest({part: seconds for part, (_, seconds) in PARTS.items()})
    assert least == longest(definition(stack)["States"]) < definition(stack)["TimeoutSeconds"] == 24 * 60 * 60


def test_a_shorter_timeout_than_that_is_refused_and_the_least_one_named(stack):
    few = {"retry": Retry(max_attempts=0), "compensation_retry": Retry(max_attempts=1)}
    with pytest.raises(PatternError, match=r"timeout must be at least \d+ s with this retry .*, got 60 s") as refused:
        orders(stack, timeout=Duration.minutes(1), **few)
    least = int(re.search(r"least (\d+) s", str(refused.value))[1])
    with pytest.raises(PatternError, match=f"at least {least} s"):
        orders(empty_stack("eu-central-1"), timeout=Duration.seconds(least - 1), **few)
    orders(empty_stack("eu-central-1"), timeout=Duration.seconds(least), **few)


def test_tries_that_may_last_longer_than_the_default_day_need_a_longer_timeout(stack):
    long = Retry(max_attempts=100, max_delay=Duration.hours(1))
    with pytest.raises(PatternError, match=r"timeout must be at least \d+ s .*, got 86400 s"):
        orders(stack, compensation_retry=long)
    orders(empty_stack("eu-central-1"), compensation_retry=long, timeout=Duration.days(30))


def test_what_the_functions_raise_is_what_the_state_machine_catches_and_tries_again(stack):
    orders(stack)
    caught = {error for name in STEPS for error in nexts(definition(stack)["States"][name])} - {"", "States.ALL"}
    raised = {name for name, value in vars(errors).items() if getattr(value, "__module__", "") == errors.__name__}
    assert caught == raised
    assert UnavailableError.__name__ in TRANSIENT
    assert not caught & {*TRANSIENT}


def test_a_function_has_time_for_all_that_it_may_have_to_wait_for():
    seconds = {part: number for part, (_, number) in PARTS.items()}
    assert seconds["payment"] > 2 * (Limits().attempt + LONGEST_CALL_SECONDS)
    assert seconds["stock"] > 2 * LONGEST_CALL_SECONDS
    assert seconds["shipping"] > LONGEST_CALL_SECONDS


def test_the_intervals_of_retries_are_arguments(stack):
    soon = Retry(interval=Duration.seconds(1), max_attempts=2, backoff_rate=1.5, max_delay=Duration.seconds(3))
    orders(stack, retry=soon, compensation_retry=Retry(max_attempts=7))
    states = definition(stack)["States"]
    retry = states["ReserveStock"]["Retry"][-1]
    kept = {name: value for name, value in retry.items() if name != "ErrorEquals"}
    assert kept == {
        "IntervalSeconds": 1,
        "MaxAttempts": 2,
        "BackoffRate": 1.5,
        "MaxDelaySeconds": 3,
        "JitterStrategy": "FULL",
    }
    assert states["ReleaseStock"]["Retry"][-1]["MaxAttempts"] == 7


def test_a_row_is_changed_for_the_execution_alone_that_has_claimed_it(stack):
    orders(stack)
    for name in ("ClaimOrder", "RecordOutcome"):
        condition = definition(stack)["States"][name]["Arguments"]["ConditionExpression"]
        assert condition == "attribute_not_exists(execution) OR execution = :execution"


def test_what_is_left_to_people_says_all_that_is_known(stack):
    orders(stack)
    arguments = definition(stack)["States"]["KeepForPeople"]["Arguments"]
    assert arguments["QueueUrl"] == "Orders/ManualQueue"
    assert arguments["MessageBody"].keys() == {
        "kind",
        "order_id",
        "execution",
        "order",
        "payment",
        "outcome",
        "fault",
        "unresolved",
    }


def test_each_one_who_is_told_has_a_complete_branch_that_keeps_what_cannot_be_told(stack):
    targets = {"Warehouse": sqs.Queue(stack, "Warehouse"), "Mail": sns.Topic(stack, "Mail")}
    orders(stack, broadcast_to=targets)
    branches = definition(stack)["States"]["Broadcast"]["Branches"]
    assert [branch["StartAt"] for branch in branches] == ["TellTopic", "TellWarehouse", "TellMail"]
    for branch in branches:
        name = branch["StartAt"].removeprefix("Tell")
        tell, keep, untold = (branch["States"][f"{state}{name}"] for state in ("Tell", "Keep", "Untold"))
        assert (tell["End"], nexts(tell)["States.ALL"], keep["End"]) == (True, f"Keep{name}", True)
        assert keep["Arguments"]["QueueUrl"] == "Orders/ManualQueue"
        assert (nexts(keep)["States.ALL"], untold["Type"], untold["End"]) == (f"Untold{name}", "Pass", True)
        assert untold["Output"]["untold"].startswith(f'{{% "{name}: "')
    found = permissions(stack, "Orders/StateMachineRole")
    assert (found["Warehouse"], found["Mail"]) == (["sqs:SendMessage"], ["sns:Publish"])


# The state machine.


@pytest.mark.parametrize("options", [{"operations": PROD.operations}, {"operations": DEV.operations}, {"kind": "express"}])
def test_it_logs_into_a_group_of_its_own_and_never_what_orders_are_about(stack, options):
    orders(stack, **options)
    (destination,) = properties_at(stack, "Orders/StateMachine")["LoggingConfiguration"].pop("Destinations")
    logging = properties_at(stack, "Orders/StateMachine")["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)
    assert destination == {"CloudWatchLogsLogGroup": {"LogGroupArn": "Orders/StateMachineLogs"}}
    group = properties_at(stack, "Orders/StateMachineLogs")
    assert re.fullmatch(r"/aws/vendedlogs/states/[\w-]*Orders[\w-]*", group["LogGroupName"])


def test_two_workflows_of_a_stack_log_into_groups_of_their_own(stack):
    OrderWorkflow(stack, "One")
    OrderWorkflow(stack, "Two")
    names = {properties_at(stack, f"{each}/StateMachineLogs")["LogGroupName"] for each in ("One", "Two")}
    assert len(names) == 2


def test_an_express_workflow_ends_within_its_five_minutes(stack):
    orders(stack, kind="express")
    assert properties_at(stack, "Orders/StateMachine")["StateMachineType"] == "EXPRESS"
    assert definition(stack)["TimeoutSeconds"] == 300
    assert definition(stack)["States"]["RefundPayment"]["Retry"][-1]["MaxDelaySeconds"] == 8


def test_it_is_made_after_its_permissions(stack):
    orders(stack)
    (machine,) = resources(template_of(stack), "AWS::StepFunctions::StateMachine").values()
    policies = [
        name
        for name, policy in role_policies(template_of(stack)).items()
        if readable(stack, policy["Properties"]["Roles"]) == ["Orders/StateMachineRole"]
    ]
    assert policies
    assert set(policies) <= set(machine["DependsOn"])


def test_without_tracing_there_are_no_traces_and_no_permissions_for_them(stack):
    orders(stack, operations=PROD.operations.replace(tracing=False))
    assert permissions(stack, "Orders/StateMachineRole")["*"] == sorted(LOGGING)
    assert properties_at(stack, "Orders/StateMachine")["TracingConfiguration"] == {"Enabled": False}


# Who may do what.


def test_the_state_machine_may_do_what_its_states_do_and_nothing_else(stack):
    orders(stack)
    assert permissions(stack, "Orders/StateMachineRole") == MACHINE


def test_its_role_is_for_the_state_machines_of_this_account(stack):
    orders(stack)
    (statement,) = properties_at(stack, "Orders/StateMachineRole")["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "states.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "AWS::AccountId"}
    (arn,) = statement["Condition"]["ArnLike"].values()
    assert arn == "arn:AWS::Partition:states:AWS::Region:AWS::AccountId:stateMachine:*"


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        ("Validation", {}),
        ("Stock", {"Orders/Table": ["dynamodb:UpdateItem"], "Orders/StockTable": ["dynamodb:UpdateItem"]}),
        ("Payment", {"Orders/PaymentSecret": ["secretsmanager:GetSecretValue"]}),
        ("Shipping", {"Orders/Table": ["dynamodb:UpdateItem"]}),
        (
            "Starter",
            {
                "Orders/Queue": POLL,
                "Orders/DeadLetterQueue": ["sqs:SendMessage"],
                "Orders/StateMachine": ["states:StartExecution"],
                EXECUTIONS: ["states:DescribeExecution"],
            },
        ),
    ],
)
def test_a_function_may_do_what_its_steps_need(stack, part, wanted):
    orders(stack, starter="queue")
    assert permissions(stack, f"Orders/{part}Role") == {f"Orders/{part}Logs": LOGS, "*": XRAY, **wanted}


def test_an_express_workflow_has_no_executions_of_a_name_that_its_starter_could_look_at(stack):
    orders(stack, starter="queue", kind="express")
    assert "states:DescribeExecution" not in {
        action for found in permissions(stack, "Orders/StarterRole").values() for action in found
    }


def test_with_a_customer_key_each_may_use_it_as_far_as_it_must():
    stack = empty_stack("eu-central-1")
    orders(stack, starter="queue", encryption_key=kms.Key(stack, "Key"))
    roles = ("StateMachine", "Stock", "Shipping", "Payment", "Starter", "Validation")
    found = {role: permissions(stack, f"Orders/{role}Role").get("Key") for role in roles}
    assert found == {
        "StateMachine": TABLE_KEY,
        "Stock": TABLE_KEY,
        "Shipping": TABLE_KEY,
        "Payment": ["kms:Decrypt"],
        "Starter": QUEUE_KEY,
        "Validation": None,
    }


def test_who_is_granted_to_start_may_do_nothing_else(stack):
    user = iam.Role(stack, "Caller", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    orders(stack).grant_start(user)
    assert permissions(stack, "Caller") == {"Orders/StateMachine": ["states:StartExecution"]}


# Options.


def test_without_a_starter_there_is_no_queue_but_that_for_people(stack):
    workflow = orders(stack)
    assert workflow.queue is None
    assert len(resources(template_of(stack), "AWS::SQS::Queue")) == 1
    assert "QueueUrl" not in workflow.outputs
    assert len(resources(template_of(stack), "AWS::Lambda::Function")) == len(PARTS)


@pytest.mark.parametrize(
    ("part", "module"),
    [("Validation", validation), ("Stock", stock), ("Payment", payment), ("Shipping", shipping), ("Starter", starter_entry)],
)
def test_each_entry_reads_its_settings_from_the_variables(stack, part, module):
    orders(stack, starter="queue", ships_to=["DE"])
    properties = properties_at(stack, f"Orders/{part}")
    assert properties["Handler"] == f"{module.__name__}.handler"
    (settings,) = (value for name, value in vars(module).items() if name.endswith("Settings") and isinstance(value, type))
    variables = {name: value.replace(":", "-") for name, value in properties["Environment"]["Variables"].items()}
    assert settings.from_environment(variables)


def test_a_function_of_the_users_takes_the_place_of_a_bundled_one(stack):
    orders(stack, handlers={"shipping": OWN}).add_alarms(Alerts())
    assert properties_at(stack, "Orders/Shipping")["Handler"] == "index.handler"
    assert "ShippingUnexpectedErrors" not in alarms(stack)
    assert "StockUnexpectedErrors" in alarms(stack)


def test_what_is_brought_is_used_and_nothing_defined_in_its_place(stack):
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    table, stock_table = (dynamodb.TableV2(stack, name, partition_key=key) for name in ("Own", "OwnStock"))
    topic, secret = sns.Topic(stack, "OwnTopic"), secretsmanager.Secret(stack, "OwnSecret")
    workflow = orders(stack, table=table, stock_table=stock_table, topic=topic, payment_secret=secret)
    assert (workflow.table, workflow.stock_table, workflow.topic, workflow.payment_secret) == (
        table,
        stock_table,
        topic,
        secret,
    )
    template = template_of(stack)
    kinds = ("AWS::DynamoDB::GlobalTable", "AWS::SNS::Topic", "AWS::SecretsManager::Secret")
    assert [len(resources(template, kind)) for kind in kinds] == [2, 1, 1]


def test_two_workflows_of_an_app_charge_under_different_names(stack):
    OrderWorkflow(stack, "One")
    OrderWorkflow(stack, "Two")
    names = {properties_at(stack, f"{each}/Payment")["Environment"]["Variables"]["WORKFLOW"] for each in ("One", "Two")}
    assert len(names) == 2


def test_the_alarms_say_what_is_broken_and_not_what_is_declined(stack):
    orders(stack, starter="queue").add_alarms(Alerts())
    found = alarms(stack)
    critical = {name for name, alarm in found.items() if alarm["tier"] == "critical"}
    executions = {name: alarm["metric"] for name, alarm in found.items() if name.startswith("Executions")}
    assert executions == {
        "ExecutionsFailed": "ExecutionsFailed",
        "ExecutionsTimedOut": "ExecutionsTimedOut",
        "ExecutionsAborted": "ExecutionsAborted",
        "ExecutionsThrottled": "ExecutionThrottled",
    }
    assert {"ManualDeadLetters", *executions} <= critical
    assert found["ExecutionsFailed"]["watched"] == {"StateMachineArn": "Orders/StateMachine"}
    assert found["ManualDeadLetters"]["watched"] == {"QueueName": "Orders/ManualQueue"}
    assert not {"PaymentErrors", "StockErrors", "ShippingErrors", "ValidationErrors"} & {*found}


# Refusals.


def order(**changes):
    """The default schema with other properties; None takes one away."""
    properties = {name: field for name, field in {**ORDER["properties"], **changes}.items() if field is not None}
    return {**ORDER, "properties": properties, "required": [name for name in ORDER["required"] if name in properties]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "fast"}, "kind must be one of 'standard', 'express', got 'fast'"),
        ({"starter": "x"}, "starter must be 'queue', 'api' or 'event', or None if you start executions yourself, got 'x'"),
        (
            {"handlers": {"ship": OWN}},
            "a key of handlers must be one of 'validation', 'stock', 'payment', 'shipping', got 'ship'",
        ),
        ({"handlers": {"stock": "x"}}, "handlers['stock'] must be made by Handler.from_directory(...)"),
        (
            {"handlers": ["x"]},
            "handlers must be a dict such as {'shipping': Handler.from_directory(...)}, got ['x'] (list, not Mapping)",
        ),
        (
            {"broadcast_to": [1]},
            "broadcast_to must be a dict of topics and queues such as {'Billing': topic}, got [1] (list, not Mapping)",
        ),
        ({"broadcast_to": {1: 2}}, "a name in broadcast_to must be in PascalCase, and none of Topic, Bus and ForPeople, got 1"),
        ({"ships_to": "DE"}, "ships_to must be a list of texts, got 'DE'"),
        ({"ships_to": []}, "ships_to must name a country at least, got none: leave it out to ship everywhere"),
        ({"ships_to": ["DE", "Germany"]}, "ships_to must be countries of two letters, as ship_to.country has them, such as"),
        ({"ships_to": ["de"]}, "such as 'DE', got 'de': no order could name it"),
        ({"ships_to": ["DE,AT"], "schema": ORDER}, "ships_to must be countries without commas, got 'DE,AT'"),
        ({"ships_to": ["DE"], "handlers": {"shipping": OWN}}, "ships_to is for the bundled shipping, got ['DE']"),
        ({"queue": QueueOptions()}, "queue goes with starter='queue' or 'event', got"),
        ({"worker": WorkerOptions()}, "worker goes with starter='queue' or 'event', got"),
        ({"retry": 5}, "retry must be a Retry(...), got 5"),
        ({"compensation_retry": 5}, "compensation_retry must be a Retry(...), got 5"),
        ({"kind": "express", "timeout": Duration.hours(1)}, "timeout must be 1 to 300 s (express), got 3600 s"),
        ({"schema": order(amount=None)}, "schema must require 'amount' with type 'number'"),
        ({"schema": order(items={"type": "array"})}, "schema must bound 'items' by maxItems of 99 at most, got None"),
        ({"schema": order(items={"type": "array", "maxItems": 100})}, "'items' by maxItems of 99 at most, got 100"),
        ({"schema": order(items={"type": "string"})}, "schema must require 'items' with type 'array'"),
        ({"stock_table": "x"}, "stock_table must be TableOptions(...) or a DynamoDB table, got 'x'"),
        (
            {"stock_table": TableOptions(time_to_live_attribute="t")},
            "time_to_live_attribute of stock_table must be left out, as its rows have none, got 't'",
        ),
        (
            {"broadcast_to": {"topic": 5}},
            "a name in broadcast_to must be in PascalCase, and none of Topic, Bus and ForPeople, got 'topic'",
        ),
        ({"broadcast_to": {"Mail": 5}}, "broadcast_to['Mail'] must be an SNS topic or an SQS queue, got 5"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_words_of_the_caller(stack, options, message):
    with pytest.raises(PatternError, match=re.escape(message)):
        orders(stack, **options)


def test_a_fifo_queue_is_not_told(stack):
    queue = sqs.Queue(stack, "Fifo", fifo=True)
    with pytest.raises(PatternError, match=r"broadcast_to\['Mail'\] must be a standard topic or queue"):
        orders(stack, broadcast_to={"Mail": queue})


def test_a_fifo_topic_is_not_published_to(stack):
    with pytest.raises(PatternError, match="topic must be a standard topic"):
        orders(stack, topic=sns.Topic(stack, "Fifo", fifo=True))


def test_orders_and_stock_in_one_table_are_refused(stack):
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    table = dynamodb.TableV2(stack, "Own", partition_key=key)
    with pytest.raises(PatternError, match="stock_table must be another table than table, got one for both: an order whose id"):
        orders(stack, table=table, stock_table=table)


def test_what_the_users_functions_do_not_need_is_not_asked_of_the_schema(stack):
    orders(stack, schema=order(amount=None, items=None), handlers={"stock": OWN, "payment": OWN})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": Duration.seconds(0)}, "interval must be 1 to 3600 s, got 0 s"),
        ({"max_attempts": -1}, "max_attempts must be 0 to 100, got -1"),
        ({"max_attempts": 101}, "max_attempts must be 0 to 100, got 101"),
        ({"backoff_rate": 0.5}, "backoff_rate must be 1 to 10, got 0.5"),
        ({"interval": Duration.minutes(1)}, "max_delay must be longer than the interval of 60 s, got 60 s"),
    ],
)
def test_a_retry_that_step_functions_would_refuse_is_refused(options, message):
    with pytest.raises(PatternError, match=re.escape(message)):
        Retry(**options)


def test_an_interval_that_is_known_only_when_deploying_passes(stack):
    seconds = CfnParameter(stack, "Seconds", type="Number").value_as_number
    assert Retry(interval=Duration.seconds(seconds)).first.is_unresolved()
