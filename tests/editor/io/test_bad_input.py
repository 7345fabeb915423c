"""Files that are missing, broken, hostile or too new, and disks that are full: each a clear sentence, and nothing lost."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from editor.document.contents import Exemplar, Item, Layer
from editor.document.document import Document, Metadata
from editor.document.tiles import BLOCK, Tiles
from editor.errors import EditorError, UnreadableFile, UnwritableFile
from editor.geometry import Placement
from editor.io import planes, project
from editor.io.images import read_image, write_image
from editor.io.project import load_project, save_project
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.results import Recipe

Manifest = dict[str, Any]


def assert_clear(error: EditorError) -> None:
    """Two sentences for people, without a library's words."""
    for text in (error.message, error.advice):
        assert text[0].isupper() or text[0] == "“"
        assert text.endswith(".")
        assert "Error" not in text
        assert "Errno" not in text


# Pictures


def jpeg(width: int = 60, height: int = 40) -> bytes:
    data = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(data, "JPEG", quality=90)
    return data.getvalue()


def encoded(kind: str) -> bytes:
    data = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(data, kind)
    return data.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A small PNG that promises much; its pixels are missing."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = b"IDAT" + zlib.compress(b"")
    chunks = (head, body, b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"hello, I am a letter", "is not a picture"),
        (b"<html><body>404</body></html>", "web page"),
        (b"GIF89a" + bytes(20), "is a GIF"),
        (b"\0\0\0\x18ftypheic" + bytes(20), "HEIC"),
        (b"PK\x03\x04" + bytes(40), "archive"),
        (b"\xff\xd8\xff", "damaged or incomplete"),
        (b"\x89PNG\r\n\x1a\n", "damaged or incomplete"),
        (b"II*\0", "damaged or incomplete"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "damaged or incomplete"),
        (jpeg()[: len(jpeg()) // 2], "damaged or incomplete"),
        (png_header(100_000, 100_000), "up to 400 megapixels"),
        (png_header(20_001, 20_000), "up to 400 megapixels"),
        (png_header(2**31 - 1, 2**31 - 1), "up to 400 megapixels"),
        (png_header(0, 10), "damaged or incomplete"),
        (png_header(100, 100), "damaged or incomplete"),
    ],
)
def test_what_is_no_picture_says_why(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=says) as caught:
        read_image(path)
    assert "“photo.jpg”" in caught.value.message
    assert_clear(caught.value)
    with pytest.raises(UnreadableFile, match=says):
        read_image(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.97])
def test_a_truncated_picture_is_refused(kind: str, share: float) -> None:
    whole = encoded(kind)
    with pytest.raises(UnreadableFile, match="damaged or incomplete"):
        read_image(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_16_bit_picture_is_refused(share: float) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (64, 64, 3), np.uint16)
    tiff = io.BytesIO()
    tifffile.imwrite(tiff, deep, photometric="rgb", rowsperstrip=8)
    for whole in (cv2.imencode(".png", deep)[1].tobytes(), tiff.getvalue()):
        assert read_image(whole).pixels.shape == (64, 64, 4)
        with pytest.raises(UnreadableFile, match="damaged or incomplete"):
            read_image(whole[: int(len(whole) * share)])


