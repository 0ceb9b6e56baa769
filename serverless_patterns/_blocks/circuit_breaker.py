"""When the worker of a queue stops calling an API that fails."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration

from serverless_patterns._blocks.checks import check_between, check_duration, check_type


@dataclass(frozen=True, kw_only=True)
class CircuitBreaker:
    """When the worker stops calling a payment API that fails, and when it tries again.

    While the circuit is open, orders wait in the queue; none is tried, none uses up its tries.

    Args:
        failure_threshold: Failed calls in a row, in one execution environment, that open it, 1 to 100, and not above the tries
            of an order. Each call is asked up to three times. Default 3.
        recovery_timeout: How long it stays open before one order tries the API again, 1 to 900 s. Default 30 s.

    Raises:
        PatternError: A value is outside its range.
    """

    failure_threshold: int = 3
    recovery_timeout: Duration | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_type("failure_threshold", self.failure_threshold, int, "a whole number")
        check_between("failure_threshold", self.failure_threshold, 1, 100)
        check_duration("recovery_timeout", self.recovery_timeout_or_default, least=1, most=900, why="the longest delay of SQS")

    @property
    def recovery_timeout_or_default(self) -> Duration:
        """How long it stays open."""
        return self.recovery_timeout or Duration.seconds(30)
