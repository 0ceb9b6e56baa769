"""The forms of the envelope: the versions that are read, and the schema of each."""

from decimal import Decimal
from pathlib import Path
from typing import TypeGuard

from shared.errors import InvalidError
from shared.schema import Schema
from shared.strict_json import Json

#: The versions that are read. A field that is added makes no new one: readers pass over what they do not know. One is added
#: when a field is taken away or means something else, and those before it stay for as long as archives and queues have them.
VERSIONS = (1,)

_FOLDER = Path(__file__).parent


class Form:
    """One form of the envelope, in all its versions.

    Args:
        name: The name of its schemas' files.
        words: What a document that does not fit is not.
    """

    def __init__(self, name: str, words: str) -> None:
        self._schemas = {version: Schema.load(_FOLDER / f"v{version}" / f"{name}.json", name) for version in VERSIONS}
        self._words = words

    def check(self, document: Json, version: Json) -> None:
        """Let pass what fits the schema of its version.

        The version comes first: of one that is not known, nobody can tell here what its fields should be.

        Raises:
            InvalidError: It does not fit, and all that is wrong is listed; or its version is not known.
        """
        number = int(version) if _is_version(version) else VERSIONS[-1]
        if number not in self._schemas:
            msg = f"The event's envelope has version {version}; only version {_listed()} is read here."
            raise InvalidError(msg)
        if faults := list(self._schemas[number].faults(document)):
            msg = f"The event is no {self._words}: errors has the fields."
            raise InvalidError(msg, faults=faults)


def _is_version(value: Json) -> TypeGuard[Decimal]:
    return isinstance(value, Decimal) and value >= 1 and value == int(value)


def _listed() -> str:
    return " or ".join(map(str, VERSIONS))
