"""Build the wheel into dist, install it alone in a clean environment, and use it from a foreign app in another folder.

What it proves: the wheel needs nothing of this repository; the function's asset holds the handler and the layer its
dependencies; the extras resolve.
"""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import uv

ROOT = Path(__file__).resolve().parent.parent
FOREIGN_APP = """\
import aws_cdk as cdk
from serverless_patterns import LOCAL
from serverless_patterns.catalog import CATALOG

app = cdk.App()
for entry in CATALOG:
    entry.define(cdk.Stack(app, entry.name.replace("_", "-")), LOCAL.operations.replace(handler_platform="aws"))
app.synth()
"""


def main() -> None:
    """Build, install, synthesise, look."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        wheel = build(ROOT / "dist")
        print(f"built      {wheel.name}, {wheel.stat().st_size // 1024} KB, {len(zipfile.ZipFile(wheel).namelist())} files")
        python = install(wheel, folder / "venv")
        (folder / "app.py").write_text(FOREIGN_APP)
        assembly = synthesise(python, folder)
        print(f"synthesised a foreign app with {package_count(python)} packages installed, none of this repository's folders")
        stacks = sorted(path.name.partition(".")[0] for path in assembly.glob("*.template.json"))
        for stack in stacks:
            functions, layers = assets(assembly, stack)
            for function in functions:
                expect(function, f"{stack.replace('-', '_')}/handler.py", "shared/__init__.py")
            expect(layers[0], "python/aws_lambda_powertools/__init__.py", "python/jsonschema_rs/__init__.py")
        print(f"found      the handlers of {', '.join(stacks)} in their functions' assets, their dependencies in the layers'")


def build(folder: Path) -> Path:
    """The wheel, built by the hatchling of the lock."""
    uv_pip(
        "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(folder), str(ROOT)
    )
    return max(folder.glob("*.whl"), key=lambda wheel: wheel.stat().st_mtime)


def install(wheel: Path, venv: Path) -> Path:
    """A clean environment with the wheel, the versions of the lock, and Node."""
    python = venv / "bin" / "python"
    uv_pip("venv", "--quiet", "--no-project", "--python", sys.executable, str(venv))
    target = ["--quiet", "--python", str(python), "--compile-bytecode"]
    uv_pip("pip", "install", *target, "--constraints", str(ROOT / "requirements.txt"), f"{wheel}[node]")
    return python


def synthesise(python: Path, folder: Path) -> Path:
    """Run the foreign app as the CLI would, with nothing of this repository on any path."""
    kept = ("HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME", "SSL_CERT_FILE", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "HTTPS_PROXY")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"PATH": f"{python.parent}:/usr/bin:/bin", "CDK_OUTDIR": str(folder / "cdk.out")}
    run([str(python), "app.py"], cwd=folder, env=environment)
    return folder / "cdk.out"


def assets(assembly: Path, stack: str) -> tuple[list[Path], list[Path]]:
    """The folders of the code of a stack's functions, and of its layers: first that which all bundled handlers have."""
    template = json.loads((assembly / f"{stack}.template.json").read_text())
    found: dict[str, list[Path]] = {"AWS::Lambda::Function": [], "AWS::Lambda::LayerVersion": []}
    for _, resource in sorted(template["Resources"].items()):
        if resource["Type"] in found:
            properties = resource["Properties"]
            key = (properties.get("Code") or properties["Content"])["S3Key"]
            found[resource["Type"]].append(assembly / f"asset.{Path(key).stem}")
    return found["AWS::Lambda::Function"], found["AWS::Lambda::LayerVersion"]


def expect(folder: Path, *files: str) -> None:
    """Stop unless the folder has these files."""
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        sys.exit(f"missing in {folder.name}: {', '.join(missing)}")
    for name in files:
        if name.endswith(".py"):
            compile((folder / name).read_bytes(), name, "exec")  # what is there is Python, not a name of it


def package_count(python: Path) -> int:
    """How many packages an importer of the constructs gets."""
    listing = run([uv.find_uv_bin(), "pip", "list", "--quiet", "--format", "json", "--python", str(python)])
    return len(json.loads(listing))


def uv_pip(*arguments: str) -> None:
    """Run uv with the environment of this process."""
    run([uv.find_uv_bin(), *arguments])


def run(command: list[str], **options: object) -> str:
    """Run a command; where it fails, stop with its own words."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if result.returncode != 0:
        sys.exit(f"failed: {' '.join(command)}\n{result.stdout}{result.stderr}")
    return str(result.stdout)


if __name__ == "__main__":
    main()
