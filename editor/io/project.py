"""Project files: a `.palimpsest` is a zip with a manifest, the blocks that hold anything, and a small preview.

| member | holds |
|---|---|
| `manifest.json` | format, version, and all of the document but its pixels (`editor.io.manifest`) |
| `blocks/0`, `blocks/1`, … | one block of pixels or of a map, as `editor.io.planes` packs it; equal blocks are kept once |
| `icc`, `exif`, `xmp`, `iptc` | as in `Metadata`, if there |
| `texts` | comment and texts of `Metadata` as JSON, if there |
| `thumbnail.png` | the flattened picture, at most 512 pixels |
| any other | of another version; kept as it is, within limits |

A plane in the manifest is one `Tiles`: shape, type, and for every block its number, -1 where nothing was ever written. Members are
never unpacked to a path, and never read further than their known size.

The manifest names the version that wrote it and the oldest that it `needs`. Whoever is older refuses it. Whoever is not keeps what it does not know:
settings, methods, fields of the document and of its parts, files. So a version may add these without raising what is needed, as long as
a document still looks and works right without them, and names all planes that it adds as `{"plane": number}`. It must raise it for a new word where
there were fixed ones (a blend mode, a sampler), for wider limits, and for whatever changes what a field means.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editor.document.document import Document
from editor.document.thumbnails import document_thumbnail
from editor.document.tiles import BLOCK
from editor.errors import UnreadableFile, UnwritableFile
from editor.io.fields import Fields, Malformed
from editor.io.files import opened, written_beside
from editor.io.images import MAX_PIXELS, MAX_SIDE, read_image
from editor.io.limits import MAX_FILES, MAX_FILES_SIZE, Mending
from editor.io.manifest import SETTINGS, SettingsClasses, describe, rebuild, size_of
from editor.io.metadata import EXTRAS, pack_extras
from editor.io.planes import MAX_UNPACKED, Planes, Shelf, member, pack, threads
from editor.io.safe_json import BadJson, parse_json

SUFFIX: Final = ".palimpsest"
FORMAT: Final = "palimpsest"
VERSION: Final = 6
NEEDS: Final = 6

HEAD: Final[dict[str, Any]] = {"format": FORMAT, "version": VERSION, "needs": NEEDS, "block": BLOCK}

# A relative name of plain characters, in at most two folders.
_OTHER_FILE: Final = re.compile(r"(?!.*\.\.)([A-Za-z0-9_][A-Za-z0-9_. -]{0,99}/){0,2}[A-Za-z0-9_][A-Za-z0-9_. -]{0,99}")

THUMBNAIL = 512
MAX_MANIFEST = 64 * 2**20
MAX_EXTRA = 64 * 2**20  # of ICC, EXIF and the like, and of the thumbnail


class NewerFormat(Exception):
    """A document that only a newer version of the program can read, of this format."""

    def __init__(self, version: int) -> None:
        super().__init__(f"format {version}")
        self.version = version


# What `zipfile`, `zlib` and `json` say when the bytes make no sense; `Malformed` is a `ValueError`.
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, EOFError, ValueError, OverflowError)


def save_project(path: Path, document: Document) -> None:
    """Write the document to `path`, beside and renamed. Raises `UnwritableFile`; what stood there is then unchanged."""
    shelf = Shelf()
    described = describe(document, shelf)
    if shelf.size > MAX_UNPACKED:
        raise UnwritableFile(
            f"“{path.name}” would hold more than {MAX_UNPACKED // 2**30} GB of pixels. Nothing was written.",
            "Delete or merge layers, then save again.",
        )
    manifest = {**HEAD, **described, "planes": shelf.planes}
    with (
        written_beside(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
        ThreadPoolExecutor(threads()) as pool,
    ):
        archive.writestr("manifest.json", json.dumps(manifest, allow_nan=False), zipfile.ZIP_DEFLATED)
        archive.writestr("thumbnail.png", _thumbnail(document))
        for name, extra in pack_extras(document.metadata).items():
            archive.writestr(name, extra)
        for name, data in document.files:
            archive.writestr(name, data, zipfile.ZIP_DEFLATED)
        for i, packed in enumerate(pool.map(pack, shelf.blocks)):
            archive.writestr(f"blocks/{i}", packed)


def load_project(path: Path, settings: SettingsClasses = SETTINGS) -> Document:
    """The document of a project file, exactly as it was saved. Raises `UnreadableFile`.

    settings: settings classes of the methods that there are, by the names that recipes have for them; those of others are kept unread
    """
    return open_project(path, settings)[0]


def open_project(path: Path, settings: SettingsClasses = SETTINGS) -> tuple[Document, tuple[str, ...]]:
    """The same, and what the person should know: what had to be mended. Raises `UnreadableFile`."""
    mending, version = Mending(), VERSION
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            manifest = _manifest(archive, path)
            version = Fields(manifest, "the project").whole("version")
            return _read(archive, manifest, mending, settings), mending.notes
    except NewerFormat as error:
        raise _newer(path, error.version) from error
    except MemoryError as error:
        raise UnreadableFile(
            f"“{path.name}” does not fit into memory.", "Close other pictures or programs, then open it again."
        ) from error
    except Malformed as error:
        raise (_newer(path, version) if version > VERSION else _damaged(path, str(error))) from error
    except _DAMAGED as error:
        if not _starts_like_zip(path):
            raise UnreadableFile(
                f"“{path.name}” is not a Palimpsest project.", "Open a picture, or a file that ends in .palimpsest."
            ) from error
        raise _damaged(path, "parts of it are missing or wrong") from error


def _read(archive: zipfile.ZipFile, manifest: dict[str, Any], mending: Mending, settings: SettingsClasses) -> Document:
    fields = Fields(manifest, "the project")
    size = size_of(fields)
    if min(size) < 1 or size.area > MAX_PIXELS or max(size) > MAX_SIDE:
        raise Malformed(f"it says it has {size.width} × {size.height} pixels")
    planes = Planes(fields, lambda number, most: member(archive, f"blocks/{number}", most))
    extras = {name: _extra(archive, name, mending) for name in EXTRAS if name in archive.NameToInfo}
    return rebuild(fields, planes, extras, mending, files=_unknown_files(archive, mending), settings=settings)


def _unknown_files(archive: zipfile.ZipFile, mending: Mending) -> tuple[tuple[str, bytes], ...]:
    """Files that another version put there, by name. Those whose name could lead out of a folder are nobody's and left out."""
    infos = [info for name, info in archive.NameToInfo.items() if is_other_file(name)]
    if len(infos) > MAX_FILES or sum(info.file_size for info in infos) > MAX_FILES_SIZE:
        mending.too_much = True
        return ()
    return tuple(sorted((info.filename, member(archive, info.filename, info.file_size)) for info in infos))


