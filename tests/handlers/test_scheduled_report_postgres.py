import contextlib
import json
import socket
import ssl
import subprocess
import threading
import tracemalloc
from dataclasses import dataclass
from datetime import UTC

import pytest

from scheduled_report import postgres
from scheduled_report.days import Day
from scheduled_report.deadline import Deadline
from scheduled_report.refusals import NOT_LET_IN
from scheduled_report.secret import Address
from shared.errors import HandlerError, InvalidError, UnavailableError
from tests.handlers.report_client import NOW, PASSWORD, refusal


@pytest.fixture
def reports(postgres_reports):
    postgres_reports.query = "SELECT n AS id FROM generate_series(1, 3) AS n"
    return postgres_reports


@dataclass
class Port:
    """A port of this machine, free or with somebody behind it who has no TLS."""

    listener: socket.socket
    received: bytes = b""

    @property
    def number(self):
        return self.listener.getsockname()[1]

    def without_tls(self):
        self.listener.listen()
        threading.Thread(target=self._refuse, daemon=True).start()
        return self.number

    def _refuse(self):
        wire, _ = self.listener.accept()
        with wire:
            self.received = wire.recv(64)
            wire.sendall(b"N")
            self.received += wire.recv(64)


@pytest.fixture
def unused_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield Port(listener)


def failure(reports, kind=HandlerError):
    with pytest.raises(kind) as caught:
        reports.run()
    return caught.value.detail


# --- the secret


def test_the_secret_is_read_anew_for_each_report(reports):
    reports.run()
    reports.run({"date": "2026-02-27"})
    assert reports.secrets.made == [("get_secret_value", {"SecretId": reports.secret})] * 2


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"host": ""}, "has no host"),
        ({"host": 5}, "has no host"),
        ({"host": "db\n.example.com"}, "has no host"),
        ({"port": 0}, "has a port that is no number from 1 to 65535"),
        ({"port": "65536"}, "has a port that is no number from 1 to 65535"),
        ({"port": "5432; x"}, "has a port that is no number from 1 to 65535"),
        ({"port": None}, "has a port that is no number from 1 to 65535"),
        ({"username": ""}, "has no username"),
        ({"password": None}, "has no password"),
        ({"dbname": ["shop"]}, "has no dbname"),
        ({"sslmode": "prefer"}, "has an sslmode that is none of require, verify-full, disable"),
        ({"sslmode": "disable"}, "has the sslmode disable, which is for this machine only"),
        ({"sslmode": "disable", "host": "127.0.0.1.example.com"}, "has the sslmode disable"),
    ],
)
def test_a_secret_that_is_malformed_says_what_to_put_and_nothing_of_what_is_there(reports, log_lines, fields, fault):
    reports.put_secret(**({"host": "db.example.com"} | fields))
    said = failure(reports, InvalidError)
    assert said.startswith(f"The database secret {fault}")
    assert "aws secretsmanager put-secret-value" in said
    assert PASSWORD not in said + str(log_lines()) + str(reports.row())


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', PASSWORD])
def test_a_secret_that_is_no_json_object_says_so(reports, text):
    with contextlib.suppress(Exception):
        reports.secrets.client.put_secret_value(SecretId=reports.secret, SecretString=text or " ")
    assert failure(reports, InvalidError).startswith("The database secret is no JSON object.")


def test_a_secret_that_is_missing_says_so(reports):
    reports.secrets.failures["get_secret_value"] = [refusal("GetSecretValue", "ResourceNotFoundException")]
    assert failure(reports).startswith("The database secret is empty or missing.")


def test_the_password_is_in_no_text_of_the_address():
    address = Address.parse(f'{{"host": "db", "username": "u", "password": "{PASSWORD}", "dbname": "d"}}')
    assert PASSWORD not in f"{address} {address!r}"
    assert (address.port, address.sslmode, address.password) == (5432, "require", PASSWORD)


def test_a_port_may_be_a_text():
    text = '{"host": "db", "port": "6432", "username": "u", "password": "p", "dbname": "d"}'
    assert Address.parse(text).port == 6432


USER = {"username": "postgres", "password": PASSWORD}


def test_what_the_secret_does_not_say_the_settings_do(reports):
    reports.secrets.client.put_secret_value(SecretId=reports.secret, SecretString=json.dumps(USER))
    assert failure(reports).startswith("The database secret has no host")
    reports.variables |= {"DATABASE_HOST": reports.database.socket_folder, "DATABASE_PORT": "5432"}
    assert "set DATABASE_HOST, DATABASE_PORT and DATABASE_NAME instead" in failure_without_name(reports)
    reports.variables["DATABASE_NAME"] = "postgres"
    assert reports.run()["rows"] == 3


def failure_without_name(reports):
    reports.variables["DATABASE_NAME"] = ""
    said = failure(reports)
    assert said.startswith("The database secret has no dbname")
    return said


def test_what_the_secret_says_comes_before_the_settings():
    secret = {**USER, "host": "a", "port": 1, "dbname": "b", "sslmode": "require"}
    place = {"host": "x", "port": 9, "dbname": "x", "sslmode": "verify-full"}
    found = Address.parse(json.dumps(secret), place)
    assert (found.host, found.port, found.database, found.sslmode) == ("a", 1, "b", "require")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_needs_no_tls_and_may_have_it(host):
    fields = f'"host": "{host}", "username": "u", "password": "p", "dbname": "d"'
    assert Address.parse("{" + fields + "}").sslmode == "disable"
    assert Address.parse("{" + fields + ', "sslmode": "require"}').sslmode == "require"


