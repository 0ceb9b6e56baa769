"""A report of a PostgreSQL inside a VPC: where its function runs, what it reaches, and what it may do."""

from pathlib import Path

import certifi
import pytest
from aws_cdk import CfnParameter
from aws_cdk import assertions as cdk_assertions
from aws_cdk import aws_ec2 as ec2

from scheduled_report.models import Settings
from serverless_patterns import PatternError
from serverless_patterns._blocks.report_source import ReportDatabase
from serverless_patterns.bundled import lambda_source
from tests.support.circles import check_no_circle
from tests.support.readable import properties_at, readable
from tests.support.report_sources import READ_SECRET, SECRET_ARN, bound, secret_in, settings, vpc_in
from tests.support.reports import OWN, report
from tests.support.synthesis import empty_stack, resources, role_policies, statements, template_of

#: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaVPCAccessExecutionRole.html
INTERFACES = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
]
CERTIFICATES = "ca_certificates must be a file of certificates in PEM, such as the bundle of a region that AWS publishes, got "


@pytest.fixture
def stack():
    return empty_stack()


def postgres(stack, vpc=None, **options):
    return ReportDatabase.postgres(secret_in(stack), vpc=vpc or vpc_in(stack), **options)


def vpc_statements(stack):
    """Effect -> statement about network interfaces."""
    found = [each for each in statements(template_of(stack)) if "ec2:CreateNetworkInterface" in each["Action"]]
    return {each["Effect"]: each for each in found}


def test_a_function_of_a_postgres_runs_in_the_private_subnets_of_its_vpc(stack):
    bound(postgres(stack), stack)
    assert settings(stack) == {"SOURCE": "postgres", "DATABASE_SECRET_ARN": SECRET_ARN, "DATABASE_PORT": "5432"}
    found = properties_at(stack, "Function")["VpcConfig"]
    assert found == {"SecurityGroupIds": ["SecurityGroup"], "SubnetIds": ["private-1", "private-2"]}


def test_a_secret_that_rds_keeps_needs_the_place_beside_it(stack):
    host = CfnParameter(stack, "Host").value_as_string
    bound(postgres(stack, host=host, port=6432, database_name="shop"), stack)
    assert settings(stack) == {
        "SOURCE": "postgres",
        "DATABASE_SECRET_ARN": SECRET_ARN,
        "DATABASE_HOST": "Host",
        "DATABASE_PORT": "6432",
        "DATABASE_NAME": "shop",
    }


@pytest.fixture(scope="module")
def certificates():
    """A file of real certificates."""
    return Path(certifi.where())


@pytest.mark.parametrize("kind", [str, Path])
def test_certificates_are_packed_with_the_handler_which_is_told_of_them(stack, certificates, kind):
    found = bound(postgres(stack, ca_certificates=kind(certificates)), stack)
    assert found.files == {"ca.pem": certificates.read_text(encoding="utf-8")}
    assert settings(stack)["CA_FILE"] == "scheduled_report/ca.pem"


def test_a_report_packs_the_certificates_of_its_database_for_the_bundled_handler(stack, certificates):
    given = {"secret": secret_in(stack), "vpc": vpc_in(stack)}
    source = ReportDatabase.postgres(**given, ca_certificates=certificates)
    report(stack, "With", source=source)
    report(stack, "Without", source=ReportDatabase.postgres(**given))
    codes = {properties_at(stack, f"{name}/Function")["Code"]["S3Key"] for name in ("With", "Without")}
    assert len(codes) == 2
    found = Settings.from_environment(properties_at(stack, "With/Function")["Environment"]["Variables"]).database
    assert found.ca_file == lambda_source() / "scheduled_report" / "ca.pem"
    with pytest.raises(PatternError) as raised:
        report(stack, "Own", source=source, handler=OWN)
    assert str(raised.value) == ("ca_certificates is packed with the bundled handler: with a handler of yours, leave it out")


@pytest.mark.parametrize(("name", "text"), [("missing.pem", None), ("empty.pem", ""), ("text.pem", "no certificate")])
def test_a_file_without_certificates_is_refused(stack, tmp_path, name, text):
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(PatternError) as raised:
        postgres(stack, ca_certificates=tmp_path / name)
    assert str(raised.value).startswith(f"{CERTIFICATES}'{tmp_path / name}': ")