@pytest.mark.parametrize(
    ("array", "options", "says"),
    [
        (np.zeros((4, 4), np.float32), {"photometric": "minisblack"}, "32 bits per channel"),
        (np.zeros((4, 4, 3), np.float32), {"photometric": "rgb"}, "kind of TIFF"),
        (np.zeros((3, 4, 4), np.uint16), {"photometric": "rgb", "planarconfig": "separate"}, "16-bit channels apart"),
    ],
)
def test_a_tiff_of_another_kind_is_refused_with_a_reason(
    array: NDArray[Any], options: dict[str, Any], says: str
) -> None:
    data = io.BytesIO()
    tifffile.imwrite(data, array, **options)
    with pytest.raises(UnreadableFile, match=says) as caught:
        read_image(data.getvalue())
    assert_clear(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF"]).map(encoded),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_a_scrambled_picture_opens_or_is_refused(data: bytes, changes: list[tuple[float, int]]) -> None:
    scrambled = bytearray(data)
    for share, value in changes:
        scrambled[int(share * share * len(data))] = value  # mostly in the header
    try:
        found = read_image(bytes(scrambled))
    except UnreadableFile as error:
        assert_clear(error)
    else:
        assert found.pixels.ndim == 3
        assert found.pixels.dtype == np.uint8


def test_a_picture_that_does_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("editor.io.images.decode", full)
    with pytest.raises(UnreadableFile, match="does not fit into memory") as caught:
        read_image(jpeg())
    assert_clear(caught.value)


# Both kinds of file


@pytest.mark.parametrize("read", [read_image, load_project])
def test_a_missing_file_a_folder_and_a_device(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(UnreadableFile, match=r"“gone\.png” is not there") as caught:
        read(tmp_path / "gone.png")
    assert_clear(caught.value)
    with pytest.raises(UnreadableFile, match="is a folder") as caught:
        read(tmp_path)
    assert_clear(caught.value)
    if os.name == "posix":
        with pytest.raises(UnreadableFile, match="is a device") as caught:
            read(Path("/dev/zero"))
        assert_clear(caught.value)


@pytest.mark.parametrize("read", [read_image, load_project])
@pytest.mark.parametrize(("number", "says"), [(errno.EACCES, "not allowed to read"), (errno.EIO, "could not be read")])
def test_a_file_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object], number: int, says: str
) -> None:
    path = tmp_path / "locked.png"
    path.write_bytes(jpeg())

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", refuse)  # permissions do not hold for an administrator
    with pytest.raises(UnreadableFile, match=says) as caught:
        read(path)
    assert_clear(caught.value)


def noisy_document(side: int = 2 * BLOCK) -> Document:
    return Document.of_picture(np.random.default_rng(0).integers(0, 256, (side, side, 4), np.uint8))


def save_picture(path: Path) -> None:
    write_image(path, np.random.default_rng(0).integers(0, 256, (300, 300, 4), np.uint8), Metadata())


def save_document(path: Path) -> None:
    save_project(path, noisy_document())


SAVES = [(save_picture, "picture.png"), (save_document, "work.palimpsest")]


@pytest.mark.parametrize(("save", "name"), SAVES)
@pytest.mark.parametrize(("number", "says"), [(errno.ENOSPC, "not enough room"), (errno.EIO, "could not be saved")])
def test_a_failing_disk_leaves_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Callable[[Path], None], name: str, *, number: int, says: str
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    path = tmp_path / name
    with pytest.raises(UnwritableFile, match=f"{says}.*Nothing was written") as caught:
        save(path)
    assert_clear(caught.value)
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"what was there")
    with pytest.raises(UnwritableFile, match=f"{says}.*The earlier file is unchanged") as caught:
        save(path)
    assert_clear(caught.value)
    assert path.read_bytes() == b"what was there"
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize(("save", "name"), SAVES)
def test_a_disk_that_fills_up_while_writing(tmp_path: Path, save: Callable[[Path], None], name: str) -> None:
    import resource

    path = tmp_path / name
    path.write_bytes(b"what was there")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(UnwritableFile, match="not enough room") as caught:
            save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert_clear(caught.value)
    assert path.read_bytes() == b"what was there"
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("save", "name"), SAVES)
def test_places_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Callable[[Path], None], name: str
) -> None:
    with pytest.raises(UnwritableFile, match="does not exist") as caught:
        save(tmp_path / "no" / "such" / name)
    assert_clear(caught.value)
    folder = tmp_path / f"folder.{name}"
    folder.mkdir()
    with pytest.raises(UnwritableFile, match="is a folder") as caught:
        save(folder)
    assert_clear(caught.value)
    assert folder.is_dir()
    folder.rmdir()
    locked = tmp_path / name
    locked.write_bytes(b"what was there")
    monkeypatch.setattr(os, "access", lambda *_: False)  # permissions do not hold for an administrator
    with pytest.raises(UnwritableFile, match="may not be written") as caught:
        save(locked)
    assert_clear(caught.value)
    assert locked.read_bytes() == b"what was there"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("save", "name"), SAVES)
