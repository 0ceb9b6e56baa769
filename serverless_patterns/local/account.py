"""AWS as the local run sees it: the emulator, another endpoint that speaks AWS, or an account."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from serverless_patterns.errors import LocalRunError

#: The emulator's one account, its region, and credentials that it takes.
EMULATED_ACCOUNT = "000000000000"
EMULATED_REGION = "us-east-1"
EMULATED_KEY = "test"
#: The code with which CloudFormation answers for a stack that it does not have.
NO_SUCH_STACK = "ValidationError"
#: Where an API of the emulator would answer on AWS; its ids have eight digits, those of AWS have ten characters.
_OWN_HOST = re.compile(r"https?://([0-9a-f]{8})\.execute-api\.[a-z0-9.-]+(?::\d+)?")


@dataclass(frozen=True)
class Stack:
    """A stack that is deployed.

    Args:
        name: Such as ``local-api-crud``.
        outputs: The values that it gives to people.
    """

    name: str
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class Account:
    """Somewhere that stacks are deployed to.

    Args:
        url: The endpoint of all services. ``None`` is AWS itself, with the credentials that boto3 finds.
    """

    url: str | None

    @cached_property
    def session(self) -> boto3.Session:
        """Credentials and region."""
        if self.url is None:
            return boto3.Session()
        return boto3.Session(aws_access_key_id=EMULATED_KEY, aws_secret_access_key=EMULATED_KEY, region_name=EMULATED_REGION)

    @cached_property
    def _config(self) -> Config:
        """A loopback address is not reached through a proxy, and does not keep anybody waiting."""
        if self.url is None:
            return Config()
        return Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 2}, proxies={})

    @property
    def log_delay(self) -> float:
        """The longest that what a function logged may take to be found, in seconds."""
        return 60.0 if self.url is None else 5.0

    def client(self, service: str, *, patience: float | None = None) -> Any:  # noqa: ANN401  boto3 makes its classes at run time
        """A boto3 client of a service here.

        Args:
            service: Such as ``"s3"``.
            patience: The seconds that an answer may take, for calls that must not be made twice. Default: boto3's own.
        """
        once = Config(read_timeout=patience, retries={"total_max_attempts": 1}) if patience else Config()
        return self.session.client(service, endpoint_url=self.url, config=self._config.merge(once))  # type: ignore[call-overload]

    def table(self, name: str) -> Any:  # noqa: ANN401  the same
        """A DynamoDB table here."""
        return self.session.resource("dynamodb", endpoint_url=self.url, config=self._config).Table(name)

    def api_url(self, stack: Stack) -> str:
        """Where the API of a stack answers: an emulator answers for all APIs under its own address."""
        if self.url is None:
            return stack.outputs["ApiUrl"].rstrip("/")
        return f"{self.url}/_aws/execute-api/{stack.outputs['ApiId']}/{stack.outputs['ApiStage']}"

    def reachable(self, text: str) -> str:
        """A text in which each address of an API of the emulator is one that any client finds.

        On AWS each API has a host name of its own. Here such a name is found by browsers only: what is not a browser asks for
        its address, and there is none.
        """
        return text if self.url is None else _OWN_HOST.sub(rf"{self.url}/_aws/execute-api/\1", text)

    def sign(self, request: AWSRequest, service: str) -> None:
        """Sign a request of plain HTTP (SigV4).

        Raises:
            LocalRunError: There are no credentials, or no region, to sign with.
        """
        credentials, region = self.session.get_credentials(), self.session.region_name
        if credentials is None or region is None:
            msg = "no AWS credentials or no region to sign requests with: set AWS_PROFILE and AWS_REGION, or log in"
            raise LocalRunError(msg)
        SigV4Auth(credentials, service, region).add_auth(request)

    def stack_names(self) -> set[str]:
        """The names of all stacks."""
        pages = self.client("cloudformation").get_paginator("describe_stacks").paginate()
        return {stack["StackName"] for page in pages for stack in page["Stacks"]}

    def log_groups(self, stack: Stack) -> list[str]:
        """The names of the log groups that a stack has made."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack.name)
        found = (resource for page in pages for resource in page["StackResourceSummaries"])
        return [resource["PhysicalResourceId"] for resource in found if resource["ResourceType"] == "AWS::Logs::LogGroup"]

    def stack(self, name: str) -> Stack:
        """A stack by its name.

        Raises:
            LocalRunError: There is none, or it cannot be looked up.
        """
        if found := self.find_stack(name):
            return found
        msg = f"there is no stack {name} at {self.url or 'AWS'}: deploy it first"
        raise LocalRunError(msg)

    def find_stack(self, name: str) -> Stack | None:
        """A stack by its name, if there is one.

        Raises:
            LocalRunError: It cannot be looked up.
        """
        try:
            found = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] == NO_SUCH_STACK:
                return None
            hint = f"is {self.url} the endpoint?" if self.url else "set AWS_PROFILE and AWS_REGION, or log in"
            msg = f"the stack {name} cannot be looked up: {error}; {hint}"
            raise LocalRunError(msg) from error
        return Stack(name, {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])})