def test_its_security_group_leads_to_the_database_and_to_aws_only(stack):
    bound(postgres(stack, port=6432), stack)
    group = properties_at(stack, "SecurityGroup")
    assert [(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in group["SecurityGroupEgress"]] == [
        ("tcp", 6432, 6432),
        ("tcp", 443, 443),
    ]
    assert "SecurityGroupIngress" not in group


def test_a_function_in_a_vpc_may_do_what_lambda_needs_and_its_code_may_not(stack):
    bound(postgres(stack), stack)
    found = vpc_statements(stack)
    assert found["Allow"] == {"Action": INTERFACES, "Effect": "Allow", "Resource": "*"}
    assert found["Deny"] == {
        "Action": INTERFACES,
        "Effect": "Deny",
        "Resource": "*",
        "Condition": {"Null": {"lambda:SourceFunctionArn": "false"}},
    }
    role = next(iter(resources(template_of(stack), "AWS::IAM::Role").values()))
    assert "ManagedPolicyArns" not in role["Properties"]


def test_the_permissions_of_a_function_in_a_vpc_are_there_before_it_is(stack):
    bound(postgres(stack), stack)
    template = template_of(stack)
    (function,) = resources(template, "AWS::Lambda::Function").values()
    assert set(role_policies(template)) <= set(function["DependsOn"])
    check_no_circle(template)


def test_a_function_of_a_postgres_may_read_its_secret_and_nothing_of_rds(stack):
    bound(postgres(stack), stack)
    actions = {
        action
        for statement in statements(template_of(stack))
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert actions == {"logs:CreateLogStream", "logs:PutLogEvents", *READ_SECRET, *INTERFACES}


def test_a_database_lets_the_function_in(stack):
    found = bound(postgres(stack), stack)
    group = ec2.SecurityGroup(stack, "ShopGroup", vpc=stack.node.find_child("Vpc"))
    ec2.Connections(security_groups=[group], default_port=ec2.Port.tcp(5432)).allow_default_port_from(found.connections)
    rule = only_ingress(stack)
    assert (rule["GroupId"], rule["SourceSecurityGroupId"], rule["FromPort"]) == ("ShopGroup", "SecurityGroup", 5432)


def only_ingress(stack):
    (rule,) = resources(template_of(stack), "AWS::EC2::SecurityGroupIngress").values()
    return readable(stack, rule["Properties"])


def test_security_groups_and_subnets_of_the_users_are_taken_as_they_are(stack):
    groups = [ec2.SecurityGroup.from_security_group_id(stack, f"Group{n}", f"sg-{n}") for n in (1, 2)]
    selection = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, availability_zones=["eu-central-1b"])
    bound(postgres(stack, security_groups=groups, subnets=selection), stack)
    assert properties_at(stack, "Function")["VpcConfig"] == {"SecurityGroupIds": ["sg-1", "sg-2"], "SubnetIds": ["private-2"]}
    assert resources(template_of(stack), "AWS::EC2::SecurityGroup") == {}


@pytest.mark.parametrize(
    ("select", "chosen"),
    [
        (lambda _: ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED), ["isolated-1", "isolated-2"]),
        (lambda _: ec2.SubnetSelection(subnet_group_name="Isolated"), ["isolated-1", "isolated-2"]),
        (lambda _: ec2.SubnetSelection(availability_zones=["eu-central-1a"]), ["private-1", "private-3"]),
        (lambda _: ec2.SubnetSelection(one_per_az=True), ["private-1", "private-2"]),
        (lambda _: ec2.SubnetSelection(subnet_filters=[ec2.SubnetFilter.by_ids(["private-4"])]), ["private-4"]),
        (lambda vpc: ec2.SubnetSelection(subnets=vpc.private_subnets[2:]), ["private-3", "private-4"]),
    ],
    ids=["type", "name", "zone", "one for each zone", "filter", "subnets"],
)
def test_each_way_of_selecting_subnets_is_followed(stack, select, chosen):
    vpc = vpc_in(stack, private=4)
    bound(postgres(stack, vpc, subnets=select(vpc), endpoints=True), stack)
    assert properties_at(stack, "Function")["VpcConfig"]["SubnetIds"] == chosen


@pytest.mark.parametrize("subnets", [ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC), None])
def test_a_function_in_public_subnets_is_refused_since_it_would_reach_nothing(stack, subnets):
    vpc = vpc_in(stack, private=0, isolated=0)
    with pytest.raises(PatternError) as raised:
        bound(postgres(stack, vpc, subnets=subnets), stack)
    assert str(raised.value) == (
        "subnets must be private: a function has no public address, and reaches neither AWS nor the internet from a public "
        "subnet. Add private ones to the vpc, or select them: SubnetSelection(subnet_type=SubnetType.PRIVATE_WITH_EGRESS)"
    )


