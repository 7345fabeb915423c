"""What the sampler will use, and how far exemplars reach, on the canvas."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QEvent
from pytestqt.qtbot import QtBot

from editor.diffusion.families.registry import FAMILIES
from editor.document.contents import Exemplar, Item, Layer
from editor.document.document import Document
from editor.document.tiles import Tiles
from editor.edits.dispatch import frame_for, make_request, plan
from editor.geometry import Placement, Rect
from editor.methods.blended_latent_diffusion.region_cells import cell_mask, held_since, skipped_steps, widening
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.items.settings import ItemsSettings
from editor.methods.pixels.hold_counts import ABSOLUTE, first_step, relative_counts, release_steps, run_length
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.methods.registry import METHODS
from editor.model_canvas.canvas import ModelCanvas
from editor.models.info import ModelInfo
from editor.planning.plan import Draft
from editor.requests.method_settings import MethodSettings
from editor.requests.reports import Preview, Progress
from editor.requests.results import EditResult, Recipe
from tests.support.canvas_driver import Easel, soft
from widgets.canvas.falloff_overlay import adapting
from widgets.canvas.hold_overlay import Cells, cells_of, checked_cells

PRESS, MOVE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove
MODEL = ModelInfo("tiny", "Tiny", FAMILIES.named("stable-diffusion"), Path("tiny"), 512)
AREA = Rect(100, 100, 260, 180)


def draft(**changes: object) -> Draft:
    return replace(Draft(PixelsSettings(), model=MODEL, steps=20, strength=0.5, frame=Rect(0, 0, 512, 512)), **changes)  # type: ignore[arg-type]


def picture(level: float = 1.0) -> Document:
    """Free in `AREA`: half of it fully, half of it by `level`."""
    document = Document.of_picture(soft(512, 512))
    amount = np.ones(AREA.size.shape, np.float32)
    amount[:, 80:] = level
    return document.with_strength(document.strength.write(AREA.left, AREA.top, amount))


def with_exemplar(document: Document, fidelity: float = 0.0, rim: float | None = None) -> Document:
    exemplar = Exemplar.of("leaf", np.full((96, 96, 4), 200, np.uint8) | np.uint8(55), Placement(352, 352))
    return document.adding_exemplar(replace(exemplar, fidelity=fidelity, rim=rim))


@pytest.fixture
def easel(qtbot: QtBot) -> Easel:
    made = Easel(qtbot, picture(0.5), (560, 560))
    made.session.set_draft(settings=PixelsSettings(), model=MODEL, steps=20, strength=0.5, frame=Rect(0, 0, 512, 512))
    made.look(zoom=1.0, x=256, y=256)
    return made


def at(easel: Easel, x: float, y: float) -> tuple[float, float]:
    found = easel.canvas.viewport.to_screen(x, y)
    return found.x, found.y


def test_a_cell_counts_the_steps_that_the_method_counts() -> None:
    document, asked = picture(0.5), draft()
    cells = cells_of(document, asked, plan(document, asked), frame_for(document, asked))
    assert cells is not None
    assert cells.steps == 10  # half of twenty
    assert cells.held.shape == (64, 64)
    assert np.array_equal(cells.held[13:22, 13:22], np.zeros((9, 9)))
    assert cells.words_at(110, 110) == "Released at step 1 of 10"
    assert cells.words_at(250, 110) == "Released at step 6 of 10"
    assert cells.words_at(50, 50) == "Kept"
    assert cells.words_at(600, 50) == ""
    blocks = document.strength.read().reshape(64, 8, 64, 8).mean((1, 3))
    assert np.array_equal(cells.held, 10 - np.floor(blocks * 0.5 * 20 + 0.5 + 1e-6))


def test_cells_of_an_exemplar_are_held_by_its_fidelity() -> None:
    for fidelity, held in ((0.0, 0), (0.5, 5), (1.0, 10)):
        document = with_exemplar(picture(), fidelity)
        asked = draft()
        cells = cells_of(document, asked, plan(document, asked), frame_for(document, asked))
        assert cells is not None
        assert cells.held_at(352, 352) == held


@pytest.mark.parametrize(("let_in", "held"), [(0.02, 10), (0.1, 8), (0.3, 4), (0.5, 0), (1.0, 0)])
def test_how_much_of_an_exemplar_is_let_in_says_how_long_its_cells_are_held(let_in: float, held: int) -> None:
    """Beside something that is free for all of the run; what is seen is what runs, also where it is looked at smaller."""
    document = with_exemplar(picture())
    document = document.with_exemplar(replace(document.exemplars[0], strength=let_in))
    seen = _seen(document, draft())
    assert (seen.steps, seen.held_at(352, 352)) == (10, held)
    assert np.array_equal(seen.held, _real(document, draft()))
    reaching = adapting(document, draft(), plan(document, draft()), frame_for(document, draft()))
    assert reaching is not None
    assert reaching.values[352, 352] == pytest.approx(255 * 0.5 * min(1, 2 * let_in), abs=1)
    large = Document.of_picture(np.full((2048, 2048, 4), 255, np.uint8))
    leaf = Exemplar.of("leaf", np.full((600, 600, 4), 255, np.uint8), Placement(1200, 1200))
    large = large.adding_exemplar(replace(leaf, strength=let_in))
    asked = draft(frame=large.rect)
    assert np.abs(_seen(large, asked).held - _real(large, asked)).max() <= 1


def test_painted_fidelity_counts_where_it_was_painted() -> None:
    document = with_exemplar(picture(), 1.0)
    exemplar = document.exemplars[0]
    left = np.zeros((96, 96), np.float32)
    left[:, :48] = 1
    document = document.with_exemplar(replace(exemplar, fidelity_map=Tiles.of(left)))
    cells = cells_of(document, draft(), plan(document, draft()), frame_for(document, draft()))
    assert cells is not None
    assert (cells.held_at(320, 352), cells.held_at(390, 352)) == (10, 0)


def _real(document: Document, asked: Draft) -> NDArray[np.int64]:
    """The counts of the request that a run would make."""
    request = make_request(document, replace(asked, seed=1))
    assert isinstance(request.settings, PixelsSettings)
    working, steps = ModelCanvas.of(request.frame, MODEL), request.steps
    if request.revision < ABSOLUTE:
        run = run_length(request.strength, steps)
        return relative_counts(request.settings, request.exemplars, request.strength, working, run)
    until = release_steps(
        request.settings, request.exemplars, request.strength, working, steps, overall=request.overall
    )
    return until - first_step(until, request.strength, steps)


def _seen(document: Document, asked: Draft) -> Cells:
    found = cells_of(document, asked, plan(document, asked), frame_for(document, asked))
    assert found is not None
    return found


@pytest.mark.parametrize("revision", [ABSOLUTE - 1, ABSOLUTE])
@pytest.mark.parametrize("thin", [False, True])
def test_the_cells_are_those_of_the_request(thin: bool, revision: int) -> None:
    """Exactly, in a frame of up to about the working size; also where the picture is transparent."""
    document = with_exemplar(picture(0.37), 0.6)
    layer = document.layers[0]
    hole = layer.pixels.write(120, 120, np.zeros((30, 90, 4), np.uint8))
    document = document.with_layer(replace(layer, pixels=hole))
    for frame in (Rect(0, 0, 512, 512), Rect(3, 5, 510, 509), Rect(100, 90, 400, 420)):
        asked = draft(settings=PixelsSettings(thin_strokes=thin), frame=frame, revision=revision)
        assert np.array_equal(_seen(document, asked).held, _real(document, asked))
    solid = document.with_layer(layer)
    assert not np.array_equal(_seen(solid, draft()).held, _seen(document, draft()).held)


@pytest.mark.parametrize("thin", [False, True])
def test_a_large_frame_is_counted_smaller_and_nearly_the_same(thin: bool) -> None:
    document = Document.of_picture(np.full((2100, 2500, 4), 255, np.uint8))
    slope = np.repeat(np.linspace(0.1, 1, 1400, dtype=np.float32)[None], 1200, axis=0)
    document = document.with_strength(document.empty_map().write(303, 207, slope))
    document = document.with_map("protect", document.empty_map().write(900, 600, np.full((301, 303), 0.5, np.float32)))
    exemplar = Exemplar.of("leaf", np.full((300, 400, 4), 255, np.uint8), Placement(1800, 1500, 1.5, 1.5, 0.3))
    document = document.adding_exemplar(replace(exemplar, fidelity=0.5))
    layer = document.layers[0]
    document = document.with_layer(
        replace(layer, pixels=layer.pixels.write(500, 300, np.zeros((300, 300, 4), np.uint8)))
    )
    asked = draft(settings=PixelsSettings(thin_strokes=thin), frame=Rect(101, 53, 2401, 2009))
    seen, real = _seen(document, asked), _real(document, asked)
    off = np.abs(seen.held - real)
    assert seen.held.shape == real.shape
    assert seen.steps == 10
    assert (off == 0).mean() > 0.95
    assert off.max() <= 1


@pytest.mark.parametrize("settings", [PixelsSettings(), ItemsSettings()])
@pytest.mark.parametrize("rect", [Rect(400, 1500, 1300, 2000), Rect(2000, 100, 2400, 700)])
def test_an_item_of_a_large_picture_is_counted_where_it_lies(settings: MethodSettings, rect: Rect) -> None:
    """It is looked at smaller, and all of it with it."""
    mask = np.zeros((2100, 2500), np.float32)
    mask[rect.slices] = 1
    document = Document.of_picture(np.full((2100, 2500, 4), 255, np.uint8)).adding_item(Item.of("a", Tiles.of(mask)))
    asked = draft(settings=settings, item=document.items[0].id, frame=document.rect, prompt="a boat")
    planned = plan(document, asked)
    seen = cells_of(document, asked, planned, frame_for(document, asked, planned))
    assert seen is not None
    request = make_request(document, asked, planned)
    whole = METHODS.of(settings).preview_holds(
        asked, request.exemplars, request.strength, ModelCanvas.of(request.frame, MODEL), asked.steps or 0
    )
    assert whole is not None
    off = np.abs(seen.held - whole.held)
    assert (off == 0).mean() > 0.97
    assert (seen.held < seen.steps).any()


def test_without_a_model_there_are_no_cells() -> None:
    document = picture()
    assert (
        cells_of(
            document,
            Draft(QuickFillSettings()),
            plan(document, Draft(QuickFillSettings())),
            frame_for(document, Draft(QuickFillSettings())),
        )
        is None
    )


def test_cells_are_flat_and_the_strength_stands_in_while_painting(easel: Easel, qtbot: QtBot) -> None:
    session = easel.session
    session.commit("Gradient", session.document.with_strength(_slope(session.document)))
    session.set_view(overlay="cells")
    assert easel.canvas.renderer.scene.overlay == "heat"
    qtbot.waitUntil(lambda: easel.canvas.renderer.scene.overlay == "cells")
    plain = _plain(easel)
    x, y = (round(each) for each in at(easel, 200, 104))
    cell = easel.seen()[y : y + 8, x : x + 8].astype(int) - plain[y : y + 8, x : x + 8].astype(int) * 0.55
    assert np.ptp(cell[2:7, 2:7], axis=(0, 1)).max() <= 3  # one colour at 45 %
    document = session.document
    session.show(document.with_strength(document.strength.write(300, 300, np.ones((40, 40), np.float32))))
    assert easel.canvas.renderer.scene.overlay == "heat"
    session.revert()
    qtbot.waitUntil(lambda: easel.canvas.renderer.scene.overlay == "cells")


def test_the_legend_says_how_many_steps_and_which_one(easel: Easel, qtbot: QtBot) -> None:
    easel.session.set_view(overlay="cells", legend=True)
    qtbot.waitUntil(lambda: easel.canvas.renderer.scene.overlay == "cells")
    scale = easel.canvas.renderer._legend_scale()
    assert (scale.steps, scale.note) == (10, "")
    easel.point(MOVE, *at(easel, 250, 110))
    reading = easel.canvas.renderer._reading()
    assert reading is not None
    assert (reading.words, reading.share) == ("Released at step 6 of 10", 0.5)
    easel.session.set_draft(settings=PixelsSettings(map_scale="noise"))
    qtbot.waitUntil(lambda: "index" in easel.canvas.renderer._legend_scale().note)


def test_the_reach_goes_as_far_as_the_rim() -> None:
    document = with_exemplar(Document.of_picture(soft(512, 512)), rim=20)
    found = adapting(document, draft(), plan(document, draft()), frame_for(document, draft()))
    assert found is not None
    box = found.outline.boundingRect()
    assert box.left() == pytest.approx(352 - 48 - 20, abs=2)
    assert box.bottom() == pytest.approx(352 + 48 + 20, abs=2)
    assert found.values.max() == 128  # the overall strength
    assert (
        adapting(
            document,
            Draft(QuickFillSettings()),
            plan(document, Draft(QuickFillSettings())),
            frame_for(document, Draft(QuickFillSettings())),
        )
        is None
    )


def test_a_large_picture_is_looked_at_smaller() -> None:
    document = Document.of_picture(np.full((3000, 3000, 4), 255, np.uint8))
    exemplar = Exemplar.of("leaf", np.full((300, 300, 4), 255, np.uint8), Placement(1500, 1500, 4, 4))
    document = document.adding_exemplar(replace(exemplar, rim=100.0))
    asked = draft(frame=Rect(0, 0, 3000, 3000))
    found = adapting(document, asked, plan(document, asked), frame_for(document, asked))
    assert found is not None
    assert found.values.size < 700_000
    box = found.outline.boundingRect()
    assert box.left() == pytest.approx(800, abs=8)
    assert box.right() == pytest.approx(2200, abs=8)


def test_the_reach_goes_while_an_exemplar_is_dragged_and_comes_back(easel: Easel, qtbot: QtBot) -> None:
    session = easel.session
    session.commit("Add", with_exemplar(session.document))
    qtbot.waitUntil(lambda: easel.canvas.renderer.scene.adapting is not None)
    exemplar = session.document.exemplars[0]
    session.show(session.document.with_exemplar(replace(exemplar, placement=Placement(300, 300))))
    assert easel.canvas.renderer.scene.adapting is None
    session.commit("Move", session.document)
    qtbot.waitUntil(lambda: easel.canvas.renderer.scene.adapting is not None)


def test_an_exemplar_that_a_map_leads_shows_where_it_is_let_in(easel: Easel) -> None:
    """One that covers the picture: as far as the map says all; and everywhere as soon as there is no map."""
    session = easel.session
    session.set_view(overlay="off")
    plain = easel.seen().astype(int)
    red = np.full((512, 512, 4), (255, 0, 0, 255), np.uint8)
    session.commit("Add", session.document.adding_exemplar(Exemplar.of("red", red, Placement(256, 256))))
    session.activate()
    left, right, far = (tuple(round(each) for each in at(easel, x, 140)) for x in (140, 220, 400))

    def seen(place: tuple[int, ...]) -> list[int]:
        found: list[int] = easel.seen()[place[1], place[0]].tolist()
        return found

    assert seen(left) == [255, 0, 0]  # the map says all there, and a half beside it
    for place in (right, far):
        assert np.abs(np.array(seen(place)) - plain[place[1], place[0]]).max() <= 1
    request = make_request(session.document, session.draft)
    assert Rect.of_mask(request.exemplars[0].alpha) == Rect(100, 100, 180, 180)
    painted = session.document
    session.commit("Clear", painted.with_strength(painted.empty_map()))
    assert seen(left) == seen(right) == seen(far) == [255, 0, 0]
    session.undo()
    assert seen(far) != [255, 0, 0]


def test_from_preview_to_result_nothing_flashes(easel: Easel) -> None:
    """The result shows in the first picture after the preview, and outside the change nothing ever moves."""
    session = easel.session
    before = easel.seen()
    session.run()
    small = np.zeros((20, 40, 4), np.uint8)
    small[..., 1] = small[..., 3] = 255
    session.report(Progress(0.5, "Step 5 of 10"))
    session.report(Preview(AREA, small))
    during = easel.seen()
    large = np.zeros((*AREA.size.shape, 4), np.uint8)
    large[..., 1] = large[..., 3] = 255
    session.job_result(EditResult(AREA, large, Recipe(PixelsSettings(), "fill", AREA, 1)))
    after = easel.canvas.grab().toImage()
    x, y = (round(each) for each in at(easel, *AREA.centre))
    assert during[y, x].tolist() == [0, 255, 0]
    assert after.pixelColor(x, y).name() == "#00ff00"
    outside = np.ones(before.shape[:2], bool)
    corner = [round(each) for each in (*at(easel, AREA.left, AREA.top), *at(easel, AREA.right, AREA.bottom))]
    outside[corner[1] - 1 : corner[3] + 1, corner[0] - 1 : corner[2] + 1] = False
    assert np.array_equal(during[outside], before[outside])
    assert np.array_equal(easel.seen()[outside], before[outside])


def test_a_small_preview_is_stretched_smoothly(easel: Easel) -> None:
    session = easel.session
    session.run()
    ramp = np.zeros((4, 8, 4), np.uint8)
    ramp[..., 0] = np.linspace(0, 255, 8).astype(np.uint8)
    ramp[..., 3] = 255
    session.report(Preview(AREA, ramp))
    x, y = (round(each) for each in at(easel, AREA.left, AREA.centre.y))
    row = easel.seen()[y, x : x + AREA.width, 0].astype(int)
    assert np.abs(np.diff(row)).max() <= 6  # blocks would jump by 36
    assert row[-1] - row[0] > 200


def _slope(document: Document) -> Tiles:
    slope = np.repeat(np.linspace(0.2, 1, 160, dtype=np.float32)[None], 80, axis=0)
    return document.empty_map().write(AREA.left, AREA.top, slope)


def _plain(easel: Easel) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    easel.session.set_view(overlay="off")
    found = easel.seen()
    easel.session.set_view(overlay="cells")
    easel.canvas.renderer.settle()
    return found


def by_words(**changes: object) -> Draft:
    return draft(**{"settings": BlendedSettings(), "prompt": "a rope", "strength": 0.95, **changes})


def strip(side: int, height: int) -> Document:
    """A selected strip across the middle."""
    document = Document.of_picture(soft(side, side))
    level = np.ones((height, side // 2), np.float32)
    return document.with_map("selection", document.selection.write(side // 4, side // 2, level))


@pytest.mark.parametrize(("side", "height", "wider"), [(512, 6, True), (512, 80, False), (2048, 24, True)])
def test_cells_of_a_region_by_words_are_those_that_the_method_takes(side: int, height: int, wider: bool) -> None:
    document, asked = strip(side, height), by_words(frame=Rect(0, 0, side, side))
    planned = plan(document, asked)
    frame = frame_for(document, asked)
    cells = checked_cells(document, asked, planned, frame)
    assert cells is not None
    assert cells.begins_wider == wider
    request = make_request(document, asked, planned)
    working = ModelCanvas.of(request.frame, MODEL)
    assert isinstance(request.settings, BlendedSettings)
    region = request.strength / request.strength.max()
    mask = cell_mask(region, working, request.settings.cells)
    run = request.steps - skipped_steps(0.95, request.steps)
    assert cells.steps == run
    assert np.array_equal(cells.held == 0, mask)
    ring = held_since(mask, widening(request.settings, region, working), run)
    assert np.array_equal(cells.held == run, (ring == 0) & ~mask)
    assert cells_of(document, asked, planned, frame) is not None


def test_a_scribble_takes_part_also_where_a_large_picture_is_looked_at_smaller() -> None:
    side = 2048
    document = strip(side, 300).adding_layer(Layer.empty(0, "Scribble", strip(side, 300).size))
    hint = document.layers[-1]
    stroke = np.full((200, 200, 4), 255, np.uint8)
    document = document.with_layer(replace(hint, pixels=hint.pixels.write(200, 200, stroke)))
    asked = by_words(scribble=hint.id, frame=Rect(0, 0, side, side))
    cells = checked_cells(document, asked, plan(document, asked), frame_for(document, asked))
    assert cells is not None
    assert cells.words_at(300, 300) == "Changes"
    assert cells.words_at(1000, 1100) == "Kept", "what is selected is not what is scribbled"
    assert cells.words_at(1000, 300) == "Kept"


def test_a_region_of_which_nothing_may_change_has_no_cells() -> None:
    full = strip(512, 80).with_map("protect", Tiles.filled((512, 512), 1, np.float32))
    asked = by_words(frame=None)
    planned, frame = plan(full, asked), frame_for(full, asked)
    assert planned.action is None
    assert "protected" in planned.reason
    assert frame is None
    assert checked_cells(full, asked, planned, frame) is None
    assert cells_of(full, asked, planned, frame) is None
