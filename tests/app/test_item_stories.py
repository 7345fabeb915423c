"""Whole stories of changing items over a tiny real model: real window, real worker, real events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QToolButton

from editor.document.compose import flatten
from editor.methods.items.settings import ItemsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from tests.app.conftest import Tell
from tests.app.test_blended_stories import accept, box, kind, preset, say, stamp
from tests.support.program import Desk, by_hand
from tests.support.waiting import until
from tests.support.watched_models import Watched
from widgets.session.session import Session

__all__ = ["stamp"]  # a fixture

METHOD = "Change items · D-Edit"
CONTROL = Qt.KeyboardModifier.ControlModifier

pytestmark = pytest.mark.usefixtures("boats")


@pytest.fixture(autouse=True)
def nothing_left(watched: Watched) -> Iterator[None]:
    """After every story: the model as it came, and no thread of ours."""
    yield
    assert not watched.loaded or watched.unchanged(), "something of the model was altered"
    assert watched.running == []


async def begin(desk: Desk, picture: Path) -> Session:
    """The picture with one item in it, active, and the method in hand."""
    session = await desk.open(picture)
    await until(session.models)
    await desk.pick("Method", METHOD)
    assert kind(session) is ItemsSettings
    session.set_draft(steps=4, variations=1, seed=5)
    assert desk.says("Select something, then make it an item.")
    await box(desk)
    await desk.key(Qt.Key.Key_J, CONTROL)
    assert [item.name for item in session.document.items] == ["Item 1"]
    return session


def test_an_item_becomes_another_and_all_is_undone(tell: Tell, stamp: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, stamp)
        opened = flatten(session.document)
        await say(desk, "a red boat")
        assert session.plan.label == "Change “Item 1” to “a red boat”"
        await desk.key(Qt.Key.Key_Return, CONTROL)
        after = await accept(desk, session.document)
        layer = after.layers[-1]
        assert layer.name == "Change “Item 1” to “a red boat”"
        assert layer.recipe is not None
        assert isinstance(layer.recipe.settings, ItemsSettings)
        while session.history.can_undo:
            session.undo()
        assert np.array_equal(flatten(session.document), opened)

    tell(story)


def test_delete_takes_an_item_out_on_the_model_and_without_one_as_before(
    tell: Tell, stamp: Path, watched: Watched
) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, stamp)
        before = session.document
        assert desk.edit.button.text() == "Remove “Item 1”"
        assert desk.says("Say under “What is around” what the rest of the picture shows; that is what takes its place.")
        session.set_draft(settings=ItemsSettings(surroundings="a pond"))
        calls = watched.calls
        await desk.key(Qt.Key.Key_Delete)
        made = await desk.finished()
        assert made.edit_job.draft.settings == ItemsSettings(surroundings="a pond")
        assert watched.calls == calls + 4
        after = await accept(desk, before)
        assert after.items == ()
        session.undo()
        assert session.document.items == before.items
        session.activate(item=before.items[0].id)
        # With another method in hand it is filled from the picture.
        await desk.pick("Method", "Blend and repaint · PIXELS")
        await desk.key(Qt.Key.Key_Delete)
        made = await desk.finished()
        assert isinstance(made.edit_job.draft.settings, QuickFillSettings)
        assert watched.calls == calls + 4

    tell(story)


def test_all_around_an_item_changes_and_the_item_stays(tell: Tell, stamp: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, stamp)
        await preset(desk, "All around it")
        assert desk.says("Say what should be around it.")
        await say(desk, "a desert")
        assert session.plan.label == "Change all around “Item 1” to “a desert”"
        session.set_draft(settings=session.draft.settings.with_values(band=0.0))
        before = flatten(session.document)
        await desk.key(Qt.Key.Key_Return, CONTROL)
        await accept(desk, session.document)
        changed = (flatten(session.document) != before).any(-1)
        rect = session.document.items[0].rect
        assert not changed[rect.grow(-1).slices].any()  # all of it but for the soft edge
        assert changed[: rect.top - 2].any()

    tell(story)


def test_what_is_around_is_typed_among_the_settings(tell: Tell, stamp: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await begin(desk, stamp)
        (more,) = (button for button in desk.edit.findChildren(QToolButton) if button.text() == "More")
        await desk.click(more)
        (field,) = (line for line in desk.edit.findChildren(QLineEdit) if line.accessibleName() == "What is around")
        await by_hand(lambda: QTest.keyClicks(field, "a lawn"))
        assert session.draft.settings == ItemsSettings(surroundings="a lawn")

    tell(story)
