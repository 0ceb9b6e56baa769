"""The module that an entry names: it is there, it defines the function, and what it imports will be there too."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from serverless_patterns._blocks import packaging
from serverless_patterns._blocks.packaging import Doubt
from serverless_patterns.errors import BundlingError, did_you_mean

#: Modules that Lambda's runtime has beyond Python's own: boto3, what that needs, and the runtime's client.
#: https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
IN_THE_RUNTIME = frozenset(
    ["awslambdaric", "boto3", "botocore", "dateutil", "jmespath", "s3transfer", "simplejson", "six", "urllib3"]
)
#: Modules of Python's own that are newer than the oldest Python that synthesises.
NEW_IN_PYTHON = frozenset(("annotationlib", "compression"))


def check_entry(folder: Path, entry: str, *, alone: bool) -> tuple[Doubt, ...]:
    """Check that a folder has the module and the function of an entry.

    Args:
        folder: The folder.
        entry: ``module.function``.
        alone: Whether the folder is all that there is: no requirements beside it.

    Returns:
        What could not be made out here, and may fail when it runs.

    Raises:
        BundlingError: The module or the function is not there, or it is no Python.
    """
    module, _, function = entry.rpartition(".")
    base = folder / module.replace(".", "/")
    file = next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
    if file is None:
        msg = f"entry {entry!r} names the module {module!r}, but there is no file {base.with_suffix('.py')}"
        raise BundlingError(msg)
    try:
        tree = ast.parse(file.read_bytes(), filename=str(file))
    except SyntaxError as error:
        return (_not_valid(file, error),)
    names = _names_defined(tree)
    if function not in names and "*" not in names:
        hint = did_you_mean(function, names) or f"; it defines {', '.join(sorted(names)) or 'nothing'}"
        msg = f"entry {entry!r} names the function {function!r}, but {file} does not define it{hint}"
        raise BundlingError(msg)
    return tuple(_missing(folder, file, tree)) if alone else ()


def _not_valid(file: Path, error: SyntaxError) -> Doubt:
    """What is said of a module that this Python cannot read: one that is as new as Lambda's is right about that."""
    where = f"line {error.lineno}: {error.msg}: {(error.text or '').strip()!r}"
    if sys.version_info >= packaging.PYTHON_VERSION:
        msg = f"{file} is not valid Python {packaging.PYTHON}: {where}"
        raise BundlingError(msg) from error
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Doubt(
        "handler-syntax",
        f"{file} is not valid Python {here}, {where}. If Python {packaging.PYTHON}, which Lambda runs, does not know it "
        f"either, each invocation fails: mend it, synthesise with Python {packaging.PYTHON}, which tells, or acknowledge this.",
    )


def _missing(folder: Path, file: Path, tree: ast.Module) -> Iterator[Doubt]:
    """The modules that are imported whenever the code is loaded, and that neither the folder nor the runtime has."""
    known = sys.stdlib_module_names | IN_THE_RUNTIME | NEW_IN_PYTHON
    for node in tree.body:
        for name in _imported(node):
            if name not in known and not (folder / name).is_dir() and not any(folder.glob(f"{name}.*")):
                yield Doubt(
                    "handler-imports",
                    f"{file} imports {name!r} (line {node.lineno}), which is neither in {folder} nor in Lambda's runtime: each "
                    "invocation would fail. Name its package in requirements=, or acknowledge this if a layer of yours has it.",
                )


def _imported(node: ast.stmt) -> list[str]:
    """The packages that a statement imports, without those that are relative to its own."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
        return [node.module.partition(".")[0]]
    return []


def _names_defined(tree: ast.Module) -> set[str]:
    """The names that a module binds, at any depth outside functions and classes; ``*`` where it imports all of another."""
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
