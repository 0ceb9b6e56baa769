"""AWS calls answered as AWS would: what a role may not do is refused before it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from serverless_patterns.testing.actions import needs_of
from serverless_patterns.testing.calls import Call, watching
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.permissions import Permissions
from serverless_patterns.testing.refusals import refusal
from serverless_patterns.testing.s3_rules import NOT_FOUND
from serverless_patterns.testing.template import ResolvedTemplate


@contextmanager
def enforced(permissions: Permissions, template: ResolvedTemplate) -> Iterator[list[Need]]:
    """Hold every AWS call to what a role may do, in all threads.

    A call that is not allowed raises the error that its service gives, of the class that the client's users catch; it is not
    made. As S3 does, an object that does not exist is answered with 403 where the bucket may not be listed. A URL can be
    presigned without a permission, and whoever uses it is refused: that comes when the block is left, unless it is left by an
    exception. ``DeleteObjects`` is refused as a whole, where S3 would answer for each object.

    Example::

        permissions = template.permissions(function.role)
        with enforced(permissions, template):
            handler.handler(event, context)

    Args:
        permissions: What the role may do.
        template: The template with the stack's own resources.

    Yields:
        What has been refused so far.

    Raises:
        ClientError: A presigned URL would be refused.
        PatternError: A call maps to no IAM action, or its parameters do not tell its resource.
    """
    enforcement = _Enforcement(permissions, template)
    with watching(enforcement.hold):
        yield enforcement.refused
    if enforcement.useless:
        raise enforcement.useless[0]


class _Enforcement:
    """Stands around each call, and refuses what a role may not do."""

    def __init__(self, permissions: Permissions, template: ResolvedTemplate) -> None:
        self._permissions, self._template = permissions, template
        #: What has been refused.
        self.refused: list[Need] = []
        #: What those would be answered who use the URLs that were presigned.
        self.useless: list[ClientError] = []

    def hold(self, client: BaseClient, call: Call, proceed: Callable[[], Any]) -> Any:  # noqa: ANN401  the service's answer
        """Make a call that is allowed; refuse another one."""
        error = self._refused(client, call)
        if error is None:
            return self._answered(client, call, proceed)
        if not call.presigned:
            raise error
        self.useless.append(error)
        return proceed()

    def _answered(self, client: BaseClient, call: Call, proceed: Callable[[], Any]) -> Any:  # noqa: ANN401  the same
        try:
            return proceed()
        except ClientError as error:
            code = str(error.response["Error"]["Code"])
            hides = call.service == "s3" and code in NOT_FOUND
            if hides and (hidden := self._refused(client, replace(call, error=code))):
                raise hidden from None
            raise

    def _refused(self, client: BaseClient, call: Call) -> ClientError | None:
        needs = needs_of(call, self._template)
        need = next((each for each in needs if not self._permissions.allows(each)), None)
        if need is None:
            return None
        self.refused.append(need)
        return refusal(client, call, need, self._permissions.principal)
