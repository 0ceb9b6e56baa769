"""Handlers run on an interpreter of their own, with Lambda's variables and nobody else's.

AWS runs a handler with the runtime's interpreter: it can import boto3, its own code and its layers, and its environment
holds the variables that Lambda defines and those of the function.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime

The emulator runs it with its own interpreter, whose dependencies it can then import, and hands on its whole environment.
"""

from __future__ import annotations

import os
import sys

from ministack.core import lambda_runtime

from .faults import expect

#: Names the interpreter of the handlers to the launcher.
INTERPRETER_VARIABLE = "HANDLER_PYTHON"

# Runs in the handler's process before anything else; the function's own variables are set after it.
SCRUB = """
import os
for _name in list(os.environ):
    if not _name.startswith(("AWS_", "_")) and _name not in ("HOME", "LANG", "LAMBDA_TASK_ROOT", "TMPDIR", "TZ"):
        del os.environ[_name]
os.environ["PATH"] = "/usr/local/bin:/usr/bin:/bin"
"""


def check() -> None:
    """The emulator chooses its own interpreter."""
    interpreter, script = lambda_runtime._detect_runtime_binary("python3.13")
    expect(interpreter == sys.executable, "the emulator no longer runs Python handlers on its own interpreter")
    expect("sys.stdin.readline()" in script, "the emulator no longer gives a worker its variables on standard input")


def apply() -> None:
    """Choose the interpreter that the launcher was given, and scrub the worker's environment."""
    stock = lambda_runtime._detect_runtime_binary
    interpreter = os.environ[INTERPRETER_VARIABLE]

    def detect(runtime: str) -> tuple[str, str]:
        binary, script = stock(runtime)
        return (interpreter, SCRUB + script) if runtime.startswith("python") else (binary, script)

    lambda_runtime._detect_runtime_binary = detect
