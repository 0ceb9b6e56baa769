"""For tests of functions and stacks: handlers that are importable as in Lambda, and least privilege that is measured.

``make_importable`` in ``conftest.py`` lets tests import what a function of yours imports in Lambda.

Least privilege: record the AWS calls that a handler makes while scenarios drive it, and compare them with the role that the
template gives it. Then hold the handler to that role, and see that a scenario fails for each permission that is taken away. It
works on any stack whose handlers use boto3, against moto, an emulator or an account. With ``cdk.out`` the synth of a stack
whose one function puts its event into its table::

    import boto3

    from serverless_patterns.testing import ResolvedTemplate, code_of, enforced, measure, record, running, stand_in
    from serverless_patterns.testing import survivors, text_report, unwatched

    template = ResolvedTemplate.of("cdk.out")
    [function] = template.functions


    def an_order_is_stored():
        with stand_in(template), running(function, code_of("cdk.out", function)) as invoke:
            invoke({"id": "42"})
            with unwatched():  # what the test itself does needs no permission of the function
                table = boto3.resource("dynamodb").Table(function.environment["TABLE_NAME"])
                assert table.get_item(Key={"id": "42"})["Item"] == {"id": "42"}


    with record() as calls:
        an_order_is_stored()

    report = measure(template, function, calls)
    assert report.exact, text_report([report])  # nothing missing, nothing in excess, nothing wider than it is used

    permissions = template.permissions(function.role)
    with enforced(permissions, template):  # a call that the role does not allow fails as it would in AWS
        an_order_is_stored()
    assert survivors(permissions, template, [an_order_is_stored]) == []  # each permission is missed by some scenario

The role must be the function's own: the one that CDK's ``lambda_.Function`` makes has ``AWSLambdaBasicExecutionRole``, which
may write to all logs, and is reported as wider than it is used. The functions of this library have one of their own.

Scenarios must go through every branch that calls AWS: what none of them does counts as not used.

What no template shows - what other stacks export, the keys of SecureStrings, the databases behind hosts - is asked for where
something depends on it, and given as ``imports`` of ``ResolvedTemplate.of``.

``service_reports(template)`` says the same of the roles and policies by which AWS's services work for the stack: API Gateway,
EventBridge, Scheduler, SNS, S3 and Step Functions. What it cannot judge it names in ``unjudged``.
"""

from serverless_patterns.testing.actions import needs_of, needs_of_all
from serverless_patterns.testing.calls import Call, record, unwatched
from serverless_patterns.testing.enforcement import enforced
from serverless_patterns.testing.handlers import LambdaContext, Running, code_of, make_importable, running
from serverless_patterns.testing.moto_account import stand_in
from serverless_patterns.testing.mutation import Mutant, mutants, survivors
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.needs import derived_needs
from serverless_patterns.testing.permissions import Grant, Permissions
from serverless_patterns.testing.polling import deliver
from serverless_patterns.testing.report import FunctionReport, WiderScope, markdown_report, measure, text_report
from serverless_patterns.testing.resource import FunctionResource, Resource
from serverless_patterns.testing.service_roles import ServiceReport, service_reports
from serverless_patterns.testing.sources import templates_in
from serverless_patterns.testing.template import ResolvedTemplate

__all__ = [
    "Call",
    "FunctionReport",
    "FunctionResource",
    "Grant",
    "LambdaContext",
    "Mutant",
    "Need",
    "Permissions",
    "ResolvedTemplate",
    "Resource",
    "Running",
    "ServiceReport",
    "WiderScope",
    "code_of",
    "deliver",
    "derived_needs",
    "enforced",
    "make_importable",
    "markdown_report",
    "measure",
    "mutants",
    "needs_of",
    "needs_of_all",
    "record",
    "running",
    "service_reports",
    "stand_in",
    "survivors",
    "templates_in",
    "text_report",
    "unwatched",
]
