"""Packing handler code and its Python dependencies for Lambda: without Docker, for Lambda's platform on any host.

A ``Package`` knows what goes into an asset before anything is written, so its hash is known before anything is installed.
CDK asks for the files only of the stacks that it deploys (its asset bundling), and not again for the same hash.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import aws_cdk as cdk
import jsii
import uv
from aws_cdk import aws_lambda as lambda_

from serverless_patterns.errors import BundlingError

#: The runtime of every handler: the newest Python of Lambda for which all locked dependencies have wheels.
#: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
PYTHON = "3.14"
PYTHON_VERSION = (3, 14)
#: Lambda on Graviton costs 20 % less than on x86 for the same duration. https://aws.amazon.com/lambda/pricing/
ARCHITECTURE = "arm64"
#: That runtime is built on Amazon Linux 2023, which has glibc 2.34.
#: https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html
WHEEL_PLATFORM = "aarch64-manylinux_2_34"

Platform = Literal["aws", "host"]
Made = TypeVar("Made")


def runtime() -> lambda_.Runtime:
    """``PYTHON`` as CDK names it."""
    return lambda_.Runtime.PYTHON_3_14


def architecture() -> lambda_.Architecture:
    """``ARCHITECTURE`` as CDK names it."""
    return lambda_.Architecture.ARM_64


class Doubt(NamedTuple):
    """What could not be made out of a user's code while defining, and may fail when it runs.

    Attributes:
        name: What a warning of it is acknowledged by, after ``serverless-patterns:``.
        message: What is said.
    """

    name: Literal["handler-syntax", "handler-imports"]
    message: str


@dataclass(frozen=True, kw_only=True)
class Package:
    """What goes into one asset.

    Args:
        root: The folder that the code comes from; the asset's source, as CDK shows it.
        files: Path inside the asset -> the file that is copied there, or its text.
        requirements: A requirements file; what it names is installed into the asset.
        into: The folder inside the asset that packages are installed into; ``"python"`` in a layer.
        platform: ``"aws"`` installs for Lambda's platform, ``"host"`` for this machine.
        self_check: A module among the files that is run here once they are written; it fails if the code cannot work.
        self_check_requirements: What that module needs beyond the files.
        doubts: What is warned of where it is used.
    """

    root: Path
    files: Mapping[str, Path | str] = field(default_factory=dict)
    requirements: Path | None = None
    into: str = "."
    platform: Platform = "aws"
    self_check: str | None = None
    self_check_requirements: Path | None = None
    doubts: Sequence[Doubt] = ()

    def fingerprint(self) -> str:
        """A hash of what decides the content: names, files, requirements, platform."""
        digest = hashlib.sha256()
        for name, source in sorted(self.files.items()):
            content = source.encode() if isinstance(source, str) else source.read_bytes()
            digest.update(f"{name}\0{_mode(source):o}\0{len(content)}\0".encode() + content)
        if self.requirements is not None:
            digest.update(f"{self.into}\0{_dependencies_key(self.requirements, self.platform)}".encode())
        return digest.hexdigest()

    def write(self, folder: Path) -> None:
        """Write the files and the installed packages into a folder."""
        if self.requirements is not None:
            packages = installed(self.requirements, self.platform)
            shutil.copytree(packages, folder / self.into, copy_function=_copy_file, dirs_exist_ok=True)
        for name, source in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, str):
                path.write_text(source, encoding="utf-8")
                path.chmod(_mode(source))
            else:
                _copy_file(source, path)
        if self.self_check is not None:
            self._check(folder)

    def _check(self, folder: Path) -> None:
        paths = [str(folder)]
        if self.self_check_requirements is not None:
            paths.append(str(installed(self.self_check_requirements, "host")))
        script = f"import runpy, sys; sys.path[:0] = {paths!r}; runpy.run_module({self.self_check!r}, run_name='__main__')"
        command = [sys.executable, "-I", "-B", "-c", script]
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own arguments
        if result.returncode != 0:
            raise BundlingError(result.stderr.strip())

    def define(self, make: Callable[[lambda_.Code], Made]) -> Made:
        """Make a construct of this package. What goes wrong while packing is raised as it is, not wrapped by jsii."""
        bundling = _Bundling(self)
        options = cdk.BundlingOptions(image=cdk.DockerImage.from_registry("never-used"), local=bundling)
        code = lambda_.Code.from_asset(str(self.root), asset_hash=self.fingerprint(), bundling=options)
        try:
            return make(code)
        except RuntimeError:
            if bundling.error is not None:
                raise bundling.error from None
            raise


def _copy_file(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Copy a file, with the mode that Lambda wants."""
    shutil.copyfile(source, target)
    Path(target).chmod(_mode(Path(source)))


