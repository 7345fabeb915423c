"""Reading and writing pictures: PNG, JPEG, WebP, TIFF, with their colour profile, EXIF and resolution kept.

A picture whose colour profile is not sRGB keeps its numbers and its profile: it is edited in its own colour space, and the profile goes
back into the file that is written, so that nothing is lost to a conversion nobody asked for. Only what cannot stay as it is (printing
colours, grey and Lab profiles, profiles that only lead one way, HDR) is converted to sRGB, and said so.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from editor.document import colour
from editor.document.document import Metadata
from editor.errors import UnreadableFile, UnwritableFile
from editor.io.decoding import decode, turned
from editor.io.encoding import BROKEN_EXIF, ExportOptions, encode, sensible_dpi
from editor.io.exif import ORIENTATION, PREFIX, upright
from editor.io.files import opened, written_beside
from editor.io.limits import MAX_BYTES_OF
from editor.io.metadata import DAMAGED, information
from editor.io.png_texts import without_texts
from editor.io.safe_json import read_start
from editor.io.stated import stated_by_exif, stated_space

MAX_PIXELS = 400_000_000
# Decoders keep an address for every row, and everything here a block for each 128: a strip one pixel wide takes far more than its pixels.
MAX_SIDE = 200_000
MAX_BYTES = 4 * 2**30


class Kind(NamedTuple):
    """A kind of picture file. `suffixes` with their dot, the usual one first; `quality`: whether it asks for one."""

    name: str
    suffixes: tuple[str, ...]
    quality: bool = False


EXPORT_KINDS = (
    Kind("PNG", (".png",)),
    Kind("JPEG", (".jpg", ".jpeg"), quality=True),
    Kind("WebP", (".webp",), quality=True),
    Kind("TIFF", (".tif", ".tiff")),
)
READ_KINDS = (
    Kind("PNG", (".png", ".apng")),
    Kind("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")),
    Kind("WebP", (".webp",)),
    Kind("TIFF", (".tif", ".tiff")),
)

# Kinds people drop that are not read, so that the sentence can name them.
_OTHER_PICTURES = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"8BPS", "a Photoshop file"),
)
_OTHERS = (
    *_OTHER_PICTURES,
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "an archive"),
    (b"<", "a web page or a drawing"),
)
_DESCRIPTIVE_TAGS = (
    0x010E,
    0x010F,
    0x0110,
    0x0131,
    0x0132,
    0x013B,
    0x8298,
)  # what, made by, model, program, when, who, rights
_EXIF_AND_GPS = (0x8769, 0x8825)
_SAVE_PLAINLY = "Save it as an ordinary TIFF or PNG of 8 or 16 bits per channel in the program it came from."
# A decoder goes over the whole picture for each; programs write about ten.
_MAX_SCANS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture as read. `pixels`: (H, W, 4) uint8, straight alpha, read-only, upright; sRGB unless `metadata.icc` says otherwise.

    `notes`: what a person should know about the reading, each a sentence ("16 bits per channel were reduced to 8"). `levels`: (H, W) uint8, the
    greys of a grey picture as the file has them, where they are not those of the pixels; for masks, in which a number is no colour.
    """

    pixels: NDArray[np.uint8]
    name: str
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()
    levels: NDArray[np.uint8] | None = None


