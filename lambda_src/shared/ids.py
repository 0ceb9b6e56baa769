"""Ids that clients may choose and paths, headers and queues can carry as they are."""

import re
import uuid

from shared.errors import Fault

_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~@:+-]{1,128}")


def is_id(text: str) -> bool:
    """Whether this can be the id of an item: 1 to 128 characters that stand in a path and a header as they are.

    ``.`` and ``..`` do not: clients resolve them before they send the path.
    """
    return _ID.fullmatch(text) is not None


def id_faults(value: object) -> list[Fault]:
    """What is wrong with this value of the field ``id``: nothing if it is one."""
    if isinstance(value, str) and is_id(value):
        return []
    return [Fault.at(["id"], "must be 1 to 128 letters, digits or characters of ._~@:+-, and not . or ..")]


def new_id() -> str:
    """An id that nothing has yet."""
    return str(uuid.uuid4())
