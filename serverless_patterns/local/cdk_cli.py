"""The real CDK CLI, pointed at the emulator by its environment alone."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.account import EMULATED_ACCOUNT, EMULATED_KEY, EMULATED_REGION, Account
from serverless_patterns.local.assembly import Assembly
from serverless_patterns.local.emulator import LOOPBACK, Emulator
from serverless_patterns.local.processes import run

#: The stack that ``cdk bootstrap`` makes.
BOOTSTRAP_STACK = "CDKToolkit"

OnLine = Callable[[str], None]


@dataclass(frozen=True)
class App:
    """A CDK app.

    Args:
        folder: Where it is run.
        command: What runs it, such as ``python app.py``. Default: what the folder's ``cdk.json`` says.
        context: Its context values, such as ``environment``.
    """

    folder: Path
    command: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def options(self) -> list[str]:
        """The app as options of the CDK CLI."""
        command = [] if self.command is None else ["--app", self.command]
        return command + [option for name, value in self.context.items() for option in ("--context", f"{name}={value}")]


@dataclass(frozen=True)
class CdkCli:
    """The CDK CLI for one app and one emulator.

    Args:
        app: The app that it synthesises.
        emulator: Where it deploys.
    """

    app: App
    emulator: Emulator

    @property
    def bootstrapped(self) -> bool:
        """Whether the bootstrap stack is there."""
        return BOOTSTRAP_STACK in Account(self.emulator.url).stack_names()

    def synth(self, on_line: OnLine) -> Assembly:
        """Run the app."""
        assembly = Assembly(self.emulator.folder / "cdk.out")
        self.run("synth", "--quiet", "--output", str(assembly.folder), *self.app.options, on_line=on_line)
        return assembly

    def bootstrap(self, assembly: Assembly, on_line: OnLine) -> None:
        """Deploy the stock bootstrap stack, which assets and roles come from.

        Without an assembly the CLI would run the app once more, and write ``cdk.out`` into its folder. It still runs in that
        folder, since ``cdk.json`` may give the bootstrap stack a name and a qualifier of its own.
        """
        where = f"aws://{EMULATED_ACCOUNT}/{EMULATED_REGION}"
        self.run("bootstrap", where, "--app", str(assembly.folder), on_line=on_line)

    def deploy(self, assembly: Assembly, on_line: OnLine) -> None:
        """Deploy all stacks of an assembly."""
        options = ("--all", "--require-approval", "never", "--progress", "events", "--concurrency", "2")
        self.run("deploy", "--app", str(assembly.folder), *options, on_line=on_line)

    def run(self, *arguments: str, on_line: OnLine) -> None:
        """Run any command of the CLI, such as ``diff`` or ``destroy``.

        Raises:
            LocalRunError: It failed; the message has its output.
        """
        path = _search_path()
        command = [_cdk(self.app.folder, path), *arguments, "--no-notices", "--ci"]
        with self.emulator.watched():
            code, output = run(command, folder=self.app.folder, environment=self._environment(path), on_line=on_line)
            if code:
                msg = f"`{shlex.join(['cdk', *arguments])}` failed:\n{output.rstrip()}"
                raise LocalRunError(msg)

    def _environment(self, path: str) -> dict[str, str]:
        """The caller's environment, without any AWS account that it may reach."""
        private = self.emulator.folder / "cdk"
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_DEFAULT_"))}
        return own | {
            "AWS_ACCESS_KEY_ID": EMULATED_KEY,
            "AWS_CONFIG_FILE": str(private / "no-config"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.emulator.url,
            "AWS_REGION": EMULATED_REGION,
            "AWS_SECRET_ACCESS_KEY": EMULATED_KEY,
            "AWS_SHARED_CREDENTIALS_FILE": str(private / "no-credentials"),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_HOME": str(private),  # it remembers which account a key belongs to
            "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), "localhost", LOOPBACK])),
            "PATH": path,
            "TMPDIR": str(self.emulator.temporary),  # whatever ends it, this goes with the emulator
        }


def _search_path() -> str:
    """Where programs are: first those beside this interpreter, such as the Node that came as a wheel."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _cdk(folder: Path, path: str) -> str:
    if not shutil.which("node", path=path):
        msg = "node is missing, which CDK runs on: `pip install 'serverless-patterns[node]'`, or install Node 24"
        raise LocalRunError(msg)
    beside = (parent / "node_modules" / ".bin" / "cdk" for parent in (folder, *folder.parents))
    found = next((str(cli) for cli in beside if cli.exists()), None) or shutil.which("cdk", path=path)
    if not found:
        msg = f"the CDK CLI is missing: `npm install aws-cdk@2` in {folder}"
        raise LocalRunError(msg)
    return found