# --- the connection


def test_tls_is_demanded_and_a_database_without_it_refused(reports, unused_port):
    reports.put_secret(host="127.0.0.1", sslmode="require", port=unused_port.without_tls())
    assert failure(reports, UnavailableError) == NOT_LET_IN
    assert unused_port.received == b"\x00\x00\x00\x08\x04\xd2\x16\x2f", "nothing was sent but the request for TLS"


def test_who_answers_is_checked_when_the_secret_says_so():
    checked, encrypted = postgres.tls("verify-full"), postgres.tls("require")
    assert (checked.verify_mode, checked.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert encrypted.verify_mode == ssl.CERT_NONE
    assert postgres.tls("disable") is False


def handshake(client, server, name):
    """Shake hands in memory: whether the client takes the server for the one of this name."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for side in sides:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return sides[0].version()


@pytest.fixture(scope="module")
def private_ca(tmp_path_factory):
    """A CA that is in no list, with a server of its own, as RDS has them: file of the CA, context of the server."""
    folder = tmp_path_factory.mktemp("ca")
    key, request, certificate = folder / "key.pem", folder / "request.pem", folder / "certificate.pem"
    ca_key, ca = folder / "ca-key.pem", folder / "ca.pem"
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    (folder / "names").write_text("subjectAltName=DNS:db.example.com\n", encoding="utf-8")
    for arguments in (
        ["req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=Private CA"],
        ["req", "-new", *new_key, "-keyout", key, "-out", request, "-subj", "/CN=db.example.com"],
        ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-out", certificate, "-extfile", folder / "names"],
    ):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return ca, server


def test_a_database_of_a_private_ca_is_known_by_its_certificates_and_by_its_name(private_ca):
    ca, server = private_ca
    assert handshake(postgres.tls("verify-full", ca), server, "db.example.com") == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(postgres.tls("verify-full", ca), server, "other.example.com")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(postgres.tls("verify-full"), server, "db.example.com")
    assert handshake(postgres.tls("require"), server, "other.example.com") == "TLSv1.3"


def test_the_public_cas_are_trusted_beside_the_private_one(private_ca):
    ca, _ = private_ca
    public, both = postgres.tls("verify-full"), postgres.tls("verify-full", ca)
    assert {each["serialNumber"] for each in both.get_ca_certs()} > {each["serialNumber"] for each in public.get_ca_certs()}


def test_with_certificates_to_check_it_by_a_database_is_checked(reports, private_ca, monkeypatch):
    ca, _ = private_ca
    asked = []
    monkeypatch.setattr(postgres, "connect", lambda address, _, ca_file: asked.append((address.sslmode, ca_file)) or 1 / 0)
    for variables in ({}, {"CA_FILE": str(ca)}):
        reports.variables |= variables
        reports.put_secret(host="db.example.com")
        with pytest.raises(ZeroDivisionError):
            reports.run()
    assert asked == [("require", None), ("verify-full", ca)]


def test_a_database_that_cannot_be_reached_says_what_to_check(reports, unused_port):
    reports.put_secret(host="127.0.0.1", port=unused_port.number)
    said = failure(reports, UnavailableError)
    assert said.startswith("The database cannot be reached: check the host")
    assert "127.0.0.1" not in said
    reports.put_secret(host="/nowhere")
    assert failure(reports, UnavailableError) == said


def test_a_user_that_is_refused_says_so(reports):
    reports.put_secret(host=reports.database.socket_folder, username="nobody")
    assert failure(reports) == NOT_LET_IN


def test_a_database_that_is_not_there_says_so(reports):
    reports.put_secret(host=reports.database.socket_folder, dbname="nothing")
    assert failure(reports) == NOT_LET_IN


def test_a_connection_that_breaks_in_the_middle_fails_the_report(reports):
    reports.variables["PAGE_ROWS"] = "1"
    reports.query = (
        "SELECT n AS id, CASE WHEN n = 3 THEN pg_terminate_backend(pg_backend_pid()) END FROM generate_series(1, 4) AS n"
    )
    failure(reports, HandlerError)
    assert reports.keys == []
    assert reports.row()["state"] == "FAILED"


def test_the_database_sees_who_asks(reports):
    reports.query = "SELECT 1 AS id, current_setting('application_name') AS name"
    reports.run()
    assert reports.rows[1] == ["1", "scheduled_report"]


def test_memory_does_not_grow_with_the_rows(reports):
    reports.variables |= {"PAGE_ROWS": "500"}
    reports.query = "SELECT n AS id, repeat('x', 20) AS text FROM generate_series(1, :count) AS n"

    def peak(count):
        reports.parameters = {"count": count}
        tracemalloc.start()
        with reports.source_of(reports.settings).open(Day(NOW.date(), UTC), Deadline(reports.context)) as table:
            assert sum(1 for _ in table.rows) == count
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1_000)  # what is loaded once
    assert peak(50_000) < 2 * peak(1_000), "the page that is read and the one before"
