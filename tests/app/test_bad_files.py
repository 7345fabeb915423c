"""Files that are broken, hostile or too new, and a disk that fills up, met through the window: one sentence each, nothing lost."""

from __future__ import annotations

import errno
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt

import resources
from app.documents import read_document
from editor.document.compose import flatten
from editor.document.contents import Item
from editor.document.document import Document
from editor.geometry import Placement
from editor.io import files
from editor.io.project import save_project
from tests.app.conftest import Tell
from tests.support.program import Desk
from tests.support.waiting import until
from widgets.session.notice import Notice


def png_promising(width: int, height: int) -> bytes:
    """A few bytes that say they are a picture of this size."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0), b"IDAT" + zlib.compress(b""), b"IEND")
    parts = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def half_a_photo() -> bytes:
    with resources.photo("flower.jpg") as path:
        whole = path.read_bytes()
    return whole[: len(whole) // 2]


def gif() -> bytes:
    data = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(data, "GIF")
    return data.getvalue()


def small_project(path: Path) -> dict[str, bytes]:
    """The members of a good project."""
    save_project(path, Document.of_picture(np.full((20, 30, 4), 200, np.uint8)))
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def with_manifest(path: Path, **changes: object) -> bytes:
    members = small_project(path)
    manifest = json.loads(members["manifest.json"]) | changes
    return zipped(members | {"manifest.json": json.dumps(manifest).encode()})


Make = Callable[[Path], bytes]
BAD: dict[str, tuple[str, Make, str]] = {
    "truncated picture": ("photo.jpg", lambda _: half_a_photo(), "damaged or incomplete"),
    "decompression bomb": ("bomb.png", lambda _: png_promising(100_000, 100_000), "100000 × 100000"),
    "empty picture": ("nothing.png", lambda _: b"", "is empty"),
    "a GIF that says it is a JPEG": ("moving.jpg", lambda _: gif(), "is a GIF"),
    "text that says it is a picture": ("letter.png", lambda _: b"Dear all,", "is not a picture"),
    "empty project": ("nothing.palimpsest", lambda _: b"", "not a Palimpsest project"),
    "a picture that says it is a project": ("photo.palimpsest", lambda _: half_a_photo(), "damaged"),
    "truncated project": ("cut.palimpsest", lambda path: zipped(small_project(path))[:-60], "damaged"),
    "another archive": ("other.palimpsest", lambda _: zipped({"letter.txt": b"Dear all,"}), "not a Palimpsest project"),
    "project without its pixels": (
        "holes.palimpsest",
        lambda path: zipped({k: v for k, v in small_project(path).items() if not k.startswith("blocks/")}),
        "damaged",
    ),
    "project of an absurd size": (
        "large.palimpsest",
        lambda path: with_manifest(path, size=[10**6, 10**6]),
        "1000000 × 1000000",
    ),
    "project with a path for a name": (
        "hostile.palimpsest",
        lambda path: zipped({"../../outside.txt": b"gotcha", **with_broken_blocks(path)}),
        "damaged",
    ),
    "project from the future": (
        "newer.palimpsest",
        lambda path: with_manifest(path, version=99, needs=99),
        "newer version",
    ),
}


def with_broken_blocks(path: Path) -> dict[str, bytes]:
    return {name: b"x" if name.startswith("blocks/") else data for name, data in small_project(path).items()}


@pytest.mark.parametrize("many", [3, 12])
@pytest.mark.logs
def test_many_refusals_are_all_said(tell: Tell, photo: Path, tmp_path: Path, many: int) -> None:
    bad = [tmp_path / f"letter {number}.png" for number in range(1, many + 1)]
    for file in bad:
        file.write_bytes(b"Dear all,")

    async def story(desk: Desk) -> None:
        heard: list[Notice] = []
        desk.application.open_paths([*bad[:2], photo, *bad[2:]])
        await until(lambda: desk.application.sessions)
        desk.session.noticed.connect(heard.append)
        bench = desk.window.workbench
        assert bench is not None
        await until(lambda: bench.stage.notices.messages)
        await until(lambda: len(bench.stage.notices.messages) == (3 if many == 3 else 1))
        said = "\n".join(f"{notice.message}\n{notice.advice}" for notice in heard)
        assert [f"“letter {number}.png”" in said for number in range(1, many + 1)] == [
            number <= 10 for number in range(1, many + 1)
        ]
        if many > 3:
            assert bench.stage.notices.messages == ["12 of 13 files could not be opened."]
            assert "And 2 more" in said

    tell(story)


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_one_sentence_and_what_is_open_stays(tell: Tell, photo: Path, tmp_path: Path, kind: str) -> None:
    name, make, says = BAD[kind]
    folder = tmp_path / "bad"
    folder.mkdir()
    bad = folder / name
    bad.write_bytes(make(folder / "good.palimpsest"))
    (folder / "good.palimpsest").unlink(missing_ok=True)

    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        before = session.document
        noticed: list[Notice] = []
        session.noticed.connect(noticed.append)
        desk.application.open_paths([bad])
        await until(lambda: noticed)
        (notice,) = noticed
        assert notice.error
        assert f"“{name}”" in notice.message
        assert says in notice.message
        assert notice.message.endswith(".")
        assert notice.advice.endswith(".")
        assert desk.application.sessions == [session]
        assert session.document is before
        assert os.listdir(folder) == [name]
        assert not list(tmp_path.glob("**/outside.txt"))

    tell(story)


def test_the_good_ones_among_the_bad_are_opened(tell: Tell, photo: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")

    async def story(desk: Desk) -> None:
        desk.application.open_paths([bad, tmp_path / "not there.png", photo])
        await until(lambda: desk.application.sessions)
        assert [session.name for session in desk.application.sessions] == ["flower"]
        bench = desk.window.workbench
        assert bench is not None
        await until(lambda: len(bench.stage.notices.messages) == 2)
        assert "bad.png" in bench.stage.notices.messages[0]
        assert "not there.png" in bench.stage.notices.messages[1]

    tell(story)


class FullAfter:
    """A file on a disk with room for so many more bytes."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        self._file = file
        self._room = room

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def __enter__(self) -> FullAfter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes | memoryview) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(data)


