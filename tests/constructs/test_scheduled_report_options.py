"""What a report is given - query, look, mail, a bucket, a table, a topic of the user's - and that the handler reads it so."""

import json
from pathlib import Path

import pytest
from aws_cdk import Aws, CfnParameter, Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns

from scheduled_report.query import Query
from serverless_patterns import (
    BucketOptions,
    Chart,
    PatternError,
    ReportDatabase,
    ReportFormat,
    ReportMail,
    ReportQuery,
    TableOptions,
)
from serverless_patterns.bundled import lambda_source
from shared.announcer import AnnouncerSettings
from tests.support.readable import properties_at, readable
from tests.support.report_sources import SECRET_ARN, secret_in, vpc_in
from tests.support.reports import (
    AURORA,
    FILES,
    QUERY,
    QUEUE_KEY,
    TABLE_KEY,
    WORK,
    function_permissions,
    handler_settings,
    items,
    own_table,
    report,
    variables,
)
from tests.support.synthesis import empty_stack, resources, statements, template_of

MAIL = ReportMail(sender="reports@shop.example.com", recipients=["a@shop.example.com", "b@shop.example.com"])


# --- environment variables, as the bundled handler reads them


def test_what_is_not_said_the_handler_knows_by_default(stack):
    report(stack)
    found = handler_settings(stack)
    assert (found.report_name, str(found.time_zone), found.prefix) == ("Report", "Etc/UTC", "reports/")
    assert (found.bucket_name, found.runs_table_name) == ("Report/Bucket", "Report/Runs")
    assert (found.most_rows, found.html_rows, found.chart) == (1_000_000, 1000, None)
    said = found.announcement
    assert (said.announcer, said.mail_from, said.mail_to) == (AnnouncerSettings(topic_arn="Report/Topic"), "", ())
    assert said.link_seconds == 3600
    database = found.database
    assert (found.source, database.cluster_arn, database.name) == ("data_api", next(iter(AURORA)), "reports")
    assert (database.secret_arn, database.key_columns) == ("Report/Database", ("country", "id"))
    assert (database.page_rows, database.statement_timeout_seconds, database.parameters_file) == (1000, 40, None)
    assert database.query_file == lambda_source() / "scheduled_report" / "query.sql"


def test_all_that_is_said_the_handler_knows(stack):
    query = ReportQuery(
        sql="SELECT 1 AS id",
        key_columns=["id"],
        parameters={"currency": "EUR"},
        page_rows=250,
        statement_timeout=Duration.minutes(2),
    )
    report(
        stack,
        "Report",
        query=query,
        source=ReportDatabase.postgres(secret_in(stack), vpc=vpc_in(stack)),
        report_name="daily_sales-1",
        prefix="sales/daily/",
        format=ReportFormat(max_rows=5000, html_rows=0, chart=Chart(label="Land, Stadt", value="total")),
        link_lifetime=Duration.hours(12),
        mail=MAIL,
    )
    found = handler_settings(stack)
    assert (found.report_name, found.prefix) == ("daily_sales-1", "sales/daily/")
    assert (found.most_rows, found.html_rows, found.chart) == (5000, 0, ("Land, Stadt", "total"))
    said = found.announcement
    assert (said.mail_from, said.mail_to, said.link_seconds) == (MAIL.sender, tuple(MAIL.recipients), 43_200)
    database = found.database
    assert (found.source, database.secret_arn, database.cluster_arn) == ("postgres", SECRET_ARN, "")
    assert (database.page_rows, database.statement_timeout_seconds) == (250, 120)
    assert database.parameters_file == lambda_source() / "scheduled_report" / "parameters.json"


def test_of_a_table_the_handler_knows_the_columns_and_no_query(stack):
    report(stack, source=items(stack))
    found = handler_settings(stack)
    assert (found.source, found.table_name, found.columns, found.database) == ("dynamodb", "Items", ("id", "amount"), None)
    assert not variables(stack).keys() & {"QUERY_FILE", "KEY_COLUMNS", "PARAMETERS_FILE", "DATABASE_SECRET_ARN"}


def test_a_schedule_says_which_report_it_makes(stack):
    report(stack, source=items(stack), report_name="daily-sales")
    assert properties_at(stack, "Report/Schedule")["Description"] == "When the report daily-sales is made"


# --- the query, as the bundled handler reads it


def read_back(tmp_path, query):
    for name, text in query.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    parameters = tmp_path / "parameters.json"
    return Query.load(tmp_path / "query.sql", parameters if parameters.is_file() else None)


def test_a_query_and_its_parameters_are_packed_as_the_handler_reads_them(tmp_path):
    given = {"currency": "EUR ä", "least": 10, "share": 0.25, "paid": True, "nobody": None}
    sql = "SELECT :currency, :least, :share, :paid, :nobody, :from"
    query = read_back(tmp_path, ReportQuery(sql=sql, key_columns=["id"], parameters=given))
    expected = {"currency": "EUR ä", "least": "10", "share": "0.25", "paid": "true", "nobody": None}
    assert dict(query.extra) == expected
    assert "CAST(:p_least AS bigint)" in query.text


