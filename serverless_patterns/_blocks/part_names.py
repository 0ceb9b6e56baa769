"""Names of parts that a user adds to a pattern: what its outputs and alarms begin with."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from serverless_patterns._blocks.checks import check, check_type

#: Letters of a name: what is called after it has room for more.
LONGEST_NAME = 64


def check_part_name(
    argument: str, name: str, *, example: str, parts: Sequence[str], reserved: Collection[str], endings: Sequence[str]
) -> None:
    """Check that a name is well formed, not taken, and that no output or alarm of two parts would have one name.

    Args:
        argument: What the caller calls the name.
        name: It.
        example: Another one, as it could be.
        parts: The names that there are.
        reserved: Construct ids that are the pattern's own.
        endings: What follows a name in outputs and alarms, and could be the end of another's name.
    """
    check_type(argument, name, str, f"a name in PascalCase, such as {example!r}")
    length = f", which has {len(name)}: {LONGEST_NAME} at most" if len(name) > LONGEST_NAME else ""
    check(
        re.fullmatch(r"[A-Z][A-Za-z0-9]*", name) and not length,
        f"{argument} must be a name in PascalCase, of letters and digits, such as {example!r}, got {name!r}{length}",
    )
    taken = {*reserved, *parts}
    check(name not in taken, f"{argument} {name!r} is taken; taken are {', '.join(sorted(taken))}")
    alike = [other for other in parts for ending in endings if name + ending == other or other + ending == name]
    check(not alike, f"{argument} {name!r} is too much like {', '.join(alike)}: both would name the same outputs")
