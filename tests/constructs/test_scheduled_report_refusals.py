"""What a report does not take, and in which words it says so: before anything is defined."""

import pytest
from aws_cdk import Aws, CfnParameter, Duration, Stack
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

from serverless_patterns import (
    DEV,
    BucketOptions,
    Chart,
    PatternError,
    ReportDatabase,
    ReportFormat,
    ReportMail,
    ReportQuery,
    TableOptions,
)
from serverless_patterns._blocks.concurrency import CONTEXT
from tests.support.report_sources import secret_in, vpc_in
from tests.support.reports import OWN, QUERY, items, report
from tests.support.synthesis import new_app

NAME = "report_name must be 1 to 64 letters, digits, - or _, got "
PREFIX = "prefix must be folders of letters, digits or !_.'()=- that each end with /, none . or .., got "
LINKS = "link_lifetime must be 60 to 43200 s (its signer's credentials live no longer), got "


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"report_name": ""}, f"{NAME}''"),
        ({"report_name": "daily sales"}, f"{NAME}'daily sales'"),
        ({"report_name": "r" * 65}, f"{NAME}'{'r' * 65}'"),
        ({"report_name": "daily\n"}, f"{NAME}'daily\\n'"),
        ({"report_name": 7}, "report_name must be a text such as 'daily-sales', got 7 (int, not str)"),
        ({"prefix": "reports"}, f"{PREFIX}'reports'"),
        ({"prefix": "/"}, f"{PREFIX}'/'"),
        ({"prefix": "a/../"}, f"{PREFIX}'a/../'"),
        ({"prefix": "a b/"}, f"{PREFIX}'a b/'"),
        ({"prefix": "sales*/"}, f"{PREFIX}'sales*/'"),
        ({"prefix": "a/" * 9}, f"{PREFIX}'{'a/' * 9}'"),
        ({"prefix": None}, "prefix must be a text such as 'reports/', got None (NoneType, not str)"),
        ({"link_lifetime": Duration.seconds(59)}, f"{LINKS}59 s"),
        ({"link_lifetime": Duration.seconds(43_201)}, f"{LINKS}43201 s"),
        ({"link_lifetime": Duration.millis(60_500)}, "link_lifetime must be whole seconds, got 60500 ms"),
        ({"timeout": Duration.seconds(59)}, "timeout must be 60 to 900 s, got 59 s"),
        ({"timeout": Duration.seconds(901)}, "timeout must be 60 to 900 s, got 901 s"),
        ({"timeout": Duration.seconds(901), "handler": OWN}, "timeout must be 1 to 900 s, got 901 s"),
        ({"one_at_a_time": 1}, "one_at_a_time must be True or False, got 1 (int, not bool)"),
        (
            {"query": None},
            "query must be given for a database: ReportQuery(sql='SELECT ...', key_columns=[...])",
        ),
        (
            {"query": QUERY, "handler": OWN},
            "query is packed with the bundled handler: with a handler of yours, leave it out",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_the_users_words_before_anything_is_defined(stack, options, message):
    with pytest.raises(PatternError) as raised:
        report(stack, **options)
    assert str(raised.value) == message
    assert stack.node.children == []


def test_a_construct_id_that_is_no_name_of_a_report_is_refused(stack):
    with pytest.raises(PatternError) as raised:
        report(stack, "Daily Sales")
    assert str(raised.value) == f"{NAME}'Daily Sales'"
    assert report(stack, "Daily Sales", report_name="daily-sales").node.id == "Daily Sales"


def test_a_query_given_with_a_table_is_refused(stack):
    with pytest.raises(PatternError) as raised:
        report(stack, source=items(stack), query=QUERY)
    assert str(raised.value) == "query asks a database: a ReportSource has none, leave it out"
    assert stack.node.try_find_child("Report") is None


def test_a_fifo_topic_is_refused(stack):
    with pytest.raises(PatternError) as raised:
        report(stack, topic=sns.Topic(stack, "Fifo", fifo=True))
    assert str(raised.value) == "topic must be a standard topic: people subscribe to it, by mail or otherwise"


def test_a_fifo_queue_is_refused_for_results(stack):
    with pytest.raises(PatternError) as raised:
        report(stack, on_success=sqs.Queue(stack, "Fifo", fifo=True))
    assert str(raised.value) == "on_success must be a standard queue: Lambda sends to no FIFO queue"


def test_a_timeout_must_be_known(stack):
    seconds = CfnParameter(stack, "Seconds", type="Number").value_as_number
    with pytest.raises(PatternError) as raised:
        report(stack, timeout=Duration.seconds(seconds))
    assert str(raised.value) == "timeout must be known while defining: other limits depend on it"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "aurora"}, "source must be made by ReportDatabase.aurora(), .postgres(...) or ReportSource.dynamodb(...)"),
        ({"query": "SELECT 1"}, "query must be a ReportQuery(sql='SELECT ...', key_columns=[...]), got 'SELECT 1'"),
        ({"schedule": "rate(1 day)"}, "schedule must be a ReportSchedule(...), got 'rate(1 day)' (str, not ReportSchedule)"),
        ({"format": {"max_rows": 5}}, "format must be a ReportFormat(...), got {'max_rows': 5} (dict, not ReportFormat)"),
        ({"bucket": "files"}, "bucket must be BucketOptions(...) or an S3 bucket, got 'files'"),
        ({"bucket": TableOptions()}, "bucket must be BucketOptions(...) or an S3 bucket, got TableOptions("),
        ({"topic": "arn:aws:sns:x"}, "topic must be an SNS topic, got 'arn:aws:sns:x'"),
        ({"mail": "a@b.example"}, "mail must be a ReportMail(sender=..., recipients=[...]), got 'a@b.example'"),
        ({"link_lifetime": 60}, "link_lifetime must be a duration such as Duration.hours(1), got 60 (int, not Duration)"),
        ({"on_success": "results"}, "on_success must be an SQS queue, got 'results'"),
        ({"table": BucketOptions()}, "table must be TableOptions(...) or a DynamoDB table, got BucketOptions("),
        (
            {"handler": "app.handler"},
            "handler must be made by Handler.from_directory(...), or Handler(code, 'module.function')",
        ),
        ({"timeout": 300}, "timeout must be a duration such as Duration.seconds(10), got 300 (int, not Duration)"),
        ({"encryption_key": "alias/x"}, "encryption_key must be a KMS key, got 'alias/x'"),
        ({"operations": DEV}, "operations must be Operations(...), such as DEV.operations, got <Environment>"),
    ],
)
def test_a_value_of_another_type_is_refused_with_how_to_make_one(stack, options, message):
    with pytest.raises(PatternError) as raised:
        report(stack, **options)
    assert str(raised.value).startswith(message)
    assert stack.node.children == []


