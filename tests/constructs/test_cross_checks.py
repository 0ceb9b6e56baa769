"""What cannot work together is refused before any deploy: each check has a case that fails, and one that is just right.

What is said then is what docs/checks.md says. What is only advised against is a warning, which can be acknowledged.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from aws_cdk import Annotations, Aws, CfnParameter, Duration, Environment, Stack
from aws_cdk import assertions as cdk_assertions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from serverless_patterns import (
    Alerts,
    ApiCrud,
    Handler,
    Notification,
    Operations,
    PatternError,
    QueueOptions,
    ReportQuery,
    S3Processing,
    ScheduledReport,
    SnsFanout,
    SqsPipeline,
    StreamProcessing,
    WorkerOptions,
)
from serverless_patterns._blocks.concurrency import CONTEXT
from serverless_patterns._blocks.edge import INTEGRATION_LIMIT
from serverless_patterns._blocks.function import HandlerFunction
from serverless_patterns._blocks.managed_key import check_no_managed_key
from serverless_patterns._blocks.object_flow import Place, check_flow
from serverless_patterns._blocks.stream import check_record_age
from serverless_patterns.sqs_pipeline import INGEST_TIMEOUT, LEAST_WORKER_TIMEOUT
from shared.transport import Limits
from sqs_pipeline.charges import RESERVED_SECONDS
from sqs_pipeline.logic import LEAST_SECONDS
from tests.support.synthesis import new_app, statements, template_of

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
    allows = options.pop("allows", None)
    failed = sqs.Queue(
        stack,
        f"{construct_id}Failed",
        redrive_allow_policy=allows and sqs.RedriveAllowPolicy(redrive_permission=sqs.RedrivePermission[allows]),
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
    """A function as patterns define theirs."""
    return HandlerFunction(
        stack,
        construct_id,
        handler=OWN,
        description="Works",
        timeout=Duration.seconds(10),
        environment={},
        operations=Operations(),
        reserved_concurrency=reserved,
    )


def users_function(stack, construct_id="Mine", reserved=None) -> lambda_.Function:
    """A function of the user's, beside one of a pattern."""
    if stack.node.try_find_child("Ours") is None:
        function(stack, "Ours")
    return lambda_.Function(
        stack,
        construct_id,
        code=lambda_.Code.from_inline("def handler(event, context): ..."),
        handler="index.handler",
        runtime=lambda_.Runtime.PYTHON_3_13,
        reserved_concurrent_executions=reserved,
    )


def consumed(stack, reserved, *most, construct_id="Mine", define=function, **options) -> None:
    """A function with a reservation, and its queues with the most that each of them may invoke at once."""
    worker = define(stack, construct_id, reserved)
    for number, concurrency in enumerate(most):
        source = imported(stack, f"{stack.node.id}-{construct_id}-{number}")
        worker.add_event_source_mapping(
            f"Source{number}", event_source_arn=source.queue_arn, max_concurrency=concurrency, **options
        )


def managed(stack, service) -> kms.IAlias:
    """The key that AWS manages for a service."""
    return kms.Alias.from_alias_name(stack, "Managed", f"alias/aws/{service}")


def polled(stack, mine, *, enabled=True) -> None:
    """A function of the user's that consumes a queue."""
    users_function(stack, "Yours").add_event_source_mapping("Source", event_source_arn=mine.queue_arn, enabled=enabled)


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


def files(stack, prefix) -> S3Processing:
    """Files below a prefix of a bucket that is imported, and results that go to the same one."""
    buckets = {name: s3.Bucket.from_bucket_name(stack, name, "files") for name in ("bucket", "output_bucket")}
    return S3Processing(stack, "Files", prefix=prefix, **buckets)


def age(source, hours) -> None:
    check_record_age("max_record_age", Duration.hours(hours), source)


def stream(stack) -> kinesis.Stream:
    return kinesis.Stream(stack, "Stream", retention_period=Duration.hours(48))


def table(stack) -> dynamodb.TableV2:
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    return dynamodb.TableV2(stack, "Table", partition_key=key, dynamo_stream=dynamodb.StreamViewType.NEW_IMAGE)


