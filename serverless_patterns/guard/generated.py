"""Generated secrets: Secrets Manager draws a new value when CloudFormation is told to draw it in another way."""

from __future__ import annotations

from collections.abc import Iterator

from serverless_patterns.guard.assemblies import Stack
from serverless_patterns.guard.findings import Finding, Kind
from serverless_patterns.guard.staying import properties, staying
from serverless_patterns.guard.values import meaning

NAME = "GenerateSecretString"
PAGE = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-secret.html"
WHY = (
    f"when {NAME} changes, a new random value is drawn and becomes the current version of the secret ({PAGE}), also over a "
    "value that a hand or a rotation has put there: whoever knows the old one is locked out"
)
MEND = (
    f"leave {NAME} as it was. If a new value is meant: give it to those who use the secret, and allow it; the old one stays "
    "for a while as the version AWSPREVIOUS"
)


def find_overwritten(old: Stack, new: Stack) -> Iterator[Finding]:
    """The findings on secrets whose value would be drawn anew; one that is drawn no longer is not drawn over."""
    for each in staying(old, new, "AWS::SecretsManager::Secret"):
        was = meaning(properties(each.before).get(NAME), old.template)
        will_be = meaning(properties(each.after).get(NAME), new.template)
        if will_be is not None and was != will_be:
            yield each.finding(Kind.OVERWRITTEN, (NAME, was, will_be), WHY, MEND)
