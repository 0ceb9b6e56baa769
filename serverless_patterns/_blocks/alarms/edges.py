"""Alarms of APIs."""

from __future__ import annotations

from aws_cdk import Duration

from serverless_patterns._blocks.alarms.alarm_list import AlarmList
from serverless_patterns._blocks.alarms.metrics import rate_of
from serverless_patterns._blocks.edge import Edge


class EdgeAlarms(AlarmList):
    """Alarms of APIs."""

    def add_edge(self, edge: Edge, *, timeout: Duration) -> None:
        """The alarms of an API in front of a function with this timeout: answers 5xx, and slow answers."""
        tail = f"aws logs tail {edge.access_log.log_group_name} --since 15m"
        self.add(
            "ServerErrors",
            rate_of(edge.server_errors, edge.requests, "5xx per request"),
            tier="critical",
            threshold=1,
            at_threshold=False,
            periods=(3, 5),
            description=f"More than 1 % of the answers are 5xx: the function fails or times out. First: {tail}",
        )
        self.add(
            "Latency",
            edge.latency,
            tier="warning",
            threshold=0.5 * timeout.to_milliseconds(),
            at_threshold=False,
            periods=(3, 5),
            description=f"One answer in a hundred takes over half of the function's timeout: a slow dependency. First: {tail}",
        )