def read(stack, *names) -> None:
    """Patterns that read the stream of one table."""
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    images = dynamodb.StreamViewType.NEW_AND_OLD_IMAGES
    source = dynamodb.TableV2(stack, "Table", partition_key=key, dynamo_stream=images)
    for name in names:
        StreamProcessing(stack, name, source=source)


def views(stack, *names, **options) -> None:
    """Patterns that each make a view of the table before, in the next one."""
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    images = dynamodb.StreamViewType.NEW_AND_OLD_IMAGES
    known = {name: dynamodb.TableV2(stack, name, partition_key=key, dynamo_stream=images) for name in dict.fromkeys(names)}
    for number, (source, view) in enumerate(itertools.pairwise(names), start=1):
        StreamProcessing(stack, f"View{number}", source=known[source], view_table=known[view], **options)


def bus_of(stack, region) -> events.IEventBus:
    return events.EventBus.from_event_bus_arn(stack, "Bus", f"arn:aws:events:{region}:{ACCOUNT}:event-bus/shop")


def table_in(stack, region=REGION, account=ACCOUNT) -> dynamodb.ITable:
    return dynamodb.Table.from_table_arn(stack, "Imported", f"arn:aws:dynamodb:{region}:{account}:table/rows")


def queue_in(stack, region) -> dict[str, sqs.IQueue]:
    """A queue and its dead-letter queue in a region, as a pattern takes them."""
    names = {"queue": "mine", "dead_letter_queue": "kept"}
    return {key: sqs.Queue.from_queue_arn(stack, key, f"arn:aws:sqs:{region}:{ACCOUNT}:{name}") for key, name in names.items()}


def in_region(stack) -> Stack:
    """A stack beside this one, whose region is known."""
    return Stack(stack.node.scope, "Here", env=Environment(account=ACCOUNT, region=REGION))


