"""Least privilege, measured: what the roles of a stack may do, against what its functions really do.

Record the AWS calls that a handler makes while scenarios drive it, and compare them with the role that the template gives it.
Then hold the handler to that role, and see that a scenario fails for each permission that is taken away. It works on any stack
whose handlers use boto3, against moto, an emulator or an account. With ``stack`` a CDK stack of yours (or a template, or the
path of its ``cdk.out``) and ``handler`` the module of its function::

    import boto3
    from moto import mock_aws

    from serverless_patterns.testing import ResolvedTemplate, enforced, measure, record, survivors, text_report, unwatched

    template = ResolvedTemplate.of(stack)
    [function] = template.functions
    table_name = function.environment["TABLE_NAME"]


    def an_order_is_stored():
        with mock_aws():
            with unwatched():  # what the test itself does needs no permission of the function
                table = boto3.resource("dynamodb", region_name="eu-central-1").create_table(
                    TableName=table_name,
                    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                    BillingMode="PAY_PER_REQUEST",
                )
            handler.handle({"id": "42"}, table_name)
            with unwatched():
                assert table.get_item(Key={"id": "42"})["Item"] == {"id": "42"}


    with record() as calls:
        an_order_is_stored()

    report = measure(template, function, calls)
    assert report.exact, text_report([report])  # nothing missing, nothing in excess, nothing wider than it is used

    permissions = template.permissions(function.role)
    with enforced(permissions, template):  # a call that the role does not allow fails as it would in AWS
        an_order_is_stored()
    assert survivors(permissions, template, [an_order_is_stored]) == []  # each permission is missed by some scenario

Scenarios must go through every branch that calls AWS: what none of them does counts as not used.

``service_reports(template)`` says the same of the roles and policies by which AWS's services work for the stack: API Gateway,
EventBridge, Scheduler, SNS, S3 and Step Functions.
"""

from serverless_patterns.testing.actions import needs_of, needs_of_all
from serverless_patterns.testing.calls import Call, record, unwatched
from serverless_patterns.testing.enforcement import enforced
from serverless_patterns.testing.mutation import Mutant, mutants, survivors
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.needs import derived_needs
from serverless_patterns.testing.permissions import Grant, Permissions
from serverless_patterns.testing.report import FunctionReport, WiderScope, markdown_report, measure, text_report
from serverless_patterns.testing.resource import FunctionResource, Resource
from serverless_patterns.testing.service_roles import ServiceReport, service_reports
from serverless_patterns.testing.template import ResolvedTemplate

__all__ = [
    "Call",
    "FunctionReport",
    "FunctionResource",
    "Grant",
    "Mutant",
    "Need",
    "Permissions",
    "ResolvedTemplate",
    "Resource",
    "ServiceReport",
    "WiderScope",
    "derived_needs",
    "enforced",
    "markdown_report",
    "measure",
    "mutants",
    "needs_of",
    "needs_of_all",
    "record",
    "service_reports",
    "survivors",
    "text_report",
    "unwatched",
]
