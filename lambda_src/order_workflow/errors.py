"""The answers of a step that end an order as it is meant to end, each a class of its own.

A state machine knows an error by the name of its class, so these are called what its definition catches, without the word
``Error``. Any other error is none of an answer: ``UnavailableError`` is tried again, the rest is a fault.
"""

from shared.errors import HandlerError, InvalidError


class InvalidOrder(InvalidError):  # noqa: N818  the name that the state machine catches
    """It is no order, or one that does not fit: nothing was begun."""


class OutOfStock(HandlerError):  # noqa: N818  the same
    """There is less of it than was ordered: nothing was reserved."""


class PaymentDeclined(HandlerError):  # noqa: N818  the same
    """The payment API does not take the money: nothing was charged."""


class ShippingFailed(HandlerError):  # noqa: N818  the same
    """It cannot be shipped: what was done before has to be undone."""
