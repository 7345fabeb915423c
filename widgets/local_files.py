"""Files of this machine and their addresses. Qt writes names as text; names that are bytes and no text survive only percent-encoded."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from PySide6.QtCore import QUrl


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