def read_image(source: Path | bytes, name: str = "", *, most_pixels: int = MAX_PIXELS) -> Picture:
    """The first picture of a file, or of a file's bytes. What it is, its content decides, not its name.

    `name`: what to call it; by default the file's name without its ending. Raises `UnreadableFile`.
    """
    called = name or (source.name if isinstance(source, Path) else "The picture")
    data = _contents(source) if isinstance(source, Path) else source
    image = _with_header(data, called)
    orientation = 1
    stored = image.size
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        orientation = image.tag_v2.get(ORIENTATION, 1)
        if orientation in (5, 6, 7, 8):  # Pillow already tells the size after turning
            stored = stored[1], stored[0]
    check_size(stored, called, most_pixels)
    stated = stated_space(image, data)
    exif, broken = None, False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # A TIFF's directory is read before its pixels, everyone else's EXIF after them, since it may stand behind.
        try:
            exif = _tiff_exif(image)
        except DAMAGED:
            broken = True
    try:
        pixels, icc, converted, levels, notes = decode(image, data, stored, stated.icc)
    except NotImplementedError as error:
        raise UnreadableFile(f"“{called}” {error}, which Palimpsest cannot read.", _SAVE_PLAINLY) from error
    except MemoryError as error:
        raise UnreadableFile(
            f"“{called}” ({stored[0]} × {stored[1]}) does not fit into memory.",
            "Close other pictures or programs, then open it again.",
        ) from error
    except DAMAGED as error:
        raise _damaged(called) from error
    if broken:
        notes.append(BROKEN_EXIF)
    known, lost = information(image, data)
    notes += lost
    block = image.info.get("exif") or known.exif
    if exif is None and block:
        exif, orientation = upright(block if block.startswith(PREFIX) else PREFIX + block)
    if exif is not None and len(exif) > MAX_BYTES_OF["exif"]:
        exif = None
        notes.append("The camera's data (EXIF) is far too long and was left out.")
    if not stated.said and not converted and exif is not None:
        icc = stated_by_exif(exif).icc
    if stated.note:
        notes.append(stated.note)
    if icc is not None and len(icc) > MAX_BYTES_OF["icc"]:
        icc = None
        notes.append("The colour profile is far too long and was left out.")
    if icc is not None and (stated.only_read or not colour.can_be_edited_in(icc)):
        if colour.can_be_read(icc):
            pixels = colour.to_srgb(pixels, icc)
            notes.append("The colours were converted from the file's own profile to sRGB.")
        else:
            notes.append("The file's colour profile is broken, so its colours are taken for sRGB.")
        icc = None
    pixels = turned(pixels, orientation)
    pixels.setflags(write=False)
    levels = None if levels is None else turned(levels, orientation)
    dpi = sensible_dpi(image.info.get("dpi"))
    if dpi is not None and orientation in (5, 6, 7, 8):
        dpi = dpi[1], dpi[0]
    if getattr(image, "is_animated", False):
        notes.append("The file holds several pictures; the first was opened.")
    title = name or (source.stem if isinstance(source, Path) else "Picture")
    return Picture(pixels, title, replace(known, icc=icc, exif=exif, dpi=dpi), tuple(notes), levels)


def write_image(
    path: Path,
    pixels: NDArray[np.uint8],
    metadata: Metadata,
    options: ExportOptions = ExportOptions(),  # noqa: B008  it is a value
) -> tuple[str, ...]:
    """Write (H, W, 4) uint8 straight alpha; the ending of `path` chooses the kind, one of `EXPORT_KINDS`.

    Returns what could not be kept, each a sentence. Written beside and renamed. Raises `UnwritableFile`.
    """
    data, notes = encode(pixels, metadata, export_kind(path), options)
    with written_beside(path) as file:
        file.write(data)
    return notes


def export_kind(path: Path) -> str:
    """The name of the kind that the ending of `path` asks for. Raises `UnwritableFile` for any other ending."""
    for kind in EXPORT_KINDS:
        if path.suffix.lower() in kind.suffixes:
            return kind.name
    endings = ", ".join(kind.suffixes[0] for kind in EXPORT_KINDS)
    raise UnwritableFile(
        f"Palimpsest does not know what kind of picture “{path.name}” is to become.",
        f"Choose a name that ends in {endings}.",
    )


def check_size(size: tuple[int, int], called: str, most_pixels: int = MAX_PIXELS) -> None:
    """Raises `UnreadableFile` for more pixels than are opened. `size`: width and height; `called`: what the picture is called."""
    if size[0] * size[1] > most_pixels or max(size) > MAX_SIDE:
        raise _too_large(called, size)


def begins_picture(head: bytes) -> bool:
    """Whether a file that begins with `head`, 16 bytes of it, is of a kind that is read here."""
    return _plugin(head) is not None


def begins_project(head: bytes) -> bool:
    """Whether a file that begins with `head`, 100 bytes of it, is a project of ours."""
    return head.startswith(b"PK") and b"manifest.json" in head


