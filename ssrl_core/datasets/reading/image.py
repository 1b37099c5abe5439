"""One image file (PNG, JPEG, TIFF or STK, BMP, WebP, PPM; 8 or 16 bit) as an array; several sizes as one square.

Alpha is laid over black, palettes become colours, and a photograph is turned as its camera says.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ssrl_core.datasets.reading import tiff
from ssrl_core.datasets.reading.ome import Said
from ssrl_core.datasets.reading.scale import as_numbers, kind_of
from ssrl_core.datasets.reading.tiff import PLAIN, Sight
from ssrl_core.datasets.reading.understanding import Reading
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".stk", ".ppm", ".pgm")
MAX_PIXELS = 100_000_000
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM")
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_PNG_COLOURED, _PNG_GREY_ALPHA, _PNG_COLOURS = 2, 4, (2, 4, 6)  # colour types: RGB, grey + alpha, RGB + alpha


@dataclass(frozen=True)
class Facts:
    """What the head of an image file says.

    Attributes:
        said: of its channels, () where nothing.
        kind: of its numbers (see `scale.kind_of`).
        named: what its pages are (see `tiff.Head`).
        turned, alpha: whether it says that it lies on its side or its head, and that it has alpha.
    """

    pages: int
    channels: int
    height: int
    width: int
    kind: str = "bytes"
    said: Said = ()
    named: str = ""
    turned: bool = False
    alpha: bool = False

    @property
    def sixteen(self) -> bool:
        """Whether its numbers are more than bytes."""
        return self.kind != "bytes"


def is_image(name: str) -> bool:
    """Whether the file's name says that it is an image of a kind that is read."""
    return name.lower().endswith(SUFFIXES)


def facts(file: BinaryIO, sight: Sight = PLAIN) -> Facts:
    """Size, channels and depth, from the head of the file where that is possible.

    Raises:
        DataError: it is no image, or a huge one; the message is the reason, without the file's name.
    """
    with _explained():
        head = _head(file)
        if tiff.is_tiff(head):
            told = tiff.head_of(file, sight)
            return Facts(*told.shape, kind_of(told.dtype), told.said, told.pages, told.turned, told.alpha)
        if is_deep_png(head):
            width, height = _deep_size(head)
            alpha = head[25] != _PNG_COLOURED
            channels = (1 if head[25] == _PNG_GREY_ALPHA else 3) + (alpha and sight.alpha == "channel")
            return Facts(1, channels, height, width, "deep", alpha=alpha)
        with _opened(file) as image:
            width, height = image.size
            tag = image.getexif().get(0x0112, 1)
            if tag in tiff.SWAPPED and sight.turned:
                width, height = height, width
            kind = "deep" if image.mode.startswith(("I", "F")) else "bytes"
            alpha = _has_alpha(image)
            channels = _channels(image) + (alpha and sight.alpha == "channel")
            return Facts(1, channels, height, width, kind, turned=tag in range(2, 9), alpha=alpha)


def decode(file: BinaryIO) -> Array:
    """(pages, C, H, W) uint8 or uint16, on a scale of its own. Raises what `numbers` raises."""
    return tiff.as_pixels(numbers(file))


def numbers(file: BinaryIO, sight: Sight = PLAIN) -> Array:
    """The pixels as the file has them.

    Returns:
        (pages, C, H, W) numbers of any type.

    Raises:
        DataError: it cannot be read; the message is the reason, without the file's name.
    """
    with _explained():
        head = _head(file)
        if tiff.is_tiff(head):
            return tiff.decode(file, sight)
        if is_deep_png(head):
            _deep_size(head)
            return _deep_pixels(file.read(), sight)[None]
        with _opened(file) as image:
            if sight.turned:
                ImageOps.exif_transpose(image, in_place=True)  # else it copies what lies upright already
            return _pixels(image, sight)[None]


def is_deep_png(head: bytes) -> bool:
    """Whether a file that starts like this is a PNG of 16 bits with colours or alpha, which Pillow reads with 8."""
    named = head[:8] == _PNG_HEAD and head[12:16] == b"IHDR" and len(head) >= 29
    return named and head[24] == 16 and head[25] in _PNG_COLOURS


def _deep_size(head: bytes) -> tuple[int, int]:
    """Width and height that a PNG's head says, checked before memory is taken for them."""
    width, height = struct.unpack(">II", head[16:24])
    _check_size(width, height)
    return width, height


def _deep_pixels(data: bytes, sight: Sight) -> Array:
    """(C, H, W) uint16 of such a PNG."""
    from imagecodecs import png_decode

    pixels = np.moveaxis(png_decode(data), -1, 0)
    return pixels if len(pixels) % 2 else tiff.without_alpha(pixels[None], tiff.NOT_LAID, sight)[0]


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info


