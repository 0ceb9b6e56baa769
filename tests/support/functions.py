"""A deployed function from outside: how it is set, what feeds it, and the processes that the emulator runs it in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import psutil

from serverless_patterns.local.account import Account
from serverless_patterns.local.emulator import Emulator
from serverless_patterns.local.processes import wait_until
from tests.support.waiting import PATIENCE


class DeployedFunction:
    """A function of a stack.

    Args:
        emulator: Where it runs.
        account: The same, for clients.
        name: The function's.
    """

    def __init__(self, emulator: Emulator, account: Account, name: str) -> None:
        self._folder = f"{emulator.temporary}{os.sep}ministack-lambda-{name}-"
        self._lambda = account.client("lambda")
        self.name = name

    def processes(self) -> list[psutil.Process]:
        """Those that live."""
        return [
            process
            for process in psutil.process_iter(["cmdline", "status"])
            if process.info["status"] != psutil.STATUS_ZOMBIE and self._folder in " ".join(process.info["cmdline"] or [])
        ]

    def configure(self, **options: Any) -> None:
        """Change it; when this returns, no process has the old options.

        New ones may be there already: what was in the middle of a batch when it was ended is tried again at once.
        """
        before = set(self.processes())
        self._lambda.update_function_configuration(FunctionName=self.name, **options)
        waiter = self._lambda.get_waiter("function_updated_v2")
        waiter.wait(FunctionName=self.name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})
        assert wait_until(lambda: before.isdisjoint(self.processes()), seconds=PATIENCE)

    def variables(self) -> dict[str, str]:
        """Its environment variables."""
        found: dict[str, str] = self.configuration()["Environment"]["Variables"]
        return found

    def configuration(self) -> dict[str, Any]:
        """All that is set of it."""
        found: dict[str, Any] = self._lambda.get_function_configuration(FunctionName=self.name)
        return found

    def add_variables(self, **more: str) -> None:
        """Give it more environment variables."""
        self.configure(Environment={"Variables": self.variables() | more})

    @contextmanager
    def changed(self, *, timeout: int | None = None, **more: str) -> Iterator[None]:
        """It has more environment variables, and another timeout in seconds if one is given, as long as this lasts."""
        before, variables = self.configuration()["Timeout"], self.variables()
        self.configure(Timeout=timeout or before, Environment={"Variables": variables | more})
        try:
            yield
        finally:
            self.configure(Timeout=before, Environment={"Variables": variables})

    @contextmanager
    def throttled(self) -> Iterator[None]:
        """It gets no room to run as long as this lasts."""
        self._lambda.put_function_concurrency(FunctionName=self.name, ReservedConcurrentExecutions=0)
        try:
            yield
        finally:
            self._lambda.delete_function_concurrency(FunctionName=self.name)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is read for it as long as this lasts: what is sent meanwhile is worked together afterwards."""
        self.set_mapping(Enabled=False)
        try:
            yield
        finally:
            self.set_mapping(Enabled=True)

    def set_mapping(self, **settings: Any) -> None:
        """Change how the one queue or stream that feeds it is read."""
        self._lambda.update_event_source_mapping(UUID=self._mapping, **settings)

    @cached_property
    def _mapping(self) -> str:
        (found,) = self._lambda.list_event_source_mappings(FunctionName=self.name)["EventSourceMappings"]
        uuid: str = found["UUID"]
        return uuid


@contextmanager
def without_bucket(account: Account, name: str) -> Iterator[None]:
    """There is no bucket of this name as long as this lasts."""
    client = account.client("s3")
    for page in client.get_paginator("list_object_versions").paginate(Bucket=name):
        for version in page.get("Versions", []):
            client.delete_object(Bucket=name, Key=version["Key"], VersionId=version["VersionId"])
    client.delete_bucket(Bucket=name)
    try:
        yield
    finally:
        client.create_bucket(Bucket=name)
