"""Charging once, and not while the payment API is down: Powertools' idempotency around Powertools' circuit breaker.

The outcome of a charge is kept: if the worker fails after it, the next attempt finds the outcome and does not charge again. It
needs ``dynamodb:PutItem``, ``UpdateItem`` and ``DeleteItem`` on the table of finished charges, and ``dynamodb:GetItem``,
``PutItem`` and ``UpdateItem`` on the table of the circuit breaker.
"""

import math
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import boto3
from aws_lambda_powertools.utilities.circuit_breaker import (
    CircuitBreakerConfig,
    CircuitBreakerOpenError,
    CircuitState,
    CircuitTransition,
    circuit_breaker,
)
from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerDynamoDBPersistence
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyPersistenceLayerError,
)
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import aws, metrics
from shared.errors import UnavailableError
from shared.observability import logger
from shared.queue_consumer import PostponedError, check_time
from sqs_pipeline.failures import HeldUpError, PaymentDownError
from sqs_pipeline.models import Charge, Outcome, WorkerSettings

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

#: The circuit, and what the keys of finished charges begin with. Names of functions, which Powertools would take, change: after
#: a deployment, every charge would be a new one.
_NAME = "sqs_pipeline.payment"

#: All attempts at one charge, and the pauses between them, take no longer.
_MOST_SECONDS = 20.0

#: With less time a charge is not begun.
_LEAST_SECONDS = 2.0

#: What is kept of the function's time for what comes after a charge: a second for what is written, and a call in full that
#: sends a copy of a message which has to wait.
RESERVED_SECONDS = aws.LONGEST_CALL_SECONDS + 1


class GuardedCharges:
    """The payment API behind a circuit breaker, with a memory of what was charged.

    Args:
        settings: The worker's settings: the tables, and when the circuit opens and closes.
        charge: Charges at the payment API, within so many seconds.
        client: The client to use. Default: a new one, with short timeouts.
        share: Luck: from 0 to 1.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        charge: Callable[[Charge, float], Outcome],
        client: "DynamoDBClient | None" = None,
        share: Callable[[], float] = random.random,
    ) -> None:
        client = client or boto3.client("dynamodb", config=aws.CLIENT_CONFIG)
        self._settings = settings
        self._charge = charge
        self._share = share
        self._kept = DynamoDBPersistenceLayer(settings.idempotency_table_name, boto3_client=client)
        self._circuit = CircuitBreakerDynamoDBPersistence(settings.circuit_table_name, boto3_client=client)
        self._circuit_config = CircuitBreakerConfig(
            failure_threshold=settings.circuit_failure_threshold,
            recovery_timeout=settings.circuit_recovery_seconds,
            success_threshold=1,
            handled_exceptions=PaymentDownError,
        )
        self._circuit.configure(self._circuit_config, _NAME)
        self._has_opened = False

    def closed_for(self) -> int | None:
        """The seconds until a charge makes sense; ``None`` if one does now. A table that cannot be read does not hold it up."""
        circuit = self._circuit.get_state(_NAME).to_circuit_info()
        if circuit.state is not CircuitState.OPEN or self._rest(circuit.opened_at) <= 0:
            return None
        return self._wait(circuit.opened_at)

    def charge(self, charge: Charge, context: LambdaContext) -> Outcome:
        """Charge, or say what came of it earlier.

        Raises:
            PostponedError: The circuit is open, too little time is left, another worker is at it, or the charge is held up.
            UnavailableError: It is not known what came of it, or it was charged and that could not be kept.
        """
        self._has_opened = False
        try:
            return Outcome.from_dict(self._once(context)(key=charge.key, charge=charge))
        except CircuitBreakerOpenError as error:
            msg = "The payment API is down."
            raise PostponedError(msg, delay=self._wait(error.circuit.opened_at if error.circuit else None)) from error
        except PaymentDownError as error:
            if self._is_closed():
                raise  # the payment API works for others: it may be the order that it fails for
            delay = max(self._wait(int(time.time())), error.retry_after or 0)
            raise HeldUpError(error.detail, delay=delay, in_doubt=True, hint=error.hint) from error
        except IdempotencyAlreadyInProgressError as error:
            msg = "Another worker is at it, or was when it ended."
            raise PostponedError(msg, delay=self._settings.queue.retry_delay_seconds) from error
        except IdempotencyPersistenceLayerError as error:
            if isinstance(error.__cause__, Exception) and aws.passes(error.__cause__):
                msg = "The table of finished charges could not be used."
                raise UnavailableError(msg) from error
            raise

    def _once(self, context: LambdaContext) -> Callable[..., dict[str, str]]:
        """Charges, unless this order was charged; it fails at once while the circuit is open."""

        @circuit_breaker(name=_NAME, persistence_store=self._circuit, config=self._circuit_config, on_transition=self._tell)
        def guarded(charge: Charge) -> dict[str, str]:
            return self._charge(charge, _seconds(context)).as_dict()

        def once(*, key: str, charge: Charge) -> dict[str, str]:  # noqa: ARG001  Powertools takes the key by its name
            kept: dict[str, str] = guarded(charge)
            return kept

        config = IdempotencyConfig(
            expires_after_seconds=self._settings.idempotency_ttl_seconds,
            hash_function="sha256",
            lambda_context=context,  # a worker that dies leaves its mark; it counts for as long as the worker could have lived
        )
        decorated: Callable[..., dict[str, str]] = idempotent_function(
            once, data_keyword_argument="key", persistence_store=self._kept, config=config, key_prefix=_NAME
        )
        return decorated

    def _tell(self, transition: CircuitTransition) -> None:
        logger.warning("circuit", extra={"from_state": str(transition.from_state), "to_state": str(transition.to_state)})
        if transition.to_state is CircuitState.OPEN:
            self._has_opened = True
            metrics.count("CircuitOpened")

    def _is_closed(self) -> bool:
        """Whether the circuit is closed after a failure. It may have opened here without that being kept, or elsewhere."""
        return not self._has_opened and self._circuit.get_state(_NAME).state is CircuitState.CLOSED

    def _rest(self, opened_at: int | None) -> float:
        return (opened_at or 0) + self._settings.circuit_recovery_seconds - time.time()

    def _wait(self, opened_at: int | None) -> int:
        """The rest of the time that the circuit stays open, and up to a third of it more: not all come at once."""
        jitter = self._share() * self._settings.circuit_recovery_seconds / 3
        return math.ceil(max(1.0, self._rest(opened_at)) + jitter)


def _seconds(context: LambdaContext) -> float:
    """The time for a charge, asked for when it begins: the calls before it may have taken theirs."""
    check_time(context, RESERVED_SECONDS + _LEAST_SECONDS)
    return min(_MOST_SECONDS, context.get_remaining_time_in_millis() / 1000 - RESERVED_SECONDS)
