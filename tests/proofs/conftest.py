"""Every template there is: all patterns in every environment, and their other shapes."""

from collections.abc import Mapping

import pytest

from tests.support.synthesis import resources
from tests.support.variants import variants


@pytest.fixture(scope="session")
def every_template(templates) -> Mapping[str, Mapping]:
    """Name -> template; those that an environment deploys begin with its name."""
    deployed = {name: template for stacks in templates.values() for name, template in stacks.items()}
    return deployed | dict(variants())


@pytest.fixture
def found_by(every_template):
    """What a check finds, by template. That none has anything of the kinds that it looks at would prove nothing."""

    def found(check, *kinds):
        for kind in kinds:
            assert any(resources(template, kind) for template in every_template.values()), f"no template has a {kind} any more"
        every = {name: check(template) for name, template in every_template.items()}
        return {name: findings for name, findings in every.items() if findings}

    return found
