"""What a file may be that is worked."""

from __future__ import annotations

from dataclasses import dataclass, field

from aws_cdk import Size

from serverless_patterns._blocks.checks import check_between, check_type


@dataclass(frozen=True, kw_only=True)
class FileLimits:
    """What a file may be; one over a limit is rejected with that reason, before or while it is read.

    Args:
        object_size: Bytes as stored, at most 5 TiB. Default 5 GiB.
        decompressed_size: Bytes after gzip. Default 5 GiB: a bomb of a few KB can be petabytes.
        rows: Of CSV and JSON Lines, 1 to 100,000,000. Default 1,000,000.
        pixels: Of an image, 1 to 200,000,000. Default 50,000,000.
        thumbnail: The longest side of a thumbnail, 16 to 4,096 pixels. Default 256.

    Raises:
        PatternError: A value is outside its range.
    """

    object_size: Size = field(default_factory=lambda: Size.gibibytes(5))
    decompressed_size: Size = field(default_factory=lambda: Size.gibibytes(5))
    rows: int = 1_000_000
    pixels: int = 50_000_000
    thumbnail: int = 256

    def __post_init__(self) -> None:
        """Check the ranges: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html."""
        for name in ("object_size", "decompressed_size"):
            check_type(name, getattr(self, name), Size, "a size such as Size.gibibytes(1)")
            check_between(name, getattr(self, name).to_bytes(), 1, Size.tebibytes(5).to_bytes(), " bytes")
        for name, least, most in (("rows", 1, 100_000_000), ("pixels", 1, 200_000_000), ("thumbnail", 16, 4_096)):
            check_type(name, getattr(self, name), int, "a whole number")
            check_between(name, getattr(self, name), least, most)
