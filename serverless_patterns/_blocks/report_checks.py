"""What of a report can be refused before anything of it is defined."""

from __future__ import annotations

import re
from typing import cast

from aws_cdk import Duration, Token
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

from serverless_patterns._blocks.checks import check, check_duration, check_type
from serverless_patterns._blocks.report_options import DATA_API_STATEMENT_SECONDS, ReportQuery
from serverless_patterns._blocks.report_source import ReportDatabase, ReportSource

#: Seconds. The bundled handler keeps 20 for what comes after the last row.
LEAST_TIMEOUT, RESERVED = 60, 20
#: Seconds that a link can work: it is signed by the function's role, whose credentials live no longer.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ShareObjectPreSignedURL.html
LONGEST_LINK = 12 * 60 * 60

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: Without ``*``, which would stand for any folder in the permissions.
_PREFIX = re.compile(r"(?:(?!\.{1,2}/)[A-Za-z0-9!_.'()=-]{1,128}/){0,8}")


def check_settings(name: str, prefix: str, links: Duration, *, bundled: bool, timeout: Duration) -> None:
    """Check the name, the folder, and how long links and runs last."""
    for argument, value, pattern, shape, example in (
        ("report_name", name, _NAME, "1 to 64 letters, digits, - or _", "daily-sales"),
        ("prefix", prefix, _PREFIX, "folders of letters, digits or !_.'()=- that each end with /, none . or ..", "reports/"),
    ):
        check_type(argument, value, str, f"a text such as {example!r}")
        known = not Token.is_unresolved(value)
        check(not known or pattern.fullmatch(value), f"{argument} must be {shape}, got {value!r}")
    check_duration("link_lifetime", links, least=60, most=LONGEST_LINK, why="its signer's credentials live no longer")
    check(not timeout.is_unresolved(), "timeout must be known while defining: other limits depend on it")
    check_duration("timeout", timeout, least=LEAST_TIMEOUT if bundled else 1, most=900)


def check_standard(topic: sns.ITopic | None, on_success: sqs.IQueue | None) -> None:
    """Mail takes no FIFO topic, and Lambda no FIFO queue.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    check(topic is None or not topic.fifo, "topic must be a standard topic: people subscribe to it, by mail or otherwise")
    check(on_success is None or not on_success.fifo, "on_success must be a standard queue: Lambda sends to no FIFO queue")


def check_query(query: ReportQuery | None, source: ReportDatabase | ReportSource, timeout: Duration, *, bundled: bool) -> None:
    """Check that there is a query where one is asked, and that the database ends it in time."""
    kinds = "made by ReportDatabase.aurora(), .postgres(...) or ReportSource.dynamodb(...)"
    check_type("source", source, ReportDatabase | ReportSource, kinds)
    if isinstance(source, ReportSource):
        check(query is None, "query asks a database: a ReportSource has none, leave it out")
        return
    if not bundled:
        for argument, is_given in (("query", query is not None), ("ca_certificates", source.has_certificates)):
            check(not is_given, f"{argument} is packed with the bundled handler: with a handler of yours, leave it out")
        return
    check(query is not None, "query must be given for a database: ReportQuery(sql='SELECT ...', key_columns=[...])")
    statement = cast(ReportQuery, query).statement_timeout_or_default
    seconds = 0 if statement.is_unresolved() else statement.to_seconds()
    limit = timeout.to_seconds() - RESERVED
    why = f"timeout={timeout.to_seconds():g} s less {RESERVED} s for what comes after the last row"
    if source.is_data_api and limit > DATA_API_STATEMENT_SECONDS:
        limit, why = DATA_API_STATEMENT_SECONDS, "the Data API ends statements then"
    check(seconds <= limit, f"statement_timeout must be at most {limit:g} s ({why}), got {seconds:g} s")
