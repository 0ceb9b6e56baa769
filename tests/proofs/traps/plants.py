"""Ways to make a mistake in the resources of a template: each gives a function that makes it."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from tests.proofs.traps.trap import Resources

Plant = Callable[[Resources], None]


def one_of(resources: Resources, kind: str, part: str = "") -> dict[str, Any]:
    """The first resource of a kind that has this in its logical id."""
    return next(each for key, each in resources.items() if each["Type"] == kind and part in key)


def setting(kind: str, part: str, path: str, value: object) -> Plant:
    """Another value of a property, or of all of its list where the path has a ``*``."""

    def plant(resources: Resources) -> None:
        parent, last = _place(one_of(resources, kind, part)["Properties"], path)
        parent[last] = value

    return plant


def without(kind: str, part: str, path: str) -> Plant:
    """No such property."""

    def plant(resources: Resources) -> None:
        parent, last = _place(one_of(resources, kind, part)["Properties"], path)
        del parent[last]

    return plant


def attribute(kind: str, part: str, name: str, value: str) -> Plant:
    """Another value of an attribute, such as ``DeletionPolicy``."""
    return lambda resources: one_of(resources, kind, part).update({name: value})


def added(kind: str, properties: Mapping[str, object]) -> Plant:
    """One resource more."""
    return lambda resources: resources.update({"Added": {"Type": kind, "Properties": copy.deepcopy(dict(properties))}})


def removed(kind: str, part: str) -> Plant:
    """No such resource."""

    def plant(resources: Resources) -> None:
        gone = one_of(resources, kind, part)
        del resources[next(key for key, each in resources.items() if each is gone)]

    return plant


def renamed(kind: str, part: str) -> Plant:
    """The same resource with another logical id."""

    def plant(resources: Resources) -> None:
        resource = one_of(resources, kind, part)
        removed(kind, part)(resources)
        resources["Renamed"] = resource

    return plant


def granted(part: str, action: str | list[str], resource: object) -> Plant:
    """A statement more in the policy of a role."""
    return setting_in_policy("AWS::IAM::ManagedPolicy", part, {"Effect": "Allow", "Action": action, "Resource": resource})


def setting_in_policy(kind: str, part: str, statement: Mapping[str, Any], document: str = "PolicyDocument") -> Plant:
    """A statement more in a policy."""
    return lambda resources: one_of(resources, kind, part)["Properties"][document]["Statement"].append(dict(statement))


def changed(part: str, action: str, **changes: object) -> Plant:
    """Something else in the first statement of a role's policy that has this action."""

    def plant(resources: Resources) -> None:
        statements = one_of(resources, "AWS::IAM::ManagedPolicy", part)["Properties"]["PolicyDocument"]["Statement"]
        next(each for each in statements if action in each["Action"]).update(copy.deepcopy(changes))

    return plant


def not_granted(part: str, action: str) -> Plant:
    """No such action in the first statement of a role's policy that has it; none of the rest if it is the only one."""

    def plant(resources: Resources) -> None:
        statements = one_of(resources, "AWS::IAM::ManagedPolicy", part)["Properties"]["PolicyDocument"]["Statement"]
        found = next(each for each in statements if action in each["Action"])
        if found["Action"] == action:
            statements.remove(found)
        else:
            found["Action"].remove(action)

    return plant


def not_denied(kind: str, part: str) -> Plant:
    """No statement that denies anything in a policy at a resource."""

    def plant(resources: Resources) -> None:
        document = one_of(resources, kind, part)["Properties"]["PolicyDocument"]
        document["Statement"] = [each for each in document["Statement"] if each["Effect"] != "Deny"]

    return plant


def _place(properties: dict[str, Any], path: str) -> tuple[Any, Any]:
    """Where a path ends: what holds the value, and under which name or number."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    node: Any = properties
    for part in parents:
        node = node[part]
    return node, last
