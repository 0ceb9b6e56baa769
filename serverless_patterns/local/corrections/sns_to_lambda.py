"""Topics that invoke functions.

AWS invokes a function asynchronously for a message: with the retries and the destinations of the function's settings.
https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html

The emulator invokes it once, whatever comes of it.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import lambda_svc, sns

from .faults import expect

FOUND: tuple[dict[str, Any], dict[str, Any], str] = ({"config": {}}, {"FunctionName": "check"}, "check")


def check() -> None:
    """The asynchronous path is not taken."""
    taken: list[object] = []
    names = ("_get_func_record_for_ref", "_execute_function_with_config_scope", "invoke_async_with_retry")
    stock = {name: getattr(lambda_svc, name) for name in names}
    lambda_svc._get_func_record_for_ref = lambda _: FOUND
    lambda_svc._execute_function_with_config_scope = lambda *_: {}
    lambda_svc.invoke_async_with_retry = lambda *arguments: taken.append(arguments)
    try:
        sns._deliver_to_lambda("check", "{}", "topic", "subscription", "id", "message", {})
    finally:
        for name, function in stock.items():
            setattr(lambda_svc, name, function)
    expect(not taken, "the emulator now invokes a function asynchronously for a topic's message")


def apply() -> None:
    """Take it."""
    stock = sns._deliver_to_lambda

    def deliver(endpoint: str, envelope: str, topic_arn: str, subscription: str, *rest: object) -> None:
        function, config, _ = lambda_svc._get_func_record_for_ref(endpoint)
        if not function or not config:
            stock(endpoint, envelope, topic_arn, subscription, *rest)
            return
        source = {"EventVersion": "1.0", "EventSubscriptionArn": subscription, "EventSource": "aws:sns"}
        event = {"Records": [{**source, "Sns": json.loads(envelope)}]}
        lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), event)

    sns._deliver_to_lambda = deliver