def test_a_query_without_parameters_has_no_file_of_them():
    assert QUERY.files == {"query.sql": QUERY.sql}
    assert "PARAMETERS_FILE" not in QUERY.settings


def test_another_query_is_another_package(stack):
    for name, sql in (("One", "SELECT 1 AS id"), ("Other", "SELECT 2 AS id")):
        report(stack, name, query=ReportQuery(sql=sql, key_columns=["id"]))
    codes = {properties_at(stack, f"{name}/Function")["Code"]["S3Key"] for name in ("One", "Other")}
    assert len(codes) == 2


def test_a_query_is_read_from_a_file_with_all_its_options(tmp_path):
    file = tmp_path / "sales.sql"
    file.write_text("SELECT 'ä' AS id", encoding="utf-8")
    options = {"parameters": {"a": 1}, "page_rows": 10, "statement_timeout": Duration.seconds(5)}
    for path in (file, str(file)):
        query = ReportQuery.from_file(path, key_columns=["id"], **options)
        assert query == ReportQuery(sql="SELECT 'ä' AS id", key_columns=["id"], **options)
    assert ReportQuery.from_file(file, key_columns=["id"]) == ReportQuery(sql="SELECT 'ä' AS id", key_columns=["id"])


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    (tmp_path / "binary.sql").write_bytes(b"\xff\xfe")
    for name, reason in (("missing.sql", "No such file"), ("binary.sql", "can't decode")):
        with pytest.raises(PatternError) as raised:
            ReportQuery.from_file(Path(tmp_path) / name, key_columns=["id"])
        said = str(raised.value)
        assert said.startswith(f"path must be a file of SQL in UTF-8, got '{tmp_path / name}': ")
        assert reason in said


# --- mail


def statements_of_mail(stack):
    return [readable(stack, each) for each in statements(template_of(stack)) if "ses:SendEmail" in each["Action"]]


@pytest.mark.parametrize(
    ("identity", "named"),
    [
        (None, "shop.example.com"),
        ("shop.example.com", "shop.example.com"),
        ("example.com", "example.com"),
        ("reports@shop.example.com", "reports@shop.example.com"),
    ],
)
def test_the_function_may_send_mail_from_this_address_alone(stack, identity, named):
    report(stack, mail=ReportMail(sender=MAIL.sender, recipients=MAIL.recipients, identity=identity))
    assert statements_of_mail(stack) == [
        {
            "Action": "ses:SendEmail",
            "Condition": {"StringEquals": {"ses:FromAddress": "reports@shop.example.com"}},
            "Effect": "Allow",
            "Resource": f"arn:AWS::Partition:ses:AWS::Region:AWS::AccountId:identity/{named}",
        }
    ]


def test_the_function_may_use_what_else_of_ses_is_named(stack):
    mail = ReportMail(
        sender=MAIL.sender,
        recipients=[*MAIL.recipients, "c@d.example"],
        identity=MAIL.sender,
        configuration_set="reports",
        recipient_identities=["a@shop.example.com", "d.example", MAIL.sender.rpartition("@")[2]],
    )
    report(stack, mail=mail)
    (statement,) = statements_of_mail(stack)
    begin = "arn:AWS::Partition:ses:AWS::Region:AWS::AccountId:"
    assert set(statement["Resource"]) == {
        f"{begin}identity/reports@shop.example.com",
        f"{begin}identity/a@shop.example.com",
        f"{begin}identity/d.example",
        f"{begin}identity/shop.example.com",
        f"{begin}configuration-set/reports",
    }
    assert statement["Condition"] == {"StringEquals": {"ses:FromAddress": "reports@shop.example.com"}}
    assert handler_settings(stack).announcement.configuration_set == "reports"


def test_without_mail_nobody_gets_any(stack):
    report(stack)
    assert statements_of_mail(stack) == []
    assert not variables(stack).keys() & {"MAIL_FROM", "MAIL_TO"}


@pytest.mark.parametrize(("mail", "services"), [(None, {"SecretsManager", "Sns"}), (MAIL, {"SecretsManager", "Sns", "Ses"})])
def test_endpoints_are_those_of_what_the_function_calls(stack, mail, services):
    report(stack, mail=mail, source=ReportDatabase.postgres(secret_in(stack), vpc=vpc_in(stack), endpoints=True))
    found = {each.node.id for each in stack.node.find_child("Report").node.children if each.node.id.endswith("Endpoint")}
    assert found == {f"{name}Endpoint" for name in services | {"S3", "DynamoDb"}}


# --- what the user brings


