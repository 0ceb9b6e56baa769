"""Operations that need several actions, or whose action or resource depends on more than one parameter."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from serverless_patterns.testing.arn_rules import key_arn, need, table_arn
from serverless_patterns.testing.arns import Arns, texts_in
from serverless_patterns.testing.databases import database_id
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.s3_rules import S3_RULES


def _each_table(action: str) -> Callable[[Arns], Iterator[Need]]:
    """One operation on several tables."""
    return lambda arns: (need(arns, action, table_arn(arns, name)) for name in arns.parameters["RequestItems"])


#: Entry of a transaction -> action.
_IN_TRANSACTIONS = {
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Delete": "dynamodb:DeleteItem",
    "Get": "dynamodb:GetItem",
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
}


def _transaction(arns: Arns) -> Iterator[Need]:
    """Each entry needs its own action on its own table.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    """
    for item in arns.parameters["TransactItems"]:
        for kind, entry in item.items():
            yield need(arns, _IN_TRANSACTIONS[kind], table_arn(arns, entry["TableName"]))


_STATEMENT = re.compile(
    r"""\s*(?:(?P<verb>INSERT|UPDATE|DELETE|SELECT)\b)(?:.*?\b(?:INTO|FROM)\b)?\s*"?(?P<table>[\w.:/-]+)"?(?:\."(?P<index>[\w.-]+)")?""",
    re.IGNORECASE | re.DOTALL,
)


def _statements(arns: Arns) -> Iterator[Need]:
    """Each PartiQL statement needs the action of its verb on its table or index.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html
    """
    given = arns.parameters
    entries = [given] if "Statement" in given else [*given.get("Statements", []), *given.get("TransactStatements", [])]
    for text in (entry["Statement"] for entry in entries):
        found = _STATEMENT.match(text)
        if found is None:
            raise arns.unknown(action="dynamodb:PartiQL...", remedy=f"{text!r} is no SELECT, INSERT, UPDATE or DELETE")
        index = f"/index/{found['index']}" if found["index"] else ""
        yield need(arns, f"dynamodb:PartiQL{found['verb'].capitalize()}", table_arn(arns, found["table"]) + index)


def _events(arns: Arns) -> Iterator[Need]:
    """Each entry on its bus.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-identity-based.html
    """
    for entry in arns.parameters["Entries"]:
        bus = arns.named("events", "event-bus/", entry.get("EventBusName") or "default")
        keys = {"Source": "events:source", "DetailType": "events:detail-type"}
        yield need(arns, "events:PutEvents", bus, **{key: str(entry[name]) for name, key in keys.items() if name in entry})


def _mail(arns: Arns) -> Iterator[Need]:
    """The identity that sends, those of the recipients, and the configuration set and the template that are used.

    SES asks for the recipients' too while an account is in its sandbox, which no template says: those count that are named in
    it. The address of the sender is a part of each of these requests.
    https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html
    """
    given = arns.parameters
    sender = str(given.get("FromEmailAddress") or given.get("Source") or "")
    address = re.sub(r"^.*<([^<>]+)>\s*$", r"\1", sender)
    action = f"ses:{arns.call.operation}"
    identity = arns.given("FromEmailAddressIdentityArn", "SourceArn") or _identity(arns, address)
    used = [identity, *_recipient_identities(arns)]
    if given.get("ConfigurationSetName"):
        used.append(arns.at("ses", f"configuration-set/{given['ConfigurationSetName']}"))
    template = given.get("Content", {}).get("Template", {}).get("TemplateName") or given.get("Template")
    if isinstance(template, str):
        used.append(arns.at("ses", f"template/{template}"))
    for resource in dict.fromkeys(used):
        yield need(arns, action, resource, **({"ses:FromAddress": address} if address else {}))


def _recipient_identities(arns: Arns) -> Iterator[str]:
    """The identities by which recipients are verified: of an address its own, its domain, or one above that."""
    named = _named_in(arns)
    for address in (address for kind in arns.parameters.get("Destination", {}).values() for address in kind):
        labels = address.rpartition("@")[2].split(".")
        names = (address, *(".".join(labels[first:]) for first in range(len(labels))))
        found = (arn for arn in (arns.at("ses", f"identity/{name}") for name in names) if arn in named)
        yield from list(found)[:1]


def _identity(arns: Arns, address: str) -> str:
    """The identity of an address: its own or its domain's, whichever the stack knows; else its own.

    SES takes the address's own where both are verified, and which are, an account knows and no template: an identity counts as
    verified that the template defines or names anywhere, such as in a policy.
    """
    if not address:
        raise arns.unknown(action="ses:SendEmail", remedy="pass FromEmailAddress")
    own, domain = (arns.at("ses", f"identity/{name}") for name in (address, address.rpartition("@")[2]))
    named = _named_in(arns)
    return domain if domain in named and own not in named else own


def _named_in(arns: Arns) -> set[str]:
    """All that the template defines or names anywhere."""
    found: set[str] = set()
    for resource in arns.template.resources.values():
        found |= texts_in([resource.arn, resource.properties])
    return found


def _statement_in_database(arns: Arns) -> Iterator[Need]:
    """The Data API reads the secret with the caller's permissions.

    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.access.html
    """
    yield need(arns, f"rds-data:{arns.call.operation}", arns.parameters["resourceArn"])
    yield need(arns, "secretsmanager:GetSecretValue", arns.parameters["secretArn"])


def _schedule(arns: Arns) -> Iterator[Need]:
    """A schedule, and handing its role to EventBridge Scheduler.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/security_iam_id-based-policies.html
    """
    yield need(arns, f"scheduler:{arns.call.operation}")
    role = str(arns.parameters["Target"]["RoleArn"])
    yield need(arns, "iam:PassRole", role, **{"iam:PassedToService": "scheduler.amazonaws.com"})


def _metrics(arns: Arns) -> Iterator[Need]:
    """Metrics have no ARN; a namespace is a condition.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html
    """
    yield need(arns, "cloudwatch:PutMetricData", "*", **{"cloudwatch:namespace": str(arns.parameters["Namespace"])})


def _parameters(arns: Arns) -> Iterator[Need]:
    """Each parameter by itself."""
    for name in arns.parameters["Names"]:
        resource = arns.named("ssm", "parameter/", name.removeprefix("/"))
        yield need(arns, f"ssm:{arns.call.operation}", resource)


def _re_encryption(arns: Arns) -> Iterator[Need]:
    """Both keys.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html
    """
    for action, name in (("kms:ReEncryptFrom", "SourceKeyId"), ("kms:ReEncryptTo", "DestinationKeyId")):
        if name not in arns.parameters:
            raise arns.unknown(action, f"pass {name}")
        yield need(arns, action, key_arn(arns, action, arns.parameters[name]))


def _database_user(arns: Arns) -> Iterator[Need]:
    """A token signs a user in to the database of a host: of the template, or one that the caller gives.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.IAMPolicy.html
    """
    host = str(arns.parameters["DBHostname"])
    found = database_id(arns.template, host) or arns.template.imports.get(host)
    if found is None:
        remedy = (
            f"give it, as ResolvedTemplate.of(..., imports={{{host!r}: 'cluster-...'}}), with what AWS calls its resource id"
        )
        raise arns.unknown(action="rds-db:connect", remedy=f"{host} is no database of the template: {remedy}")
    yield need(arns, "rds-db:connect", arns.at("rds-db", f"dbuser:{found}/{arns.parameters['DBUsername']}"))


def _distributed_database(arns: Arns) -> Iterator[Need]:
    """The host of a cluster of Aurora DSQL begins with its id.

    https://docs.aws.amazon.com/aurora-dsql/latest/userguide/authentication-authorization.html
    """
    cluster = str(arns.parameters["Hostname"]).partition(".")[0]
    yield need(arns, f"dsql:{arns.call.operation}", arns.at("dsql", f"cluster/{cluster}"))


_DATA_API = ("BatchExecuteStatement", "BeginTransaction", "CommitTransaction", "ExecuteStatement", "RollbackTransaction")
#: Service, operation -> what it needs.
RULES: Mapping[tuple[str, str], Callable[[Arns], Iterable[Need]]] = {
    ("cloudwatch", "PutMetricData"): _metrics,
    ("dynamodb", "BatchExecuteStatement"): _statements,
    ("dynamodb", "BatchGetItem"): _each_table("dynamodb:BatchGetItem"),
    ("dynamodb", "BatchWriteItem"): _each_table("dynamodb:BatchWriteItem"),
    ("dynamodb", "ExecuteStatement"): _statements,
    ("dynamodb", "ExecuteTransaction"): _statements,
    ("dynamodb", "TransactGetItems"): _transaction,
    ("dynamodb", "TransactWriteItems"): _transaction,
    ("events", "PutEvents"): _events,
    ("dsql", "DbConnect"): _distributed_database,
    ("dsql", "DbConnectAdmin"): _distributed_database,
    ("kms", "ReEncrypt"): _re_encryption,
    ("rds", "GenerateDbAuthToken"): _database_user,
    **{("rds-data", operation): _statement_in_database for operation in _DATA_API},
    **{("s3", operation): rule for operation, rule in S3_RULES.items()},
    ("scheduler", "CreateSchedule"): _schedule,
    ("scheduler", "UpdateSchedule"): _schedule,
    ("ses", "SendEmail"): _mail,
    ("ses", "SendRawEmail"): _mail,
    ("ses", "SendTemplatedEmail"): _mail,
    ("sesv2", "SendEmail"): _mail,
    ("ssm", "DeleteParameters"): _parameters,
    ("ssm", "GetParameters"): _parameters,
}
