"""What a call needs: the IAM actions, each on the resource that it is about.

An operation's action has its name, with the service's prefix: what is different stands in ``renamed_actions`` (another name),
``action_rules`` and ``s3_rules`` (several actions, or a resource that one parameter does not tell). Whatever comes out is
looked up in the service authorization reference; what is not there is an error, never left out.
"""

from collections.abc import Iterable
from functools import cache

from botocore.exceptions import UnknownServiceError
from botocore.model import ServiceModel
from botocore.session import get_session

from serverless_patterns.errors import PatternError
from serverless_patterns.testing.action_rules import RULES
from serverless_patterns.testing.arn_rules import key_arn, need
from serverless_patterns.testing.arns import Arns
from serverless_patterns.testing.calls import Call
from serverless_patterns.testing.key_needs import key_needs
from serverless_patterns.testing.need import Need
from serverless_patterns.testing.parameter_keys import parameter_key_needs
from serverless_patterns.testing.reference import known_action
from serverless_patterns.testing.renamed_actions import FREE, OTHER_NAMES, OTHER_PREFIXES
from serverless_patterns.testing.template import ResolvedTemplate

#: A part of an upload is encrypted with the key of the first: who sends it must be able to decrypt that.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
_IN_PARTS = frozenset({"CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart", "UploadPartCopy"})


def needs_of(call: Call, template: ResolvedTemplate | str) -> list[Need]:
    """What a role needs to make a call, the key of an encrypted resource included.

    Args:
        call: The call, as ``record`` gives it. A presigned URL needs what its call needs: it is used with the signer's
            permissions.
        template: The template with the stack's own resources, or the id of an account: then none is known.

    Raises:
        PatternError: The operation maps to no action that the service authorization reference has, or its parameters do not
            tell its resource.
    """
    where = ResolvedTemplate.of({"Resources": {}}, account=template) if isinstance(template, str) else template
    if _is_free(call):
        return []
    found = [_checked(each, call) for each in _own_needs(Arns(call, where))]
    return _different([*found, *_key_needs(call, where, found)])


def needs_of_all(calls: Iterable[Call], template: ResolvedTemplate | str) -> list[Need]:
    """What a role needs to make all of these calls: sorted, and each once for what its requests carry."""
    return sorted(_different(each for call in calls for each in needs_of(call, template)))


def _different(needs: Iterable[Need]) -> list[Need]:
    """Without repetitions. Needs are equal whatever their requests carry, and a condition may let through only one of two."""
    return list({(each, *sorted(each.context.items())): each for each in needs}.values())


def _own_needs(arns: Arns) -> Iterable[Need]:
    """What the operation needs of its own service."""
    service, operation = arns.call.service, arns.call.operation
    rule = RULES.get((service, operation))
    if rule is not None:
        return rule(arns)
    prefix = _prefix(service)
    action = f"{prefix}:{OTHER_NAMES.get(prefix, {}).get(operation, operation)}"
    if known_action(action) is None:
        raise _no_action(arns.call, action)
    return [need(arns, action)]


def _checked(found: Need, call: Call) -> Need:
    """The need, with its action as the reference spells it."""
    spelled = known_action(found.action)
    if spelled is None:
        raise _no_action(call, found.action)
    return Need(spelled, found.resource, found.why, found.context)


def _no_action(call: Call, action: str) -> PatternError:
    modules = "serverless_patterns.testing"
    where = f"OTHER_NAMES of {modules}.renamed_actions, or a rule to RULES of {modules}.action_rules"
    return PatternError(
        f"{call.service} {call.operation}: the service authorization reference has no action {action}: "
        f"add the one that the operation needs to {where}"
    )


def _key_needs(call: Call, template: ResolvedTemplate, needs: list[Need]) -> list[Need]:
    """What the call needs of the keys of the resources."""
    if call.service == "ssm":
        return list(parameter_key_needs(Arns(call, template)))
    if call.service != "s3":
        return key_needs(template, needs)
    if call.operation == "HeadObject" and call.parameters.get("ChecksumMode") != "ENABLED":
        return []  # only the checksum of an encrypted object is encrypted itself
    reads = [Need("s3:GetObject", each.resource, each.why) for each in needs if call.operation in _IN_PARTS]
    given = call.parameters.get("SSEKMSKeyId")
    if given is None and call.parameters.get("ServerSideEncryption") != "AES256":
        return key_needs(template, [*needs, *reads])
    others = [each for each in needs if each.action != "s3:PutObject"]
    own = [] if given is None else [_given_key(Arns(call, template), given)]
    return [*key_needs(template, [*others, *reads]), *own]


def _given_key(arns: Arns, key: str) -> Need:
    """The key that a new object has instead of its bucket's."""
    via = {"kms:ViaService": f"s3.{arns.place.region}.amazonaws.com"}
    return need(arns, "kms:GenerateDataKey", key_arn(arns, "kms:GenerateDataKey", key), **via)


@cache
def _model(service: str) -> ServiceModel:
    try:
        return get_session().get_service_model(service)
    except UnknownServiceError as error:
        msg = f"service={service!r} is no service that boto3 knows: give the name that boto3.client takes"
        raise PatternError(msg) from error


def _prefix(service: str) -> str:
    """The IAM prefix of a service: mostly what it signs its requests with."""
    name = str(_model(service).signing_name)
    return OTHER_PREFIXES.get(name, name)


def _is_free(call: Call) -> bool:
    """Whether anybody may make the call: the SDK does not sign it, or its page says so."""
    if (call.service, call.operation) in FREE:
        return True
    model = _model(call.service)
    return call.operation in model.operation_names and model.operation_model(call.operation).auth_type == "none"
