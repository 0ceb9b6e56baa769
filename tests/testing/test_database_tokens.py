"""A token for a database is signed without a call: whoever connects with it needs ``rds-db:connect`` all the same."""

import boto3
import pytest
from botocore.exceptions import ClientError

from serverless_patterns.errors import PatternError
from serverless_patterns.testing import Call, FunctionReport, ResolvedTemplate, enforced, needs_of, record, unwatched

AT = "eu-central-1:123456789012"
HOST = "db.cluster-x.eu-central-1.rds.amazonaws.com"
RESOURCES = {
    "Cluster": {"Type": "AWS::RDS::DBCluster"},
    "Instance": {"Type": "AWS::RDS::DBInstance"},
    "Member": {"Type": "AWS::RDS::DBInstance", "Properties": {"DBClusterIdentifier": {"Ref": "Cluster"}}},
    "Proxy": {"Type": "AWS::RDS::DBProxy", "Properties": {"DBProxyName": "proxy"}},
}


@pytest.fixture(autouse=True)
def _region(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


def template_of(*granted, imports=None):
    """The databases, and a role that may do this on these resources."""
    statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in granted]
    policy = {"PolicyName": "All", "PolicyDocument": {"Statement": statements}}
    role = {"Type": "AWS::IAM::Role", "Properties": {"Policies": [policy]}}
    return ResolvedTemplate.of({"Resources": RESOURCES | {"Role": role}}, imports=imports)


def token(host=HOST):
    return boto3.client("rds").generate_db_auth_token(host, 5432, "app")


def connected(host, imports=None):
    """The resource to which a token for a host connects."""
    call = Call("rds", "GenerateDbAuthToken", {"DBHostname": host, "Port": 5432, "DBUsername": "app"}, "eu-central-1")
    (need,) = needs_of(call, template_of(imports=imports))
    assert need.action == "rds-db:connect"
    return need.resource


def user(resource_id):
    return f"arn:aws:rds-db:{AT}:dbuser:{resource_id}/app"


def test_a_token_counts_as_connecting_and_is_still_signed():
    with record() as calls:
        assert token().startswith(f"{HOST}:5432/?Action=connect&DBUser=app")
    parameters = {"DBHostname": HOST, "Port": 5432, "DBUsername": "app"}
    assert calls == [Call("rds", "GenerateDbAuthToken", parameters, "eu-central-1", presigned=True)]


def test_a_token_of_the_scenario_itself_is_not_the_function_s():
    with record() as calls, unwatched():
        token()
    assert calls == []


DATABASES = {
    "a cluster": ("Cluster", "Endpoint.Address", "Cluster", "DBClusterResourceId"),
    "the readers of a cluster": ("Cluster", "ReadEndpoint.Address", "Cluster", "DBClusterResourceId"),
    "a database of its own": ("Instance", "Endpoint.Address", "Instance", "DbiResourceId"),
    "a member of a cluster": ("Member", "Endpoint.Address", "Cluster", "DBClusterResourceId"),
}


@pytest.mark.parametrize("case", DATABASES)
def test_a_token_connects_to_the_database_of_its_host(case):
    database, endpoint, owner, resource_id = DATABASES[case]
    template = template_of()
    assert connected(template.attribute(database, endpoint)) == user(template.attribute(owner, resource_id))


def test_a_token_for_a_proxy_connects_to_the_proxy():
    template = template_of()
    arn = template.attribute("Proxy", "DBProxyArn")
    assert ":db-proxy:prx-" in arn
    assert connected(template.attribute("Proxy", "Endpoint")) == user(arn.rpartition(":")[2])


def test_the_database_of_another_stack_is_given():
    assert connected(HOST, {HOST: "cluster-ABC"}) == user("cluster-ABC")


def test_the_database_of_another_stack_is_asked_for():
    with pytest.raises(PatternError, match=rf"{HOST} is no database of the template: .*imports=\{{'{HOST}': 'cluster-...'\}}"):
        connected(HOST)


def test_a_grant_to_connect_is_neither_missing_nor_in_excess():
    template = template_of(("rds-db:connect", user("cluster-ABC")), imports={HOST: "cluster-ABC"})
    with record() as calls:
        token()
    needs = [need for call in calls for need in needs_of(call, template)]
    found = FunctionReport.of("Worker", template.permissions("Role"), needs)
    assert found.exact
    assert found.used == tuple(needs)


def test_a_role_that_may_not_connect_is_refused():
    template = template_of(imports={HOST: "cluster-ABC"})

    def connect():
        with enforced(template.permissions("Role"), template):
            token()

    with pytest.raises(ClientError, match="not authorized to perform: rds-db:connect"):
        connect()


@pytest.mark.parametrize(("admin", "action"), [(False, "dsql:DbConnect"), (True, "dsql:DbConnectAdmin")])
def test_a_token_for_aurora_dsql_connects_to_its_cluster(admin, action):
    client = boto3.client("dsql")
    with record() as calls:
        sign = client.generate_db_connect_admin_auth_token if admin else client.generate_db_connect_auth_token
        sign("abc123.dsql.eu-central-1.on.aws")
    needs = [(need.action, need.resource) for call in calls for need in needs_of(call, template_of())]
    assert needs == [(action, f"arn:aws:dsql:{AT}:cluster/abc123")]
