from datetime import UTC

import pytest

from scheduled_report.days import Day
from scheduled_report.deadline import Deadline
from shared.errors import HandlerError, InvalidError, UnavailableError
from tests.handlers.rds_data import RefusedError
from tests.handlers.report_client import NOW, PASSWORD

SMALL = "SELECT n AS id, 'x' AS text FROM generate_series(1, 3) AS n"


@pytest.fixture
def reports(data_api_reports):
    data_api_reports.query = SMALL
    return data_api_reports


def failure(reports, *failures, kind=HandlerError):
    reports.rds.failures = list(failures)
    with pytest.raises(kind) as caught:
        reports.run()
    return caught.value.detail


def test_a_report_is_one_transaction_on_the_cluster_that_is_rolled_back(reports):
    reports.run()
    assert [reports.rds.names[0], *set(reports.rds.names[1:-1]), reports.rds.names[-1]] == [
        "BeginTransaction",
        "ExecuteStatement",
        "RollbackTransaction",
    ]
    where = {"resourceArn": "arn:aws:rds:eu-central-1:123456789012:cluster:shop", "secretArn": reports.secret}
    assert all(body.items() >= where.items() for _, body in reports.rds.requests)
    assert len({body["transactionId"] for name, body in reports.rds.requests if name != "BeginTransaction"}) == 1
    assert reports.rds.open == {}


def test_a_failed_report_is_rolled_back_too(reports):
    reports.query = "SELECT 1 / 0 AS id"
    assert failure(reports) == "The database refused the query (SQLSTATE 22012)"
    assert reports.rds.open == {}


def test_the_function_itself_does_not_read_the_secret(reports):
    reports.run()
    assert reports.secrets.made == []


def test_a_transaction_is_read_only_and_sees_one_moment_before_anything_is_read(reports):
    reports.run()
    statements = [body["sql"] for _, body in reports.rds.requests if "sql" in body]
    assert statements[0] == "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    assert "statement_timeout" in statements[2]
    assert [body["parameters"] for _, body in reports.rds.requests if "statement_timeout" in body.get("sql", "")] == [
        [{"name": "milliseconds", "value": {"stringValue": "60000"}}]
    ]


def test_later_pages_get_no_more_time_than_is_left_by_then(reports):
    reports.variables["PAGE_ROWS"] = "1"
    with reports.source_of(reports.settings).open(Day(NOW.date(), UTC), Deadline(reports.context)) as table:
        next(table.rows)
        reports.context.milliseconds_left = 50_000
        next(table.rows)
    limits = [body["parameters"][0]["value"] for _, body in reports.rds.requests if "statement_timeout" in body.get("sql", "")]
    assert limits == [{"stringValue": "60000"}, {"stringValue": "30000"}]


def test_pages_that_are_too_large_are_halved_until_they_fit(reports):
    reports.query = "SELECT n AS id, repeat('x', 20000) AS text FROM generate_series(1, 120) AS n"  # 2.4 MB
    assert reports.run()["rows"] == 120
    sizes = [parameter["value"]["stringValue"] for body in reports.rds.pages for parameter in body["parameters"]]
    assert [size for size in sizes if size.isdecimal()][:6] == ["1001", "501", "251", "126", "63", "32"]
    assert [row[0] for row in reports.rows[1:]] == [str(n) for n in range(1, 121)]


def test_a_later_page_that_is_too_large_begins_the_report_again(reports):
    reports.query = (
        "SELECT n AS id, repeat('x', CASE WHEN n > 90 THEN 60000 ELSE 1 END) AS text FROM generate_series(1, 120) AS n"
    )
    reports.variables["PAGE_ROWS"] = "40"
    assert reports.run()["rows"] == 120
    assert [row[0] for row in reports.rows[1:]] == [str(n) for n in range(1, 121)]
    assert reports.rds.names.count("BeginTransaction") == 3
    assert reports.rds.open == {}


def test_pages_that_fit_are_remembered_for_the_next_report(reports):
    reports.query = "SELECT n AS id, repeat('x', 20000) AS text FROM generate_series(1, 120) AS n"
    source = reports.source_of(reports.settings)
    reports.run(source=source)
    reports.rds.requests.clear()
    reports.run({"date": "2026-02-01"}, source)
    assert reports.rds.names.count("BeginTransaction") == 1


def test_a_row_that_is_too_large_alone_says_so(reports):
    reports.query = "SELECT 1 AS id, repeat('x', 1200000) AS text"
    assert failure(reports, kind=InvalidError).startswith("A row is larger than the Data API returns")
    assert reports.keys == []


