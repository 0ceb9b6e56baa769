"""The envelope's form on a bus, where rules match ``source``, ``detail-type`` and ``detail.metadata.version``."""

from collections.abc import Iterator
from typing import Any

from shared import strict_json
from shared.dynamodb import MOST_NESTING
from shared.envelope.forms import Form
from shared.envelope.model import Envelope
from shared.errors import Fault, InvalidError
from shared.strict_json import Json

#: The integers that EventBridge takes. https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
_LEAST_INTEGER, _MOST_INTEGER = -(2**63), 2**63 - 1

#: The same data is one level deeper than on a topic.
_MOST_NESTING = MOST_NESTING + 1

_METADATA = ("id", "version", "correlation_id", "causation_id", "time")

_FORM = Form("event", "event of EventBridge with an envelope")
_NO_EVENT = (
    "This is no event of EventBridge: let a rule of a bus send the whole event, and no input path or transformer change it."
)
_UNFIT_NUMBERS = "The event has integers that EventBridge does not take."


def entry_of(event: Envelope) -> dict[str, str]:
    """The event as an entry of PutEvents, for the bus to be named in.

    The time of the entry is left to EventBridge: archives replay by when they took an event, not by when it happened.

    Raises:
        InvalidError: No reader would take it, or EventBridge would not: better known here than in a dead-letter queue.
    """
    detail = {"metadata": {name: getattr(event, name) for name in _METADATA}, "data": event.data}
    document = {"source": event.source, "detail-type": event.type, "detail": detail}
    read = parse(strict_json.render(document))
    event_of(read)
    if faults := list(_unfit(read)):
        raise InvalidError(_UNFIT_NUMBERS, faults=faults)
    return {"Source": event.source, "DetailType": event.type, "Detail": strict_json.render(detail)}


def parse(text: str) -> Json:
    """The JSON document in the body of a message that a rule sent.

    Raises:
        InvalidError: It is not JSON, or something in it cannot be kept exactly.
    """
    return strict_json.parse(text, _MOST_NESTING)


def event_of(document: Json) -> Envelope:
    """The envelope in an event of EventBridge. Fields that are not known here are passed over.

    Raises:
        InvalidError: It is none, and all that is wrong is listed; or the envelope's version is not known here.
    """
    match document:
        case {"source": _, "detail-type": _, "detail": {"metadata": {"version": version}}}:
            _FORM.check(document, version)
        case {"source": _, "detail-type": _, "detail": _}:
            _FORM.check(document, None)
        case _:
            raise InvalidError(_NO_EVENT)
    content: Any = document  # as the schema says
    metadata = {name: content["detail"]["metadata"][name] for name in _METADATA}
    return Envelope(
        type=content["detail-type"],
        source=content["source"],
        data=content["detail"]["data"],
        **(metadata | {"version": int(metadata["version"])}),
    )


def _unfit(document: Json) -> Iterator[Fault]:
    for path, number in strict_json.numbers(document):
        if number == number.to_integral_value() and not _LEAST_INTEGER <= number <= _MOST_INTEGER:
            yield Fault.at(path, f"is not from {_LEAST_INTEGER} to {_MOST_INTEGER}: send it as a text")
