"""Handler: which code a function runs. The one door for user code into every pattern."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from aws_cdk import Annotations, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from serverless_patterns._blocks import packaging
from serverless_patterns._blocks.checks import check, check_type
from serverless_patterns._blocks.entry import check_entry
from serverless_patterns._blocks.packaging import Package
from serverless_patterns.bundled import lambda_source
from serverless_patterns.errors import BundlingError

#: AWS's limit on the name of a handler. https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
LONGEST_ENTRY = 128


@dataclass(frozen=True)
class Handler:
    """The code of a function and the Python function in it that Lambda calls.

    Three ways to make one::

        Handler.from_directory("src/orders", "app.handler", requirements="src/orders/requirements.txt")
        Handler(lambda_.Code.from_bucket(bucket, "orders.zip"), "app.handler")
        Handler.bundled("api_crud")  # what the patterns use when no handler is given

    Args:
        code: Any code that CDK knows, or a package that is built while synthesising.
        entry: ``module.function``, as Lambda writes it; the module may have dots or slashes.

    Raises:
        PatternError: The entry is not of the form ``module.function``.
    """

    code: lambda_.Code | Package
    entry: str

    def __post_init__(self) -> None:
        """Check the code and the entry."""
        known = isinstance(self.code, lambda_.Code | Package)
        check(known, f"code must be made by lambda_.Code, or use Handler.from_directory(...), got {self.code!r}")
        check(
            re.fullmatch(r"[\w/-]+(\.[\w/-]+)+", str(self.entry)) and len(self.entry) <= LONGEST_ENTRY,
            f"entry must be 'module.function', at most {LONGEST_ENTRY} characters, got {self.entry!r}",
        )

    @classmethod
    def from_directory(cls, directory: str | Path, entry: str, *, requirements: str | Path | None = None) -> Handler:
        """Code in a folder, with its Python dependencies, packed for Lambda without Docker and on any host.

        Args:
            directory: The folder that becomes the root of the function's code. Hidden files, byte code, ``cdk.out``,
                ``node_modules`` and ``venv`` stay out; linked folders are followed.
            entry: ``module.function``: the module is a file in the folder, the function is defined or imported there.
            requirements: A requirements file, best one with hashes: the wheels for Lambda's platform (arm64) go beside the
                code. Default: none; boto3 comes with Lambda's runtime.

        Raises:
            BundlingError: The folder, the requirements file, the module or the function does not exist. While the app is
                synthesised for a deploy: a package has no wheel for Lambda's platform.
        """
        folder = Path(directory).absolute()
        if not folder.is_dir():
            msg = f"directory must be an existing folder, got {str(directory)!r} (looked for {folder})"
            raise BundlingError(msg)
        lock = None if requirements is None else Path(requirements).absolute()
        if lock is not None and not lock.is_file():
            msg = f"requirements must be an existing file, got {str(requirements)!r} (looked for {lock})"
            raise BundlingError(msg)
        handler = cls(package := Package(root=folder, files=_relative(folder), requirements=lock), entry)
        doubts = check_entry(folder, entry, alone=lock is None)
        return replace(handler, code=replace(package, doubts=doubts))

    @classmethod
    def bundled(
        cls,
        pattern: str,
        *,
        entry: str = "handler.handler",
        files: Mapping[str, str] | None = None,
        beside: Handler | None = None,
        named: str = "processor",
    ) -> Handler:
        """The handler that comes with the library for a pattern: its own folder, what handlers share, and these files.

        Args:
            pattern: The name of the pattern, such as ``"api_crud"``.
            entry: ``module.function`` in the pattern's folder. Default: its main one.
            files: Path below the pattern's folder -> text of a file that is added to the code.
            beside: Code of the user's that is packed beside it, with its dependencies, for the handler to call.
            named: What the argument is called that this code was given as.

        Raises:
            PatternError: There is no such pattern, or the user's code has a folder that the library has too.
        """
        root = lambda_source()
        known = sorted(path.parent.name for path in root.glob("*/handler.py"))
        check(pattern in known, f"pattern must be one that has a bundled handler ({', '.join(known)}), got {pattern!r}")
        sources: dict[str, Path | str] = {**_relative(root, root / "shared"), **_relative(root, root / pattern)}
        sources |= {f"{pattern}/{name}": text for name, text in (files or {}).items()}
        users = beside.code if beside is not None and isinstance(beside.code, Package) else Package(root=root)
        taken = sorted({name.partition("/")[0].removesuffix(".py") for name in users.files} & {pattern, "shared"})
        names = " or ".join(map(repr, taken))
        check(
            not taken,
            f"{named} must be in a folder without {names}, which the bundled handler has too, got {users.root}: rename yours",
        )
        package = Package(
            root=root,
            files={**sources, **users.files},
            requirements=users.requirements,
            doubts=[each for each in users.doubts if each.name != "handler-imports"],  # more is there than it has
            self_check=f"{pattern}.self_check" if f"{pattern}/self_check.py" in sources else None,
            self_check_requirements=root / "requirements.txt",
        )
        return cls(package, f"{pattern}.{entry}")

    @property
    def is_bundled(self) -> bool:
        """Whether it comes with the library."""
        return isinstance(self.code, Package) and self.code.root == lambda_source()

    @property
    def importable(self) -> str:
        """Its entry as Python's entry points write it: ``package.module:function``."""
        module, _, function = self.entry.rpartition(".")
        return f"{module.replace('/', '.')}:{function}"

    def for_platform(self, platform: packaging.Platform) -> Handler:
        """The same handler, packed for a platform."""
        if isinstance(self.code, Package):
            return replace(self, code=replace(self.code, platform=platform))
        return self


