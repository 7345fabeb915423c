"""What an item is after an edit has changed what it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from editor.document.document import Document
from editor.edits.apply import apply_result
from editor.edits.dispatch import make_request, plan
from editor.edits.rerun import reopen
from editor.geometry import Placement, Rect
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.plan import Draft, Touch
from tests.support.change_map_cases import MODEL, answer, painted, picture, with_exemplar, with_item

AREA, LARGER, PART = Rect(60, 50, 130, 110), Rect(50, 40, 140, 120), Rect(60, 50, 100, 110)
QUICK = Draft(QuickFillSettings(), seed=1, touched=(Touch("strength"),))


def after(document: Document, draft: Draft) -> Document:
    """After the planned edit."""
    planned = plan(document, draft)
    result = answer(make_request(document, draft, planned))
    return apply_result(document, result, document, planned)[1]


@pytest.mark.parametrize("settings", [PixelsSettings(), BlendedSettings()])
def test_an_item_that_was_repainted_by_words_is_called_by_them(settings: PixelsSettings | BlendedSettings) -> None:
    document, item = with_item(picture(), AREA)
    draft = Draft(settings, item=item.id, prompt="a  sleeping\ndog", model=MODEL, seed=1)
    found = after(document, draft)
    assert [entry.name for entry in found.items] == ["a sleeping dog"]
    assert found.items[0].mask is item.mask
    assert found.layers[-1].name == "Repaint “cat” as “a sleeping dog”"
    assert after(document, replace(draft, prompt=" ")).items == document.items, "nobody knows what it became"


def test_what_is_repainted_again_is_called_anew_with_its_layer() -> None:
    document, item = with_item(picture(), AREA)
    found = after(document, Draft(PixelsSettings(), item=item.id, prompt="a dog", model=MODEL, seed=1))
    reopened = reopen(found, found.layers[-1].id)
    again = after(reopened.document, replace(reopened.draft, model=MODEL, prompt="a fox"))
    assert [entry.name for entry in again.items] == ["a fox"]
    assert [layer.name for layer in again.layers][-1] == "Repaint “a dog” as “a fox”"


def test_words_that_are_painted_all_over_an_item_name_it_too() -> None:
    draft = replace(QUICK, settings=PixelsSettings(), prompt="a dog", model=MODEL)
    document, _ = with_item(picture(), AREA)
    assert after(painted(document, LARGER), draft).items[0].name == "a dog"
    assert after(painted(document, PART), draft).items[0].name == "cat"
    outside = replace(draft, settings=BlendedSettings(region="outside"))
    assert after(painted(document, Rect(0, 0, 10, 10)), outside).items[0].name == "cat"


def test_an_item_that_was_filled_over_is_gone_and_one_that_was_mended_stays() -> None:
    document, _ = with_item(picture(), AREA)
    assert after(painted(document, LARGER), QUICK).items == ()
    assert after(painted(document, PART), QUICK).items == document.items


def test_an_item_under_a_picture_that_was_let_in_is_gone() -> None:
    document, _ = with_item(picture(), AREA)
    document, exemplar = with_exemplar(document, Placement(95, 80), side=100)
    assert after(document, replace(QUICK, exemplar=exemplar.id, touched=())).items == ()


def test_an_item_that_was_changed_or_moved_meanwhile_is_left_alone() -> None:
    asked, item = with_item(picture(), AREA)
    asked = painted(asked, LARGER)
    result = answer(make_request(asked, QUICK))
    for other in (
        item.with_mask(item.mask.write(0, 0, np.ones((5, 5), np.float32))),
        replace(item, placement=Placement(200, 100)),
    ):
        now = asked.with_item(other)
        assert [entry.id for entry in apply_result(now, result, asked)[1].items] == [item.id]
