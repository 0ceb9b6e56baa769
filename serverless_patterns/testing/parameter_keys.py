"""What reading and writing SecureStrings of Systems Manager needs of their keys.

No template shows them: CloudFormation cannot make such a parameter. So the caller says which key each has, in the ``imports``
of ``ResolvedTemplate.of``.
https://docs.aws.amazon.com/systems-manager/latest/userguide/secure-string-parameter-kms-encryption.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from serverless_patterns.errors import PatternError
from serverless_patterns.testing.arns import Arns
from serverless_patterns.testing.key_needs import key_arn_of
from serverless_patterns.testing.need import Need

_READS = frozenset({"GetParameter", "GetParameterHistory", "GetParameters", "GetParametersByPath"})
#: Before the name of a parameter in ``imports``.
_PREFIX = "ssm:"
#: The key that every account has: its policy lets in who may use the parameter.
_OF_AWS = ("", "alias/aws/ssm")


def parameter_key_needs(arns: Arns) -> Iterator[Need]:
    """What a call needs of the keys of the parameters that it reads or writes.

    Raises:
        PatternError: It reads a parameter whose key is not known.
    """
    if arns.call.operation in _READS and arns.parameters.get("WithDecryption"):
        for name in _read(arns):
            yield from _need(arns, name, "Decrypt", _key(arns, name))
    if arns.call.operation == "PutParameter" and arns.parameters.get("Type") in {None, "SecureString"}:
        name = _plain(str(arns.parameters["Name"]))
        key = arns.given("KeyId") or arns.template.imports.get(f"{_PREFIX}{name}") or ""
        action = "GenerateDataKey" if arns.parameters.get("Tier") == "Advanced" else "Encrypt"
        yield from _need(arns, name, action, key)


def _need(arns: Arns, name: str, action: str, key: str) -> Iterator[Need]:
    if key in _OF_AWS:
        return
    arn = key_arn_of(arns.template, key)
    if arn is None:
        msg = (
            f"imports[{_PREFIX + name!r}]={key!r} is no key: give the ARN of one, the alias or the logical id of one of the "
            "template, or an empty text for the key of AWS"
        )
        raise PatternError(msg)
    context = {
        "kms:ViaService": f"ssm.{arns.place.region}.{arns.place.suffix}",
        "kms:EncryptionContext:PARAMETER_ARN": arns.named("ssm", "parameter/", name.removeprefix("/")),
    }
    yield Need(f"kms:{action}", arn, f"ssm {arns.call.operation} of {name}, which has this key", context)


def _key(arns: Arns, name: str) -> str:
    """The key of a parameter as the caller gives it."""
    key = arns.template.imports.get(f"{_PREFIX}{name}")
    if key is None:
        msg = (
            f"ssm {arns.call.operation}: {name} may be a SecureString, whose key no template shows: give it, as "
            f"ResolvedTemplate.of(..., imports={{{_PREFIX + name!r}: key}}), with the ARN or the logical id of its key, or "
            "with an empty text if it is not encrypted or has the key of AWS"
        )
        raise PatternError(msg)
    return key


def _read(arns: Arns) -> list[str]:
    """The parameters that may be encrypted: those that came back so, else those that the call names."""
    own = {_plain(each.name) for each in arns.template.of_type("AWS::SSM::Parameter")}
    returned = _returned(arns.call.result)
    if returned is not None:
        names = {_plain(each["Name"]) for each in returned if each["Type"] == "SecureString"}
    elif arns.call.operation == "GetParametersByPath":
        names = set(_below(arns))
    else:
        names = {_plain(str(name)) for name in arns.parameters.get("Names") or [arns.parameters["Name"]]}
    return sorted(names - own)


def _returned(result: Mapping[str, Any] | None) -> list[Mapping[str, Any]] | None:
    if result is None:
        return None
    return [result["Parameter"]] if "Parameter" in result else list(result.get("Parameters", []))


def _below(arns: Arns) -> Iterator[str]:
    """The parameters below the path of the call that are given."""
    path = str(arns.parameters["Path"]).rstrip("/") + "/"
    for given in arns.template.imports:
        start, _, rest = given.partition(path)
        if start == _PREFIX and ("/" not in rest or arns.parameters.get("Recursive")):
            yield given.removeprefix(_PREFIX)


def _plain(name: str) -> str:
    """A name as the caller gives it: with the slash of a path, without ARN and version."""
    short = name.partition(":parameter/")[2] or name
    label = short.partition(":")[0]
    return f"/{label.removeprefix('/')}" if "/" in label else label
