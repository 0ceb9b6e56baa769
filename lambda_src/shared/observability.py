"""Logging: one JSON line each, at a level that is chosen anew for every invocation."""

import logging
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from aws_lambda_powertools.logging import Logger

from shared import settings

#: Times as RFC 3339, because Lambda takes any other for no time: it would then file the line under INFO.
#: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
logger = Logger(use_rfc3339=True, serialize_stacktrace=False)

#: At DEBUG these write whole requests, bodies and credentials included, wherever the root logger lets them.
for _talkative in ("boto3", "botocore", "urllib3"):
    logging.getLogger(_talkative).setLevel(logging.INFO)

#: From the line that warns to the one with the ``with``: contextlib is in between, and Powertools' own method.
_STEPS_TO_THE_CALLER = 4


@contextmanager
def best_effort(failed: str, **more: object) -> Iterator[None]:
    """Do what may fail without harm: whatever goes wrong is a warning in the log, and the work goes on after it.

    Args:
        failed: What was not done: the message of the warning.
        more: What else the warning says, besides the name of the error.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001  whoever uses this has said that nothing of it matters
        logger.warning(failed, stacklevel=_STEPS_TO_THE_CALLER, extra={"error": type(error).__name__, **more})


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How much is logged.

    Args:
        level: The least level that is logged: ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``.
        debug_sample_rate: The part of invocations, 0 to 1, that log at ``DEBUG`` all the same.
    """

    level: str
    debug_sample_rate: float

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> "LogSettings":
        """The settings in LOG_LEVEL (default INFO) and DEBUG_SAMPLE_RATE (default 0).

        Raises:
            SettingsError: A variable is malformed.
        """
        return cls(
            level=settings.choice(variables, "LOG_LEVEL", "INFO", allowed=("DEBUG", "INFO", "WARNING", "ERROR")),
            debug_sample_rate=settings.share(variables, "DEBUG_SAMPLE_RATE", 0),
        )

    def apply(self) -> None:
        """Choose the level of this invocation.

        It goes to the standard library's logger: Powertools' own ``setLevel`` always gives way to the level of Lambda's logging
        controls, which would undo the sampling.
        """
        sampled = random.random() < self.debug_sample_rate  # noqa: S311  a sample, not a secret
        logging.getLogger(logger.name).setLevel("DEBUG" if sampled else self.level)
