"""The payment provider behaves and misbehaves over real HTTP, and remembers what it charged."""

import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import urllib3

from serverless_patterns.errors import LocalRunError
from serverless_patterns.local.account import Account, Stack
from serverless_patterns.local.drives import order_workflow, sqs_pipeline
from serverless_patterns.local.payment_provider import DRIP, REFUNDS, Behaviour, PaymentProvider, Received, first
from serverless_patterns.local.processes import wait_until
from tests.support.waiting import PATIENCE

ORDER = {"reference": "order-1", "amount": "19.99", "currency": "EUR"}


@pytest.fixture
def provider() -> Iterator[PaymentProvider]:
    with PaymentProvider() as started:
        yield started


def ask(provider, fields=None, *, key="order-1:charge", api_key=None, timeout=2.0, path=""):
    headers = {"Authorization": f"Bearer {api_key or provider.api_key}", "Content-Type": "application/json"}
    headers |= {"Idempotency-Key": key} if key else {}
    body = fields if isinstance(fields, str) else json.dumps(ORDER | (fields or {}))
    return urllib3.PoolManager(retries=False).request(
        "POST", provider.url + path, body=body, headers=headers, timeout=timeout, redirect=False, preload_content=False
    )


def refund(provider, fields=None, *, key="order-1:refund"):
    return ask(
        provider, {"reference": "order-1/refund", "charge_key": "order-1:charge", **(fields or {})}, key=key, path=REFUNDS
    )


def read(response):
    return response.status, json.loads(response.read())


def behave(provider, behaviour):
    provider.behaviour_for = lambda _: behaviour


def test_a_charge_is_approved_and_remembered_under_its_key(provider):
    status, answer = read(ask(provider))
    assert (status, answer["status"]) == (200, "approved")
    charge = provider.charges["order-1:charge"]
    assert (charge.id, charge.reference, charge.amount, charge.currency) == (answer["id"], "order-1", "19.99", "EUR")


def test_the_same_key_gets_the_first_answer_and_is_not_charged_again(provider):
    answers = [read(ask(provider)) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert (len(provider.charges), provider.replays, provider.double_charges) == (1, 2, {})


def test_the_same_key_at_the_same_moment_is_charged_once(provider):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: read(ask(provider)), range(16)))
    assert {json.dumps(answer) for answer in answers} == {json.dumps(answers[0])}
    assert (len(provider.charges), provider.replays) == (1, 15)


def test_another_key_for_the_same_reference_is_a_double_charge_that_is_seen(provider):
    for key in ("one", "two"):
        ask(provider, key=key)
    assert provider.double_charges == {"order-1": 2}


def test_a_key_that_was_used_for_another_request_is_refused(provider):
    ask(provider)
    assert ask(provider, {"amount": "1.00"}).status == 422
    assert provider.charges["order-1:charge"].amount == "19.99"


def test_a_decline_has_its_reason_and_takes_no_money(provider):
    behave(provider, Behaviour.DECLINE)
    assert read(ask(provider)) == (200, {"status": "declined", "reason": "card refused"})
    behave(provider, Behaviour.APPROVE)
    assert read(ask(provider))[1]["status"] == "declined", "the key's first answer stays"
    assert provider.charges == {}


def test_a_wrong_key_of_the_api_is_refused_and_a_new_one_takes_its_place(provider):
    assert ask(provider, api_key="wrong").status == 401
    old, provider.api_key = provider.api_key, "new"
    assert [ask(provider, api_key=key).status for key in (old, "new")] == [401, 200]


@pytest.mark.parametrize(
    "fields", ["not JSON", "[]", "{}", '{"reference": "order-1", "amount": 19.99, "currency": "EUR"}', {"amount": "NaN"}]
)
def test_a_request_that_is_no_charge_is_refused(provider, fields):
    assert ask(provider, fields).status == 400
    assert provider.charges == {}


def test_a_charge_without_an_idempotency_key_is_refused(provider):
    assert ask(provider, key=None).status == 400


def test_a_charge_is_paid_back_once_and_both_are_remembered(provider):
    ask(provider)
    answers = [read(refund(provider)) for _ in range(3)]
    assert answers == [(200, {"status": "approved", "id": "re_1"})] * 3
    (paid_back,) = provider.refunds.values()
    assert (paid_back.reference, paid_back.amount, paid_back.charge_key) == ("order-1/refund", "19.99", "order-1:charge")
    assert (list(provider.charges), provider.replays) == (["order-1:charge"], 2)


def test_a_refund_at_the_same_moment_as_itself_is_one(provider):
    ask(provider)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: read(refund(provider)), range(16)))
    assert answers == [answers[0]] * 16
    assert (len(provider.refunds), provider.replays) == (1, 15)


