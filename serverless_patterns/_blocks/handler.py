"""Handler: which code a function runs. The one door for user code into every pattern."""

from __future__ import annotations

import ast
import difflib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from serverless_patterns._blocks import packaging
from serverless_patterns._blocks.checks import check
from serverless_patterns._blocks.packaging import Package
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
        with_dependency_layer: Whether the function gets the layer with this library's own handler dependencies.
        pattern_layer: The pattern whose handler needs a layer of its own beside that one. Default: none.

    Raises:
        PatternError: The entry is not of the form ``module.function``.
    """

    code: lambda_.Code | Package
    entry: str
    with_dependency_layer: bool = field(default=False, kw_only=True)
    pattern_layer: str | None = field(default=None, kw_only=True)

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
        handler = cls(Package(root=folder, files=_relative(folder), requirements=lock), entry)
        _check_entry(folder, entry)
        return handler

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
            self_check=f"{pattern}.self_check" if f"{pattern}/self_check.py" in sources else None,
            self_check_requirements=root / "requirements.txt",
        )
        own_layer = pattern if (root / pattern / "requirements.txt").is_file() else None
        return cls(package, f"{pattern}.{entry}", with_dependency_layer=True, pattern_layer=own_layer)

    def for_platform(self, platform: packaging.Platform) -> Handler:
        """The same handler, packed for a platform."""
        if isinstance(self.code, Package):
            return replace(self, code=replace(self.code, platform=platform))
        return self


def lambda_source() -> Path:
    """The import root of the bundled handlers: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "_lambda_src"
    return shipped if shipped.is_dir() else package.parent / "lambda_src"


def dependency_layers(scope: Construct, handler: Handler, platform: packaging.Platform) -> list[lambda_.ILayerVersion]:
    """The layers of a bundled handler: what all of them need beyond the runtime, and what only those of its pattern do."""
    root = lambda_source()
    folders = [root] if handler.with_dependency_layer else []
    if handler.pattern_layer is not None:
        folders.append(root / handler.pattern_layer)
    return [_dependency_layer(scope, folder, "" if folder == root else folder.name, platform) for folder in folders]


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


def _check_entry(folder: Path, entry: str) -> None:
    module, _, function = entry.rpartition(".")
    base = folder / module.replace(".", "/")
    file = next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
    if file is None:
        msg = f"entry {entry!r} names the module {module!r}, but there is no file {base.with_suffix('.py')}"
        raise BundlingError(msg)
    names = _names_defined(file)
    if function not in names and "*" not in names:
        close = difflib.get_close_matches(function, names, n=1)
        hint = f"; did you mean '{module}.{close[0]}'?" if close else f"; it defines {', '.join(sorted(names)) or 'nothing'}"
        msg = f"entry {entry!r} names the function {function!r}, but {file} does not define it{hint}"
        raise BundlingError(msg)


def _names_defined(file: Path) -> set[str]:
    """The names that a module binds, at any depth outside functions and classes; ``*`` where it imports all of another."""
    try:
        tree = ast.parse(file.read_bytes(), filename=str(file))
    except SyntaxError as error:
        if sys.version_info < packaging.PYTHON_VERSION:
            return {"*"}  # it may be valid where it will run
        msg = f"{file} is not valid Python {packaging.PYTHON}: line {error.lineno}: {error.msg}"
        raise BundlingError(msg) from error
    names: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
                continue
            if isinstance(node, ast.alias):
                names.add((node.asname or node.name).partition(".")[0])
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            waiting.append(node)
    return names
