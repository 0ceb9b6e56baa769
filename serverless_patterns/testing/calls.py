"""What the AWS SDK is asked to do while a scenario runs.

The SDK is watched at one place that every call goes through: ``botocore.client.BaseClient._make_api_call``, on the class. So
clients that were made while a handler was imported, resources, paginators, waiters and ``upload_file`` are seen as well. A
presigned URL makes no call, but whoever uses it acts with the permissions of its signer: it counts as the call that it stands
for. So does a token for a database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError, ParamValidationError
from botocore.signers import RequestSigner, S3PostPresigner

from serverless_patterns.testing.database_tokens import client_of, signed_token


@dataclass(frozen=True)
class Call:
    """One call of an AWS service.

    Args:
        service: As boto3 names it: ``"dynamodb"``, ``"sesv2"``.
        operation: As the service names it: ``"PutItem"``.
        parameters: What it was given, as it was at that moment; a body that is a stream is not read.
        region: The region of the client.
        result: What came back; ``None`` after an error and for a presigned URL.
        error: The code of the service's error, or the name of the exception where none of the service's came back.
        presigned: Whether a URL for the call was signed, instead of making it.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]
    region: str | None = None
    result: Mapping[str, Any] | None = None
    error: str | None = None
    presigned: bool = False


#: Sees a client and a call before it is made, and makes it (or does not) by calling its third argument.
Watcher = Callable[[BaseClient, Call, Callable[[], Any]], Any]

#: Where the watched call waits in the context of a request that is being presigned.
_PENDING = "serverless_patterns.testing"
#: Who watches, the outermost first. Threads that started before a watcher are seen by it as well.
_watchers: list[Watcher] = []
#: The methods of the SDK as they were, while they are replaced.
_originals: list[tuple[type, str, Callable[..., Any]]] = []
_lock = Lock()
_unwatched: ContextVar[bool] = ContextVar("unwatched", default=False)


@contextmanager
def record() -> Iterator[list[Call]]:
    """Write down every AWS call that is made meanwhile, in all threads; nothing that is called notices.

    Recorders nest: each sees all calls of its own time. A call that the SDK refuses to send, because a parameter is missing or
    of a wrong type, is none.

    Example::

        with record() as calls:
            handler.handler(event, context)
        assert [(call.service, call.operation) for call in calls] == [("dynamodb", "PutItem")]

    Yields:
        The calls so far, in the order in which they ended.
    """
    calls: list[Call] = []

    def write_down(_: BaseClient, call: Call, proceed: Callable[[], Any]) -> Any:  # noqa: ANN401  the service's answer
        try:
            result = proceed()
        except ParamValidationError:
            raise
        except Exception as error:
            calls.append(replace(call, error=_code(error)))
            raise
        calls.append(call if call.presigned else replace(call, result=_copy(result)))
        return result

    with watching(write_down):
        yield calls


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Let a function stand around every AWS call that is made meanwhile; the SDK is as it was when the last one leaves."""
    with _lock:
        if not _watchers:
            _replace_methods()
        _watchers.append(watcher)
    try:
        yield
    finally:
        with _lock:
            _watchers.remove(watcher)
            if not _watchers:
                _restore_methods()


@contextmanager
def unwatched() -> Iterator[None]:
    """Let a scenario itself call AWS, to prepare or to look at what came of it: these calls are not the function's.

    For the thread that is inside, and for what it calls; not for threads that it starts.

    Example::

        with enforced(permissions, template):
            handler.handler(event, context)
            with unwatched():
                assert table.get_item(Key={"id": "1"})["Item"]
    """
    token = _unwatched.set(True)
    try:
        yield
    finally:
        _unwatched.reset(token)


def _replace_methods() -> None:
    """Put the watched methods into the classes of the SDK."""
    for owner, name, method in (
        (BaseClient, "_make_api_call", _make_api_call),
        (BaseClient, "_emit_api_params", _emit_api_params),
        (RequestSigner, "generate_presigned_url", _generate_presigned_url),
        (S3PostPresigner, "generate_presigned_post", _generate_presigned_post),
    ):
        original = getattr(owner, name)
        _originals.append((owner, name, original))
        setattr(owner, name, _with_original(method, original))


def _restore_methods() -> None:
    """Put the SDK's own methods back."""
    while _originals:
        owner, name, original = _originals.pop()
        setattr(owner, name, original)


def _with_original(method: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """A method that knows which one it replaces."""

    def replaced(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  the SDK's own signatures
        return method(partial(original, self), self, *args, **kwargs)

    return replaced


def _make_api_call(original: Callable[..., Any], client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401  the service's answer
    """A call that is made."""
    make = partial(original, operation, parameters)
    if _is_incomplete(client, operation, parameters):
        return make()  # the SDK refuses it
    return _watched(client, _call(client, operation, parameters), make)


def _emit_api_params(original: Callable[..., Any], client: BaseClient, **request: Any) -> Any:  # noqa: ANN401  the SDK's own signature
    """The beginning of a call; of one that is presigned, the signer below sees no parameters: they travel in its context."""
    context = request["context"]
    if context.get("is_presign_request"):
        call = _call(client, request["operation_model"].name, request["api_params"])
        context[_PENDING] = client, replace(call, presigned=True)
    return original(**request)


def _generate_presigned_url(original: Callable[..., Any], _: RequestSigner, **request: Any) -> Any:  # noqa: ANN401  the same
    """A URL that is signed, for an operation or as a token for a database."""
    sign = partial(original, **request)
    client, call = request["request_dict"].get("context", {}).pop(_PENDING, (None, None))
    if call is not None:
        return _watched(client, call, sign)
    token = signed_token(request)
    if token is None:
        return sign()
    region = request.get("region_name")
    return _watched(client_of(token.service, region), Call(*token, region, presigned=True), sign)


def _generate_presigned_post(original: Callable[..., Any], _: S3PostPresigner, **request: Any) -> Any:  # noqa: ANN401  the same
    """A form that is signed: the SDK begins it as a ``CreateBucket``, whoever posts it puts an object."""
    client, call = request["request_dict"]["context"].pop(_PENDING)
    parameters = {**call.parameters, "Key": request["fields"]["key"]}
    return _watched(client, replace(call, operation="PutObject", parameters=parameters), partial(original, **request))


def _watched(client: BaseClient, call: Call, make: Callable[[], Any]) -> Any:  # noqa: ANN401  the service's answer
    """Make a call with everybody around it who watches."""
    for watcher in () if _unwatched.get() else reversed(tuple(_watchers)):
        make = partial(watcher, client, call, make)
    return make()


def _call(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Call:
    """A call that is about to be made."""
    return Call(client.meta.service_model.service_name, operation, _copy(parameters), client.meta.region_name)


def _is_incomplete(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> bool:
    """Whether a parameter is missing that the SDK does not fill in itself."""
    model = client.meta.service_model.operation_model(operation)
    required = model.input_shape.required_members if model.input_shape else ()
    return not set(required) - set(model.idempotent_members) <= set(parameters)


def _copy(value: Any) -> Any:  # noqa: ANN401  any JSON-like value
    """A copy that later changes do not reach; what is no container, such as a stream, is not touched."""
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _code(error: Exception) -> str:
    """What a caller tells an error by."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__
