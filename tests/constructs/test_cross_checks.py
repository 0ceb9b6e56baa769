"""What cannot work together is refused before any deploy: each check has a case that fails, and one that is just right.

What is said then is what docs/checks.md says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from aws_cdk import CfnParameter, Duration, Environment, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns import (
    ApiCrud,
    Handler,
    Notification,
    PatternError,
    QueueOptions,
    S3Processing,
    SnsFanout,
    SqsPipeline,
    WorkerOptions,
)
from serverless_patterns._blocks.concurrency import CONTEXT, check_concurrency
from serverless_patterns._blocks.edge import INTEGRATION_LIMIT
from serverless_patterns._blocks.managed_key import check_no_managed_key
from serverless_patterns._blocks.object_flow import Place, check_flow
from serverless_patterns._blocks.stream import check_record_age
from serverless_patterns.sqs_pipeline import INGEST_TIMEOUT, LEAST_WORKER_TIMEOUT
from sqs_pipeline.charges import RESERVED_SECONDS
from sqs_pipeline.logic import LEAST_SECONDS
from sqs_pipeline.transport import Limits
from tests.support.synthesis import new_app

DOCS = Path(__file__).resolve().parents[2] / "docs" / "checks.md"
OWN = Handler(lambda_.Code.from_inline("def handler(event, context): ..."), "index.handler")
REGION = "eu-central-1"
ACCOUNT = "123456789012"
DAYS = [Duration.days(number) for number in range(15)]


@dataclass(frozen=True)
class Case:
    """A check: what it looks at, which is its row in the docs, what it refuses, and what is just right."""

    what: str
    fails: Callable[[Stack], object]
    passes: Callable[[Stack], object]


# --- resources of the user's


def queue(stack, construct_id="Mine", *, kept=14, retention=4, receives=8, fifo=None, kept_fifo=None, **options) -> sqs.Queue:
    """A queue with a dead-letter queue; each keeps messages for so many days."""
    failed = sqs.Queue(
        stack,
        f"{construct_id}Failed",
        fifo=kept_fifo if fifo is None else fifo,
        retention_period=DAYS[kept],
        encryption=options.pop("kept_encryption", None),
    )
    return sqs.Queue(
        stack,
        construct_id,
        fifo=fifo,
        dead_letter_queue=sqs.DeadLetterQueue(queue=failed, max_receive_count=receives),
        retention_period=DAYS[retention],
        **{"visibility_timeout": Duration.minutes(3), **options},
    )


def imported(stack, name, construct_id=None) -> sqs.IQueue:
    """A queue of which the ARN is known and nothing else."""
    return sqs.Queue.from_queue_arn(stack, construct_id or name.removesuffix(".fifo"), f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")


def function(stack, construct_id="Mine", reserved=None) -> lambda_.Function:
    """A function of the user's, beside those of a pattern."""
    check_concurrency(stack)
    return lambda_.Function(
        stack,
        construct_id,
        code=lambda_.Code.from_inline("def handler(event, context): ..."),
        handler="index.handler",
        runtime=lambda_.Runtime.PYTHON_3_13,
        reserved_concurrent_executions=reserved,
    )


def consumed(stack, reserved, *most, construct_id="Mine", **options) -> None:
    """A function with a reservation, and its queues with the most that each of them may invoke at once."""
    worker = function(stack, construct_id, reserved)
    for number, concurrency in enumerate(most):
        source = imported(stack, f"{construct_id}-{number}")
        worker.add_event_source_mapping(
            f"Source{number}", event_source_arn=source.queue_arn, max_concurrency=concurrency, **options
        )


def managed(stack, service) -> kms.IAlias:
    """The key that AWS manages for a service."""
    return kms.Alias.from_alias_name(stack, "Managed", f"alias/aws/{service}")


# --- patterns, as short as they can be


def orders(stack, **options) -> SqsPipeline:
    return SqsPipeline(stack, "Orders", **options)


