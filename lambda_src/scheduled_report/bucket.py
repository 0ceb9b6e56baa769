"""The report's files in the bucket: ``s3:PutObject``, ``AbortMultipartUpload``, and ``GetObject`` for who follows a link.

A file is there whole or not at all: parts become an object only when the upload is completed.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import boto3
from botocore.config import Config

from shared.observability import best_effort

#: S3 takes parts of 5 MiB and more, and 10,000 of them.
PART_BYTES = 8 * 1024 * 1024

_CHECKSUM = "CRC32"


def _config() -> Config:
    # The link must name the bucket's own region: the global address sends it elsewhere, and the signature breaks on the way.
    style: Literal["auto", "virtual"] = "auto" if os.environ.get("AWS_ENDPOINT_URL") else "virtual"
    return Config(
        signature_version="s3v4",
        connect_timeout=2,
        read_timeout=15,
        retries={"mode": "standard", "total_max_attempts": 3},
        s3={"addressing_style": style},
    )


class S3Client(Protocol):
    """The calls that are made."""

    def put_object(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Write an object at once."""

    def create_multipart_upload(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Begin to write one in parts."""

    def upload_part(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Send a part."""

    def complete_multipart_upload(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Make the parts an object."""

    def abort_multipart_upload(self, **parameters: Any) -> Any:  # noqa: ANN401  boto3's own
        """Throw the parts away."""

    def generate_presigned_url(self, operation: str, **parameters: Any) -> str:  # noqa: ANN401  boto3's own
        """Sign a link; no call."""


class Upload:
    """A file on its way into the bucket: in one piece if it is small, else in parts.

    Args:
        client: The client to use.
        target: The bucket and the key.
        headers: What the object is.
    """

    def __init__(self, client: S3Client, target: dict[str, Any], headers: dict[str, str]) -> None:
        self._client = client
        self._target = target
        self._headers = headers
        self._waiting = bytearray()
        self._parts: list[dict[str, Any]] = []
        self._upload: dict[str, str] = {}
        self.size = 0

    def write(self, content: bytes) -> None:
        """Send it, once there is enough for a part."""
        self._waiting += content
        self.size += len(content)
        if len(self._waiting) >= PART_BYTES:
            self._send()

    def complete(self) -> None:
        """Make it an object."""
        if not self._upload:
            self._client.put_object(**self._target, **self._headers, Body=bytes(self._waiting), ChecksumAlgorithm=_CHECKSUM)
            return
        if self._waiting:
            self._send()
        self._client.complete_multipart_upload(**self._target, **self._upload, MultipartUpload={"Parts": self._parts})
        self._upload = {}

    def abandon(self) -> None:
        """Leave nothing of it. If that fails, the bucket's lifecycle rule takes the parts away."""
        if self._upload:
            with best_effort("upload not aborted"):  # it must not hide why the run ends
                self._client.abort_multipart_upload(**self._target, **self._upload)

    def _send(self) -> None:
        if not self._upload:
            begun = self._client.create_multipart_upload(**self._target, **self._headers, ChecksumAlgorithm=_CHECKSUM)
            self._upload = {"UploadId": begun["UploadId"]}
        number = len(self._parts) + 1
        sent = self._client.upload_part(
            **self._target, **self._upload, PartNumber=number, Body=bytes(self._waiting), ChecksumAlgorithm=_CHECKSUM
        )
        self._waiting.clear()
        checksum = f"Checksum{_CHECKSUM}"
        known = {checksum: sent[checksum]} if checksum in sent else {}
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"], **known})


class ReportBucket:
    """The bucket of the reports.

    Args:
        name: Its name.
        client: The client to use. Default: a new one.
    """

    def __init__(self, name: str, client: S3Client | None = None) -> None:
        self._name = name
        self._client: S3Client = client or boto3.client("s3", config=_config())

    @contextmanager
    def upload(self, key: str, content_type: str, disposition: str) -> Iterator[Upload]:
        """A file to write; what is not completed when the context ends is thrown away."""
        target = {"Bucket": self._name, "Key": key}
        upload = Upload(self._client, target, {"ContentType": content_type, "ContentDisposition": disposition})
        try:
            yield upload
        finally:
            upload.abandon()

    def link(self, key: str, seconds: int) -> str:
        """A link to a file that works for so long, without any other right, and no longer than the function's credentials."""
        parameters = {"Bucket": self._name, "Key": key}
        return self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)