def is_other_file(name: str) -> bool:
    """Whether a file of this name is kept, though this version has none of that name."""
    known = name in ("manifest.json", "thumbnail.png", *EXTRAS) or name.startswith("blocks/")
    return not known and _OTHER_FILE.fullmatch(name) is not None


def _extra(archive: zipfile.ZipFile, name: str, mending: Mending) -> bytes | None:
    """What a project keeps of the information about its picture. Only the colour profile is worth refusing the whole for: without it all
    colours would be wrong.
    """
    try:
        return member(archive, name, MAX_EXTRA)
    except _DAMAGED:
        if name == "icc":
            raise
        mending.lost.append(name if name == "texts" else name.upper())
        return None


def read_thumbnail(path: Path) -> NDArray[np.uint8] | None:
    """(h, w, 4) uint8 of at most 512 pixels, or None when the file has none or cannot be read."""
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            data = member(archive, "thumbnail.png", MAX_EXTRA)
        return read_image(data, path.name, most_pixels=THUMBNAIL * THUMBNAIL).pixels
    except (UnreadableFile, *_DAMAGED):
        return None


def _manifest(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """The manifest, brought up to this version."""
    if "manifest.json" not in archive.NameToInfo:
        raise UnreadableFile(f"“{path.name}” is an archive, but not a Palimpsest project.", "Choose another file.")
    try:
        manifest = parse_json(member(archive, "manifest.json", MAX_MANIFEST), MAX_MANIFEST, names=True)
    except BadJson as error:
        raise Malformed(f"its manifest {error}") from error
    fields = Fields(manifest, "the project")
    if not fields.has("format") or fields.text("format") != FORMAT:
        raise UnreadableFile(f"“{path.name}” is an archive, but not a Palimpsest project.", "Choose another file.")
    return upgraded(fields, manifest)


def upgraded(fields: Fields, manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest that `fields` read, brought up to this version; a newer one that this version can read, as it is.

    Raises `Malformed`, and `NewerFormat` for one that it cannot.
    """
    refuse_newer(fields)
    for older in range(fields.whole("version"), VERSION):
        if older not in MIGRATIONS:
            raise fields.wrong("version")
        manifest = MIGRATIONS[older](manifest)
    return manifest


def refuse_newer(fields: Fields) -> None:
    """Raises `NewerFormat` for a manifest that needs a newer version than this one."""
    version = fields.whole("version")
    if (fields.whole("needs") if fields.has("needs") else version) > VERSION:
        raise NewerFormat(version)


def _thumbnail(document: Document) -> bytes:
    """A PNG of the flattened picture."""
    encoded = io.BytesIO()
    Image.fromarray(document_thumbnail(document, THUMBNAIL)).save(encoded, "PNG", compress_level=3)
    return encoded.getvalue()


def _starts_like_zip(path: Path) -> bool:
    with opened(path) as file:
        return file.read(2) == b"PK"


def _newer(path: Path, version: int) -> UnreadableFile:
    return UnreadableFile(
        f"“{path.name}” was saved by a newer version of Palimpsest (format {version}).",
        "Update Palimpsest, then open it again.",
    )


def _damaged(path: Path, detail: str) -> UnreadableFile:
    return UnreadableFile(
        f"“{path.name}” is damaged: {detail}.", "Open an earlier copy of it, or copy it from its source again."
    )


# Older manifests, brought up to the next version. They come from files, so nothing about them is taken for granted.


def with_models(manifest: dict[str, Any]) -> dict[str, Any]:
    """From version 1 to 2, which knows methods with a model: exemplars have a fidelity, recipes a sampler and an overall strength.

    Version 1 did not keep the overall strength of a recipe; 1 is what it was unless somebody moved the slider. Raises `Malformed`.
    """
    fields = Fields(manifest, "the project")
    for name in ("layers", "exemplars"):
        fields.groups(name)  # otherwise not a list of groups
    exemplars = [
        {**exemplar, "fidelity_map": None, "fidelity": 0.0, "rim": None, "prompt_weight": 1.0}
        for exemplar in manifest["exemplars"]
    ]
    layers = [
        {
            **layer,
            "recipe": {**layer["recipe"], "sampler": "", "strength": 1.0}
            if isinstance(layer.get("recipe"), dict)
            else layer.get("recipe"),
            "painted": None,
        }
        for layer in manifest["layers"]
    ]
    return {**manifest, "exemplars": exemplars, "layers": layers}


def with_revisions(manifest: dict[str, Any]) -> dict[str, Any]:
    """From version 4 to 5, whose recipes say by which rules they were made: those of version 4 by the first. Raises `Malformed`."""
    Fields(manifest, "the project").groups("layers")  # otherwise not a list of groups
    layers = [
        {**layer, "recipe": {**layer["recipe"], "revision": 1}} if isinstance(layer.get("recipe"), dict) else layer
        for layer in manifest["layers"]
    ]
    return {**manifest, "layers": layers}


# From a version to the next: takes the older manifest, gives the newer one. 3 only knows one method more in recipes, which 2 calls damaged; 4 says
# which edit is being run again, whose layers 3 would leave hidden; 5 by which rules a recipe was made, which 4 would run again by its own, and has
# layers that stay inside what lies below, which 4 would show whole; 6 may have a partition, and keeps what it does not know.
MIGRATIONS: Final[dict[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    1: with_models,
    2: dict,
    3: dict,
    4: with_revisions,
    5: dict,
}
