"""AWS CDK constructs for event-driven systems: one construct for each pattern."""

from serverless_patterns._blocks.alarms import Alerts
from serverless_patterns._blocks.edge import Authorization, Cors, Throttle, UsagePlan
from serverless_patterns._blocks.handler import Handler
from serverless_patterns._blocks.table import TableOptions
from serverless_patterns.api_crud import ApiCrud
from serverless_patterns.environments import DEV, ENVIRONMENTS, LOCAL, PROD, STAGING, Environment, environment_named
from serverless_patterns.errors import BundlingError, LocalRunError, PatternError, PatternsError, UnknownEnvironmentError
from serverless_patterns.operations import Capacity, Operations

__all__ = [
    "DEV",
    "ENVIRONMENTS",
    "LOCAL",
    "PROD",
    "STAGING",
    "Alerts",
    "ApiCrud",
    "Authorization",
    "BundlingError",
    "Capacity",
    "Cors",
    "Environment",
    "Handler",
    "LocalRunError",
    "Operations",
    "PatternError",
    "PatternsError",
    "TableOptions",
    "Throttle",
    "UnknownEnvironmentError",
    "UsagePlan",
    "environment_named",
]
