"""The CDK app of the shop.

    cdk synth -c environment=dev [-c name=dev-alice] [-c account=123456789012] [-c region=eu-central-1]

The stacks are named after the environment, or as ``name`` says: so several people can have a shop in one account.
"""

import sys

import aws_cdk as cdk

from examples.shop.stacks import define_shop
from serverless_patterns import PatternsError, environment_of

if __name__ == "__main__":
    app = cdk.App()
    try:
        define_shop(app, environment_of(app))
    except PatternsError as error:
        sys.exit(f"error: {error}")
    app.synth()