def worked(stack, **worker) -> SqsPipeline:
    return orders(stack, worker=WorkerOptions(**worker))


def users(stack, kind, seconds) -> ApiCrud:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    return ApiCrud(stack, "Users", resource="users", schema=schema, api_kind=kind, timeout=Duration.seconds(seconds))


def filtered(stack, policy, **options) -> None:
    SnsFanout(stack, "Events").add_subscriber("One", handler=OWN, filter_policy=policy, **options)


def fifo_events(stack) -> SnsFanout:
    return SnsFanout(stack, "Events", fifo=True)


def flow(stack, path, reads, *writes) -> None:
    """A pattern that reads objects and writes others: each ``(bucket, prefix)``; a bucket of a name is one bucket."""
    scope = Construct(stack, path)
    places = [
        Place(s3.Bucket.from_bucket_name(scope, f"Bucket{number}", name), prefix)
        for number, (name, prefix) in enumerate((reads, *writes))
    ]
    check_flow(scope, reads=places[0], writes=places[1:])


def files(stack, output) -> S3Processing:
    """Files that are read from a bucket which is imported, and results that go to one of this name."""
    names = {"bucket": "files", "output_bucket": output}
    return S3Processing(
        stack, "Files", **{name: s3.Bucket.from_bucket_name(stack, name, bucket) for name, bucket in names.items()}
    )


def age(source, hours) -> None:
    check_record_age("maximum_record_age", Duration.hours(hours), source)


def stream(stack) -> kinesis.Stream:
    return kinesis.Stream(stack, "Stream", retention_period=Duration.hours(48))


def table(stack) -> dynamodb.TableV2:
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    return dynamodb.TableV2(stack, "Table", partition_key=key, dynamo_stream=dynamodb.StreamViewType.NEW_IMAGE)


