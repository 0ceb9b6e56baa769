"""Mistakes in settings: keys, secrets, logs, and what feeds functions."""

from functools import partial

from serverless_patterns import PROD
from tests.proofs.checks.encryption import beside_the_key
from tests.proofs.checks.feeds import given_up_at_once, switched_off, unheard_buckets
from tests.proofs.checks.functions import starved
from tests.proofs.checks.secrets import events_in_logs, levels_otherwise, readable_secrets
from tests.proofs.checks.stores import badly_set_stores
from tests.proofs.traps.plants import Plant, setting, without
from tests.proofs.traps.trap import Resources, Trap

API, PIPELINE, FILES, REPORT = "prod-api-crud", "prod-sqs-pipeline", "prod-s3-processing", "prod-scheduled-report"
EVENTS, ROUTES, WORKFLOW = "prod-sns-fanout", "prod-event-routing", "prod-order-workflow"
STREAM, KINESIS = "prod-stream-processing", "stream_processing_kinesis_key"
FUNCTION, MAPPING, SECRET = "AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping", "AWS::SecretsManager::Secret"
TABLE, BUCKET, RULE, SCHEDULE = (
    "AWS::DynamoDB::GlobalTable",
    "AWS::S3::Bucket",
    "AWS::Events::Rule",
    "AWS::Scheduler::Schedule",
)
VARIABLES = "Environment/Variables"
OF_S3 = {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
#: The checks of prod.
levels_otherwise_than_prod = partial(levels_otherwise, operations=PROD.operations)


def _beside_the_key(what: str, stack: str, plant: Plant) -> Trap:
    return Trap(f"{what} not under the key of the stack", stack, plant, beside_the_key)


def _no_key(resources: Resources) -> None:
    (key,) = [key for key, each in resources.items() if each["Type"] == "AWS::KMS::Key"]
    del resources[key]


UNDER_THE_KEY = [
    _beside_the_key("a table is", API, setting(TABLE, "Products", "SSESpecification", {"SSEEnabled": False})),
    _beside_the_key("a replica of a table is", API, without(TABLE, "Products", "Replicas/0/SSESpecification/KMSMasterKeyId")),
    _beside_the_key(
        "a queue is under the key of AWS and",
        ROUTES,
        setting("AWS::SQS::Queue", "PaymentsQueue", "KmsMasterKeyId", "alias/aws/sqs"),
    ),
    _beside_the_key("a topic is", EVENTS, without("AWS::SNS::Topic", "", "KmsMasterKeyId")),
    _beside_the_key("a bucket is", FILES, setting(BUCKET, "ImportsBucket", "BucketEncryption", OF_S3)),
    _beside_the_key("a log is", API, without("AWS::Logs::LogGroup", "Function", "KmsKeyId")),
    _beside_the_key("a bus is", ROUTES, without("AWS::Events::EventBus", "", "KmsKeyIdentifier")),
    _beside_the_key("an archive is", ROUTES, without("AWS::Events::Archive", "", "KmsKeyIdentifier")),
    _beside_the_key("a secret is", PIPELINE, without(SECRET, "", "KmsKeyId")),
    _beside_the_key("a database is", REPORT, without("AWS::RDS::DBCluster", "", "KmsKeyId")),
    _beside_the_key("a stream is", KINESIS, setting("AWS::Kinesis::Stream", "", "StreamEncryption/KeyId", "alias/aws/kinesis")),
    _beside_the_key(
        "a queue that must have no key has that of AWS and is",
        ROUTES,
        setting("AWS::SQS::Queue", "BusDeadLetterQueue", "KmsMasterKeyId", "alias/aws/sqs"),
    ),
    Trap("a stack of prod has no key", API, _no_key, beside_the_key),
]
STORES = [
    Trap(
        "whoever writes an object owns it",
        FILES,
        setting(BUCKET, "ImportsBucket", "OwnershipControls/Rules/0/ObjectOwnership", "ObjectWriter"),
        badly_set_stores,
    ),
    Trap(
        "a table forgets nothing",
        PIPELINE,
        without(TABLE, "IdempotencyTable", "TimeToLiveSpecification"),
        badly_set_stores,
    ),
    Trap(
        "a table is told not to forget",
        PIPELINE,
        setting(TABLE, "IdempotencyTable", "TimeToLiveSpecification/Enabled", value=False),
        badly_set_stores,
    ),
    Trap(
        "the stream of a table has keys only",
        STREAM,
        setting(TABLE, "SourceTable", "StreamSpecification/StreamViewType", "KEYS_ONLY"),
        badly_set_stores,
    ),
]
SECRETS = [
    Trap("a secret is in the template", PIPELINE, setting(SECRET, "", "SecretString", "hunter2"), readable_secrets),
    Trap(
        "a key of somebody's API is a variable",
        PIPELINE,
        setting(FUNCTION, "Worker", f"{VARIABLES}/PAYMENT_API_KEY", "0123456789"),
        readable_secrets,
    ),
    Trap(
        "a key of AWS is a variable, by another name",
        PIPELINE,
        setting(FUNCTION, "Worker", f"{VARIABLES}/UPLOADER", "AKIAIOSFODNN7EXAMPLE"),
        readable_secrets,
    ),
    Trap(
        "a function writes its events to the log",
        API,
        setting(FUNCTION, "", f"{VARIABLES}/POWERTOOLS_LOGGER_LOG_EVENT", "true"),
        events_in_logs,
    ),
    Trap(
        "a workflow writes the orders to the log",
        WORKFLOW,
        setting("AWS::StepFunctions::StateMachine", "", "LoggingConfiguration/IncludeExecutionData", value=True),
        events_in_logs,
    ),
    Trap(
        "a function of prod logs at DEBUG",
        API,
        setting(FUNCTION, "", f"{VARIABLES}/LOG_LEVEL", "DEBUG"),
        levels_otherwise_than_prod,
    ),
    Trap(
        "a function of prod logs at DEBUG, by the variable of Powertools",
        API,
        setting(FUNCTION, "", f"{VARIABLES}/POWERTOOLS_LOG_LEVEL", "DEBUG"),
        levels_otherwise_than_prod,
    ),
    Trap(
        "every invocation of prod is a sample",
        API,
        setting(FUNCTION, "", f"{VARIABLES}/DEBUG_SAMPLE_RATE", "1"),
        levels_otherwise_than_prod,
    ),
    Trap(
        "Lambda keeps errors from the log",
        API,
        setting(FUNCTION, "", "LoggingConfig/ApplicationLogLevel", "FATAL"),
        levels_otherwise_than_prod,
    ),
]
FEEDS = [
    Trap("nothing polls the queue", PIPELINE, setting(MAPPING, "", "Enabled", value=False), switched_off),
    Trap("the rule is off", FILES, setting(RULE, "", "State", "DISABLED"), switched_off),
    Trap("the schedule is off", REPORT, setting(SCHEDULE, "", "State", "DISABLED"), switched_off),
    Trap(
        "the bucket says nothing of uploads",
        FILES,
        without(BUCKET, "ImportsBucket", "NotificationConfiguration"),
        unheard_buckets,
    ),
    Trap(
        "the rule is about the uploads of every bucket",
        FILES,
        setting(RULE, "", "EventPattern", {"source": ["aws.s3"]}),
        unheard_buckets,
    ),
    Trap(
        "a schedule tries once",
        REPORT,
        setting(SCHEDULE, "", "Target/RetryPolicy/MaximumRetryAttempts", 0),
        given_up_at_once,
    ),
    Trap(
        "a report is tried once",
        REPORT,
        setting("AWS::Lambda::EventInvokeConfig", "", "MaximumRetryAttempts", 0),
        given_up_at_once,
    ),
    Trap("a record is tried once", STREAM, setting(MAPPING, "", "MaximumRetryAttempts", 0), given_up_at_once),
    Trap("a rule tries once", ROUTES, setting(RULE, "", "Targets/0/RetryPolicy/MaximumRetryAttempts", 0), given_up_at_once),
    Trap("a function may not run", API, setting(FUNCTION, "", "ReservedConcurrentExecutions", 0), starved),
    Trap(
        "a worker may run less often at once than its queue is polled",
        PIPELINE,
        setting(FUNCTION, "Worker", "ReservedConcurrentExecutions", 5),
        starved,
    ),
]
