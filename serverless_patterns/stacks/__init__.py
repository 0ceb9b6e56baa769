"""Stacks: where a pattern, an environment and its alerts come together."""

from serverless_patterns.stacks.alert_stack import AlertStack
from serverless_patterns.stacks.pattern_stack import PatternStack

__all__ = ["AlertStack", "PatternStack"]
