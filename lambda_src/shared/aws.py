"""Calls to AWS: how long they may take, which failures pass, and whether there is still time for one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004  botocore's own, no OSError

from shared.errors import RETRY_AFTER_SECONDS, InvalidError, UnavailableError

_CONNECT_SECONDS = 1
_READ_SECONDS = 2
_ATTEMPTS = 2
_LONGEST_PAUSE_SECONDS = 1

#: What one call takes if both attempts run into their timeouts, and the pause between them, which is at most 1 s in the
#: standard mode. It is what to reckon with, and no bound: a timeout counts for each address that is tried and for each reading
#: of the socket, so that an answer which trickles in takes longer.
#: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
#: https://urllib3.readthedocs.io/en/stable/reference/urllib3.util.html#urllib3.util.Timeout
LONGEST_CALL_SECONDS = _ATTEMPTS * (_CONNECT_SECONDS + _READ_SECONDS) + _LONGEST_PAUSE_SECONDS

#: For every client. The defaults (60 s to connect, 60 s to read, several attempts) outlive any function behind an API.
CLIENT_CONFIG = Config(
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=_READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
)

#: Error codes of calls that would work later:
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
#: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
#: https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
_PASSING = frozenset(
    {
        "ExecutionLimitExceeded",
        "InternalServerError",
        "KMSThrottling",
        "KMS.ThrottlingException",
        "KmsThrottlingException",
        "KmsThrottled",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ServiceUnavailable",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


def passes(error: Exception) -> bool:
    """Whether this failure of a call is one that passes: throttling, an outage, no connection, no answer in time."""
    if isinstance(error, ClientError):
        return _passing(error)
    return isinstance(error, ConnectionError | HTTPClientError)


def _passing(error: ClientError) -> bool:
    codes = {error.response["Error"]["Code"]}
    codes |= {reason.get("Code", "") for reason in error.response.get("CancellationReasons", ())}
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    return bool(codes & _PASSING) or status >= 500  # noqa: PLR2004  every 5xx is the service's own failure


@contextmanager
def refused_as(words: str) -> Iterator[None]:
    """Take it for a fault of what was sent that DynamoDB refuses a write: no later one would work either.

    Args:
        words: What a row of the table can hold, for whoever sent it.

    Raises:
        InvalidError: DynamoDB refuses it.
            https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
    """
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationException":
            raise InvalidError(words) from None
        raise


def time_guard(context: LambdaContext, *, calls: int = 1) -> Callable[[], None]:
    """A check to make before each write: a write that the function's timeout cuts off has an outcome that nobody knows.

    Args:
        context: What Lambda says about this invocation.
        calls: How many calls are made after the check, one after the other.

    Returns:
        A function which raises ``UnavailableError`` if less time is left than ``LONGEST_CALL_SECONDS`` for each of them.
    """

    def check() -> None:
        left = context.get_remaining_time_in_millis() / 1000
        if left < calls * LONGEST_CALL_SECONDS:
            msg = "There was not enough time left to do this safely, and nothing was changed. Try again."
            raise UnavailableError(msg, retry_after=RETRY_AFTER_SECONDS)

    return check
