"""Tokens by which a role signs in to a database: signed by the SDK without a call, and worth what the role may do.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.client import BaseClient
from botocore.session import get_session


class Token(NamedTuple):
    """A token, as the method of the SDK that signs it says it.

    Args:
        service: The service, as boto3 names it.
        operation: What stands for signing it.
        parameters: What it was given.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]


def signed_token(request: Mapping[str, Any]) -> Token | None:
    """The token that the SDK's signer is asked for, ``None`` for any other URL."""
    url = urlsplit(request["request_dict"]["url"])
    match request.get("signing_name"):
        case "rds-db":
            user = request["request_dict"]["body"]["DBUser"]
            given = {"DBHostname": url.hostname, "Port": url.port, "DBUsername": user}
            return Token("rds", "GenerateDbAuthToken", given)
        case "dsql":
            return Token("dsql", request["operation_name"], {"Hostname": url.hostname})
    return None


@cache
def client_of(service: str, region: str | None) -> BaseClient:
    """A client of a service: the signer of a token does not know whose it is."""
    return get_session().create_client(service, region_name=region)
