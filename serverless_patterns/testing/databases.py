"""The databases of a template by their hosts."""

from serverless_patterns.testing.template import ResolvedTemplate

#: Type -> its hosts, and what its users are named with.
_KINDS = {
    "AWS::RDS::DBCluster": (("Endpoint.Address", "ReadEndpoint.Address"), "DBClusterResourceId"),
    "AWS::RDS::DBInstance": (("Endpoint.Address",), "DbiResourceId"),
    "AWS::RDS::DBProxy": (("Endpoint",), "DBProxyArn"),
}


def database_id(template: ResolvedTemplate, host: str) -> str | None:
    """The resource id of the database, cluster or proxy with this host, ``None`` where it is of another template.

    The users of a cluster are those of each of its members.
    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/UsingWithRDS.IAMDBAuth.IAMPolicy.html
    """
    clusters = {each.name: each.logical_id for each in template.of_type("AWS::RDS::DBCluster")}
    for each in template.of_type(*_KINDS):
        hosts, resource_id = _KINDS[each.type]
        if host in {template.attribute(each.logical_id, name) for name in hosts}:
            owner = (
                clusters.get(str(each.properties.get("DBClusterIdentifier"))) if each.type == "AWS::RDS::DBInstance" else None
            )
            found = (
                template.attribute(owner, "DBClusterResourceId") if owner else template.attribute(each.logical_id, resource_id)
            )
            return found.rpartition(":")[2]
    return None