def may_be_picture(path: Path) -> bool:
    """Whether there is any use in reading the file as a picture: by its content it is one, also of kinds that are not read here, or by its name."""
    try:
        head = read_start(path, 16)  # a pipe would keep the window waiting
    except (OSError, ValueError):  # what can be no file's name is a ValueError
        head = b""
    other = any(head.startswith(start) for start, _ in _OTHER_PICTURES) or head[4:8] == b"ftyp"
    named = any(path.suffix.lower() in kind.suffixes for kind in READ_KINDS)
    return begins_picture(head) or other or named


def _contents(path: Path) -> bytes:
    with opened(path) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UnreadableFile(f"“{path.name}” is larger than 4 GB.", "Save it smaller in the program it came from.")
    return data


def _with_header(data: bytes, called: str) -> ImageFile:
    """The header read, the pixels not yet.

    The decoders are called by themselves and not through `Image.open`, whose guard against oversized pictures can only be set for the
    whole program at once.
    """
    plugin = _plugin(data[:16])
    if plugin is None:
        raise _unknown(data, called)
    try:
        image = plugin(io.BytesIO(without_texts(data)))
    except Image.DecompressionBombError as error:
        raise UnreadableFile(
            f"“{called}” is too large to open.", "Make it smaller in the program it came from."
        ) from error
    except DAMAGED as error:
        if plugin is TiffImagePlugin.TiffImageFile:
            what = f"“{called}” is damaged or incomplete, or a kind of TIFF that Palimpsest cannot read."
            raise UnreadableFile(what, _SAVE_PLAINLY) from error
        raise _damaged(called) from error
    if min(image.size) < 1 or (plugin is JpegImagePlugin.JpegImageFile and data.count(b"\xff\xda") > _MAX_SCANS):
        raise _damaged(called)
    return image


def _plugin(head: bytes) -> type[ImageFile] | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImagePlugin.PngImageFile
    if head.startswith(b"\xff\xd8\xff"):
        return JpegImagePlugin.JpegImageFile
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return TiffImagePlugin.TiffImageFile
    return None


def _tiff_exif(image: TiffImagePlugin.TiffImageFile) -> bytes | None:
    """A TIFF is one big EXIF directory; only what describes the picture is taken over, not how it was stored."""
    exif = image.getexif()
    exif.pop(ORIENTATION, None)  # also keeps Pillow from turning the picture when it is loaded
    kept = Image.Exif()
    for tag in _DESCRIPTIVE_TAGS:
        if tag in exif:
            kept[tag] = exif[tag]
    for tag in _EXIF_AND_GPS:
        directory = exif.get_ifd(tag)
        if directory:
            kept[tag] = directory
    return kept.tobytes() if len(kept) else None


def _unknown(data: bytes, called: str) -> UnreadableFile:
    if not data:
        return UnreadableFile(f"“{called}” is empty.", "Copy or download it again.")
    what = next((f"is {what}" for start, what in _OTHERS if data.lstrip()[:8].startswith(start)), "is not a picture")
    if data[4:8] == b"ftyp":
        what = "is a HEIC, an AVIF or a film"
    if begins_project(data[:100]):
        return UnreadableFile(
            f"“{called}” is a Palimpsest project, and not a picture.", "Open it, export the picture, and take that."
        )
    return UnreadableFile(
        f"“{called}” {what}; Palimpsest opens PNG, JPEG, WebP and TIFF.", "Save it as one of these, then open it again."
    )


def _damaged(called: str) -> UnreadableFile:
    return UnreadableFile(f"“{called}” is damaged or incomplete.", "Copy or download it again.")


def _too_large(called: str, size: tuple[int, int]) -> UnreadableFile:
    return UnreadableFile(
        f"“{called}” says it has {size[0]} × {size[1]} pixels; Palimpsest opens up to {MAX_PIXELS // 10**6} megapixels, "
        f"and sides of up to {MAX_SIDE} pixels.",
        "Make it smaller in the program it came from, or check where it came from.",
    )
