"""Documents from files and to files, as coroutines: nothing here blocks the window while a disk works."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from editor.document.colour import to_srgb
from editor.document.compose import flatten
from editor.document.document import Document, Metadata
from editor.document.thumbnails import document_thumbnail
from editor.errors import EditorError
from editor.io.encoding import ExportOptions
from editor.io.images import Picture, begins_picture, begins_project, read_image, write_image
from editor.io.manifest import SETTINGS, SettingsClasses
from editor.io.project import SUFFIX, open_project, save_project
from editor.io.safe_json import read_start

log = logging.getLogger(__name__)

THUMBNAIL = 320  # pixels along the longer side


async def open_document(path: Path, settings: SettingsClasses = SETTINGS) -> tuple[Document, tuple[str, ...]]:
    """The document in a project or picture file, and what the person should know about the reading. Raises `UnreadableFile`.

    settings: settings classes of methods, as in `editor.io.manifest.rebuild`
    """
    return await asyncio.to_thread(read_document, path, settings)


def read_document(path: Path, settings: SettingsClasses = SETTINGS) -> tuple[Document, tuple[str, ...]]:
    """The same, here and now."""
    if is_project(path):
        return open_project(path, settings)
    picture = read_image(path)
    return document_of(picture), picture.notes


def document_of(picture: Picture) -> Document:
    return Document.of_picture(picture.pixels, metadata=picture.metadata)


async def save_document(path: Path, document: Document) -> None:
    """Write a project file. Raises `UnwritableFile`; an earlier file is then still there."""
    await asyncio.to_thread(save_project, path, document)


async def export_picture(path: Path, document: Document, options: ExportOptions | None = None) -> tuple[str, ...]:
    """Write the picture as seen; returns what the person should know. Raises `UnwritableFile`; an earlier file is then still there."""
    how = options or ExportOptions()
    return await asyncio.to_thread(lambda: write_image(path, flatten(document), document.metadata, how))


def is_project(path: Path) -> bool:
    """Whether the file is to be opened as a project: its content decides, and its name where that says nothing."""
    try:
        head = read_start(path, 100)
    except (OSError, ValueError):  # what can be no file's name is a ValueError
        head = b""
    return not begins_picture(head[:16]) and (path.suffix.lower() == SUFFIX or begins_project(head))


class Thumbnails:
    """Small pictures of documents that were open, kept in `folder` under a hash of their path. What fails only costs the thumbnail."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: Path) -> NDArray[np.uint8] | None:
        """(h, w, 4) uint8 straight alpha; None when there is none."""
        file = self._file(path)
        if not file.is_file():
            return None
        try:
            picture = read_image(file)
            return to_srgb(picture.pixels, picture.metadata.icc)
        except EditorError as error:
            log.info("No thumbnail for %s: %s", path, error)
            return None

    def write(self, path: Path, document: Document) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_image(self._file(path), document_thumbnail(document, THUMBNAIL), Metadata())
        except (OSError, EditorError) as error:
            log.info("No thumbnail for %s: %s", path, error)

    def _file(self, path: Path) -> Path:
        return self._folder / f"{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:24]}.png"