CASES = [
    # Queues
    Case(
        "visibility timeout",
        lambda stack: orders(stack, queue=QueueOptions(visibility_timeout=Duration.seconds(179))),
        lambda stack: orders(stack, queue=QueueOptions(visibility_timeout=Duration.seconds(180))),
    ),
    Case(
        "visibility timeout of a queue of yours",
        lambda stack: orders(stack, queue=queue(stack, visibility_timeout=Duration.seconds(179))),
        lambda stack: orders(stack, queue=queue(stack, visibility_timeout=Duration.seconds(180))),
    ),
    Case(
        "retention",
        lambda stack: orders(stack, queue=QueueOptions(retention=DAYS[14])),
        lambda stack: orders(stack, queue=QueueOptions(retention=DAYS[13])),
    ),
    Case(
        "retention of queues of yours",
        lambda stack: orders(stack, queue=queue(stack, kept=4, retention=4)),
        lambda stack: orders(stack, queue=queue(stack, kept=5, retention=4)),
    ),
    Case(
        "tries and the redrive of a queue of yours",
        lambda stack: orders(stack, queue=queue(stack, receives=4)),
        lambda stack: orders(stack, queue=queue(stack, receives=5)),
    ),
    Case(
        "tries and the redrive of a FIFO queue of yours",
        lambda stack: orders(stack, queue=queue(stack, fifo=True, receives=999)),
        lambda stack: orders(stack, queue=queue(stack, fifo=True, receives=1000)),
    ),
    Case(
        "no dead-letter queue",
        lambda stack: orders(stack, queue=sqs.Queue(stack, "Mine", visibility_timeout=Duration.minutes(3))),
        lambda stack: orders(stack, queue=queue(stack)),
    ),
    Case(
        "dead-letter queue that is the queue itself",
        lambda stack: orders(stack, queue=imported(stack, "mine"), dead_letter_queue=imported(stack, "mine", "Again")),
        lambda stack: orders(stack, queue=imported(stack, "mine"), dead_letter_queue=imported(stack, "kept")),
    ),
    Case(
        "two dead-letter queues of one queue",
        lambda stack: orders(stack, queue=queue(stack), dead_letter_queue=imported(stack, "kept")),
        lambda stack: orders(stack, queue=(mine := queue(stack)), dead_letter_queue=mine.dead_letter_queue.queue),
    ),
    Case(
        "FIFO queue with a standard dead-letter queue",
        lambda stack: orders(stack, queue=imported(stack, "mine.fifo"), dead_letter_queue=imported(stack, "kept")),
        lambda stack: orders(stack, queue=imported(stack, "mine.fifo"), dead_letter_queue=imported(stack, "kept.fifo")),
    ),
    Case(
        "standard queue with a FIFO dead-letter queue",
        lambda stack: orders(stack, queue=queue(stack, kept_fifo=True)),
        lambda stack: orders(stack, queue=queue(stack)),
    ),
    Case(
        "queue with a key that AWS manages",
        lambda stack: orders(stack, queue=queue(stack, encryption=sqs.QueueEncryption.KMS_MANAGED)),
        lambda stack: orders(stack, queue=queue(stack, encryption=sqs.QueueEncryption.SQS_MANAGED)),
    ),
    Case(
        "dead-letter queue with a key that AWS manages",
        lambda stack: orders(stack, queue=queue(stack, kept_encryption=sqs.QueueEncryption.KMS_MANAGED)),
        lambda stack: orders(stack, queue=queue(stack, kept_encryption=sqs.QueueEncryption.KMS)),
    ),
    Case(
        "key that AWS manages",
        lambda stack: SnsFanout(stack, "Events", encryption_key=managed(stack, "sqs")),
        lambda stack: SnsFanout(stack, "Events", encryption_key=kms.Alias.from_alias_name(stack, "Key", "alias/events")),
    ),
    # Functions
    Case(
        "large batch without a window",
        lambda stack: worked(stack, batch_size=11),
        lambda stack: worked(stack, batch_size=11, batch_window=Duration.seconds(1)),
    ),
    Case(
        "concurrency below the least",
        lambda stack: worked(stack, max_concurrency=1),
        lambda stack: worked(stack, max_concurrency=2),
    ),
    Case(
        "concurrency above the most",
        lambda stack: worked(stack, max_concurrency=1001),
        lambda stack: worked(stack, max_concurrency=1000),
    ),
    Case(
        "concurrency above what is reserved",
        lambda stack: consumed(stack, 9, 5, 5),
        lambda stack: consumed(stack, 10, 5, 5),
    ),
    Case(
        "concurrency with provisioned pollers",
        lambda stack: consumed(
            stack, None, 5, provisioned_poller_config=lambda_.ProvisionedPollerConfig(minimum_pollers=2, maximum_pollers=4)
        ),
        lambda stack: consumed(
            stack, None, None, provisioned_poller_config=lambda_.ProvisionedPollerConfig(minimum_pollers=2, maximum_pollers=4)
        ),
    ),
    Case(
        "what is reserved of an account",
        lambda stack: [function(stack, "One", 500), function(stack, "Two", 401)],
        lambda stack: [function(stack, "One", 500), function(stack, "Two", 400)],
    ),
    Case(
        "time for a call of the payment API",
        lambda stack: worked(stack, timeout=Duration.seconds(19)),
        lambda stack: worked(stack, timeout=Duration.seconds(20)),
    ),
    Case(
        "timeout behind an HTTP API",
        lambda stack: users(stack, "http", 30),
        lambda stack: users(stack, "http", 29),
    ),
    Case(
        "timeout behind a REST API",
        lambda stack: users(stack, "rest", 29),
        lambda stack: users(stack, "rest", 28),
    ),
    # Topics
    Case(
        "filter without values",
        lambda stack: filtered(stack, {"event_type": []}),
        lambda stack: filtered(stack, {"event_type": ["orders.paid"]}),
    ),
    Case(
        "filter with an empty range",
        lambda stack: filtered(stack, {"amount": [{"numeric": [">", 10, "<", 10]}]}),
        lambda stack: filtered(stack, {"amount": [{"numeric": [">=", 10, "<=", 10]}]}),
    ),
    Case(
        "filter beyond the numbers of SNS",
        lambda stack: filtered(stack, {"amount": [{"numeric": [">", 1_000_000_000]}]}),
        lambda stack: filtered(stack, {"amount": [{"numeric": [">=", 1_000_000_000]}]}),
    ),
    Case(
        "filter that leaves everything out",
        lambda stack: filtered(stack, {"event_type": [{"anything-but": {"wildcard": "*"}}]}),
        lambda stack: filtered(stack, {"event_type": [{"anything-but": {"wildcard": "*.failed"}}]}),
    ),
    Case(
        "filter for an attribute that cannot be",
        lambda stack: filtered(stack, {"event type": ["orders.paid"]}),
        lambda stack: filtered(stack, {"event type": ["orders.paid"]}, filter_on="body"),
    ),
    Case(
        "filter for parts of an attribute",
        lambda stack: filtered(stack, {"data": {"currency": ["EUR"]}}),
        lambda stack: filtered(stack, {"data": {"currency": ["EUR"]}}, filter_on="body"),
    ),
    Case(
        "FIFO topic that invokes a function",
        lambda stack: fifo_events(stack).add_subscriber("One", handler=OWN, direct=True),
        lambda stack: fifo_events(stack).add_subscriber("One", handler=OWN),
    ),
    Case(
        "FIFO topic for an e-mail address",
        lambda stack: fifo_events(stack).add_email("One", address="one@example.com"),
        lambda stack: SnsFanout(stack, "Events").add_email("One", address="one@example.com"),
    ),
    Case(
        "FIFO topic of yours for people",
        lambda stack: Notification(topic=sns.Topic(stack, "Mine", fifo=True)),
        lambda stack: Notification(topic=sns.Topic(stack, "Mine")),
    ),
    Case(
        "topic with a key that AWS manages",
        lambda stack: SnsFanout(stack, "Events", topic=sns.Topic(stack, "Mine", master_key=managed(stack, "sns"))),
        lambda stack: SnsFanout(stack, "Events", topic=sns.Topic(stack, "Mine", master_key=kms.Key(stack, "Key"))),
    ),
    # Buckets and streams
    Case(
        "results in the bucket that is worked",
        lambda stack: files(stack, "files"),
        lambda stack: files(stack, "results"),
    ),
    Case(
        "results below the prefix that is worked",
        lambda stack: flow(stack, "A", ("files", "in/"), ("files", "in/results/")),
        lambda stack: flow(stack, "A", ("files", "in/"), ("files", "in-results/")),
    ),
    Case(
        "results that two patterns send each other",
        lambda stack: [flow(stack, "A", ("files", "in/"), ("rows", "a/")), flow(stack, "B", ("rows", ""), ("files", "in/b/"))],
        lambda stack: [flow(stack, "A", ("files", "in/"), ("rows", "a/")), flow(stack, "B", ("rows", ""), ("files", "out/"))],
    ),
    Case(
        "age of a record of a table",
        lambda stack: age(table(stack), 24),
        lambda stack: age(table(stack), 23),
    ),
    Case(
        "age of a record of a Kinesis stream",
        lambda stack: age(stream(stack), 48),
        lambda stack: age(stream(stack), 47),
    ),
]


