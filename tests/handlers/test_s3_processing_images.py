"""Images: real ones, made here, and some that would hurt."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from s3_processing import images
from tests.handlers.s3_client import Intake

LAMBDA_SOURCE = Path(__file__).parents[2] / "lambda_src"


def image_of(format_name: str, mode: str = "RGB", size: tuple[int, int] = (600, 300), **options: Any) -> bytes:
    file = io.BytesIO()
    colour = {1: 200, 2: (200, 128), 3: (200, 30, 30), 4: (200, 30, 30, 128)}[len(Image.new(mode, (1, 1)).getbands())]
    Image.new(mode, size, colour).save(file, format=format_name, **options)
    return file.getvalue()


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def thumbnail_of(intake: Intake, key: str) -> Image.Image:
    return opened(intake.made(intake.status(key)["thumbnail_key"]))


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_an_image_has_its_metadata_in_its_status_and_a_thumbnail_in_the_output_bucket(intake: Intake, format_name: str) -> None:
    intake.work("in/photo", image_of(format_name))
    status = intake.status("in/photo")
    assert (status["state"], status["kind"]) == ("PROCESSED", "image")
    details = status["details"]
    assert (details["format"], details["width"], details["height"]) == (format_name, 600, 300)
    assert status["thumbnail_key"].startswith("thumbnails/in/photo@")
    assert thumbnail_of(intake, "in/photo").size == (256, 128)


@pytest.mark.parametrize(
    ("format_name", "mode", "ending"),
    [
        ("PNG", "RGB", ".jpg"),
        ("PNG", "RGBA", ".png"),
        ("PNG", "LA", ".png"),
        ("PNG", "P", ".jpg"),
        ("PNG", "L", ".jpg"),
        ("PNG", "1", ".jpg"),
        ("PNG", "I;16", ".jpg"),
        ("JPEG", "CMYK", ".jpg"),
        ("JPEG", "L", ".jpg"),
        ("TIFF", "F", ".jpg"),
        ("TIFF", "I", ".jpg"),
        ("WEBP", "RGBA", ".png"),
    ],
)
def test_an_image_of_any_mode_has_a_thumbnail_that_keeps_what_is_transparent(
    intake: Intake, format_name: str, mode: str, ending: str
) -> None:
    intake.work("photo", image_of(format_name, mode))
    assert intake.verdict("photo") == ("PROCESSED", None)
    assert intake.status("photo")["thumbnail_key"].endswith(ending)
    assert thumbnail_of(intake, "photo").size == (256, 128)


def test_a_thumbnail_is_as_large_as_it_was_asked_for_and_never_larger_than_the_image(intake: Intake) -> None:
    intake.variables["THUMBNAIL_PIXELS"] = "100"
    intake.work("large", image_of("PNG"))
    intake.work("small", image_of("PNG", size=(30, 20)))
    assert (thumbnail_of(intake, "large").size, thumbnail_of(intake, "small").size) == ((100, 50), (30, 20))


@pytest.mark.parametrize(("orientation", "size"), [(1, (256, 128)), (3, (256, 128)), (6, (128, 256)), (8, (128, 256))])
def test_a_thumbnail_is_turned_as_the_camera_was(intake: Intake, orientation: int, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    left = Image.new("RGB", (600, 300))
    left.paste((255, 255, 255), (0, 0, 300, 300))
    file = io.BytesIO()
    left.save(file, format="JPEG", exif=exif)
    intake.work("photo.jpg", file.getvalue())
    thumbnail = thumbnail_of(intake, "photo.jpg").convert("L")
    assert thumbnail.size == size
    bright = {1: (5, 60), 3: (250, 60), 6: (60, 5), 8: (60, 250)}[orientation]
    assert thumbnail.getpixel(bright) > 200
    assert thumbnail.getpixel((size[0] - 1 - bright[0], size[1] - 1 - bright[1])) < 60


def noted_image() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = "Camera & Co\nInc", "C-1", "2026:01:02 03:04:05"
    exif[0x013B], exif[0x8298] = "Alice Example", "secret-copyright"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    exif.get_ifd(0x8825)[1] = "N"
    return image_of("JPEG", exif=exif, comment=b"secret-comment")


def test_of_the_notes_in_an_image_a_few_are_kept_and_never_where_or_by_whom_it_was_taken(intake: Intake) -> None:
    intake.work("photo.jpg", noted_image())
    assert intake.status("photo.jpg")["details"]["exif"] == {
        "make": "Camera & Co?Inc",
        "model": "C-1",
        "changed_at": "2026:01:02 03:04:05",
    }


def test_a_thumbnail_has_no_notes_at_all(intake: Intake) -> None:
    intake.work("photo.jpg", noted_image())
    thumbnail = intake.made(intake.status("photo.jpg")["thumbnail_key"])
    assert not opened(thumbnail).getexif()
    for note in (b"secret", b"Alice", b"C-1", b"Exif"):
        assert note not in thumbnail


def png_that_says(width: int, height: int) -> bytes:
    """The header of a PNG of this size, and hardly anything else."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(50_001, 1_000), (30_000, 30_000), (1, 50_000_001)])
