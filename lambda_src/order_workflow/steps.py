"""Running a step: which one it is, and what the state machine sees of its errors.

The state machine knows an error by the name of its class, and tries again what is called ``UnavailableError``. So that is
what each failure becomes which passes, whatever kind of it it was, and no other one.
"""

from collections.abc import Callable, Mapping
from typing import Any

from order_workflow.models import Task
from shared import aws, metrics
from shared.errors import HandlerError, UnavailableError
from shared.observability import LogSettings, logger

Work = Callable[[Task], dict[str, Any]]


def run(works: Mapping[str, Work], event: Mapping[str, Any], logs: LogSettings) -> dict[str, Any]:
    """Do the step that the event names, and answer what the state machine goes on with.

    Raises:
        HandlerError: The step's own answer, or ``UnavailableError`` for what passes.
    """
    logs.apply()
    task = Task.of(event)
    logger.append_keys(step=task.step, order_id=task.order_id)
    try:
        answer = works[task.step](task)
    except HandlerError as error:
        logger.warning("step ended", error=type(error).__name__, detail=error.detail, hint=error.hint)
        if isinstance(error, UnavailableError):
            raise UnavailableError(error.detail, retry_after=error.retry_after, hint=error.hint) from error
        raise
    except Exception as error:
        if aws.passes(error):
            logger.warning("step to be tried again", error=type(error).__name__)
            msg = f"A call to AWS did not work: {type(error).__name__}."
            raise UnavailableError(msg) from error
        metrics.count("UnexpectedErrors")
        raise
    logger.info("step done")
    return answer
