"""Why an order was not charged this time, and whether that is to count as one of its tries."""

from shared.errors import UnavailableError
from shared.queue_consumer import PostponedError


class PaymentDownError(UnavailableError):
    """The payment API does not answer, or not as it should. So many of these in a row open the circuit.

    Whether it took the money is not known: it may have done so before it failed.
    """

    in_doubt = True


class HeldUpError(PostponedError):
    """The charge cannot be made now, through no fault of the order: it waits, and that is no try.

    Args:
        detail: Why, in words for the customer.
        delay: Seconds until it is tried again, at least.
        grows: Whether it waits longer each time: for what lasts until somebody mends it.
        in_doubt: Whether the money may have been taken.
        hint: How it is mended: for the log.
    """

    def __init__(self, detail: str, *, delay: int = 0, grows: bool = False, in_doubt: bool = False, hint: str = "") -> None:
        super().__init__(detail, delay=delay, grows=grows, hint=hint)
        self.in_doubt = in_doubt


class AsksToWaitError(HeldUpError):
    """The payment API asks to wait, for so many seconds if it says so."""

    def __init__(self, detail: str, *, retry_after: int | None, in_doubt: bool) -> None:
        super().__init__(detail, delay=retry_after or 0, grows=True, in_doubt=in_doubt)
        self.retry_after = retry_after
