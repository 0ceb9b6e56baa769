"""SqsPipeline as the catalogue deploys it: its drive, and what all who look at a log or a queue may see."""

import pytest

from serverless_patterns.local.drives import driven_patterns
from serverless_patterns.local.drives.sqs_pipeline import drive
from serverless_patterns.local.hops import Hop
from tests.local.pipeline import new_ids, order, piped, undisturbed


@pytest.fixture(scope="module")
def deployed(emulator, account, orders):
    with piped(emulator, account, orders) as pipeline:
        yield pipeline


@pytest.fixture
def pipeline(deployed):
    with undisturbed(deployed):
        yield deployed


def test_the_drive_shows_each_hop_and_leaves_the_orders_messages_and_secret_of_others_alone(pipeline, account, orders):
    (order_id,) = new_ids(1, "of-somebody-else")
    pipeline.post(order(order_id))
    pipeline.paid(order_id)
    pipeline.dead_letters.send("of somebody else")
    secrets = account.client("secretsmanager")
    secret = secrets.get_secret_value(SecretId=orders.outputs["PaymentSecretArn"])["SecretString"]
    before = {row["id"] for row in account.table(orders.outputs["TableName"]).scan()["Items"]}
    hops: list[Hop] = []
    pipeline.recycle()  # a worker keeps the secret that it has read as long as the provider in it answers
    drive(account, orders, hops.append)
    assert len(hops) > 10
    assert [hop for hop in hops if hop.faults] == []
    assert {row["id"] for row in account.table(orders.outputs["TableName"]).scan()["Items"]} == before
    assert [message.body for message in pipeline.dead_letters.messages()] == ["of somebody else"]
    assert secrets.get_secret_value(SecretId=orders.outputs["PaymentSecretArn"])["SecretString"] == secret


def test_neither_the_key_nor_what_is_in_an_order_is_in_a_log(pipeline):
    (order_id,) = new_ids(1)
    pipeline.post(order(order_id, customer="customer-that-nobody-should-read"))
    pipeline.paid(order_id)
    pipeline.send('{"customer_id": "customer-that-nobody-should-read", "amount": "secret amount"}')
    pipeline.letters(1)
    lines = [*pipeline.ingest_log.lines(), *pipeline.worker_log.lines()]
    assert any(order_id in line for line in lines)
    telling = (pipeline.provider.api_key, "customer-that-nobody-should-read", "secret amount")
    assert [line for line in lines if any(words in line for words in telling)] == []


def test_sqs_pipeline_has_a_drive() -> None:
    assert "sqs_pipeline" in driven_patterns()
