"""What the session and the panels make of what was touched, hidden, made of nothing, or done while results are shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from editor.document.compose import flatten
from editor.document.faint_strength import FAINTEST
from editor.document.tiles import Tiles
from editor.errors import InvalidRequest
from editor.geometry import Placement, Point, Rect
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.planning.plan import Touch
from editor.requests.reports import Progress
from tests.support.session_cases import model, painted, picture, result, with_exemplars, with_items
from tests.support.stub_worker import StubWorker
from widgets.canvas.levels import map_at
from widgets.panels.edit import EditPanel, SecondaryLinks
from widgets.panels.layers import LayersPanel
from widgets.panels.things import ItemsPanel
from widgets.session import commands, edits, run_actions
from widgets.session.edit_job import EditJob
from widgets.session.notice import Notice
from widgets.session.paint_target import surface
from widgets.session.session import Session
from widgets.shell.status_bar import StatusBar
from widgets.tools import grips
from widgets.variations.strip import sentence


@pytest.fixture
def session(worker: StubWorker, qtbot: QtBot) -> Session:
    worker.known = [model()]
    return Session(with_exemplars(with_items(picture(), "Cat", "Dog"), "Boat"), worker)


@pytest.fixture
def told(session: Session) -> list[Notice]:
    found: list[Notice] = []
    session.noticed.connect(found.append)
    return found


def select(session: Session) -> None:
    map = session.document.empty_map().write(200, 100, np.ones((30, 30), np.float32))
    session.commit("Select", session.document.with_map("selection", map))


# What was touched last


def test_what_a_gesture_touches_counts_before_it_ends(session: Session) -> None:
    session.activate(item=session.document.items[0].id)
    assert session.plan.label == "Remove “Cat”"
    draft = session.draft
    session.show(painted(session.document))
    assert session.plan.label == "Fill"
    session.revert()
    assert session.plan.label == "Remove “Cat”"
    assert session.draft is draft
    session.commit("Paint", painted(session.document))
    assert session.plan.label == "Fill"
    assert session.draft.touched[-1] == Touch("strength")


def test_what_is_clicked_again_leads_again(session: Session) -> None:
    cat, dog = (item.id for item in session.document.items)
    session.activate(item=cat)
    session.commit("Paint", painted(session.document))
    session.activate(item=cat)
    assert session.plan.label == "Remove “Cat”"
    session.activate(item=dog)
    assert session.plan.label == "Remove “Dog”"
    other = session.other_plan
    assert other is not None
    assert other.label == "Fill"


def test_undo_and_redo_lead_to_what_is_there(session: Session) -> None:
    session.commit("Paint", painted(session.document))
    select(session)
    assert session.plan.label == "Fill selection"
    session.undo()
    assert session.plan.label == "Fill"
    session.undo()
    assert session.plan.label == "Blend reference picture"
    session.redo()
    session.redo()
    assert session.plan.label == "Fill selection"


def test_a_result_is_no_touch(session: Session, worker: StubWorker) -> None:
    session.commit("Paint", painted(session.document))
    select(session)
    session.commit("Paint", painted(session.document))
    session.run()
    session.job_result(result())
    session.job_finished()
    session.accept()
    assert session.document.strength.blank
    assert session.plan.label == "Fill selection"


def test_looking_for_models_still_goes_on_with_the_last_method_after_something_was_painted(worker: StubWorker) -> None:
    session = Session(picture(), worker)
    first = session.draft
    session.commit("Paint", painted(session.document))
    assert replace(session.draft, touched=()) == first


def test_the_blend_button_of_an_exemplar_is_about_it(session: Session) -> None:
    boat = session.document.exemplars[0].id
    session.activate(exemplar=boat)
    session.choose_method(PixelsSettings)
    select(session)
    assert session.plan.label == "Repaint"
    session.activate(exemplar=boat)
    assert session.plan.label == "Blend “Boat”"


def test_repainting_from_beside_the_selection_is_about_the_selection(session: Session, worker: StubWorker) -> None:
    session.choose_method(BlendedSettings)
    session.set_draft(prompt="a boat")
    select(session)
    session.commit("Paint", painted(session.document))
    run_actions.repaint(session, "inside", Touch("selection"))
    assert worker.ran[-1].region == "selection"


def test_the_other_edit_has_a_button_of_its_own(session: Session, worker: StubWorker, qtbot: QtBot) -> None:
    panel = EditPanel(session)
    qtbot.addWidget(panel)
    panel.resize(288, 400)
    panel.show()
    session.commit("Paint", painted(session.document))
    session.activate(item=session.document.items[0].id)
    link = next(
        button
        for button in panel.findChildren(SecondaryLinks)[0].findChildren(QPushButton)
        if button.text().startswith("Or")
    )
    assert panel.button.text() == "Remove “Cat”"
    assert link.isVisible()
    assert link.text() == "Or: Fill"
    session.commit("Paint", session.document.with_strength(session.document.empty_map()))
    assert link.text() == "Or: Blend reference picture"
    session.undo()
    link.click()
    assert worker.ran[-1].label == "Fill"
    assert not link.isVisible()
    session.job_result(result())
    session.job_finished()
    assert not link.isVisible()
    session.discard()
    assert link.isVisible()


# Cancelled


def test_a_removal_that_comes_to_nothing_leaves_no_trace(session: Session) -> None:
    session.activate(exemplar=session.document.exemplars[0].id)
    select(session)
    before, draft = session.document, session.draft
    for ends in ("stopped", "failed", "discarded"):
        commands.remove_selection(session)
        assert session.plan.label.startswith("Remove “Item")
        session.report(Progress(0.5, "Filling"))
        if ends == "discarded":
            session.job_result(result())
            session.job_finished()
            session.discard()
        elif ends == "stopped":
            session.stop()
            session.job_cancelled()
        else:
            session.job_failed(InvalidRequest("It broke."))
            session.discard()
        assert session.document.same_as(before)
        assert session.draft == draft


def test_what_was_done_meanwhile_stays(session: Session) -> None:
    select(session)
    selected = session.document.selection
    commands.remove_selection(session)
    item = session.document.items[-1]
    session.commit("Paint", painted(session.document))
    session.stop()
    session.job_cancelled()
    assert session.document.item(item.id) is None
    assert session.document.selection is selected
    assert session.document.strength.any()
    assert session.draft.item is None
    assert session.plan.label == "Fill"

    # So does what the selection had become, once somebody has taken it on.
    commands.remove_selection(session)
    item = session.document.items[-1]
    edits.rename_item(session, item.id, "Bud")
    session.stop()
    session.job_cancelled()
    assert [entry.name for entry in session.document.items][-1] == "Bud"
    assert session.document.selection.blank


def test_while_an_edit_runs_delete_changes_nothing_and_says_why(session: Session, told: list[Notice]) -> None:
    session.commit("Paint", painted(session.document))
    session.run()
    select(session)
    selected, job = session.document, session.job
    commands.delete_touched(session)
    assert session.document is selected
    assert session.job is job
    session.activate(item=session.document.items[0].id)
    commands.delete_touched(session)
    assert session.document is selected
    assert session.job is job
    assert [each.message for each in told] == ["An edit is running."] * 2


# Hidden


def test_what_is_hidden_has_no_handles_and_takes_no_paint(session: Session) -> None:
    boat, cat = session.document.exemplars[0], session.document.items[0]
    session.activate(exemplar=boat.id)
    assert grips.active(session) is boat
    edits.show_exemplar(session, boat.id, False)
    assert grips.active(session) is None
    for target in ("strength", "exemplar_strength", "exemplar_fidelity", "cutout"):
        with pytest.raises(InvalidRequest, match="“Boat” is hidden") as refused:
            surface(session, target)
        assert refused.value.advice == "Show it to paint on it, or choose something else."
    session.undo()
    assert grips.active(session) is boat
    session.redo()
    assert grips.active(session) is None
    session.activate(item=cat.id)
    edits.show_item(session, cat.id, False)
    assert grips.active(session) is None
    with pytest.raises(InvalidRequest, match="“Cat” is hidden"):
        surface(session, "item")


# Nothing came of it


def test_a_result_like_the_picture_is_said_once(session: Session, told: list[Notice]) -> None:
    session.commit("Paint", painted(session.document))
    same = result().pixels.copy()
    same[..., :3] = flatten(session.document, Rect(50, 50, 90, 90))[..., :3]
    session.run()
    session.job_result(replace(result(1), pixels=same))
    session.job_result(replace(result(2), pixels=same))
    assert [each.message for each in told] == ["The result looks just like the picture."]
    session.job_result(result(3))
    session.job_finished()
    session.run()
    session.job_result(replace(result(1), pixels=same))
    assert len(told) == 2, "that is another edit"


def test_of_several_strengths_it_is_said_where_the_strongest_changes_nothing(
    session: Session, told: list[Notice]
) -> None:
    session.commit("Paint", painted(session.document))
    same = result().pixels.copy()
    same[..., :3] = flatten(session.document, Rect(50, 50, 90, 90))[..., :3]
    levels = (0.15, 0.9)
    for strongest in (result().pixels, same):
        session.start(EditJob.of(session.plan, session.document, session.draft, levels))
        for level, pixels in zip(levels, (same, strongest), strict=True):
            recipe = replace(result().recipe, strength=level)
            session.job_result(replace(result(), pixels=pixels, recipe=recipe))
        session.job_finished()
        session.discard()
        assert len(told) == (1 if strongest is same else 0)


def test_too_little_strength_is_said_beside_the_button(session: Session, qtbot: QtBot) -> None:
    panel = EditPanel(session)
    qtbot.addWidget(panel)
    panel.resize(288, 400)
    panel.show()
    document = session.document
    session.commit(
        "Paint", document.with_strength(document.empty_map().write(50, 50, np.full((9, 9), 0.02, np.float32)))
    )
    assert any(label.text().startswith("At most 2\u202f% may change") for label in panel.findChildren(QLabel))


# While results are shown


def test_results_step_aside_for_what_is_done_to_the_picture(session: Session) -> None:
    session.commit("Paint", painted(session.document))
    session.run()
    for seed in (1, 2):
        session.job_result(result(seed))
    session.job_finished()

    def laid() -> object:
        assert session.job is not None
        return session.job.laid

    first = laid()
    assert first is not None
    edits.rename_item(session, session.document.items[0].id, "Tiger")
    assert laid() is first, "nothing is to be seen of that"
    select(session)
    assert laid() is None
    assert session.job is not None
    assert "Point at one to see it" in sentence(session.job)
    session.peek(1)
    assert laid() is session.job.candidates.results[1]
    session.peek(None)
    assert laid() is None
    session.choose(0)
    assert laid() is first
    moved = session.document.items[0]
    session.show(session.document.with_item(replace(moved, placement=Placement(200, 100))))
    assert laid() is None
    session.accept()
    assert laid() is first, "nobody keeps what they do not see"
    session.accept()
    assert session.job is None


# Thumbnails


def test_a_picture_comes_back_with_its_row(session: Session, qtbot: QtBot) -> None:
    panel = LayersPanel(session)
    qtbot.addWidget(panel)
    edits.add_layer(session)
    id = session.document.layers[-1].id

    def blank() -> bool:
        row = panel.rows.row(id)
        assert row is not None
        return row.thumbnail._pixmap is None

    qtbot.waitUntil(lambda: not blank())
    session.undo()
    session.redo()
    qtbot.waitUntil(lambda: not blank())


def test_an_item_shows_what_is_seen_there_now(session: Session, qtbot: QtBot) -> None:
    panel = ItemsPanel(session)
    qtbot.addWidget(panel)
    cat = session.document.items[0]

    def middle() -> tuple[int, ...]:
        row = panel.rows.row(cat.id)
        assert row is not None
        pixmap = row.thumbnail._pixmap
        if pixmap is None:
            return ()
        colour = pixmap.toImage().pixelColor(pixmap.width() // 2, pixmap.height() // 2)
        return colour.red(), colour.green(), colour.blue()

    qtbot.waitUntil(lambda: bool(middle()))
    assert middle() != (255, 0, 0)
    layer = session.document.layers[0]
    red = np.full((30, 30, 4), (255, 0, 0, 255), np.uint8)
    session.commit("Paint", session.document.with_layer(replace(layer, pixels=layer.pixels.write(10, 20, red))))
    qtbot.waitUntil(lambda: middle() == (255, 0, 0))


# Under the cursor


def test_the_status_bar_says_what_the_brush_would_change(session: Session, qtbot: QtBot) -> None:
    bar = StatusBar(session)
    qtbot.addWidget(bar)
    boat = session.document.exemplars[0]
    half = boat.strength_map.write(0, 0, np.full((40, 60), 0.6, np.float32))
    session.commit("Let in", session.document.with_exemplar(replace(boat, strength_map=half)))
    session.set_options(tool="strength")

    def words(x: float, y: float) -> str:
        bar.where(Point(x, y))
        return bar._value.text()

    assert words(100, 100) == "Strength 0\u202f%"
    session.activate(exemplar=boat.id)
    assert words(100, 100) == "Influence 60\u202f%"
    assert words(5, 5) == "", "the brush changes nothing there"
    edits.paint_exemplar_fidelity(session, boat.id)
    assert words(100, 100) == "Keep as it is 0\u202f%"
    edits.paint_cutout(session, boat.id)
    assert words(100, 100) == "Cut-out 100\u202f%"
    edits.edit_outline(session, session.document.items[0].id)
    assert words(20, 30) == "Outline 100\u202f%"
    assert words(100, 100) == "Outline 0\u202f%"
    session.set_options(tool="move")
    session.activate()
    assert words(100, 100) == ""


def test_the_overlay_shows_nothing_of_what_rounds_to_nothing() -> None:
    for value, shown in ((FAINTEST * 0.99, False), (FAINTEST * 1.01, True)):
        tiles = Tiles.filled((8, 8), value, np.float32)
        assert map_at(tiles, 0, Rect(0, 0, 8, 8)).any() == shown


def test_what_is_painted_of_a_reference_picture_has_a_value_of_its_own(session: Session) -> None:
    session.set_options(tool="strength", value=0.7)
    boat = session.document.exemplars[0].id
    session.activate(exemplar=boat)
    assert session.options.value == 1
    session.set_options(value=0.3)
    session.activate()
    assert session.options.value == 0.7
    session.activate(exemplar=boat)
    assert session.options.value == 0.3
    session.commit("Delete", session.document.without_exemplar(boat))
    assert session.options.value == 0.7