def refusal(define: Callable[[Stack], object], **environment: str) -> str | None:
    """What is said while the stack is defined, or when its app is synthesised; nothing if it is fine."""
    app = new_app()
    stack = Stack(app, "Test", env=Environment(**environment))
    try:
        define(stack)
    except PatternError as error:
        return str(error)
    return synthesis_refusal(app)


def synthesis_refusal(app) -> str | None:
    """What is said when an app is synthesised."""
    try:
        app.synth()
    except RuntimeError as error:
        _, _, said = str(error).partition("[ServerlessPatternsChecks] ")
        return said.strip() or str(error)
    return None


def rows() -> dict[str, str]:
    """The checks of the docs: what each looks at, and its words."""
    cells = [line.strip("| ").split(" | ") for line in DOCS.read_text(encoding="utf-8").splitlines() if " | " in line]
    return {what: words.strip("`") for what, words, *_ in cells if words.startswith("`")}


WORDS = rows()
IDS = [case.what for case in CASES]


def test_the_docs_have_a_row_for_each_check():
    assert sorted(WORDS) == sorted(IDS)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_what_cannot_work_together_is_refused_in_the_words_of_the_docs(case):
    assert refusal(case.fails) == WORDS[case.what]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_what_is_just_right_passes(case):
    assert refusal(case.passes) is None


