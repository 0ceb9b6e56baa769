"""S3Processing: files of each kind that is written in another way, from a queue and from S3; and who announces the latter."""

import io
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from serverless_patterns.testing.resource import FunctionResource
from tests.handlers.fanout_client import EVENT
from tests.handlers.s3_client import bridged, notified
from tests.proofs.account import client
from tests.proofs.scenarios.queues import a_message_comes_again_while_nothing_can_be_announced, poison_is_kept_with_its_reason
from tests.proofs.world import Scenario, World

CSV = b"id,text\n1,one\n2,two\n"
_sequence = itertools.count(1)


def scenarios_of(function: FunctionResource) -> Sequence[Scenario]:
    if function.handler == "s3_processing.notifier.handler":
        body = _failed if function.environment["ACTION"] == "alert" else _done
        announced = a_failure_is_announced if function.environment["ACTION"] == "alert" else an_end_is_announced
        return [announced, poison_is_kept_with_its_reason, a_message_comes_again_while_nothing_can_be_announced(body)]
    of_both = [a_table_becomes_rows, an_image_gets_a_thumbnail, an_object_without_versions_is_read, an_object_that_is_gone]
    if "QUEUE_URL" not in function.environment:
        return of_both
    return [
        *of_both,
        without_enough_time_a_message_is_put_back,
        poison_is_kept_with_its_reason,
        a_message_comes_again_while_nothing_can_be_announced(lambda world: bridged(_uploaded(world, "a.csv", CSV))),
    ]


# --- the function that works objects


def a_table_becomes_rows(world: World) -> None:
    _worked(world, _uploaded(world, "a.csv", CSV), "PROCESSED")
    assert sorted(row["text"]["S"] for row in world.rows(world.variables["TABLE_NAME"]) if "text" in row) == ["one", "two"]
    assert _made(world) == {"results"}


def an_image_gets_a_thumbnail(world: World) -> None:
    image = io.BytesIO()
    Image.new("RGB", (4, 4)).save(image, "PNG")
    # What is made of a key that is nearly as long as S3 takes it has a name of its own, beside all others.
    _worked(world, _uploaded(world, f"{'a' * 1000}.png", image.getvalue()), "PROCESSED")
    assert _made(world) == {"results", "thumbnails"}


def an_object_without_versions_is_read(world: World) -> None:
    """It was uploaded before its bucket kept versions."""
    client("s3").put_bucket_versioning(Bucket=_bucket(world), VersioningConfiguration={"Status": "Suspended"})
    created = _uploaded(world, "a.csv", CSV)
    assert created.version_id is None
    _worked(world, created, "PROCESSED")


def an_object_that_is_gone(world: World) -> None:
    created = _uploaded(world, "a.csv", CSV)
    client("s3").delete_object(Bucket=_bucket(world), Key=created.key, VersionId=created.version_id)
    _worked(world, created, "REJECTED")


def without_enough_time_a_message_is_put_back(world: World) -> None:
    body = bridged(_uploaded(world, "a.csv", CSV))
    assert world.deliver(body, milliseconds_left=10_000) == []
    assert [json.loads(each["body"]) for each in world.messages(world.queue)] == [body]


class Uploaded:
    """An object as the events say it."""

    def __init__(self, bucket: str, key: str, size: int, answer: Mapping[str, Any]) -> None:
        self.bucket, self.key, self.size = bucket, key, size
        self.etag = answer["ETag"].strip('"')
        version = answer.get("VersionId")
        self.version_id = None if version == "null" else version
        self.sequencer = f"{next(_sequence):016X}"


def _bucket(world: World) -> str:
    """The bucket of the uploads: a function that S3 invokes is not told which it is, for it is the other one's bucket."""
    output = world.variables.get("OUTPUT_BUCKET_NAME")
    others = [each.name for each in world.template.of_type("AWS::S3::Bucket") if each.name != output]
    return world.variables.get("BUCKET_NAME", others[0])


def _uploaded(world: World, name: str, content: bytes) -> Any:
    key, bucket = f"incoming/{name}", _bucket(world)
    return Uploaded(bucket, key, len(content), client("s3").put_object(Bucket=bucket, Key=key, Body=content))


def _worked(world: World, created: Any, state: str) -> None:
    """Let the object's event come, twice: it ends in this state, and that is announced once."""
    kind = f"objects.{state.lower()}"
    if "QUEUE_URL" in world.variables:
        assert [world.deliver(bridged(created)) for _ in range(2)] == [[], []]
        assert [event["type"] for event in world.announced()] == [kind]
    else:
        answers = [world.invoke(notified(created)) for _ in range(2)]
        assert {json.loads(text)["type"] for answer in answers for text in answer["events"]} == {kind}
    (status,) = [row for row in world.rows(world.variables["TABLE_NAME"]) if row["row"] == {"N": "0"}]
    assert status["state"] == {"S": state}


def _made(world: World) -> set[str]:
    """The folders of the output bucket that have something in them."""
    found = client("s3").list_objects_v2(Bucket=world.variables["OUTPUT_BUCKET_NAME"]).get("Contents", [])
    return {each["Key"].partition("/")[0] for each in found}


# --- those that announce what became of an invocation


def an_end_is_announced(world: World) -> None:
    assert world.deliver(_done(world)) == []
    assert world.announced() == [EVENT]


def a_failure_is_announced(world: World) -> None:
    assert world.deliver(_failed(world)) == []
    assert [event["type"] for event in world.announced()] == ["objects.failed"]
    (status,) = world.rows(world.variables["TABLE_NAME"])
    assert (status["state"], "announced_at" in status) == ({"S": "FAILED"}, True)


def _done(_: World) -> dict[str, Any]:
    return {"requestPayload": {}, "responsePayload": {"events": [json.dumps(EVENT)]}}


def _failed(world: World) -> dict[str, Any]:
    return {"requestPayload": notified(_uploaded(world, "a.csv", CSV)), "responsePayload": {"errorType": "Sandbox.Timedout"}}