# --- how long the database may work on a page


def asking(seconds):
    return ReportQuery(sql="SELECT 1 AS id", key_columns=["id"], statement_timeout=Duration.seconds(seconds))


@pytest.mark.parametrize(
    ("seconds", "timeout", "limit"),
    [
        (46, 300, "45 s (the Data API ends statements then)"),
        (46, 66, "45 s (the Data API ends statements then)"),
        (45, 64, "44 s (timeout=64 s less 20 s for what comes after the last row)"),
        (41, 60, "40 s (timeout=60 s less 20 s for what comes after the last row)"),
    ],
)
def test_a_statement_of_the_data_api_ends_before_it_is_ended_and_before_the_run(stack, seconds, timeout, limit):
    with pytest.raises(PatternError) as raised:
        report(stack, query=asking(seconds), timeout=Duration.seconds(timeout))
    assert str(raised.value) == f"statement_timeout must be at most {limit}, got {seconds} s"
    assert stack.node.children == []


def test_a_statement_of_a_server_ends_before_the_run(stack):
    source = ReportDatabase.postgres(secret_in(stack), vpc=vpc_in(stack))
    with pytest.raises(PatternError) as raised:
        report(stack, source=source, query=asking(281))
    limit = "280 s (timeout=300 s less 20 s for what comes after the last row)"
    assert str(raised.value) == f"statement_timeout must be at most {limit}, got 281 s"
    assert report(stack, source=source, query=asking(280)).connections is not None


@pytest.mark.parametrize(("seconds", "timeout"), [(45, 300), (45, 65), (40, 60), (1, 60)])
def test_a_statement_that_just_fits_is_taken(stack, seconds, timeout):
    assert report(stack, query=asking(seconds), timeout=Duration.seconds(timeout)).function.timeout.to_seconds() == timeout


# --- the query


