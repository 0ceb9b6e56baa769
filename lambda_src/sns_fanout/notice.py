"""What people are told of an event. Whatever it holds becomes plain words: no second header, no line that it was not given."""

import re
from collections.abc import Iterator

from shared import strict_json
from shared.envelope import Envelope
from shared.strict_json import Json
from sns_fanout.models import Notice

#: SNS takes a subject of less than 100 characters of ASCII without control characters.
#: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
MOST_SUBJECT = 99

_MOST_FIELDS = 30
_MOST_NAME = 100
_MOST_VALUE = 500

#: Whatever ends a line, or turns the direction of the rest of it.
_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_NOT_ASCII = re.compile(r"[^\x20-\x7e]")


def notice_of(event: Envelope) -> Notice:
    """A subject with what happened to what, and a text with the event's fields, one on each line."""
    about = [f"Time: {_line(event.time, _MOST_VALUE)}", f"From: {_line(event.source, _MOST_VALUE)}"]
    about += [f"Event: {_line(event.id, _MOST_VALUE)}"]
    lines = [_line(event.type, _MOST_VALUE), "", *_fields(event.data), "", *about]
    return Notice(_subject(f"{event.type}: {event.correlation_id}"), "\n".join(lines))


def _subject(text: str) -> str:
    # Mail programs decode =?...?=, and with it what was refused before.
    plain = _NOT_ASCII.sub("?", _line(text, MOST_SUBJECT)).replace("=?", "= ?")
    return _cut(plain, MOST_SUBJECT)


def _fields(data: dict[str, Json]) -> Iterator[str]:
    for name in list(data)[:_MOST_FIELDS]:
        yield f"{_line(name, _MOST_NAME)}: {_line(_text(data[name]), _MOST_VALUE)}"
    if len(data) > _MOST_FIELDS:
        yield f"... and {len(data) - _MOST_FIELDS} more"


def _text(value: Json) -> str:
    return value if isinstance(value, str) else strict_json.render(value)


def _line(text: str, most: int) -> str:
    return _cut(" ".join(_NOT_IN_A_LINE.sub(" ", text).split()), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
