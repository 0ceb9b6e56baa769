"""Roles: what one may do stands in one managed policy of its own, which nobody else has."""

from __future__ import annotations

import json
from collections.abc import Mapping

import jsii
from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct, IValidation

#: Characters of a managed policy without white space, which does not count.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MOST_CHARACTERS = 6144
#: What a name or an ARN counts that is known only when deployed, and a part of one, such as the region.
UNKNOWN, UNKNOWN_PART = "x" * 120, "x" * 14


class ServiceRole(iam.Role):
    """A role of a service or a function. Whatever is granted to it, by CDK or by you, goes into its one managed policy.

    CDK would write an inline policy: that has no versions to go back to, and cannot be found or watched by itself.

    Args:
        assumed_by: Who may assume it.
        description: What for.
    """

    def __init__(self, scope: Construct, construct_id: str, *, assumed_by: iam.IPrincipal, description: str) -> None:
        super().__init__(scope, construct_id, assumed_by=assumed_by, description=description)
        self._policy = iam.ManagedPolicy(self, "Policy", roles=[self], description=f"What {self.node.path} may do")
        self._policy.node.add_validation(_PolicySize(self._policy))

    def add_to_principal_policy(self, statement: iam.PolicyStatement) -> iam.AddToPrincipalPolicyResult:
        """Where CDK puts all that is granted."""
        self._policy.add_statements(statement)
        return iam.AddToPrincipalPolicyResult(statement_added=True, policy_dependable=self._policy)


@jsii.implements(IValidation)
class _PolicySize:
    """Says before a deploy what IAM would say during it."""

    def __init__(self, policy: iam.ManagedPolicy) -> None:
        self._policy = policy

    def validate(self) -> list[str]:
        """What is wrong and how to mend it."""
        size = policy_size(Stack.of(self._policy).resolve(self._policy.document))
        if size <= MOST_CHARACTERS:
            return []
        role = self._policy.node.path.rpartition("/")[0]
        remedy = "grant less to it, or give its role a policy of yours: ManagedPolicy(..., roles=[role], statements=[...])"
        return [f"the policy of {role} must have at most {MOST_CHARACTERS} characters, got about {size}: {remedy}"]


def policy_size(document: object) -> int:
    """About how many characters a policy has as IAM counts them: what is not known yet counts as long as it usually is."""
    return len(json.dumps(_written(document), separators=(",", ":")))


def _written(node: object) -> object:
    if isinstance(node, list):
        return [_written(each) for each in node]
    if not isinstance(node, Mapping):
        return node
    (name, value), *others = node.items() or [("", "")]
    if others or not (name == "Ref" or name.startswith("Fn::")):
        return {key: _written(each) for key, each in node.items()}
    if name == "Fn::Join":
        return value[0].join(str(_written(each)) for each in value[1])
    return UNKNOWN_PART if str(value).startswith("AWS::") else UNKNOWN
