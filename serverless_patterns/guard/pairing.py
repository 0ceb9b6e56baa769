"""Which stack of the new side is which of the old one: that of its name, in its account and region."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from serverless_patterns.errors import GuardError
from serverless_patterns.guard.assemblies import Stack, Written, read_folder
from serverless_patterns.guard.templates import EXPECTED, read_template

Stacks = dict[str, Stack]
Pair = tuple[Written | None, Written | None]
#: What the CDK writes where a stack does not say its account or its region.
UNKNOWN = "unknown-"


def read_pair(old: Path, new: Path) -> tuple[Stacks, Stacks]:
    """The stacks of both sides, by the name that they have in common.

    Two files are one stack, whatever they are called; folders of either kind go together, so that what
    ``aws cloudformation get-template`` has answered can stand against a cloud assembly.

    Raises:
        GuardError: One is not what can be compared; or one is a file and the other a folder.
    """
    for path in (old, new):
        if not path.exists():
            msg = f"{path} does not exist: expected {EXPECTED}"
            raise GuardError(msg)
    if old.is_file() != new.is_file():
        msg = (
            f"{old} and {new} must be of one kind, two folders or two template files: a file has no stack's name to find it by"
        )
        raise GuardError(msg)
    if old.is_file():
        return _labelled([Written(new.name, read_template(old))], [Written(new.name, read_template(new))])
    return _labelled(_each_once(old), _each_once(new))


def _each_once(folder: Path) -> list[Written]:
    found = read_folder(folder)
    times = Counter((each.name, each.environment) for each in found)
    twice = sorted({name for (name, _), number in times.items() if number > 1})
    if twice:
        msg = f"{folder} has these stacks more than once: {', '.join(twice)}; expected {EXPECTED}"
        raise GuardError(msg)
    return found


def _labelled(old: Sequence[Written], new: Sequence[Written]) -> tuple[Stacks, Stacks]:
    """Both sides by name; where a name is that of several stacks, it says the environment too."""
    sides: tuple[Stacks, Stacks] = {}, {}
    for name in dict.fromkeys(each.name for each in (*old, *new)):
        pairs = list(_pairs([each for each in old if each.name == name], [each for each in new if each.name == name]))
        for pair in pairs:
            label = name if len(pairs) == 1 else f"{name} ({_environment(pair)})"
            for side, written in zip(sides, pair, strict=True):
                if written:
                    side.update({stack.name: stack for stack in _stacks(written, label)})
    return sides


def _pairs(old: Sequence[Written], new: Sequence[Written]) -> Iterator[Pair]:
    """Stacks of one name: those of one environment first; what does not say its own is each of those that are left."""
    same = [(was, now) for was in old for now in new if was.environment == now.environment]
    olds = [was for was in old if all(was is not each for each, _ in same)]
    news = [now for now in new if all(now is not each for _, each in same)]
    like = [(was, now) for was in olds for now in news if _may_be_one(was.environment, now.environment)]
    yield from same
    yield from like
    yield from ((was, None) for was in olds if all(was is not each for each, _ in like))
    yield from ((None, now) for now in news if all(now is not each for _, each in like))


def _may_be_one(one: str | None, other: str | None) -> bool:
    """Whether two environments, such as ``aws://123456789012/eu-central-1``, may be the same."""
    if one is None or other is None:
        return True
    parts = zip(one.split("/"), other.split("/"), strict=False)
    return all(a == b or UNKNOWN in a or UNKNOWN in b for a, b in parts)


def _environment(pair: Pair) -> str:
    said = [each.environment for each in pair if each and each.environment]
    return min(said, key=lambda environment: environment.count(UNKNOWN), default="an environment that nothing says")


def _stacks(written: Written, name: str, parent: str | None = None) -> Iterator[Stack]:
    yield Stack(name, written.template, parent)
    for each in written.nested:
        yield from _stacks(each, f"{name}/{each.name}", name)