def _mode(source: Path | str) -> int:
    """What Lambda wants, whatever this machine has: all may read, and a program stays one.

    https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
    """
    return 0o755 if isinstance(source, Path) and source.stat().st_mode & 0o100 else 0o644


#: Folders that are never code of a handler: byte code, environments, and what CDK and npm make.
NOT_CODE = ("__pycache__", "cdk.out", "node_modules", "venv")


def files_below(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """The files of a folder, sorted, linked ones too; without hidden ones and what is never code.

    Raises:
        BundlingError: A link leads to a folder that it is in.
    """
    inside = above | {folder.resolve()}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in NOT_CODE or path.suffix == ".pyc":
            continue
        if path.is_dir():
            if path.resolve() in inside:
                msg = f"{str(path)!r} is a link to a folder that it is in: remove it, or hide it with a dot"
                raise BundlingError(msg)
            yield from files_below(path, inside)
        elif path.is_file():
            yield path


def installed(requirements: Path, platform: Platform) -> Path:
    """The folder with these requirements installed: made once for each lock and platform, then taken from the user's cache.

    Raises:
        BundlingError: A package has no wheel for the platform, a hash differs, or the index cannot be reached.
    """
    folder = cache_folder() / "dependencies" / _dependencies_key(requirements, platform)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            _install(requirements, platform, Path(scratch) / "made")
            _publish(Path(scratch) / "made", folder)
    return folder


def cache_folder() -> Path:
    """Where things that are made once are kept: ``$XDG_CACHE_HOME`` or ``~/.cache``, below ``serverless-patterns``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "serverless-patterns"


def _dependencies_key(requirements: Path, platform: Platform) -> str:
    where = " ".join(_target(platform)) if platform == "aws" else f"{sys.implementation.cache_tag} {sysconfig.get_platform()}"
    digest = hashlib.sha256(where.encode())
    for file in _with_included(requirements):
        digest.update(b"\0" + file.read_bytes())
    return digest.hexdigest()


def _with_included(requirements: Path) -> list[Path]:
    """The file and those that it includes by ``-r`` and ``-c``: a change in any of them is a change."""
    files = [requirements.resolve()]
    for file in files:  # grows while it is read
        text = file.read_text(encoding="utf-8")
        editable = re.search(r"^\s*(?:-e|--editable)\b.*", text, re.MULTILINE)
        if editable:
            msg = f"requirements {str(file)!r} must not have {editable[0].strip()!r}: an editable package stays on this machine"
            raise BundlingError(msg)
        names = re.findall(r"^\s*(?:-[rc]\s*|--(?:requirement|constraint)(?:\s+|=))['\"]?([^\s'\"#]+)", text, re.MULTILINE)
        included = [(file.parent / name).resolve() for name in names]
        files += [path for path in included if path.is_file() and path not in files]
    return files


def _target(platform: Platform) -> list[str]:
    if platform == "aws":
        return ["--python-platform", WHEEL_PLATFORM, "--python-version", PYTHON]
    return ["--python", sys.executable]


def _install(requirements: Path, platform: Platform, folder: Path) -> None:
    """Install wheels only: a source distribution would be built for this host, whatever the target is."""
    command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--only-binary", ":all:", "--no-compile-bytecode"]
    command += [*_target(platform), "--target", str(folder), "--requirements", str(requirements)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own arguments
    if result.returncode != 0:
        where = f"Lambda (Python {PYTHON}, {ARCHITECTURE})" if platform == "aws" else "this machine"
        msg = (
            f"requirements {str(requirements)!r} cannot be installed for {where}. Each package needs a wheel for it; uv says:\n"
            f"{result.stderr.strip()}"
        )
        if re.search(r"error sending request|dns error|client error \(Connect\)", result.stderr):
            msg += f"\nThe network is needed the first time only: what is installed is kept in {folder.parent.parent}."
        raise BundlingError(msg)
    (folder / ".lock").unlink(missing_ok=True)


def _publish(made: Path, folder: Path) -> None:
    """Move a finished folder to its place in one step; another process may have been first with the same content."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.exists():
            raise


@jsii.implements(cdk.ILocalBundling)
class _Bundling:
    """Called by CDK when it wants the files of a package."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.error: BundlingError | None = None

    def try_bundle(self, output_dir: str, *_options: object, **_more: object) -> bool:
        """Write the package; ``True`` says that Docker is not needed."""
        try:
            self.package.write(Path(output_dir))
        except BundlingError as error:
            self.error = error
            raise
        except OSError as error:
            self.error = BundlingError(f"the handler's code cannot be packed: {error}")
            raise
        return True