@pytest.mark.parametrize(
    ("private", "endpoints", "warnings"), [(0, False, 1), (0, True, 0), (2, False, 0)], ids=["isolated", "endpoints", "nat"]
)
def test_subnets_that_lead_nowhere_are_warned_of_unless_there_are_endpoints(stack, private, endpoints, warnings):
    bound(postgres(stack, vpc_in(stack, private=private), endpoints=endpoints), stack)
    everything = cdk_assertions.Match.any_value()
    found = cdk_assertions.Annotations.from_stack(stack).find_warning("*", everything)
    assert len([each for each in found if "Nothing leads out of the function's subnets" in str(each.entry.data)]) == warnings


def endpoints_of(stack):
    """Name of the service -> properties of the endpoint."""
    found = {}
    for each in resources(template_of(stack), "AWS::EC2::VPCEndpoint").values():
        properties = readable(stack, each["Properties"])
        found[properties["ServiceName"].rpartition(".")[2]] = properties
    return found


@pytest.mark.parametrize(
    ("uses", "services"),
    [
        ({}, {"s3", "dynamodb", "secretsmanager"}),
        ({"announces": "topic"}, {"s3", "dynamodb", "secretsmanager", "sns"}),
        ({"announces": "bus"}, {"s3", "dynamodb", "secretsmanager", "events"}),
        ({"mails": True}, {"s3", "dynamodb", "secretsmanager", "email"}),
    ],
)
def test_endpoints_are_defined_for_what_the_function_calls(stack, uses, services):
    bound(postgres(stack, endpoints=True), stack, **uses)
    assert set(endpoints_of(stack)) == services


def test_no_endpoint_is_defined_unless_it_is_asked_for(stack):
    bound(postgres(stack), stack, announces="topic", mails=True)
    assert endpoints_of(stack) == {}


def test_endpoints_let_in_the_function_only(stack):
    bound(postgres(stack, endpoints=True), stack)
    found = endpoints_of(stack)
    assert found["s3"]["RouteTableIds"] == ["private-routes-1", "private-routes-2"]
    assert found["secretsmanager"]["SecurityGroupIds"] == ["EndpointSecurityGroup"]
    rule = only_ingress(stack)
    assert (rule["GroupId"], rule["SourceSecurityGroupId"]) == ("EndpointSecurityGroup", "SecurityGroup")
    assert (rule["FromPort"], rule["ToPort"]) == (443, 443)
    assert "SecurityGroupIngress" not in properties_at(stack, "EndpointSecurityGroup")


def test_an_endpoint_has_one_subnet_in_each_zone(stack):
    vpc = vpc_in(stack, private=4)
    bound(postgres(stack, vpc, endpoints=True), stack)
    zones = {subnet.subnet_id: subnet.availability_zone for subnet in vpc.private_subnets}
    found = endpoints_of(stack)["secretsmanager"]["SubnetIds"]
    assert sorted(zones[subnet] for subnet in found) == ["eu-central-1a", "eu-central-1b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"port": 0}, "port must be 1 to 65535, got 0"),
        ({"port": "5432"}, "port must be a whole number from 1 to 65535, got '5432' (str, not int)"),
        ({"host": 5}, "host must be a name such as 'db.example.com', got 5 (int, not str)"),
        ({"host": "db\n"}, "host must be a name or an address of a server, got 'db\\n'"),
        ({"host": ""}, "host must be a name or an address of a server, got ''"),
        ({"database_name": ""}, "database_name must be the name of a database, got ''"),
        ({"ca_certificates": 5}, f"{CERTIFICATES}5"),
        ({"endpoints": "yes"}, "endpoints must be True or False, got 'yes' (str, not bool)"),
        ({"security_groups": []}, "security_groups must be a list of at least one security group, got []"),
        ({"security_groups": ["sg-1"]}, "security_groups must be a list of at least one security group, got ['sg-1']"),
        (
            {"subnets": ["subnet-1"]},
            "subnets must be an ec2.SubnetSelection(...), got ['subnet-1'] (list, not SubnetSelection)",
        ),
        ({"vpc": "vpc-1"}, "vpc must be a VPC, got 'vpc-1'"),
        ({"secret": "arn"}, "secret must be a Secrets Manager secret, got 'arn'"),
    ],
)
def test_a_postgres_that_does_not_fit_is_refused(stack, options, message):
    given = {"secret": secret_in(stack), "vpc": vpc_in(stack)} | options
    with pytest.raises(PatternError) as raised:
        ReportDatabase.postgres(given.pop("secret"), **given)
    assert str(raised.value) == message
