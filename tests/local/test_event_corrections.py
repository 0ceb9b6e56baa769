"""What the emulator's event buses do like those of AWS: archives, replays, targets that are gone, schedules that put events."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.processes import wait_until
from tests.local.conftest import Deploy
from tests.local.test_corrections import QUEUE, arn_of, in_the_emulators_environment, messages, schedule, template
from tests.support.waiting import PATIENCE

# Lets a rule send an event to a queue while another thread changes the messages of queues.
SEND_TO_A_QUEUE_IN_USE = """
import importlib, json, threading
from ministack.core.arn import parse_arn
from ministack.services import eventbridge, sqs
importlib.import_module("corrections.queue_locking").apply()
url = sqs._act_create_queue({"QueueName": "queue"}, "")["QueueUrl"]
queue = sqs._queues[url]
send = threading.Thread(target=eventbridge._dispatch_to_sqs, args=(parse_arn(queue["attributes"]["QueueArn"]), "event"))
with sqs._queues_lock:
    kept = list(queue["messages"])
    send.start()
    send.join(0.5)
    queue["messages"] = kept
send.join()
print(json.dumps({"messages": len(queue["messages"])}))
"""
BUS = {"Type": "AWS::Events::EventBus", "Properties": {"Name": {"Ref": "AWS::StackName"}}}
SHOP = {"source": ["shop"]}


def archive(**properties: object) -> dict[str, Any]:
    return {"Type": "AWS::Events::Archive", "Properties": {"SourceArn": arn_of("Bus"), "RetentionDays": 7, **properties}}


def rule(target: str, *, bus: object = None, description: str = "", **properties: object) -> dict[str, Any]:
    """A rule of the template's bus, or of another one, that sends everything of the shop to a target of the template."""
    targets = [{"Id": "Target", "Arn": arn_of(target), **properties}]
    of_bus = {"EventBusName": bus or {"Ref": "Bus"}, "Description": description}
    given = {**of_bus, "EventPattern": SHOP, "State": "ENABLED", "Targets": targets}
    return {"Type": "AWS::Events::Rule", "Properties": given}


def put(account: Account, bus: str, *details: object, source: str = "shop") -> None:
    entries = [
        {"EventBusName": bus, "Source": source, "DetailType": "sold", "Detail": json.dumps(detail)} for detail in details
    ]
    assert account.client("events").put_events(Entries=entries)["FailedEntryCount"] == 0


