"""The environments: where stacks are deployed and how they are run there.

=====================  =========  ============  ===============  ===========================
setting                local      dev           staging          prod
=====================  =========  ============  ===============  ===========================
data on removal        destroy    destroy       destroy          retain, deletion protection
database on removal    destroy    destroy       final snapshot   retain, deletion protection
backups                off        off           7 days           35 days
database backups       1 day      1 day         7 days           14 days
database capacity      0 to 1     0 to 1 ACU,   0.5 to 2 ACU     0.5 to 8 ACU, two
                       ACU        pauses                         instances
log retention, level   1 d DEBUG  1 week DEBUG  1 month INFO     1 year INFO, sampled DEBUG
alarm actions          none       none          the tiers'       the tiers' topics
                                                topics
dashboards             none       none          one a pattern    one a pattern
encryption             AWS's      AWS's         a customer key   a customer key a pattern
                                                a pattern
archive of events      1 day      7 days        30 days          90 days
throttle               100 rps    10 rps        half of prod     declared
max concurrency        2          2             half of prod     declared
termination            no         no            no               yes
protection
=====================  =========  ============  ===============  ===========================
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import RemovalPolicy, Token
from aws_cdk import aws_logs as logs

from serverless_patterns.errors import PatternError, UnknownEnvironmentError, did_you_mean
from serverless_patterns.operations import Capacity, DatabaseOperations, Operations, check_flag, check_type


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where stacks are deployed, and how they are run there.

    Args:
        name: Lower-case letters, digits and hyphens, starting with a letter; part of every stack's name.
        operations: How patterns are run here.
        alarm_actions: Whether alarms notify the topics of their tier. Default on.
        dashboards: Whether the stack of a pattern has a dashboard of its alarms. Default on.
        customer_key: Whether the stack of a pattern has a customer managed key for its data and logs, about 1 USD a month plus
            requests; not if ``operations`` have an ``encryption_key``. Default on; off: keys that AWS owns, free.
        termination_protection: Whether CloudFormation refuses to delete the stacks. Default on.
        account: The AWS account, 12 digits. ``None`` (the default) leaves the stacks environment-agnostic.
        region: The AWS region, such as ``eu-central-1``. ``None`` (the default) leaves the stacks environment-agnostic.

    Raises:
        PatternError: The name, account or region is not well formed, or a value is of another type.
    """

    name: str
    operations: Operations = dataclasses.field(default_factory=Operations)
    alarm_actions: bool = True
    dashboards: bool = True
    customer_key: bool = True
    termination_protection: bool = True
    account: str | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        """Check the shapes."""
        _check_name(self.name)
        check_type("operations", self.operations, Operations)
        for flag in ("alarm_actions", "dashboards", "customer_key", "termination_protection"):
            check_flag(flag, getattr(self, flag))
        _check_account(self.account)
        _check_region(self.region)

    def at(self, *, account: str | None = None, region: str | None = None) -> Environment:
        """This environment in an account and a region; ``None`` keeps what it has."""
        return dataclasses.replace(self, account=account or self.account, region=region or self.region)

    @property
    def cdk_environment(self) -> cdk.Environment:
        """The ``env`` of a CDK stack."""
        return cdk.Environment(account=self.account, region=self.region)


def _check_name(name: object) -> None:
    if not (isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name)):
        allowed = "1 to 31 lower-case letters, digits and hyphens, starting with a letter, such as 'dev-alice'"
        msg = f"name must be {allowed}, got {name!r}"
        raise PatternError(msg)


def _check_account(account: object) -> None:
    if account is None or Token.is_unresolved(account):
        return
    if not isinstance(account, str):
        msg = f"account must be a text, since account ids can begin with 0: write '{account}'"
        raise PatternError(msg)
    if not re.fullmatch(r"[0-9]{12}", account):
        msg = f"account must be an AWS account id of 12 digits, or None for any account, got {account!r}"
        raise PatternError(msg)


