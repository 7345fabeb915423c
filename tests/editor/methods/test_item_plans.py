"""Changing items, the picture half: what the button would do, what the request says, and that a finished edit is run again alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from editor.document.contents import Item
from editor.document.document import Document
from editor.document.tiles import Tiles
from editor.edits import rerun
from editor.edits.apply import apply_result
from editor.edits.dispatch import change_map, make_request, plan, plans, reach
from editor.errors import InvalidRequest, ModelUnavailable
from editor.geometry import Placement, Rect
from editor.methods.items.method import ITEMS, words_of
from editor.methods.items.settings import ItemsSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.registry import METHODS
from editor.planning.plan import Draft, is_without_model, removal
from editor.requests.edit_request import EditRequest, Subject
from editor.requests.results import EditResult, Recipe
from tests.support.session_cases import model

BOAT, TREE = Rect(40, 40, 80, 60), Rect(100, 30, 130, 90)


def item(name: str, rect: Rect, **more: Any) -> Item:
    mask = np.zeros((120, 160), np.float32)
    mask[rect.slices] = 1
    return replace(Item.of(name, Tiles.of(mask)), **more)


def document() -> Document:
    grey = np.full((120, 160, 4), 255, np.uint8)
    return Document.of_picture(grey).adding_item(item("a boat", BOAT)).adding_item(item("Item 2", TREE))


def draft(document: Document, prompt: str = "", **more: Any) -> Draft:
    settings = ItemsSettings(surroundings="the sea")
    values: dict[str, Any] = {"settings": settings, "item": document.items[0].id, "model": model(), "seed": 3, **more}
    return Draft(prompt=prompt, **values)


def test_words_change_an_item_and_without_any_it_goes() -> None:
    boat = document()
    changing = plan(boat, draft(boat, "a red car"))
    assert (changing.action, changing.label, changing.items) == (
        "fill",
        "Change “a boat” to “a red car”",
        (boat.items[0].id,),
    )
    going = plan(boat, draft(boat, "  "))
    assert going == removal(boat.items[0])


def test_all_around_it_can_change_instead() -> None:
    boat = document()
    asked = draft(boat, "a desert", settings=ItemsSettings(region="outside"))
    assert plan(boat, asked).label == "Change all around “a boat” to “a desert”"
    request = make_request(boat, asked)
    inside = request.strength[BOAT.within(request.frame.rect).slices]
    assert inside[inside.shape[0] // 2, inside.shape[1] // 2] == 0
    assert request.strength[0, 0] == 1
    assert request.prompts == ("a desert", "a boat", "")


@pytest.mark.parametrize("hide", [{"visible": False}, {"placement": Placement(20, 20)}])
def test_hidden_and_moved_items_are_no_wish(hide: dict[str, Any]) -> None:
    boat = document()
    boat = replace(boat, items=(replace(boat.items[0], **hide), boat.items[1]))
    planned, other = plans(boat, draft(boat, "a car"))
    assert planned.action is None
    if "placement" in hide:
        assert planned.reason == "Quick fill moves things. To change one, put it back."
        assert other is not None
        assert other.action == "move"


def test_nothing_chosen_says_what_to_do() -> None:
    assert plan(document(), draft(document(), item=None)).reason == "Choose an item."
    empty = replace(document(), items=())
    assert plan(empty, draft(document(), item=None)).reason == "Select something, then make it an item."


def test_the_request_says_whose_each_pixel_is_and_what_it_reads() -> None:
    boat = document()
    request = make_request(boat, draft(boat, "a red car"))
    assert request.prompts == ("the sea", "a red car", "")  # nobody has named the tree
    assert request.labels is not None
    expected = np.zeros((120, 160), np.int16)
    expected[BOAT.slices], expected[TREE.slices] = 1, 2
    assert np.array_equal(request.labels, expected[request.frame.rect.slices])
    assert request.subjects == (Subject(boat.items[0].id),)
    assert (request.action, request.prompt) == ("fill", "a red car")


def test_a_removed_item_leaves_its_place_to_what_is_nearest() -> None:
    boat = document()
    request = make_request(boat, draft(boat, "words of before"), removal(boat.items[0]))
    assert request.labels is not None
    assert not (request.labels == 1).any()
    assert (request.labels[BOAT.within(request.frame.rect).slices] == 0).all()
    assert (request.action, request.prompt) == ("remove", "")


def test_what_comes_to_light_lay_behind_it() -> None:
    """A hill behind the boat gets what is nearest to it; a mast in front of it nothing."""
    hill, boat, mast = Rect(0, 30, 40, 70), Rect(40, 30, 80, 70), Rect(80, 30, 90, 70)
    scene = Document.of_picture(np.full((120, 160, 4), 255, np.uint8))
    for name, rect in (("a hill", hill), ("a boat", boat), ("a mast", mast)):
        scene = scene.adding_item(item(name, rect))
    asked = draft(scene, item=scene.items[1].id, frame=scene.rect)
    labels = make_request(scene, asked, removal(scene.items[1])).labels
    assert labels is not None
    left = labels[50, 40:80]
    assert left[0] == 1  # right beside the hill
    assert 3 not in left
    assert labels[31, 60] == 0  # the rest is nearer
    assert (labels[mast.slices] == 3).all()


def test_what_changes_is_the_item_with_a_band_around_it() -> None:
    boat = document()
    asked = draft(boat, "a red car", settings=ItemsSettings(band=1.0, band_hold=0.25))
    request = make_request(boat, asked)
    own = BOAT.within(request.frame.rect)
    assert (request.strength[own.slices] == 1).all()
    band = round(asked.model.cell / request.frame.mean_scale) if asked.model is not None else 0
    assert band >= 1
    assert request.strength[own.top - 1, own.left] == np.float32(0.75)
    assert request.strength[own.top - band - 2, own.left] == 0
    whole = change_map(boat, asked, boat.rect)
    assert np.array_equal(whole[request.frame.rect.slices], request.strength)
    part = Rect(60, 50, 110, 80)
    assert np.array_equal(change_map(boat, asked, part), whole[part.slices])
    reached = reach(boat, asked, plan(boat, asked))
    assert reached.holds(Rect.of_mask(whole))


def test_other_items_stay_as_they_are() -> None:
    """Also where they lie within the band, or over a part of the one that changes; but not where all around it is to change."""
    boat = document().adding_item(item("a flag", Rect(60, 36, 90, 50)))
    asked = draft(boat, "a car", frame=boat.rect)
    strength = make_request(boat, asked).strength
    assert (strength[36:50, 60:90] == 0).all()
    assert strength[55, 70] == 1
    outside = draft(boat, "a desert", frame=boat.rect, settings=ItemsSettings(region="outside"))
    assert make_request(boat, outside).strength[40, 85] == 1


def test_what_is_protected_stays() -> None:
    boat = document()
    protect = np.zeros((120, 160), np.float32)
    protect[:, :60] = 1
    guarded = boat.with_map("protect", Tiles.of(protect))
    request = make_request(guarded, draft(boat, "a car"))
    assert (change_map(guarded, draft(boat, "a car"), boat.rect)[:, :60] == 0).all()
    assert request.strength.any()
    shut = boat.with_map("protect", Tiles.of(np.ones((120, 160), np.float32)))
    with pytest.raises(InvalidRequest, match="protected"):
        make_request(shut, draft(boat, "a car"))


def test_without_a_model_things_are_taken_out_by_what_needs_none() -> None:
    boat = document()
    assert not is_without_model("remove", draft(boat))
    assert is_without_model("remove", draft(boat, model=None))
    assert is_without_model("remove", draft(boat, settings=PixelsSettings()))
    assert is_without_model("move", draft(boat))
    with pytest.raises(ModelUnavailable, match="No model"):
        make_request(boat, draft(boat, "a car", model=None), removal(boat.items[0]))


def test_names_that_somebody_gave_are_words() -> None:
    assert words_of(item("a boat", BOAT)) == "a boat"
    assert words_of(item("Item 12", BOAT)) == ""
    assert words_of(item("Item 12", BOAT, prompt=" a pier ")) == "a pier"


def finished(request: EditRequest, about: Document) -> EditResult:
    """A result of the request, all white."""
    rect = Rect.of_mask(request.strength).moved(request.frame.rect.left, request.frame.rect.top)
    pixels = np.full((*rect.size.shape, 4), 255, np.uint8)
    recipe = Recipe(
        request.settings,
        request.action,
        request.frame.rect,
        request.seed,
        request.subjects,
        request.prompt,
        request.negative_prompt,
        request.model,
        request.steps,
        request.guidance_scale,
        request.sampler,
        request.overall,
    )
    return EditResult(rect, pixels, recipe)


@pytest.mark.parametrize("prompt", ["a red car", ""])
def test_run_again_asks_for_the_same(prompt: str) -> None:
    boat = document()
    asked = draft(boat, prompt, steps=9, guidance_scale=4.0)
    planned = plan(boat, asked)
    request = make_request(boat, asked, planned)
    label, after = apply_result(boat, finished(request, boat), boat, planned)
    assert label == ("Change “a boat” to “a red car”" if prompt else "Remove “a boat”")
    layer = after.layers[-1]
    if not prompt:
        assert len(after.items) == 1  # it is gone, so it cannot be taken out again
        assert rerun.can_reopen(after, layer) == "The item it removed is gone."
        return
    opened = rerun.reopen(after, layer.id)
    again = replace(opened.draft, model=asked.model)
    other = make_request(opened.document, again, plan(opened.document, again))
    for name in ("strength", "labels", "image"):
        assert np.array_equal(getattr(other, name), getattr(request, name))
    for name in ("prompts", "prompt", "settings", "frame", "seed", "action", "subjects", "steps", "guidance_scale"):
        assert getattr(other, name) == getattr(request, name)


def test_what_is_missing_is_said() -> None:
    boat, tiny = document(), model()
    blank = draft(boat, settings=ItemsSettings())
    assert "What is around" in ITEMS.warning(boat, blank, plan(boat, blank), tiny)
    told = draft(boat)
    assert ITEMS.warning(boat, told, plan(boat, told), tiny) == ""
    outside = draft(boat, settings=ItemsSettings(region="outside"))
    assert ITEMS.warning(boat, outside, plan(boat, outside), tiny) == "Say what should be around it."
    weak = draft(boat, "a car", strength=0.05, steps=10)
    assert "step" in ITEMS.warning(boat, weak, plan(boat, weak), tiny)


def test_it_is_in_the_table_and_never_the_usual_choice() -> None:
    assert METHODS.of(ItemsSettings) is ITEMS
    assert METHODS.usual_on_model is not ITEMS
    assert METHODS.first is not ITEMS
