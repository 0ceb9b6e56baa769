"""AWS on loopback, for benchmarks: a process that answers each call as AWS does at the HTTP level, and keeps almost nothing.

The emulator answers a few hundred calls a second and holds what it is given: it would be what is measured. Answers that are
made in the measured process would count as its time and its memory. So calls go over a socket, through all of boto3, to a
process of their own. What is missing is what AWS adds: the way there, TLS, throttling, signatures, conditions that are checked.
"""

import argparse
import asyncio
import collections
import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_COUNTS = "/-/calls"
_PIECE = 256 * 1024
_SET = re.compile(r"(#?\w+) = (?:if_not_exists\([^)]*\) \+ )?(:\w+)")
_OBJECT_CALLS = {"GET": "GetObject", "PUT": "PutObject"}
_XML = {
    "Publish": "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>",
    "CreateMultipartUpload": "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>",
    "CompleteMultipartUpload": '<CompleteMultipartUploadResult><ETag>"0"</ETag></CompleteMultipartUploadResult>',
}


@dataclass(frozen=True)
class Loopback:
    """The process, as benchmarks see it.

    Args:
        port: Where it listens.
    """

    port: int

    @classmethod
    def of_environment(cls) -> Self:
        """The one that the environment variables of this process lead to."""
        return cls(urlsplit(os.environ["AWS_ENDPOINT_URL"]).port or 0)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that lead boto3 here."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
        }

    def calls(self) -> dict[str, int]:
        """How often each call was made since this was asked last."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port)) as connection:
            connection.request("GET", _COUNTS)
            counts: dict[str, int] = json.load(connection.getresponse())
        return counts


@contextlib.contextmanager
def loopback(folder: Path, secret: str = "") -> Iterator[Loopback]:
    """Start the process; it ends with the context.

    Args:
        folder: Its objects: ``GetObject`` of any bucket reads the file with the name of the key. What is put goes nowhere.
        secret: What is in each secret.
    """
    command = [sys.executable, "-P", __file__, str(folder), "--secret", secret]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Loopback(int(process.stdout.readline()) if process.stdout else 0)
        finally:
            process.terminate()


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def operation(self) -> str:
        if target := self.headers.get("x-amz-target"):
            return target.rpartition(".")[2]
        query = urlsplit(self.path).query
        if self.method == "POST":
            if self.path == "/":
                return parse_qs(self.body.decode())["Action"][0]
            return "CreateMultipartUpload" if query.startswith("uploads") else "CompleteMultipartUpload"
        return "UploadPart" if "partNumber" in query else _OBJECT_CALLS[self.method]


class _Aws:
    def __init__(self, folder: Path, secret: str) -> None:
        self._folder = folder
        self._secret = secret
        self._items: dict[str, dict[str, Any]] = {}
        self._calls: collections.Counter[str] = collections.Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await _read(reader, writer)
                if request.path == _COUNTS:
                    await _write(writer, json.dumps(self._calls).encode())
                    self._calls.clear()
                    continue
                self._calls[request.operation] += 1
                if request.operation == "GetObject":
                    await self._send_object(request, writer)
                else:
                    await _write(writer, self._answer(request))
        writer.close()

    async def _send_object(self, request: _Request, writer: asyncio.StreamWriter) -> None:
        file = self._folder / Path(urlsplit(request.path).path).name
        _write_head(writer, file.stat().st_size)
        with file.open("rb") as content:
            while piece := content.read(_PIECE):
                writer.write(piece)
                await writer.drain()

    def _answer(self, request: _Request) -> bytes:
        operation = request.operation
        if operation in _XML:
            return _XML[operation].encode()
        if operation == "UpdateItem":
            return json.dumps({"Attributes": self._updated(json.loads(request.body))}).encode()
        if operation == "GetSecretValue":
            return json.dumps({"SecretString": self._secret}).encode()
        return b"{}" if "x-amz-target" in request.headers else b""

    def _updated(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The item after its update, whatever the condition says: nobody else is here."""
        item = self._items.setdefault(json.dumps(asked["Key"]), dict(asked["Key"]))
        names = asked.get("ExpressionAttributeNames", {})
        for name, value in _SET.findall(asked["UpdateExpression"]):
            item[names.get(name, name)] = asked["ExpressionAttributeValues"][value]
        return item


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Request:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, path, _ = first.split(" ")
    if "expect" in headers:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return _Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


def _write_head(writer: asyncio.StreamWriter, size: int) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nETag: "0"\r\nx-amz-version-id: 1\r\nContent-Length: %d\r\n\r\n' % size)


async def _write(writer: asyncio.StreamWriter, body: bytes) -> None:
    _write_head(writer, len(body))
    writer.write(body)
    await writer.drain()


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--secret", default="")
    arguments = parser.parse_args()
    server = await asyncio.start_server(_Aws(arguments.folder, arguments.secret).serve, "127.0.0.1", 0, limit=_PIECE)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