def bodies(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [json.loads(message["Body"]) for message in found]


def replay(account: Account, stack: Stack, name: str, *rules: str) -> None:
    """Replay all that was put in the last minute, to these rules or all, and wait until that is done."""
    client = account.client("events")
    bus = client.describe_event_bus(Name=stack.outputs["Bus"])["Arn"]
    source = client.describe_archive(ArchiveName=stack.outputs["Archive"])["ArchiveArn"]
    destination: dict[str, Any] = {"Arn": bus} | ({"FilterArns": list(rules)} if rules else {})
    now = time.time()
    client.start_replay(
        ReplayName=name, EventSourceArn=source, EventStartTime=now - 60, EventEndTime=now + 60, Destination=destination
    )
    assert wait_until(lambda: client.describe_replay(ReplayName=name)["State"] == "COMPLETED", seconds=PATIENCE)


@pytest.fixture(scope="module")
def archived(account: Account, deploy: Deploy) -> Stack:
    """A bus with an archive of what the shop sells, and two rules."""
    resources = {
        "Bus": BUS,
        "Archive": archive(EventPattern=SHOP, ArchiveName="archive-of-check"),
        "One": QUEUE,
        "Other": QUEUE,
        "ToOne": rule("One"),
        "ToOther": rule("Other"),
    }
    return deploy("archived", template(resources))


def test_a_bus_has_the_archive_of_its_template_and_loses_it_with_the_stack(account: Account, deploy: Deploy) -> None:
    stack = deploy("archive", template({"Bus": BUS, "Archive": archive(EventPattern=SHOP)}))
    client = account.client("events")
    found = client.describe_archive(ArchiveName=stack.outputs["Archive"])
    assert (found["RetentionDays"], json.loads(found["EventPattern"])) == (7, SHOP)
    assert found["EventSourceArn"].endswith("event-bus/archive")
    account.client("cloudformation").delete_stack(StackName="archive")
    assert wait_until(lambda: not client.list_archives(NamePrefix=stack.outputs["Archive"])["Archives"], seconds=PATIENCE)


def test_an_archive_is_changed_in_place(account: Account, deploy: Deploy) -> None:
    stack = deploy("longer-archive", template({"Bus": BUS, "Archive": archive()}))
    put(account, stack.outputs["Bus"], {})
    longer = template({"Bus": BUS, "Archive": archive(RetentionDays=30)})
    account.client("cloudformation").update_stack(StackName="longer-archive", TemplateBody=json.dumps(longer))
    client, name = account.client("events"), stack.outputs["Archive"]
    assert wait_until(lambda: client.describe_archive(ArchiveName=name)["RetentionDays"] == 30, seconds=PATIENCE)
    assert client.describe_archive(ArchiveName=name)["EventCount"] == 1


def test_what_is_replayed_says_so_and_goes_to_the_rules_that_are_named(account: Account, archived: Stack) -> None:
    put(account, archived.outputs["Bus"], {"id": 1})
    put(account, archived.outputs["Bus"], {"id": 2}, source="elsewhere")
    first = bodies(messages(account, archived.outputs["One"]) + messages(account, archived.outputs["Other"]))
    assert [(event["detail"], "replay-name" in event) for event in first] == [({"id": 1}, False)] * 2
    client = account.client("events")
    bus, name = archived.outputs["ToOther"].split("|")
    described = client.describe_rule(Name=name, EventBusName=bus)
    replay(account, archived, "to-one", described["Arn"])
    again = bodies(messages(account, archived.outputs["Other"]))
    assert [(event["detail"], event["replay-name"], event["time"]) for event in again] == [
        ({"id": 1}, "to-one", first[0]["time"])
    ]
    replay(account, archived, "to-all")
    found = bodies(messages(account, archived.outputs["One"]) + messages(account, archived.outputs["Other"]))
    assert [event["replay-name"] for event in found] == ["to-all"] * 2
    assert client.describe_archive(ArchiveName="archive-of-check")["EventCount"] == 1


def test_what_a_rule_of_a_bus_cannot_deliver_is_kept_and_counted_under_the_name_of_the_bus(
    account: Account, deploy: Deploy
) -> None:
    dead = {"DeadLetterConfig": {"Arn": arn_of("Dead")}}
    second = {"Type": BUS["Type"], "Properties": {"Name": "second-of-check"}}
    resources = {"Bus": BUS, "Second": second, "Gone": QUEUE, "Dead": QUEUE}
    resources |= {"ToQueue": rule("Gone", **dead), "ToBus": rule("Second", **dead)}
    stack = deploy("undelivered", template(resources))
    account.client("sqs").delete_queue(QueueUrl=stack.outputs["Gone"])
    account.client("events").delete_event_bus(Name="second-of-check")
    put(account, stack.outputs["Bus"], {"id": 1})
    kept = messages(account, stack.outputs["Dead"], number=2)
    said = [{name: value["StringValue"] for name, value in each["MessageAttributes"].items()} for each in kept]
    names = {stack.outputs[each].partition("|")[2] for each in ("ToQueue", "ToBus")}
    assert {each["RULE_ARN"].rpartition("undelivered/")[2] for each in said} == names
    assert {each["ERROR_CODE"] for each in said} == {"NO_RESOURCE"}
    watched = {"EventBusName": "undelivered", "RuleName": stack.outputs["ToBus"].partition("|")[2]}
    (metric,) = account.client("cloudwatch").list_metrics(
        Namespace="AWS/Events",
        MetricName="FailedInvocations",
        Dimensions=[{"Name": name, "Value": value} for name, value in watched.items()],
    )["Metrics"]
    assert len(metric["Dimensions"]) == 2


def test_an_event_that_a_rule_sends_while_messages_are_deleted_is_not_lost(tmp_path: Path) -> None:
    assert in_the_emulators_environment(tmp_path, SEND_TO_A_QUEUE_IN_USE) == {"messages": 1}


def test_a_rule_is_referred_to_by_its_bus_and_keeps_its_reference_when_it_is_changed(account: Account, deploy: Deploy) -> None:
    resources = {"Bus": BUS, "Seen": QUEUE, "ToSeen": rule("Seen"), "OfDefault": rule("Seen", bus="default")}
    before = deploy("references", template(resources)).outputs
    assert before["ToSeen"].startswith("references|")
    assert "|" not in before["OfDefault"]
    changed = template(resources | {"ToSeen": rule("Seen", description="Changed")})
    account.client("cloudformation").update_stack(StackName="references", TemplateBody=json.dumps(changed))
    described = {"EventBusName": "references", "Name": before["ToSeen"].partition("|")[2]}
    client = account.client("events")
    assert wait_until(lambda: client.describe_rule(**described).get("Description") == "Changed", seconds=PATIENCE)
    assert account.stack("references").outputs == before
    account.client("cloudformation").delete_stack(StackName="references")
    assert wait_until(lambda: not client.list_rules(EventBusName="references")["Rules"], seconds=PATIENCE)


def test_an_event_of_the_default_bus_goes_on_to_another_one(account: Account, deploy: Deploy) -> None:
    resources = {"Bus": BUS, "Seen": QUEUE, "ToBus": rule("Bus", bus="default"), "ToSeen": rule("Seen")}
    stack = deploy("two-buses", template(resources))
    put(account, "default", {"id": 1})
    assert [event["detail"] for event in bodies(messages(account, stack.outputs["Seen"]))] == [{"id": 1}]


def test_a_schedule_puts_an_event_on_a_bus_under_the_source_and_the_type_of_its_target(
    account: Account, deploy: Deploy
) -> None:
    parameters = {"EventBridgeParameters": {"Source": "shop", "DetailType": "closed"}}
    target = {"Arn": arn_of("Bus"), "Input": '{"at": "<aws.scheduler.scheduled-time>"}', **parameters}
    stack = deploy("scheduled-event", template({"Bus": BUS, "Seen": QUEUE, "ToSeen": rule("Seen"), "Once": schedule(target)}))
    (event,) = bodies(messages(account, stack.outputs["Seen"]))
    assert (event["source"], event["detail-type"], event["detail"]) == ("shop", "closed", {"at": event["time"]})


def test_of_the_entries_of_a_call_those_that_are_refused_are_named_and_the_others_taken(
    account: Account, archived: Stack
) -> None:
    bus = archived.outputs["Bus"]
    entries = [{"EventBusName": bus, "Source": source, "DetailType": "x", "Detail": "{}"} for source in ("aws.shop", "else")]
    answer = account.client("events").put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
    assert "EventId" in answer["Entries"][1]
