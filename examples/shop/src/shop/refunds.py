"""A subscriber of the fan-out: what was paid and did not come to its payment in the workflow is paid back.

An order that is out of stock ends before the workflow has looked at its payment: there is nothing there that it could undo.
"""

import json
import logging
from typing import Any

from shop.payments import refund


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Pay back the orders of a batch of messages; the answer names those that come again."""
    failed = [record["messageId"] for record in event["Records"] if not _is_refunded(record)]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}


def _is_refunded(record: dict[str, Any]) -> bool:
    try:
        refund(json.loads(record["body"])["data"]["order_id"])
    except Exception:
        logging.getLogger().exception("not refunded")
        return False
    return True