CASES = [
    # Queues
    Case(
        "visibility timeout",
        lambda stack: orders(stack, queue=QueueOptions(visibility_timeout=Duration.seconds(179))),
        lambda stack: orders(stack, queue=QueueOptions(visibility_timeout=Duration.seconds(180))),
    ),
    Case(
        "visibility timeout of a queue of yours",
        lambda stack: orders(stack, queue=queue(stack, visibility_timeout=Duration.seconds(29))),
        lambda stack: orders(stack, queue=queue(stack, visibility_timeout=Duration.seconds(30))),
    ),
    Case(
        "retention",
        lambda stack: orders(stack, queue=QueueOptions(retention=DAYS[14])),
        lambda stack: orders(stack, queue=QueueOptions(retention=DAYS[13])),
    ),
    Case(
        "retention of queues of yours",
        lambda stack: orders(stack, queue=queue(stack, kept=3, retention=4)),
        lambda stack: orders(stack, queue=queue(stack, kept=4, retention=4)),
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
        "dead-letter queue that lets no queue use it",
        lambda stack: orders(stack, queue=queue(stack, allows="DENY_ALL")),
        lambda stack: orders(stack, queue=queue(stack, allows="ALLOW_ALL")),
    ),
    Case(
        "queue of two patterns",
        lambda stack: [orders(stack, queue=(mine := queue(stack))), SqsPipeline(stack, "More", queue=mine)],
        lambda stack: [orders(stack, queue=queue(stack)), SqsPipeline(stack, "More", queue=queue(stack, "Other"))],
    ),
    Case(
        "queue of a pattern and of a function of yours",
        lambda stack: [orders(stack, queue=(mine := queue(stack))), polled(stack, mine)],
        lambda stack: [orders(stack, queue=(mine := queue(stack))), polled(stack, mine, enabled=False)],
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
        "topic of alarms with a key that AWS manages",
        lambda stack: Alerts(critical=sns.Topic(stack, "Mine", master_key=managed(stack, "sns"))),
        lambda stack: Alerts(critical=sns.Topic(stack, "Mine", master_key=kms.Key(stack, "Key"))),
    ),
    Case(
        "topic and bus together",
        lambda stack: S3Processing(stack, "Files", bus=bus_of(stack, REGION), topic=sns.Topic(stack, "Mine")),
        lambda stack: S3Processing(stack, "Files", bus=bus_of(stack, REGION)),
    ),
    Case(
        "bus of another region",
        lambda stack: S3Processing(in_region(stack), "Files", bus=bus_of(stack, "us-east-1")),
        lambda stack: S3Processing(in_region(stack), "Files", bus=bus_of(stack, REGION)),
    ),
    # Places
    Case(
        "queue of another region",
        lambda stack: orders(in_region(stack), **queue_in(stack, "us-east-1")),
        lambda stack: orders(in_region(stack), **queue_in(stack, REGION)),
    ),
    Case(
        "topic of another region",
        lambda stack: S3Processing(
            in_region(stack), "Files", topic=sns.Topic.from_topic_arn(stack, "T", f"arn:aws:sns:us-east-1:{ACCOUNT}:t")
        ),
        lambda stack: SnsFanout(
            in_region(stack), "Events", topic=sns.Topic.from_topic_arn(stack, "T", f"arn:aws:sns:us-east-1:{ACCOUNT}:t")
        ),
    ),
    Case(
        "table of another region",
        lambda stack: orders(in_region(stack), table=table_in(stack, region="us-east-1")),
        lambda stack: orders(in_region(stack), table=table_in(stack)),
    ),
    Case(
        "table of another account",
        lambda stack: orders(in_region(stack), table=table_in(stack, account="210987654321")),
        lambda stack: orders(in_region(stack), table=table_in(stack)),
    ),
    # Buckets and streams
    Case(
        "results in the bucket that is worked",
        lambda stack: files(stack, ""),
        lambda stack: files(stack, "incoming/"),
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
        "views that two patterns send each other",
        lambda stack: views(stack, "A", "B", "A"),
        lambda stack: views(stack, "A", "B", "C"),
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
    Case(
        "audit that forgets what can come again",
        lambda stack: StreamProcessing(stack, "Changes", audit_retention=Duration.days(183)),
        lambda stack: StreamProcessing(stack, "Changes", audit_retention=Duration.days(184)),
    ),
]

#: What AWS recommends, and works without for some: ``fails`` is warned of, ``passes`` is not.
ADVICE = [
    Case(
        "short visibility timeout of a queue of yours",
        lambda stack: orders(stack, queue=queue(stack, visibility_timeout=Duration.seconds(179))),
        lambda stack: orders(stack, queue=queue(stack, visibility_timeout=Duration.seconds(180))),
    ),
    Case(
        "equal retention of queues of yours",
        lambda stack: orders(stack, queue=queue(stack, kept=4, retention=4)),
        lambda stack: orders(stack, queue=queue(stack, kept=5, retention=4)),
    ),
    Case(
        "third reader of the stream of a table",
        lambda stack: read(stack, "One", "Two", "Three"),
        lambda stack: read(stack, "One", "Two"),
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


def warnings(define: Callable[[Stack], object], **context: object) -> list[str]:
    """What is warned of when the stack is defined and its app synthesised, which nothing of it stops."""
    app = new_app(**context)
    stack = Stack(app, "Test")
    define(stack)
    assert synthesis_refusal(app) is None
    return sorted(warnings_of(stack))


def warnings_of(stack) -> list[str]:
    """The warnings of this library, without their ids, which are for those who acknowledge them."""
    found = cdk_assertions.Annotations.from_stack(stack).find_warning("*", cdk_assertions.Match.any_value())
    texts = [str(each.entry.data).rpartition(" [ack: ") for each in found]
    return [text for text, _, name in texts if name.startswith("serverless-patterns:")]


def rows() -> dict[str, str]:
    """The checks of the docs: what each looks at, and its words."""
    cells = [line.strip("| ").split(" | ") for line in DOCS.read_text(encoding="utf-8").splitlines() if " | " in line]
    return {what: words.strip("`") for what, words, *_ in cells if words.startswith("`")}


WORDS = rows()
IDS = [case.what for case in CASES]
ADVICE_IDS = [case.what for case in ADVICE]


def test_the_docs_have_a_row_for_each_check():
    assert sorted(WORDS) == sorted([*IDS, *ADVICE_IDS])


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_what_cannot_work_together_is_refused_in_the_words_of_the_docs(case):
    assert refusal(case.fails) == WORDS[case.what]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_what_is_just_right_passes(case):
    assert refusal(case.passes) is None


@pytest.mark.parametrize("case", ADVICE, ids=ADVICE_IDS)
def test_what_is_advised_against_is_warned_of_in_the_words_of_the_docs(case):
    assert warnings(case.fails) == [WORDS[case.what]]


@pytest.mark.parametrize("case", ADVICE, ids=ADVICE_IDS)
def test_what_is_as_advised_is_not_warned_of(case):
    assert warnings(case.passes) == []


@pytest.mark.parametrize("days", [4, 14])
def test_a_queue_and_its_dead_letter_queue_may_both_be_as_sqs_has_them(days):
    """CDK's own queues hide messages for 30 s and keep them for 4 days, dead or not."""
    found = warnings(lambda stack: orders(stack, queue=queue(stack, kept=days, retention=days, visibility_timeout=None)))
    assert [text.split(" ")[0] for text in found] == ["retention_period", "visibility_timeout"]


def test_the_time_of_a_worker_and_its_window_must_be_over_before_a_message_is_seen_again():
    worker = WorkerOptions(timeout=Duration.seconds(40), batch_window=Duration.seconds(20))
    for seconds, refused in ((59, True), (60, False)):
        mine = {"visibility_timeout": Duration.seconds(seconds)}
        said = refusal(lambda stack, mine=mine: orders(stack, worker=worker, queue=queue(stack, **mine)))
        assert (said is not None and "must be at least 60 s" in said) is refused


@pytest.mark.parametrize(
    ("name", "options"),
    [("visibility-timeout", {"visibility_timeout": Duration.seconds(60)}), ("dead-letter-retention", {"kept": 4})],
)
def test_what_is_advised_against_may_be_acknowledged(name, options):
    def define(stack):
        found = orders(stack, queue=queue(stack, **options))
        Annotations.of(found).acknowledge_warning(f"serverless-patterns:{name}", "as it has been for years")

    assert warnings(define) == []


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
        lambda stack: views(stack, "A", "B", "A", handler=OWN),
        lambda stack: views(stack, "A", "B", "A", filters=[lambda_.FilterCriteria.filter({"eventName": ["INSERT"]})]),
        lambda stack: SnsFanout(stack, "A", topic=sns.Topic.from_topic_arn(stack, "T", f"arn:aws:sns:{REGION}:{ACCOUNT}:t")),
        lambda stack: orders(stack, **queue_in(stack, REGION)),
        lambda stack: orders(in_region(stack), **queue_in(stack, Aws.REGION)),
        lambda stack: orders(in_region(stack), table=table_in(stack, Aws.REGION)),
        lambda stack: orders(in_region(stack), table=dynamodb.Table.from_table_name(stack, "Imported", "rows")),
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


def managed_queue(stack, how) -> sqs.IQueue:
    """A queue with AWS's managed key, however that is said."""
    if how == "by its kind":
        return sqs.Queue(stack, "Q", encryption=sqs.QueueEncryption.KMS_MANAGED)
    if how == "by its alias":
        return sqs.Queue(stack, "Q", encryption_master_key=managed(stack, "sqs"))
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/sqs"
    return sqs.Queue.from_queue_attributes(stack, "Q", queue_arn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", key_arn=key)


def managed_topic(stack) -> sns.Topic:
    return sns.Topic(stack, "T", master_key=managed(stack, "sns"))


def piped(stack, given, **options) -> None:
    """A pipeline of a queue and a dead-letter queue of another app, unless another one is given."""
    orders(stack, **{"queue": imported(stack, "mine"), "dead_letter_queue": imported(stack, "kept"), **given}, **options)


def reported(stack, **options) -> None:
    ScheduledReport(stack, "Daily", query=ReportQuery(sql="select id from rows", key_columns=["id"]), **options)


@pytest.mark.parametrize("how", ["by its kind", "by its alias", "imported"])
@pytest.mark.parametrize(
    "use",
    [
        lambda stack, mine: piped(stack, {"queue": mine}),
        lambda stack, mine: piped(stack, {"queue": mine}, ingest="direct"),
        lambda stack, mine: piped(stack, {"dead_letter_queue": mine}),
        lambda stack, mine: reported(stack, on_success=mine),
    ],
    ids=["queue", "queue of an API", "dead-letter queue", "results"],
)
def test_a_queue_that_only_roles_send_to_may_have_a_key_that_aws_manages_which_lets_them_without_a_grant(use, how):
    """The key's policy lets every principal of the account that SQS lets send; a grant could change nothing."""
    stack = Stack(new_app(), "Test")
    mine = managed_queue(stack, how)
    if how != "imported":
        mine.node.default_child.visibility_timeout = 180
        mine.node.default_child.redrive_policy = {"deadLetterTargetArn": "arn", "maxReceiveCount": 8}
    use(stack, mine)
    assert [each for each in statements(template_of(stack)) if "kms:" in str(each["Action"])] == []


@pytest.mark.parametrize(
    "use",
    [
        lambda stack, mine: piped(stack, {"topic": mine}),
        lambda stack, mine: SnsFanout(stack, "Events", topic=mine).add_subscriber("One", handler=OWN),
        lambda stack, mine: SnsFanout(stack, "Events").add_subscriber("Mail", handler=Notification(topic=mine)),
        lambda stack, mine: S3Processing(stack, "Files", topic=mine),
        lambda stack, mine: reported(stack, topic=mine),
    ],
    ids=["orders", "fan-out", "notification", "files", "report"],
)
def test_a_topic_that_only_roles_publish_to_may_have_a_key_that_aws_manages(use):
    stack = Stack(new_app(), "Test")
    use(stack, managed_topic(stack))
    assert [each for each in statements(template_of(stack)) if "kms:" in str(each["Action"])] == []


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


def test_what_is_wrong_with_functions_of_the_users_is_warned_of_in_the_same_words():
    """They may be right as they are: the account was granted more, or another deploy comes first."""
    throttled = warnings(lambda stack: consumed(stack, 9, 5, 5, define=users_function))
    assert throttled == [WORDS["concurrency above what is reserved"]]
    reserved = warnings(lambda stack: [users_function(stack, "One", 500), users_function(stack, "Two", 401)])
    assert reserved == [WORDS["what is reserved of an account"]]


@pytest.mark.parametrize(
    ("ours", "theirs", "warned", "refused"), [(1, 899, False, False), (1, 900, True, False), (901, 1, False, True)]
)
def test_what_functions_of_the_users_reserve_stops_no_synthesis(ours, theirs, warned, refused):
    def define(stack):
        function(stack, "Ours", ours)
        users_function(stack, "Theirs", theirs)

    assert (refusal(define) is not None) is refused
    if not refused:
        total = f"got {ours + theirs} (Test/Ours {ours}, Test/Theirs {theirs})"
        assert [total in text for text in warnings(define)] == ([True] if warned else [])


def test_in_a_small_account_only_what_a_pattern_reserves_is_refused():
    (warning,) = warnings(lambda stack: users_function(stack, "Theirs", 5), **{CONTEXT: 10})
    assert warning.startswith("nothing may be reserved in Test, got 5 (Test/Theirs)")


@pytest.mark.parametrize("define", [function, users_function])
def test_a_function_that_is_stopped_with_a_reservation_of_none_may_have_queues(define):
    """That is how AWS stops a function at once: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html."""
    assert warnings(lambda stack: consumed(stack, 0, 5, 5, define=define)) == []


def test_a_mapping_that_is_disabled_invokes_nothing():
    def define(stack, enabled):
        consumed(stack, 5, 5)
        consumed(stack, 5, 5, construct_id="Two", enabled=enabled)
        worker = stack.node.find_child("Mine")
        source = imported(stack, "another").queue_arn
        worker.add_event_source_mapping("Another", event_source_arn=source, max_concurrency=5, enabled=enabled)

    assert refusal(lambda stack: define(stack, enabled=False)) is None
    assert "got 10 for all queues of Test/Mine, which has 5" in refusal(lambda stack: define(stack, enabled=True))


@pytest.mark.parametrize("where", [lambda stack: stack.node.find_child("Mine"), lambda stack: stack])
@pytest.mark.parametrize(("reserved", "name"), [(9, "max-concurrency"), (1000, "reserved-concurrency")])
def test_what_is_warned_of_may_be_acknowledged_at_the_function_and_above_it(where, reserved, name):
    def define(stack):
        consumed(stack, reserved, 10, define=users_function)
        Annotations.of(where(stack)).acknowledge_warning(f"serverless-patterns:{name}", "we know")

    assert warnings(define) == []


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
