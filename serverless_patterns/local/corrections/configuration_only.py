"""Resource types that only configure what another resource does.

AWS has them; the emulator refuses a template with a type that it does not know, and the whole stack with it. For the types
below nothing is lost by doing nothing on this machine: they are accepted, and the run's report lists each of them.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/introduction.html
"""

from __future__ import annotations

from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as PROVISIONERS

from .faults import Properties, expect

TYPES = frozenset(
    {
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::CloudWatch::AnomalyDetector",
        "AWS::EC2::FlowLog",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::Events::EventBusPolicy",
        "AWS::Logs::QueryDefinition",
        "AWS::SecretsManager::ResourcePolicy",
        "AWS::SecretsManager::RotationSchedule",
        "AWS::XRay::Group",
    }
)


def check() -> None:
    """None of them is known."""
    known = TYPES & PROVISIONERS.keys()
    expect(not known, f"the emulator now knows {', '.join(sorted(known))}")


def apply() -> None:
    """Accept them."""
    for resource_type in TYPES:
        PROVISIONERS[resource_type] = {"create": _create, "update": _update, "delete": _delete}


def _create(logical_id: str, _: Properties, stack_name: str) -> tuple[str, Properties]:
    return f"{stack_name}-{logical_id}", {}


def _update(physical_id: str, _old: Properties, _new: Properties, _stack_name: str) -> tuple[str, Properties]:
    return physical_id, {}


def _delete(_physical_id: str, _properties: Properties) -> None:
    """Nothing was created."""