def test_an_image_of_too_many_pixels_is_rejected_before_it_is_decoded(
    intake: Intake, monkeypatch: pytest.MonkeyPatch, width: int, height: int
) -> None:
    monkeypatch.setattr(Image.core, "new", lambda *_: pytest.fail("memory was taken for it"))
    monkeypatch.setattr(Image.core, "fill", lambda *_: pytest.fail("memory was taken for it"))
    intake.work("bomb.png", png_that_says(width, height))
    assert intake.verdict("bomb.png") == ("REJECTED", "the image has more than 50000000 pixels")


def test_the_limit_of_pixels_can_be_set(intake: Intake) -> None:
    intake.variables["MAX_PIXELS"] = "180000"
    intake.work("fits.png", image_of("PNG"))
    intake.work("more.png", image_of("PNG", size=(601, 300)))
    assert (intake.status("fits.png")["state"], intake.status("more.png")["state"]) == ("PROCESSED", "REJECTED")


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_an_image_that_is_cut_off_is_rejected(intake: Intake, format_name: str) -> None:
    whole = image_of(format_name)
    intake.work("photo", whole[: len(whole) // 2])
    assert intake.verdict("photo") == ("REJECTED", "the image is broken or cut off")


@pytest.mark.parametrize(
    "body", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff" + b"x" * 100, b"GIF89a" + b"\xff" * 50, b"II*\0" + b"\xff" * 50]
)
def test_what_only_begins_like_an_image_is_rejected(intake: Intake, body: bytes) -> None:
    intake.work("photo.png", body)
    assert intake.verdict("photo.png") == ("REJECTED", "the image is broken or cut off")


def test_a_file_that_is_too_large_for_an_image_is_rejected(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MOST_BYTES", 1000)
    intake.work("photo.bmp", image_of("BMP"))
    assert intake.verdict("photo.bmp") == ("REJECTED", "the image has more than 1000 bytes")


def test_an_image_of_another_format_than_is_said_is_what_it_is(intake: Intake) -> None:
    intake.work("data.csv", image_of("PNG"), "text/csv")
    assert (intake.status("data.csv")["kind"], intake.status("data.csv")["details"]["format"]) == ("image", "PNG")


def test_pillow_is_imported_for_images_only() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(LAMBDA_SOURCE)!r}); import s3_processing.handler; print('PIL' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "False"


def test_memory_that_runs_out_is_no_fault_of_the_image(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(images, "_thumbnail", no_memory)
    assert len(intake.work("photo.png", image_of("PNG"))) == 1
    assert intake.status("photo.png")["state"] == "RECEIVED"
