"""The edge of a pattern: an API in front of one function. Two kinds, one shape.

``http`` is API Gateway's HTTP API (cheaper, faster, JWT of any issuer); ``rest`` its REST API (WAF, API keys with a usage
plan, request models). https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-vs-rest.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aws_cdk import Duration, Token
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

from serverless_patterns._blocks.checks import (
    check,
    check_between,
    check_duration,
    check_grantee,
    check_has,
    check_one_of,
    check_texts,
    check_type,
)

ApiKind = Literal["http", "rest"]

#: Seconds that API Gateway waits for an integration: the function must end before.
#: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
INTEGRATION_LIMIT: dict[ApiKind, int] = {"http": 30, "rest": 29}


@dataclass(frozen=True)
class Route:
    """A method and a path, such as ``Route("GET", "/users/{id}")``."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str


@dataclass(frozen=True, kw_only=True)
class Throttle:
    """How many requests an API takes before it answers 429.

    Args:
        rate: Requests per second, 1 to 10,000 (an account's default quota in a region). Default 100: far above what a person
            causes, far below what a loop does.
        burst: Requests at once, 1 to 5,000. Default 200.

    Raises:
        PatternError: A value is outside its range.
    """

    rate: int = 100
    burst: int = 200

    def __post_init__(self) -> None:
        """Check the ranges: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html."""
        for name in ("rate", "burst"):
            check_type(name, getattr(self, name), int, "a whole number")
            check(
                not Token.is_unresolved(getattr(self, name)), f"{name} must be a number: an environment takes its share of it"
            )
        check_between("rate", self.rate, 1, 10_000, " requests per second")
        check_between("burst", self.burst, 1, 5_000, " requests")


@dataclass(frozen=True, kw_only=True)
class UsagePlan:
    """An API key that each request must carry (``x-api-key``), with limits of its own. REST APIs only.

    A key meters a client; it does not authorize one. The key is made by the API; read it with
    ``aws apigateway get-api-keys --include-values``.

    Args:
        throttle: Requests per second and burst for each key. Default 100 and 200.
        requests_per_day: Quota for each key and day, at least 1. ``None`` (the default): no quota.

    Raises:
        PatternError: The quota is below 1.
    """

    throttle: Throttle = Throttle()
    requests_per_day: int | None = None

    def __post_init__(self) -> None:
        """Check the throttle and the quota."""
        check_type("throttle", self.throttle, Throttle, "a Throttle(rate=..., burst=...)")
        check_type("requests_per_day", self.requests_per_day, int, "a whole number", optional=True)
        check(
            self.requests_per_day is None or self.requests_per_day >= 1,
            f"requests_per_day must be at least 1, or None for no quota, got {self.requests_per_day}",
        )


@dataclass(frozen=True, kw_only=True)
class Cors:
    """Which web pages may call an API from a browser.

    Args:
        allow_origins: Origins such as ``"https://shop.example.com"``, or ``["*"]`` for all. A REST API takes one: the answers
            that API Gateway makes itself can carry only a fixed origin.
        allow_credentials: Whether browsers send cookies and client certificates. Default no. Not with ``"*"``.
        max_age: How long a browser keeps the answer to a preflight, 0 to 86,400 s. Default one hour.

    Raises:
        PatternError: No origin; ``"*"`` together with other origins or with credentials; an origin with a path.
    """

    allow_origins: Sequence[str]
    allow_credentials: bool = False
    max_age: Duration | None = None

    def __post_init__(self) -> None:
        """Check the origins and the age."""
        check_type("max_age", self.max_age, Duration, "a duration such as Duration.hours(1)", optional=True)
        if self.max_age is not None:
            check_duration("max_age", self.max_age, least=0, most=86_400)
        check_texts("allow_origins", self.allow_origins)
        check(self.allow_origins, f"allow_origins must be a list with at least one origin, got {self.allow_origins!r}")
        for origin in self.allow_origins:
            well_formed = Token.is_unresolved(origin) or re.fullmatch(r"\*|[a-z][a-z0-9+.-]*://[^/\s,*?#'A-Z]+", origin)
            check(well_formed, f"allow_origins must hold origins such as 'https://shop.example.com' or '*', got {origin!r}")
        if "*" in self.allow_origins:
            check(len(self.allow_origins) == 1, f"allow_origins: '*' already allows all others, got {self.allow_origins!r}")
            check(
                not self.allow_credentials,
                "allow_credentials must be False when allow_origins is '*': browsers refuse that pair; list the origins",
            )


