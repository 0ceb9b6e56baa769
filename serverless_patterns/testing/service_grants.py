"""What policies at resources grant to services, one action on one resource each."""

from collections.abc import Iterable
from dataclasses import dataclass

from serverless_patterns.testing.action_names import spelled
from serverless_patterns.testing.permissions import Grant
from serverless_patterns.testing.sending import Sending
from serverless_patterns.testing.statements import Statement


@dataclass(frozen=True)
class ServiceGrant:
    """One action that a service is allowed on one resource.

    Args:
        service: The service's principal.
        grant: The action and the resource.
        statement: Where it stands, with its conditions.
    """

    service: str
    grant: Grant
    statement: Statement

    def covers(self, sending: Sending) -> bool:
        """Whether this is what the service does, from a source that the statement names."""
        context = {key.lower(): value for key, value in sending.need.context.items()}
        return (
            sending.service == self.service
            and self.grant.covers(sending.need)
            and self.statement.applies(sending.need.action, sending.need.resource, context)
        )


def service_grants(statements: Iterable[Statement]) -> list[ServiceGrant]:
    """The grants to services of Allow statements, in their order."""
    return [
        ServiceGrant(name, Grant(action, resource, statement.source, bool(statement.conditions)), statement)
        for statement in statements
        if statement.effect == "Allow"
        for kind, name in statement.principals
        if kind == "Service"
        for action in spelled(statement.actions)
        for resource in statement.resources
    ]
