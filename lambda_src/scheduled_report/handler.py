"""The entry point: the tick of a schedule in, what became of the report out."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from scheduled_report.bucket import ReportBucket
from scheduled_report.channels import Mail, channel_of
from scheduled_report.data_api import DataApi
from scheduled_report.logic import Reporter, Source
from scheduled_report.models import DATA_API, Settings
from scheduled_report.postgres import Postgres
from scheduled_report.store import RunsTable
from scheduled_report.table_scan import TableScan
from shared.observability import logger


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


@cache
def _reporter() -> Reporter:
    settings = _settings()
    announcement = settings.announcement
    return Reporter(
        settings,
        source_of(settings),
        ReportBucket(settings.bucket_name),
        RunsTable(settings.runs_table_name),
        announcer=channel_of(announcement.announcer) if announcement.announcer else None,
        mail=Mail(announcement.mail_from, announcement.mail_to, announcement.configuration_set)
        if announcement.mail_from
        else None,
    )


def source_of(settings: Settings) -> Source:
    """Where these settings say the rows come from."""
    if settings.database is None:
        return TableScan(settings.table_name, settings.columns)
    return DataApi(settings.database) if settings.source == DATA_API else Postgres(settings.database)


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Make the report that a tick asks for."""
    _settings().logs.apply()
    return _reporter()(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _reporter()  # in Lambda, fail while starting and not at the first tick; elsewhere an import does nothing
