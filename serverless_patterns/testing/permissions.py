"""What a role may do: its policies, evaluated as IAM does it, and its grants, one action on one pattern each.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from serverless_patterns.errors import PatternError
from serverless_patterns.testing.action_names import expanded, spelled
from serverless_patterns.testing.explanations import explained
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.statements import Statement
from serverless_patterns.testing.wildcards import Values, arn_matches


@dataclass(frozen=True, order=True)
class Grant:
    """One action that a role is allowed on one pattern.

    Args:
        action: As the service authorization reference spells it; one that it does not know as the policy has it.
        resource: The pattern of the ARN; ``*`` also for a statement with ``NotResource``.
        source: The logical id of the policy, or the ARN of a managed one.
        conditional: Whether the statement has a condition.
    """

    action: str
    resource: str
    source: str = field(default="", compare=False)
    conditional: bool = field(default=False, compare=False)

    def covers(self, need: Need) -> bool:
        """Whether the need is for this action, on a resource that fits the pattern."""
        return self.action.lower() == need.action.lower() and arn_matches(self.resource, need.resource)


@dataclass(frozen=True)
class Permissions:
    """What a role may do.

    Args:
        statements: Those of its own policies.
        key_policies: ARN of a KMS key -> the statements of its policy. A key that is not here is one of another template: it
            counts as having the default policy, which leaves the decision to the role's own policies.
        principal: The ARN of the role; empty where no resource policy names it.
        resource_policies: The statements of the policies of buckets, queues, topics, tables and secrets.
        boundary: The statements of the permissions boundary, ``None`` without one.
    """

    statements: tuple[Statement, ...]
    key_policies: Mapping[str, tuple[Statement, ...]] = field(default_factory=dict)
    principal: str = ""
    resource_policies: tuple[Statement, ...] = ()
    boundary: tuple[Statement, ...] | None = None

    def allows(self, need: Need) -> bool:
        """Whether the role may do this.

        Raises:
            PatternError: A statement about this action holds a policy variable that the need gives no value for.
        """
        context = _context(need, self.principal)
        resource = self._by_resource_policies(need, context)
        denying = [*self.statements, *(self.boundary or ()), *resource]
        if any(_decides(each, "Deny", need, context) for each in denying):
            return False
        direct = [each for each in resource if _decides(each, "Allow", need, context)]
        if self._is_of_another_account(need):  # both sides must allow it
            return bool(direct) and self._identity_allows(need, context)
        if any(self._names_role(each) for each in direct):
            return self._is_inside_boundary(need, context)
        delegated = bool(direct) or not self._needs_key_policy(need)
        return delegated and self._identity_allows(need, context)

    def explained(self, need: Need) -> Need:
        """A need that is not allowed; where only conditions stand in the way, it says which."""
        context = _context(need, self.principal)
        return explained(need, [*self.statements, *self._by_resource_policies(need, context)], context)

    @cached_property
    def grants(self) -> list[Grant]:
        """Every Allow as single actions on single patterns, sorted, without repetitions.

        Those of the role's own policies, and those of policies at resources and keys that name the role itself.
        """
        return sorted({grant for statement in self._granting() for grant in _grants(statement)})

    def without(self, denied: Need | Grant) -> "Permissions":
        """The same permissions, except that this action on this resource is denied."""
        deny = Statement("Deny", (denied.action,), (denied.resource,), "without")
        return replace(self, statements=(*self.statements, deny))

    def statement_of(self, grant: Grant) -> Statement:
        """The first statement that the grant comes from.

        Raises:
            PatternError: It is not a grant of this role.
        """
        for statement in self._granting():
            if grant in set(_grants(statement)):
                return statement
        msg = f"grant={grant!r} is not one of these permissions: they are in `grants`"
        raise PatternError(msg)

    def _granting(self) -> Iterator[Statement]:
        yield from self.statements
        at_keys = (
            replace(each, resources=(key,)) if each.resources == ("*",) else each
            for key, statements in self.key_policies.items()
            for each in statements
        )
        for statement in (*self.resource_policies, *at_keys):
            if ("AWS", self.principal) in statement.principals:
                yield statement

    def _identity_allows(self, need: Need, context: Mapping[str, Values]) -> bool:
        allowed = any(_decides(each, "Allow", need, context) for each in self.statements)
        return allowed and self._is_inside_boundary(need, context)

    def _is_inside_boundary(self, need: Need, context: Mapping[str, Values]) -> bool:
        """A boundary also limits what a policy at the resource gives the role.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
        """
        return self.boundary is None or any(_decides(each, "Allow", need, context) for each in self.boundary)

    def _is_of_another_account(self, need: Need) -> bool:
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html."""
        own, of_resource = _account(self.principal), _account(need.resource)
        return own.isdigit() and of_resource.isdigit() and own != of_resource

    def _by_resource_policies(self, need: Need, context: Mapping[str, Values]) -> list[Statement]:
        """The statements at the resource that mean this role, by itself or as one of its account."""
        attached = self.key_policies.get(need.resource, ()) if _is_kms(need) else self.resource_policies
        account = str(context.get("aws:principalaccount", ""))
        return [each for each in attached if _means(each, self.principal, account) or self._is_denied_by_boundary(each)]

    def _is_denied_by_boundary(self, statement: Statement) -> bool:
        """A Deny with ``NotPrincipal`` always denies who has a boundary, whomever it names (the same page)."""
        return self.boundary is not None and statement.effect == "Deny" and bool(statement.not_principals)

    def _names_role(self, statement: Statement) -> bool:
        """Whether the role is named itself, or as one of all: its account alone only delegates."""
        return any(kind == "AWS" and name in {"*", self.principal} for kind, name in statement.principals)

    def _needs_key_policy(self, need: Need) -> bool:
        return _is_kms(need) and need.resource in self.key_policies


