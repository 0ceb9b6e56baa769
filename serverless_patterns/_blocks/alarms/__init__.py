"""Alarms in three tiers: critical (data or users are hurt now), warning (they will be), info."""

from serverless_patterns._blocks.alarms.alarm_set import AlarmSet
from serverless_patterns._blocks.alarms.alerts import Alerts
from serverless_patterns._blocks.alarms.metrics import METRICS, handler_metric, rate_of

__all__ = ["METRICS", "AlarmSet", "Alerts", "handler_metric", "rate_of"]
