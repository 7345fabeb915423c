"""Small changes to things, and copying the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from editor.document.compose import flatten
from editor.geometry import Placement, Point, Rect
from editor.io.images import Picture
from tests.support.session_cases import picture, with_exemplars, with_items
from tests.support.stub_worker import StubWorker
from widgets.canvas.drop_choices import take
from widgets.command_table.items import is_moved
from widgets.qimage import from_qimage
from widgets.session import commands, edits
from widgets.session.notice import Notice
from widgets.session.session import Session


@pytest.fixture
def session(qtbot: QtBot) -> Session:
    return Session(with_exemplars(with_items(picture(), "Cat"), "Boat"), StubWorker())


def labels(session: Session) -> list[str]:
    return [entry.label for entry in session.history.entries[1:]]


def copied() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return from_qimage(QGuiApplication.clipboard().image())


def test_the_whole_picture_is_copied(session: Session) -> None:
    edits.copy_picture(session)
    assert np.array_equal(copied(), flatten(session.document))


def test_only_what_is_selected_is_copied(session: Session) -> None:
    half = np.ones((20, 30), np.float32)
    half[:, 15:] = 0
    document = session.document
    session.commit("Select", document.with_map("selection", document.empty_map().write(40, 50, half)))
    edits.copy_picture(session)
    assert np.array_equal(copied(), flatten(session.document, Rect(40, 50, 55, 70)))


def test_an_emptied_selection_copies_nothing_and_says_so(session: Session) -> None:
    found: list[Notice] = []
    session.noticed.connect(found.append)
    commands.select_all(session)
    commands.select_invert(session)
    edits.copy_picture(session)
    assert [notice.message for notice in found] == ["Nothing is selected."]


def test_each_change_is_one_labelled_step(session: Session) -> None:
    document = session.document
    item, exemplar, layer = document.items[0].id, document.exemplars[0].id, document.layers[0].id
    edits.rename_item(session, item, " Tiger ")
    edits.show_item(session, item, False)
    edits.rename_exemplar(session, exemplar, "Ship")
    edits.flip_exemplar(session, exemplar)
    edits.rename_layer(session, layer, "Photo")
    edits.show_layer(session, layer, False)
    edits.set_layer_blend(session, layer, "screen")
    assert labels(session) == [
        "Rename “Cat”",
        "Hide “Tiger”",
        "Rename “Boat”",
        "Flip “Ship”",
        "Rename “Background”",
        "Hide “Photo”",
        "Blend mode of “Photo”",
    ]


def test_a_name_is_never_blank_and_what_is_gone_is_left_alone(session: Session) -> None:
    before = session.document
    edits.rename_item(session, session.document.items[0].id, "   ")
    edits.rename_layer(session, 999, "Nobody")
    edits.set_exemplar_strength(session, 999, 0.5)
    edits.flip_exemplar(session, 999)
    assert session.document is before


def test_a_drag_of_a_slider_is_one_step(session: Session) -> None:
    layer = session.document.layers[0].id
    for opacity in (0.9, 0.7, 0.5):
        edits.set_layer_opacity(session, layer, opacity)
    assert labels(session) == ["Opacity of “Background”"]
    session.undo()
    assert session.document.layers[0].opacity == 1


def test_an_order_that_is_the_same_is_no_step(session: Session) -> None:
    edits.reorder_layers(session, [layer.id for layer in session.document.layers])
    assert labels(session) == []
    edits.add_layer(session)
    edits.reorder_layers(session, [layer.id for layer in session.document.layers][::-1])
    assert labels(session) == ["Add layer", "Reorder layers"]


def test_painting_fidelity_starts_from_what_is_held_already(session: Session) -> None:
    id = session.document.exemplars[0].id
    edits.set_exemplar_fidelity(session, id, 0.4)
    edits.paint_exemplar_fidelity(session, id)
    exemplar = session.document.exemplar(id)
    assert exemplar is not None
    assert exemplar.fidelity == 0.4
    assert exemplar.fidelity_map.read().min() == 1
    assert edits.edited_thing(session) is exemplar
    edits.finish_thing(session)
    assert session.options.strength_target == "strength"


def test_rim_and_weight_of_an_exemplar(session: Session) -> None:
    id = session.document.exemplars[0].id
    edits.set_exemplar_rim(session, id, 30)
    edits.set_exemplar_rim(session, id, 40)
    edits.set_exemplar_weight(session, id, 0.5)
    exemplar = session.document.exemplar(id)
    assert exemplar is not None
    assert (exemplar.rim, exemplar.prompt_weight) == (40, 0.5)
    session.undo()
    session.undo()
    assert session.document.exemplars[0].rim is None


def test_new_layers_are_numbered_by_their_names_not_by_what_was_made_before(session: Session) -> None:
    for _ in range(3):
        edits.add_layer(session)
    assert [layer.name for layer in session.document.layers[1:]] == ["Layer 1", "Layer 2", "Layer 3"]


def test_what_is_taken_in_twice_has_two_names(session: Session) -> None:
    pixels = np.full((20, 20, 4), 255, np.uint8)
    arriving = Picture(pixels, "Boat")
    for _ in range(2):
        take(session, "exemplar", arriving, Point(20, 20), session.document.rect)
    assert [exemplar.name for exemplar in session.document.exemplars] == ["Boat", "Boat 2", "Boat 3"]


def test_only_what_was_moved_can_be_put_back(session: Session) -> None:
    document = session.document
    (cat,) = document.items
    session.activate(item=cat.id)
    assert not is_moved(session)
    session.commit("Move", document.with_item(replace(cat, placement=Placement(60, 60))))
    assert is_moved(session)
