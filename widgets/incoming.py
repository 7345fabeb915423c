"""MIME data of pictures that were dropped or copied: which of it counts, and how images that Qt holds become ours.

What is a picture, content decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QColorSpace, QImage

from editor.document import colour
from editor.document.document import Metadata
from editor.io.images import Picture, check_size, may_be_picture
from widgets.dragged import files_of
from widgets.qimage import from_qimage

_BYTES = ("image/png", "image/jpeg", "image/webp", "image/tiff")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a picture comes from: a file, a file's bytes, or an image that Qt holds already. `name`: what to call it."""

    name: str
    file: Path | bytes | None = None
    image: QImage | None = None


def pictures_of(data: QMimeData) -> list[Path]:
    """The files in it that are pictures, or say that they are: whoever reads one of these says what is wrong with it."""
    return [path for path in files_of(data) if may_be_picture(path)]


def source_of(data: QMimeData | None, name: str = "Picture") -> Source | None:
    """The first picture in it; None when there is none. `name`: what to call one that comes without a name."""
    if data is None:
        return None
    files = pictures_of(data)
    if files:
        return Source(files[0].name, files[0])
    # Whoever drags a picture out of a browser gives its address as well: the only name there is.
    name = next((url.fileName() for url in data.urls() if url.fileName()), name)
    # A file's bytes say more than what Qt makes of them: colours, transparency, how it lies.
    for kind in _BYTES:
        if data.hasFormat(kind):
            return Source(name, bytes(data.data(kind).data()))
    if data.hasImage():
        image = data.imageData()
        if isinstance(image, QImage) and not image.isNull():
            return Source(name, image=image)
    return None


def picture_of(image: QImage, name: str) -> Picture:
    """An image that Qt holds as a picture, its colour space with it. Raises `UnreadableFile` for one that is too large."""
    check_size((image.width(), image.height()), name)
    space = image.colorSpace()
    icc: bytes | None = None
    if space.isValid() and space != QColorSpace(QColorSpace.NamedColorSpace.SRgb):
        icc = bytes(space.iccProfile().data()) or None
        if icc is None or not colour.can_be_edited_in(icc):  # greys, printing colours
            image, icc = image.convertedToColorSpace(QColorSpace(QColorSpace.NamedColorSpace.SRgb)), None
    pixels = from_qimage(image)
    pixels.setflags(write=False)
    return Picture(pixels, name, Metadata(icc))