def test_the_other_error_of_a_large_answer_is_understood_as_well(reports):
    refused = RefusedError(code="UnsupportedResultException", message="The size was too large")
    reports.rds.failures = [*[None] * 4, refused]
    assert reports.run()["rows"] == 3
    assert len(reports.rds.pages) == 2
    for connection in reports.rds.open.values():
        connection.close()  # this one was planned, and ended no transaction


def test_a_paused_database_is_waited_for(reports):
    reports.rds.resuming = 5
    assert reports.run()["rows"] == 3
    assert reports.rds.names.count("BeginTransaction") == 6
    assert [pause <= longest for pause, longest in zip(reports.pauses, [1, 2, 4, 8, 8], strict=True)] == [True] * 5
    assert sum(reports.pauses) >= 0.75 * 23


def test_a_database_that_stays_paused_is_given_up_after_a_minute(reports):
    reports.rds.resuming = 1000
    assert failure(reports, kind=UnavailableError) == "The database was paused, and did not wake up in time."
    assert 60 <= sum(reports.pauses) <= 68


def test_a_paused_database_is_not_waited_for_longer_than_there_is_time(reports):
    reports.context.milliseconds_left = 30_000
    reports.rds.resuming = 1000
    failure(reports, kind=UnavailableError)
    assert sum(reports.pauses) <= 18


def test_a_statement_that_the_data_api_stops_says_so(reports):
    stopped = RefusedError(code="StatementTimeoutException", message="Request timed out")
    assert "it ends each statement after 45 s" in failure(reports, None, None, None, None, stopped)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("HttpEndpointNotEnabledException", "The Data API is not turned on for the cluster."),
        ("DatabaseNotFoundException", "There is no database of the name in DATABASE_NAME."),
        ("InvalidSecretException", "The secret has no username and password that the Data API can use."),
        ("SecretsErrorException", "The Data API could not read the secret."),
        ("DatabaseUnavailableException", "The database cannot be reached now."),
        ("BadRequestException", "The Data API refused the query."),
    ],
)
def test_what_the_data_api_refuses_is_said_without_its_words(reports, log_lines, code, words):
    assert failure(reports, RefusedError(code=code, message=f"password {PASSWORD} is wrong")) == words
    assert PASSWORD not in str(log_lines())
    assert reports.row()["reason"] == words


def test_a_call_that_is_not_allowed_names_itself(reports):
    reports.rds.failures = [RefusedError(code="AccessDeniedException", message="User is not authorized")]
    with pytest.raises(Exception, match="AccessDeniedException"):
        reports.run()
    assert reports.row()["reason"] == "BeginTransaction did not work: AccessDeniedException."


def test_a_rollback_that_fails_does_not_undo_the_report(reports, log_lines):
    calls = 6  # begin, three to prepare, the page; then the rollback
    reports.rds.failures = [*[None] * (calls - 1), RefusedError(code="ServiceUnavailableError", message="no")]
    assert reports.run()["state"] == "DONE"
    assert "transaction not rolled back" in [line["message"] for line in log_lines()]
    for connection in reports.rds.open.values():
        connection.close()


def test_numbers_that_are_none_in_a_spreadsheet_are_texts(reports):
    reports.query = "SELECT 1 AS id, 'NaN'::float8 AS a, '-Infinity'::float8 AS b"
    reports.run()
    assert reports.rows[1] == ["1", "nan", "'-inf"]


def test_times_that_are_no_ordinary_ones_are_left_as_they_are(reports):
    reports.query = "SELECT 1 AS id, 'infinity'::timestamptz AS a, '2026-03-01 00:00:00.5+01'::timestamptz AS b"
    reports.run()
    assert reports.rows[1] == ["1", "infinity", "2026-02-28 23:00:00.5+00"]


def test_an_error_of_the_query_that_speaks_of_size_is_not_taken_for_a_large_answer(reports):
    reports.query = "SELECT 1 AS id, length(repeat('x', 2000000000)) AS a"
    assert failure(reports) == "The database refused the query (SQLSTATE 54000)"
    assert len(reports.rds.pages) == 1


def test_a_transaction_that_is_gone_fails_the_report(reports):
    reports.rds.failures = [*[None] * 4, RefusedError(code="TransactionNotFoundException", message="gone")]
    with pytest.raises(HandlerError, match="The transaction was gone"):
        reports.run()
    assert reports.keys == []
