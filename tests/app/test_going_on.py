"""A project is saved, closed and opened again: it goes on with the method and the model of its last edit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from tests.app.conftest import Tell
from tests.support.program import Desk
from tests.support.waiting import until
from widgets.shell.notices import Notices

PIXELS = "Blend and repaint · PIXELS"
QUICK_FILL = "Fill from the picture · Quick fill"


async def edit_and_save(desk: Desk, photo: Path, project: Path) -> None:
    """One edit with the model, kept, saved and closed; what was in hand last is another method."""
    session = await desk.open(photo)
    await until(session.models)
    await desk.pick("Method", PIXELS)
    await desk.pick("Model", "boats")
    session.set_draft(variations=1, steps=2)
    await desk.key(Qt.Key.Key_B)
    session.set_brush(size=60)
    await desk.drag([(560, 360), (600, 390)])
    await desk.press_button()
    await desk.finished()
    await desk.key(Qt.Key.Key_Return)
    assert session.document.layers[-1].recipe is not None
    await desk.pick("Method", QUICK_FILL)
    await desk.key(Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    await desk.choose_file(project)
    await until(lambda: not session.history.unsaved)
    await desk.do("file.close")
    await until(lambda: desk.application.sessions == [])


def warned(desk: Desk) -> bool:
    return any(notices.isVisible() for notices in desk.window.findChildren(Notices))


@pytest.mark.usefixtures("boats")
def test_it_goes_on_with_method_and_model(tell: Tell, photo: Path, tmp_path: Path) -> None:
    project = tmp_path / "flower.palimpsest"

    async def first(desk: Desk) -> None:
        await edit_and_save(desk, photo, project)
        session = await desk.open(project)
        assert isinstance(session.draft.settings, PixelsSettings)
        assert session.draft.model is not None
        assert session.draft.model.name == "boats"

    async def later(desk: Desk) -> None:
        """In a fresh program the models are still being looked for."""
        session = await desk.open(project)
        await until(session.models)
        assert isinstance(session.draft.settings, PixelsSettings)
        assert desk.says("Repaints from reference pictures and words.")
        assert desk.edit.button.isVisible()

    tell(first)
    tell(later)


def test_it_is_quick_fill_without_the_model(tell: Tell, photo: Path, boats: Path, tmp_path: Path) -> None:
    project = tmp_path / "flower.palimpsest"

    async def first(desk: Desk) -> None:
        await edit_and_save(desk, photo, project)

    async def later(desk: Desk) -> None:
        session = await desk.open(project)
        await until(lambda: desk.application.models.models is not None)
        assert isinstance(session.draft.settings, QuickFillSettings)
        assert session.draft.model is None
        assert not warned(desk)

    tell(first)
    shutil.rmtree(boats)
    tell(later)


@pytest.mark.usefixtures("boats")
def test_a_picture_still_begins_with_what_was_used_last(tell: Tell, photo: Path, tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        await until(session.models)
        await desk.pick("Method", "Change by words · Blended Latent Diffusion")
        await desk.pick("Model", "boats")
        with_words = await desk.open(photo)
        assert with_words is not session
        assert isinstance(with_words.draft.settings, BlendedSettings)

    tell(story)
