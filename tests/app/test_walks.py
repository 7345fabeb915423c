"""Walks: README's first edits one after the other, and a working day on a large photograph, each in the real window with real events."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QToolButton

import resources
from app.documents import read_document
from editor.document.compose import flatten
from editor.document.document import Document
from editor.geometry import Rect
from tests.app.conftest import Tell
from tests.support.program import Desk, by_hand
from tests.support.waiting import until
from widgets.shell.command_palette import CommandPalette

pytestmark = pytest.mark.usefixtures("no_cache")

CONTROL = Qt.KeyboardModifier.ControlModifier
BUD = ((280, 352), (400, 390), (480, 426))  # a drag around the lower flower of the sample
DAHLIA = ((160, 78), (300, 200), (460, 370))


def seen(document: Document) -> NDArray[np.int16]:
    return flatten(document)[..., :3].astype(np.int16)


def changed(before: Document, after: Document) -> NDArray[np.bool_]:
    return np.asarray((flatten(before) != flatten(after)).any(axis=-1), np.bool_)


def orange(pixels: NDArray[np.int16]) -> NDArray[np.bool_]:
    """What of a picture is petals: much more red than blue."""
    return np.asarray((pixels[..., 0] > 150) & (pixels[..., 0] - pixels[..., 2] > 60), np.bool_)


async def to_the_front(desk: Desk) -> None:
    def there() -> bool:
        desk.window.activateWindow()  # offscreen no window manager does it
        return QApplication.focusWidget() is not None

    await until(there)


async def box_around(desk: Desk, corners: tuple[tuple[float, float], ...]) -> None:
    """Click to select, with a box dragged around the thing."""
    before = desk.session.document.selection
    await desk.key(Qt.Key.Key_W)
    await desk.drag(corners)
    await until(lambda: not desk.session.document.selection.same_as(before))


async def press_in_bar(desk: Desk, words: str) -> None:
    """A button of the contextual bar."""
    buttons = desk.window.findChildren(QPushButton)
    await desk.click(next(button for button in buttons if button.text() == words and button.isVisible()))


async def keep_one(desk: Desk, count: int = 3) -> None:
    """Wait for the variations, and keep the one that is seen."""
    job = await desk.finished()
    assert (job.state, len(job.candidates.results)) == ("ready", count), job.error
    await desk.key(Qt.Key.Key_Return)
    assert desk.session.job is None


def test_the_first_edits_of_the_readme(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        # 1. Open a picture.
        await desk.click(desk.window.start_page.sample)
        await until(lambda: desk.application.sessions)
        session = desk.session
        opened = session.document
        assert opened.size == (640, 427)
        session.set_draft(seed=3)

        # 2. Remove something.
        await box_around(desk, BUD)
        await desk.key(Qt.Key.Key_Delete)
        assert orange(seen(opened))[385:427, 340:440].mean() > 0.2
        await keep_one(desk)
        removed = session.document

        assert orange(seen(removed))[385:427, 340:440].mean() < 0.02, "the bud is still there"
        assert not changed(opened, removed)[:300].any(), "something far away changed"
        assert removed.items == ()
        assert removed.selection.blank

        # 3. Move something, and make it smaller by a handle.
        await box_around(desk, DAHLIA)
        await press_in_bar(desk, "Make item")
        item = session.document.items[0]
        await desk.drag([(310, 220), (260, 225), (200, 225)])
        placed = session.document.items[0].placed
        corner = (placed.x + item.rect.size.width / 2, placed.y + item.rect.size.height / 2)
        await desk.drag([corner, (corner[0] - 30, corner[1] - 30), (corner[0] - 60, corner[1] - 60)])
        smaller = session.document.items[0].placed
        assert smaller.scale_x < 0.9
        assert desk.edit.button.text() == "Move and heal"
        await desk.press_button()
        await keep_one(desk)
        moved = session.document
        petals = orange(seen(moved))
        assert petals[200:250, 390:440].mean() < 0.05, "petals are left in the hole"
        x, y = round(smaller.x), round(smaller.y)
        assert petals[y - 60 : y + 60, x - 60 : x + 60].mean() > 0.6, "the flower is not where it was put"

        # 4. Blend a picture in.
        with resources.photo("chelsea.png") as cat:
            exemplar = await desk.drop_exemplar(cat, 500, 150)
        await desk.drag([(500, 150), (480, 160), (470, 165)])
        assert session.document.exemplars[0].placement.x == pytest.approx(exemplar.placement.x - 30, abs=2)
        await desk.key(Qt.Key.Key_B)
        session.set_brush(size=70, hardness=0.8, smoothing=0.0)
        await desk.key(Qt.Key.Key_5)
        bounds = session.document.exemplars[0].bounds
        await desk.drag([(bounds.left + 20, bounds.top + 10), (bounds.left + 20, bounds.bottom - 10)])
        assert session.document.exemplars[0].strength_map.read().min() == pytest.approx(0.5, abs=0.01)
        assert session.document.strength.blank
        assert desk.edit.button.text() == "Blend “chelsea”"
        await desk.press_button()
        await keep_one(desk, 1)
        blended = session.document
        difference = np.abs(seen(blended) - seen(moved)).max(axis=-1)
        inside = bounds.intersect(opened.rect)
        assert (difference[inside.slices] > 0).mean() > 0.8
        difference[inside.grow(1).intersect(opened.rect).slices] = 0
        assert not difference.any(), "something beside the reference picture changed"

        # 5. Repaint a spot: nothing that was put away is in the brush's way, and the half was meant for the cat.
        await desk.key(Qt.Key.Key_B)
        session.set_brush(size=40, hardness=0.8)
        await desk.drag([(60, 60), (80, 64), (90, 66)])
        painted = session.document.strength.read()
        assert painted[64, 80] == 1
        await desk.key(Qt.Key.Key_Return, CONTROL)
        await keep_one(desk)
        filled = session.document
        assert changed(blended, filled)[50:80, 60:95].any()
        assert not changed(blended, filled)[painted == 0].any()
        assert not filled.strength.any()

        # Before and after: held Tab, a line between, what changed, and every command.
        await by_hand(lambda: QTest.keyPress(desk.canvas, Qt.Key.Key_Tab))
        assert session.view.original
        await by_hand(lambda: QTest.keyRelease(desk.canvas, Qt.Key.Key_Tab))
        shown = session.view
        assert not shown.original
        for divided in (True, False):
            await desk.key(Qt.Key.Key_Y)
            assert session.view.divider is divided
        await desk.key(Qt.Key.Key_C)
        assert session.view.changed_pixels
        await desk.key(Qt.Key.Key_C)
        await desk.key(Qt.Key.Key_K, CONTROL)
        await until(lambda: any(palette.isVisible() for palette in desk.window.findChildren(CommandPalette)))
        await desk.key(Qt.Key.Key_Escape, widget=QApplication.focusWidget())

        # Back to the picture as it was opened, and forth again, exactly.
        steps = len(session.history.entries) - 1
        for _ in range(steps):
            await desk.key(Qt.Key.Key_Z, CONTROL)
        assert session.document.same_as(opened)
        for _ in range(steps):
            await desk.key(Qt.Key.Key_Z, CONTROL | Qt.KeyboardModifier.ShiftModifier)
        assert session.document.same_as(filled)

    tell(story)


@pytest.fixture
def large_photo(tmp_path: Path) -> Path:
    """24 megapixels from a camera: a photo enlarged, with fine grain of its own, a profile and a description."""
    with resources.photo("flower.jpg") as path, Image.open(path) as small:
        pixels = cv2.resize(np.asarray(small.convert("RGB")), (6000, 4000), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(7).integers(-4, 5, (4000, 6000, 1), np.int16)
    image = Image.fromarray(np.clip(pixels.astype(np.int16) + grain, 0, 255).astype(np.uint8))
    exif = Image.Exif()
    exif[0x010E] = "A dahlia"
    exif[0x010F] = "A camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(tmp_path / "day.jpg", quality=95, exif=exif, icc_profile=profile)
    return tmp_path / "day.jpg"


def test_a_working_day(tell: Tell, large_photo: Path, tmp_path: Path) -> None:
    project = tmp_path / "day.palimpsest"

    async def wanted_variations(desk: Desk) -> None:
        desk.session.set_draft(variations=1, seed=5)

    async def story(desk: Desk) -> None:
        session = await desk.open(large_photo)
        opened = session.document
        assert opened.size == (6000, 4000)
        await wanted_variations(desk)
        after: list[Document] = [opened]

        async def done() -> None:
            await keep_one(desk, 1)
            after.append(session.document)

        # Repaint a spot: a painted strength at 60 %.
        await desk.key(Qt.Key.Key_B)
        await desk.key(Qt.Key.Key_6)
        session.set_brush(size=220, hardness=0.5)
        await desk.drag([(700, 500), (820, 540)])
        await desk.key(Qt.Key.Key_Return, CONTROL)
        await done()

        # Remove something with the lasso.
        await desk.key(Qt.Key.Key_L)
        await desk.drag([(5450, 3500), (5700, 3500), (5700, 3800), (5450, 3800), (5450, 3520)])
        await desk.key(Qt.Key.Key_Delete)
        await done()

        # Move a thing a little, and heal its place.
        await desk.key(Qt.Key.Key_R)
        await desk.drag([(300, 2900), (500, 3100), (700, 3300)])
        await desk.do("select.item")
        await desk.drag([(500, 3100), (560, 3160), (640, 3200)])
        assert desk.edit.button.text() == "Move and heal"
        await desk.press_button()
        await done()

        # Protect a place, and fill across it: it stays as it is.
        await desk.key(Qt.Key.Key_R)
        await desk.drag([(2000, 300), (2050, 350), (2100, 400)])
        await desk.do("select.protect")
        await desk.do("select.none")
        await desk.key(Qt.Key.Key_B)
        await desk.key(Qt.Key.Key_0)
        await desk.drag([(1900, 350), (2050, 350), (2200, 350)])
        await desk.key(Qt.Key.Key_Return, CONTROL)
        await done()
        kept = np.zeros((4000, 6000), np.bool_)
        kept[310:390, 2010:2090] = True
        assert not changed(after[-2], after[-1])[kept].any(), "what is protected changed"

        # Lay another picture on, paint its rim away, blend it in.
        with resources.photo("chelsea.png") as cat:
            await desk.drop_exemplar(cat, 4800, 900)
        await desk.key(Qt.Key.Key_B)
        await desk.key(Qt.Key.Key_3)
        bounds = session.document.exemplars[-1].bounds
        await desk.drag([(bounds.left + 60, bounds.top + 60), (bounds.left + 60, bounds.bottom - 60)])
        await desk.press_button()
        await done()

        # Fill a selection, without a stroke.
        await desk.key(Qt.Key.Key_L)
        await desk.drag([(900, 1400), (1100, 1400), (1100, 1600), (900, 1600), (900, 1420)])
        await desk.key(Qt.Key.Key_Return, CONTROL)
        await done()

        # Paint pixels by hand on a layer of its own, and let it shine through.
        await desk.do("layer.add")
        layer = session.document.layers[-1].id
        await desk.key(Qt.Key.Key_P)
        session.set_brush(size=60)
        await desk.drag([(3000, 3600), (3200, 3700)])
        after.append(session.document)
        assert session.document.layer(layer) is not None

        # By words, with the model that is at hand.
        await desk.pick("Method", "Change by words · Blended Latent Diffusion")
        await until(lambda: session.draft.model is not None)
        session.set_draft(steps=3, variations=1, seed=5)
        await desk.key(Qt.Key.Key_L)
        await desk.drag([(5000, 2500), (5240, 2500), (5240, 2740), (5000, 2740), (5000, 2520)])
        await to_the_front(desk)
        await desk.key(Qt.Key.Key_T)
        field = QApplication.focusWidget()
        assert field is not None
        await by_hand(lambda: QTest.keyClicks(field, "a boat on water"))
        await desk.key(Qt.Key.Key_Return, CONTROL, widget=field)
        await done()
        assert session.document.layers[-1].recipe is not None
        assert session.document.layers[-1].recipe.prompt == "a boat on water"
        words_rect = Rect(5000, 2500, 5240, 2740).grow(2)
        outside = changed(after[-2], after[-1])
        outside[words_rect.slices] = False
        assert not outside.any(), "something outside the words' region changed"

        # A gradient of strength, with the model, in one more frame.
        await desk.pick("Method", "Blend and repaint · PIXELS")
        session.set_draft(steps=4, variations=1, seed=5)
        await desk.key(Qt.Key.Key_B)
        session.set_brush(size=160, hardness=0.7)
        await desk.drag([(1500, 3300), (1580, 3330)])
        await desk.key(Qt.Key.Key_Return, CONTROL)
        await done()

        # And a fill again; then some steps back, and one forth.
        await desk.pick("Method", "Fill from the picture · Quick fill")
        await desk.key(Qt.Key.Key_B)
        await desk.drag([(300, 300), (360, 330)])
        await desk.key(Qt.Key.Key_Return, CONTROL)
        await done()
        assert len(after) == 11, "ten edits"
        for _ in range(4):
            await desk.key(Qt.Key.Key_Z, CONTROL)
        assert session.document.same_as(after[-3])
        await desk.key(Qt.Key.Key_Z, CONTROL | Qt.KeyboardModifier.ShiftModifier)
        await desk.key(Qt.Key.Key_Z, CONTROL | Qt.KeyboardModifier.ShiftModifier)
        evening = session.document
        assert evening.same_as(after[-2])

        # Save, close, and open again: everything is there.
        await desk.do("file.save")
        await desk.choose_file(project)
        await until(lambda: not session.history.unsaved, timeout=60)
        await desk.do("file.close")
        await until(lambda: not desk.application.sessions)
        again = await desk.open(project)
        assert np.array_equal(flatten(again.document), flatten(evening))
        assert [sheet.name for sheet in again.document.layers] == [sheet.name for sheet in evening.layers]
        assert [sheet.recipe for sheet in again.document.layers] == [sheet.recipe for sheet in evening.layers]
        assert again.document.metadata == evening.metadata

        # Go on, and export.
        await desk.pick("Method", "Fill from the picture · Quick fill")
        await wanted_variations(desk)
        await desk.key(Qt.Key.Key_B)
        again.set_brush(size=100)
        await desk.drag([(400, 3700), (460, 3720)])
        await desk.key(Qt.Key.Key_Return, CONTROL)
        await desk.finished()
        await desk.key(Qt.Key.Key_Return)
        finished = again.document
        assert len(finished.layers) == len(evening.layers) + 1
        await desk.do("file.export")
        dialog = await desk.export_dialog()
        await desk.click(next(button for button in dialog.findChildren(QToolButton) if button.text() == "PNG"))
        await desk.go_on_exporting()
        await desk.choose_file(tmp_path / "evening.png")
        await until((tmp_path / "evening.png").exists, timeout=60)
        await until(lambda: not list(tmp_path.glob("*.part*")), timeout=60)
        exported, _ = read_document(tmp_path / "evening.png")
        assert np.array_equal(flatten(exported), flatten(finished))
        with Image.open(tmp_path / "evening.png") as image:
            assert image.getexif()[0x010E] == "A dahlia"
            profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
            assert "sRGB" in ImageCms.getProfileDescription(profile)

    tell(story, patience=300, bundled=resources.bundled_models())
