"""What the button means for a method with a model, and what it says when it can do nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from editor.document.document import Document
from editor.edits.dispatch import make_request, plan
from editor.errors import InvalidRequest, ModelUnavailable
from editor.geometry import Placement, Rect
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.methods.registry import METHODS
from editor.planning.plan import Draft, Plan
from tests.support.change_map_cases import MODEL, draft, painted, picture, selected, with_exemplar, with_item

AREA = Rect(60, 50, 130, 110)


def one_of_each() -> Document:
    document = selected(painted(picture(), AREA), AREA)
    document, _ = with_item(document, AREA)
    document, _ = with_exemplar(document, Placement(90, 80))
    return document


def test_exemplars_come_first_then_paint_then_the_selection_then_the_item() -> None:
    document = one_of_each()
    chosen = draft(item=document.items[0].id)
    exemplar = document.exemplars[0]
    assert plan(document, chosen) == Plan("blend", "Blend “boat”", exemplars=(exemplar.id,), region="strength")
    document = document.with_exemplar(replace(exemplar, visible=False))
    assert plan(document, chosen) == Plan("fill", "Repaint painted area", region="strength")
    document = document.with_strength(document.empty_map())
    assert plan(document, chosen) == Plan("fill", "Repaint", region="selection")
    document = document.with_map("selection", document.empty_map())
    assert plan(document, chosen) == Plan("fill", "Repaint “cat”", items=(document.items[0].id,))
    nothing = plan(document, draft())
    assert (nothing.action, nothing.label) == (None, "Repaint")
    assert nothing.reason == "Paint where it may change, or drop a picture onto the canvas."


def test_all_visible_exemplars_are_blended_whichever_is_active() -> None:
    document, first = with_exemplar(picture(), Placement(90, 80))
    document, second = with_exemplar(document, Placement(150, 80), name="dog")
    document, hidden = with_exemplar(document, Placement(200, 80))
    document = document.with_exemplar(replace(hidden, visible=False))
    for active in (None, first.id, second.id, hidden.id):
        planned = plan(document, draft(exemplar=active))
        assert (planned.label, planned.exemplars) == ("Blend 2 reference pictures", (first.id, second.id))
        assert planned.region is None


@pytest.mark.parametrize(
    ("prompt", "label"),
    [
        ("a red boat", "Repaint as “a red boat”"),
        ("  a\nred   boat ", "Repaint as “a red boat”"),
        ("an old wooden boat on a lake at dawn", "Repaint as “an old wooden boat on a…”"),
        ("   ", "Repaint"),
    ],
)
def test_a_prompt_stands_on_the_button(prompt: str, label: str) -> None:
    assert plan(painted(picture(), AREA), draft(prompt=prompt)).label == label


def test_moved_items_are_left_to_quick_fill() -> None:
    document, item = with_item(picture(), AREA)
    document = document.with_item(replace(item, placement=Placement(200, 100)))
    for active in (None, item.id):
        planned = plan(document, draft(item=active))
        assert planned.action is None
        assert "Quick fill moves things" in planned.reason
    assert plan(painted(document, AREA), draft(item=item.id)).action == "fill"
    assert plan(document, Draft(QuickFillSettings())).action == "move"


@pytest.mark.parametrize(
    ("model", "reason", "error"),
    [
        (None, "Get a model first.", "No model is chosen."),
        (
            replace(MODEL, problem="The U-Net is missing.", advice="Download it again."),
            "The U-Net is missing. Choose another model.",
            "“Small” cannot be used. The U-Net is missing.",
        ),
    ],
)
def test_without_a_model_the_button_says_so(model: object, reason: str, error: str) -> None:
    document = painted(picture(), AREA)
    chosen = draft(model=model)
    planned = plan(document, chosen)
    assert planned == Plan(None, "Repaint", reason, region="strength", needs_model=True)
    for explicit in (None, replace(planned, action="fill")):
        with pytest.raises(ModelUnavailable) as caught:
            make_request(document, chosen, explicit)
        assert caught.value.message == error
        assert caught.value.advice


def test_nothing_to_do_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidRequest, match="nothing to change") as caught:
        make_request(picture(), draft())
    assert "Paint" in caught.value.advice


def test_how_many_results_are_wanted() -> None:
    fill, blend = Plan("fill", ""), Plan("blend", "")
    for planned in (fill, blend):
        assert METHODS.of(draft().settings).result_count(draft(variations=4), planned) == 4
    plain = Draft(QuickFillSettings(), variations=4)
    assert METHODS.first.result_count(plain, fill) == 4
    assert METHODS.first.result_count(plain, blend) == 1


def test_only_quick_fill_grows_items() -> None:
    assert Draft(QuickFillSettings(grow=9)).settings.margin == 9
    assert draft().settings.margin == 0
