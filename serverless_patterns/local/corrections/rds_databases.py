"""The database behind a cluster or an instance of Aurora PostgreSQL or PostgreSQL that a template defines.

AWS runs a server for it, with the master user, the password and the database of the template; the endpoint is where it listens.
The master user is a member of ``rds_superuser`` and no superuser; for a managed password, AWS makes a secret.
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Overview.Endpoints.html
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.rds_superuser.html
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-secrets-manager.html

The emulator makes up an endpoint that nobody listens at, and no secret. Corrected, a cluster starts a PostgreSQL 18 on
loopback, on a free port instead of the template's, whatever version the template wants; it has no TLS.
"""

from __future__ import annotations

import json
import logging
import secrets
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
from ministack.services import rds, rds_data, secretsmanager
from ministack.services.cloudformation import provisioners
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as PROVISIONERS
from psycopg import sql

from .faults import Properties, expect, provision, remove
from .postgresql import HOST, OWNER, Server

CLUSTER, INSTANCE = "AWS::RDS::DBCluster", "AWS::RDS::DBInstance"
ENGINES = ("aurora-postgresql", "postgres")
CHECKED = {"Engine": "aurora-postgresql", "DatabaseName": "check"}
Record = dict[str, Any]
Result = tuple[str, Properties]

log = logging.getLogger(__name__)
#: The server of each cluster and of each instance without one, by its ARN.
servers: dict[str, Server] = {}


def check() -> None:
    """The endpoint is not on this machine."""
    name = provision(CLUSTER, CHECKED)
    endpoint = rds._clusters[name]["Endpoint"]
    remove(CLUSTER, name, CHECKED)
    expect(endpoint != HOST, "the emulator now runs a database for a cluster of a template")


def apply() -> None:
    """Run one."""
    _follow(CLUSTER, rds._clusters, _run_cluster)
    _follow(INSTANCE, rds._instances, _run_instance)


def _follow(resource_type: str, records: Any, run: Callable[[Record, Properties], Properties]) -> None:  # noqa: ANN401  not typed
    """After each change of such a resource: run what there is, stop what is gone, and let the template know the endpoint."""
    provisioner = PROVISIONERS[resource_type]
    create, update, delete = (provisioner[operation] for operation in ("create", "update", "delete"))

    def created(logical_id: str, properties: Properties, stack_name: str) -> Result:
        name, _ = create(logical_id, properties, stack_name)
        try:
            return name, run(records[name], properties)
        except Exception:
            deleted(name, properties)
            raise

    def updated(physical_id: str, old: Properties, new: Properties, *rest: object, **named: object) -> Result:
        name, _ = update(physical_id, old, new, *rest, **named)
        attributes = run(records[name], new)
        _stop_what_is_gone()
        return name, attributes

    def deleted(physical_id: str, properties: Properties) -> None:
        name, _ = secretsmanager._resolve((records.get(physical_id) or {}).get("MasterUserSecret", {}).get("SecretArn", ""))
        secretsmanager._secrets.pop(name, None)
        delete(physical_id, properties)
        _stop_what_is_gone()

    provisioner.update(create=created, update=updated, delete=deleted)


def _run_cluster(cluster: Record, properties: Properties) -> Properties:
    if cluster["Engine"] in ENGINES:
        server = _server(cluster["DBClusterArn"], cluster, properties, cluster["DatabaseName"])
        cluster.update(Endpoint=HOST, ReaderEndpoint=HOST, Port=server.port)
    return {**provisioners._rds_db_cluster_attrs(cluster), **_secret_attribute(cluster)}


def _run_instance(instance: Record, properties: Properties) -> Properties:
    cluster = rds._clusters.get(instance.get("DBClusterIdentifier") or "")
    if instance["Engine"] in ENGINES:
        port = (
            cluster["Port"]
            if cluster
            else _server(instance["DBInstanceArn"], instance, properties, properties.get("DBName")).port
        )
        instance["Endpoint"].update(Address=HOST, Port=port)
    return {**provisioners._rds_db_instance_attrs(instance), **_secret_attribute(instance)}


def _server(arn: str, record: Record, properties: Properties, database: str | None) -> Server:
    user, password = record["MasterUsername"], _password(record, properties)
    if arn not in servers:
        servers[arn] = Server.start()
        log.info("PostgreSQL of %s listens at %s:%s", arn, HOST, servers[arn].port)
        _populate(servers[arn], user, database)
    _run(servers[arn], sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(user), sql.Literal(password)))
    return servers[arn]


def _password(record: Record, properties: Properties) -> str:
    """That of the template, or of the secret that is made for it."""
    if str(properties.get("ManageMasterUserPassword")).lower() != "true":
        return str(properties.get("MasterUserPassword", "password"))
    if "MasterUserSecret" not in record:
        content = json.dumps({"username": record["MasterUsername"], "password": secrets.token_urlsafe()})
        arn, _ = secretsmanager._store_new_secret(f"rds!{uuid.uuid4()}", content)
        record["MasterUserSecret"] = {"SecretArn": arn, "SecretStatus": "active"}
    _, secret = secretsmanager._resolve(record["MasterUserSecret"]["SecretArn"])
    return str(rds_data._credentials_from_secret(secret)[1])


def _secret_attribute(record: Record) -> Properties:
    return {f"MasterUserSecret.{name}": value for name, value in record.get("MasterUserSecret", {}).items()}


def _populate(server: Server, user: str, database: str | None) -> None:
    master = sql.Identifier(user)
    _run(
        server,
        sql.SQL("CREATE ROLE rds_superuser ROLE rdsadmin"),
        sql.SQL("GRANT pg_monitor, pg_signal_backend, pg_checkpoint TO rds_superuser WITH ADMIN OPTION"),
        sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE IN ROLE rds_superuser").format(master),
        sql.SQL("ALTER DATABASE postgres OWNER TO {}").format(master),
    )
    if database and database != "postgres":
        _run(server, sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), master))


def _run(server: Server, *statements: sql.Composable) -> None:
    with psycopg.connect(
        host=HOST, port=server.port, user=OWNER, password=server.password, dbname="postgres", autocommit=True
    ) as connection:
        for statement in statements:
            connection.execute(statement)


def _stop_what_is_gone() -> None:
    clusters = {cluster["DBClusterArn"] for cluster in rds._clusters._data.values()}
    there = clusters | {instance["DBInstanceArn"] for instance in rds._instances._data.values()}
    for arn in servers.keys() - there:
        servers.pop(arn).stop()
