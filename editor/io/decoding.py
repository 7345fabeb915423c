"""From an opened Pillow image to (H, W, 4) uint8 pixels: decoded straight into place, colours and orientation brought into shape."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from editor.io.exif import ORIENTATION
from editor.io.missing import blank_missing

Pixels = NDArray[np.uint8]

BITS_PER_SAMPLE, PHOTOMETRIC, PLANES, EXTRA_SAMPLES = 258, 262, 284, 338  # TIFF tags, and below what they may say
WHITE_IS_ZERO, RGB, TOGETHER, MULTIPLIED = 0, 2, 1, 1
PNG_DEPTH_AT = 24  # the header chunk always comes first, so its depth byte stands at a fixed place

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


def decode(image: ImageFile, data: bytes, stored: tuple[int, int]) -> tuple[Pixels, bytes | None, list[str]]:
    """The pixels as stored (not turned), the colour profile they are in (None: sRGB), and what was changed on the way.

    `stored`: width and height before any turning. Raises what Pillow raises for damaged data, and `NotImplementedError`, with
    words that follow the file's name, for what cannot be read.
    """
    icc: bytes | None = image.info.get("icc_profile") or None
    own = icc is None or _profile_kind(icc) == b"RGB "
    notes: list[str] = []
    depth = _depth(image, data)
    if depth > 8:
        if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(PLANES, TOGETHER) != TOGETHER:
            raise NotImplementedError("keeps its 16-bit channels apart")  # Pillow and OpenCV would both mix them up
        notes.append(f"The file has {depth} bits per channel; they were reduced to 8.")
    if image.mode in ("RGB", "RGBA"):
        found = _decode_deep(image, data, stored) if depth == 16 and _plain(image) else None
        if found is None:
            found = _with_missing(image, data, _decode_in_place(image, stored), notes)
        return found, icc if own else None, notes
    # The memory is attached here as well, since Pillow warns about large TIFFs where it would do so itself.
    image.im = Image.new(image.mode, stored).im
    image.load()
    shown: Image.Image = image
    if image.mode.startswith("I;16") or (image.mode == "I" and depth == 16):
        shown = _rounded(image, depth)
    elif image.mode in ("I", "F"):
        raise NotImplementedError("has 32 bits per channel")
    if icc is not None and not own:
        converted = _to_srgb(shown, icc)
        if converted is not None:
            notes.append("The colours were converted from the file's own profile to sRGB.")
        elif shown.mode == "CMYK":
            notes.append("The file's colour profile could not be used, so the colours are approximate.")
        shown, icc = converted or shown, None
    elif shown.mode == "CMYK":
        notes.append("The file holds printing colours without a profile, so the colours are approximate.")
        icc = None
    elif shown.mode == "LAB":
        shown, icc = _from_lab(shown), None
    return _with_missing(image, data, np.array(shown.convert("RGBA")), notes), icc, notes


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
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    width, height = stored
    if found is None or found.dtype != np.uint16 or found.ndim != 3 or found.shape[:2] != (height, width):
        return None
    if image.mode == "RGB":  # OpenCV takes any fourth channel for alpha, also what the file calls something else
        found = found[..., :3]
    rounded = cv2.convertScaleAbs(found, alpha=1 / 257)
    return np.asarray(
        cv2.cvtColor(rounded, cv2.COLOR_BGR2RGBA if found.shape[2] == 3 else cv2.COLOR_BGRA2RGBA), np.uint8
    )


def _rounded(image: ImageFile, depth: int) -> Image.Image:
    """Grey of more than 8 bits, as 8 bits."""
    levels = np.clip(np.asarray(image), 0, 2**depth - 1).astype(np.uint16)
    grey = cv2.convertScaleAbs(levels, alpha=255 / (2**depth - 1))
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        grey = 255 - grey
    return Image.fromarray(np.asarray(grey, np.uint8))


def _depth(image: ImageFile, data: bytes) -> int:
    """Bits per channel as stored."""
    if isinstance(image, PngImagePlugin.PngImageFile):
        return data[PNG_DEPTH_AT]
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(BITS_PER_SAMPLE, (8,))))
    return 8


def _plain(image: ImageFile) -> bool:
    """Whether OpenCV reads it as it is meant: no colour key, and a TIFF neither turned nor multiplied by alpha."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        said = image.tag_v2
        return (
            said.get(ORIENTATION, 1) == 1
            and said.get(PHOTOMETRIC) == RGB
            and MULTIPLIED not in said.get(EXTRA_SAMPLES, ())
        )
    return "transparency" not in image.info


def _profile_kind(icc: bytes) -> bytes:
    """The colour space of the numbers a profile describes: b"RGB ", b"GRAY", b"CMYK", …"""
    return icc[16:20]


def _to_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """The image in sRGB, alpha kept; None when the profile does not fit or is broken."""
    alpha = image.getchannel("A") if "A" in image.getbands() else None
    base = image if alpha is None else image.convert("L" if image.mode == "LA" else "RGB")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        found = ImageCms.profileToProfile(base, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    if found is not None and alpha is not None:
        found.putalpha(alpha)
    return found


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    found = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if found is None:
        raise NotImplementedError("is in Lab colours")
    return found