COLUMNS = "key_columns must have names of letters, digits and _, at most 63, that begin with no digit, got "
OTHER_NAMES = "parameters must have names of letters, digits and _ other than report_date, from, until, got "
PLAIN = "parameters must be texts, numbers, True, False or None, got "


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sql": ""}, "sql must be one SELECT (or WITH, VALUES, TABLE), got '': a report reads, and changes nothing"),
        (
            {"sql": "-- select\n/* with */ DELETE FROM o"},
            (
                "sql must be one SELECT (or WITH, VALUES, TABLE), got '-- select\\n/* with */ DELETE FROM o': a report "
                "reads, and changes nothing"
            ),
        ),
        ({"sql": None}, "sql must be a SELECT, got None (NoneType, not str)"),
        ({"sql": f"SELECT '{Aws.REGION}'"}, "sql must be known while defining: it is packed with the function"),
        ({"key_columns": "id"}, "key_columns must be a list of texts, got 'id'"),
        ({"key_columns": []}, "key_columns must have one column or more, each once, got []"),
        ({"key_columns": ["id", "id"]}, "key_columns must have one column or more, each once, got ['id', 'id']"),
        ({"key_columns": ["1st"]}, f"{COLUMNS}'1st'"),
        ({"key_columns": ["placed at"]}, f"{COLUMNS}'placed at'"),
        ({"key_columns": ["id\n"]}, f"{COLUMNS}'id\\n'"),
        ({"key_columns": ["c" * 64]}, f"{COLUMNS}'{'c' * 64}'"),
        ({"parameters": [("a", 1)]}, "parameters must be a dict, got [('a', 1)]"),
        ({"parameters": {"from": "x"}}, f"{OTHER_NAMES}'from'"),
        ({"parameters": {"until": "x"}}, f"{OTHER_NAMES}'until'"),
        ({"parameters": {"report_date": "x"}}, f"{OTHER_NAMES}'report_date'"),
        ({"parameters": {"a-b": 1}}, f"{OTHER_NAMES}'a-b'"),
        ({"parameters": {1: 1}}, f"{OTHER_NAMES}1"),
        ({"parameters": {"a": [1]}}, f"{PLAIN}a=[1]"),
        ({"parameters": {"a": float("nan")}}, f"{PLAIN}a=nan"),
        ({"parameters": {"a": float("inf")}}, f"{PLAIN}a=inf"),
        (
            {"parameters": {"a": Aws.REGION}},
            "parameters must be known while defining, since they are packed with the function: a is not",
        ),
        ({"page_rows": 0}, "page_rows must be 1 to 100000, got 0"),
        ({"page_rows": 100_001}, "page_rows must be 1 to 100000, got 100001"),
        ({"page_rows": 1.5}, "page_rows must be a whole number, got 1.5 (float, not int)"),
        ({"page_rows": True}, "page_rows must be a whole number, got True (bool, not int)"),
        ({"statement_timeout": Duration.millis(999)}, "statement_timeout must be whole seconds, got 999 ms"),
        ({"statement_timeout": Duration.seconds(0)}, "statement_timeout must be 1 to 900 s, got 0 s"),
        ({"statement_timeout": Duration.seconds(901)}, "statement_timeout must be 1 to 900 s, got 901 s"),
        (
            {"statement_timeout": 0},
            "statement_timeout must be a duration such as Duration.seconds(10), got 0 (int, not Duration)",
        ),
    ],
)
def test_a_query_that_does_not_fit_is_refused(options, message):
    with pytest.raises(PatternError) as raised:
        ReportQuery(**{"sql": "SELECT 1 AS id", "key_columns": ["id"], **options})
    assert str(raised.value) == message


def test_a_parameter_that_is_a_number_must_be_known_too(stack):
    number = CfnParameter(stack, "Number", type="Number").value_as_number
    with pytest.raises(PatternError, match="parameters must be known while defining"):
        ReportQuery(sql="SELECT 1 AS id", key_columns=["id"], parameters={"a": number})


# --- what the page shows


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_rows": 0}, "max_rows must be 1 to 100000000, got 0"),
        ({"max_rows": 100_000_001}, "max_rows must be 1 to 100000000, got 100000001"),
        ({"max_rows": "5"}, "max_rows must be a whole number, got '5' (str, not int)"),
        ({"html_rows": -1}, "html_rows must be 0 to 10000, got -1"),
        ({"html_rows": 10_001}, "html_rows must be 0 to 10000, got 10001"),
        ({"chart": ("a", "b")}, "chart must be a Chart(label=..., value=...), got ('a', 'b') (tuple, not Chart)"),
    ],
)
def test_a_format_that_does_not_fit_is_refused(options, message):
    with pytest.raises(PatternError) as raised:
        ReportFormat(**options)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "", "value": "b"}, "label must be the name of a column, got ''"),
        ({"label": "a", "value": " "}, "value must be the name of a column, got ' '"),
        ({"label": "a", "value": 3}, "value must be the name of a column, got 3"),
    ],
)
def test_a_chart_of_no_columns_is_refused(options, message):
    with pytest.raises(PatternError) as raised:
        Chart(**options)
    assert str(raised.value) == message


