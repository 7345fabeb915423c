"""Edits by words: what is scribbled, what stays, and how such a layer is made again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from editor.document.compose import flatten_rgb
from editor.document.contents import Layer
from editor.document.document import Document
from editor.edits.apply import apply_result
from editor.edits.dispatch import change_map, make_request, plan, reach
from editor.edits.rerun import can_reopen, reopen
from editor.geometry import Placement, Rect
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.planning.change_map import painted_rect, scribble_reach, scribble_region
from editor.planning.plan import Draft
from tests.support.change_map_cases import MODEL, answer, painted, picture, selected, with_exemplar, with_item

STROKE = Rect(100, 60, 150, 80)


def draft(region: Any = "inside", **changes: Any) -> Draft:
    return replace(Draft(BlendedSettings(region=region), model=MODEL, seed=5, prompt="a boat"), **changes)


def scribbled(document: Document, rect: Rect = STROKE) -> tuple[Document, Layer]:
    document = document.adding_layer(Layer.empty(0, "Scribble", document.size))
    layer = document.layers[-1]
    colours = np.full((*rect.size.shape, 4), (250, 40, 0, 255), np.uint8)
    document = document.with_layer(replace(layer, pixels=layer.pixels.write(rect.left, rect.top, colours)))
    return document, document.layers[-1]


class TestPlan:
    def test_exemplars_take_no_part(self) -> None:
        document, _ = with_exemplar(painted(picture(), STROKE), Placement(60, 60))
        assert plan(document, draft()).region == "strength"
        assert make_request(document, draft()).exemplars == ()

    def test_it_says_what_is_missing(self) -> None:
        assert "Paint or select" in plan(picture(), draft()).reason
        assert "should stay" in plan(picture(), draft("outside")).reason
        document = picture().adding_layer(Layer.empty(0, "Scribble", picture().size))
        assert "rough colours" in plan(document, draft(scribble=document.layers[-1].id)).reason

    def test_the_button_says_what_happens(self) -> None:
        document, layer = scribbled(picture())
        assert plan(document, draft(scribble=layer.id)).label == "Paint the scribble as “a boat”"
        document, item = with_item(picture(), STROKE)
        assert plan(document, draft(item=item.id)).label == "Repaint “cat” as “a boat”"
        assert plan(document, draft("outside", item=item.id)).label == "Repaint background as “a boat”"


class TestOutside:
    @pytest.mark.parametrize("source", ["painted", "selected", "item"])
    def test_everything_else_may_change(self, source: str) -> None:
        make = {"painted": painted, "selected": selected, "item": lambda *of: with_item(*of)[0]}[source]
        document = make(picture(), STROKE)
        own = draft("outside", item=document.items[-1].id if source == "item" else None)
        request = make_request(document, own)
        assert request.frame.rect == document.rect
        expected = np.ones(document.size.shape, np.float32)
        expected[STROKE.slices] = 0
        assert np.array_equal(request.strength, expected)
        assert np.array_equal(change_map(document, own, document.rect), expected)
        assert reach(document, own, plan(document, own)) == document.rect

    def test_what_is_half_selected_half_changes_and_what_is_protected_stays(self) -> None:
        document = painted(picture(), STROKE, 0.25)
        shield = np.ones((10, 10), np.float32)
        document = document.with_map("protect", document.protect.write(0, 0, shield))
        found = make_request(document, draft("outside", strength=0.5)).strength
        assert found[STROKE.top, STROKE.left] == pytest.approx(0.375)
        assert found[-1, -1] == pytest.approx(0.5)
        assert not found[:10, :10].any()

    def test_the_selection_is_used_up_and_comes_back_when_it_is_run_again(self) -> None:
        asked = selected(picture(), STROKE)
        label, document = apply_result(asked, answer(make_request(asked, draft("outside"))), asked)
        assert label == "Repaint background as “a boat”"
        assert not document.selection.any()
        again = reopen(document, document.layers[-1].id)
        request = make_request(again.document, replace(again.draft, model=MODEL))
        assert np.array_equal(request.strength, make_request(asked, draft("outside")).strength)


class TestScribble:
    def test_the_region_covers_the_strokes_and_a_little_more(self) -> None:
        document, layer = scribbled(picture())
        assert painted_rect(layer) == STROKE
        found = scribble_region(layer, document.rect)
        assert found[STROKE.slices].min() == 1
        near = scribble_reach(layer)
        assert near.holds(STROKE)
        assert near != STROKE
        outside = np.ones(found.shape, np.bool_)
        outside[near.slices] = False
        assert not found[outside].any()

    def test_a_part_of_the_region_is_the_part_of_the_whole(self) -> None:
        document, layer = scribbled(picture())
        part = Rect(120, 50, 160, 90)
        assert np.array_equal(scribble_region(layer, part), scribble_region(layer, document.rect)[part.slices])

    def test_the_model_starts_from_the_colours_but_the_result_lies_on_the_picture_without_them(self) -> None:
        plain = picture()
        document, layer = scribbled(plain)
        request = make_request(document, draft(scribble=layer.id))
        rect = request.frame.rect
        assert np.array_equal(request.image, flatten_rgb(plain, rect))
        assert request.scribble is not None
        assert np.array_equal(request.scribble, flatten_rgb(document, rect))
        assert (request.strength[STROKE.within(rect).slices] == 1).all()
        assert {subject.id for subject in request.subjects} == {layer.id}

    def test_what_is_painted_beside_it_may_change_too(self) -> None:
        document, layer = scribbled(painted(picture(), Rect(10, 10, 20, 20)))
        request = make_request(document, draft(scribble=layer.id))
        assert request.strength[Rect(10, 10, 20, 20).within(request.frame.rect).slices].min() == 1

    def test_a_selection_is_not_repainted_with_it_and_stays(self) -> None:
        document, layer = scribbled(selected(picture(), Rect(10, 10, 20, 20)))
        request = make_request(document, draft(scribble=layer.id))
        plain, same = scribbled(picture())
        assert np.array_equal(request.strength, make_request(plain, draft(scribble=same.id)).strength)
        _, after = apply_result(document, answer(request), document)
        assert after.selection is document.selection

    def test_the_colours_are_put_away_with_the_result_and_back_when_it_is_run_again(self) -> None:
        asked, layer = scribbled(picture())
        request = make_request(asked, draft(scribble=layer.id))
        label, document = apply_result(asked, answer(request), asked)
        assert label == "Paint the scribble as “a boat”"
        hidden = document.layer(layer.id)
        assert hidden is not None
        assert not hidden.visible
        made = document.layers[-1]
        assert can_reopen(document, made) == ""
        again = reopen(document, made.id)
        assert again.draft.scribble == layer.id
        same = make_request(again.document, replace(again.draft, model=MODEL))
        assert np.array_equal(same.image, request.image)
        assert same.scribble is not None
        assert request.scribble is not None
        assert np.array_equal(same.scribble, request.scribble)
        assert np.array_equal(same.strength, request.strength)
        assert can_reopen(document.without_layer(layer.id), made) == "What it was made from is gone."

    def test_an_empty_layer_is_no_region(self) -> None:
        document = picture().adding_layer(Layer.empty(0, "Scribble", picture().size))
        layer = document.layers[-1]
        assert painted_rect(layer).empty
        assert not scribble_region(layer, document.rect).any()

    def test_run_again_it_is_seen_wherever_it_was_moved_to(self) -> None:
        asked, layer = scribbled(picture())
        request = make_request(asked, draft(scribble=layer.id))
        _, document = apply_result(asked, answer(request), asked)
        made = document.layers[-1]
        others = [sheet.id for sheet in document.layers if sheet.id != layer.id]
        again = reopen(document.with_layer_order([*others, layer.id]), made.id)
        same = make_request(again.document, replace(again.draft, model=MODEL))
        assert same.scribble is not None
        assert request.scribble is not None
        assert np.array_equal(same.scribble, request.scribble)

    def test_what_was_painted_with_it_is_used_up_also_when_it_is_gone_by_then(self) -> None:
        asked, layer = scribbled(painted(picture(), Rect(90, 50, 120, 70)))
        result = answer(make_request(asked, draft(scribble=layer.id)))
        label, document = apply_result(asked.without_layer(layer.id), result, asked)
        assert label == "Paint the scribble as “a boat”"
        assert not document.strength.any()
