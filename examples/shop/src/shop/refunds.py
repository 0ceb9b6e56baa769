"""A subscriber of the fan-out: what was paid and did not come to its payment in the workflow is paid back.

An order that is out of stock ends before the workflow has looked at its payment: there is nothing there that it could undo.
"""

import json
import logging
from typing import Any

from shop.orders import UnknownOrderError
from shop.payments import refund

#: What Lambda writes as JSON, these fields and all. The runtime has given the root logger a level and a place to write to.
log = logging.getLogger()


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Pay back the orders of a batch of messages; the answer names those that come again."""
    failed = [record["messageId"] for record in event["Records"] if not _is_done(record)]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}


def _is_done(record: dict[str, Any]) -> bool:
    """Whether there is nothing left to do. SQS keeps what fails to the end, but not the reason: so the log has it."""
    about = {"message_id": record["messageId"]}
    try:
        about["order_id"] = json.loads(record["body"])["data"]["order_id"]
        refund(about["order_id"])
    except UnknownOrderError:
        log.warning("nothing to pay back: nobody placed this order", extra=about)  # its end is orders.rejected
    except Exception as error:  # noqa: BLE001  whatever it is, the others are paid back
        log.error("not paid back", extra={**about, "reason": f"{type(error).__name__}: {error}"})  # noqa: TRY400  as one line
        return False
    return True
