"""The launcher: runs the emulator in its own environment, corrected. ``Emulator`` starts it; nobody types it.

Writes ``resource-types.json`` into the working directory: the types that it can deploy, and those that it only accepts.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from ministack.app import main as run
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as PROVISIONERS

from . import configuration_only
from .faults import FaultNotFoundError

# In this order: the access log comes after what may answer a request, so that it sees every answer; a delivery that a
# subscription's dead-letter queue takes over comes after the deliveries themselves; what a replay leaves out is not delivered.
CORRECTIONS = (
    "alarm_evaluation",
    "api_errors",
    "archives",
    "async_destinations",
    "batch_item_failures",
    "configuration_only",
    "data_api",
    "embedded_metrics",
    "execution_metrics",
    "execution_timeouts",
    "event_filters",
    "events_to_lambda",
    "function_metrics",
    "handler_errors",
    "handler_runtime",
    "http_api_cors",
    "http_api_throttling",
    "http_api_access_log",
    "http_api_metrics",
    "message_delays",
    "metric_math_alarms",
    "object_versions",
    "published_attributes",
    "queue_locking",
    "queue_metrics",
    "rds_databases",
    "reserved_concurrency",
    "rest_method_throttling",
    "rest_request_validators",
    "rest_template_context",
    "rule_references",
    "rule_targets",
    "replays",
    "schedules",
    "sns_to_lambda",
    "stream_mappings",
    "stream_metrics",
    "subscription_redrive",
    "table_settings",
    "time_to_live",
    "throttled_tasks",
    "topic_settings",
    "vpc_attributes",
)

# Ends a group, then removes its folder; what was started for it, and ends at the same moment, may still write there at first.
LAST_RITES = """
import os, shutil, signal, sys, time
os.killpg(int(sys.argv[1]), signal.SIGKILL)
for _ in range(20):
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    if not os.path.exists(sys.argv[2]):
        break
    time.sleep(0.1)
"""


def main() -> None:
    """Correct the emulator and run it."""
    for name in CORRECTIONS:
        _correct(name)
    _write_resource_types()
    if os.environ.get("STOP_WITH_PARENT"):
        threading.Thread(target=_stop_with_parent, daemon=True).start()
    run()


def _correct(name: str) -> None:
    try:
        correction = importlib.import_module(f"{__package__}.{name}")
        correction.check()
    except (AttributeError, FaultNotFoundError, ImportError, KeyError, TypeError, ValueError) as error:
        sys.exit(f"The correction {name} does not fit this emulator: {error}. Remove it, or look at it again.")
    correction.apply()


def _write_resource_types() -> None:
    only_accepted = configuration_only.TYPES
    types = {"deployed": sorted(PROVISIONERS.keys() - only_accepted), "only accepted": sorted(only_accepted)}
    Path("resource-types.json").write_text(json.dumps(types), encoding="utf-8")


def _stop_with_parent() -> None:
    """Whoever started the emulator holds the other end of standard input: it ends when they do, however they end.

    Then nobody is left to remove its folder but a process of its own, which outlives this one.
    """
    folder = Path.cwd()
    sys.stdin.read()
    last = [sys.executable, "-c", LAST_RITES, str(os.getpgid(0)), str(folder)]
    subprocess.Popen(last, cwd="/", start_new_session=True)  # noqa: S603  our own code


if __name__ == "__main__":
    main()
