"""The figures of docs/least-privilege.md."""

from pathlib import Path

from tests.proofs.cdk_grants import effective_actions, permissions_of_cdk
from tests.proofs.measure import Measured, measured
from tests.proofs.subjects import STACKS, Subject, subjects_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "least-privilege.md"
BEGIN, END = "<!-- figures: python tools/least_privilege.py -->\n", "<!-- end of the figures -->\n"
_HEADS = ("template", "function", "granted", "used", "never used", "CDK's grants", "of which never used")


def page_with_figures(text: str) -> str:
    """The page with its figures as they are now."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{_figures()}{END}{rest.partition(END)[2]}"


def _figures() -> str:
    rows = [_row(subject, measured(subject)) for stack in STACKS for subject in subjects_of(stack)]
    sums = [sum(row[column] for _, _, *row in rows) for column in range(len(_HEADS) - 2)]
    every = [*((f"`{stack}`", f"`{name}`", *figures) for stack, name, *figures in rows), ("**all**", "", *sums)]
    lines = [" | ".join(_HEADS), " | ".join(["---", "---", *["---:"] * (len(_HEADS) - 2)])]
    return "".join(f"| {line} |\n" for line in [*lines, *(" | ".join(map(str, row)) for row in every)])


def _row(subject: Subject, found: Measured) -> tuple[str, str, int, int, int, int, int]:
    used = effective_actions(found.report.used)
    granted, cdk = effective_actions(found.permissions.grants), effective_actions(permissions_of_cdk(subject).grants)
    return (subject.stack, subject.name, granted, used, granted - used, cdk, cdk - used)