def _is_kms(need: Need) -> bool:
    return need.action.lower().startswith("kms:")


def _decides(statement: Statement, effect: str, need: Need, context: Mapping[str, Values]) -> bool:
    return statement.effect == effect and statement.applies(need.action, need.resource, context)


def _means(statement: Statement, principal: str, account: str) -> bool:
    """Whether a statement of a resource policy is about this role."""
    root = f":iam::{account}:root"

    def named(principals: Iterable[tuple[str, str]]) -> bool:
        return any(
            kind == "AWS" and (name in {"*", principal, account} or (bool(account) and name.endswith(root)))
            for kind, name in principals
        )

    if not statement.not_principals:
        return named(statement.principals)
    return not _is_exempt(statement.not_principals, principal, account)


def _is_exempt(principals: Iterable[tuple[str, str]], principal: str, account: str) -> bool:
    """Whether ``NotPrincipal`` leaves a role out: it must name the role, a session of it and the account.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
    """
    names = {name for kind, name in principals if kind == "AWS"}
    session = f":sts::{account}:assumed-role/{principal.rpartition('/')[2]}/"
    has_account = account in names or any(name.endswith(f":iam::{account}:root") for name in names)
    return "*" in names or (principal in names and has_account and any(session in name for name in names))


def _account(arn: str) -> str:
    return (*arn.split(":"), "", "", "", "", "")[4]


def _context(need: Need, principal: str) -> dict[str, Values]:
    """Condition key in lower case -> value: what every request carries, and what is known of this one."""
    found: dict[str, Values] = {"aws:securetransport": "true", "aws:principaltype": "AssumedRole"}
    parts = principal.split(":")
    if principal:
        found |= {"aws:principalarn": principal, "aws:principalaccount": parts[4]}
    found |= _of_resource(need.resource)
    return found | {key.lower(): value for key, value in need.context.items()}


def _of_resource(resource: str) -> Iterable[tuple[str, str]]:
    """The region that is asked and the account of the resource, as far as the ARN tells them."""
    parts: Sequence[str] = (*resource.split(":"), "", "", "", "", "")
    keys = {"aws:requestedregion": parts[3], "aws:resourceaccount": parts[4]}
    return [(key, value) for key, value in keys.items() if value]


def _grants(statement: Statement) -> Iterator[Grant]:
    if statement.effect == "Deny":
        return
    actions = spelled(statement.actions) if statement.actions else expanded(statement)
    for action in actions:
        for resource in statement.resources or ("*",):
            yield Grant(action, resource, statement.source, bool(statement.conditions))