def test_an_interrupted_save_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Callable[[Path], None], name: str
) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions and links are POSIX's")
def test_permissions_and_links_stay(tmp_path: Path) -> None:
    target = tmp_path / "real.png"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link = tmp_path / "link.png"
    link.symlink_to(target)
    save_picture(link)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert read_image(target).pixels.shape == (300, 300, 4)


# Projects


def rich_document() -> Document:
    document = noisy_document()
    recipe = Recipe(QuickFillSettings(), "fill", document.rect, 3)
    document = document.adding_layer(Layer(0, "Fill", Layer.empty(0, "", document.size).pixels, recipe=recipe))
    mask = Tiles.filled(document.size.shape, 0, np.float32).write(4, 5, np.ones((6, 7), np.float32))
    document = document.adding_item(Item.of("Chair", mask))
    exemplar = Exemplar.of("Dog", np.full((9, 8, 4), 77, np.uint8), Placement(3, 4))
    return document.adding_exemplar(exemplar).with_strength(mask)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("good") / "good.palimpsest"
    save_project(path, rich_document())
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(path: Path, members: dict[str, bytes], **changes: bytes | None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, **changes}.items():
            if data is not None:
                archive.writestr(name, data)
    return path


def refused(path: Path) -> str:
    with pytest.raises(UnreadableFile) as caught:
        load_project(path)
    assert_clear(caught.value)
    assert f"“{path.name}”" in caught.value.message
    return str(caught.value)


def at(*keys: str | int, value: object) -> Callable[[Manifest], None]:
    """A change to a manifest: the place and what is put there."""

    def change(manifest: Manifest) -> None:
        inner: Any = manifest
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return change


def without(*keys: str) -> Callable[[Manifest], None]:
    def change(manifest: Manifest) -> None:
        inner: Any = manifest
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]

    return change


BAD_MANIFESTS = [
    at("size", value=[100_000, 100_000]),
    at("size", value=[10**400, 1]),
    at("size", value=[0, 10]),
    at("size", value=[-5, 10]),
    at("size", value=["9", "9"]),
    at("size", value=[256]),
    at("size", value=[255, 256]),
    at("size", value=[True, True]),
    without("size"),
    at("version", value="1"),
    at("version", value=0),
    at("version", value=None),
    at("block", value=64),
    at("next_id", value=1.5),
    at("dpi", value=[1]),
    at("dpi", value=["a", "b"]),
    at("layers", value={}),
    at("layers", value=[1]),
    at("layers", value=None),
    at("layers", 0, "pixels", value=99),
    at("layers", 0, "pixels", value=-1),
    at("layers", 0, "pixels", value="0"),
    at("layers", 0, "opacity", value=1.5),
    at("layers", 0, "opacity", value=float("nan")),
    at("layers", 0, "opacity", value=10**400),
    at("layers", 0, "opacity", value="full"),
    at("layers", 0, "blend", value="evil"),
    at("layers", 0, "visible", value=1),
    at("layers", 0, "name", value=None),
    at("layers", 0, "doubt", value="some"),
    at("layers", 0, value=[]),
    at("layers", 1, "recipe", value=[]),
    at("layers", 1, "recipe", "method", value="<b>os.system</b>"),
    at("layers", 1, "recipe", "action", value="explode"),
    at("layers", 1, "recipe", "rect", value=[1, 2, 3]),
    at("layers", 1, "recipe", "settings", "grow", value=10_000),
    at("layers", 1, "recipe", "settings", "grow", value="7"),
    at("layers", 1, "recipe", "settings", "fill", value=["lava"]),
    at("layers", 1, "recipe", "settings", value=None),
    at("layers", 1, "recipe", "subjects", value=[7]),
    at("maps", value=[]),
    without("maps", "protect"),
    at("maps", "strength", value=0),
    at("items", 0, "rect", value=[0, 0, 999, 999]),
    at("items", 0, "mask", value=0),
    at("items", 0, "placement", value={"x": 1}),
    at("exemplars", 0, "placement", value=None),
    at("exemplars", 0, "pixels", value=1),
    at("exemplars", 0, "strength", value=-1),
    at("planes", value=None),
    at("planes", 0, "shape", value=[10**6, 10**6, 4]),
    at("planes", 0, "shape", value=[256, 256, 3]),
    at("planes", 0, "shape", value=[]),
    at("planes", 0, "shape", value=[200_001, 1, 4]),
    at("size", value=[1, 400_000_000]),
    at("planes", 0, "shape", value=[256, 128, 4]),
    at("planes", 0, "dtype", value="object"),
    at("planes", 0, "dtype", value="float32"),
    at("planes", 0, "blocks", value=[]),
    at("planes", 0, "blocks", value=[0, 1, 2, -2]),
    at("planes", 0, "blocks", value=[0, 1, 2, 12345]),
    at("planes", 0, "blocks", value=[0, 1, 2, 10**400]),
    at("planes", 0, "blocks", value=[0, 1, 2, None]),
    at("planes", 0, "blocks", value=[0, 1, 2, "../../etc/passwd"]),
]


