"""A source of rows in a stack, with a function that is told of it; and what of somebody else's it is given."""

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager

from serverless_patterns import Handler, Operations
from serverless_patterns._blocks.function import HandlerFunction
from tests.support.readable import permissions, properties_at

CLUSTER = "arn:AWS::Partition:rds:AWS::Region:AWS::AccountId:cluster:Database"
DATA_API = ["rds-data:BeginTransaction", "rds-data:ExecuteStatement", "rds-data:RollbackTransaction"]
READ_SECRET = ["secretsmanager:GetSecretValue"]
SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:reader-AbCdEf"


def bound(source, stack, *, key=None, operations=None, **uses):
    """A source in a stack, and a function that is told of it and granted what it needs."""
    operations = operations or Operations(tracing=False)
    found = source.bind(stack, key=key, operations=operations, **uses)
    function = HandlerFunction(
        stack,
        "Function",
        handler=Handler(lambda_.Code.from_inline("pass"), "index.handler"),
        description="Makes the report",
        timeout=Duration.seconds(30),
        environment=found.settings,
        operations=operations,
        network=found.network,
    )
    found.grant(function)
    return found


def settings(stack):
    """What the function is told, without what all functions are."""
    common = {"POWERTOOLS_SERVICE_NAME", "LOG_LEVEL", "DEBUG_SAMPLE_RATE"}
    variables = properties_at(stack, "Function")["Environment"]["Variables"]
    return {name: value for name, value in variables.items() if name not in common}


def granted(stack):
    """What the role of the function may do beyond its log."""
    return {place: actions for place, actions in permissions(stack, "FunctionRole").items() if place != "FunctionLogs"}


def secret_in(stack, construct_id="Secret"):
    return secretsmanager.Secret.from_secret_complete_arn(stack, construct_id, SECRET_ARN)


def vpc_in(stack, **subnets):
    """A VPC of somebody else, by default with two subnets of each kind."""
    kinds = {"public": 2, "private": 2, "isolated": 2} | subnets
    zones = ["eu-central-1a", "eu-central-1b"]
    given = {}
    for kind, number in kinds.items():
        if number:
            given[f"{kind}_subnet_ids"] = [f"{kind}-{n}" for n in range(1, number + 1)]
            given[f"{kind}_subnet_route_table_ids"] = [f"{kind}-routes-{n}" for n in range(1, number + 1)]
    return ec2.Vpc.from_vpc_attributes(stack, "Vpc", vpc_id="vpc-1", availability_zones=zones, **given)
