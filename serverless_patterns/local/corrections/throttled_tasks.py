"""What a state machine sees of a function that is throttled.

AWS calls it ``Lambda.TooManyRequestsException``, which is what retries name.
https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception

The emulator calls it ``Lambda.Unknown``, as it calls whatever it knows nothing about.
"""

from __future__ import annotations

from typing import Any

from ministack.services import lambda_svc, stepfunctions

from .faults import expect

THROTTLED, UNKNOWN = "TooManyRequestsException", "Lambda.Unknown"
NAMED = f"Lambda.{THROTTLED}"


def check() -> None:
    """It has no name of its own."""
    config = {"FunctionName": "correction-check"}
    answers: dict[str, Any] = {
        "_get_func_record_for_ref": ({"config": config}, config, "correction-check"),
        "_execution_record_for_config": {"config": config},
        "_execute_function_with_config_scope": lambda_svc._throttle_response("CallerRateLimitExceeded", "Rate exceeded"),
    }
    stock = {name: getattr(lambda_svc, name) for name in answers}
    for name, answer in answers.items():
        setattr(lambda_svc, name, lambda *_, answer=answer: answer)
    try:
        said = _said()
    finally:
        for name, function in stock.items():
            setattr(lambda_svc, name, function)
    expect(said == UNKNOWN, f"the emulator now says {said} of a function that is throttled")


def apply() -> None:
    """Name it."""
    call = stepfunctions._call_lambda

    def called(function: str, event: Any) -> Any:  # noqa: ANN401  any JSON
        try:
            return call(function, event)
        except stepfunctions._ExecutionError as error:
            if error.error == UNKNOWN and THROTTLED in error.cause:
                raise stepfunctions._ExecutionError(NAMED, error.cause) from error
            raise

    stepfunctions._call_lambda = called


def _said() -> str:
    try:
        stepfunctions._call_lambda("correction-check", {})
    except stepfunctions._ExecutionError as error:
        return str(error.error)
    return "nothing"
