"""Money that goes back: the worker of the orders took it, so a refund names that charge by the key that it was taken with."""

import json
import os
from functools import cache
from typing import Any

import boto3
import urllib3

from shop import orders

TIMEOUT = urllib3.Timeout(connect=2, read=5)


class RefundRefusedError(Exception):
    """The payment API does not pay back: people have to look at it."""


class UnavailableError(Exception):
    """The payment API does not answer: ask again. The state machine knows the error by this name."""


@cache
def _secrets() -> Any:  # noqa: ANN401  boto3 makes its classes at run time
    return boto3.client("secretsmanager")


def refund(order_id: str) -> str | None:
    """Pay back an order, once: whoever asks again asks with the same key, and gets the id of the first refund.

    Raises:
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
    answer = _posted(body, f"{key}:refund")
    if answer.get("status") == "declined":
        raise RefundRefusedError(answer.get("reason", ""))
    if answer.get("status") != "approved":
        msg = "The payment API says neither yes nor no."
        raise UnavailableError(msg)
    return str(answer["id"])


def _posted(body: dict[str, str], key: str) -> dict[str, str]:
    secret = json.loads(_secrets().get_secret_value(SecretId=os.environ["PAYMENT_SECRET_ARN"])["SecretString"])
    headers = {"Authorization": f"Bearer {secret['api_key']}", "Idempotency-Key": key, "Content-Type": "application/json"}
    try:
        answer = urllib3.request(
            "POST",
            f"{secret['url']}/refunds",
            body=json.dumps(body),
            headers=headers,
            timeout=TIMEOUT,
            retries=False,
            redirect=False,
        )
        found: dict[str, str] = answer.json()
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        msg = f"The payment API gave no answer: {type(error).__name__}."
        raise UnavailableError(msg) from error
    return found
