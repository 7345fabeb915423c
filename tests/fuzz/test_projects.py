"""Broken project files: opened, drawn and made small, as the program does next, or refused with a sentence."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from editor.document.compose import flatten
from editor.document.contents import Exemplar, Item, Layer
from editor.document.document import Document, Metadata
from editor.document.fit_reference import FitReference
from editor.document.partition import Partition
from editor.document.thumbnails import document_thumbnail
from editor.document.tiles import Tiles
from editor.geometry import Placement, Rect, Size
from editor.io.project import load_project, read_thumbnail, save_project
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.edit_request import Subject
from editor.requests.results import Recipe
from tests.support.campaign import campaign, check
from tests.support.mutations import broken_bytes, json_text

pytestmark = pytest.mark.logs

CASES = 1400
OLD = Path(__file__).parents[1] / "editor" / "io" / "version_1.palimpsest"

Members = dict[str, bytes]


def _document() -> Document:
    """Something of everything that a project holds, small."""
    size = Size(150, 140)
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (*size.shape, 4), np.uint8)
    patch = random.random((20, 30), np.float32)
    empty = Tiles.filled((*size.shape, 4), 0, np.uint8).write(10, 10, noise[:30, :40])
    soft = Tiles.filled(size.shape, 0, np.float32).write(20, 20, patch)
    recipes = [
        Recipe(
            settings,
            "remove",
            Rect.at(5, 6, 30, 20),
            7,
            (Subject(1, Placement(50, 50)),),
            "words",
            "",
            "model",
            20,
            7.0,
            "euler",
            0.5,
        )
        for settings in (QuickFillSettings(), PixelsSettings(), BlendedSettings())
    ]
    layers = (
        Layer(1, "picture", Tiles.of(noise), 1.0, "normal", True, None, None, None),
        *(Layer(2 + i, "result", empty, 0.5, "multiply", True, recipe, 0.25, soft) for i, recipe in enumerate(recipes)),
    )
    item = Item(8, "thing", soft, Rect.at(20, 20, 30, 20), Placement(60, 50, 1.5, 1.2, 0.3), "a thing", True)
    exemplar = Exemplar.of("cat", noise[:40, :50], Placement(80, 70), id=9)
    about = Metadata(b"icc" * 50, b"Exif\0\0" + bytes(60), (72.0, 300.0))
    partition = Partition.of_masks(size, [(8, soft)])
    fit = FitReference.of(
        "key", "Method", frame=Rect(0, 0, 9, 9), pixels=noise[:9, :9], partition=partition, model="model", revision=1
    )
    return Document(
        size, layers, soft, soft, soft, soft, (item,), (exemplar,), 12, about, partition=partition, fits=(fit,)
    )


@cache
def examples() -> tuple[bytes, ...]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.palimpsest"
        save_project(path, _document())
        whole = path.read_bytes()
        save_project(path, Document.of_picture(np.full((20, 30, 4), 200, np.uint8)))
        return whole, path.read_bytes(), OLD.read_bytes()


def _members(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _archive(random: Random, members: Mapping[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def _broken_block(random: Random, packed: bytes) -> bytes:
    """Still packed, but for other numbers than before, or for more or fewer of them."""
    plain = zlib.decompress(packed)
    wild = struct.pack("<f", random.choice((float("nan"), float("inf"), -3.0, 5.0, 1e38, 1e-45)))
    return zlib.compress(
        random.choice(
            (
                broken_bytes(random, plain),
                random.randbytes(len(plain)),
                bytes([random.randrange(256)]) * len(plain),
                (wild * len(plain))[: len(plain)],
                plain + bytes(10**7),
                plain[:-1],
            )
        )
    )


def broken_project(random: Random) -> bytes:
    """An example broken as a file, as an archive, in its manifest or in a block."""
    data = random.choice(examples())
    level = random.random()
    if level < 0.25:
        return broken_bytes(random, data, examples())
    members = _members(data)
    if level < 0.7:
        members["manifest.json"] = json_text(random, json.loads(members["manifest.json"]))
    elif level < 0.9:
        name = random.choice([name for name in members if name.startswith("blocks/")])
        breaking = random.choice((broken_bytes, _broken_block))
        members[name] = breaking(random, members[name])
    else:
        name = random.choice(list(members))
        match random.randrange(4):
            case 0:
                del members[name]
            case 1:
                members[name] = random.choice((b"", bytes(10**7), random.randbytes(100)))
            case 2:
                members["../" + name] = members.pop(name)
            case 3:
                other = random.choice(list(members))
                members[name], members[other] = members[other], members[name]
    return _archive(random, members)


def _trial(random: Random) -> bool:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "broken.palimpsest"
        path.write_bytes(broken_project(random))
        small = read_thumbnail(path)
        assert small is None or max(small.shape[:2]) <= 512
        document = load_project(path)
        assert flatten(document).shape == (*document.size.shape, 4)
        document_thumbnail(document, 512)
        save_project(path, document)
        load_project(path)
    return True


def test_every_example_is_sound(tmp_path: Path) -> None:
    for data in examples():
        (tmp_path / "a.palimpsest").write_bytes(data)
        flatten(load_project(tmp_path / "a.palimpsest"))


def test_some_broken_projects() -> None:
    check("projects", campaign("projects", range(40), _trial))


@pytest.mark.slow
def test_many_broken_projects() -> None:
    check("projects", campaign("projects", range(CASES), _trial))