def _check_region(region: object) -> None:
    if region is None or Token.is_unresolved(region):
        return
    if not (isinstance(region, str) and re.fullmatch(r"[a-z]{2,4}(-[a-z]+){1,2}-\d", region)):
        msg = f"region must be an AWS region such as 'eu-central-1', or None for any region, got {region!r}"
        raise PatternError(msg)


#: Costs only its storage while nobody uses it, and is there again after about 15 s.
SMALLEST_DATABASE = DatabaseOperations(min_capacity=0, max_capacity=1, instances=1, backup_days=1, final_snapshot=False)

LOCAL = Environment(
    name="local",
    operations=Operations(
        removal_policy=RemovalPolicy.DESTROY,
        deletion_protection=False,
        backup_days=None,
        log_retention=logs.RetentionDays.ONE_DAY,
        log_level="DEBUG",
        debug_sample_rate=0,
        archive_days=1,
        capacity=Capacity(max_requests_per_second=100, max_concurrency=2),
        database=SMALLEST_DATABASE,
        handler_platform="host",
    ),
    alarm_actions=False,
    dashboards=False,
    customer_key=False,
    termination_protection=False,
)

DEV = Environment(
    name="dev",
    operations=Operations(
        removal_policy=RemovalPolicy.DESTROY,
        deletion_protection=False,
        backup_days=None,
        log_retention=logs.RetentionDays.ONE_WEEK,
        log_level="DEBUG",
        debug_sample_rate=0,
        archive_days=7,
        capacity=Capacity(max_requests_per_second=10, max_concurrency=2),
        database=SMALLEST_DATABASE,
    ),
    alarm_actions=False,
    dashboards=False,
    customer_key=False,
    termination_protection=False,
)

STAGING = Environment(
    name="staging",
    operations=Operations(
        removal_policy=RemovalPolicy.DESTROY,
        deletion_protection=False,
        backup_days=7,
        log_retention=logs.RetentionDays.ONE_MONTH,
        debug_sample_rate=0,
        archive_days=30,
        capacity=Capacity(share=0.5),
        database=DatabaseOperations(max_capacity=2, instances=1, backup_days=7),
    ),
    termination_protection=False,
)

PROD = Environment(name="prod")

ENVIRONMENTS: tuple[Environment, ...] = (LOCAL, DEV, STAGING, PROD)


def environment_named(name: str) -> Environment:
    """The environment of this name.

    Raises:
        UnknownEnvironmentError: There is none; the message lists the names that there are.
    """
    for environment in ENVIRONMENTS:
        if environment.name == name:
            return environment
    names = [environment.name for environment in ENVIRONMENTS]
    msg = f"environment must be one of {', '.join(names)}, got {name!r}{did_you_mean(name, names)}"
    raise UnknownEnvironmentError(msg)


def environment_of(app: cdk.App) -> Environment:
    """The environment that the context of an app asks for.

    ``-c environment=dev`` is the default; ``-c account=123456789012 -c region=eu-central-1`` say where; ``-c name=dev-alice``
    gives its stacks names of their own, so that each of several people can have theirs in one account.

    Raises:
        UnknownEnvironmentError: There is no such environment.
        PatternError: The name, account or region is not well formed, or the name is that of another environment, whose stacks
            it would change.
    """
    context = app.node.try_get_context
    asked, name = context("environment"), context("name")
    environment = environment_named("dev" if asked is None else asked)
    environment = environment.at(account=context("account"), region=context("region"))
    if name is None:
        return environment
    if any(name == other.name != environment.name for other in ENVIRONMENTS):
        msg = (
            f"name must not be that of another environment than {environment.name}, got {name!r}: its stacks would be changed; "
            f"choose one of your own, such as '{environment.name}-alice'"
        )
        raise PatternError(msg)
    return dataclasses.replace(environment, name=name)
