"""What all tests share: a clean environment, and every template synthesised once."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

#: Nothing that points at a real account may reach a test.
for name in [name for name in os.environ if name.startswith(("AWS_", "CDK_")) and name != "AWS_CA_BUNDLE"]:
    del os.environ[name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    # CDK's own validation has a test of its own; in all others it would cost over a second each.
    "CDK_VALIDATION": "false",
}

Template = Mapping[str, Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-snapshots", action="store_true", help="write the snapshots anew instead of comparing")


@pytest.fixture(scope="session")
def templates() -> Mapping[str, Mapping[str, Template]]:
    """Environment -> stack -> template, of all that this repository deploys."""
    from tests.support.synthesis import synthesise  # noqa: PLC0415  importing CDK starts Node: only where it is needed

    return synthesise()


@pytest.fixture
def stack() -> Iterator[Any]:
    """An empty stack, in which nothing is packed."""
    from tests.support.synthesis import empty_stack  # noqa: PLC0415  the same

    return empty_stack()
