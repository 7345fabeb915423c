"""What a hand was on last leads: from what was touched to what the button says, and to what is offered beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from editor.document.contents import Layer
from editor.document.document import Document
from editor.edits.dispatch import make_request, other_plan, plan, possible_plans
from editor.geometry import Placement, Rect
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.plan import Draft, Touch, touches
from editor.requests.method_settings import MethodSettings
from tests.support.change_map_cases import MODEL, painted, picture, selected, with_exemplar, with_item

HERE, THERE = Rect(60, 50, 130, 110), Rect(200, 20, 240, 60)


class Hand:
    """Does one thing after the other to a document, and notes what it touched, as a session does."""

    def __init__(self, settings: MethodSettings) -> None:
        self.document = picture()
        self.draft = Draft(settings, model=MODEL, seed=1)

    def now(self, document: Document, **changes: int) -> None:
        found = [*touches(self.document, document, changes.get("scribble", self.draft.scribble))]
        found += [Touch(name, id) for name, id in changes.items()]  # type: ignore[arg-type]
        self.document, self.draft = document, replace(self.draft.touching(*found), **changes)  # type: ignore[arg-type]

    def paint(self) -> None:
        self.now(painted(self.document, HERE))

    def unpaint(self) -> None:
        self.now(self.document.with_strength(self.document.empty_map()))

    def select(self) -> None:
        self.now(selected(self.document, THERE))

    def deselect(self) -> None:
        self.now(self.document.with_map("selection", self.document.empty_map()))

    def item(self) -> None:
        """Made once, activated from then on."""
        if not self.document.items:
            self.now(with_item(self.document, HERE)[0])
        self.now(self.document, item=self.document.items[0].id)
        self.draft = replace(self.draft, exemplar=None)

    def let_go(self) -> None:
        self.draft = replace(self.draft, item=None, exemplar=None)

    def move(self) -> None:
        self.now(self.document.with_item(replace(self.document.items[0], placement=Placement(200, 100))))

    def put_back(self) -> None:
        self.now(self.document.with_item(replace(self.document.items[0], placement=None)))

    def hide_item(self) -> None:
        self.now(self.document.with_item(replace(self.document.items[0], visible=False)))

    def rename(self) -> None:
        self.now(self.document.with_item(replace(self.document.items[0], name="dog")))

    def lay(self) -> None:
        document, exemplar = with_exemplar(self.document, Placement(90, 80))
        self.now(document)
        self.now(document, exemplar=exemplar.id)
        self.draft = replace(self.draft, item=None)

    def let_in(self) -> None:
        """Painted on the exemplar itself."""
        exemplar = self.document.exemplars[0]
        less = exemplar.strength_map.write(0, 0, np.full((5, 5), 0.5, np.float32))
        self.now(self.document.with_exemplar(replace(exemplar, strength_map=less)))

    def hide(self) -> None:
        self.now(self.document.with_exemplar(replace(self.document.exemplars[0], visible=False)))

    def show(self) -> None:
        self.now(self.document.with_exemplar(replace(self.document.exemplars[0], visible=True)))

    def begin(self) -> None:
        """A scribble."""
        document = self.document.adding_layer(Layer.empty(0, "Scribble", self.document.size))
        self.now(document, scribble=document.layers[-1].id)

    def scribble(self) -> None:
        layer = self.document.layers[-1]
        stroke = layer.pixels.write(20, 20, np.full((10, 10, 4), 255, np.uint8))
        self.now(self.document.with_layer(replace(layer, pixels=stroke)))


def hand(settings: MethodSettings, does: str) -> Hand:
    found = Hand(settings)
    for word in does.split():
        act: Callable[[], None] = getattr(found, word)
        act()
    return found


QUICK = [
    ("", "Fill", None),
    ("paint", "Fill", None),
    ("select paint", "Fill", "Fill selection"),
    ("paint select", "Fill selection", "Fill"),
    ("paint select paint", "Fill", "Fill selection"),
    ("paint select deselect", "Fill", None),
    ("select paint unpaint", "Fill selection", None),
    ("item", "Remove “cat”", None),
    ("item paint", "Fill", "Remove “cat”"),
    ("paint item", "Remove “cat”", "Fill"),
    ("item paint let_go", "Fill", None),
    ("item paint item", "Remove “cat”", "Fill"),
    ("item paint rename", "Fill", "Remove “dog”"),
    ("item select paint", "Fill", "Fill selection"),
    ("item move", "Move and heal", None),
    ("item move let_go", "Move and heal", None),
    ("item move paint", "Fill", "Move and heal"),
    ("paint item move", "Move and heal", "Fill"),
    ("paint item move put_back", "Remove “cat”", "Fill"),
    ("item move paint put_back", "Fill", "Remove “cat”"),
    ("paint item move hide_item", "Fill", None),
    ("lay", "Blend “boat”", None),
    ("lay let_go", "Blend reference picture", None),
    ("lay paint", "Fill", "Blend “boat”"),
    ("paint lay", "Blend “boat”", "Fill"),
    ("lay paint let_in", "Blend “boat”", "Fill"),
    ("paint lay hide", "Fill", None),
    ("lay paint hide show", "Blend “boat”", "Fill"),
    ("lay item", "Remove “cat”", "Blend reference picture"),
    ("item lay", "Blend “boat”", None),
    ("lay lay", "Blend “boat”", "Blend reference pictures"),
]
PIXELS = [
    ("", "Repaint", None),
    ("paint", "Repaint", None),
    ("select", "Repaint", None),
    ("select paint", "Repaint painted area", "Repaint selection"),
    ("paint select", "Repaint selection", "Repaint painted area"),
    ("paint item", "Repaint “cat”", "Repaint"),
    ("item paint", "Repaint", "Repaint “cat”"),
    ("lay paint", "Blend “boat”", None),
    ("paint lay", "Blend “boat”", None),
    ("lay paint select", "Repaint", "Blend “boat”"),
    ("select lay", "Blend “boat”", "Repaint"),
    ("lay item", "Repaint “cat”", "Blend “boat”"),
    ("lay paint hide", "Repaint", None),
    ("item move", "Repaint", "Move and heal"),
    ("item move paint", "Repaint", "Move and heal"),
    ("paint item move", "Repaint", "Move and heal"),
    ("paint select item move", "Repaint selection", "Repaint painted area"),
]
WORDS = [
    ("", "Repaint", None),
    ("select paint", "Repaint painted area", "Repaint selection"),
    ("paint select", "Repaint selection", "Repaint painted area"),
    ("item paint", "Repaint", "Repaint “cat”"),
    ("paint item", "Repaint “cat”", "Repaint"),
    ("select item", "Repaint “cat”", "Repaint"),
    ("begin", "Paint the scribble", None),
    ("begin scribble", "Paint the scribble", None),
    ("begin scribble paint", "Paint the scribble", None),
    ("begin scribble select", "Paint the scribble", None),
    ("begin scribble item", "Repaint “cat”", "Paint the scribble"),
    ("item begin scribble", "Paint the scribble", "Repaint “cat”"),
    ("lay select", "Repaint", None),
]


@pytest.mark.parametrize(("does", "label", "other"), QUICK)
def test_without_a_model(does: str, label: str, other: str | None) -> None:
    check(hand(QuickFillSettings(), does), label, other)


@pytest.mark.parametrize(("does", "label", "other"), PIXELS)
def test_with_a_model(does: str, label: str, other: str | None) -> None:
    check(hand(PixelsSettings(), does), label, other)


@pytest.mark.parametrize(("does", "label", "other"), WORDS)
def test_with_words(does: str, label: str, other: str | None) -> None:
    check(hand(BlendedSettings(), does), label, other)


def check(done: Hand, label: str, other: str | None) -> None:
    assert plan(done.document, done.draft).label == label
    found = other_plan(done.document, done.draft)
    assert (None if found is None else found.label) == other
    # Each of them can be asked for, and is about what its label says.
    for planned in possible_plans(done.document, done.draft):
        if planned.action not in (None, "move"):
            request = make_request(done.document, done.draft, planned)
            assert {subject.id for subject in request.subjects} >= set(planned.items)


def test_the_background_is_told_apart_as_well() -> None:
    done = hand(BlendedSettings(region="outside"), "paint select")
    check(done, "Repaint around selection", "Repaint around painted area")


def test_with_nobody_having_touched_anything_there_is_a_usual_order() -> None:
    done = hand(QuickFillSettings(), "paint select item")
    assert plan(done.document, replace(done.draft, touched=())).label == "Remove “cat”"
    done = hand(QuickFillSettings(), "lay paint select")
    opened = Draft(QuickFillSettings())
    assert [reading.label for reading in possible_plans(done.document, opened)] == [
        "Fill",
        "Fill selection",
        "Blend reference picture",
    ]


def test_strength_and_exemplars_are_one_edit_with_a_model() -> None:
    for does in ("lay paint", "paint lay"):
        done = hand(PixelsSettings(), does)
        planned = plan(done.document, done.draft)
        assert (planned.action, planned.exemplars, planned.region) == (
            "blend",
            (done.document.exemplars[0].id,),
            "strength",
        )
    planned = plan((done := hand(PixelsSettings(), "lay paint select")).document, done.draft)
    assert (planned.exemplars, planned.region) == ((), "selection")


def test_undo_leads_to_what_is_still_there() -> None:
    done = hand(QuickFillSettings(), "paint")
    before = done.document
    done.select()
    assert plan(done.document, done.draft).label == "Fill selection"
    assert plan(before, done.draft).label == "Fill"
    assert plan(done.document, done.draft).label == "Fill selection"  # redone
    assert plan(picture(), done.draft).action is None


def test_without_its_model_only_what_needs_none_is_offered() -> None:
    done = hand(PixelsSettings(), "select paint item move")
    draft = replace(done.draft, model=None)
    assert plan(done.document, draft).reason == "Get a model first."
    other = other_plan(done.document, draft)
    assert other is not None
    assert (other.action, other.label) == ("move", "Move and heal")


def test_a_touch_is_noted_once_and_old_ones_are_forgotten() -> None:
    draft = (
        Draft(QuickFillSettings()).touching(Touch("strength")).touching(Touch("item", 1)).touching(Touch("strength"))
    )
    assert draft.touched == (Touch("item", 1), Touch("strength"))
    assert draft.touching(Touch("strength")) is draft
    for id in range(100):
        draft = draft.touching(Touch("item", id))
    assert len(draft.touched) <= 32
    assert draft.touched[-1] == Touch("item", 99)
