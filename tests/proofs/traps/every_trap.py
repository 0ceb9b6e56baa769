"""All traps, and what becomes of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.proofs.subjects import template_named
from tests.proofs.traps.access import OF_FUNCTIONS, OF_SERVICES
from tests.proofs.traps.alarms import ALARMS
from tests.proofs.traps.apis import APIS, FUNCTIONS
from tests.proofs.traps.data import DATABASES, IN_TRANSIT_AND_AT_REST, KEPT
from tests.proofs.traps.deliveries import DELIVERIES, QUEUES, STREAMS
from tests.proofs.traps.principals import OF_STRANGERS
from tests.proofs.traps.settings import FEEDS, SECRETS, STORES, UNDER_THE_KEY
from tests.proofs.traps.trap import Refusal, Rule, Trap
from tools.scan import Finding, scanned_name

TRAPS: tuple[Trap | Refusal, ...] = (
    *OF_FUNCTIONS,
    *OF_SERVICES,
    *OF_STRANGERS,
    *QUEUES,
    *STREAMS,
    *DELIVERIES,
    *APIS,
    *FUNCTIONS,
    *IN_TRANSIT_AND_AT_REST,
    *KEPT,
    *DATABASES,
    *UNDER_THE_KEY,
    *STORES,
    *SECRETS,
    *FEEDS,
    *ALARMS,
)
SCANNED = tuple(trap for trap in TRAPS if isinstance(trap, Trap) and isinstance(trap.check, Rule))


@dataclass(frozen=True)
class Outcome:
    """What became of a trap.

    Args:
        trap: The trap.
        found: What its check finds with the mistake.
        found_without: What it finds without.
    """

    trap: Trap | Refusal
    found: tuple[object, ...]
    found_without: tuple[object, ...]

    @property
    def is_caught(self) -> bool:
        """Whether the check sees the mistake, and nothing where there is none."""
        return bool(self.found) and not self.found_without


def to_be_scanned() -> Mapping[str, Mapping[str, Any]]:
    """Name -> template, of what the scanners must see: each with its mistake, and each without any."""
    planted = {trap.slug: trap.planted for trap in SCANNED}
    return planted | {scanned_name(trap.stack): template_named(trap.stack) for trap in SCANNED}


def outcomes(traps: Iterable[Trap | Refusal], findings: Sequence[Finding]) -> list[Outcome]:
    """What becomes of traps.

    Args:
        traps: The traps.
        findings: What the scanners have found in ``to_be_scanned``.
    """
    by_template: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_template[finding.template].append(finding)
    return [_outcome(trap, by_template) for trap in traps]


def _outcome(trap: Trap | Refusal, findings: Mapping[str, Sequence[Finding]]) -> Outcome:
    if isinstance(trap, Refusal):
        return Outcome(trap, tuple(trap.found()), tuple(trap.found_without()))
    if isinstance(trap.check, Rule):
        with_it, without = (trap.check.of(findings.get(name, ())) for name in (trap.slug, scanned_name(trap.stack)))
        return Outcome(trap, tuple(with_it), tuple(without))
    return Outcome(trap, tuple(trap.check(trap.planted)), tuple(trap.check(template_named(trap.stack))))