NEWER_FIELDS = [
    at("layers", 1, "recipe", "sampler", value="magic"),
    at("layers", 1, "recipe", "strength", value=1.5),
    at("layers", 1, "painted", value=0),
    at("exemplars", 0, "fidelity", value=2),
    at("exemplars", 0, "fidelity_map", value=0),
    at("exemplars", 0, "rim", value=-1),
    at("exemplars", 0, "prompt_weight", value="much"),
]


@pytest.mark.parametrize("change", BAD_MANIFESTS + NEWER_FIELDS)
def test_a_manifest_that_makes_no_sense(
    tmp_path: Path, members: dict[str, bytes], change: Callable[[Manifest], None]
) -> None:
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    path = zipped(tmp_path / "odd.palimpsest", members, **{"manifest.json": json.dumps(manifest).encode()})
    assert "is damaged" in refused(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"format": "palimpsest", "version": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_manifest_that_is_no_json(tmp_path: Path, members: dict[str, bytes], content: bytes) -> None:
    assert "is damaged" in refused(zipped(tmp_path / "odd.palimpsest", members, **{"manifest.json": content}))


def test_a_newer_version_says_what_to_do(tmp_path: Path, members: dict[str, bytes]) -> None:
    manifest = json.loads(members["manifest.json"])
    manifest = {"format": manifest["format"], "version": 7, "something": "else altogether"}
    path = zipped(tmp_path / "new.palimpsest", {"manifest.json": json.dumps(manifest).encode()})
    said = refused(path)
    assert "newer version of Palimpsest (format 7)" in said
    assert "Update Palimpsest, then open it again." in said


def test_an_older_version_is_brought_up_to_date(
    tmp_path: Path, members: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def renamed(manifest: Manifest) -> Manifest:
        return {**manifest, "next_id": manifest["next_id"] + 100}

    version = project.VERSION
    monkeypatch.setattr(project, "VERSION", version + 1)
    path = zipped(tmp_path / "old.palimpsest", members)
    assert "is damaged" in refused(path)  # no way to the next one
    monkeypatch.setitem(project.MIGRATIONS, version, renamed)
    assert load_project(path).next_id == rich_document().next_id + 100


@pytest.mark.parametrize("change", BAD_MANIFESTS)
def test_an_old_manifest_that_makes_no_sense(
    tmp_path: Path, members: dict[str, bytes], change: Callable[[Manifest], None]
) -> None:
    manifest = {**json.loads(members["manifest.json"]), "version": 1}
    change(manifest)
    path = zipped(tmp_path / "odd.palimpsest", members, **{"manifest.json": json.dumps(manifest).encode()})
    assert "is damaged" in refused(path)


@pytest.mark.parametrize("name", ["blocks/0", "manifest.json"])
def test_a_missing_part(tmp_path: Path, members: dict[str, bytes], name: str) -> None:
    said = refused(zipped(tmp_path / "part.palimpsest", members, **{name: None}))
    assert ("blocks/0 is missing" in said) if name == "blocks/0" else ("not a Palimpsest project" in said)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"rubbish",
        zlib.compress(bytes(100)),
        zlib.compress(bytes(BLOCK * BLOCK * 4 + 1)),
        zlib.compress(bytes(BLOCK * BLOCK * 4))[:-5],
        zlib.compress(bytes(60_000_000), 9),
        os.urandom(BLOCK * BLOCK * 5),
    ],
    ids=["empty", "rubbish", "short", "long", "cut", "bomb", "large"],
)
def test_a_block_of_the_wrong_size_or_kind(tmp_path: Path, members: dict[str, bytes], content: bytes) -> None:
    assert "is damaged" in refused(zipped(tmp_path / "block.palimpsest", members, **{"blocks/0": content}))


