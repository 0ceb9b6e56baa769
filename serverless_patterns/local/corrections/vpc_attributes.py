"""What a template may ask of a VPC.

AWS returns its address range: the security group of an interface endpoint lets it in.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-vpc.html

The emulator does not know the attribute, and the stack is rolled back.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ministack.services import ec2
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as PROVISIONERS

from .faults import Properties, expect, remove

VPC = "AWS::EC2::VPC"
CHECKED = {"CidrBlock": "10.0.0.0/16"}


def check() -> None:
    """It is not among the attributes."""
    name, attributes = PROVISIONERS[VPC]["create"]("Check", CHECKED, "correction-check")
    remove(VPC, name, CHECKED)
    expect("CidrBlock" not in attributes, "the emulator now knows the address range of a VPC")


def apply() -> None:
    """Add it."""
    for operation in ("create", "update"):
        PROVISIONERS[VPC][operation] = _described(PROVISIONERS[VPC][operation])


def _described(stock: Callable[..., tuple[str, Properties]]) -> Callable[..., tuple[str, Properties]]:
    @functools.wraps(stock)
    def described(*arguments: Any, **named: Any) -> tuple[str, Properties]:  # noqa: ANN401  whatever the provisioner takes
        name, attributes = stock(*arguments, **named)
        return name, {**attributes, "CidrBlock": ec2._vpcs[name]["CidrBlock"]}

    return described
