"""Checks of what must not be in a template or in a log: each gives where it is, a line each."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from serverless_patterns import Operations
from tests.support.synthesis import resources

Template = Mapping[str, Any]
#: What variables with credentials are called, and what some credentials look like whatever they are called.
_CREDENTIAL = re.compile(
    r"(^|_)(API_?KEY|ACCESS_KEY(_ID)?|(PRIVATE|SECRET|SIGNING)_KEY|SECRET|TOKEN|PASSWORD|CREDENTIALS?)$", re.IGNORECASE
)
_LOOKS_SECRET = re.compile(r"AKIA[0-9A-Z]{16}|\bsk_(live|test)_\w{8}|\bgh[ps]_\w{20}|-----BEGIN [A-Z ]*PRIVATE KEY")
#: What has a secret in its properties -> the property.
_VALUES = {"AWS::ApiGateway::ApiKey": "Value", "AWS::SecretsManager::Secret": "SecretString"}


def readable_secrets(template: Template) -> list[str]:
    """Secrets that everybody can read who can read the template, or the configuration of a function."""
    return [
        *(f"{key}: {where}" for kind, where in _VALUES.items() for key, each in _of(template, kind) if where in each),
        *(f"{key}: {name}" for key, name, value in _variables(template) if _is_secret(name, value)),
    ]


def _is_secret(name: str, value: object) -> bool:
    is_switch = value in ("true", "false")  # ALLOW_CREDENTIALS
    return isinstance(value, str) and not is_switch and bool(_CREDENTIAL.search(name) or _LOOKS_SECRET.search(value))


def events_in_logs(template: Template) -> list[str]:
    """Functions that write whole events to their log, and state machines that write what their steps are given."""
    machines = _of(template, "AWS::StepFunctions::StateMachine")
    return [
        *(key for key, name, value in _variables(template) if name == "POWERTOOLS_LOGGER_LOG_EVENT" and value != "false"),
        *(key for key, each in machines if each.get("LoggingConfiguration", {}).get("IncludeExecutionData") is not False),
    ]


def levels_otherwise(template: Template, operations: Operations) -> list[str]:
    """Functions that log more than their environment says, or from whose log Lambda takes what they write."""
    found = []
    for key, function in _of(template, "AWS::Lambda::Function"):
        variables = function.get("Environment", {}).get("Variables", {})
        emitted = "DEBUG" if operations.debug_sample_rate > 0 else operations.log_level
        right = {
            "level": variables.get("LOG_LEVEL") == operations.log_level and "POWERTOOLS_LOG_LEVEL" not in variables,
            "sample": variables.get("DEBUG_SAMPLE_RATE") == f"{operations.debug_sample_rate:g}",
            "level that Lambda lets through": function.get("LoggingConfig", {}).get("ApplicationLogLevel") == emitted,
        }
        found += [f"{key}: {name}" for name, is_right in right.items() if not is_right]
    return found


def _of(template: Template, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((key, each.get("Properties", {})) for key, each in resources(template, kind).items())


def _variables(template: Template) -> Iterator[tuple[str, str, object]]:
    """Function, name and value of each variable."""
    for key, function in _of(template, "AWS::Lambda::Function"):
        for name, value in function.get("Environment", {}).get("Variables", {}).items():
            yield key, name, value
