"""Templates written down by hand, for what no construct makes."""

import json
from pathlib import Path
from typing import Any

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.comparison import compare_stacks
from serverless_patterns.guard.findings import Finding


def resource(kind: str, properties: dict[str, Any] | None = None, **attributes: Any) -> dict[str, Any]:
    """A resource of a template."""
    return {"Type": kind, "Properties": properties or {}, **attributes}


def findings(old: dict[str, Any], new: dict[str, Any], **sections: tuple[Any, Any]) -> list[Finding]:
    """What is found on two sets of resources; other sections of both templates, by name, come along."""
    before, after = (
        {"Resources": side, **{name: pair[i] for name, pair in sections.items()}} for i, side in enumerate((old, new))
    )
    return compare_stacks({"Shop": Stack("Shop", before)}, {"Shop": Stack("Shop", after)})


def write(file: Path, content: Any) -> Path:
    """A file with this as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def put(file: Path, text: bytes) -> Path:
    """A file with just this in it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text)
    return file
