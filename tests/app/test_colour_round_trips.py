"""Pixels never travel without their colour space: into a document, out of it and in again, in numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PySide6.QtCore import QBuffer, QIODevice, QMimeData
from PySide6.QtGui import QColor, QColorSpace, QImage, QImageWriter, QSurfaceFormat
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

import resources
from app.documents import Thumbnails, document_of
from editor.document.colour import convert, convert_one, same_space, to_srgb
from editor.document.compose import flatten
from editor.document.contents import Exemplar
from editor.document.document import Document, Metadata
from editor.document.thumbnails import document_thumbnail, exemplar_thumbnail, layer_thumbnail
from editor.document.tiles import Tiles
from editor.edits.apply import apply_result
from editor.edits.dispatch import candidates, make_request
from editor.engine import Engine
from editor.geometry import Placement, Point, Rect
from editor.io.encoding import ExportOptions
from editor.io.images import Picture, read_image, write_image
from editor.io.project import load_project, read_thumbnail, save_project
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.methods.registry import METHODS
from editor.models.inspect import inspect
from editor.models.library import Library
from editor.planning.plan import Draft
from editor.requests.edit_request import EditRequest
from editor.requests.reports import Preview, Report, Reports, ResultReady
from editor.requests.results import EditResult, Recipe
from tests.support.canvas_driver import Easel
from tests.support.colour_files import (
    adobe_rgb,
    display_p3,
    iccp,
    linear_grey,
    patches,
    png,
    printing,
    saved,
)
from tests.support.reports import drive
from widgets.canvas.drop_choices import take
from widgets.context_bar.paint_page import PaintPage
from widgets.incoming import picture_of, source_of
from widgets.qimage import screen_profile
from widgets.session import edits

Pixels = NDArray[np.uint8]

GREEN = 60, 200, 60
SEEN = Rect(0, 0, 32, 24)
SPACES = {"sRGB": None, "Adobe RGB": adobe_rgb(), "Display P3": display_p3()}


def of_one_colour(icc: bytes | None, colour: tuple[int, int, int] = GREEN) -> Picture:
    pixels = np.full((12, 16, 4), (*colour, 255), np.uint8)
    return Picture(pixels, "one colour", Metadata(icc))


def largest(one: Pixels, other: Pixels) -> int:
    return int(np.abs(one.astype(int) - other).max())


# Through files


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("suffix", "apart"), [(".png", 0), (".tif", 0), (".webp", 0), (".jpg", 5)])
def test_out_into_a_file_and_in_again(tmp_path: Path, space: str, suffix: str, apart: int) -> None:
    icc = SPACES[space]
    smooth = patches()
    smooth[12:, 16:, :3] = (90, 140, 60)
    if suffix == ".jpg":
        smooth[..., 3] = 255
    document = document_of(read_image(png(smooth, [] if icc is None else [iccp(icc)])))
    path = tmp_path / f"out{suffix}"
    write_image(path, flatten(document), document.metadata, ExportOptions(quality=98, lossless=True))
    again = read_image(path)
    assert again.metadata.icc == icc
    assert largest(again.pixels, smooth) <= apart
    project = tmp_path / "out.palimpsest"
    save_project(project, document)
    assert load_project(project).metadata.icc == icc
    assert np.array_equal(flatten(load_project(project)), smooth)


def test_the_inks_of_a_jpeg_become_what_its_profile_says(tmp_path: Path) -> None:
    for ink, lab in {(0, 0, 0, 0): (100, 0, 0), (255, 0, 0, 0): (55, -37, -50), (0, 0, 255, 0): (89, -5, 93)}.items():
        found = read_image(saved(Image.new("CMYK", (16, 16), ink), "JPEG", quality=100, icc_profile=printing()))
        levels = np.array([[[round(lab[0] * 2.55), lab[1] % 256, lab[2] % 256]]], np.uint8)
        one = Image.frombytes("LAB", (1, 1), levels.tobytes())
        shown = ImageCms.profileToProfile(
            one, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
        assert shown is not None
        assert np.abs(found.pixels[8, 8, :3].astype(int) - np.asarray(shown)[0, 0]).max() <= 4
        assert found.metadata.icc is None
        assert any("sRGB" in note for note in found.notes)
        write_image(tmp_path / "out.png", found.pixels, found.metadata)
        assert np.array_equal(read_image(tmp_path / "out.png").pixels, found.pixels)


def test_greys_become_what_their_profile_says_and_stay_so(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint8)[None]
    found = read_image(png(ramp, [iccp(linear_grey())]))
    light = np.arange(256) / 255
    expected = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    assert np.abs(found.pixels[0, :, 1] - expected).max() <= 1
    write_image(tmp_path / "out.png", found.pixels, found.metadata)
    assert np.array_equal(read_image(tmp_path / "out.png").pixels, found.pixels)


@pytest.mark.parametrize("space", ["Adobe RGB", "Display P3"])
def test_there_and_back_between_spaces(space: str) -> None:
    """What sRGB can hold comes back within rounding; alpha, and what lies under it, goes along."""
    icc = SPACES[space]
    grid = np.stack(np.meshgrid(*[np.arange(24, 256, 11)] * 3), axis=-1).reshape(22, -1, 3).astype(np.uint8)
    there = convert(grid, None, icc)
    assert largest(there, grid) > 20
    back = convert(there, icc, None)
    # Half a step of a strong light is five steps of a weak one beside it.
    assert largest(back, grid) <= 5
    assert np.abs(back.astype(int) - grid).mean() < 0.5
    own = convert(patches(), None, icc)
    assert np.array_equal(own[..., 3], patches()[..., 3])
    assert np.array_equal(own[..., :3], convert(np.ascontiguousarray(patches()[..., :3]), None, icc))
    assert convert(own, icc, icc) is own
    assert to_srgb(own, None) is own


# Into a document


@pytest.mark.parametrize("choice", ["exemplar", "layer"])
@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (adobe_rgb(), None, (0, 201, 37)),
        (display_p3(), None, (0, 203, 11)),
        (None, None, GREEN),
        (adobe_rgb(), adobe_rgb(), GREEN),
        (None, adobe_rgb(), convert_one(GREEN, None, adobe_rgb())),
        (adobe_rgb(), display_p3(), convert_one(GREEN, adobe_rgb(), display_p3())),
    ],
)
def test_what_arrives_takes_the_documents_colours(
    qtbot: QtBot, choice: str, source: bytes | None, target: bytes | None, expected: tuple[int, int, int]
) -> None:
    base = Document.of_picture(np.full((24, 32, 4), 255, np.uint8), metadata=Metadata(target))
    session = Easel(qtbot, base, (200, 150)).session
    take(session, "exemplar" if choice == "exemplar" else "layer", of_one_colour(source), Point(16, 12), SEEN)
    document = session.document
    inside = Rect(10, 8, 20, 16)
    pixels = document.exemplars[-1].pixels if choice == "exemplar" else document.layers[-1].pixels.read(inside)
    assert (pixels == (*expected, 255)).all()
    assert session.document.metadata.icc == target


def test_as_a_document_of_its_own_it_keeps_its_numbers() -> None:
    document = document_of(of_one_colour(adobe_rgb()))
    assert document.metadata.icc == adobe_rgb()
    assert (flatten(document) == (*GREEN, 255)).all()


# By the clipboard


@pytest.mark.parametrize("space", SPACES)
def test_copied_and_pasted_nothing_changes(qtbot: QtBot, space: str) -> None:
    icc = SPACES[space]
    document = Document.of_picture(patches(), metadata=Metadata(icc))
    session = Easel(qtbot, document, (200, 150)).session
    edits.copy_picture(session)
    source = source_of(QApplication.clipboard().mimeData())
    assert source is not None
    assert source.image is not None
    own = picture_of(source.image, "copied")
    assert np.array_equal(own.pixels, patches())
    assert own.metadata.icc == icc
    # What another program is given.
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    assert QImageWriter(buffer, b"PNG").write(source.image)
    other = read_image(bytes(buffer.data().data()))
    assert np.array_equal(other.pixels, patches())
    assert same_space(other.metadata.icc, icc)
    QApplication.clipboard().clear()


def test_what_was_not_selected_does_not_go_along_unseen(qtbot: QtBot) -> None:
    pixels = np.full((24, 32, 4), (9, 80, 70, 255), np.uint8)
    document = Document.of_picture(pixels)
    corner = document.empty_map().write(4, 4, np.eye(10, dtype=np.float32))
    session = Easel(qtbot, document.with_map("selection", corner), (200, 150)).session
    edits.copy_picture(session)
    found = picture_of(QApplication.clipboard().image(), "copied").pixels
    assert found[3, 3].tolist() == [9, 80, 70, 255]
    assert not found[~np.eye(10, dtype=bool)].any()
    QApplication.clipboard().clear()


def test_a_picture_of_another_space_on_the_clipboard(qtbot: QtBot) -> None:
    session = Easel(qtbot, Document.of_picture(np.full((24, 32, 4), 255, np.uint8)), (200, 150)).session
    image = QImage(8, 8, QImage.Format.Format_RGB32)
    image.fill(0xFF3CC83C)
    image.setColorSpace(QColorSpace.fromIccProfile(adobe_rgb()))
    data = QMimeData()
    data.setImageData(image)
    source = source_of(data)
    assert source is not None
    assert source.image is not None
    take(session, "layer", picture_of(source.image, "pasted"), Point(16, 12), SEEN)
    assert session.document.layers[-1].pixels.read(Rect(14, 10, 18, 14))[0, 0].tolist() == [0, 201, 37, 255]


# On the screen


def middle(easel: Easel) -> list[int]:
    seen = easel.seen()
    return [int(value) for value in seen[seen.shape[0] // 2, seen.shape[1] // 2, :3]]


@pytest.mark.parametrize("zoom", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("alpha", [255, 254])
def test_the_canvas_shows_the_colours_and_not_the_numbers(qtbot: QtBot, zoom: float, alpha: int) -> None:
    pixels = np.full((400, 600, 4), (*GREEN, 255), np.uint8)
    pixels[0, 0, 3] = alpha
    easel = Easel(qtbot, Document.of_picture(pixels, metadata=Metadata(adobe_rgb())), (300, 200))
    easel.look(zoom=zoom, x=300, y=200)
    assert middle(easel) == [0, 201, 37]
    plain = Easel(qtbot, Document.of_picture(pixels.copy()), (300, 200))
    plain.look(zoom=zoom, x=300, y=200)
    assert middle(plain) == list(GREEN)


def test_the_canvas_goes_by_the_screen_it_is_on(qtbot: QtBot) -> None:
    pixels = np.full((400, 600, 4), (*GREEN, 255), np.uint8)
    easel = Easel(qtbot, Document.of_picture(pixels, metadata=Metadata(display_p3())), (300, 200))
    easel.look(zoom=1.0, x=300, y=200)
    assert middle(easel) == [0, 203, 11]
    wide = QSurfaceFormat()
    wide.setColorSpace(QColorSpace.fromIccProfile(display_p3()))
    easel.canvas.hide()
    easel.canvas.window().windowHandle().setFormat(wide)
    assert screen_profile(easel.canvas) == display_p3()
    easel.canvas.show()
    assert middle(easel) == list(GREEN)


def test_what_lies_on_the_canvas_too(qtbot: QtBot) -> None:
    base = np.full((400, 600, 4), 255, np.uint8)
    document = Document.of_picture(base, metadata=Metadata(adobe_rgb()))
    lying = Exemplar.of("lying", np.full((100, 100, 4), (*GREEN, 255), np.uint8), Placement(300, 200))
    easel = Easel(qtbot, document.adding_exemplar(lying), (300, 200))
    easel.session.set_view(overlay="off")
    easel.look(zoom=1.0, x=300, y=200)
    assert middle(easel) == [0, 201, 37]


def test_small_pictures_are_srgb(tmp_path: Path) -> None:
    pixels = np.full((40, 60, 4), (*GREEN, 255), np.uint8)
    document = Document.of_picture(pixels, metadata=Metadata(adobe_rgb()))
    exemplar = Exemplar.of("x", pixels, Placement(0, 0))
    shown = [0, 201, 37, 255]
    assert document_thumbnail(document, 20)[5, 5].tolist() == shown
    assert layer_thumbnail(document.layers[0], 20, adobe_rgb())[5, 5].tolist() == shown
    assert exemplar_thumbnail(exemplar, 20, adobe_rgb())[5, 5].tolist() == shown
    save_project(tmp_path / "a.palimpsest", document)
    inside = read_thumbnail(tmp_path / "a.palimpsest")
    assert inside is not None
    assert inside[5, 5].tolist() == shown
    kept = Thumbnails(tmp_path / "small")
    kept.write(tmp_path / "a.png", document)
    beside = kept.read(tmp_path / "a.png")
    assert beside is not None
    assert beside[5, 5].tolist() == shown


def test_small_pictures_do_not_mix_in_what_is_transparent() -> None:
    pixels = np.zeros((60, 60, 4), np.uint8)
    pixels[..., :3] = (0, 0, 255)
    pixels[:, ::2] = (255, 0, 0, 255)
    found = document_thumbnail(Document.of_picture(pixels), 30)
    assert np.abs(found.astype(int) - (255, 0, 0, 128)).max() <= 1


def test_the_colour_in_hand_is_the_documents(qtbot: QtBot) -> None:
    pixels = np.full((24, 32, 4), (*GREEN, 255), np.uint8)
    easel = Easel(qtbot, Document.of_picture(pixels, metadata=Metadata(adobe_rgb())), (200, 150))
    session = easel.session
    assert session.options.colour == convert_one((230, 60, 40), None, adobe_rgb())
    session.set_options(colour=GREEN)  # as picked from the picture, which is more than sRGB has
    page = PaintPage(session)
    qtbot.addWidget(page)
    page.show_state()
    button = page._colour
    assert button.accessibleDescription() == "#00c925"
    page._take_colour(button._colour)  # the dialog closed without a choice of another
    assert session.options.colour == GREEN
    page._take_colour(QColor(10, 20, 200))
    assert session.options.colour == convert_one((10, 20, 200), None, adobe_rgb())


# Through a model


@pytest.mark.parametrize("method", [PixelsSettings(), BlendedSettings()])
def test_a_model_sees_srgb_and_its_result_is_the_documents(method: PixelsSettings | BlendedSettings) -> None:
    """The same picture in two spaces, edited with one seed, comes out as the same picture."""
    pytest.importorskip("torch")
    folder = Path(resources.__file__).parent / "models" / "practice"
    info = inspect(folder)
    engine = Engine(lambda: Library((folder.parent,)))
    own = np.full((64, 64, 4), 255, np.uint8)
    own[..., :3] = np.stack(np.meshgrid(np.arange(64) * 2 + 60, np.arange(64) * 2 + 70), axis=-1)[..., [0, 1, 1]]
    own = convert(own, None, display_p3())
    outcomes = []
    for icc, pixels in ((display_p3(), own), (None, to_srgb(own, display_p3()))):
        document = Document.of_picture(pixels.copy(), metadata=Metadata(icc))
        strength = document.empty_map().write(16, 16, np.ones((32, 32), np.float32))
        exemplar = Exemplar.of("x", convert(own[:8, :8].copy(), display_p3(), icc), Placement(10, 10))
        document = document.with_strength(strength)
        if isinstance(method, PixelsSettings):
            document = document.adding_exemplar(exemplar)
        draft = replace(
            Draft(QuickFillSettings()), settings=method, model=info, seed=3, steps=2, strength=0.7, prompt="a red ball"
        )
        request = make_request(document, draft)
        seen: list[Report] = []
        result = drive(engine.run(request), seen)
        assert not any(isinstance(report, ResultReady) for report in seen)
        _, after = apply_result(document, result, document)
        outcomes.append((request, result, flatten(after), pixels))
    (wide, result, wide_after, before), (plain, twin, twin_after, _) = outcomes
    assert np.array_equal(wide.image, plain.image)
    assert all(
        np.array_equal(one.pixels, other.pixels) for one, other in zip(wide.exemplars, plain.exemplars, strict=True)
    )
    assert np.array_equal(result.pixels, convert(twin.pixels, None, display_p3()))
    assert largest(to_srgb(wide_after, display_p3()), twin_after) <= 3
    untouched = result.pixels[..., 3] == 0
    part = result.rect.slices
    assert np.array_equal(wide_after[part][untouched], before[part][untouched])
    assert (wide_after != before).any()


def test_quick_fill_works_in_the_documents_own_colours() -> None:
    pixels = np.full((64, 64, 4), (*GREEN, 255), np.uint8)
    pixels[30:34, 30:34] = (250, 10, 10, 255)
    document = Document.of_picture(pixels, metadata=Metadata(adobe_rgb()))
    document = document.with_strength(Tiles.filled((64, 64), 0, np.float32).write(28, 28, np.ones((8, 8), np.float32)))
    request = make_request(document, replace(METHODS.first_draft(document), seed=1))
    assert request.icc is None
    result = drive(Engine().run(request))
    _, after = apply_result(document, result, document)
    assert (flatten(after) == (*GREEN, 255)).all()


def test_previews_and_every_result_come_in_the_documents_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.full((8, 8, 4), (0, 201, 37, 255), np.uint8)
    whole = Rect(0, 0, 8, 8)

    def edit(request: EditRequest) -> Reports[EditResult]:
        yield Preview(whole, pixels)
        return EditResult(whole, pixels, Recipe.of(request))

    monkeypatch.setattr("editor.methods.quick_fill.editing.edit", edit)
    document = Document.of_picture(np.full((8, 8, 4), 255, np.uint8))
    document = document.with_strength(Tiles.filled((8, 8), 1, np.float32))
    request = replace(make_request(document, Draft(QuickFillSettings())), icc=adobe_rgb())
    seen: list[Report] = []
    returned = drive(Engine().run(candidates(request, 2)), seen)
    shown = [report.pixels for report in seen if isinstance(report, Preview)]
    reported = [report.result for report in seen if isinstance(report, ResultReady)]
    assert [each is other for each, other in zip(reported, returned, strict=True)] == [True, True]
    for each in (*shown, *(result.pixels for result in returned)):
        assert each[0, 0].tolist() == [113, 200, 60, 255]  # (0, 201, 37) of sRGB