# --- what is not known passes


def token(stack) -> float:
    """A number that is known when the stack is deployed."""
    return CfnParameter(stack, "Number", type="Number").value_as_number


@pytest.mark.parametrize(
    "define",
    [
        lambda stack: orders(stack, queue=imported(stack, "mine"), dead_letter_queue=queue(stack, kept=1)),
        lambda stack: orders(stack, queue=queue(stack, visibility_timeout=Duration.seconds(token(stack)))),
        lambda stack: orders(stack, queue=queue(stack, fifo=True, receives=1000, kept=4, retention=4)),
        lambda stack: orders(stack, queue=queue(stack, receives=token(stack))),
        lambda stack: function(stack, reserved=token(stack)),
        lambda stack: consumed(stack, token(stack), 10),
        lambda stack: consumed(stack, 9, token(stack)),
        lambda stack: filtered(stack, {"amount": [{"numeric": [">", token(stack)]}]}),
        lambda stack: filtered(stack, {"event type": [{"exists": False}]}),
        lambda stack: check_record_age("age", Duration.seconds(token(stack)), table(stack)),
        lambda stack: age(kinesis.Stream(stack, "Stream", retention_period=Duration.hours(token(stack))), 167),
        lambda stack: age(kinesis.Stream.from_stream_arn(stack, "S", f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s"), 167),
        lambda stack: flow(stack, "A", ("files", stack.account), ("files", "")),
        lambda stack: SnsFanout(stack, "A", topic=sns.Topic.from_topic_arn(stack, "T", f"arn:aws:sns:{REGION}:{ACCOUNT}:t")),
    ],
)
def test_what_is_not_known_or_does_not_matter_passes(define):
    assert refusal(define) is None


def test_a_kinesis_stream_for_which_nothing_was_set_keeps_records_for_a_day():
    assert refusal(lambda stack: age(kinesis.Stream(stack, "Stream"), 24)).endswith("choose Duration.hours(6)")
    assert refusal(lambda stack: age(kinesis.Stream(stack, "Stream"), 23)) is None


def test_a_queue_of_this_app_that_sqs_moves_nothing_from_is_refused_even_with_a_dead_letter_queue_beside_it():
    def define(stack):
        mine = sqs.Queue(stack, "Mine", visibility_timeout=Duration.minutes(3))
        orders(stack, queue=mine, dead_letter_queue=imported(stack, "kept"))

    assert refusal(define) == WORDS["no dead-letter queue"]


def test_a_queue_whose_redrive_is_set_below_cdks_own_queue_is_used_with_the_dead_letter_queue_that_is_named():
    def define(stack):
        mine = sqs.Queue(stack, "Mine", visibility_timeout=Duration.minutes(3))
        kept = sqs.Queue(stack, "Kept", retention_period=DAYS[14])
        mine.node.default_child.redrive_policy = {"deadLetterTargetArn": kept.queue_arn, "maxReceiveCount": 8}
        orders(stack, queue=mine, dead_letter_queue=kept)

    assert refusal(define) is None


# --- keys that AWS manages


@pytest.mark.parametrize(
    "bring",
    [
        lambda stack: sqs.Queue(stack, "Q", encryption=sqs.QueueEncryption.KMS_MANAGED),
        lambda stack: sqs.Queue(stack, "Q", encryption_master_key=managed(stack, "sqs")),
        lambda stack: sqs.Queue.from_queue_attributes(
            stack,
            "Q",
            queue_arn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:q",
            key_arn=f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/sqs",
        ),
        lambda stack: sns.Topic(stack, "T", master_key=managed(stack, "sns")),
        lambda stack: sns.Topic.from_topic_attributes(
            stack,
            "T",
            topic_arn=f"arn:aws:sns:{REGION}:{ACCOUNT}:t",
            key_arn=f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/sns",
        ),
        lambda stack: managed(stack, "sns"),
    ],
)
def test_a_key_that_aws_manages_is_found_however_it_comes(stack, bring):
    with pytest.raises(PatternError, match=r"^it must not use alias/aws/s[qn]s, a key that AWS manages"):
        check_no_managed_key("it", bring(stack))


@pytest.mark.parametrize("name", ["queue", "topic", "dead_letter_queue"])
def test_what_is_brought_under_any_name_is_looked_at(name):
    def define(stack):
        brought = {"queue": imported(stack, "mine"), "dead_letter_queue": imported(stack, "kept")}
        make = {"topic": lambda: sns.Topic(stack, "T", master_key=managed(stack, "sns"))}.get(
            name, lambda: sqs.Queue(stack, "Q", encryption=sqs.QueueEncryption.KMS_MANAGED)
        )
        orders(stack, **{**brought, name: make()})

    assert refusal(define).startswith(f"{name} must not use alias/aws/")


def test_a_table_may_have_a_key_that_aws_manages(stack):
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    encrypted = dynamodb.TableV2(stack, "T", partition_key=key, encryption=dynamodb.TableEncryptionV2.aws_managed_key())
    check_no_managed_key("table", encrypted)


# --- concurrency


def test_a_pattern_is_enough_for_the_whole_app_to_be_checked():
    def define(stack):
        users(stack, "http", 10).function.node.default_child.reserved_concurrent_executions = 901

    assert "must be at most 900 in all in Test, got 901 (Test/Users/Function 901)" in refusal(define)


def test_the_worker_of_a_pattern_may_not_reserve_less_than_its_queue_may_use():
    def define(stack):
        orders(stack).worker_function.node.default_child.reserved_concurrent_executions = 9

    assert "got 10 for all queues of Test/Orders/Worker, which has 9" in refusal(define)


def reserving(app, name, number, **environment) -> None:
    function(Stack(app, name, env=Environment(**environment)), reserved=number)


def test_stacks_of_one_account_and_region_reserve_together():
    app = new_app()
    for name in ("A", "B"):
        reserving(app, name, 500, account=ACCOUNT, region=REGION)
    assert f"in all in aws://{ACCOUNT}/{REGION}, got 1000 (A/Mine 500, B/Mine 500)" in synthesis_refusal(app)


@pytest.mark.parametrize(
    "environments", [[{}, {}], [{"account": ACCOUNT, "region": REGION}, {"account": ACCOUNT, "region": "us-east-1"}]]
)
def test_stacks_that_may_be_of_different_accounts_or_regions_reserve_apart(environments):
    app = new_app()
    for number, environment in enumerate(environments):
        reserving(app, f"S{number}", 500, **environment)
    assert synthesis_refusal(app) is None


@pytest.mark.parametrize(("granted", "fits"), [(1001, True), (1000, False), ("1001", True)])
def test_the_limit_of_an_account_may_be_said_in_the_context(granted, fits):
    app = new_app(**{CONTEXT: granted})
    reserving(app, "A", 901)
    assert (synthesis_refusal(app) is None) is fits


def test_only_the_queues_of_a_function_count_for_it():
    def define(stack):
        consumed(stack, 5, 5, construct_id="One")
        consumed(stack, 5, 5, construct_id="Two")
        consumed(stack, None, 1000, construct_id="Three")

    assert refusal(define) is None


def test_functions_of_one_name_in_two_stacks_are_two():
    app = new_app()
    consumed(Stack(app, "A"), 5, 5)
    consumed(Stack(app, "B"), None, 1000)
    assert synthesis_refusal(app) is None


def test_a_function_that_is_named_by_its_arn_is_found_too():
    def define(stack):
        arn = function(stack, reserved=4).function_arn
        lambda_.CfnEventSourceMapping(
            stack,
            "Source",
            function_name=arn,
            event_source_arn=imported(stack, "mine").queue_arn,
            scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(maximum_concurrency=5),
        )

    assert "got 5 for all queues of Test/Mine, which has 4" in refusal(define)


def test_all_that_is_wrong_is_said_at_once():
    said = refusal(lambda stack: consumed(stack, 901, 1000))
    assert "reserved concurrency must be" in said
    assert "max_concurrency must be" in said


# --- objects


@pytest.mark.parametrize(
    ("reads", "writes", "circle"),
    [
        ("in/", "in/", True),
        ("in/", "in/deeper/", True),
        ("in/deeper/", "in/", True),
        ("", "out/", True),
        ("in/", "", True),
        ("in/", "out/", False),
        ("in/a", "in/b", False),
    ],
)
def test_a_prefix_that_begins_with_another_one_overlaps_it(reads, writes, circle):
    said = refusal(lambda stack: flow(stack, "A", ("files", reads), ("elsewhere", reads), ("files", writes)))
    assert (said is not None) is circle


def test_a_way_through_three_patterns_is_found_and_named():
    def define(stack):
        flow(stack, "A", ("files-a", ""), ("files-b", ""))
        flow(stack, "X", ("files-b", ""), ("files-x", ""))
        flow(stack, "B", ("files-b", ""), ("files-c", ""))
        flow(stack, "C", ("files-c", ""), ("files-a", ""))

    assert "(Test/C -> Test/A -> Test/B -> Test/C)" in refusal(define)


def test_patterns_may_work_one_after_the_other_and_refused_ones_leave_no_trace():
    def define(stack):
        flow(stack, "A", ("files-a", ""), ("files-b", ""))
        flow(stack, "B", ("files-b", ""), ("files-c", ""), ("files-d", ""))
        with pytest.raises(PatternError):
            flow(stack, "C", ("files-c", ""), ("files-a", ""))
        flow(stack, "D", ("files-d", ""), ("files-e", ""))

    assert refusal(define) is None


def test_patterns_of_two_apps_know_nothing_of_each_other():
    assert refusal(lambda stack: flow(stack, "A", ("files-a", ""), ("files-b", ""))) is None
    assert refusal(lambda stack: flow(stack, "B", ("files-b", ""), ("files-a", ""))) is None


def test_a_bucket_of_this_app_is_told_from_another(stack):
    one, two = (s3.Bucket(stack, name) for name in ("One", "Two"))
    assert Place(one).overlaps(Place(one, "in/"))
    assert not Place(one).overlaps(Place(two))


# --- construct and handler agree on how long things take


def test_the_functions_of_a_pipeline_end_before_its_api_gives_up():
    assert min(INTEGRATION_LIMIT.values()) > INGEST_TIMEOUT


def test_one_call_of_the_payment_api_and_what_is_written_around_it_fit_into_the_least_timeout():
    limits = Limits()
    assert limits.connect + limits.read <= limits.attempt
    assert limits.attempt + RESERVED_SECONDS <= LEAST_SECONDS < LEAST_WORKER_TIMEOUT
