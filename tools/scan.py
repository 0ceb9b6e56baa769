"""Scan all templates with cdk-nag (five packs), cfn-lint and cfripper: print what they find, and keep the figures.

--write puts the figures into docs/security.md; --check only says whether they are stale there.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from serverless_patterns.local.venvs import Venv

PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- figures: python tools/scan.py --write -->\n", "<!-- end of the figures -->\n"
PACKS = {
    "AwsSolutions": "AWS Solutions",
    "Serverless": "Serverless",
    "HIPAA.Security": "HIPAA",
    "NIST.800.53.R5": "NIST 800-53",
    "PCI.DSS.321": "PCI DSS",
}
#: What others have, for five patterns of this kind: who, findings of the five packs, findings of cfripper.
OTHERS = (
    ("five patterns as tutorials write them, with L2 grants", 324, "-"),
    ("five patterns from AWS Solutions Constructs 2.105", 284, "-"),
    ("five patterns, a reference tightened by hand", 158, 8),
)
#: Ours of the same kinds, and the topics that their alarms need.
COMPARED = ("api-crud", "sqs-pipeline", "sns-fanout", "s3-processing", "scheduled-report", "alerts")
CFRIPPER = Venv("cfripper", Path(__file__).with_name("cfripper-requirements.txt"))

Template = Mapping[str, Any]


class ScanError(Exception):
    """A scanner did not come to its end: what it has found is not all."""


@dataclass(frozen=True, order=True)
class Finding:
    """What a scanner says of a resource.

    Args:
        scanner: A pack of cdk-nag, ``cfn-lint`` or ``cfripper``.
        rule: Its rule, without the name of the pack.
        template: Name of the template.
        resource: Logical id, or several.
    """

    scanner: str
    rule: str
    template: str
    resource: str


def templates() -> dict[str, Template]:
    """Name -> template: each stack of each environment (``prod-api-crud``), and the other shapes of the patterns.

    What the tests use, so that what is printed is what they hold.
    """
    os.environ["CDK_VALIDATION"] = "false"
    synthesis: Any = importlib.import_module("tests.support.synthesis")
    variants: Any = importlib.import_module("tests.support.variants")
    deployed = {name: template for stacks in synthesis.synthesise().values() for name, template in stacks.items()}
    return deployed | {scanned_name(name): template for name, template in variants.variants().items()}


def scanned_name(template: str) -> str:
    """The name of a template among what is scanned: that of a stack has no underscores."""
    return template.replace("_", "-")


def scan(found: Mapping[str, Template]) -> list[Finding]:
    """What all scanners find in these templates.

    Raises:
        ScanError: One of them could not read a template, or a rule of it failed.
    """
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor() as pool:
        folder = Path(scratch)
        (folder / "plain").mkdir()
        for name, template in found.items():
            (folder / f"{name}.json").write_text(json.dumps(template))
            (folder / "plain" / f"{name}.json").write_text(json.dumps(_plain(template)))
        scanners: dict[Callable[[Path], list[Finding]], Path] = {
            _nag: folder / "plain",
            _lint: folder,
            _cfripper: folder / "plain",
        }
        return sorted(finding for findings in pool.map(lambda each: each[0](each[1]), scanners.items()) for finding in findings)


def _nag(folder: Path) -> list[Finding]:
    result = json.loads(_run([sys.executable, str(ROOT / "tests" / "support" / "nag.py"), str(folder)]).splitlines()[-1])
    if not set(PACKS) <= set(result["packs"]):
        msg = f"cdk-nag ran {result['packs']}, not all of {list(PACKS)}"
        raise ScanError(msg)
    return [Finding(pack, rule, *_place(path)) for pack, rule, path in result["findings"]]


def _place(path: str) -> tuple[str, str]:
    template, _, resource = path.split("/", 2)
    return template, resource


def _lint(folder: Path) -> list[Finding]:
    files = [file.name for file in sorted(folder.glob("*.json"))]
    found = json.loads(
        _run([str(Path(sys.executable).with_name("cfn-lint")), "--format", "json", *files], folder, {0, 2, 4, 6})
    )
    return [
        Finding("cfn-lint", match["Rule"]["Id"], Path(match["Filename"]).stem, str((match["Location"]["Path"] or ["", ""])[1]))
        for match in found
    ]


def _cfripper(folder: Path) -> list[Finding]:
    CFRIPPER.build()
    files = [file.name for file in sorted(folder.glob("*.json"))]
    (folder / "cfripper").mkdir()
    command = [str(CFRIPPER.python.with_name("cfripper")), "--resolve", "--format", "json", "--output-folder", "cfripper"]
    said = _run([*command, "--logging", "ERROR", *files], folder, {0, 2})
    results = {name: json.loads((folder / "cfripper" / f"{name}.cfripper.results.json").read_text()) for name in files}
    broken = [name for name, result in results.items() if result["exceptions"]]
    if broken:
        msg = f"a rule of cfripper failed at {broken}: {said}"
        raise ScanError(msg)
    return [
        Finding("cfripper", failure["rule"], Path(name).stem, ", ".join(sorted(failure["resource_ids"] or [])))
        for name, result in results.items()
        for failure in result["failures"]
    ]


def _run(command: list[str], folder: Path = ROOT, fine: Collection[int] = (0,)) -> str:
    # CDK's own validation is what cdk-nag runs in: the tests switch it off for all other processes.
    environment = {name: value for name, value in os.environ.items() if name != "CDK_VALIDATION"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in fine:
        msg = f"{' '.join(command[:2])} ended with {done.returncode}:\n{done.stderr[-3000:]}"
        raise ScanError(msg)
    return done.stdout


def _plain(node: object) -> object:
    """The template in words that CfnInclude and both scanners know."""
    if isinstance(node, Mapping):
        if "Fn::GetStackOutput" in node:
            return "arn:aws:sns:eu-central-1:123456789012:output-of-another-stack"
        match node:
            case {"Fn::Select": [_, {"Fn::Split": [_, {"Ref": _} as reference]}]}:
                return reference  # cfripper does not know what it refers to, and would find no such part of it
        plain = {key: _plain(value) for key, value in node.items()}
        return _table_of(plain) if plain.get("Type") == "AWS::DynamoDB::GlobalTable" else plain
    return [_plain(item) for item in node] if isinstance(node, list) else node


def _table_of(resource: dict[str, Any]) -> dict[str, Any]:
    """A global table of one region as the plain one that it is: rules for tables look at those only."""
    (replica,) = resource["Properties"]["Replicas"]
    common = {key: value for key, value in resource["Properties"].items() if key != "Replicas"}
    backups = {"PointInTimeRecoverySpecification": replica["PointInTimeRecoverySpecification"]}
    return {**resource, "Type": "AWS::DynamoDB::Table", "Properties": common | backups}


def figures(findings: Collection[Finding], names: Collection[str]) -> str:
    """The figures of docs/security.md: beside others', in prod by pattern, everywhere by environment, and each reason.

    Args:
        findings: What the scanners found.
        names: All templates that they saw: those without a finding count too.
    """
    prod = [name for name in names if name.startswith("prod-")]
    places = {place: [name for name in names if name.startswith(f"{place}-")] for place in ("local", "dev", "staging", "prod")}
    others = set(names) - {name for group in places.values() for name in group}
    blocks = [
        _compared([finding for finding in findings if finding.template in {f"prod-{name}" for name in COMPARED}]),
        _counted("in prod", {name: [name] for name in prod} | {"all of prod": prod}, findings),
        _counted("everywhere", places | {"other shapes of the patterns": others}, findings),
        _reasons(findings),
    ]
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


def _compared(findings: Collection[Finding]) -> list[str]:
    packs = sum(finding.scanner in PACKS for finding in findings)
    cfripper = sum(finding.scanner == "cfripper" for finding in findings)
    rows = [*OTHERS, ("this repository: five patterns and their alarm topics, in prod", packs, cfripper)]
    return [
        "| findings, summed | five packs of cdk-nag | cfripper |",
        "|---|---|---|",
        *(f"| {who} | {nag} | {ripper} |" for who, nag, ripper in rows),
    ]


def _counted(title: str, groups: Mapping[str, Collection[str]], findings: Collection[Finding]) -> list[str]:
    lines = [f"| {title} | templates | {' | '.join(PACKS.values())} | five packs | cfn-lint | cfripper |", "|---" * 10 + "|"]
    for group, names in groups.items():
        count = Counter(finding.scanner for finding in findings if finding.template in names)
        packs = [count[pack] for pack in PACKS]
        cells = [len(names), *packs, sum(packs), count["cfn-lint"], count["cfripper"]]
        lines.append(f"| {group} | {' | '.join(map(str, cells))} |")
    return lines


def _reasons(findings: Collection[Finding]) -> list[str]:
    reasons: Any = importlib.import_module("tests.support.reasons")
    seen = Counter((finding.rule, finding.template.startswith("prod-")) for finding in findings)
    unexplained = {rule: "**no reason**" for rule, _ in sorted(seen) if rule not in reasons.REASONS}
    all_of_them = reasons.REASONS | unexplained
    rows = [f"| `{rule}` | {seen[rule, True]} | {seen[rule, False]} | {reason} |" for rule, reason in all_of_them.items()]
    return ["| rule | in prod | elsewhere | why it stays |", "|---|---|---|---|", *rows]


def with_figures(page: str, text: str) -> str:
    """The page with these figures between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}{text}{end}{after}"


def main() -> None:
    """Scan, print, and write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--write", action="store_true", help="put the figures into docs/security.md")
    which.add_argument("--check", action="store_true", help="exit 1 if the figures of docs/security.md are stale")
    arguments = parser.parse_args()
    found = templates()
    text = figures(scan(found), found)
    print(text, end="")
    page = PAGE.read_text(encoding="utf-8")
    if arguments.write:
        PAGE.write_text(with_figures(page, text), encoding="utf-8")
    elif arguments.check and with_figures(page, text) != page:
        sys.exit("docs/security.md is stale. Run: python tools/scan.py --write")


if __name__ == "__main__":
    main()
