"""A request, whichever payload format API Gateway sent it in: 1.0 from a REST API, 2.0 from an HTTP API.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from shared.errors import InvalidError, TooLargeError, UnsupportedFormatError

_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_JSON = re.compile(r"\s*application/json\s*(?:;.*)?", re.ASCII | re.IGNORECASE | re.DOTALL)
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s";]*)', re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Request:
    """What the routes need of a request.

    Args:
        id: The id that API Gateway gave it.
        path: The path that the client called, if it is plain; else empty. It is fit for a header.
        item_id: The id of an item in the path, decoded.
        headers: The headers under names in lower case; several of one name are joined by commas.
        query: The decoded parameters; several of one name are joined by commas.
        caller: Who sent it, as far as API Gateway has checked that.
        content: The body as it is in the event.
        is_base64: Whether ``content`` is in base64.
    """

    id: str
    path: str
    item_id: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    caller: str
    content: str
    is_base64: bool

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "Request":
        """The request in an event of either format."""
        context = event["requestContext"]
        item_id = (event.get("pathParameters") or {}).get("id", "")
        return cls(
            id=context.get("requestId", ""),
            path=_plain_path(context),
            item_id=item_id if event.get("version") == "2.0" else unquote(item_id),  # only a REST API leaves it encoded
            headers=_joined(event, "multiValueHeaders", "headers", str.lower),
            query=_joined(event, "multiValueQueryStringParameters", "queryStringParameters", str),
            caller=_caller(context),
            content=event.get("body") or "",
            is_base64=bool(event.get("isBase64Encoded")),
        )

    def json_body(self, most_bytes: int) -> bytes:
        """The body, which must be JSON by its content type and not too large.

        Raises:
            InvalidError: There is no body.
            UnsupportedFormatError: The content type is another one, or names another charset than UTF-8.
            TooLargeError: It is larger than ``most_bytes``.
        """
        if not self.content:
            msg = "The body is missing."
            raise InvalidError(msg)
        if not _is_json(self.headers.get("content-type", "")):
            msg = "Content-Type must be application/json, in UTF-8."
            raise UnsupportedFormatError(msg)
        body = self._decoded()
        if len(body) > most_bytes:
            msg = f"The body is larger than {most_bytes} bytes."
            raise TooLargeError(msg)
        return body

    def _decoded(self) -> bytes:
        if not self.is_base64:
            return self.content.encode("utf-8", "surrogatepass")
        try:
            return base64.b64decode(self.content, validate=True)
        except ValueError:
            msg = "The body is not in base64."
            raise InvalidError(msg) from None


def payload_format(event: object) -> str:
    """The payload format of the event: ``"1.0"`` or ``"2.0"``.

    Raises:
        InvalidError: It is not an event of API Gateway.
    """
    if isinstance(event, dict) and isinstance(event.get("requestContext"), dict):
        if event.get("version") == "2.0" and "routeKey" in event:
            return "2.0"
        if "resource" in event and "httpMethod" in event:
            return "1.0"
    msg = "This is not a request from API Gateway."
    raise InvalidError(msg)


def route_of(event: Mapping[str, Any]) -> tuple[str, str]:
    """The method, and the path of the route that the API matched, such as ``/orders/{id}``."""
    if payload_format(event) == "1.0":
        return event["httpMethod"], event["resource"]
    return event["requestContext"]["http"]["method"], event["routeKey"].partition(" ")[2]


def with_route_as_path(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event with the route that the API matched in the place of its path.

    To match the path again would have to reckon with the stage and the base path of a custom domain, which are part of it.
    """
    _, route = route_of(event)
    if payload_format(event) == "1.0":
        return {**event, "path": route}
    stage = event["requestContext"].get("stage", "$default")
    return {**event, "rawPath": route if stage == "$default" else f"/{stage}{route}"}


def _is_json(content_type: str) -> bool:
    """Whether it is exactly this type, in UTF-8: a merge patch or JSON-LD is JSON as well, but means something else."""
    charsets = {charset.lower() for charset in _CHARSET.findall(content_type)}
    return _JSON.fullmatch(content_type) is not None and charsets <= {"utf-8", "utf8"}


def _plain_path(context: Mapping[str, Any]) -> str:
    path = str((context.get("http") or context).get("path", "")).rstrip("/")
    return path if _PLAIN_PATH.fullmatch(path) else ""


def _caller(context: Mapping[str, Any]) -> str:
    """The IAM principal, the subject of a token, an authorizer's principal, or nobody; each kind has names of its own."""
    authorizer = context.get("authorizer") or {}
    iam = authorizer.get("iam") or context.get("identity") or {}
    claims = (authorizer.get("jwt") or authorizer).get("claims") or {}
    subject = f"{claims.get('iss')} {claims['sub']}" if claims.get("sub") else ""
    names = {"iam": iam.get("userArn"), "jwt": subject, "custom": authorizer.get("principalId")}
    return next((f"{kind} {name}" for kind, name in names.items() if name), "anonymous")


def _joined(event: Mapping[str, Any], lists: str, texts: str, name_of: Callable[[str], str]) -> dict[str, str]:
    """Format 1.0 has a list for each name (and the last value as a text); format 2.0 has joined them already."""
    pairs = (event.get(lists) or event.get(texts) or {}).items()
    return {name_of(name): value if isinstance(value, str) else ",".join(value) for name, value in pairs}
