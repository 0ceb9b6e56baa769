"""Why something is not allowed although a statement speaks of it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from serverless_patterns.testing.conditions import failing
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.statements import Statement
from serverless_patterns.testing.wildcards import Values


def explained(need: Need, statements: Iterable[Statement], context: Mapping[str, Values]) -> Need:
    """A need that is not allowed; where only conditions stand in the way, it says which.

    Args:
        need: The need.
        statements: Those that could allow it.
        context: Condition key in lower case -> the request's value or values.
    """
    found = {
        f"{each.source} allows it but for the condition on {', '.join(sorted(keys))}"
        for each in statements
        if each.effect == "Allow" and each.covers_action(need.action) and each.covers_resource(need.resource, context)
        if (keys := set(failing(each.conditions, context, unknown=False)))
    }
    return replace(need, why="; ".join([need.why, *sorted(found)]))
