"""What can be known of a report's source while defining, and is refused then."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from pathlib import Path

from aws_cdk import Token
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager

from serverless_patterns._blocks.checks import check, check_type

#: Names that PostgreSQL and RDS have themselves.
RESERVED_NAMES = ("rdsadmin", "template0", "template1")

_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")


def check_groups(groups: object) -> None:
    """Check that there is at least one security group, if any are given."""
    holds = isinstance(groups, Sequence) and groups and all(hasattr(group, "security_group_id") for group in groups)
    check(groups is None or holds, f"security_groups must be a list of at least one security group, got {groups!r}")


def check_place(host: str | None, database_name: str | None) -> None:
    """Check where a database is; a token passes."""
    check_type("host", host, str, "a name such as 'db.example.com'", optional=True)
    known = host is not None and not Token.is_unresolved(host)
    check(not known or _HOST.fullmatch(str(host)), f"host must be a name or an address of a server, got {host!r}")
    check_type("database_name", database_name, str, "a text such as 'shop'", optional=True)
    check(database_name != "", f"database_name must be the name of a database, got {database_name!r}")


def certificates(path: str | Path) -> str:
    """The text of a file of PEM certificates."""
    must = "ca_certificates must be a file of certificates in PEM, such as the bundle of a region that AWS publishes"
    check(isinstance(path, str | Path), f"{must}, got {path!r}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:  # ssl's own errors are OSErrors
        check(holds=False, message=f"{must}, got {str(path)!r}: {error}")
        raise


def check_database_name(name: str) -> None:
    """https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBCluster.html."""
    if Token.is_unresolved(name):
        return
    check(
        re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", name),
        f"database_name must be 1 to 63 letters, digits or _ that begin with a letter, got {name!r}",
    )
    check(name not in RESERVED_NAMES, f"database_name must be none of {', '.join(RESERVED_NAMES)}, got {name!r}")


def check_cluster(cluster: rds.IDatabaseCluster, secret: secretsmanager.ISecret | None) -> None:
    """Check what can be seen of a cluster of the user's; an imported one cannot be looked at."""
    check(
        secret is not None,
        "secret must be given with a cluster that has none of its own: the one with username and password of a user",
    )
    definition = cluster.node.default_child
    if not isinstance(definition, rds.CfnDBCluster):
        return
    engine = cluster.stack.resolve(definition.engine)
    check(engine == "aurora-postgresql", f"cluster must be an Aurora PostgreSQL, got the engine {engine!r}")
    on = cluster.stack.resolve(definition.enable_http_endpoint)
    check(on, "cluster must have the Data API on: define it with enable_data_api=True, or use ReportDatabase.postgres(...)")
