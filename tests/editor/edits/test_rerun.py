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

from editor.document.compose import flatten
from editor.document.contents import Layer
from editor.document.document import Document
from editor.document.tiles import Tiles
from editor.edits.apply import apply_result
from editor.edits.dispatch import candidates, make_request, possible_plans
from editor.edits.rerun import can_reopen, draft_again, reopen, restored
from editor.errors import InvalidRequest
from editor.geometry import Placement, Rect
from editor.io.project import load_project, save_project
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.plan import Draft, removal
from editor.requests.edit_request import EditRequest
from editor.requests.results import Recipe
from tests.support.change_map_cases import (
    MODEL,
    answer,
    draft,
    painted,
    picture,
    selected,
    with_exemplar,
    with_item,
)
from tests.support.strategies import quick, random_array


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, tuple) and type(value) is tuple:
        return [plain(each) for each in value]
    if dataclasses.is_dataclass(value):
        return [(field.name, plain(getattr(value, field.name))) for field in dataclasses.fields(value)]
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
    first = replace(request, seed=candidates(request, 3).variants[2].seed)
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
    assert [exemplar.visible for exemplar in document.exemplars] == [False, False]
    made = document.layers[-1]
    assert made.painted is asked.strength
    reopened = reopen(covered_up(document), made.id)
    assert [layer.visible for layer in reopened.document.layers] == [True, False, False]
    assert [exemplar.visible for exemplar in reopened.document.exemplars] == [True, True, False]
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
        first = make_request(
            asked, Draft(QuickFillSettings(), seed=4, exemplar=asked.exemplars[0].id if active else None)
        )
        _, document = apply_result(asked, answer(first), asked)
        assert plain(again(covered_up(document), document.layers[-1].id)) == plain(first)

    def test_a_removal_is_not(self) -> None:
        asked, item = with_item(picture(), Rect(60, 50, 130, 110))
        request = make_request(asked, Draft(QuickFillSettings(), seed=4), removal(item))
        _, document = apply_result(asked, answer(request), asked)
        assert can_reopen(document, document.layers[-1]) == "The item it removed is gone."

    def test_a_move_is_not(self) -> None:
        asked, item = with_item(picture(), Rect(60, 50, 130, 110))
        asked = asked.with_item(replace(item, placement=Placement(200, 100)))
        _, document = apply_result(asked, answer(make_request(asked, Draft(QuickFillSettings(), seed=4))), asked)
        assert "set down" in can_reopen(document, document.layers[-1])


def test_why_a_layer_cannot_be_reopened() -> None:
    asked = two_exemplars(picture())
    _, document = apply_result(asked, answer(make_request(asked, draft())), asked)
    made = document.layers[-1]
    assert (
        can_reopen(document.without_exemplar(asked.exemplars[0].id), made) == "A reference picture it blended is gone."
    )
    assert can_reopen(document, document.layers[0]) == "No edit made this layer."
    old = replace(document.layers[0], recipe=Recipe(QuickFillSettings(), "fill", document.rect, 3))
    assert "not kept" in can_reopen(document.with_layer(old), old)
    with pytest.raises(InvalidRequest, match="No edit made"):
        reopen(document, 99)


def test_an_exemplar_that_lets_nothing_in_by_now_is_not_in_the_way() -> None:
    for asked, drafted in (
        (two_exemplars(picture()), draft()),
        (with_exemplar(picture(), Placement(90, 80))[0], Draft(QuickFillSettings(), seed=4)),
    ):
        _, document = apply_result(asked, answer(make_request(asked, drafted)), asked)
        for exemplar in document.exemplars:
            document = document.with_exemplar(replace(exemplar, strength=0.0))
        made = document.layers[-1]
        assert can_reopen(document, made) == ""
        opened = reopen(document, made.id)
        planned = possible_plans(opened.document, opened.draft)[0]
        assert (planned.action, planned.reason.split(".")[0]) == (None, "Nothing of the reference picture comes in")


def test_a_hidden_item_is_shown_for_its_edit_and_hidden_again(tmp_path: Path) -> None:
    asked, item = with_item(picture(), Rect(60, 50, 130, 110))
    first = make_request(asked, draft(item=item.id, prompt="a dog"))
    _, document = apply_result(asked, answer(first), asked)
    document = document.with_item(replace(document.items[0], visible=False))
    opened = reopen(document, document.layers[-1].id).document
    assert [entry.visible for entry in opened.items] == [True]
    save_project(tmp_path / "middle.palimpsest", opened)
    for each in (opened, load_project(tmp_path / "middle.palimpsest")):
        assert [item.visible for item in restored(each).items] == [False]


