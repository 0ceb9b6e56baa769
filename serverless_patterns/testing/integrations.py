"""What API Gateway needs to call other services by itself, with the role of the integration.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-integration-types.html
"""

import json
import re
from collections.abc import Iterator

from serverless_patterns.testing.need import Need
from serverless_patterns.testing.resource import Resource
from serverless_patterns.testing.template import ResolvedTemplate

#: arn:partition:apigateway:region:service:path/... or action/...
_URI = re.compile(r"arn:[^:]+:apigateway:[^:]+:(?:[^:.]+\.)?(?P<service>[^:.]+):(?P<kind>path|action)/(?P<rest>.*)", re.DOTALL)
_SUBTYPE = re.compile(r"(?P<service>\w+)-(?P<action>\w+)")
_PREFIX = {"eventbridge": "events", "stepfunctions": "states"}


def rest_needs(template: ResolvedTemplate, method: Resource) -> Iterator[Need]:
    """What the integration of a method of a REST API does."""
    integration = method.properties.get("Integration", {})
    found = _URI.fullmatch(str(integration.get("Uri", "")))
    if found is None:
        return
    text = json.dumps(integration)
    why = f"the integration of {method.logical_id}"
    service, rest = found["service"], found["rest"]
    if service == "lambda":
        yield Need("lambda:InvokeFunction", rest.partition("/functions/")[2].removesuffix("/invocations"), why)
        return
    named = re.search(r"\bAction=(\w+)", text)
    action = rest.partition("?")[0] if found["kind"] == "action" else (named[1] if named else _BY_PATH.get(service, ""))
    yield from (Need(f"{service}:{action}", arn, why) for arn in _named_in(template, text, service))


def http_needs(template: ResolvedTemplate, integration: Resource) -> Iterator[Need]:
    """What an integration of an HTTP API with an AWS service does.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services-reference.html
    """
    properties = integration.properties
    why = f"the integration {integration.logical_id}"
    found = _SUBTYPE.fullmatch(str(properties.get("IntegrationSubtype", "")))
    if found is None:
        yield Need("lambda:InvokeFunction", str(properties.get("IntegrationUri", "")), why)
        return
    service = _PREFIX.get(found["service"].lower(), found["service"].lower())
    text = json.dumps(properties.get("RequestParameters", {}))
    yield from (Need(f"{service}:{found['action']}", arn, why) for arn in _named_in(template, text, service))


#: What a path without an action does.
_BY_PATH = {"sqs": "SendMessage", "sns": "Publish", "s3": "GetObject"}


def _named_in(template: ResolvedTemplate, text: str, service: str) -> list[str]:
    """The ARNs of the service's resources that a text names: the template's by ARN, URL or name, others by ARN; else any."""
    own = [each for each in template.resources.values() if each.arn and each.arn.split(":")[2] == service]
    found = [each.arn for each in own if each.arn and any(name in text for name in (each.arn, each.name, _last(each.arn)))]
    return found or re.findall(rf'arn:[\w-]+:{service}:[^"\s\\]+', text) or ["*"]


def _last(arn: str) -> str:
    return re.split("[:/]", arn)[-1]
