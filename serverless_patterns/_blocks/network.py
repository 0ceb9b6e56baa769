"""Networks: a function inside a VPC of the user's, and a VPC of two subnets that lead nowhere, for a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Annotations, CfnResource, Fn, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from serverless_patterns._blocks.checks import check

#: What Lambda needs of a function's role to put it into a VPC; EC2 takes no resource for most of them.
#: https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
INTERFACE_ACTIONS = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
HTTPS = 443
#: Addresses of the VPC of a database: 128 for each of its two subnets. Nothing leads out of it, so they can be anyone's.
ISOLATED_CIDR, ISOLATED_SUBNETS = "10.0.0.0/24", ("10.0.0.0/25", "10.0.0.128/25")


@dataclass(frozen=True, kw_only=True)
class Network:
    """Where a function runs in a VPC.

    Attributes:
        vpc: The VPC.
        subnets: Its subnets that the function is in.
        security_groups: The groups of the function.
    """

    vpc: ec2.IVpc
    subnets: ec2.SubnetSelection
    security_groups: Sequence[ec2.ISecurityGroup]

    @property
    def connections(self) -> ec2.Connections:
        """The function as others let it in: ``database.connections.allow_default_port_from(...)``."""
        return ec2.Connections(security_groups=list(self.security_groups))


def allow_network_interfaces(role: iam.Role) -> None:
    """Let Lambda put the function of this role into a VPC, and keep the function's own code from doing the same.

    The key of the condition is there in calls of a function's code only, whichever function it is; a role of this library has
    one function. AWS shows the ARN of the function there: it would depend on the policy, and the policy on it.
    https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
    """
    actions = list(INTERFACE_ACTIONS)
    role.add_to_policy(iam.PolicyStatement(actions=actions, resources=["*"]))
    role.add_to_policy(
        iam.PolicyStatement(
            effect=iam.Effect.DENY,
            actions=actions,
            resources=["*"],
            conditions={"Null": {"lambda:SourceFunctionArn": "false"}},
        )
    )


def join_network(
    scope: Construct,
    *,
    vpc: ec2.IVpc,
    subnets: ec2.SubnetSelection | None,
    security_groups: Sequence[ec2.ISecurityGroup] | None,
    port: int,
    endpoints: bool,
) -> Network:
    """The network of a function that talks to a database on this port, and to AWS."""
    chosen = _chosen(vpc, subnets or ec2.SubnetSelection())
    _check_subnets(scope, vpc, chosen, endpoints=endpoints)
    groups = list(security_groups or [_client_group(scope, vpc, port)])
    return Network(vpc=vpc, subnets=ec2.SubnetSelection(subnets=chosen.subnets), security_groups=groups)


def _chosen(vpc: ec2.IVpc, selection: ec2.SubnetSelection) -> ec2.SelectedSubnets:
    return vpc.select_subnets(
        availability_zones=selection.availability_zones,
        one_per_az=selection.one_per_az,
        subnet_filters=selection.subnet_filters,
        subnet_group_name=selection.subnet_group_name,
        subnets=selection.subnets,
        subnet_type=selection.subnet_type,
    )


def _check_subnets(scope: Construct, vpc: ec2.IVpc, chosen: ec2.SelectedSubnets, *, endpoints: bool) -> None:
    check(
        not chosen.has_public,
        "subnets must be private: a function has no public address, and reaches neither AWS nor the internet from a public "
        "subnet. Add private ones to the vpc, or select them: SubnetSelection(subnet_type=SubnetType.PRIVATE_WITH_EGRESS)",
    )
    isolated = {subnet.node.path for subnet in vpc.isolated_subnets}
    if not endpoints and any(subnet.node.path in isolated for subnet in chosen.subnets):
        Annotations.of(scope).add_warning_v2(
            "serverless-patterns:isolated-subnets",
            "Nothing leads out of the function's subnets: unless the VPC has endpoints for what it calls, it waits for AWS "
            "until it times out. Give endpoints=True, or acknowledge this if the VPC has them.",
        )


def _client_group(scope: Construct, vpc: ec2.IVpc, port: int) -> ec2.SecurityGroup:
    group = ec2.SecurityGroup(
        scope, "SecurityGroup", vpc=vpc, description="Function: to the database and to AWS", allow_all_outbound=False
    )
    group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), "PostgreSQL")
    group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(HTTPS), "AWS")
    return group


def define_endpoints(scope: Construct, network: Network, *, services: Mapping[str, ec2.InterfaceVpcEndpointAwsService]) -> None:
    """Let a function reach S3, DynamoDB and these services without the internet.

    Those of S3 and DynamoDB are free; each other one costs by the hour and the subnet. They answer to the names of AWS's own,
    in the whole VPC: it may have one of each. Logs and traces do not go by way of the VPC.
    """
    for name, gateway in (
        ("S3", ec2.GatewayVpcEndpointAwsService.S3),
        ("DynamoDb", ec2.GatewayVpcEndpointAwsService.DYNAMODB),
    ):
        ec2.GatewayVpcEndpoint(scope, f"{name}Endpoint", vpc=network.vpc, service=gateway, subnets=[network.subnets])
    group = ec2.SecurityGroup(
        scope, "EndpointSecurityGroup", vpc=network.vpc, description="Endpoints: from the function", allow_all_outbound=False
    )
    for client in network.security_groups:
        group.add_ingress_rule(client, ec2.Port.tcp(HTTPS), "Function")
    one_for_each_zone = {subnet.availability_zone: subnet for subnet in network.subnets.subnets or []}
    for name, service in services.items():
        ec2.InterfaceVpcEndpoint(
            scope,
            f"{name}Endpoint",
            vpc=network.vpc,
            service=service,
            subnets=ec2.SubnetSelection(subnets=list(one_for_each_zone.values())),
            security_groups=[group],
            open=False,
        )


def isolated_vpc(scope: Construct, removal_policy: RemovalPolicy) -> ec2.IVpc:
    """A VPC of two subnets in two zones and nothing that leads in or out.

    CDK's ``Vpc`` asks AWS for the names of the zones as soon as account and region are known; the first two will do.
    """
    vpc = ec2.CfnVPC(scope, "Vpc", cidr_block=ISOLATED_CIDR, enable_dns_hostnames=True, enable_dns_support=True)
    table = ec2.CfnRouteTable(scope, "RouteTable", vpc_id=vpc.ref)
    kept: list[CfnResource] = [vpc, table]
    zones = [Fn.select(number, Fn.get_azs()) for number in range(len(ISOLATED_SUBNETS))]
    subnets = []
    for number, (zone, cidr) in enumerate(zip(zones, ISOLATED_SUBNETS, strict=True), start=1):
        subnet = ec2.CfnSubnet(scope, f"Subnet{number}", vpc_id=vpc.ref, availability_zone=zone, cidr_block=cidr)
        route = ec2.CfnSubnetRouteTableAssociation(
            scope, f"Subnet{number}Routes", subnet_id=subnet.ref, route_table_id=table.ref
        )
        subnets.append(subnet.ref)
        kept += [subnet, route]
    for resource in kept:
        resource.apply_removal_policy(removal_policy)
    return ec2.Vpc.from_vpc_attributes(
        scope,
        "Network",
        vpc_id=vpc.ref,
        vpc_cidr_block=ISOLATED_CIDR,
        availability_zones=zones,
        isolated_subnet_ids=subnets,
        isolated_subnet_route_table_ids=[table.ref] * len(subnets),
    )
