"""Run by test_scanners.py: load finished templates into an app with five cdk-nag packs, and print what they find as JSON.

A process of its own, because CDK's validation is off in all others. Acknowledgements in the constructs cannot hide anything
here: the templates are all that the packs see.
"""

import json
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk_nag
from aws_cdk import cloudformation_include

PACKS = ("AwsSolutionsChecks", "ServerlessChecks", "HIPAASecurityChecks", "NIST80053R5Checks", "PCIDSS321Checks")


def readable(node: Any) -> Any:
    """The template as CfnInclude can read it: it does not know ``Fn::GetStackOutput`` yet."""
    if isinstance(node, dict):
        if "Fn::GetStackOutput" in node:
            return "arn:aws:sns:eu-central-1:123456789012:output-of-another-stack"
        return {key: readable(value) for key, value in node.items()}
    return [readable(item) for item in node] if isinstance(node, list) else node


def main(folder: Path) -> None:
    app = cdk.App(outdir=str(folder / "out"), analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(*(getattr(cdk_nag, pack)() for pack in PACKS))
    for file in sorted(folder.glob("*.json")):
        file.write_text(json.dumps(readable(json.loads(file.read_text()))))
        plain = cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False)
        cloudformation_include.CfnInclude(cdk.Stack(app, file.stem, synthesizer=plain), "T", template_file=str(file))
    try:
        app.synth()
    except RuntimeError as error:  # findings make synth raise; the report has them all
        if "validation-report.json" not in str(error):
            raise
    report = json.loads((folder / "out" / "validation-report.json").read_text())
    findings = [
        (violation["ruleName"], construct["constructPath"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]
    print(json.dumps({"packs": len(report["pluginReports"]), "findings": findings}))  # noqa: T201  this is its answer


if __name__ == "__main__":
    main(Path(sys.argv[1]))