def fill_the_disk(patch: pytest.MonkeyPatch, room: int) -> None:
    fdopen = os.fdopen
    patch.setattr(os, "fdopen", lambda descriptor, _: FullAfter(fdopen(descriptor, "wb"), room))


def test_a_disk_that_fills_up_while_saving(tell: Tell, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    path = folder / "flower.palimpsest"

    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        await desk.key(Qt.Key.Key_B)
        await desk.drag([(100, 100), (140, 120)])
        await desk.do("file.save")
        await desk.choose_file(path)
        await until(lambda: not session.history.unsaved)
        first = path.read_bytes()
        saved = session.document

        await desk.drag([(300, 200), (340, 220)])
        newest = session.document
        noticed: list[Notice] = []
        session.noticed.connect(noticed.append)
        with pytest.MonkeyPatch.context() as patch:
            fill_the_disk(patch, room=20_000)
            await desk.do("file.save")
            await until(lambda: noticed)
        (notice,) = noticed
        assert notice.error
        assert "not enough room to save “flower.palimpsest”" in notice.message
        assert "The earlier file is unchanged." in notice.message
        assert notice.advice
        assert session.history.unsaved
        assert desk.window.isWindowModified()
        assert session.document is newest
        assert path.read_bytes() == first
        assert os.listdir(folder) == [path.name], "something was left behind"
        assert read_document(path)[0].strength.same_as(saved.strength)

        # With room again, it is saved as it is.
        await desk.do("file.save")
        await until(lambda: not session.history.unsaved)
        assert read_document(path)[0].strength.same_as(newest.strength)

    tell(story)


def test_a_disk_that_fills_up_while_exporting(tell: Tell, photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.png"

    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        noticed: list[Notice] = []
        session.noticed.connect(noticed.append)
        with pytest.MonkeyPatch.context() as patch:
            fill_the_disk(patch, room=5_000)
            desk.application.export(session)
            await desk.go_on_exporting()
            await desk.choose_file(path)
            await until(lambda: noticed)
        assert "not enough room to save “out.png”. Nothing was written." in noticed[0].message
        assert not path.exists()

    tell(story)


def test_closing_with_a_full_disk_keeps_the_document_open(
    tell: Tell, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, document: Document) -> None:
        with files.written_beside(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("app.documents.save_project", full)

    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        session.path = tmp_path / "flower.palimpsest"
        noticed: list[Notice] = []
        session.noticed.connect(noticed.append)
        await desk.key(Qt.Key.Key_B)
        await desk.drag([(100, 100), (140, 120)])
        shown = flatten(session.document)
        desk.application.quit()
        await desk.answer("Save")
        await until(lambda: noticed)
        assert "not enough room" in noticed[0].message
        assert desk.application.sessions == [session]
        assert not desk.application.finished.is_set()
        assert np.array_equal(flatten(session.document), shown)

    tell(story)


def test_a_thing_at_the_end_of_the_world_is_put_back_and_painted(tell: Tell, tmp_path: Path) -> None:
    document = Document.of_picture(np.full((140, 170, 4), 200, np.uint8))
    mask = document.empty_map().write(40, 30, np.ones((30, 50), np.float32))
    far = replace(Item.of("cup", mask), placement=Placement(1e308, 60))
    save_project(tmp_path / "far.palimpsest", document.adding_item(far))

    async def story(desk: Desk) -> None:
        said: list[Notice] = []
        session = await desk.open(tmp_path / "far.palimpsest")
        assert desk.canvas.grab().width() > 0
        session.noticed.connect(said.append)
        item = session.document.items[0]
        assert item.placement == Placement(170, 60)
        session.activate(item=item.id)
        session.set_options(tool="move")
        desk.canvas.navigation.zoom_to(64.0)
        await desk.key(Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
        desk.canvas.grab()
        assert not any(each.error for each in said)

    tell(story)
    _, notes = read_document(tmp_path / "far.palimpsest")
    assert notes == ("“cup” lay out of reach and was put back.",)
