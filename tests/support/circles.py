"""Whether a template could be deployed: CloudFormation itself checks for circles only then."""

import graphlib
import re


def check_no_circle(template):
    """Check what CloudFormation checks only when it deploys: no resource depends on itself through what it names."""
    found = template["Resources"]
    graphlib.TopologicalSorter({name: named(resource) & found.keys() for name, resource in found.items()}).prepare()


def named(part):
    """What a part of a template refers to."""
    match part:
        case {"Ref": str(name), **others} if not others:
            return {name}
        case {"Fn::GetAtt": place, **others} if not others:
            return {place.partition(".")[0] if isinstance(place, str) else place[0]}
        case {"Fn::Sub": text, **others} if not others:
            said, given = (text, {}) if isinstance(text, str) else text
            return set(re.findall(r"\$\{([^!.}]+)", said)) | named(given)
        case dict():
            explicit = part.get("DependsOn", [])
            inside = set().union(*map(named, part.values()))
            return inside | {explicit} if isinstance(explicit, str) else inside | set(explicit)
        case list():
            return set().union(*map(named, part))
    return set()
