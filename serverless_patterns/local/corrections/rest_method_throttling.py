"""Throttling of one method of a REST API.

AWS lets a stage's ``MethodSettings`` override the stage's limits for one method; its path is written with ``~1`` for ``/``.
https://docs.aws.amazon.com/apigateway/latest/api/API_PatchOperation.html#UpdateStage-Patch

The emulator keeps the template's ``/~1items/GET`` and looks for ``/items/GET``: the override never applies.
"""

from __future__ import annotations

from typing import Any

from ministack.services import apigateway_v1

from .faults import expect

STAGE = {"methodSettings": {"/~1items/GET": {"throttlingRateLimit": 1.0, "throttlingBurstLimit": 1}}}


def check() -> None:
    """The escaped path is not found."""
    found = apigateway_v1._method_throttle_settings(STAGE, "/items", "GET")
    expect(found is None, "the emulator now finds the throttling of a method by its escaped path")


def apply() -> None:
    """Look settings up by unescaped paths."""
    stock = apigateway_v1._method_throttle_settings

    def settings(stage: dict[str, Any], resource_path: str, http_method: str) -> dict[str, Any] | None:
        overrides = stage.get("methodSettings") or {}
        unescaped = {key.replace("/~1", "/").replace("~1", "/"): own for key, own in overrides.items()}
        found: dict[str, Any] | None = stock({**stage, "methodSettings": unescaped}, resource_path, http_method)
        return found

    apigateway_v1._method_throttle_settings = settings