def check_packed(name: str, handler: Handler | None, example: str) -> None:
    """Check that code of the user's can be packed beside a bundled handler, which imports it.

    Args:
        name: What the argument is called.
        handler: The code, if there is any.
        example: Its entry, as it could be.

    Raises:
        PatternError: It is made of code whose files are not known here.
    """
    hint = f"made by Handler.from_directory(folder, {example!r})"
    check_type(name, handler, Handler, hint, optional=True)
    check(
        handler is None or isinstance(handler.code, Package),
        f"{name} must be {hint}, got {handler!r}: it is packed beside the bundled handler, which calls it",
    )


def check_code(scope: Construct, handler: Handler, platform: packaging.Platform) -> None:
    """Say what could not be made out of a handler's code: a warning, or an error where this very Python will run it.

    Raises:
        BundlingError: This Python cannot read the code, and it is to run here.
    """
    for doubt in handler.code.doubts if isinstance(handler.code, Package) else ():
        if platform == "host" and doubt.name == "handler-syntax":
            raise BundlingError(doubt.message)
        Annotations.of(scope).add_warning_v2(f"serverless-patterns:{doubt.name}", doubt.message)


def dependency_layers(scope: Construct, handler: Handler, platform: packaging.Platform) -> list[lambda_.ILayerVersion]:
    """The layers of a bundled handler: what all of them need beyond the runtime, and what only those of its pattern do."""
    if not handler.is_bundled:
        return []
    root, pattern = lambda_source(), handler.entry.partition(".")[0]
    patterns = ["", *([pattern] if (root / pattern / "requirements.txt").is_file() else [])]
    return [_dependency_layer(scope, root / name, name, platform) for name in patterns]


def _dependency_layer(scope: Construct, source: Path, pattern: str, platform: packaging.Platform) -> lambda_.ILayerVersion:
    """The layer with the requirements of a folder: one for each stack, shared by its functions."""
    stack = Stack.of(scope)
    name = "".join(word.capitalize() for word in pattern.split("_"))
    construct_id = f"{name}HandlerDependencies{'' if platform == 'aws' else 'ForHost'}"
    found = stack.node.try_find_child(construct_id)
    if found is not None:
        return cast(lambda_.ILayerVersion, found)  # only this function defines a construct of that id
    package = Package(root=source, requirements=source / "requirements.txt", into="python", platform=platform)
    return package.define(
        lambda code: lambda_.LayerVersion(
            stack,
            construct_id,
            code=code,
            description=f"What the bundled handlers{' of ' + pattern if pattern else ''} need beyond the Lambda runtime",
            compatible_runtimes=[packaging.runtime()],
            compatible_architectures=[packaging.architecture()],
        )
    )


def _relative(root: Path, folder: Path | None = None) -> dict[str, Path | str]:
    return {path.relative_to(root).as_posix(): path for path in packaging.files_below(folder or root)}
