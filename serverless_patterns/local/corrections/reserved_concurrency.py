"""How many invocations there may be at a time of a function that a template defines.

AWS sets it from ``ReservedConcurrentExecutions``: what comes beyond is throttled, and an asynchronous invocation waits.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html

The emulator drops it, and runs all at once.
"""

from __future__ import annotations

from ministack.services import lambda_svc

from .faults import Properties, after, expect, provision, remove

FUNCTION = "AWS::Lambda::Function"
CHECKED = {
    "FunctionName": "correction-check",
    "Runtime": "python3.13",
    "Handler": "index.handler",
    "Role": "arn:aws:iam::000000000000:role/correction-check",
    "Code": {"ZipFile": "def handler(event, context): ..."},
    "ReservedConcurrentExecutions": 1,
}


def check() -> None:
    """It is dropped."""
    name = provision(FUNCTION, CHECKED)
    kept = lambda_svc._functions[name].get("concurrency")
    remove(FUNCTION, name, CHECKED)
    expect(kept is None, "the emulator now takes the reserved concurrency of a function from the template")


def apply() -> None:
    """Set what the template says, or nothing if it says nothing any more."""
    after(FUNCTION, _set)


def _set(name: str, properties: Properties) -> None:
    reserved = properties.get("ReservedConcurrentExecutions")
    lambda_svc._functions[name]["concurrency"] = None if reserved is None else int(reserved)
