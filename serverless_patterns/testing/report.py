"""What a function may do, against what it does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from serverless_patterns.errors import PatternError
from serverless_patterns.testing.actions import needs_of_all
from serverless_patterns.testing.calls import Call
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.needs import derived_needs
from serverless_patterns.testing.permissions import Grant, Permissions
from serverless_patterns.testing.resource import FunctionResource
from serverless_patterns.testing.template import ResolvedTemplate


@dataclass(frozen=True, order=True)
class WiderScope:
    """A grant on more than is used.

    Args:
        grant: The grant.
        enough: Patterns that would cover what is used.
    """

    grant: Grant
    enough: tuple[str, ...]


@dataclass(frozen=True)
class FunctionReport:
    """What one function may do, against what it does.

    Args:
        name: The function, as its construct path says it.
        granted: Single actions on single patterns, of the role's own policies.
        used: What its calls need, and what the template says that it needs besides.
        missing: Used, but not allowed; each says which condition forbids it where only that does.
        excess: Granted, but not used.
        scope: Granted on more than is used.
    """

    name: str
    granted: tuple[Grant, ...]
    used: tuple[Need, ...]
    missing: tuple[Need, ...]
    excess: tuple[Grant, ...]
    scope: tuple[WiderScope, ...]

    @classmethod
    def of(cls, name: str, permissions: Permissions, needs: Iterable[Need]) -> FunctionReport:
        """Compare permissions with needs."""
        every = list(needs)
        used = sorted(set(every))
        granted = sorted(set(permissions.grants))
        return cls(
            name,
            tuple(granted),
            tuple(used),
            tuple(sorted({permissions.explained(need) for need in every if not permissions.allows(need)})),
            tuple(grant for grant in granted if not any(grant.covers(need) for need in used)),
            tuple(wider for grant in granted if (wider := _wider(grant, used))),
        )

    @property
    def exact(self) -> bool:
        """Whether nothing is missing, nothing in excess and nothing wider than it is used."""
        return not (self.missing or self.excess or self.scope)


def measure(template: ResolvedTemplate, function: FunctionResource, calls: Iterable[Call]) -> FunctionReport:
    """Compare the role of a function with the calls that it made and with what the template says that it needs.

    Args:
        template: The template.
        function: One of its functions.
        calls: All that its scenarios recorded. Each branch of the handler that calls AWS needs a scenario: what no scenario
            does counts as not used.

    Raises:
        PatternError: The role of the function is of another template, or a call maps to no IAM action.
    """
    if function.role is None:
        msg = f"function={function.path!r} has a role of another template: measure it with the template that defines it"
        raise PatternError(msg)
    needs = [*needs_of_all(calls, template), *derived_needs(template, function)]
    return FunctionReport.of(function.path, template.permissions(function.role), needs)


#: First folders of a bucket that are taken for ones that a handler names; more of them are taken for customers, say.
MOST_FIRST_FOLDERS = 3
_COLUMNS = ("function", "granted", "used", "missing", "excess", "wider")


def text_report(reports: Iterable[FunctionReport]) -> str:
    """A table of the figures as plain text, and below it what is missing, in excess or wider, a line each."""
    ordered = _sorted(reports)
    rows = [_COLUMNS, *(_figures(report) for report in ordered)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    table = ["  ".join(_padded(row, widths)).rstrip() for row in rows]
    return "\n".join([*table, *_findings(ordered)]) + "\n"


def markdown_report(reports: Iterable[FunctionReport]) -> str:
    """The same as a table in Markdown, and a list."""
    ordered = _sorted(reports)
    rows = [_COLUMNS, ("---", *["---:"] * (len(_COLUMNS) - 1)), *(_figures(report) for report in ordered)]
    table = [f"| {' | '.join(row)} |" for row in rows]
    found = [f"- {line}" for line in _findings(ordered)]
    return "\n".join([*table, *([""] if found else []), *found]) + "\n"


def _sorted(reports: Iterable[FunctionReport]) -> list[FunctionReport]:
    return sorted(reports, key=lambda report: report.name)


def _figures(report: FunctionReport) -> tuple[str, ...]:
    parts: Sequence[Sequence[object]] = (report.granted, report.used, report.missing, report.excess, report.scope)
    return (report.name, *(str(len(part)) for part in parts))


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Names to the left, figures to the right."""
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]


def _findings(reports: Iterable[FunctionReport]) -> list[str]:
    lines: list[str] = []
    for report in reports:
        lines += [f"{report.name}: missing {need.action} on {need.resource} ({need.why})" for need in report.missing]
        lines += [f"{report.name}: excess {grant.action} on {grant.resource} (of {grant.source})" for grant in report.excess]
        lines += [
            f"{report.name}: wider {wider.grant.action} on {wider.grant.resource}, enough: {', '.join(wider.enough)}"
            for wider in report.scope
        ]
    return lines


def _wider(grant: Grant, used: Iterable[Need]) -> WiderScope | None:
    """What would be enough, where that is less than what is granted."""
    resources = sorted({need.resource for need in used if grant.covers(need)})
    if "*" not in grant.resource or not resources or "*" in resources:
        return None
    objects = [each for each in resources if ":s3:::" in each and "/" in each]
    others = [_stable(each) for each in resources if each not in objects]
    enough = tuple(sorted({*others, *_folders(objects)}))
    return None if enough == (grant.resource,) or _is_inside(grant.resource, enough) else WiderScope(grant, enough)


def _is_inside(pattern: str, enough: Sequence[str]) -> bool:
    """Whether one of the proposals is no less than the pattern itself."""
    stem = pattern.partition("*")[0]
    return pattern.endswith("*") and any(each.endswith("*") and stem.startswith(each[:-1]) for each in enough)


def _stable(arn: str) -> str:
    """An ARN without what is another each time: the end of a secret's, the streams of a log, the names of executions."""
    if ":secretsmanager:" in arn:
        return re.sub(r"-\w{6}$", "-??????", arn)
    if ":states:" in arn:
        return re.sub(r":(execution|express):([^:]+):.*", r":\1:\2:*", arn)
    group, stream, _ = arn.partition(":log-stream:")
    return f"{group}:*" if stream else arn


def _folders(resources: Sequence[str]) -> list[str]:
    """The folders that objects are in: for each first folder of a bucket, what all of its objects share.

    A folder with a digit in its name, such as a date or an id, is taken to have another name next time; and so is one of many
    first folders.
    """
    firsts = {_first_folder(resource) for resource in resources}
    named = len(firsts) <= MOST_FIRST_FOLDERS
    roots: dict[str, list[str]] = {}
    for resource in resources:
        root = _first_folder(resource) if named else f"{resource.partition('/')[0]}/"
        roots.setdefault(root, []).append(resource.removeprefix(root))
    return [f"{root}{_shared(found)}*" for root, found in sorted(roots.items())]


def _first_folder(resource: str) -> str:
    bucket, _, key = resource.partition("/")
    folder, slash, _ = key.partition("/")
    return f"{bucket}/{folder}/" if slash and not re.search(r"\d", folder) else f"{bucket}/"


def _shared(keys: Sequence[str]) -> str:
    shared: list[str] = []
    for folders in zip(*(key.split("/")[:-1] for key in keys), strict=False):
        if len(set(folders)) > 1 or re.search(r"\d", folders[0]):
            break
        shared.append(f"{folders[0]}/")
    return "".join(shared)
