"""Run by tools/scan.py: load finished templates into an app with five cdk-nag packs, and print what they find as JSON.

A process of its own, because CDK's validation is off in all others. Acknowledgements in the constructs cannot hide anything
here: the templates are all that the packs see.
"""

import json
import sys
from pathlib import Path

import aws_cdk as cdk
import cdk_nag
from aws_cdk import cloudformation_include

PACKS = ("AwsSolutionsChecks", "ServerlessChecks", "HIPAASecurityChecks", "NIST80053R5Checks", "PCIDSS321Checks")


def main(folder: Path) -> None:
    app = cdk.App(outdir=str(folder / "out"), analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(*(getattr(cdk_nag, pack)() for pack in PACKS))
    for file in sorted(folder.glob("*.json")):
        plain = cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False)
        cloudformation_include.CfnInclude(cdk.Stack(app, file.stem, synthesizer=plain), "T", template_file=str(file))
    try:
        app.synth()
    except RuntimeError as error:  # findings make synth raise; the report has them all
        if "validation-report.json" not in str(error):
            raise
    report = json.loads((folder / "out" / "validation-report.json").read_text())
    findings = [
        (plugin["pluginName"], violation["ruleName"].removeprefix(f"{plugin['pluginName']}-"), construct["constructPath"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]
    packs = [plugin["pluginName"] for plugin in report["pluginReports"]]
    print(json.dumps({"packs": packs, "findings": findings}))  # noqa: T201  this is its answer


if __name__ == "__main__":
    main(Path(sys.argv[1]))
