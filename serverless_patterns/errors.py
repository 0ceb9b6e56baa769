"""The exceptions of the library, drawn as a tree.

PatternsError                     all that the library raises itself
├── PatternError                  an argument does not fit: names it, the value, what is allowed, how to mend it
│   ├── BundlingError             a handler's code or its dependencies cannot be packed
│   └── UnknownEnvironmentError   no environment has this name
├── GuardError                    what the guard was given cannot be compared (raised by ``serverless_patterns.guard`` only)
└── LocalRunError                 the local run cannot go on (raised by ``serverless_patterns.local`` only)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PatternsError(Exception):
    """The base of all exceptions of the library: catch it to catch them all."""


class PatternError(PatternsError, ValueError):
    """An argument of a pattern, a building block or an environment does not fit."""


class BundlingError(PatternError):
    """A handler's code or its dependencies cannot be packed for Lambda."""


class UnknownEnvironmentError(PatternError):
    """No environment has this name."""


class GuardError(PatternsError):
    """What the guard was given cannot be compared; the message says what it expects."""


class LocalRunError(PatternsError):
    """The local run cannot go on; the message says what to do."""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """The end of a message that refuses a name: the known name that is most like it, or nothing if none is."""
    close = difflib.get_close_matches(str(name), sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
