"""The table of ``make prove``: what is proved of each pattern, from what the tests measure and check."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from serverless_patterns import ENVIRONMENTS
from serverless_patterns.catalog import CATALOG
from tests.proofs.alarm_proofs import proven
from tests.proofs.cdk_grants import effective_actions
from tests.proofs.checks.permissions import avoidable
from tests.proofs.checks.scanners import must_not_be, without_reason
from tests.proofs.measure import measured, mutants_of, survivors
from tests.proofs.subjects import Subject, subjects_of
from tests.proofs.traps.every_trap import Outcome
from tools.scan import PACKS, Finding

#: What has to be zero in each row.
ZERO = (
    "missing",
    "excess",
    "wider",
    "avoidable *",
    "mutants that survive",
    *(f"{scanner} unexplained" for scanner in ("cdk-nag", "cfn-lint", "cfripper")),
    "traps missed",
)
#: Heading -> what stands in its column.
COLUMNS: Mapping[str, Callable[[Counter[str]], str]] = {
    **{name: lambda row, name=name: str(row[name]) for name in ("functions", "granted", "used", *ZERO[:4])},
    "mutants caught": lambda row: f"{row['mutants'] - row['mutants that survive']}/{row['mutants']}",
    "alarms": lambda row: str(row["seen"] + row["asserted"]),
    "seen firing": lambda row: str(row["seen"]),
    "asserted": lambda row: str(row["asserted"]),
    **{
        name: lambda row, name=name: f"{row[f'{name} unexplained']} / {row[f'{name} explained']}"
        for name in ("cdk-nag", "cfn-lint", "cfripper")
    },
    "traps caught": lambda row: f"{row['traps'] - row['traps missed']}/{row['traps']}",
}


@dataclass
class Table:
    """Figures by pattern, and in words what is wrong.

    Args:
        rows: Pattern -> its figures.
        faults: A line for each thing that should not be.
    """

    rows: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in PATTERNS})
    faults: list[str] = field(default_factory=list)

    def add(self, other: "Table") -> None:
        """Take over what another part has found."""
        for name, row in other.rows.items():
            self.rows[name] += row
        self.faults += other.faults

    def count(self, template: str, figures: Mapping[str, int], faults: Iterable[str] = ()) -> None:
        """Count figures of a template for its pattern."""
        self.rows[pattern_of(template)].update(figures)
        self.faults += [f"{template}: {fault}" for fault in faults]

    @property
    def total(self) -> Counter[str]:
        """The sum of all rows."""
        return sum(self.rows.values(), Counter())

    @property
    def proves(self) -> bool:
        """Whether zero stands where it has to, and something where something has to."""
        total = self.total
        looked = all(total[name] for name in ("functions", "granted", "used", "mutants", "seen", "cdk-nag explained", "traps"))
        return looked and not self.faults and not any(total[name] for name in ZERO)


PATTERNS = (*(entry.name for entry in CATALOG), "alerts")


def pattern_of(template: str) -> str:
    """The pattern that a template is of: ``prod-api-crud`` and ``api_crud_rest`` are of ``api_crud``."""
    place, _, rest = template.partition("-")
    name = (rest if place in {environment.name for environment in ENVIRONMENTS} else template).replace("-", "_")
    return next(pattern for pattern in PATTERNS if name.startswith(pattern))


def of_permissions(stack: str) -> Table:
    """What the functions of a template may do, and what they do."""
    table = Table()
    for subject in subjects_of(stack):
        table.count(stack, _permissions(subject), _wrong_permissions(subject))
    return table


def _permissions(subject: Subject) -> dict[str, int]:
    found = measured(subject)
    return {
        "functions": 1,
        "granted": effective_actions(found.permissions.grants),
        "used": effective_actions(found.report.used),
        "missing": len(found.report.missing),
        "excess": len(found.report.excess) + len(found.excess_elsewhere),
        "wider": len(found.report.scope),
        "avoidable *": len(avoidable(subject)),
        "mutants": len(mutants_of(subject)),
        "mutants that survive": len(survivors(subject)),
    }


def _wrong_permissions(subject: Subject) -> Iterator[str]:
    report = measured(subject).report
    for each in (*report.missing, *report.excess, *measured(subject).excess_elsewhere, *report.scope, *avoidable(subject)):
        yield f"{subject.name}: {each}"
    for mutant in survivors(subject):
        yield f"{subject.name}: no scenario misses {mutant.denied}"


def of_alarms(templates: Mapping[str, Mapping[str, Any]]) -> Table:
    """How many alarms there are, and how each is known to go off."""
    table = Table()
    for name, template in templates.items():
        table.count(name, proven(template))
    return table


def of_findings(findings: Collection[Finding]) -> Table:
    """What the scanners find, with and without a reason."""
    table, wrong = Table(), {*must_not_be(findings), *without_reason(findings)}
    by_template: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_template[finding.template].append(finding)
    for name, found in by_template.items():
        figures = Counter(f"{_scanner(each)} {'un' if each in wrong else ''}explained" for each in found)
        table.count(name, figures, (str(each) for each in found if each in wrong))
    return table


def _scanner(finding: Finding) -> str:
    return "cdk-nag" if finding.scanner in PACKS else finding.scanner


def of_traps(found: Iterable[Outcome]) -> Table:
    """How many mistakes were planted, and what nothing has caught."""
    table = Table()
    for outcome in found:
        missed = [] if outcome.is_caught else [f"nothing catches it when {outcome.trap.mistake}"]
        table.count(outcome.trap.stack, {"traps": 1, "traps missed": len(missed)}, missed)
    return table
