"""Reserving and releasing stock: all items or none, once, and for the execution that has the order."""

import pytest
from types_boto3_dynamodb import DynamoDBClient

from order_workflow.errors import OutOfStock
from shared.errors import ConflictError, UnavailableError
from tests.handlers.payment_server import PaymentServer
from tests.handlers.worker_client import refused
from tests.handlers.workflow_client import Steps, order_of

TWO_ITEMS = order_of(items=[{"sku": "cup", "quantity": 1}, {"sku": "tea", "quantity": 2}, {"sku": "cup", "quantity": 1}])


@pytest.fixture
def steps(dynamodb: DynamoDBClient, payment: PaymentServer) -> Steps:
    return Steps(dynamodb, payment)


def test_what_is_reserved_is_no_longer_available_and_the_row_says_so(steps: Steps) -> None:
    assert steps.do("ReserveStock") == {"stock": "RESERVED"}
    assert (steps.available(), steps.row()["stock"]) == (1, "RESERVED")


def test_an_item_that_an_order_names_twice_is_reserved_with_the_sum(steps: Steps) -> None:
    steps.put_stock(tea=2)
    steps.do("ReserveStock", TWO_ITEMS)
    assert (steps.available("cup"), steps.available("tea")) == (1, 0)


def test_a_reservation_that_comes_twice_is_one_and_answers_the_same(steps: Steps) -> None:
    assert steps.do("ReserveStock") == steps.do("ReserveStock")
    assert steps.available() == 1


def test_a_second_reservation_is_the_first_even_when_nothing_is_left(steps: Steps) -> None:
    steps.do("ReserveStock")
    steps.put_stock(cup=0)
    assert steps.do("ReserveStock") == {"stock": "RESERVED"}


def test_of_an_order_of_which_one_item_is_missing_nothing_is_reserved(steps: Steps) -> None:
    steps.put_stock(tea=1)
    with pytest.raises(OutOfStock, match=r"^Not enough is in stock of: tea\.$"):
        steps.do("ReserveStock", TWO_ITEMS)
    assert (steps.available("cup"), steps.available("tea")) == (3, 1)
    assert "stock" not in steps.row()


def test_an_item_that_nobody_has_heard_of_is_out_of_stock(steps: Steps) -> None:
    with pytest.raises(OutOfStock, match="pot"):
        steps.do("ReserveStock", order_of(items=[{"sku": "pot", "quantity": 1}]))


def test_what_is_released_is_available_again_and_only_once(steps: Steps) -> None:
    steps.do("ReserveStock")
    assert steps.do("ReleaseStock") == steps.do("ReleaseStock") == {"stock": "RELEASED"}
    assert steps.available() == 3


def test_a_release_without_a_reservation_adds_nothing_and_keeps_a_late_one_out(steps: Steps) -> None:
    assert steps.do("ReleaseStock") == {"stock": "RELEASED"}
    with pytest.raises(ConflictError):
        steps.do("ReserveStock")
    assert steps.available() == 3


def test_an_item_whose_row_is_gone_meanwhile_is_put_back_all_the_same(steps: Steps) -> None:
    steps.do("ReserveStock")
    steps.dynamodb.delete_item(TableName="keys-table", Key={"id": {"S": "cup"}})
    steps.do("ReleaseStock")
    assert steps.available() == 2


@pytest.mark.parametrize("step", ["ReserveStock", "ReleaseStock"])
def test_another_execution_of_the_order_changes_nothing(steps: Steps, step: str) -> None:
    with pytest.raises(ConflictError):
        steps.do(step, execution="arn:of-another")
    assert (steps.available(), "stock" in steps.row()) == (3, False)


@pytest.mark.parametrize("step", ["ReserveStock", "ReleaseStock"])
def test_a_step_that_a_throttled_table_refuses_can_be_tried_again(steps: Steps, step: str) -> None:
    steps.table.failures["transact_write_items"] = [refused("ThrottlingException")]
    with pytest.raises(UnavailableError):
        steps.do(step)


def test_a_refusal_that_does_not_pass_is_handed_on_as_it_is(steps: Steps) -> None:
    denied = refused("AccessDeniedException")
    steps.table.failures["transact_write_items"] = [denied]
    with pytest.raises(type(denied)):
        steps.do("ReserveStock")
