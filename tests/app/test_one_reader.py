"""One file, every way in: the command line, opening, dropping, pasting. What comes of it is the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PySide6.QtCore import QMimeData, QUrl
from PySide6.QtGui import QColorSpace, QImage
from pytestqt.qtbot import QtBot

from app import batch
from app.documents import is_project, read_document
from editor.document.document import Document
from editor.errors import EditorError, InvalidRequest, UnreadableFile
from editor.geometry import Point, Rect
from editor.io import images
from editor.io.images import Picture, may_be_picture, read_image
from editor.io.project import save_project
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.methods.registry import METHODS, Methods
from editor.models.info import ModelInfo
from editor.models.library import Library
from editor.planning.plan import Draft
from editor.requests.edit_request import EditRequest
from editor.requests.variants import VariantsRequest
from tests.support.canvas_driver import Easel
from tests.support.colour_files import adobe_rgb, display_p3, exif, gama, iccp, linear_grey, patches, png, saved, tiff
from tests.support.session_cases import model
from widgets.canvas.drop import DropChip
from widgets.canvas.drop_choices import take
from widgets.incoming import picture_of, source_of
from widgets.session.notice import Notice
from widgets.session.session import Session

Pixels = NDArray[np.uint8]
Map = NDArray[np.float32]

SEEN = Rect(0, 0, 32, 24)


@pytest.fixture
def easel(qtbot: QtBot) -> Easel:
    return Easel(qtbot, Document.of_picture(np.full((24, 32, 4), 255, np.uint8)), (400, 300))


def of_file(path: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    return data


def of_bytes(path: Path) -> QMimeData:
    data = QMimeData()
    data.setData("image/png", path.read_bytes())
    return data


def of_image(path: Path) -> QMimeData:
    data = QMimeData()
    data.setImageData(QImage(str(path)))
    return data


def by_command_line(path: Path, monkeypatch: pytest.MonkeyPatch, strength: Path | None = None) -> EditRequest | None:
    """What the method would be asked, with the picture or the mask from the file."""
    seen: list[EditRequest] = []

    def drive(request: VariantsRequest, engine: object) -> batch.Outcome:
        seen.append(request.variants[0].request)
        return batch.Outcome([])

    monkeypatch.setattr(batch, "drive", drive)
    batch.edit_file(path, strength, path.with_name("out.png"), seed=1, settings=[])
    return seen[0] if seen else None


def dropped(easel: Easel, data: QMimeData) -> Picture:
    """By the canvas: as a new document."""
    easel.canvas.paste(data, Point(20, 20))
    (chip,) = (each for each in easel.canvas.findChildren(DropChip) if each.isVisible())
    chip.buttons[2].click()
    return easel.worker.opened[-1]


PICTURES: dict[str, Callable[[], bytes]] = {
    "plain": lambda: png(patches()),
    "wide gamut": lambda: png(patches(), [iccp(adobe_rgb())]),
    "wide gamut, 16 bits": lambda: png(patches().astype(np.uint16) * 257, [iccp(display_p3())]),
    "turned": lambda: png(patches(), [(b"eXIf", exif(6)[6:])]),
    "grey": lambda: png(patches()[..., [1, 3]], [iccp(linear_grey())]),
    "gamma": lambda: png(patches(), [gama(100000)]),
    "colour by EXIF": lambda: saved(Image.fromarray(patches()[..., :3]), "JPEG", exif=exif(3, colour_space=2)),
    "tiff": lambda: tiff(patches().astype(np.uint16) * 257, icc=display_p3(), orientation=8),
}


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("ending", [".png", ".jpg", "", ".txt", ".palimpsest"])
def test_a_picture_is_the_same_by_every_way_in(easel: Easel, tmp_path: Path, kind: str, ending: str) -> None:
    path = tmp_path / f"picture{ending}"
    path.write_bytes(PICTURES[kind]())
    picture = read_image(path)
    document, notes = read_document(path)
    assert np.array_equal(document.layers[0].pixels.read(), picture.pixels)
    assert document.metadata == picture.metadata
    assert notes == picture.notes
    ways = [of_file(path), *([of_bytes(path)] if kind not in ("tiff", "colour by EXIF") else [])]
    for data in ways:
        found = dropped(easel, data)
        assert np.array_equal(found.pixels, picture.pixels)
        assert found.metadata == picture.metadata
        source = source_of(data)
        assert source is not None
        assert source.file is not None


@pytest.mark.parametrize("icc", [None, adobe_rgb(), display_p3()])
def test_an_image_that_qt_holds_keeps_its_colours(easel: Easel, icc: bytes | None) -> None:
    pixels = patches()
    image = QImage(pixels.data, 32, 24, 128, QImage.Format.Format_RGBA8888).copy()
    if icc is not None:
        image.setColorSpace(QColorSpace.fromIccProfile(icc))
    data = QMimeData()
    data.setImageData(image)
    found = dropped(easel, data)
    assert np.array_equal(found.pixels, pixels)  # also under alpha 0
    assert found.metadata.icc == icc


def test_limits_are_the_same_for_an_image_on_the_clipboard(easel: Easel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_SIDE", 31)
    heard: list[Notice] = []
    easel.session.noticed.connect(heard.append)
    data = QMimeData()
    data.setImageData(QImage(32, 24, QImage.Format.Format_RGB32))
    easel.canvas.paste(data, Point(20, 20))
    assert not [chip for chip in easel.canvas.findChildren(DropChip) if chip.isVisible()]
    assert [each.error for each in heard] == [True]
    assert "32 × 24" in heard[0].message
    with pytest.raises(UnreadableFile) as raised:
        read_image(png(patches()), "Picture")
    assert heard[0].message == raised.value.message


def test_grey_and_printing_colours_that_qt_holds_become_srgb() -> None:
    grey = QImage(4, 4, QImage.Format.Format_Grayscale8)
    grey.fill(60)
    grey.setColorSpace(QColorSpace.fromIccProfile(linear_grey()))
    found = picture_of(grey, "grey")
    assert found.metadata.icc is None
    assert np.abs(found.pixels[0, 0, :3].astype(int) - 133).max() <= 1


# Masks


def grey_and_alpha() -> tuple[Pixels, Map]:
    """White everywhere, the mask in alpha; and what it means."""
    y, x = np.mgrid[0:24, 0:32]
    alpha = np.where((x > 8) & (y > 6), 255, 8 * (x % 8)).astype(np.uint8)
    return np.dstack([np.full_like(alpha, 255), alpha]), (alpha / np.float32(255)).astype(np.float32)


def grey_alone() -> tuple[Pixels, Map]:
    y, x = np.mgrid[0:24, 0:32]
    grey = (5 * x + 4 * y).clip(0, 255).astype(np.uint8)
    return grey, (grey / np.float32(255)).astype(np.float32)


MASKS: dict[str, Callable[[], tuple[bytes, Map]]] = {
    "white on transparent": lambda: (png(grey_and_alpha()[0]), grey_and_alpha()[1]),
    "white on transparent, 16 bits": lambda: (png(grey_and_alpha()[0].astype(np.uint16) * 257), grey_and_alpha()[1]),
    "grey": lambda: (png(grey_alone()[0]), grey_alone()[1]),
    "grey, 16 bits": lambda: (png(grey_alone()[0].astype(np.uint16) * 257), grey_alone()[1]),
    # In a mask a number is no colour: half of it is half, whatever the profile says.
    "grey with a profile": lambda: (png(grey_alone()[0], [iccp(linear_grey())]), grey_alone()[1]),
    "grey with a profile, 16 bits": lambda: (
        png(grey_alone()[0].astype(np.uint16) * 257, [iccp(linear_grey())]),
        grey_alone()[1],
    ),
    "grey with a colour profile": lambda: (png(grey_alone()[0], [iccp(adobe_rgb())]), grey_alone()[1]),
    "grey and alpha with a profile": lambda: (png(grey_and_alpha()[0], [iccp(linear_grey())]), grey_and_alpha()[1]),
    "turned": lambda: (
        png(np.ascontiguousarray(grey_alone()[0][::-1, ::-1]), [(b"eXIf", exif(3)[6:])]),
        grey_alone()[1],
    ),
    "tiff": lambda: (tiff(grey_alone()[0].astype(np.uint16) * 257, icc=linear_grey()), grey_alone()[1]),
}


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("ending", [".png", ".txt"])
def test_a_mask_is_the_same_by_every_way_in(
    easel: Easel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, ending: str
) -> None:
    data, meant = MASKS[kind]()
    path, photo = tmp_path / f"mask{ending}", tmp_path / "photo.png"
    path.write_bytes(data)
    photo.write_bytes(png(np.full((24, 32, 3), 90, np.uint8)))
    request = by_command_line(photo, monkeypatch, path)
    assert request is not None
    assert request.strength == pytest.approx(meant, abs=1e-6)
    for mime in (of_file(path), *([of_bytes(path)] if kind != "tiff" else [])):
        easel.canvas.paste(mime, Point(20, 20))
        (chip,) = (each for each in easel.canvas.findChildren(DropChip) if each.isVisible())
        chip.buttons[3].click()
        assert np.array_equal(easel.session.document.strength.read(), request.strength)


def test_a_mask_of_another_size_is_stretched_and_one_of_another_shape_refused(
    easel: Easel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, half, square = (tmp_path / name for name in ("photo.png", "half.png", "square.png"))
    photo.write_bytes(png(np.full((24, 32, 3), 90, np.uint8)))
    half.write_bytes(png(np.full((12, 16), 255, np.uint8)))
    square.write_bytes(png(np.full((24, 24), 255, np.uint8)))
    request = by_command_line(photo, monkeypatch, half)
    assert request is not None
    assert (request.strength == 1).all()
    said = "The strength picture was brought from 16 × 12 to 32 × 24 pixels."
    assert batch.edit_file(photo, half, tmp_path / "out.png", seed=1, settings=[]) == (f"half.png: {said}",)
    with pytest.raises(InvalidRequest, match="24 × 24 pixels, the picture 32 × 24") as raised:
        batch.edit_file(photo, square, tmp_path / "out.png", seed=1, settings=[])
    heard: list[Notice] = []
    easel.session.noticed.connect(heard.append)
    for path, expected in ((half, said), (square, raised.value.message)):
        take(easel.session, "strength", read_image(path), Point(16, 12), SEEN)
        assert heard[-1].message == expected
    assert (easel.session.document.strength.read() == 1).all()  # the refused one left it as it was


# Projects


def test_a_project_is_one_whatever_it_is_called(tmp_path: Path) -> None:
    project, copy = tmp_path / "boat.palimpsest", tmp_path / "boat.png"
    save_project(project, Document.of_picture(patches()))
    shutil.copy(project, copy)
    assert is_project(copy)
    assert np.array_equal(read_document(copy)[0].layers[0].pixels.read(), patches())
    with pytest.raises(UnreadableFile, match="is a Palimpsest project"):
        read_image(copy)
    archive = tmp_path / "letters.zip"
    archive.write_bytes(b"PK\x03\x04" + bytes(200))
    assert not is_project(archive)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes among files here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("pipe", "pipe.png", "pipe.palimpsest"):
        os.mkfifo(tmp_path / name)
    assert not may_be_picture(tmp_path / "pipe")
    assert may_be_picture(tmp_path / "pipe.png"), "whoever reads it says what is wrong with it"
    assert [is_project(tmp_path / name) for name in ("pipe", "pipe.png", "pipe.palimpsest")] == [False, False, True]
    assert not may_be_picture(Path("a\0b"))


@pytest.mark.parametrize("junk", [b"", b"GIF89a", b"not a picture", b"%PDF-1.7", b"PK\x03\x04", bytes(4) + b"ftypheic"])
def test_what_is_no_picture_gets_the_same_sentence_everywhere(easel: Easel, tmp_path: Path, junk: bytes) -> None:
    path, photo = tmp_path / "thing.png", tmp_path / "photo.png"
    path.write_bytes(junk)
    photo.write_bytes(png(np.full((24, 32, 3), 90, np.uint8)))
    sentences = []
    for way in (
        lambda: read_image(path),
        lambda: read_document(path),
        lambda: batch.edit_file(path, None, tmp_path / "out.png", seed=1, settings=[]),
        lambda: batch.edit_file(photo, path, tmp_path / "out.png", seed=1, settings=[]),
        lambda: easel.canvas.paste(of_file(path), Point(20, 20)),
    ):
        with pytest.raises(EditorError) as raised:
            way()
        sentences.append(str(raised.value))
    assert len(set(sentences)) == 1


# What an edit begins with


@pytest.mark.parametrize("settings", [PixelsSettings(), BlendedSettings(), BlendedSettings(region="outside"), None])
def test_the_first_strength_is_one(
    easel: Easel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: PixelsSettings | BlendedSettings | None
) -> None:
    info: ModelInfo = model()
    session: Session = easel.session
    session.choose_model(info)
    kind = QuickFillSettings if settings is None else type(settings)
    session.choose_method(kind)
    if isinstance(settings, BlendedSettings) and settings.region == "outside":
        session.choose_preset(next(preset for preset in METHODS.of(settings).presets if preset.name == "Background"))
    drafts: list[Draft] = []

    def make_request(document: Document, draft: Draft, methods: Methods) -> EditRequest:
        drafts.append(draft)
        raise InvalidRequest("enough")

    monkeypatch.setattr(batch, "make_request", make_request)
    monkeypatch.setattr(batch, "_named", lambda library, name: info)
    photo = tmp_path / "photo.png"
    photo.write_bytes(png(np.full((24, 32, 3), 90, np.uint8)))
    chosen = None
    if settings is not None:
        chosen = batch.WithModel(Library(), "any", "pixels" if kind is PixelsSettings else "words")
    pairs = ["region=outside"] if isinstance(settings, BlendedSettings) and settings.region == "outside" else []
    with pytest.raises(InvalidRequest, match="enough"):
        batch.edit_file(photo, photo, tmp_path / "out.png", seed=1, settings=pairs, model=chosen)
    assert drafts[0].strength == session.draft.strength == METHODS.of(kind).first_strength(info, settings)


@pytest.mark.parametrize(
    ("source", "target"), [(adobe_rgb(), None), (None, display_p3()), (display_p3(), display_p3())]
)
def test_an_exemplar_has_the_pictures_colours_by_every_way_in(
    easel: Easel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: bytes | None, target: bytes | None
) -> None:
    photo, other = tmp_path / "photo.png", tmp_path / "other.png"
    photo.write_bytes(png(np.full((24, 32, 3), 90, np.uint8), [] if target is None else [iccp(target)]))
    other.write_bytes(png(np.full((24, 32, 3), (60, 200, 60), np.uint8), [] if source is None else [iccp(source)]))
    documents: list[Document] = []

    def make_request(document: Document, draft: Draft, methods: Methods) -> EditRequest:
        documents.append(document)
        raise InvalidRequest("enough")

    monkeypatch.setattr(batch, "make_request", make_request)
    monkeypatch.setattr(batch, "_named", lambda library, name: model())
    chosen = batch.WithModel(Library(), "any", exemplars=((other, None, None),))
    with pytest.raises(InvalidRequest, match="enough"):
        batch.edit_file(photo, None, tmp_path / "out.png", seed=1, settings=[], model=chosen)
    session = Session(read_document(photo)[0], easel.worker)
    take(session, "exemplar", read_image(other), Point(16, 12), SEEN)
    (by_hand,), (by_command,) = session.document.exemplars, documents[0].exemplars
    assert np.array_equal(by_hand.pixels, by_command.pixels)
    if source == adobe_rgb():
        assert by_hand.pixels[0, 0].tolist() == [0, 201, 37, 255]
