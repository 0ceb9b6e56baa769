"""The payment API, whatever it answers: paid, declined, or asked again with the same key."""

import contextlib
import email.utils
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.payment_secret import Credentials, MalformedSecretError, Secret
from shared.transport import Limits, Transport, UnansweredError
from sqs_pipeline.failures import AsksToWaitError, HeldUpError, PaymentDownError
from sqs_pipeline.models import Charge, Outcome, State
from sqs_pipeline.payment import Chance, PaymentApi
from tests.handlers.payment_server import (
    APPROVED,
    BROKEN,
    DECLINED,
    SILENCE,
    PaymentServer,
    Reply,
    dripping_body,
    dripping_header,
    endless_body,
    reply,
)

KEY = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"
CHARGE = Charge("o-1", Decimal("19.99"), "EUR", "orders:o-1:charge")
PAID = Outcome(State.PAID, payment_id="pay_1")
QUICK = Limits(connect=0.1, read=0.1, attempt=0.2)


@dataclass
class Secrets:
    """Secrets Manager with one secret, which may change, be missing or fail."""

    values: list[Any] = field(default_factory=list)
    reads: int = 0

    def get_secret_value(self, **_: Any) -> dict[str, str]:
        value = self.values[min(self.reads, len(self.values) - 1)]
        self.reads += 1
        if isinstance(value, Exception):
            raise value
        return {"SecretString": value if isinstance(value, str) else json.dumps(value)}


@dataclass
class Till:
    """The payment API's client with a clock that only pauses move."""

    payment: PaymentServer
    secrets: Secrets = field(default_factory=Secrets)
    pauses: list[float] = field(default_factory=list)
    luck: float = 0.5
    limits: Limits = QUICK

    def __post_init__(self) -> None:
        self.secrets.values = self.secrets.values or [{"url": self.payment.url, "api_key": KEY}]
        chance = Chance(share=lambda: self.luck, monotonic=lambda: sum(self.pauses), sleep=self.pauses.append)
        self.secret = Secret("arn:secret", self.secrets, clock=lambda: sum(self.pauses))
        self.api = PaymentApi(self.secret, Transport(self.limits), chance)

    def charge(self, charge: Charge = CHARGE, seconds: float = 20) -> Outcome:
        return self.api.charge(charge, seconds)

    def failure(self, seconds: float = 20) -> PaymentDownError | HeldUpError:
        with pytest.raises((PaymentDownError, HeldUpError)) as caught:
            self.charge(seconds=seconds)
        error = caught.value
        assert isinstance(error, PaymentDownError | HeldUpError)
        return error


@pytest.fixture
def till(payment: PaymentServer) -> Till:
    return Till(payment)


def test_a_charge_says_what_for_how_much_and_under_which_key(till: Till, payment: PaymentServer) -> None:
    assert till.charge() == PAID
    (request,) = payment.requests
    assert request.path == "/charges"
    assert request.body == {"reference": "o-1", "amount": "19.99", "currency": "EUR"}
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["idempotency-key"] == "orders:o-1:charge"
    assert (request.headers["content-type"], request.headers["accept"]) == ("application/json", "application/json")


@pytest.mark.parametrize(
    ("amount", "text"),
    [("19.90", "19.90"), ("0.01", "0.01"), ("1E+3", "1000"), ("12345678901234567.89", "12345678901234567.89")],
)
def test_an_amount_is_sent_in_exact_decimal_digits(till: Till, payment: PaymentServer, amount: str, text: str) -> None:
    till.charge(Charge("o-1", Decimal(amount), "EUR", "k"))
    assert payment.requests[0].body["amount"] == text


