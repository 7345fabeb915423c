"""From an opened Pillow image to (H, W, 4) uint8 pixels: decoded straight into place, colours and orientation brought into shape."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from editor.arrays import Pixels
from editor.io.exif import ORIENTATION, PREFIX, upright
from editor.io.missing import blank_missing

BITS_PER_SAMPLE, PHOTOMETRIC, PLANES, EXTRA_SAMPLES = 258, 262, 284, 338  # TIFF tags, and below what they may say
WHITE_IS_ZERO, RGB, TOGETHER, MULTIPLIED = 0, 2, 1, 1
PNG_DEPTH_AT, PNG_COLOUR_AT = 24, 25  # the header chunk always comes first, so its bytes stand at a fixed place

# What is done to the stored picture to see it upright, by EXIF orientation.
_TURNS: dict[int, Callable[[Pixels], object]] = {
    2: lambda pixels: cv2.flip(pixels, 1),
    3: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_180),
    4: lambda pixels: cv2.flip(pixels, 0),
    5: cv2.transpose,
    6: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE),
    7: lambda pixels: cv2.rotate(cv2.transpose(pixels), cv2.ROTATE_180),
    8: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """The stored pixels as they are meant to be seen. `orientation`: 1 to 8, as in EXIF."""
    turn = _TURNS.get(orientation)
    return pixels if turn is None else np.asarray(turn(pixels), np.uint8)


class Decoded(NamedTuple):
    """`pixels`: (H, W, 4), as stored, not turned. `icc`: the space they are in, None for sRGB or where nothing is said. `converted`: they were
    brought to sRGB from something else. `levels`: (H, W) of a grey picture, before its greys were converted; None where they were not.
    `notes`: what was changed on the way.
    """

    pixels: Pixels
    icc: bytes | None
    converted: bool
    levels: Pixels | None
    notes: list[str]


def decode(image: ImageFile, data: bytes, stored: tuple[int, int], icc: bytes | None) -> Decoded:
    """The picture of an opened file.

    stored: width and height before any turning
    icc: the profile that the file states

    Raises what Pillow raises for damaged data, and `NotImplementedError`, with words that follow the file's name, for what cannot be read.
    """
    own = icc is None or _profile_kind(icc) == b"RGB "
    notes: list[str] = []
    depth = _depth(image, data)
    if depth > 8:
        if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(PLANES, TOGETHER) != TOGETHER:
            raise NotImplementedError("keeps its 16-bit channels apart")  # Pillow and OpenCV would both mix them up
        notes.append(f"The file has {depth} bits per channel; they were reduced to 8.")
    deep_grey = depth == 16 and _is_grey_png(image, data)
    if image.mode in ("RGB", "RGBA") and not deep_grey:
        colours = _decode_deep(image, data, stored) if depth == 16 else None
        if colours is None:
            colours = _with_missing(image, data, _decode_in_place(image, stored), notes)
        return Decoded(colours, icc if own else None, converted=False, levels=None, notes=notes)
    # The memory is attached here as well, since Pillow warns about large TIFFs where it would do so itself.
    image.im = Image.new(image.mode, stored).im
    image.load()
    shown: Image.Image = image
    if image.mode.startswith("I;16") or (image.mode == "I" and depth == 16):
        shown = _rounded(image, depth)
    elif image.mode in ("I", "F"):
        raise NotImplementedError("has 32 bits per channel")
    elif deep_grey:  # with alpha, since Pillow takes it for colours
        shown = _deep_grey(data, stored) or image.convert("LA")
    levels: Pixels | None = None
    converted = False
    if icc is not None and not own:
        into = _to_srgb(shown, icc)
        if into is not None:
            notes.append("The colours were converted from the file's own profile to sRGB.")
            if shown.mode in ("L", "LA"):
                levels = np.array(shown.getchannel("L"))
        elif shown.mode == "CMYK":
            notes.append("The file's colour profile could not be used, so the colours are approximate.")
        shown, icc, converted = into or shown, None, True
    elif shown.mode == "CMYK":
        notes.append("The file holds printing colours without a profile, so the colours are approximate.")
        icc, converted = None, True
    elif shown.mode == "LAB":
        shown, icc, converted = _from_lab(shown), None, True
    pixels = _with_missing(image, data, np.array(shown.convert("RGBA")), notes)
    return Decoded(pixels, icc, converted, levels, notes)


def _with_missing(image: ImageFile, data: bytes, pixels: Pixels, notes: list[str]) -> Pixels:
    """The pixels, those that are not in the file transparent and said."""
    missing = blank_missing(image, data, pixels)
    if missing:
        notes.append(missing)
    return pixels


def _decode_in_place(image: ImageFile, stored: tuple[int, int]) -> Pixels:
    """An RGB or RGBA image, decoded straight into our own array.

    Pillow keeps RGB in four bytes per pixel, just as we do. Giving it our memory to decode into saves three copies of the whole
    picture, which together cost more than decoding a JPEG.
    """
    if "transparency" in image.info:  # a colour key, which only a conversion turns into alpha
        image.im = Image.new(image.mode, stored).im
        return np.array(image.convert("RGBA"))
    width, height = stored
    pixels = np.zeros((height, width, 4), np.uint8)
    layout = "RGBX" if image.mode == "RGB" else "RGBA"
    memory = Image.frombuffer(layout, stored, pixels, "raw", layout, 0, 1).im
    image.im = memory
    image.load()
    if image.im is not memory:  # some decoder brought its own memory after all
        return np.array(image.convert("RGBA"))
    if image.mode == "RGB" and image.format not in ("JPEG", "PNG"):
        pixels[..., 3] = 255  # other decoders leave in the fourth byte what the file had there
    return pixels


def _decode_deep(image: ImageFile, data: bytes, stored: tuple[int, int]) -> Pixels | None:
    """16-bit RGB or RGBA, rounded to 8 bits; Pillow would cut the lower byte off. None when OpenCV reads it differently."""
    multiplied = False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        said = image.tag_v2
        if said.get(PHOTOMETRIC) != RGB:
            return None
        multiplied = image.mode == "RGBA" and MULTIPLIED in said.get(EXTRA_SAMPLES, ())
        if said.get(ORIENTATION, 1) != 1:  # OpenCV would turn it, though not in all ways
            data = upright(data)[0][len(PREFIX) :]
    deep = _by_opencv(data, stored)
    if deep is None or (multiplied and deep.shape[2] != 4):
        return None
    if image.mode == "RGB":
        # OpenCV takes any fourth channel for alpha, also what the file calls something else.
        deep = deep[..., :3]
    key = image.info.get("transparency")
    if multiplied:
        alpha = np.maximum(deep[..., 3:], 1).astype(np.float32)
        deep[..., :3] = np.minimum(np.rint(deep[..., :3] * (65535 / alpha)), 65535)
    rounded = cv2.convertScaleAbs(deep, alpha=1 / 257)
    pixels = np.asarray(
        cv2.cvtColor(rounded, cv2.COLOR_BGR2RGBA if deep.shape[2] == 3 else cv2.COLOR_BGRA2RGBA), np.uint8
    )
    if isinstance(key, tuple) and image.mode == "RGB":
        pixels[(deep == np.array(key[::-1])).all(axis=2), 3] = 0
    return pixels


def _by_opencv(data: bytes, stored: tuple[int, int]) -> NDArray[np.uint16] | None:
    """(H, W, 3 or 4), BGR or BGRA; None where OpenCV sees something else in the file."""
    try:
        deep = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    width, height = stored
    if deep is None or deep.dtype != np.uint16 or deep.ndim != 3 or deep.shape[:2] != (height, width):
        return None
    return np.asarray(deep, np.uint16) if deep.shape[2] in (3, 4) else None


def _deep_grey(data: bytes, stored: tuple[int, int]) -> Image.Image | None:
    """16-bit grey with alpha, rounded to 8 bits."""
    deep = _by_opencv(data, stored)
    if deep is None or deep.shape[2] != 4:
        return None
    return Image.fromarray(np.ascontiguousarray(cv2.convertScaleAbs(deep, alpha=1 / 257)[..., 2:]), "LA")


def _rounded(image: ImageFile, depth: int) -> Image.Image:
    """Grey of more than 8 bits, as 8 bits."""
    # Converted first, since Pillow gives a TIFF the size that it has after turning, and arrays would be made of that.
    stored = np.asarray(image.convert("I"))
    levels = np.clip(stored, 0, 2**depth - 1).astype(np.uint16)
    grey = np.asarray(cv2.convertScaleAbs(levels, alpha=255 / (2**depth - 1)), np.uint8)
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        grey = 255 - grey
    key = image.info.get("transparency")
    if isinstance(key, int):
        return Image.fromarray(np.dstack([grey, np.where(stored == key, 0, 255).astype(np.uint8)]), "LA")
    return Image.fromarray(grey)


def _depth(image: ImageFile, data: bytes) -> int:
    """Bits per channel as stored."""
    if isinstance(image, PngImagePlugin.PngImageFile):
        return data[PNG_DEPTH_AT]
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(BITS_PER_SAMPLE, (8,))))
    return 8


def _is_grey_png(image: ImageFile, data: bytes) -> bool:
    return isinstance(image, PngImagePlugin.PngImageFile) and data[PNG_COLOUR_AT] in (0, 4)


def _profile_kind(icc: bytes) -> bytes:
    """The colour space of the numbers a profile describes: b"RGB ", b"GRAY", b"CMYK", …"""
    return icc[16:20]


def _to_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """The image in sRGB, alpha kept; None when the profile does not fit or is broken."""
    alpha = image.getchannel("A") if "A" in image.getbands() else None
    base = image if alpha is None else image.convert("L" if image.mode == "LA" else "RGB")
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    levels: Pixels | None = None
    if base.mode == "L":
        # Between greys Little CMS interpolates too coarsely in the darks; all there are, without its short cuts, take no time.
        flags |= ImageCms.Flags.NOOPTIMIZE
        levels, base = np.asarray(base), Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        converted = ImageCms.profileToProfile(
            base,
            profile,
            ImageCms.createProfile("sRGB"),
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            "RGB",
            flags=flags,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    if converted is not None and levels is not None:
        converted = Image.fromarray(np.asarray(converted)[0][levels])
    if converted is not None and alpha is not None:
        converted.putalpha(alpha)
    return converted


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if converted is None:
        raise NotImplementedError("is in Lab colours")
    return converted