@pytest.mark.parametrize(
    ("earlier", "fields"),
    [
        ([], {"amount": "20.00"}),
        (["19.99"], {"amount": "0.01"}),
        (["10.00", "9.00"], {"amount": "1.00"}),
        ([], {"currency": "USD"}),
    ],
    ids=["more", "after all of it", "after most of it", "another currency"],
)
def test_no_more_is_paid_back_than_was_charged(provider, earlier, fields):
    ask(provider)
    for number, amount in enumerate(earlier):
        assert refund(provider, {"amount": amount}, key=f"part-{number}").status == 200
    status, answer = read(refund(provider, fields))
    assert (status, answer["status"]) == (422, "declined")
    assert [each.amount for each in provider.refunds.values()] == earlier


def test_parts_are_paid_back_until_all_is(provider):
    ask(provider)
    for key in ("one", "two"):
        assert read(refund(provider, {"amount": "9.99"}, key=key))[1]["status"] == "approved"
    assert sum(float(each.amount) for each in provider.refunds.values()) == 19.98


def test_where_nothing_was_charged_nothing_is_paid_back_and_a_late_charge_is_declined(provider):
    assert read(refund(provider)) == (200, {"status": "nothing_to_refund"})
    status, answer = read(ask(provider))
    assert (status, answer) == (200, {"status": "declined", "reason": "paid back before it was charged"})
    assert (provider.charges, provider.refunds) == ({}, {})


def test_a_refund_that_names_no_charge_is_refused(provider):
    assert ask(provider, key="order-1:refund", path=REFUNDS).status == 400


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [(Behaviour.DECLINE, 200), (Behaviour.REFUSE, 402), (Behaviour.FAIL, 500), (Behaviour.THROTTLE, 429)],
    ids=str,
)
def test_a_refund_fails_as_charges_do_and_returns_nothing(provider, behaviour, status):
    ask(provider)
    behave(provider, behaviour)
    assert refund(provider).status == status
    assert provider.refunds == {}


def test_a_refund_is_slow_or_loses_its_answer_as_charges_do_and_is_paid_once(provider):
    ask(provider)
    for behaviour in (Behaviour.HANG, Behaviour.LOSE_ANSWER):
        behave(provider, behaviour)
        with pytest.raises(urllib3.exceptions.HTTPError):
            ask(provider, {"charge_key": "order-1:charge"}, key="order-1:refund", path=REFUNDS, timeout=0.3)
    assert read(ask(provider, {"charge_key": "order-1:charge"}, key="order-1:refund", path=REFUNDS))[1]["id"] == "re_1"
    assert len(provider.refunds) == 1


@pytest.mark.parametrize(
    ("behaviour", "status"), [(Behaviour.THROTTLE, 429), (Behaviour.FAIL, 500), (Behaviour.REDIRECT, 307)], ids=str
)
def test_a_failure_has_its_status_and_charges_nothing(provider, behaviour, status):
    behave(provider, behaviour)
    response = ask(provider)
    assert response.status == status
    assert response.headers.get("Retry-After") == ("1" if behaviour is Behaviour.THROTTLE else None)
    assert (response.headers.get("Location") is not None) == (behaviour is Behaviour.REDIRECT)
    assert provider.charges == {}


def test_an_answer_that_is_lost_comes_after_the_charge_and_a_second_request_gets_it(provider):
    behave(provider, Behaviour.LOSE_ANSWER)
    with pytest.raises(urllib3.exceptions.HTTPError):
        ask(provider)
    assert list(provider.charges) == ["order-1:charge"]
    assert read(ask(provider))[1]["id"] == provider.charges["order-1:charge"].id
    assert provider.replays == 1


def test_a_provider_that_hangs_does_not_answer_while_it_runs(provider):
    behave(provider, Behaviour.HANG)
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        ask(provider, timeout=0.3)


def test_an_answer_that_drips_is_valid_and_takes_longer_than_any_of_its_bytes(provider):
    behave(provider, Behaviour.DRIP)
    began = time.monotonic()
    response = ask(provider, timeout=2 * DRIP)
    assert response.read(1) == b"{"
    assert response.read(1) == b'"'
    assert time.monotonic() - began > 2 * DRIP


@pytest.mark.parametrize("behaviour", [Behaviour.HTML, Behaviour.NOT_A_NUMBER, Behaviour.DEEP], ids=str)
def test_nonsense_comes_with_status_200_and_is_no_json_of_an_answer(provider, behaviour):
    behave(provider, behaviour)
    response = ask(provider)
    assert response.status == 200

    def refuse(constant):
        raise ValueError(constant)

    with pytest.raises((ValueError, RecursionError)):
        json.loads(response.read(), parse_constant=refuse)