def test_a_path_and_a_query_in_the_address_are_kept(till: Till, payment: PaymentServer) -> None:
    till.secrets.values = [{"url": f"{payment.url}/v2?mode=live", "api_key": KEY}]
    till.charge()
    assert payment.requests[0].path == "/charges/v2?mode=live"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (DECLINED, "insufficient funds"),
        (reply(200, {"status": "declined"}), "The payment API declined it."),
        (reply(402, {"reason": "card expired"}), "card expired"),
        (reply(400, "<html>"), "The payment API answered 400."),
        (reply(422, {"reason": 5}), "The payment API answered 422."),
        (reply(400, {"reason": "  a\r\n\x1b[31mb\u202ec  "}), "a [31mb c"),
        (reply(402, {"reason": "x" * 5000}), "x" * 200),
        (reply(402, {"reason": "\n\t"}), "The payment API answered 402."),
    ],
    ids=str,
)
def test_a_refusal_is_final_and_its_reason_is_one_short_line(
    till: Till, payment: PaymentServer, answer: Reply, reason: str
) -> None:
    payment.will([answer])
    assert till.charge() == Outcome(State.DECLINED, reason=reason)
    assert len(payment.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        BROKEN,
        reply(503),
        reply(408),
        reply(409),
        reply(425),
        reply(429),
        reply(200, "<html>welcome</html>"),
        reply(200, '{"status": "approved", "id": "pay_1", "amount": NaN}'),
        reply(200, "[" * 5000 + "]" * 5000),
        reply(200, {"status": "approved"}),
        reply(200, {"status": "approved", "id": ""}),
        reply(200, {"status": "approved", "id": 5}),
        reply(200, {"status": "approved", "id": "a\nb"}),
        reply(200, {"status": "perhaps", "id": "pay_1"}),
        reply(200, "null"),
        reply(200, b"\xff\xfe"),
        reply(200, '{"status": "approved", "id": "pay_1", "id": "pay_2"}'),
        reply(204),
        reply(200, {"status": "approved", "id": "pay_1", "padding": "x" * 6_000_000}),
        endless_body(),
        SILENCE,
        dripping_header(),
        dripping_body(),
        Reply((b"SSH-2.0-OpenSSH_9.6\r\n",)),
        Reply((b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",)),
    ],
    ids=lambda answer: str(answer.parts[:1])[:60],
)
def test_what_is_neither_paid_nor_declined_is_asked_again_with_the_same_key(
    till: Till, payment: PaymentServer, answer: Reply
) -> None:
    payment.will([answer])
    assert till.charge() == PAID
    assert payment.keys == ["orders:o-1:charge", "orders:o-1:charge"]
    assert payment.requests[0].body == payment.requests[1].body


@pytest.mark.parametrize("status", [404, 405, 406, 407, 410, 411, 413, 414, 415, 417, 421, 426, 428, 431, 451])
def test_an_answer_of_a_wrong_address_declines_no_order_and_says_where_to_look(
    till: Till, payment: PaymentServer, status: int
) -> None:
    payment.otherwise = reply(status)
    failure = till.failure()
    assert type(failure) is PaymentDownError
    assert failure.detail == "The payment API cannot be reached at the moment."
    assert failure.hint == f"The payment API answered {status}: look at the url in the payment secret."


@pytest.mark.parametrize("answer", [BROKEN, reply(200, "<html>"), reply(302, Location="https://elsewhere")], ids=str)
def test_the_payment_api_is_down_after_three_such_answers(till: Till, payment: PaymentServer, answer: Reply) -> None:
    payment.otherwise = answer
    assert type(till.failure()) is PaymentDownError
    assert payment.keys == ["orders:o-1:charge"] * 3


@pytest.mark.parametrize("status", [408, 409, 425, 429])
def test_an_api_that_asks_to_wait_is_not_down(till: Till, payment: PaymentServer, status: int) -> None:
    payment.otherwise = reply(status)
    error = till.failure()
    assert (type(error), error.detail) == (AsksToWaitError, f"The payment API asks to wait ({status}).")
    assert len(payment.requests) == 3


@pytest.mark.parametrize(
    ("answers", "in_doubt"),
    [
        ([reply(500)], True),
        ([SILENCE], True),
        ([reply(200, "<html>")], True),
        ([reply(429)], False),
        ([reply(408)], False),
        ([reply(409)], True),
        ([reply(401)], False),
        ([reply(500), reply(429), reply(429)], True),
        ([reply(500), reply(401), reply(401)], True),
    ],
    ids=str,
)
def test_money_may_have_been_taken_if_any_of_the_attempts_left_it_open(
    till: Till, payment: PaymentServer, answers: list[Reply], in_doubt: bool
) -> None:
    payment.will(answers)
    payment.otherwise = answers[-1]
    assert till.failure().in_doubt is in_doubt


def test_pauses_between_attempts_grow_and_are_drawn_by_lot(till: Till, payment: PaymentServer) -> None:
    payment.otherwise = BROKEN
    for luck, pauses in ((0.5, [0.1, 0.2]), (1.0, [0.2, 0.4]), (0.0, [0.0, 0.0])):
        till.luck = luck
        till.pauses.clear()
        till.failure()
        assert till.pauses == pytest.approx(pauses)


def test_a_short_retry_after_is_waited_for(till: Till, payment: PaymentServer) -> None:
    payment.will([reply(429, Retry_After="3")])
    assert till.charge() == PAID
    assert till.pauses == [3]


def test_a_retry_after_can_be_a_date(till: Till, payment: PaymentServer) -> None:
    payment.will([reply(503, Retry_After=email.utils.formatdate(time.time() + 5, usegmt=True))])
    assert till.charge() == PAID
    assert till.pauses[0] in {4, 5}


@pytest.mark.parametrize("value", ["soon", "-5", "1e9", "9" * 50, "Mon, 99 Foo 2026", "\u00b2"])
def test_a_retry_after_that_is_none_is_passed_over(till: Till, payment: PaymentServer, value: str) -> None:
    payment.will([Reply((f"HTTP/1.1 429 No\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode(),))])
    assert till.charge() == PAID
    assert till.pauses == [0.1]


def test_a_retry_after_that_does_not_fit_into_the_time_is_left_to_the_queue(till: Till, payment: PaymentServer) -> None:
    payment.otherwise = reply(429, Retry_After="120")
    error = till.failure()
    assert (error.retry_after, till.pauses, len(payment.requests)) == (120, [], 1)


def test_no_attempt_is_begun_for_which_no_time_is_left(till: Till, payment: PaymentServer) -> None:
    payment.otherwise = BROKEN
    till.luck = 1.0
    till.failure(seconds=1.3)
    assert len(payment.requests) == 2


def test_nothing_is_sent_when_reading_the_secret_took_all_the_time(till: Till, payment: PaymentServer) -> None:
    read = till.secrets.get_secret_value

    def slow(**_: Any) -> dict[str, str]:
        till.pauses.append(19.5)
        return read()

    till.secrets.get_secret_value = slow  # type: ignore[method-assign]
    error = till.failure()
    assert (type(error), payment.requests) == (HeldUpError, [])
    assert error.detail == "There was not enough time left to ask the payment API."


def test_an_attempt_ends_in_time_even_if_the_answer_trickles_in(payment: PaymentServer) -> None:
    transport = Transport(Limits(connect=0.1, read=0.1, attempt=0.15))
    for answer in (dripping_header(), dripping_body()):
        payment.will([answer])
        started = time.perf_counter()
        with pytest.raises(UnansweredError, match=r"^it took longer than 0\.1 s$|^it took longer than 0\.2 s$"):
            transport.post(payment.url, {}, b"{}", 20)
        assert time.perf_counter() - started < 0.5


def test_an_attempt_takes_no_longer_than_the_time_that_is_left(payment: PaymentServer) -> None:
    payment.will([dripping_body()])
    started = time.perf_counter()
    with pytest.raises(UnansweredError):
        Transport().post(payment.url, {}, b"{}", 0.1)
    assert time.perf_counter() - started < 0.5


def test_a_new_connection_is_made_after_one_was_cut(payment: PaymentServer) -> None:
    transport = Transport(QUICK)
    payment.will([dripping_header()])
    with pytest.raises(UnansweredError):
        transport.post(payment.url, {}, b"{}", 20)
    assert transport.post(payment.url, {}, b"{}", 20).status == 200


def test_an_attempt_that_was_cut_while_connecting_sends_nothing_afterwards(
    payment: PaymentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, found = socket.getaddrinfo, threading.Event()
    asked: list[object] = []

    def slow(*args: Any, **more: Any) -> Any:
        asked.append(args)
        found.wait(5)
        return find(*args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    before = set(threading.enumerate())
    with pytest.raises(UnansweredError):
        Transport().post(payment.url, {}, b"{}", 0.05)
    (attempt,) = [thread for thread in threading.enumerate() if thread not in before and thread.name == "payment attempt"]
    found.set()
    attempt.join(5)
    assert (len(asked), attempt.is_alive(), payment.requests) == (1, False, [])


def test_a_redirect_is_never_followed(till: Till, payment: PaymentServer) -> None:
    elsewhere = PaymentServer()
    payment.otherwise = reply(307, Location=elsewhere.url)
    assert "answered 307" in till.failure().detail
    assert elsewhere.requests == []
    elsewhere.close()


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_read_again_once(till: Till, payment: PaymentServer, status: int) -> None:
    till.secrets.values = [{"url": payment.url, "api_key": "old"}, {"url": payment.url, "api_key": "new"}]
    payment.will([reply(status)])
    assert till.charge() == PAID
    assert [request.headers["authorization"] for request in payment.requests] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_stays_refused_is_no_outage_and_no_refusal_of_the_order(
    till: Till, payment: PaymentServer, status: int
) -> None:
    payment.otherwise = reply(status)
    error = till.failure()
    assert isinstance(error, HeldUpError)
    assert (error.detail, error.grows) == ("The payment API cannot be used at the moment.", True)
    assert error.hint == (f"The payment API refuses the credentials ({status}): put the right api_key into the payment secret.")
    assert (len(payment.requests), till.secrets.reads) == (2, 2)


def test_the_address_is_read_again_when_nobody_is_there(payment: PaymentServer) -> None:
    gone = PaymentServer()
    gone.close()
    till = Till(payment, Secrets([{"url": gone.url, "api_key": KEY}, {"url": payment.url, "api_key": KEY}]))
    assert till.charge() == PAID
    assert till.secrets.reads == 2


def test_the_secret_is_kept_for_five_minutes(till: Till) -> None:
    for pause, reads in ((0, 1), (299, 1), (1, 2)):
        till.pauses.append(pause)
        till.charge()
        assert till.secrets.reads == reads


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/",
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fe80::1]/",
        "http://pay.example.com/charges",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@example.com/",
        "http://localhost:80@example.com/",
        "https://user:secret@pay.example.com/",
        "https://user@pay.example.com/",
        "http://example.com#@127.0.0.1/",
        "http://example.com\\@127.0.0.1/",
        "https://",
        "pay.example.com",
        "",
        "https://pay.example.com/\r\nX: y",
        "https://pay example.com/",
        "https://[::1",
        5,
        None,
    ],
)
def test_the_key_is_sent_to_no_such_address(till: Till, payment: PaymentServer, url: object) -> None:
    till.secrets.values = [{"url": url, "api_key": KEY}]
    error = till.failure()
    assert isinstance(error.__cause__, MalformedSecretError)
    assert "put-secret-value" in error.hint
    assert KEY not in error.hint
    assert payment.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "https://pay.example.com/v1/charges",
        "https://10.0.0.5:8443/charges",
        "http://127.0.0.1:8080/charges",
        "http://localhost:8080/charges",
        "http://[::1]:8080/charges",
    ],
)
def test_the_key_may_be_sent_to_such_an_address(url: str) -> None:
    assert Credentials.parse(json.dumps({"url": url, "api_key": KEY})).url == url


NO_SECRET = ClientError(
    {"Error": {"Code": "ResourceNotFoundException", "Message": "arn:secret"}, "ResponseMetadata": {"HTTPStatusCode": 400}},  # type: ignore[typeddict-item]
    "GetSecretValue",
)


@pytest.mark.parametrize(
    "value",
    [
        NO_SECRET,
        "",
        "sk_live_only_the_key",
        "[]",
        "{",
        '{"url": "https://pay.example.com"}',
        '{"url": "https://pay.example.com", "api_key": ""}',
        '{"url": "https://pay.example.com", "api_key": "a\\r\\nHost: evil"}',
        '{"url": "https://pay.example.com", "api_key": "ключ"}',
        '{"api_key": "k"}',
    ],
    ids=str,
)
def test_a_secret_that_is_missing_or_malformed_says_how_to_put_it_and_not_what_is_in_it(till: Till, value: object) -> None:
    till.secrets.values = [value]
    error = till.failure()
    assert isinstance(error, HeldUpError)
    assert (error.detail, error.grows) == ("The payment API cannot be reached at the moment.", True)
    assert 'Put {"url": "https://...", "api_key": "..."} into the payment secret' in error.hint
    for secret in ("sk_live", "evil", "arn:", "pay.example.com"):
        assert secret not in error.hint


def test_a_secret_that_is_put_right_works_at_the_next_charge(till: Till, payment: PaymentServer) -> None:
    till.secrets.values = ["", {"url": payment.url, "api_key": KEY}]
    till.failure()
    assert till.charge() == PAID


def test_the_key_is_in_no_text_made_of_the_credentials() -> None:
    credentials = Credentials("https://pay.example.com", KEY)
    assert KEY not in f"{credentials!r} {credentials}"


def test_no_error_has_the_key_or_the_address_in_it(payment: PaymentServer) -> None:
    makers: list[Callable[[], Reply]] = [dripping_body, lambda: SILENCE, lambda: BROKEN, lambda: reply(401), endless_body]
    gone = PaymentServer()
    gone.close()
    failures = [Till(payment, Secrets([{"url": gone.url, "api_key": KEY}])).failure()]
    for maker in makers:
        payment.otherwise = maker()
        failures.append(Till(payment).failure())
    texts = [f"{failure.detail} {failure.hint}" for failure in failures]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert KEY not in text
        assert "127.0.0.1" not in text


def test_connections_are_used_again(payment: PaymentServer) -> None:
    transport = Transport(Limits(connect=5, read=5, attempt=5))  # nobody has to wait for it
    assert [transport.post(payment.url, {}, b"{}", 20).status for _ in range(3)] == [200, 200, 200]
    assert payment.otherwise is APPROVED
    assert len({request.headers["x-port"] for request in payment.requests}) == 1


def test_a_server_with_a_certificate_of_nobody_hears_neither_order_nor_key(tmp_path: Path) -> None:
    impostor = PaymentServer(tls=self_signed(tmp_path))
    secrets = Secrets([{"url": f"https://localhost:{impostor.port}/charges", "api_key": KEY}])
    till = Till(impostor, secrets, limits=Limits(connect=5, read=5, attempt=5))  # a handshake takes its time on a busy machine
    with contextlib.closing(impostor):
        assert till.failure().detail == "The payment API gave no answer: SSLError."
    assert impostor.requests == []


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
