"""What ``Ref`` of a rule is.

AWS gives the name of a rule of the default bus, and ``bus|rule`` for a rule of another one.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-rule.html

The emulator gives the name alone: a template that takes it apart cannot be deployed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from ministack.services.cloudformation import provisioners
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as PROVISIONERS

from .faults import Properties, expect, provision, remove

RULE = "AWS::Events::Rule"
OF_CHECK = {"Name": "correction-check", "EventBusName": "correction-check", "EventPattern": {"source": ["check"]}}
Made = tuple[str, Properties]


def check() -> None:
    """The bus is not in it."""
    reference = provision(RULE, OF_CHECK)
    remove(RULE, reference, OF_CHECK)
    expect(reference == OF_CHECK["Name"], "the emulator now refers to a rule by its bus as well")


def apply() -> None:
    """Put it there, and take it off again."""
    provisioner = PROVISIONERS[RULE]
    provisioner["create"] = _created(provisioner["create"])
    provisioner["update"] = _updated(provisioner["update"])
    provisioner["delete"] = _deleted(provisioner["delete"])


def _created(stock: Callable[..., Made]) -> Callable[..., Made]:
    @functools.wraps(stock)
    def create(logical_id: str, properties: Properties, stack_name: str) -> Made:
        return _referred(stock(logical_id, properties, stack_name), properties)

    return create


def _updated(stock: Callable[..., Made]) -> Callable[..., Made]:
    @functools.wraps(stock)
    def update(reference: str, old: Properties, new: Properties, stack_name: str, logical_id: str | None = None) -> Made:
        return _referred(stock(_name(reference), old, new, stack_name, logical_id), new)

    return update


def _deleted(stock: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(stock)
    def delete(reference: str, properties: Properties) -> None:
        stock(_name(reference), properties)

    return delete


def _referred(made: Made, properties: Properties) -> Made:
    name, attributes = made
    bus = provisioners._eb_rule_bus_name(properties)
    return name if bus == "default" else f"{bus}|{name}", attributes


def _name(reference: str) -> str:
    return reference.rpartition("|")[2]
