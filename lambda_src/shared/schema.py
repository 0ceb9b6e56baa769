"""JSON Schema: what is wrong with a document, field by field."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
from jsonschema_rs import FancyRegexOptions, ValidationErrorKind

from shared.errors import Fault
from shared.settings import SettingsError
from shared.strict_json import Json

#: Steps that a pattern with look-around may take; ordinary patterns run in linear time. Above it the text does not match,
#: so that no text can keep the function busy.
_MOST_STEPS = 10_000


class Schema:
    """A compiled JSON Schema of the draft that its ``$schema`` names, 2020-12 if it names none.

    Formats are checked, references to other hosts are not followed, and messages never repeat a value.

    Args:
        document: The schema; numbers in it may be ``Decimal``.

    Raises:
        ValueError: It is not a JSON Schema.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self._properties: dict[str, Any] = document.get("properties", {})
        self._validator = jsonschema_rs.validator_for(
            document,
            validate_formats=True,
            mask="value",
            pattern_options=FancyRegexOptions(backtrack_limit=_MOST_STEPS),
            offline=True,
        )

    @classmethod
    def load(cls, path: Path, variable: str) -> "Schema":
        """The schema in this file, which this environment variable names.

        Raises:
            SettingsError: The file is missing, or it is not a JSON Schema.
        """
        try:
            return cls(json.loads(path.read_bytes(), parse_float=Decimal))
        except OSError:
            msg = f"{variable} names {path.name}, which is not in the code"
            raise SettingsError(msg) from None
        except (ValueError, AttributeError) as error:
            msg = f"{variable} names {path.name}, which is not a JSON Schema: {error}"
            raise SettingsError(msg) from None

    def declares(self, name: str) -> bool:
        """Whether the schema has a property of this name."""
        return name in self._properties

    def faults(self, document: Json) -> Iterator[Fault]:
        """All that is wrong; a missing or an unknown field is a fault of its own, at the place where it is or should be."""
        for error in self._validator.iter_errors(document):
            match error.kind:
                case ValidationErrorKind.Required(name):
                    yield Fault.at([*error.instance_path, name], "is required")
                case ValidationErrorKind.AdditionalProperties(names) | ValidationErrorKind.UnevaluatedProperties(names):
                    yield from (Fault.at([*error.instance_path, name], "is not a known field") for name in names)
                case _:
                    yield Fault.at(error.instance_path, error.message)
