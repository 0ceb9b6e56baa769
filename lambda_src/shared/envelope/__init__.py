"""The envelope of an event: what happened, to what, when and because of what, in a form that outlives its readers.

It has two forms: one JSON object on a topic, and on a bus an event whose parts rules can match. Each version of each form has
its JSON Schema in a file beside this one, ``v1/envelope.json`` and ``v1/event.json``, for readers in any language.
"""

from shared.envelope.model import VERSION, Envelope

__all__ = ["VERSION", "Envelope"]
