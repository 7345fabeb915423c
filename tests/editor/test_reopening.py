"""Run again with changes: without a change, the request is the very same."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.applying import apply_result
from editor.document import Document
from editor.edit import Draft, candidates, make_request
from editor.errors import InvalidRequest
from editor.geometry import Placement, Rect
from editor.io.project import load_project, save_project
from editor.layer import Layer
from editor.planning import plan, removal
from editor.reopening import can_reopen, reopen
from editor.report import Recipe
from editor.request import EditRequest, PixelsSettings, QuickFillSettings
from editor.tiles import Tiles
from tests.editor.repaint_cases import MODEL, answer, draft, painted, picture, selected, with_exemplar, with_item
from tests.editor.strategies import quick, random_array


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, tuple) and type(value) is tuple:
        return [plain(each) for each in value]
    if dataclasses.is_dataclass(value):
        return [(each.name, plain(getattr(value, each.name))) for each in dataclasses.fields(value)]
    return value


def again(document: Document, layer_id: int) -> EditRequest:
    layer = document.layer(layer_id)
    assert layer is not None
    assert can_reopen(document, layer) == ""
    reopened = reopen(document, layer_id)
    model = None if reopened.model == "" else MODEL
    assert reopened.model in ("", MODEL.key)
    return make_request(reopened.document, replace(reopened.draft, model=model))


def covered_up(document: Document) -> Document:
    """A later layer over everything, other painting, and another exemplar on the canvas."""
    noise = Layer(0, "Later", Tiles.of(random_array(9, (*document.size.shape, 4))))
    document = painted(document.adding_layer(noise), Rect(1, 1, 40, 30), 0.3)
    return with_exemplar(document, Placement(60, 50), name="later")[0]


def two_exemplars(document: Document) -> Document:
    document, first = with_exemplar(document, Placement(90, 80, 1.3, 0.9, 20))
    document, _ = with_exemplar(document, Placement(200, 120, 0.5, 0.5), name="dog")
    touched = first.fidelity_map.write(3, 4, np.full((8, 9), 0.25, np.float32))
    return document.with_exemplar(replace(first, fidelity=0.8, strength=0.7, rim=7.5, fidelity_map=touched))


CASES: dict[str, Document] = {
    "fill": painted(painted(picture(), Rect(60, 50, 130, 110), 0.6), Rect(80, 70, 100, 90)),
    "selection": selected(picture(), Rect(60, 50, 130, 110)),
    "blend": two_exemplars(picture()),
    "blend and paint": painted(two_exemplars(picture()), Rect(20, 20, 90, 60), 0.4),
}


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_running_again_asks_for_the_same(case: str, later: bool, tmp_path: Path) -> None:
    asked = CASES[case]
    chosen = draft(
        settings=PixelsSettings(scale=0.7, feather=3.0),
        prompt="a red boat",
        negative_prompt="blurred",
        strength=0.55,
        steps=12,
        sampler="ddim",
        seed=77,
    )
    request = make_request(asked, chosen)
    first = replace(request, seed=candidates(request, 3).seeds[2])
    _, document = apply_result(asked, answer(first), asked)
    made = document.layers[-1].id
    if later:
        document = covered_up(document)
    second = again(document, made)
    assert plain(second) == plain(first)
    save_project(tmp_path / "one.palimpsest", document)
    assert plain(again(load_project(tmp_path / "one.palimpsest"), made)) == plain(first)


@quick
@given(
    st.lists(
        st.builds(
            Placement,
            st.floats(0, 300),
            st.floats(0, 200),
            st.floats(0.1, 3),
            st.floats(-2, -0.1) | st.floats(0.1, 2),
            st.floats(0, 360),
        ),
        max_size=2,
    ),
    st.none() | st.builds(Rect.at, st.integers(0, 250), st.integers(0, 150), st.integers(1, 50), st.integers(1, 50)),
    st.floats(0.05, 1),
    st.none() | st.floats(0, 60),
    st.none() | st.just(Rect(-10, 20, 280, 190)),
)
def test_whatever_was_asked_is_asked_again(
    placements: list[Placement], rect: Rect | None, strength: float, rim: float | None, frame: Rect | None
) -> None:
    asked = picture()
    for placement in placements:
        asked, exemplar = with_exemplar(asked, placement)
        asked = asked.with_exemplar(replace(exemplar, rim=rim, fidelity=strength))
    if rect is not None:
        asked = painted(asked, rect, 0.75)
    try:
        first = make_request(asked, draft(strength=strength, frame=frame))
    except InvalidRequest:
        return
    _, document = apply_result(asked, answer(first), asked)
    assert plain(again(covered_up(document), document.layers[-1].id)) == plain(first)


def test_an_item_is_repainted_again() -> None:
    asked, item = with_item(picture(), Rect(60, 50, 130, 110))
    first = make_request(asked, draft(item=item.id))
    label, document = apply_result(asked, answer(first), asked)
    assert label == "Repaint “cat”"
    assert plain(again(covered_up(document), document.layers[-1].id)) == plain(first)
    document = document.without_item(item.id)
    assert can_reopen(document, document.layers[-1]) == "What it was made from is gone."
    with pytest.raises(InvalidRequest, match="cannot be run again") as caught:
        reopen(document, document.layers[-1].id)
    assert caught.value.advice == "What it was made from is gone."


def test_what_is_above_is_hidden_and_what_took_part_is_back() -> None:
    asked = painted(two_exemplars(picture()), Rect(20, 20, 90, 60), 0.4)
    _, document = apply_result(asked, answer(make_request(asked, draft())), asked)
    assert not document.strength.any()
    assert [each.visible for each in document.exemplars] == [False, False]
    made = document.layers[-1]
    assert made.painted is asked.strength
    reopened = reopen(covered_up(document), made.id)
    assert [each.visible for each in reopened.document.layers] == [True, False, False]
    assert [each.visible for each in reopened.document.exemplars] == [True, True, False]
    assert reopened.document.strength is asked.strength
    assert (reopened.model, reopened.draft.seed, reopened.draft.model) == (MODEL.key, 5, None)


class TestQuickFill:
    def test_a_fill_is_the_same_again(self) -> None:
        asked = selected(picture(), Rect(60, 50, 130, 110))
        first = make_request(asked, Draft(QuickFillSettings(seam="hard"), seed=4, strength=0.5))
        _, document = apply_result(asked, answer(first), asked)
        assert plain(again(covered_up(document), document.layers[-1].id)) == plain(first)

    @pytest.mark.parametrize("active", [False, True])
    def test_a_blend_is_the_same_again(self, active: bool) -> None:
        asked = two_exemplars(picture())
        first = make_request(asked, Draft(seed=4, exemplar=asked.exemplars[0].id if active else None))
        _, document = apply_result(asked, answer(first), asked)
        assert plain(again(covered_up(document), document.layers[-1].id)) == plain(first)

    def test_a_removal_is_not(self) -> None:
        asked, item = with_item(picture(), Rect(60, 50, 130, 110))
        request = make_request(asked, Draft(seed=4), removal(item))
        _, document = apply_result(asked, answer(request), asked)
        assert can_reopen(document, document.layers[-1]) == "The item it removed is gone."

    def test_a_move_is_not(self) -> None:
        asked, item = with_item(picture(), Rect(60, 50, 130, 110))
        asked = asked.with_item(replace(item, placement=Placement(200, 100)))
        _, document = apply_result(asked, answer(make_request(asked, Draft(seed=4))), asked)
        assert "set down" in can_reopen(document, document.layers[-1])


def test_why_a_layer_cannot_be_reopened() -> None:
    asked = two_exemplars(picture())
    _, document = apply_result(asked, answer(make_request(asked, draft())), asked)
    made = document.layers[-1]
    assert can_reopen(document.without_exemplar(asked.exemplars[0].id), made) == "An exemplar it blended is gone."
    assert can_reopen(document, document.layers[0]) == "No edit made this layer."
    old = replace(document.layers[0], recipe=Recipe(QuickFillSettings(), "fill", document.rect, 3))
    assert "not kept" in can_reopen(document.with_layer(old), old)
    with pytest.raises(InvalidRequest, match="No edit made"):
        reopen(document, 99)


def test_moved_items_are_in_the_way_of_quick_fill_only() -> None:
    for chosen in (Draft(seed=1), draft()):
        asked = painted(picture(), Rect(60, 50, 130, 110))
        _, document = apply_result(asked, answer(make_request(asked, chosen)), asked)
        document, item = with_item(document, Rect(5, 5, 25, 25))
        document = document.with_item(replace(item, placement=Placement(200, 100)))
        reason = can_reopen(document, document.layers[-1])
        assert ("Moved items" in reason) is not chosen.settings.needs_model


def test_a_fan_is_reopened_as_one_picture() -> None:
    asked = painted(picture(), Rect(60, 50, 130, 110))
    request = make_request(asked, draft(settings=PixelsSettings(fan=(0.2, 0.6))))
    _, document = apply_result(asked, answer(request), asked)
    reopened = reopen(document, document.layers[-1].id)
    assert reopened.draft.settings == PixelsSettings()
    assert plan(reopened.document, replace(reopened.draft, model=MODEL)).label == "Repaint"