def test_a_member_that_is_larger_than_it_says(tmp_path: Path, members: dict[str, bytes]) -> None:
    path = tmp_path / "bomb.palimpsest"
    large = 50_000_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, bytes(large) if name == "blocks/0" else data)
    declared = struct.pack("<I", large)
    path.write_bytes(path.read_bytes().replace(declared, struct.pack("<I", 1000)))
    assert "is damaged" in refused(path)


def test_more_pixels_than_any_document_has(
    tmp_path: Path, members: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planes, "MAX_UNPACKED", 300_000)
    assert "unpack to more than" in refused(zipped(tmp_path / "much.palimpsest", members))
    monkeypatch.setattr(project, "MAX_UNPACKED", 200_000)
    with pytest.raises(UnwritableFile, match="Nothing was written") as caught:
        save_project(tmp_path / "more.palimpsest", rich_document())
    assert_clear(caught.value)
    assert not (tmp_path / "more.palimpsest").exists()


def test_members_outside_the_archive_are_never_touched(tmp_path: Path, members: dict[str, bytes]) -> None:
    inside = tmp_path / "deep" / "deeper"
    inside.mkdir(parents=True)
    evil = {"../evil": b"x", "../../evil": b"x", str(tmp_path / "absolute"): b"x", "blocks/../../evil": b"x"}
    path = zipped(inside / "odd.palimpsest", members, **evil)
    assert load_project(path).size == rich_document().size
    assert {each.name for each in tmp_path.rglob("*")} == {"deep", "deeper", "odd.palimpsest"}


def test_other_files_are_no_projects(tmp_path: Path) -> None:
    path = tmp_path / "other.palimpsest"
    path.write_bytes(jpeg())
    assert "is not a Palimpsest project" in refused(path)
    path.write_bytes(b"")
    assert "is not a Palimpsest project" in refused(path)
    assert "not a Palimpsest project" in refused(zipped(path, {"word/document.xml": b"<xml/>"}))
    assert "not a Palimpsest project" in refused(zipped(path, {"manifest.json": b'{"format": "other"}'}))


def test_a_locked_archive(tmp_path: Path, members: dict[str, bytes]) -> None:
    path = zipped(tmp_path / "locked.palimpsest", members)
    data = bytearray(path.read_bytes())
    where = data.index(b"PK\x01\x02")
    data[where + 8] |= 1  # the flag for encryption, in the table of contents
    data[6] |= 1  # and in front of the first member
    path.write_bytes(data)
    assert "is damaged" in refused(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_project(tmp_path: Path, members: dict[str, bytes], share: float) -> None:
    path = zipped(tmp_path / "cut.palimpsest", members)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert "is damaged" in refused(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_a_scrambled_project_opens_as_it_was_or_is_refused(
    tmp_path: Path, members: dict[str, bytes], changes: list[tuple[bool, float, int]]
) -> None:
    path = zipped(tmp_path / "scrambled.palimpsest", members)
    data = bytearray(path.read_bytes())
    for late, share, value in changes:
        near = int(share * 2500)
        data[-near - 1 if late else near] = value  # the manifest, or the table of contents
    path.write_bytes(data)
    try:
        found = load_project(path)
    except UnreadableFile as error:
        assert_clear(error)
    else:
        wanted = rich_document()
        assert [layer.name for layer in found.layers] == [layer.name for layer in wanted.layers]
        assert all(a.pixels.same_as(b.pixels) for a, b in zip(found.layers, wanted.layers, strict=True))
        assert found.strength.same_as(wanted.strength)
