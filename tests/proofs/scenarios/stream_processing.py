"""StreamProcessing: records of a table or of Kinesis that are shown, written down, and kept if nobody can take them."""

import json
from collections.abc import Sequence
from typing import Any

from serverless_patterns.testing.resource import FunctionResource
from tests.handlers.api_client import Context
from tests.handlers.stream_client import item, json_record, table_record
from tests.proofs.account import client
from tests.proofs.world import Scenario, World


def scenarios_of(function: FunctionResource) -> Sequence[Scenario]:
    del function  # the function of a table and that of a Kinesis stream make the same calls
    return [
        a_change_is_shown_and_written_down_once,
        a_record_that_nobody_can_take_is_kept_with_its_reason,
        a_record_without_enough_time_comes_again,
    ]


def a_change_is_shown_and_written_down_once(world: World) -> None:
    for _ in range(2):
        assert world.invoke({"Records": [_record(world, "Ada")]}) == {"batchItemFailures": []}
    (shown,), (written,) = world.rows(world.variables["VIEW_TABLE_NAME"]), world.rows(world.variables["AUDIT_TABLE_NAME"])
    assert shown["data"]["M"]["name"] == {"S": "Ada"}
    assert written["sequence"] == shown["sequence"]


def a_record_that_nobody_can_take_is_kept_with_its_reason(world: World) -> None:
    record = {**_record(world, "Ada"), "eventID": "no-change"}
    (record["kinesis"] if "kinesis" in record else record["dynamodb"]).pop("data" if "kinesis" in record else "NewImage")
    assert world.invoke({"Records": [record]}) == {"batchItemFailures": []}
    bucket = world.variables["FAILURE_BUCKET_NAME"]
    (kept,) = client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    content = json.loads(client("s3").get_object(Bucket=bucket, Key=kept["Key"])["Body"].read())
    assert (content["record"], bool(content["reason"])) == (record, True)


def a_record_without_enough_time_comes_again(world: World) -> None:
    record = _record(world, "Ada")
    answer = world.invoke({"Records": [record]}, context=Context(milliseconds_left=1_000))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "7"}]}
    assert world.rows(world.variables["AUDIT_TABLE_NAME"]) == []


def _record(world: World, name: str) -> dict[str, Any]:
    """A record of the source: of Kinesis with the field that is the key."""
    if world.variables["SOURCE"] == "dynamodb":
        return table_record(7, None, item(pk="1", name=name))
    return json_record(7, {world.variables.get("KEY_FIELD") or "id": "1", "name": name})