def test_an_endless_answer_goes_on_until_the_client_has_enough(provider):
    behave(provider, Behaviour.ENDLESS)
    response = ask(provider)
    assert sum(len(response.read(65_536)) for _ in range(32)) == 32 * 65_536
    response.close()
    behave(provider, Behaviour.APPROVE)
    assert ask(provider).status == 200


def test_a_provider_that_is_down_takes_no_request_and_comes_back(provider):
    provider.down = True
    with pytest.raises(urllib3.exceptions.HTTPError):
        ask(provider)
    provider.down = False
    assert ask(provider).status == 200
    assert len(provider.charges) == 1


def test_a_client_that_keeps_its_connection_is_cut_off_too_when_the_provider_goes_down(provider):
    client = urllib3.HTTPConnectionPool("127.0.0.1", int(provider.url.split(":")[2].split("/")[0]), retries=False)
    headers = {"Authorization": f"Bearer {provider.api_key}", "Idempotency-Key": "one"}
    assert client.request("POST", "/charges", body=json.dumps(ORDER), headers=headers).status == 200
    provider.down = True
    with pytest.raises(urllib3.exceptions.HTTPError):
        client.request("POST", "/charges", body=json.dumps(ORDER), headers=headers)


def test_a_share_of_requests_fails_the_same_ones_for_the_same_seed():
    def statuses(seed):
        with PaymentProvider(fail_share=0.5, seed=seed) as provider:
            for number in range(40):
                try:
                    ask(provider, {"reference": str(number)}, key=str(number))
                except urllib3.exceptions.HTTPError:
                    continue
            return [request.status for request in provider.requests]

    assert statuses(1) == statuses(1)
    assert statuses(1) != statuses(2)
    assert set(statuses(1)) == {0, 200, 500}


def test_the_first_requests_of_each_reference_may_behave_in_another_way(provider):
    provider.behaviour_for = first(2, Behaviour.FAIL)
    for reference in ("a", "b"):
        assert [ask(provider, {"reference": reference}, key=reference).status for _ in range(3)] == [500, 500, 200]


def test_every_request_is_remembered_with_what_was_done(provider):
    ask(provider)
    ask(provider)
    ask(provider, api_key="wrong")
    assert provider.requests == [
        Received("/charges", "order-1:charge", "order-1", 200, Behaviour.APPROVE),
        Received("/charges", "order-1:charge", "order-1", 200),
        Received("/charges", "order-1:charge", "order-1", 401),
    ]


def test_a_provider_stops_although_a_client_waits():
    with ThreadPoolExecutor(1) as pool, PaymentProvider(behaviour_for=lambda _: Behaviour.HANG) as provider:
        waiting = pool.submit(ask, provider, timeout=30)
        assert wait_until(lambda: bool(provider.requests), seconds=PATIENCE)
        provider.__exit__()
        with pytest.raises(urllib3.exceptions.HTTPError):
            waiting.result(timeout=5)


def test_a_provider_that_has_stopped_charges_nobody_who_kept_the_connection(provider):
    headers = {"Authorization": f"Bearer {provider.api_key}", "Idempotency-Key": "kept"}

    def charge(connection):
        connection.request("POST", "/charges", json.dumps(ORDER), headers)
        return json.loads(connection.getresponse().read())["status"]

    with closing(http.client.HTTPConnection(urlsplit(provider.url).netloc, timeout=5)) as connection:
        assert charge(connection) == "approved"
        provider.__exit__()
        with pytest.raises(ConnectionError):
            charge(connection)


def test_it_has_no_address_unless_it_runs():
    with pytest.raises(RuntimeError, match="only inside of its `with` block"):
        _ = PaymentProvider().url


@pytest.mark.parametrize("drive", [order_workflow.drive, sqs_pipeline.drive], ids=["order_workflow", "sqs_pipeline"])
def test_a_stack_in_aws_is_not_driven_since_it_could_not_reach_the_provider(drive):
    hops = []
    with pytest.raises(
        LocalRunError, match=r"^the payment provider is on this machine.* reads an-arn .*, or leave it out with"
    ):
        drive(Account(None), Stack("prod-orders", {"PaymentSecretArn": "an-arn"}), hops.append)
    assert hops == []


def test_its_address_and_its_key_are_put_into_a_secret(provider, account: Account):
    client = account.client("secretsmanager")
    arn = client.create_secret(Name="payment-provider", SecretString="{}")["ARN"]
    provider.put_secret(account, arn)
    value = json.loads(client.get_secret_value(SecretId=arn)["SecretString"])
    assert value == {"url": provider.url, "api_key": provider.api_key}
