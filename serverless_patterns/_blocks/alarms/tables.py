"""Alarms of tables."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb

from serverless_patterns._blocks.alarms.alarm_list import AlarmList

#: DynamoDB's name of an operation, as in its IAM action and its metrics -> as CDK names it.
TABLE_OPERATIONS = {
    "GetItem": dynamodb.Operation.GET_ITEM,
    "PutItem": dynamodb.Operation.PUT_ITEM,
    "DeleteItem": dynamodb.Operation.DELETE_ITEM,
    "Scan": dynamodb.Operation.SCAN,
    "BatchWriteItem": dynamodb.Operation.BATCH_WRITE_ITEM,
    "UpdateItem": dynamodb.Operation.UPDATE_ITEM,
    "TransactWriteItems": dynamodb.Operation.TRANSACT_WRITE_ITEMS,
}


class TableAlarms(AlarmList):
    """Alarms of tables."""

    def add_table(self, name: str, table: dynamodb.ITable, actions: Sequence[str]) -> None:
        """The alarms of a table: throttled requests and errors of DynamoDB itself, for the operations that are used.

        Both metrics exist only with the dimension ``Operation``.
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
        """
        minute = Duration.minutes(1)
        look = f"aws dynamodb describe-table --table-name {table.table_name}"
        operations = [TABLE_OPERATIONS[action] for action in actions]
        self.add(
            f"{name}Throttles",
            table.metric_throttled_requests_for_operations(operations=operations, period=minute),
            tier="critical",
            threshold=1,
            periods=(3, 5),
            description=f"The table refuses requests: a hot key, or a limit on its throughput. First: {look}",
        )
        self.add(
            f"{name}SystemErrors",
            table.metric_system_errors_for_operations(operations=operations, period=minute),
            tier="critical",
            threshold=1,
            periods=(3, 5),
            description=f"DynamoDB itself fails, and requests are retried; see the AWS Health Dashboard. First: {look}",
        )
