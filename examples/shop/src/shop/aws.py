"""Calls to AWS: how long they may take, and which of their failures pass."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004  botocore's own, no OSError

#: For every client: 7 s for both attempts. By default a call waits for 60 s, and outlives the function that it is made in.
CLIENT = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})

#: What would work later, beside what is the service's own failure (5xx).
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
#: https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html
PASSING = frozenset(
    {
        "KMS.ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
    }
)


class UnavailableError(Exception):
    """It would work later: ask again. The state machine knows the error by this name."""


@contextmanager
def passing() -> Iterator[None]:
    """Let what passes be known as such: whatever else a call fails with ends the order at once.

    Raises:
        UnavailableError: The call was throttled, was not answered in time, or the service was down.
    """
    try:
        yield
    except (ClientError, ConnectionError, HTTPClientError) as error:
        if isinstance(error, ClientError) and not _passes(error):
            raise
        msg = f"A call to AWS did not work: {type(error).__name__}."
        raise UnavailableError(msg) from error


def _passes(error: ClientError) -> bool:
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    return error.response["Error"]["Code"] in PASSING or status >= 500  # noqa: PLR2004  every 5xx is the service's own failure
