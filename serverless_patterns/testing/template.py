"""A template without intrinsic functions: each resource with the name and the ARN that it would have."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from serverless_patterns.errors import PatternError
from serverless_patterns.testing.managed_policies import document_of
from serverless_patterns.testing.names import Place
from serverless_patterns.testing.permissions import Permissions
from serverless_patterns.testing.resource import FunctionResource, Resource
from serverless_patterns.testing.resource_policies import key_policies, policy_statements
from serverless_patterns.testing.scope import TemplateScope
from serverless_patterns.testing.sources import read_template
from serverless_patterns.testing.statements import Statement, statements_of


class ResolvedTemplate:
    """A template without intrinsic functions. Use ``of``."""

    def __init__(
        self,
        template: Mapping[str, Any],
        place: Place,
        imports: Mapping[str, str],
        managed_policies: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.place = place
        #: What the caller gave as ``imports``.
        self.imports = imports
        self._managed_policies = managed_policies
        self._scope = TemplateScope(template, place, imports)

    @classmethod
    def of(
        cls,
        template: Any,  # noqa: ANN401  a Stack is no type of this package's: it needs no CDK
        *,
        account: str = "123456789012",
        region: str = "eu-central-1",
        partition: str = "aws",
        imports: Mapping[str, str] | None = None,
        managed_policies: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> "ResolvedTemplate":
        """Resolve a template.

        A value that only AWS knows - an import, an attribute of a type that is not known here - stays visible, as
        ``${Import:name}`` or ``${LogicalId.Attribute}``. It does no harm where nothing depends on it; a policy that holds it is
        refused when it must decide about something, with the name to give in ``imports``.

        Args:
            template: A template, the path of a JSON file with one, the path of a ``cdk.out`` with one stack, or a CDK stack.
            account: The account that it is deployed to; the default is that of the emulators, moto among them.
            region: The region.
            partition: ``aws``, ``aws-cn`` or ``aws-us-gov``.
            imports: What a template cannot know: name of an export, ``Stack.Output``, ``LogicalId.Attribute`` or name of a
                parameter -> value. Besides, ``ssm:`` and the name of a SecureString -> its key: the ARN, or the alias or the
                logical id of one of the template, empty where it has AWS's own; and the host of a database of another template
                -> its resource id, as ``cluster-ABC``.
            managed_policies: ARN -> document of managed policies that are neither in the template nor among those that CDK
                attaches, such as a permissions boundary of the organization.
        """
        place = Place(account, region, partition, "Stack")
        return cls(read_template(template), place, imports or {}, managed_policies or {})

    @cached_property
    def resources(self) -> Mapping[str, Resource]:
        """Logical id -> resource. Those whose condition does not hold are not there."""
        return {logical_id: self._resource(logical_id) for logical_id in self._scope.raw}

    def of_type(self, *types: str) -> list[Resource]:
        """The resources of these CloudFormation types, in the order of the template."""
        return [resource for resource in self.resources.values() if resource.type in types]

    def at(self, arn: str) -> Resource | None:
        """The resource with this ARN, ``None`` where it is of another template."""
        return self._by_arn.get(arn)

    def arn_of(self, name: str, service: str) -> str:
        """The ARN of a resource of this service that something calls by its name, its URL or its ARN; else the name itself."""
        own = (each for each in self.resources.values() if each.arn and each.arn.split(":")[2] == service)
        named = (each.arn for each in own if each.arn and name in {each.name, each.arn})
        return next(named, None) or name

    def attribute(self, logical_id: str, attribute: str) -> str:
        """What ``Fn::GetAtt`` gives.

        Raises:
            PatternError: The resource or the attribute is not known.
        """
        return self._scope.known_attribute(logical_id, attribute)

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """``Name`` of each output -> its value, resolved: what other stacks import."""
        return self._scope.outputs()

    @cached_property
    def functions(self) -> list[FunctionResource]:
        """The Lambda functions, in the order of the template."""
        return [self._function(resource) for resource in self.of_type("AWS::Lambda::Function")]

    def permissions(self, role: str) -> Permissions:
        """What a role may do.

        Args:
            role: Its logical id.

        Raises:
            PatternError: The template has no such role, or a managed policy of it is not known.
        """
        found = self.resources.get(role)
        if found is None or found.type != "AWS::IAM::Role":
            roles = ", ".join(each.logical_id for each in self.of_type("AWS::IAM::Role")) or "none"
            msg = f"role={role!r} is no role of this template: its roles are {roles}"
            raise PatternError(msg)
        boundary = found.properties.get("PermissionsBoundary")
        return Permissions(
            self._identity_statements(found),
            key_policies(self.resources.values()),
            principal=found.arn or "",
            resource_policies=policy_statements(self.resources.values()),
            boundary=None if boundary is None else self._managed(boundary, role),
        )

    @cached_property
    def _by_arn(self) -> Mapping[str, Resource]:
        return {resource.arn: resource for resource in self.resources.values() if resource.arn}

    def _identity_statements(self, role: Resource) -> tuple[Statement, ...]:
        found: list[Statement] = []
        for policy in role.properties.get("Policies", []):
            found += statements_of(policy["PolicyDocument"], f"{role.logical_id}/{policy['PolicyName']}")
        for policy in self.of_type("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy"):
            attached = [*policy.properties.get("Roles", []), policy.properties.get("RoleName")]
            if role.name in attached:
                found += statements_of(policy.properties["PolicyDocument"], policy.logical_id)
        for arn in role.properties.get("ManagedPolicyArns", []):
            found += self._managed(arn, role.logical_id)
        return tuple(dict.fromkeys(found))

    def _managed(self, arn: str, role: str) -> tuple[Statement, ...]:
        own = self.at(arn)
        given = own.properties["PolicyDocument"] if own else self._managed_policies.get(arn)
        document = document_of(arn, role) if given is None else given
        return statements_of(document, own.logical_id if own else arn)

    def _resource(self, logical_id: str) -> Resource:
        raw = self._scope.raw[logical_id]
        named = self._scope.named(logical_id)
        path = raw.get("Metadata", {}).get("aws:cdk:path", logical_id)
        properties = self._scope.properties(logical_id)
        return Resource(logical_id, raw["Type"], path, properties, self._scope.name(logical_id), named.arn())

    def _function(self, resource: Resource) -> FunctionResource:
        properties = resource.properties
        role = self.at(str(properties["Role"]))
        variables = properties.get("Environment", {}).get("Variables", {})
        return FunctionResource(
            resource.logical_id,
            resource.path,
            resource.name,
            resource.arn or "",
            properties.get("Handler", ""),
            {name: str(value) for name, value in variables.items()},
            int(properties.get("Timeout", 3)),
            int(properties.get("MemorySize", 128)),
            role.logical_id if role else None,
            properties,
        )