def _pixels(image: Image.Image, sight: Sight) -> Array:
    """(C, H, W) uint8 or uint16 of an opened image."""
    if image.mode.startswith(("I", "F")):
        return as_numbers(np.asarray(image))[None]
    grey = _channels(image) == 1
    if _has_alpha(image):
        over = image.convert("RGBA")
        if sight.alpha == "channel":
            return np.moveaxis(np.asarray(over), -1, 0)[[0, 3] if grey else slice(None)]
        if sight.alpha in ("black", "white"):
            flat = Image.new("RGBA", over.size, sight.alpha)
            flat.alpha_composite(over)
            over = flat
        image = over.convert("RGB")
    array = np.asarray(image.convert("L" if grey and image.mode != "P" else "RGB"))
    if array.ndim == 2:
        return array[None]
    return array[None, :, :, 0] if grey else np.moveaxis(array, -1, 0)


def _channels(image: Image.Image) -> int:
    if image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16"):
        return 1
    if image.mode in ("P", "PA"):
        palette = np.array(image.getpalette("RGB") or [0, 0, 0]).reshape(-1, 3)
        return 1 if np.all(palette == palette[:, :1]) else 3
    return 3


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    head = file.read(64)
    file.seek(0)
    if not head:
        raise DataError("the file is empty")
    return head


def _opened(file: BinaryIO) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sizes are checked here; Pillow would warn and go on
        image = Image.open(file, formats=_FORMATS)
    _check_size(*image.size)
    return image


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{width}×{height} pixels are too many for one image; cut it into pieces of at most 100 megapixels"
        )


class _explained:
    """Turns what the decoders raise into a reason that a person understands."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, DataError):
            return
        if isinstance(error, UnidentifiedImageError):
            raise DataError("its content is not an image (PNG, JPEG, TIFF, BMP or WebP)") from error
        if isinstance(error, MemoryError | RecursionError):
            return
        if isinstance(error, Exception):  # decoders raise almost anything on damaged files
            raise DataError(f"the image is damaged ({_first_line(error)})") from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:160]


DEFAULT_SIZE = 224
_LARGE = 16_000_000


def all_fitted(reading: Reading, size: int | None, way: str) -> Reading:
    """A reading whose images agree in size, brought to the side that was asked for."""
    if size is not None:
        sample = reading.sample
        reading.pixels = _each(reading.pixels, size, way)
        reading.sample = lambda rows, whole: sample(rows, whole) if whole else _sampled(sample(rows, whole), size, way)
        reading.understood.notes.append(f"fitted to {size} px ({way})")
    return reading


def _sampled(read: tuple[list[int], list[Array]], side: int, way: str) -> tuple[list[int], list[Array]]:
    return read[0], [fitted(image, side, way) for image in read[1]]


def _each(chunks: Iterable[Array], side: int, way: str) -> Iterator[Array]:
    for chunk in chunks:
        if chunk.shape[2:] == (side, side):
            yield chunk
        else:
            yield np.stack([fitted(image, side, way) for image in chunk])


def fitted(image: Array, side: int, way: str) -> Array:
    """One image as a square.

    Args:
        image: (C, H, W) uint8 or uint16.
        way: crop (the short side becomes `side`, the middle is kept), pad (the long side does, 0 around), stretch.

    Returns:
        (C, side, side) of the same type, resized by an antialiased triangle filter.
    """
    _, height, width = image.shape
    if way == "stretch":
        return _resized(image, side, side)
    ratio = side / (min if way == "crop" else max)(height, width)
    new_h, new_w = max(1, round(height * ratio)), max(1, round(width * ratio))
    if way == "crop":
        top, left = (new_h - side) // 2, (new_w - side) // 2
        if new_h * new_w > _LARGE:  # a line of pixels: only what is kept of it is made
            down, right = height / new_h, width / new_w
            return _resized(image, side, side, (left * right, top * down, (left + side) * right, (top + side) * down))
        return _resized(image, new_h, new_w)[:, top : top + side, left : left + side]
    scaled = _resized(image, new_h, new_w)
    out = np.zeros((image.shape[0], side, side), image.dtype)
    top, left = (side - new_h) // 2, (side - new_w) // 2
    out[:, top : top + new_h, left : left + new_w] = scaled
    return out


def _resized(image: Array, height: int, width: int, box: tuple[float, float, float, float] | None = None) -> Array:
    """(C, height, width) of the whole image, or of a box of it (left, top, right, bottom)."""
    if image.shape[1:] == (height, width):
        return image
    top = np.iinfo(image.dtype).max
    channels = [
        Image.fromarray(channel.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR, box)
        for channel in image
    ]
    result: Array = np.clip(np.rint(np.stack([np.asarray(c) for c in channels])), 0, top).astype(image.dtype)
    return result
