"""The entry point: a batch of a stream's records in, the one from which on they come again out."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.observability import logger
from shared.schema import Schema
from stream_processing.json_records import JsonReader
from stream_processing.logic import Projection
from stream_processing.models import DYNAMODB, Settings
from stream_processing.store import AuditTable, FailureBucket, ViewTable
from stream_processing.stream import Stream
from stream_processing.table_records import TableReader


@cache
def _stream() -> Stream:
    settings = Settings.from_environment(os.environ)
    project = Projection(settings, ViewTable(settings.view_table_name), AuditTable(settings.audit_table_name))
    return Stream(settings, reader_of(settings), project, FailureBucket(settings.failure_bucket_name, settings.failure_prefix))


def reader_of(settings: Settings) -> TableReader | JsonReader:
    """What reads the records of the source that these settings name."""
    if settings.source == DYNAMODB:
        return TableReader(settings.excluded)
    schema = Schema.load(settings.schema_file, "SCHEMA_FILE") if settings.schema_file else None
    return JsonReader(settings.key_field, settings.excluded, schema)


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take the records of one invocation."""
    return _stream()(event, context)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _stream()  # in Lambda, fail while starting and not at the first batch; elsewhere an import does nothing
