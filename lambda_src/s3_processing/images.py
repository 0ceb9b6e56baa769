"""Images: what they are, and a small copy. Nothing is decoded before its size is known to be allowed.

Pillow is imported here only, and this module only where there is an image: it takes longer than the rest of a cold start.
"""

import io
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Any

from PIL import Image

from s3_processing.api import Rejected
from s3_processing.models import presentable

#: The largest file of an image. Pillow goes back and forth in it, so it is kept whole: in memory, or on disk if it is large.
MOST_BYTES = 100 * 1024 * 1024
_MOST_BYTES_IN_MEMORY = 8 * 1024 * 1024

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
_QUALITY = 85

_ORIENTATION = 0x0112

#: What of an image's own notes is kept: never where it was taken, by whom, or with which copy of a camera.
_TAGS = {0x010F: "make", 0x0110: "model", _ORIENTATION: "orientation", 0x0132: "changed_at"}
_LONGEST_NOTE = 100

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SCALABLE = {"RGB", "RGBA", "L", "LA", "CMYK", "YCbCr"}

_BROKEN = "the image is broken or cut off"


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small copy of an image, without any of its notes.

    Args:
        content: The file.
        content_type: What it is.
        ending: What its name ends with.
    """

    content: bytes
    content_type: str
    ending: str


def worked(pieces: Iterable[bytes], most_pixels: int, thumbnail_pixels: int) -> tuple[dict[str, Any], Thumbnail]:
    """What there is to know about an image, and its thumbnail.

    Raises:
        Rejected: It is too large, broken or cut off.
    """
    with tempfile.SpooledTemporaryFile(_MOST_BYTES_IN_MEMORY) as file:
        _keep(pieces, file)
        try:
            return _read(file, most_pixels, thumbnail_pixels)
        except MemoryError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            msg = f"the image has more than {most_pixels} pixels"
            raise Rejected(msg) from None
        except Exception:  # noqa: BLE001  Pillow fails with whatever a broken file leads it to
            raise Rejected(_BROKEN) from None


def _keep(pieces: Iterable[bytes], file: IO[bytes]) -> None:
    for piece in pieces:
        if file.tell() + len(piece) > MOST_BYTES:
            msg = f"the image has more than {MOST_BYTES} bytes"
            raise Rejected(msg)
        file.write(piece)
    file.seek(0)


def _read(file: IO[bytes], most_pixels: int, thumbnail_pixels: int) -> tuple[dict[str, Any], Thumbnail]:
    Image.MAX_IMAGE_PIXELS = most_pixels  # Pillow looks at it when it has read the header, and again for each frame
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file, formats=_FORMATS) as image:
            details = {
                "format": image.format or "",
                "width": image.width,
                "height": image.height,
                "mode": image.mode,
                "exif": _notes(image),
            }
            return details, _thumbnail(image, thumbnail_pixels)


def _notes(image: Image.Image) -> dict[str, Any]:
    exif = image.getexif()
    notes = {name: exif[tag] for tag, name in _TAGS.items() if tag in exif}
    texts = {name: presentable(note).strip("? ")[:_LONGEST_NOTE] for name, note in notes.items() if isinstance(note, str)}
    numbers = {name: note for name, note in notes.items() if isinstance(note, int)}
    return {**texts, **numbers}


def _thumbnail(image: Image.Image, pixels: int) -> Thumbnail:
    """Decode the first frame, and turn its small copy as its notes say."""
    has_alpha = image.has_transparency_data
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    mode = "RGBA" if has_alpha else "RGB"
    # What can be made small as it is gets converted after that: a large image in memory twice would be too much.
    large = image if image.mode in _SCALABLE else image.convert("L" if image.mode[0] in "IF" else mode)
    large.thumbnail((pixels, pixels))
    small = large.convert(mode)
    return _saved(small if turn is None else small.transpose(turn), "PNG" if has_alpha else "JPEG")


def _saved(image: Image.Image, format_name: str) -> Thumbnail:
    plain = Image.new(image.mode, image.size)  # the copy takes pixels only: no notes, no comment, no profile
    plain.paste(image)
    file = io.BytesIO()
    plain.save(file, format=format_name, quality=_QUALITY)
    ending = {"PNG": ".png", "JPEG": ".jpg"}[format_name]
    return Thumbnail(file.getvalue(), Image.MIME[format_name], ending)
