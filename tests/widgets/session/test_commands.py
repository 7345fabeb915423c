"""Commands on maps, items, exemplars and layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from editor.document.contents import Exemplar, Layer
from editor.document.document import Document
from editor.geometry import Placement, Rect
from tests.support.stub_worker import StubWorker
from tests.support.tool_driver import plain, with_exemplar, with_item
from widgets.session import commands
from widgets.session.notice import Notice
from widgets.session.session import Session


@pytest.fixture
def session(qtbot: QtBot) -> Session:
    return Session(plain(), StubWorker(segments="now"))


@pytest.fixture
def notices(session: Session) -> list[Notice]:
    found: list[Notice] = []
    session.noticed.connect(found.append)
    return found


def labels(session: Session) -> list[str]:
    return [entry.label for entry in session.history.entries[1:]]


def select(session: Session, rect: Rect, value: float = 1.0) -> None:
    document = session.document
    tiles = document.empty_map().write(rect.left, rect.top, np.full(rect.size.shape, value, np.float32))
    session.commit("Select", document.with_map("selection", tiles))


def area(document: Document, name: str = "selection") -> float:
    tiles = document.selection if name == "selection" else document.strength
    return float(tiles.read().sum())


def test_all_none_and_inverted(session: Session) -> None:
    commands.select_all(session)
    assert area(session.document) == 300 * 200
    commands.select_none(session)
    assert session.document.selection.blank
    commands.select_none(session)
    select(session, Rect(10, 10, 20, 20))
    commands.select_invert(session)
    assert area(session.document) == 300 * 200 - 100
    assert labels(session) == ["Select all", "Deselect", "Select", "Invert selection"]


def test_the_selection_becomes_an_item(session: Session) -> None:
    select(session, Rect(10, 20, 40, 60))
    commands.selection_to_item(session)
    item = session.document.items[0]
    assert (item.name, item.rect) == ("Item 1", Rect(10, 20, 40, 60))
    assert session.document.selection.blank
    assert session.draft.item == item.id
    assert session.options.tool == "move"
    select(session, Rect(50, 20, 60, 60))
    commands.selection_to_item(session)
    commands.delete_item(session, item.id)
    select(session, Rect(70, 20, 80, 60))
    commands.selection_to_item(session)
    select(session, Rect(90, 20, 95, 60))
    commands.selection_to_item(session, "boat")
    assert [item.name for item in session.document.items] == ["Item 2", "Item 1", "boat"]
    commands.select_item(session, session.document.items[0].id)
    assert area(session.document) == 400


def test_no_selection_makes_no_item(session: Session, notices: list[Notice]) -> None:
    commands.selection_to_item(session)
    select(session, Rect(10, 10, 20, 20), 0.0)
    commands.selection_to_item(session)
    commands.selection_to_strength(session)
    assert session.document.items == ()
    assert len(notices) == 2
    assert all(notice.advice for notice in notices)


def test_filling_follows_the_selection_and_its_soft_rim(session: Session, notices: list[Notice]) -> None:
    commands.selection_to_strength(session, 0.5)
    commands.protect_selection(session)
    commands.avoid_selection(session)
    assert len(notices) == 3
    select(session, Rect(10, 10, 20, 20), 0.5)
    commands.selection_to_strength(session, 0.8)
    assert session.document.strength.read()[15, 15] == pytest.approx(0.4)
    commands.protect_selection(session)
    assert session.document.protect.read()[15, 15] == pytest.approx(0.5)
    commands.avoid_selection(session)
    assert session.document.avoid.read()[15, 15] == pytest.approx(0.5)
    commands.select_none(session)
    session.set_options(value=0.25)
    commands.fill_map(session)
    assert (session.document.strength.read() == 0.25).all()
    commands.clear_map(session)
    assert session.document.strength.blank
    commands.clear_map(session)
    assert labels(session) == [
        "Select", "Fill strength", "Protect", "Mark as do-not-copy", "Deselect", "Fill strength", "Clear strength",
    ]  # fmt: skip


def test_growing_is_shown_before_it_is_kept(session: Session) -> None:
    select(session, Rect(100, 80, 120, 100))
    before = session.document
    commands.grow_map(session, 5, preview=True)
    assert session.in_gesture
    assert covered(session) == Rect(95, 75, 125, 105)
    commands.grow_map(session, 10, preview=True)  # from what it was, not from the last preview
    assert covered(session) == Rect(90, 70, 130, 110)
    session.revert()
    assert session.document is before
    commands.grow_map(session, 10)
    assert covered(session) == Rect(90, 70, 130, 110)
    commands.shrink_map(session, 10)
    assert covered(session) == Rect(100, 80, 120, 100)
    commands.feather_map(session, 6)
    found = session.document.selection.read()
    assert found[90, 110] == 1
    assert 0 < found[90, 101] < 1
    assert labels(session)[1:] == ["Grow selection by 10 px", "Shrink selection by 10 px", "Feather selection by 6 px"]


def covered(session: Session) -> Rect:
    return Rect.of_mask(session.document.selection.read())


def test_levels_and_inverting(session: Session, notices: list[Notice]) -> None:
    commands.level_map(session, 0.2, 0.8, 1.0)
    assert len(notices) == 1  # nothing was painted yet
    session.commit("Paint", session.document.with_strength(
        session.document.empty_map().write(0, 0, np.full((200, 300), 0.5, np.float32))
    ))  # fmt: skip
    commands.level_map(session, 0.25, 1.0, 1.0)
    assert session.document.strength.read()[0, 0] == pytest.approx(1 / 3)
    commands.invert_map(session)
    assert session.document.strength.read()[0, 0] == pytest.approx(2 / 3)
    commands.level_map(session, 0.9, 0.1, 1.0)  # sliders that passed one another
    assert not session.document.strength.read().any()


def test_a_curve_bends_the_values(session: Session) -> None:
    document = session.document
    session.commit(
        "Paint", document.with_strength(document.empty_map().write(0, 0, np.full((50, 50), 0.5, np.float32)))
    )
    commands.curve_map(session, [(0, 0), (0.5, 0.9), (1, 1)], preview=True)
    assert session.in_gesture
    assert session.document.strength.read()[0, 0] == pytest.approx(0.9, abs=1e-4)
    commands.curve_map(session, [(0, 0), (0.5, 0.2), (1, 1)])
    found = session.document.strength.read()
    assert found[0, 0] == pytest.approx(0.2, abs=1e-4)
    assert found[100, 100] == 0
    commands.curve_map(session, [(0, 0.25), (1, 1)])
    assert session.document.strength.read()[100, 100] == pytest.approx(0.25)
    assert labels(session) == ["Paint", "Curve of strength", "Curve of strength"]


def test_a_feather_fades_inwards(session: Session) -> None:
    select(session, Rect(100, 50, 200, 150))
    commands.feather_map(session, 10)
    found = session.document.selection.read()
    assert not found[:50].any()
    assert not found[:, :100].any()
    assert 0 < found[50, 150] < 0.1
    assert (found[61:139, 111:189] == 1).all()


def test_with_an_exemplar_active_its_own_strength_is_meant(qtbot: QtBot) -> None:
    session = Session(with_exemplar(plain(), 60, 40, Placement(150, 100, 2, 2)), StubWorker(segments="now"))
    session.activate(exemplar=session.document.exemplars[0].id)
    commands.fill_map(session, "strength", 0.5)
    assert (session.document.exemplars[0].strength_map.read() == 0.5).all()
    assert session.document.strength.blank
    commands.invert_map(session, "cutout")
    assert not session.document.exemplars[0].cutout.read().any()
    commands.clear_map(session, "cutout")
    assert session.document.exemplars[0].cutout.read().all()
    assert labels(session) == ["Fill influence", "Invert cut-out", "Reset cut-out"]


def test_a_result_gives_its_strength_back(session: Session) -> None:
    document = session.document
    layer = Layer.empty(0, "Fill", document.size)
    pixels = np.zeros((20, 30, 4), np.uint8)
    pixels[..., 3] = 51
    made = document.adding_layer(replace(layer, pixels=layer.pixels.write(40, 50, pixels)))
    session.commit("Fill", made)
    commands.strength_from_layer(session, made.layers[-1].id)
    found = session.document.strength.read()
    assert Rect.of_mask(found) == Rect(40, 50, 70, 70)
    assert found.max() == pytest.approx(0.2)
    assert labels(session)[-1] == "Strength from “Fill”"


def test_a_layer_without_alpha_gives_its_brightness_as_strength(session: Session, notices: list[Notice]) -> None:
    document = session.document
    height, width = document.size.shape
    greys = np.linspace(0, 255, width).astype(np.uint8)
    map = np.dstack([np.repeat(greys[None, :, None], height, 0)] * 3 + [np.full((height, width), 255, np.uint8)])
    layer = Layer.empty(0, "Map", document.size)
    made = document.adding_layer(replace(layer, pixels=layer.pixels.write(0, 0, map)))
    session.commit("Map", made)
    commands.strength_from_layer(session, made.layers[-1].id)
    assert session.document.strength.read()[3] == pytest.approx(greys / 255)
    (notice,) = notices
    assert "white may change, black is kept" in notice.message
    assert "white keeps" in notice.advice
    commands.strength_from_keep_map(session, made.layers[-1].id)
    assert session.document.strength.read()[3] == pytest.approx(1 - greys / 255)
    assert labels(session)[-2:] == ["Strength from “Map”"] * 2


def test_what_is_transparent_on_a_keep_map_is_kept(session: Session) -> None:
    document = session.document
    layer = Layer.empty(0, "Map", document.size)
    black = np.zeros((20, 30, 4), np.uint8)
    black[..., 3] = 255
    made = document.adding_layer(replace(layer, pixels=layer.pixels.write(40, 50, black)))
    session.commit("Map", made)
    commands.strength_from_keep_map(session, made.layers[-1].id)
    found = session.document.strength.read()
    assert Rect.of_mask(found) == Rect(40, 50, 70, 70)
    assert found.max() == 1


def test_an_exemplar_is_laid_over_the_whole_picture(session: Session) -> None:
    document = session.document
    pixels = np.zeros((document.size.height // 2, document.size.width // 2, 4), np.uint8)
    made = document.adding_exemplar(Exemplar.of("other", pixels, Placement(3, 4, -0.2, 0.7, 30)))
    session.commit("Add", made)
    commands.lay_over_all(session, made.exemplars[-1].id)
    assert session.document.exemplars[-1].placement == Placement(*document.rect.centre, 2, 2)
    assert labels(session)[-1] == "Lay “other” over the picture"


def test_layers_are_duplicated_and_deleted(session: Session, notices: list[Notice]) -> None:
    first = session.document.layers[0]
    commands.delete_layer(session, first.id)
    assert len(notices) == 1
    commands.duplicate_layer(session, first.id)
    copy = session.document.layers[1]
    assert copy.name == "Background copy"
    assert copy.pixels is first.pixels
    assert session.active_layer == copy.id
    commands.delete_layer(session, first.id)
    assert session.document.layers == (copy,)
    assert labels(session) == ["Duplicate “Background”", "Delete “Background”"]


def test_a_layer_becomes_an_exemplar(session: Session, notices: list[Notice]) -> None:
    document = session.document
    layer = Layer.empty(0, "Boat", document.size)
    session.commit("Add", document.adding_layer(layer))
    empty = session.document.layers[-1]
    commands.layer_to_exemplar(session, empty.id)
    assert len(notices) == 1
    pixels = np.full((20, 30, 4), 255, np.uint8)
    session.commit("Paint", session.document.with_layer(replace(empty, pixels=empty.pixels.write(41, 50, pixels))))
    commands.layer_to_exemplar(session, empty.id)
    exemplar = session.document.exemplars[0]
    assert exemplar.bounds == Rect(41, 50, 71, 70)
    assert session.draft.exemplar == exemplar.id
    assert [sheet.name for sheet in session.document.layers] == ["Background"]
    commands.layer_to_exemplar(session, session.document.layers[0].id)
    assert len(session.document.layers) == 1


def test_items_and_exemplars_are_duplicated_put_back_and_deleted(qtbot: QtBot) -> None:
    document = with_exemplar(with_item(plain(), Rect(10, 10, 30, 30)), 60, 40, Placement(150, 100))
    session = Session(document, StubWorker(segments="now"))
    item, exemplar = document.items[0], document.exemplars[0]
    commands.duplicate_item(session, item.id)
    assert session.document.items[1].name == "cup copy"
    assert session.draft.item == session.document.items[1].id
    session.commit("Move", session.document.with_item(replace(item, placement=Placement(100, 100))))
    commands.put_back(session, item.id)
    commands.put_back(session, item.id)
    kept = session.document.item(item.id)
    assert kept is not None
    assert kept.placement is None
    commands.duplicate_exemplar(session, exemplar.id)
    copy = session.document.exemplars[1]
    assert (copy.name, copy.placement.x - 150) == ("boat copy", 7.5)
    commands.delete_exemplar(session, exemplar.id)
    commands.delete_item(session, item.id)
    assert [each.name for each in session.document.exemplars] == ["boat copy"]
    assert [entry.name for entry in session.document.items] == ["cup copy"]
    assert labels(session) == [
        "Duplicate “cup”", "Move", "Put back “cup”", "Duplicate “boat”", "Delete “boat”", "Forget “cup”",
    ]  # fmt: skip


def test_what_is_gone_is_passed_over(session: Session) -> None:
    for command in (
        commands.select_item, commands.strength_from_layer, commands.duplicate_layer, commands.delete_layer,
        commands.layer_to_exemplar, commands.duplicate_item, commands.delete_item, commands.put_back,
        commands.duplicate_exemplar, commands.delete_exemplar,
    ):  # fmt: skip
        command(session, 999)
    assert labels(session) == []
