"""Which metrics an event source mapping publishes of its events.

AWS publishes them with the dimension ``EventSourceMappingUUID`` where ``MetricsConfig`` asks for ``EventCount``: how many were
read, filtered out, given to the function, kept at the destination on failure, and dropped.
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html#event-source-mapping-metrics

The emulator drops what a template says of them, and publishes none. Corrected, it does for streams.
"""

from __future__ import annotations

import time

from ministack.services import cloudwatch, lambda_svc

from .faults import Properties, after, expect, provision, remove
from .stream_shards import Fields, arrival_of

MAPPING = "AWS::Lambda::EventSourceMapping"
NAMESPACE = "AWS/Lambda"
ASKED = {"FunctionName": "correction-check", "MetricsConfig": {"Metrics": ["EventCount"]}}


def check() -> None:
    """What a template says is dropped."""
    poll, lambda_svc._ensure_poller = lambda_svc._ensure_poller, lambda: None
    try:
        name = provision(MAPPING, ASKED)
    finally:
        lambda_svc._ensure_poller = poll
    kept = "MetricsConfig" in lambda_svc._esms[name]
    remove(MAPPING, name, ASKED)
    expect(not kept, "the emulator now takes the metrics of an event source mapping from the template")


def apply() -> None:
    """Keep it."""
    after(MAPPING, _keep)


def _keep(name: str, properties: Properties) -> None:
    lambda_svc._esms[name]["MetricsConfig"] = properties.get("MetricsConfig") or {}


def count_events(mapping: Fields, **numbers: int) -> None:
    """Count events of a mapping, if it is asked for: ``Polled=2`` is two more of ``PolledEventCount``."""
    if "EventCount" not in ((mapping.get("MetricsConfig") or {}).get("Metrics") or ()):
        return
    for name, number in numbers.items():
        if number:
            dimensions = {"EventSourceMappingUUID": mapping["UUID"]}
            cloudwatch.record_metric(NAMESPACE, f"{name}EventCount", number, "Count", dimensions)


def tell_age(mapping: Fields, records: list[Fields]) -> None:
    """How old the last record of a batch is when the function gets it, and of Kinesis, when it is read."""
    age = max(0.0, 1000 * (time.time() - arrival_of(records[-1])))
    cloudwatch.record_metric(NAMESPACE, "IteratorAge", age, "Milliseconds", {"FunctionName": mapping["FunctionName"]})
    if "kinesis" in records[-1]:
        name = {"StreamName": mapping["EventSourceArn"].rpartition("/")[2]}
        cloudwatch.record_metric("AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", age, "Milliseconds", name)
