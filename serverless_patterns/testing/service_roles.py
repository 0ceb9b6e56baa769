"""What AWS services may do: the roles that they assume, and the policies at resources that let them in.

Against it stands what the resources of the template need of them. And each must say for whom it is: a service that anybody can
make act is a confused deputy without a source condition.
https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from serverless_patterns.testing.explanations import explained
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.permissions import Grant
from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.resource_policies import ResourcePolicy, resource_policies
from serverless_patterns.testing.senders import is_judged, sendings
from serverless_patterns.testing.sending import Sending
from serverless_patterns.testing.service_grants import ServiceGrant, service_grants
from serverless_patterns.testing.service_needs import needs_of_role, unjudged_users
from serverless_patterns.testing.source_conditions import unconditioned
from serverless_patterns.testing.statements import Statement, statements_of
from serverless_patterns.testing.template import ResolvedTemplate


@dataclass(frozen=True)
class ServiceReport:
    """What is wrong with one role or with one policy at a resource.

    Args:
        subject: The logical id of the role or of the policy.
        missing: What the template's resources need of it and do not get.
        excess: What it grants and no resource of the template needs.
        unconditioned: What it allows a service, or anybody, without naming a source; in words.
        unjudged: Resources that use the role in a way that is not known here, or what the policy allows services of which it is
            not known what they do.
        advice: What may be done about an excess whose reason is known, in words.
    """

    subject: str
    missing: tuple[Need, ...] = ()
    excess: tuple[Grant, ...] = ()
    unconditioned: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing or self.excess or self.unconditioned or self.unjudged)


def service_reports(template: ResolvedTemplate, *others: ResolvedTemplate) -> list[ServiceReport]:
    """A report for each role that is not a function's, for each policy at a resource, and for each missing policy.

    Args:
        template: The template.
        others: Templates whose resources use this one's, as alarms use the topics of another stack.
    """
    done = sendings(template, *others)
    return [*_roles(template), *_policies(template, done), *_without_policy(template, done)]


def _roles(template: ResolvedTemplate) -> Iterator[ServiceReport]:
    of_functions = {function.role for function in template.functions}
    for role in template.of_type("AWS::IAM::Role"):
        trust = statements_of(role.properties["AssumeRolePolicyDocument"], role.logical_id)
        if role.logical_id in of_functions:
            yield ServiceReport(role.logical_id, unconditioned=unconditioned(trust))
            continue
        needs = needs_of_role(template, role)
        permissions = template.permissions(role.logical_id)
        yield ServiceReport(
            role.logical_id,
            tuple(permissions.explained(need) for need in needs if not permissions.allows(need)),
            tuple(grant for grant in permissions.grants if not any(grant.covers(need) for need in needs)),
            unconditioned(trust),
            tuple(unjudged_users(template, role)),
        )


def _policies(template: ResolvedTemplate, done: list[Sending]) -> Iterator[ServiceReport]:
    by_target = _allowed(template)
    for policy in resource_policies(template.resources.values()):
        own = [each for each in done if each.need.resource in policy.on]
        unused = [each for each in service_grants(policy.statements) if not any(each.covers(sent) for sent in own)]
        excess = [each for each in unused if is_judged(each.service, each.grant.action)]
        yield ServiceReport(
            policy.logical_id,
            # A function has a policy for each permission: together they must let everybody in.
            () if _is_one_of_many(policy, template) else tuple(_missing(own, by_target)),
            tuple(each.grant for each in excess),
            unconditioned(policy.statements),
            tuple(f"{each.grant.action} to {each.service}" for each in unused if each not in excess),
            tuple(_advice(excess)),
        )


def _advice(excess: Iterable[ServiceGrant]) -> Iterator[str]:
    """CDK lets the console's test page invoke each function of a REST API, whether anybody uses it or not."""
    for each in excess:
        sources = [value for keys in each.statement.conditions.values() for values in keys.values() for value in values]
        if any("/test-invoke-stage/" in source for source in sources):
            yield (
                f"{each.grant.source} is for test-invoke-stage, the test page of the console, which no user of an API "
                "reaches: LambdaIntegration(..., allow_test_invoke=False) leaves it out"
            )


def _without_policy(template: ResolvedTemplate, done: list[Sending]) -> Iterator[ServiceReport]:
    """Resources that services should reach, and whose policies are not judged one by one."""
    by_target = _allowed(template)
    judged = {
        arn
        for policy in resource_policies(template.resources.values())
        if not _is_one_of_many(policy, template)
        for arn in policy.on
    }
    for resource in template.resources.values():
        own = [each for each in done if each.need.resource == resource.arn and resource.arn not in judged]
        missing = tuple(_missing(own, by_target))
        if missing:
            yield ServiceReport(resource.logical_id, missing)


def _allowed(template: ResolvedTemplate) -> Mapping[str, list[Statement]]:
    """ARN -> the statements of all policies at it."""
    found: dict[str, list[Statement]] = {}
    for policy in resource_policies(template.resources.values()):
        for arn in policy.on:
            found.setdefault(arn, []).extend(policy.statements)
    return found


def _missing(done: Iterable[Sending], by_target: Mapping[str, list[Statement]]) -> Iterator[Need]:
    for each in done:
        need = each.need
        statements = _about(by_target.get(need.resource, []), each)
        context = {"aws:securetransport": "true"} | {key.lower(): value for key, value in need.context.items()}
        if {found.effect for found in statements if found.applies(need.action, need.resource, context)} != {"Allow"}:
            yield explained(need, statements, context)


def _about(statements: Iterable[Statement], sending: Sending) -> list[Statement]:
    """Those that speak of the service that sends."""
    return [each for each in statements if {("Service", sending.service), ("AWS", "*")} & set(each.principals)]


def _is_one_of_many(policy: ResourcePolicy, template: ResolvedTemplate) -> bool:
    found: Resource = template.resources[policy.logical_id]
    return found.type in {"AWS::Lambda::Permission", "AWS::Events::EventBusPolicy"}
