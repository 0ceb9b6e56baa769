"""The CDK app of the shop: ``cdk synth -c environment=dev [-c account=123456789012] [-c region=eu-central-1]``."""

import aws_cdk as cdk

from examples.shop.stacks import define_shop
from serverless_patterns import environment_named

if __name__ == "__main__":
    app = cdk.App()
    context = app.node.try_get_context
    environment = environment_named(context("environment") or "local")
    define_shop(app, environment.at(account=context("account"), region=context("region")))
    app.synth()
