"""The code of functions in this process: importable as in Lambda, and running with its own environment variables."""

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from unittest import mock

from serverless_patterns.bundled import lambda_source
from serverless_patterns.errors import PatternError
from serverless_patterns.testing.resource import FunctionResource


def make_importable(*folders: str | Path) -> None:
    """Make code of your own, and the bundled handlers beside it, importable as they are in Lambda.

    For ``conftest.py``: then ``from event_routing.api import Envelope, Rejected`` works in tests as it does in the function.
    The extra ``[testing]`` brings what the bundled handlers import.

    Args:
        folders: The folders that were given to ``Handler.from_directory``. Default: only the bundled handlers.

    Raises:
        PatternError: There is no such folder.
    """
    wanted = [str(folder) for folder in _folders(folders or ())] + [str(lambda_source())]
    sys.path[:] = [*wanted, *(path for path in sys.path if path not in wanted)]


def code_of(cdk_out: str | Path, function: FunctionResource) -> Path:
    """The folder with a function's code as it is deployed, files included that a pattern writes.

    Args:
        cdk_out: Where it was synthesised: ``app.synth().directory``.
        function: A function of one of its templates.

    Raises:
        PatternError: The folder has no code of the function.
    """
    key = str(function.properties.get("Code", {}).get("S3Key", ""))
    folder = Path(cdk_out) / f"asset.{Path(key).stem}"
    if not key or not any(folder.glob("*")):
        msg = (
            f"cdk_out={str(cdk_out)!r} holds no code of {function.path} (looked for {folder}): give the folder of the synth "
            "that the template is from, and let it pack (without `aws:cdk:bundling-stacks`: [])"
        )
        raise PatternError(msg)
    return folder


@dataclass
class LambdaContext:
    """What Lambda hands to a handler besides the event.

    Args:
        milliseconds_left: How much time it has. Default: 300,000. A bundled handler with too little leaves work for later.
        function_name: The name of the function; ``Running`` says it.
        invoked_function_arn: Its ARN; the same.
        memory_limit_in_mb: How much memory it has.
        aws_request_id: Which invocation it is.
    """

    milliseconds_left: int = 300_000
    function_name: str = ""
    invoked_function_arn: str = ""
    memory_limit_in_mb: int = 512
    aws_request_id: str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

    def get_remaining_time_in_millis(self) -> int:
        """As much as it was given."""
        return self.milliseconds_left


class Running:
    """A function in this process, with its real code. Use ``running``."""

    def __init__(self, function: FunctionResource, own_modules: frozenset[str]) -> None:
        self.function = function
        self._own = own_modules
        self._handler: Callable[[Any, Any], Any]
        self.restart()

    def __call__(self, event: Any, context: Any = None) -> Any:  # noqa: ANN401  any JSON, and what a handler is told
        """What the function answers to this event.

        Args:
            event: The event, as AWS sends it.
            context: What the function is told besides. Default: ``LambdaContext()``.
        """
        context = context or LambdaContext()
        context.function_name, context.invoked_function_arn = self.function.name, self.function.arn
        return json.loads(json.dumps(self._handler(json.loads(json.dumps(event)), context)))

    def restart(self) -> None:
        """Let it begin anew, as in a new execution environment: with modules that nobody has used."""
        for name in [name for name in sys.modules if name.partition(".")[0] in self._own]:
            del sys.modules[name]
        module, _, name = self.function.handler.rpartition(".")
        self._handler = getattr(importlib.import_module(module.replace("/", ".")), name)


@contextlib.contextmanager
def running(function: FunctionResource, *code: str | Path, variables: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Let a function run in this process: its real code, its own environment variables, modules that nobody has used.

    The calls that it makes go where calls of this process go: put ``stand_in(template)`` around it, or an emulator.

    Args:
        function: A function of a ``ResolvedTemplate``.
        code: The folders that its modules are in, best that of ``code_of``; they come before all others.
        variables: Environment variables in the place of the function's own.

    Raises:
        PatternError: There is no such folder.
    """
    folders = _folders(code)
    region = function.arn.split(":")[3]
    lambdas = {"AWS_LAMBDA_FUNCTION_NAME": function.name, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    environment = {**function.environment, **lambdas, **(variables or {})}
    own = frozenset(name for folder in folders for name in _modules_in(folder))
    path = [*map(str, folders), *sys.path]
    with mock.patch.dict(os.environ, environment), mock.patch.object(sys, "path", path), _given_back(own):
        yield Running(function, own)


@contextlib.contextmanager
def _given_back(own: frozenset[str]) -> Iterator[None]:
    """Give others back the modules of these names that they have imported."""

    def loaded() -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] in own]

    kept = {name: sys.modules[name] for name in loaded()}
    try:
        yield
    finally:
        for name in loaded():
            del sys.modules[name]
        sys.modules.update(kept)


def _folders(folders: Iterable[str | Path]) -> list[Path]:
    found = [Path(folder).absolute() for folder in folders]
    for folder in found:
        if not folder.is_dir():
            msg = f"a folder with code must be there, got {str(folder)!r}"
            raise PatternError(msg)
    return found


def _modules_in(folder: Path) -> set[str]:
    """The first names of the modules in a folder, without those of packages that were installed there."""
    installed = {file.parts[0] for each in distributions(path=[str(folder)]) for file in each.files or ()}
    return {path.stem for path in folder.iterdir() if path.name not in installed and (path.is_dir() or path.suffix == ".py")}
