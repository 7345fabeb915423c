"""What is dropped or copied from elsewhere, as MIME data: which of it are pictures or files of this machine, and how images that Qt holds become
ours.

What is a picture, content decides. Qt gives no data at all when the other program has gone away, and writes names as text: names that are
bytes and no text survive only percent-encoded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from PySide6.QtCore import QMimeData, QUrl
from PySide6.QtGui import QColorSpace, QGuiApplication, QImage

from editor.document import colour
from editor.document.document import Metadata
from editor.io.images import Picture, check_size, may_be_picture
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


def on_clipboard() -> QMimeData | None:
    """What was copied last."""
    return QGuiApplication.clipboard().mimeData()


def files_of(data: QMimeData | None) -> list[Path]:
    """The files of this machine in it."""
    urls = [] if data is None else data.urls()
    return [path for url in urls if (path := local_path(url)) is not None]


def local_path(url: QUrl) -> Path | None:
    """The file that the address is of; None where it is of none on this machine."""
    if not url.isLocalFile():
        return None
    if os.name == "nt" or url.host():  # a drive, or a share
        return Path(url.toLocalFile())
    name = unquote_to_bytes(url.path(QUrl.ComponentFormattingOption.FullyEncoded))
    return Path(os.fsdecode(name)) if name else None


def url_of(path: Path) -> QUrl:
    """The address of a file."""
    if os.name == "nt":
        return QUrl.fromLocalFile(str(path))
    return QUrl.fromEncoded(b"file://" + quote_from_bytes(os.fsencode(path.absolute())).encode())
