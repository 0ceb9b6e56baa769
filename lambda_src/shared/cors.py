"""The headers that let web pages of other origins read an answer, errors included.

For REST APIs: there the function must send them. An HTTP API puts its own in their place.
https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-cors.html
"""

from collections.abc import Sequence

#: Response headers that a page's script may read besides the few that it always may.
_EXPOSED = "ETag, Idempotency-Replayed, Location, Retry-After"


def cors_headers(origin: str | None, *, allowed: Sequence[str], credentials: bool) -> dict[str, str]:
    """The headers of an answer to this origin; only an allowed one is ever named."""
    if not allowed:
        return {}
    headers = {"Vary": "Origin"}
    if origin is None or not {origin, "*"} & set(allowed):
        return headers
    headers["Access-Control-Allow-Origin"] = "*" if "*" in allowed else origin
    headers["Access-Control-Expose-Headers"] = _EXPOSED
    if credentials:
        headers["Access-Control-Allow-Credentials"] = "true"
    return headers
