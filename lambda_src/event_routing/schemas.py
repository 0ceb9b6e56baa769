"""The schemas of the data of events, one for each type that has one."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from shared.envelope import Envelope
from shared.errors import Fault, InvalidError
from shared.schema import Schema
from shared.settings import SettingsError

_UNFIT = "The event's data does not fit the schema of its type."


class Schemas:
    """The schemas by type.

    Args:
        schemas: They.
    """

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._schemas = schemas

    @classmethod
    def load(cls, path: Path, variable: str) -> "Schemas":
        """The schemas in this file, which this environment variable names: a JSON object, by type.

        Raises:
            SettingsError: The file is missing or no such object, or one of them is not a JSON Schema.
        """
        try:
            documents = json.loads(path.read_bytes(), parse_float=Decimal)
        except OSError:
            msg = f"{variable} names {path.name}, which is not in the code"
            raise SettingsError(msg) from None
        except ValueError as error:
            msg = f"{variable} names {path.name}, which is not JSON: {error}"
            raise SettingsError(msg) from None
        if not isinstance(documents, dict):
            msg = f"{variable} names {path.name}, which must be an object with the schema of each type"
            raise SettingsError(msg)
        return cls({kind: _schema(document, kind, path, variable) for kind, document in documents.items()})

    def check(self, event: Envelope) -> None:
        """Let pass an event whose data fits the schema of its type, or whose type has none.

        Raises:
            InvalidError: It does not fit; all that is wrong is listed.
        """
        schema = self._schemas.get(event.type)
        if schema is None:
            return
        if faults := [Fault(f"/data{fault.pointer}", fault.message) for fault in schema.faults(event.data)]:
            raise InvalidError(_UNFIT, faults=faults)


def _schema(document: Any, kind: str, path: Path, variable: str) -> Schema:  # noqa: ANN401  whatever the file has
    try:
        return Schema(document)  # what is no object raises as well
    except (ValueError, AttributeError) as error:
        msg = f"{variable} names {path.name}, whose schema of {kind!r} is not a JSON Schema: {error}"
        raise SettingsError(msg) from None
