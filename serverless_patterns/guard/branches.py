"""What ``Fn::If`` may come to: a value in each of the ways in which the conditions may turn out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

#: With more conditions than that, there are too many ways to try.
MOST = 6
_NO_VALUE = (None, {"Ref": "AWS::NoValue"})


def ways(*values: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401  JSON
    """Values, by their ``meaning``, in each way: a condition that several of them have is the same in all of them.

    There is none where there are too many conditions.
    """
    conditions = sorted(set().union(*map(_conditions, values)))
    if len(conditions) <= MOST:
        for turned_out in itertools.product((True, False), repeat=len(conditions)):
            holds = dict(zip(conditions, turned_out, strict=True))
            yield tuple(_chosen(value, holds) for value in values)


def _conditions(value: Any) -> set[str]:  # noqa: ANN401  JSON
    match value:
        case {"Fn::If": [condition, branches]}:
            return {json.dumps(condition, sort_keys=True)} | _conditions(branches)
        case list():
            return set().union(*map(_conditions, value))
        case dict():
            return _conditions(list(value.values()))
    return set()


def _chosen(value: Any, holds: Mapping[str, bool]) -> Any:  # noqa: ANN401  JSON
    match value:
        case {"Fn::If": [condition, [first, second]]}:
            return _chosen(first if holds[json.dumps(condition, sort_keys=True)] else second, holds)
        case list():
            chosen = [_chosen(each, holds) for each in value]
            return [each for each in chosen if each not in _NO_VALUE]
        case dict():
            return {key: _chosen(each, holds) for key, each in value.items()}
    return value
