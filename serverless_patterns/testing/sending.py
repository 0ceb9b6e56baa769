"""One thing that an AWS service does to a resource of a template by itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from serverless_patterns.testing.need import Need
from serverless_patterns.testing.service_needs import sending_action
from serverless_patterns.testing.template import ResolvedTemplate


@dataclass(frozen=True, order=True)
class Sending:
    """One thing that a service does to a resource.

    Args:
        service: The service's principal, as ``sns.amazonaws.com``.
        need: What it does, in the context that the service gives with it.
    """

    service: str
    need: Need


def sending(template: ResolvedTemplate, service: str, target: object, source: str | None, why: str) -> Iterator[Sending]:
    """What a service sends to a target, nothing where it takes none.

    Args:
        template: The template.
        service: The service, without the end of its principal.
        target: The ARN of the target.
        source: The ARN for which the service does it, ``None`` where that is not known.
        why: What makes it do so, in words.
    """
    action = sending_action(str(target))
    if action:
        context = {"aws:SourceAccount": template.place.account} | ({"aws:SourceArn": source} if source else {})
        yield Sending(f"{service}.amazonaws.com", Need(action, str(target), why, context))