@dataclass(frozen=True, kw_only=True)
class Authorization:
    """Who may call an API. Made by ``iam``, ``jwt``, ``cognito`` or ``none``.

    Attributes:
        kind: Which of them.
        issuer: ``jwt``: the issuer of the tokens.
        audience: ``jwt``: the accepted audiences; ``cognito``: empty, the clients count.
        scopes: ``jwt`` and ``cognito``: OAuth scopes, one of which a token must have.
        user_pool: ``cognito``: the user pool.
        clients: ``cognito``: its clients.
    """

    kind: Literal["iam", "jwt", "cognito", "none"]
    issuer: str | None = None
    audience: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    user_pool: cognito.IUserPool | None = None
    clients: tuple[cognito.IUserPoolClient, ...] = ()

    def __post_init__(self) -> None:
        """Check that each kind has what it needs: a mistake here would open an API."""
        check_one_of("kind", self.kind, ("iam", "jwt", "cognito", "none"))
        check_texts("scopes", self.scopes)
        if self.kind == "jwt":
            check_type("issuer", self.issuer, str, "an https URL")
            https = Token.is_unresolved(self.issuer) or str(self.issuer).startswith("https://")
            check(https, f"issuer must be an https URL, got {self.issuer!r}")
            check_texts("audience", self.audience)
            check(self.audience, "audience must be a list with at least one client id: without it any client's token passes")
        if self.kind == "cognito":
            check_has("user_pool", self.user_pool, "user_pool_id", "a Cognito user pool")
            check(self.clients, "clients must hold at least one client of the user pool, got none")
            for client in self.clients:
                check(hasattr(client, "user_pool_client_id"), f"clients must hold clients of the user pool, got {client!r}")

    @classmethod
    def iam(cls) -> Authorization:
        """Requests signed with Signature Version 4 by a principal that was granted ``execute-api:Invoke``. The default."""
        return cls(kind="iam")

    @classmethod
    def jwt(cls, *, issuer: str, audience: Sequence[str], scopes: Sequence[str] = ()) -> Authorization:
        """Requests with a JSON Web Token of any OpenID Connect issuer. HTTP APIs only.

        Args:
            issuer: The ``iss`` of the tokens, an https URL; its ``/.well-known/openid-configuration`` must be public.
            audience: The accepted values of ``aud`` (or ``client_id``), at least one.
            scopes: A token must have one of these. Default: any token of the issuer will do.

        Raises:
            PatternError: The issuer is no https URL, or there is no audience.
        """
        check_texts("audience", audience)
        check_texts("scopes", scopes)
        return cls(kind="jwt", issuer=issuer, audience=tuple(audience), scopes=tuple(scopes))

    @classmethod
    def cognito(
        cls, user_pool: cognito.IUserPool, *, clients: Sequence[cognito.IUserPoolClient], scopes: Sequence[str] = ()
    ) -> Authorization:
        """Requests with a token of a Cognito user pool.

        Args:
            user_pool: The user pool that issues the tokens.
            clients: The clients whose tokens are accepted, at least one (a REST API accepts those of the whole pool).
            scopes: A token must have one of these.

        Raises:
            PatternError: It is no user pool, or there is no client.
        """
        check_texts("scopes", scopes)
        check(isinstance(clients, Sequence), f"clients must be a list of clients of the user pool, got {clients!r}")
        return cls(kind="cognito", user_pool=user_pool, clients=tuple(clients), scopes=tuple(scopes))

    @classmethod
    def none(cls) -> Authorization:
        """Anyone may call, and pay with your money: only for what is public on purpose."""
        return cls(kind="none")


@dataclass(frozen=True, kw_only=True)
class Edge:
    """An API in front of a function: what both kinds have in common.

    Attributes:
        kind: ``"http"`` or ``"rest"``.
        api: CDK's construct of the API.
        api_id: The id of the API.
        stage: The name of its stage: ``$default`` for an HTTP API.
        url: Where it answers, without a slash at the end.
        stage_arn: ``arn:...:execute-api:...:<api>/<stage>``: the prefix of what may be invoked.
        access_log: The log group of its access log.
        requests: Requests, as a sum per minute.
        server_errors: Answers 5xx, as a sum per minute.
        latency: From the request to the answer, p99 in ms per minute.
    """

    kind: ApiKind
    api: apigatewayv2.HttpApi | apigateway.RestApi
    api_id: str
    stage: str
    url: str
    stage_arn: str
    access_log: logs.ILogGroup
    requests: cloudwatch.IMetric
    server_errors: cloudwatch.IMetric
    latency: cloudwatch.IMetric

    def grant_invoke(self, grantee: iam.IGrantable, routes: Sequence[Route]) -> iam.Grant:
        """Let a principal call these routes; matters when authorization is IAM."""
        check_grantee(grantee)
        paths = [f"{route.method}{route.path.replace('{id}', '*')}" for route in routes]
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["execute-api:Invoke"],
            resource_arns=[f"{self.stage_arn}/{path}" for path in paths],
        )


#: What one line of the access log says: from where what was asked, what the answer was, how long each part took. No query
#: string and no header: these carry personal data and tokens.
ACCESS_LOG_FIELDS = {
    "requestId": "$context.requestId",
    "extendedRequestId": "$context.extendedRequestId",
    "requestTime": "$context.requestTime",
    "sourceIp": "$context.identity.sourceIp",
    "protocol": "$context.protocol",
    "status": "$context.status",
    "responseLength": "$context.responseLength",
    "responseLatency": "$context.responseLatency",
    "integrationStatus": "$context.integration.status",
    "integrationLatency": "$context.integration.latency",
    "integrationError": "$context.integrationErrorMessage",
    "error": "$context.error.message",
}

#: What a page may send: the headers of the routes, and those of signed requests.
CORS_REQUEST_HEADERS = (
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-api-key",
)
#: What a page may read of an answer.
CORS_RESPONSE_HEADERS = ("etag", "idempotency-replayed", "location", "retry-after")
