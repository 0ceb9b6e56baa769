"""What the person in front of the screen sees: steps as they happen, addresses, and the table of hops."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from serverless_patterns.local.assembly import Resource
from serverless_patterns.local.hops import Hop

#: Columns of output that no terminal shows.
WIDTH = 132
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
_CDK_COUNT = re.compile(r"\|\s*(?P<completed>\d+)/(?P<total>\d+) \|")


class Step:
    """A step under way.

    Args:
        progress: Where it is shown.
        title: Its name.
    """

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(escape(title), total=None, detail="")

    def line(self, text: str) -> None:
        """Show the latest line of a command; where the CDK CLI counts resources, the bar follows."""
        if count := _CDK_COUNT.search(text):
            self._progress.update(self._task, completed=int(count["completed"]), total=int(count["total"]))
        if text.strip():
            self._progress.update(self._task, detail=escape(text.strip()[:100]))


class Report:
    """Tells what a local run does.

    Args:
        console: Where to. Default: standard output.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else WIDTH)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show a step while it lasts, and how long it took when it is done."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
        began = time.monotonic()
        detail = TextColumn("[dim]{task.fields[detail]}")
        moving = self._console.is_terminal
        with Progress(*columns, detail, console=self._console, transient=True, disable=not moving) as progress:
            yield Step(progress, title)
        self._console.print(f"[green]✓[/] {escape(title)} [dim]{time.monotonic() - began:.1f} s")

    def say(self, text: str) -> None:
        """Print a sentence, as it is."""
        self._console.print(escape(text), soft_wrap=True)

    def outputs(self, stack: str, outputs: Mapping[str, str]) -> None:
        """Print what a stack gives to people: each value whole, in a line of its own, since it is copied and searched."""
        self._console.print(f"[italic]Outputs of {escape(stack)}" if outputs else f"{escape(stack)} has no outputs.")
        width = max(map(len, outputs), default=0)
        for name, value in sorted(outputs.items()):
            self.say(f" {name:{width}}  {value}")
        self.say("")

    def only_accepted(self, resources: Iterable[Resource]) -> None:
        """Print which resources the emulator did not make."""
        for resource in resources:
            self.say(f"  not made here, since it only configures another resource: {resource.type} {resource.path}")

    def hops(self, title: str, hops: Sequence[Hop]) -> None:
        """Print the table of hops: request, function, effect, time; and the files that they have saved."""
        table = Table(title=escape(title), title_justify="left")
        for heading in ("", "step", "request", "answer", "function", "effect"):
            table.add_column(heading, overflow="fold")
        table.add_column("ms", justify="right")
        for hop in hops:
            mark = "[red]✗[/]" if hop.faults else "[green]✓[/]"
            request = re.sub(r"cursor=.*", "cursor=...", _ID.sub("{id}", hop.request))
            cells = map(escape, (hop.step, request, hop.answer, hop.function, hop.effect, f"{hop.milliseconds:.0f}"))
            table.add_row(mark, *cells)
        self._console.print(table)
        for path in [path for hop in hops for path in hop.files]:
            self._console.print(f"To look at: {escape(str(path))}", soft_wrap=True)