def test_moved_items_are_in_the_way_of_nothing_else() -> None:
    for chosen in (Draft(QuickFillSettings(), seed=1), draft()):
        asked = painted(picture(), Rect(60, 50, 130, 110))
        _, document = apply_result(asked, answer(make_request(asked, chosen)), asked)
        document, item = with_item(document, Rect(5, 5, 25, 25))
        document = document.with_item(replace(item, placement=Placement(200, 100)))
        assert can_reopen(document, document.layers[-1]) == ""
        reopened = reopen(document, document.layers[-1].id)
        assert possible_plans(reopened.document, reopened.draft)[0].label == possible_plans(asked, chosen)[0].label


def test_an_item_that_is_on_its_way_elsewhere_is_not_removed_again() -> None:
    asked, item = with_item(picture(), Rect(5, 5, 25, 25))
    chosen = Draft(QuickFillSettings(), seed=1, item=item.id)
    result = answer(make_request(asked, chosen, removal(item)))
    _, document = apply_result(asked, result, asked)
    document = replace(document, items=(replace(item, placement=Placement(200, 100)),))
    assert "Moved items" in can_reopen(document, document.layers[-1])


class TestOutOfIt:
    """Leaving, and accepting: what was put away comes back."""

    def made(self) -> tuple[Document, Layer]:
        """A blended layer under a later one, with other painting, a selection, and another exemplar by now."""
        asked = painted(two_exemplars(picture()), Rect(20, 20, 90, 60), 0.4)
        _, document = apply_result(asked, answer(make_request(asked, draft())), asked)
        layer = document.layers[-1]
        return selected(covered_up(document), Rect(5, 5, 30, 30)), layer

    def run(self, document: Document, reopened: Document, **changes: Any) -> tuple[str, Document]:
        again = replace(draft(), **changes)
        return apply_result(document, answer(make_request(reopened, again)), reopened)

    def test_restored_it_is_as_it_was_down_to_the_tiles(self) -> None:
        document, layer = self.made()
        back = restored(reopen(document, layer.id).document)
        assert back.rerun is None
        assert [(sheet.id, sheet.visible) for sheet in back.layers] == [
            (sheet.id, sheet.visible) for sheet in document.layers
        ]
        assert plain(back.exemplars) == plain(document.exemplars)
        assert (back.strength, back.selection) == (document.strength, document.selection)
        assert restored(document) is document

    def test_what_somebody_did_meanwhile_stays_when_it_is_restored(self) -> None:
        document, layer = self.made()
        opened = reopen(document, layer.id).document
        moved = replace(opened.exemplars[0], placement=Placement(10, 10))
        changed = opened.with_exemplar(moved).adding_layer(Layer.empty(0, "New", document.size))
        changed = changed.with_layer(replace(changed.layers[0], opacity=0.5)).without_layer(document.layers[-1].id)
        back = restored(changed)
        assert [(sheet.name, sheet.visible) for sheet in back.layers][-1] == ("New", True)
        assert back.layers[0].opacity == 0.5
        assert back.exemplars[0].placement == Placement(10, 10)
        assert not back.exemplars[0].visible

    def test_the_result_takes_the_place_of_the_layer_and_the_rest_is_as_before(self) -> None:
        document, layer = self.made()
        opened = reopen(document, layer.id).document
        label, after = self.run(opened, opened)
        assert label == f"Run again: {layer.name}"
        assert after.rerun is None
        assert [sheet.id for sheet in after.layers] == [sheet.id for sheet in document.layers]
        assert [sheet.visible for sheet in after.layers] == [True, True, True]
        assert after.layers[-1].pixels is document.layers[-1].pixels
        new = after.layer(layer.id)
        assert new is not None
        assert (new.name, new.painted) == (layer.name, layer.painted)
        assert [exemplar.visible for exemplar in after.exemplars] == [
            exemplar.visible for exemplar in document.exemplars
        ]
        assert (after.strength, after.selection) == (document.strength, document.selection)

    def test_it_keeps_its_look_and_a_name_that_somebody_gave_it(self) -> None:
        document, layer = self.made()
        document = document.with_layer(replace(layer, name="My cat", opacity=0.5, blend="multiply", visible=False))
        opened = reopen(document, layer.id).document
        label, after = self.run(opened, opened)
        new = after.layer(layer.id)
        assert new is not None
        assert (label, new.name, new.opacity, new.blend, new.visible) == (
            "Run again: My cat",
            "My cat",
            0.5,
            "multiply",
            True,
        )

    def test_other_words_give_it_another_name(self) -> None:
        asked = painted(picture(), Rect(20, 20, 90, 60))
        _, document = apply_result(asked, answer(make_request(asked, draft(prompt="a cat"))), asked)
        opened = reopen(document, document.layers[-1].id).document
        label, after = self.run(opened, opened, prompt="a dog")
        assert (label, after.layers[-1].name) == ("Run again: Repaint as “a dog”", "Repaint as “a dog”")

    def test_what_was_painted_for_it_is_used_up_and_what_was_painted_since_stays(self) -> None:
        document, layer = self.made()
        opened = reopen(document, layer.id).document
        asked = painted(opened, Rect(100, 100, 120, 120))
        _, after = self.run(asked, asked)
        assert after.strength is document.strength
        new = after.layer(layer.id)
        assert new is not None
        assert new.painted is asked.strength
        since = painted(asked, Rect(150, 100, 160, 120))
        _, after = self.run(since, asked)
        strength = after.strength.read()
        assert strength[110, 155] == 1
        assert not strength[110, 110]

    def test_a_selection_made_meanwhile_stays(self) -> None:
        document, layer = self.made()
        opened = selected(reopen(document, layer.id).document, Rect(1, 1, 9, 9))
        assert self.run(opened, opened)[1].selection is opened.selection

    def test_an_exemplar_that_joined_is_put_away_with_the_others(self) -> None:
        document, layer = self.made()
        opened = reopen(document, layer.id).document
        asked = replace(opened, exemplars=tuple(replace(exemplar, visible=True) for exemplar in opened.exemplars))
        _, after = self.run(asked, asked)
        assert [exemplar.visible for exemplar in after.exemplars] == [False, False, False]

    def test_reopened_twice_only_the_last_counts(self) -> None:
        document, layer = self.made()
        _, top = apply_result(document, answer(make_request(document, draft())), document)
        twice = reopen(reopen(top, top.layers[-1].id).document, layer.id).document
        assert plain(restored(twice)) == plain(top)
        assert can_reopen(reopen(top, layer.id).document, top.layers[-1]) == ""

    def test_a_layer_that_is_gone_by_then_comes_as_a_new_one_on_top(self) -> None:
        document, layer = self.made()
        opened = reopen(document, layer.id).document
        label, after = self.run(opened.without_layer(layer.id), opened)
        assert not label.startswith("Run again")
        assert after.layers[-1].visible
        assert after.layers[-1].id == document.next_id

    def test_after_leaving_the_result_still_finds_its_place(self) -> None:
        document, layer = self.made()
        opened = reopen(document, layer.id).document
        painted_since = painted(document, Rect(200, 100, 210, 110))
        label, after = self.run(painted_since, opened)
        assert label == f"Run again: {layer.name}"
        assert [sheet.id for sheet in after.layers] == [sheet.id for sheet in document.layers]
        assert after.strength.read()[105, 205] == 1

    def test_a_project_saved_in_the_middle_goes_on(self, tmp_path: Path) -> None:
        document, layer = self.made()
        opened = reopen(document, layer.id)
        save_project(tmp_path / "one.palimpsest", opened.document)
        loaded = load_project(tmp_path / "one.palimpsest")
        assert draft_again(loaded) == (opened.draft, opened.model)
        assert plain(again(loaded, layer.id)) == plain(again(document, layer.id))
        _, after = self.run(loaded, loaded)
        _, expected = self.run(opened.document, opened.document)
        assert after.rerun is None
        assert [(sheet.id, sheet.visible) for sheet in after.layers] == [
            (sheet.id, sheet.visible) for sheet in expected.layers
        ]
        assert [exemplar.visible for exemplar in after.exemplars] == [
            exemplar.visible for exemplar in expected.exemplars
        ]
        assert np.array_equal(flatten(after), flatten(expected))
        assert after.strength.same_as(expected.strength)
        assert after.selection.same_as(expected.selection)