# --- mail


ADDRESS = "must be an address like reports@example.com, without a name or brackets, got "
RECIPIENTS = "recipient_identities must be recipients or their domains, got "
IDENTITY = "identity must be the sender or its domain, got "


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sender": "Reports <a@b.example>"}, f"sender {ADDRESS}'Reports <a@b.example>'"),
        ({"sender": "a@b.example\n"}, f"sender {ADDRESS}'a@b.example\\n'"),
        ({"sender": "example.com"}, f"sender {ADDRESS}'example.com'"),
        ({"sender": f"a@{'b' * 64}.example"}, f"sender {ADDRESS}'a@{'b' * 64}.example'"),
        ({"sender": 5}, "sender must be an address like reports@example.com, got 5 (int, not str)"),
        ({"recipients": ["a@b.example", "c"]}, f"recipients {ADDRESS}'c'"),
        ({"recipients": ["a,b@c.example"]}, f"recipients {ADDRESS}'a,b@c.example'"),
        ({"recipients": "a@b.example"}, "recipients must be a list of texts, got 'a@b.example'"),
        ({"recipients": []}, "recipients must be 1 to 50 addresses, got 0: use the topic for more"),
        ({"recipients": ["a@b.example"] * 51}, "recipients must be 1 to 50 addresses, got 51: use the topic for more"),
        ({"identity": "other.example"}, f"{IDENTITY}'other.example'"),
        ({"identity": "hop.example.com"}, f"{IDENTITY}'hop.example.com'"),
        ({"identity": "a@shop.example.com"}, f"{IDENTITY}'a@shop.example.com'"),
        ({"identity": ""}, f"{IDENTITY}''"),
        ({"recipient_identities": ["c.example"]}, f"{RECIPIENTS}'c.example'"),
        ({"recipient_identities": ["reports@shop.example.com"]}, f"{RECIPIENTS}'reports@shop.example.com'"),
        ({"recipient_identities": "b.example"}, "recipient_identities must be a list of texts, got 'b.example'"),
        ({"configuration_set": "a b"}, "configuration_set must be 1 to 64 letters, digits, - or _, got 'a b'"),
        ({"configuration_set": 5}, "configuration_set must be the name of a configuration set, got 5 (int, not str)"),
        ({"identity": 5}, f"{IDENTITY}5"),
    ],
)
def test_a_mail_that_does_not_fit_is_refused(options, message):
    with pytest.raises(PatternError) as raised:
        ReportMail(**{"sender": "reports@shop.example.com", "recipients": ["a@b.example"], **options})
    assert str(raised.value) == message


def test_an_address_must_be_known(stack):
    with pytest.raises(PatternError, match="sender must be an address like"):
        ReportMail(sender=CfnParameter(stack, "Sender").value_as_string, recipients=["a@b.example"])


def test_fifty_people_get_a_mail(stack):
    people = [f"person{number}@b.example" for number in range(50)]
    mail = ReportMail(sender="a@b.example", recipients=people)
    report(stack, mail=mail)
    assert mail.settings["MAIL_TO"].count(",") == 49


def test_more_addresses_than_environment_variables_have_room_for_are_refused(stack):
    people = [f"first.and.last.name{number:02}@department.of.a.company.with.a.long.name.example.com" for number in range(50)]
    with pytest.raises(PatternError) as raised:
        report(stack, mail=ReportMail(sender="a@b.example", recipients=people))
    said = str(raised.value)
    assert said.startswith("environment variables must be at most 4096 bytes in all, got ")
    assert said.endswith("shorten what goes into MAIL_TO, the largest with 3749 bytes")


# --- an account with a small quota


def test_an_account_that_can_reserve_nothing_is_told_so(stack):
    app = new_app(**{CONTEXT: 10})
    report(Stack(app, "Small"), "Report")
    with pytest.raises(RuntimeError) as raised:
        app.synth()
    said = str(raised.value)
    assert "nothing may be reserved in Small, got 1 (Small/Report/Function): Lambda keeps 100" in said
    assert "one_at_a_time=False" in said
    app = new_app(**{CONTEXT: 10})
    report(Stack(app, "Small"), "Report", one_at_a_time=False)
    app.synth()


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "-- all\n SELECT 1",
        "/* a */ /* b */ (select 1)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "values (1)",
        "table o",
    ],
)
def test_whatever_reads_is_a_query(sql):
    assert ReportQuery(sql=sql, key_columns=["id"]).sql == sql
