"""Checks of functions: each gives what is wrong with a template, a line each."""

import importlib
from collections.abc import Mapping
from typing import Any

from tests.support.synthesis import resources

Template = Mapping[str, Any]


def unlike_the_library(template: Template) -> list[str]:
    """Functions without the runtime, the logs, the traces or the limits of this library."""
    groups = resources(template, "AWS::Logs::LogGroup")
    found = []
    for key, function in resources(template, "AWS::Lambda::Function").items():
        properties = function["Properties"]
        logging = properties.get("LoggingConfig", {})
        right = {
            "runtime": properties["Runtime"] == "python3.14",
            "architecture": properties["Architectures"] == ["arm64"],
            "traces": properties.get("TracingConfig") == {"Mode": "Active"},
            "log format": logging.get("LogFormat") == "JSON",
            "log group": logging.get("LogGroup", {}).get("Ref") in groups,
            "timeout": properties.get("Timeout", 3) > 3,
            "description": bool(properties.get("Description")),
        }
        found += [f"{key}: {name}" for name, is_right in right.items() if not is_right]
    return found


def starved(template: Template) -> list[str]:
    """Functions that never run, and those that may run less often at once than their pollers start batches: these come back."""
    mappings = [each["Properties"] for each in resources(template, "AWS::Lambda::EventSourceMapping").values()]
    found = []
    for key, function in resources(template, "AWS::Lambda::Function").items():
        reserved = function["Properties"].get("ReservedConcurrentExecutions")
        own = [each for each in mappings if each["FunctionName"] == {"Ref": key}]
        started = sum(each.get("ScalingConfig", {}).get("MaximumConcurrency", 1) for each in own)
        if reserved is not None and reserved < max(started, 1):
            found.append(f"{key}: {reserved}")
    return found


def unreadable_settings(template: Template) -> list[str]:
    """Functions whose handler cannot read its settings from the variables that the template gives it."""
    found = []
    for key, function in resources(template, "AWS::Lambda::Function").items():
        module = importlib.import_module(function["Properties"]["Handler"].rpartition(".")[0])
        (settings,) = {value for name, value in vars(module).items() if name.endswith("Settings") and isinstance(value, type)}
        variables = function["Properties"]["Environment"]["Variables"]
        try:
            settings.from_environment({name: _resolved(name, value) for name, value in variables.items()})
        except ValueError as error:  # what a handler would fail with at its start
            found.append(f"{key}: {error}")
    return found


def _resolved(name: str, value: object) -> str:
    return value if isinstance(value, str) else f"resolved-{name.lower()}"


def logs_kept_otherwise(template: Template, days: int) -> list[str]:
    """Log groups that keep events for another time than the environment says, or for ever."""
    return [
        f"{key}: {group['Properties'].get('RetentionInDays')}"
        for key, group in resources(template, "AWS::Logs::LogGroup").items()
        if group["Properties"].get("RetentionInDays") != days
    ]
