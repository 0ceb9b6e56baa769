"""JSON Schema: what is wrong with a document, field by field."""

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema_rs
from jsonschema_rs import FancyRegexOptions, ValidationError, ValidationErrorKind

from shared.errors import Fault
from shared.settings import SettingsError
from shared.strict_json import Json

#: Steps that a pattern with look-around may take; ordinary patterns run in linear time. Above it the text does not match,
#: so that no text can keep the function busy.
_MOST_STEPS = 10_000

#: Values of a document up to which all that is wrong is looked for. The validator finds every error before it tells the first,
#: and a body of 256 KB has room for 130,000 of them: over a second of work that anybody could order.
_MOST_VALUES = 2_000


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
        """All that is wrong, or the first of it in a document of more than 2,000 values.

        A missing or an unknown field is a fault of its own, at the place where it is or should be.
        """
        for error in self._errors(document):
            yield from _faults_of(error)

    def _errors(self, document: Json) -> Iterable[ValidationError]:
        if not _is_large(document):
            return self._validator.iter_errors(document)
        try:
            self._validator.validate(document)
        except ValidationError as first:
            return [first]
        return []


def _faults_of(error: ValidationError) -> Iterator[Fault]:
    match error.kind:
        case ValidationErrorKind.Required(name):
            yield Fault.at([*error.instance_path, name], "is required")
        case ValidationErrorKind.AdditionalProperties(names) | ValidationErrorKind.UnevaluatedProperties(names):
            yield from (Fault.at([*error.instance_path, name], "is not a known field") for name in names)
        case ValidationErrorKind.BacktrackLimitExceeded() | ValidationErrorKind.RegexEngineFailure():
            yield Fault.at(error.instance_path, "value does not match the pattern")
        case _:
            yield Fault.at(error.instance_path, error.message)


def _is_large(document: Json) -> bool:
    return any(islice(_one_for_each_value(document), _MOST_VALUES, None))


def _one_for_each_value(document: Json) -> Iterator[bool]:
    yield True
    match document:
        case dict():
            for member in document.values():
                yield from _one_for_each_value(member)
        case list():
            for element in document:
                yield from _one_for_each_value(element)