def test_the_bucket_has_the_options_that_are_given(stack):
    report(stack, bucket=BucketOptions(versioned=False, expiration=Duration.days(400)))
    bucket = properties_at(stack, "Report/Bucket")
    assert "VersioningConfiguration" not in bucket
    assert bucket["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] == 400


def test_the_bucket_is_versioned_and_keeps_its_objects_unless_told(stack):
    report(stack)
    bucket = properties_at(stack, "Report/Bucket")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "ExpirationInDays" not in bucket["LifecycleConfiguration"]["Rules"][0]


def test_reports_may_go_to_a_bucket_of_ones_own_through_its_key(stack):
    mine = s3.Bucket(stack, "Mine", encryption_key=kms.Key(stack, "MineKey"))
    assert report(stack, bucket=mine, prefix="sales/").bucket is mine
    found = function_permissions(stack)
    assert (found["Mine/sales/*"], found["MineKey"]) == (FILES, QUEUE_KEY)
    assert variables(stack)["REPORT_BUCKET_NAME"] == "Mine"
    assert len(resources(template_of(stack), "AWS::S3::Bucket")) == 1


def test_a_topic_of_ones_own_is_told_through_its_key(stack):
    mine = sns.Topic(stack, "Mine", master_key=kms.Key(stack, "MineKey"))
    assert report(stack, topic=mine).topic is mine
    found = function_permissions(stack)
    assert (found["Mine"], found["MineKey"]) == (["sns:Publish"], QUEUE_KEY)
    assert variables(stack)["TOPIC_ARN"] == "Mine"
    assert len(resources(template_of(stack), "AWS::SNS::Topic")) == 1


def test_a_table_of_ones_own_keeps_the_runs_through_its_key():
    stack = empty_stack(region="eu-central-1")
    key = dynamodb.TableEncryptionV2.customer_managed_key(kms.Key(stack, "MineKey"))
    mine = own_table(stack, encryption=key)
    assert report(stack, table=mine).table is mine
    found = function_permissions(stack)
    assert (found["Mine"], found["MineKey"]) == (["dynamodb:UpdateItem"], TABLE_KEY)
    assert variables(stack)["RUNS_TABLE_NAME"] == "Mine"
    assert len(resources(template_of(stack), "AWS::DynamoDB::GlobalTable")) == 1


def test_what_is_imported_is_used_as_it_is(stack):
    arn = "arn:aws:{}:eu-central-1:123456789012:{}"
    table = dynamodb.Table.from_table_arn(stack, "T", arn.format("dynamodb", "table/runs"))
    topic = sns.Topic.from_topic_arn(stack, "A", arn.format("sns", "reports"))
    bucket = s3.Bucket.from_bucket_name(stack, "B", "files")
    report(stack, table=table, topic=topic, bucket=bucket, source=items(stack))
    expected = {name: actions for name, actions in WORK.items() if not name.endswith(("/*", "Runs", "Topic"))}
    assert function_permissions(stack) == {
        **expected,
        "Items": ["dynamodb:Scan"],
        "arn:AWS::Partition:s3:::files/reports/*": FILES,
        topic.topic_arn: ["sns:Publish"],
        table.table_arn: ["dynamodb:UpdateItem"],
    }


@pytest.mark.parametrize(
    ("key", "found"), [({"partition": "day"}, "day (S)"), ({"sort": "day"}, "id (S), day (S)")], ids=["partition", "sort"]
)
def test_a_table_of_ones_own_with_another_key_is_refused(stack, key, found):
    with pytest.raises(PatternError) as raised:
        report(stack, table=own_table(stack, **key))
    wanted = "table must have the partition key 'id' of type string and no sort key"
    assert str(raised.value) == f"{wanted}, got {found}"
    assert stack.node.try_find_child("Report") is None


def test_the_table_has_the_options_that_are_given(stack):
    report(stack, table=TableOptions(stream=dynamodb.StreamViewType.NEW_IMAGE))
    table = properties_at(stack, "Report/Runs")
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}


# --- tokens


def test_what_is_known_only_when_deployed_passes(stack):
    seconds = CfnParameter(stack, "Seconds", type="Number").value_as_number
    query = ReportQuery(sql="SELECT 1 AS id", key_columns=["id"], statement_timeout=Duration.seconds(seconds))
    report(stack, query=query, report_name=Aws.STACK_NAME, prefix=f"{Aws.REGION}/", link_lifetime=Duration.seconds(seconds))
    found = variables(stack)
    assert (found["REPORT_NAME"], found["REPORT_PREFIX"]) == ("AWS::StackName", "AWS::Region/")
    assert (found["LINK_SECONDS"], found["STATEMENT_TIMEOUT_SECONDS"]) == ("Seconds", "Seconds")
    assert function_permissions(stack)["Report/Bucket/AWS::Region/*"] == FILES
    assert "Token" not in json.dumps(template_of(stack))
