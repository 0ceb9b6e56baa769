"""Money that goes back: the worker of the orders took it, so a refund names that charge by the key that it was taken with.

What an answer of the payment API means stands in docs/patterns/order_workflow.md: the bundled payment reads it in the same way.
"""

import json
import os
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

import boto3
import urllib3

from shop import aws, orders
from shop.aws import UnavailableError

_TIMEOUT = urllib3.Timeout(connect=2, read=5)
_MOST_BYTES = 64 * 1024
_LONGEST_REASON = 256
#: The payment API does not pay back, whatever stands beside it. All other codes from 400 on may be those of a proxy.
_NEVER = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.UNPROCESSABLE_ENTITY})


class RefundRefusedError(Exception):
    """The payment API does not pay back: people have to look at it."""


@cache
def _secrets() -> Any:  # noqa: ANN401  boto3 makes its classes at run time
    return boto3.client("secretsmanager", config=aws.CLIENT)


@cache
def _http() -> urllib3.PoolManager:
    return urllib3.PoolManager(timeout=_TIMEOUT)


def refund(order_id: str) -> str | None:
    """Pay back an order, once: whoever asks again asks with the same key, and gets the id of the first refund.

    Raises:
        UnknownOrderError: There is no such order.
        RefundRefusedError: The payment API does not pay it back.
        UnavailableError: It is not known whether it did.
    """
    row = orders.read(order_id)
    if not orders.is_paid(row):
        return None  # nothing was taken
    key = f"{os.environ['PIPELINE_NAME']}:{order_id}"
    body = {
        "reference": f"{order_id}/refund",
        "charge_key": f"{key}:charge",
        "amount": format(row["order"]["amount"], "f"),
        "currency": row["order"]["currency"],
    }
    return _refund_in(*_posted(body, f"{key}:refund"))


def _refund_in(status: int, document: Mapping[str, Any]) -> str | None:
    """The id of the refund in an answer; ``None`` if nothing was taken."""
    is_success = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    word, identifier = document.get("status") if is_success else None, document.get("id")
    if status in _NEVER or word == "declined":
        raise RefundRefusedError(str(document.get("reason", ""))[:_LONGEST_REASON] or "The payment API does not pay it back.")
    if word == "nothing_to_refund":
        return None
    if word == "approved" and isinstance(identifier, str) and identifier:
        return identifier
    msg = f"The payment API answered {status}, and neither yes nor no."
    raise UnavailableError(msg)


def _posted(body: Mapping[str, str], key: str) -> tuple[int, Mapping[str, Any]]:
    """The status of the answer, and the JSON object in it: an empty one if it is none."""
    with aws.passing():
        secret = json.loads(_secrets().get_secret_value(SecretId=os.environ["PAYMENT_SECRET_ARN"])["SecretString"])
    headers = {"Authorization": f"Bearer {secret['api_key']}", "Idempotency-Key": key, "Content-Type": "application/json"}
    try:
        answer = _http().request(
            "POST",
            f"{secret['url']}/refunds",
            body=json.dumps(body),
            headers=headers,
            retries=False,
            redirect=False,
            preload_content=False,
        )
        content = answer.read(_MOST_BYTES)
        answer.close()  # of an answer that does not end, no more is wanted
    except urllib3.exceptions.HTTPError as error:
        msg = f"The payment API gave no answer: {type(error).__name__}."
        raise UnavailableError(msg) from error
    return answer.status, _object(content)


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
