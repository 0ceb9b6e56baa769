"""How much time a run has left: one that Lambda cuts off could not say why it failed."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.errors import UnavailableError

#: Kept for what comes after the last row: the rest of the upload, the page, the announcements and the row of the run.
RESERVED_SECONDS = 20

_TOO_LATE = "There is too little time left. Give the function a longer timeout, or the report fewer rows."


class Deadline:
    """The time that an invocation has, less what is kept for its end.

    Args:
        context: What Lambda says about the invocation.
    """

    def __init__(self, context: LambdaContext) -> None:
        self._context = context

    def whole(self) -> float:
        """The seconds until Lambda ends the function."""
        return self._context.get_remaining_time_in_millis() / 1000

    def left(self) -> float:
        """The seconds for reading the source.

        Raises:
            UnavailableError: There are none.
        """
        left = self.whole() - RESERVED_SECONDS
        if left <= 0:
            raise UnavailableError(_TOO_LATE)
        return left
