"""Print what is proved of each pattern: permissions, mutants, alarms, findings, traps. Exit code 1 if it does not hold.

The figures are those that the tests hold: this measures, enforces, scans and plants with the same code. Two processes share
the work, each with a JavaScript process of its own for the CDK.
"""

import gc
import importlib
import logging
import multiprocessing
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
#: What a part says: ``("step", words)``, ``("table", its table, trap -> what catches it)`` or ``("failed", words)``.
Message = tuple[Any, ...]


def _tests(name: str) -> Any:  # noqa: ANN401  the tests are not typed
    """A module of the tests, in the clean environment that all tests have."""
    for path in (ROOT, ROOT / "lambda_src"):
        if str(path) not in sys.path:
            sys.path.insert(0, str(path))
    importlib.import_module("tests.conftest")
    return importlib.import_module(f"tests.{name}")


def permissions() -> Iterator[Message]:
    """Measure each function, take each of its permissions away, and plant what no scanner has to see."""
    subjects, table, traps = (_tests(f"proofs.{name}") for name in ("subjects", "table", "traps.every_trap"))
    yield "of", len(subjects.STACKS) + 1
    for stack in subjects.STACKS:
        subjects.subjects_of(stack)
    gc.collect()
    gc.freeze()  # what CDK leaves is millions of objects: the collector would go through them again and again
    result = table.Table()
    for stack in subjects.STACKS:
        yield "step", f"permissions of {stack}"
        result.add(table.of_permissions(stack))
    yield "step", "planted mistakes"
    found = traps.outcomes([trap for trap in traps.TRAPS if trap not in traps.SCANNED], [])
    result.add(table.of_traps(found))
    yield "table", result, _caught(found)


def scanners() -> Iterator[Message]:
    """Scan every template, those with planted mistakes too; and ask of each alarm how it is known to go off."""
    scan, table, traps, subjects = (
        importlib.import_module("scan"),
        *(_tests(f"proofs.{name}") for name in ("table", "traps.every_trap", "subjects")),
    )
    yield "of", 3
    yield "step", "synthesis"
    found = scan.templates()
    yield "step", "cdk-nag, cfn-lint and cfripper"
    findings = scan.scan({**found, **traps.to_be_scanned()})
    yield "step", "alarms"
    outcomes = traps.outcomes(traps.SCANNED, findings)
    result = table.of_traps(outcomes)
    result.add(table.of_findings([finding for finding in findings if finding.template in found]))
    result.add(table.of_alarms({name: subjects.template_named(name) for name in subjects.STACKS}))
    yield "table", result, _caught(outcomes)


PARTS: Mapping[str, Callable[[], Iterator[Message]]] = {"permissions": permissions, "scanners": scanners}


def _caught(outcomes: Any) -> dict[str, str]:  # noqa: ANN401  the tests are not typed
    return {each.trap.mistake: each.trap.caught_by if each.is_caught else "NOTHING" for each in outcomes}


def _work(part: str, out: Connection) -> None:
    """A part, in a process of its own."""
    logging.disable()  # what the handlers say in their scenarios is theirs
    try:
        for message in PARTS[part]():
            out.send(message)
    except Exception:  # noqa: BLE001  whatever it is, the other process says it
        out.send(("failed", traceback.format_exc()))


def _messages() -> Iterator[tuple[str, Message]]:
    """What the parts say, as they say it; the last of each is its table."""
    context = multiprocessing.get_context("spawn")
    open_ends: dict[Connection, str] = {}
    for part in PARTS:
        here, there = context.Pipe(duplex=False)
        context.Process(target=_work, args=(part, there), daemon=True).start()
        there.close()
        open_ends[here] = part
    while open_ends:
        ready = wait(list(open_ends))
        for end in [each for each in open_ends if each in ready]:
            try:
                yield open_ends[end], end.recv()
            except EOFError:  # it has ended
                del open_ends[end]


def prove(console: Console) -> tuple[Any, dict[str, str], list[str]]:
    """Run both parts and show how far they are: their table, what catches each mistake, and what did not come to its end."""
    columns = (TextColumn("{task.description:50}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    result = _tests("proofs.table").Table()
    caught: dict[str, str] = {}
    failures: list[str] = []
    unfinished = set(PARTS)
    with Progress(*columns, console=console, transient=True) as progress:
        tasks = {part: progress.add_task(part, total=None) for part in PARTS}
        for part, (kind, *values) in _messages():
            match kind:
                case "of":
                    progress.update(tasks[part], total=values[0])
                case "step":
                    progress.update(tasks[part], description=values[0], advance=1)
                case "table":
                    unfinished.discard(part)
                    result.add(values[0])
                    caught |= values[1]
                case _:
                    unfinished.discard(part)
                    failures.append(values[0])
    failures += [f"{part} did not come to its end" for part in sorted(unfinished)]
    return result, caught, failures


def show(console: Console, result: Any, caught: Mapping[str, str]) -> None:  # noqa: ANN401  the tests are not typed
    """Print both tables."""
    traps = Table("mistake that is planted", "caught by", title=f"{len(caught)} mistakes")
    for mistake, check in caught.items():
        traps.add_row(mistake, check)
    columns = _tests("proofs.table").COLUMNS
    figures = Table("pattern", title="What is proved of each pattern: findings are unexplained / explained")
    for heading in columns:
        figures.add_column(heading, justify="right", overflow="fold")
    for name, row in {**result.rows, "all": result.total}.items():
        figures.add_row(name, *(column(row) for column in columns.values()), end_section=name == "alerts")
    console.print(traps, figures)
    for fault in result.faults:
        console.print(f"- {fault}", style="red", markup=False, highlight=False)


def main() -> int:
    """Prove, print, and say by the exit code whether all holds."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    result, caught, failures = prove(console)
    show(console, result, caught)
    for failure in failures:
        console.print(failure, style="red", markup=False, highlight=False)
    return 0 if result.proves and not failures else 1


if __name__ == "__main__":
    sys.exit(main())
