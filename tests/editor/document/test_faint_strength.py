"""Strength that rounds to nothing is nothing: for the plan, the frame, the request and what is left after the edit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.document import masks
from editor.document.brush import Brush, Sample, SetTo, Stroke
from editor.document.compose import flatten
from editor.document.document import Document
from editor.document.faint_strength import FAINTEST, is_strength, lets_in, strength_rect
from editor.document.tiles import Tiles
from editor.edits.apply import apply_result
from editor.edits.dispatch import at_strengths, change_map, frame_for, make_request, other_plan, plan, reach
from editor.errors import InvalidRequest
from editor.geometry import Placement, Rect
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.editing import edit
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.plan import Draft, Touch
from editor.requests.edit_request import EditRequest
from editor.requests.method_settings import MethodSettings
from editor.requests.results import EditResult
from tests.support.change_map_cases import MODEL, answer, painted, picture, with_exemplar, with_item
from tests.support.reports import drive
from tests.support.strategies import Map, quick

METHODS: tuple[MethodSettings, ...] = (QuickFillSettings(), PixelsSettings(), BlendedSettings())
AREA = Rect(60, 50, 130, 110)


def brushed(document: Document) -> Document:
    stroke = Stroke(document.strength, Brush(size=50, hardness=0.0, smoothing=0.0), SetTo(1.0))
    stroke.add([Sample(120, 90), Sample(160, 110)])
    return document.with_strength(stroke.finish())


def feathered(document: Document) -> Document:
    return document.with_strength(Tiles.of(masks.feather(painted(document, AREA).strength.read(), 25)))


def blurred(document: Document) -> Document:
    """Feathered outwards: it fades over many pixels, and far beyond what can be seen."""
    return document.with_strength(Tiles.of(masks.feather(painted(document, AREA).strength.read(), 25, inward=False)))


def straight(document: Document) -> Document:
    return document.with_strength(Tiles.of(masks.linear_gradient(document.rect, (40, 20), (220, 90))))


def round_(document: Document) -> Document:
    return document.with_strength(Tiles.of(masks.radial_gradient(document.rect, (150, 100), 80)))


SOFT = (brushed, feathered, blurred, straight, round_)


def draft(settings: MethodSettings, overall: float = 1.0) -> Draft:
    return Draft(settings, model=MODEL, prompt="a boat", strength=overall, seed=5)


def whole(document: Document, chosen: Draft) -> Map:
    return change_map(document, chosen, document.rect)


@pytest.mark.parametrize("settings", METHODS, ids=lambda each: type(each).__name__)
class TestEverywhere:
    @pytest.mark.parametrize("value", [0.2 / 255, 0.49 / 255])
    def test_what_rounds_to_nothing_is_nothing(self, settings: MethodSettings, value: float) -> None:
        document, chosen = painted(picture(), AREA, value), draft(settings)
        planned = plan(document, chosen)
        assert planned.action is None
        assert planned == plan(picture(), chosen), "it is as if nothing had been painted"
        assert not whole(document, chosen).any()
        assert frame_for(document, chosen, replace(planned, action="fill", region="strength")) is None
        with pytest.raises(InvalidRequest):
            make_request(document, chosen)

    def test_what_rounds_to_something_is_something(self, settings: MethodSettings) -> None:
        document, chosen = painted(picture(), AREA, 0.51 / 255), draft(settings)
        assert plan(document, chosen).action == "fill"
        assert Rect.of_mask(whole(document, chosen)) == AREA
        assert make_request(document, chosen).strength.any()

    def test_the_overall_strength_counts(self, settings: MethodSettings) -> None:
        document = painted(picture(), AREA, 0.19)
        assert plan(document, draft(settings)).action == "fill"
        planned = plan(document, draft(settings, 0.01))
        assert (planned.action, planned.region) == (None, "strength")
        assert planned.reason == "At 1\u202f% overall strength nothing changes. Raise the strength."
        assert not whole(document, draft(settings, 0.01)).any()
        assert plan(document, draft(settings, 0.0)).action is None
        assert plan(painted(picture(), AREA, 0.2), draft(settings, 0.01)).action == "fill"

    @pytest.mark.parametrize("overall", [1.0, 0.3, 0.01])
    @pytest.mark.parametrize("soft", SOFT)
    def test_all_agree_on_where_a_soft_edge_ends(
        self, settings: MethodSettings, soft: Callable[[Document], Document], overall: float
    ) -> None:
        document, chosen = soft(picture()), draft(settings, overall)
        strength = document.strength.read() * np.float32(overall)
        seen = np.where(strength > FAINTEST, strength, 0)
        found = whole(document, chosen)
        assert np.array_equal(found > 0, seen > 0)
        request = make_request(document, chosen)
        assert not ((request.strength > 0) & (request.strength <= FAINTEST)).any()
        assert np.array_equal(request.strength, found[request.frame.rect.slices])
        tight = strength_rect(document.strength, overall)
        assert tight == Rect.of_mask(seen)
        assert reach(document, chosen, plan(document, chosen)).holds(tight)
        frame = frame_for(document, chosen)
        assert frame is not None
        assert frame.rect == request.frame.rect

    @pytest.mark.parametrize("overall", [1.0, 0.3, 0.01])
    @pytest.mark.parametrize("soft", SOFT)
    def test_nothing_is_left_of_it_afterwards(
        self, settings: MethodSettings, soft: Callable[[Document], Document], overall: float
    ) -> None:
        document, chosen = soft(picture()), draft(settings, overall)
        chosen = chosen.touching(Touch("strength"))
        request = make_request(document, chosen)
        result = answer(request)
        if not settings.needs_model:
            result = made(request)
        _, after = apply_result(document, result, document, plan(document, chosen))
        assert after.strength.blank
        assert plan(after, chosen).action is None
        selected = after.with_map("selection", painted(after, AREA).strength)
        assert plan(selected, chosen).region == "selection", "a new selection is heard"


def made(request: EditRequest) -> EditResult:
    """What quick fill makes of it."""
    return drive(edit(request))


@quick
@given(st.floats(0, 1, width=32), st.floats(0, 1))
def test_a_map_counts_as_long_as_one_value_does(value: float, overall: float) -> None:
    map = painted(picture(), AREA, value).strength
    assert is_strength(map, overall) == (not strength_rect(map, overall).empty)
    if value * overall > FAINTEST * 1.001:
        assert is_strength(map, overall)
    if value * overall < FAINTEST * 0.999:
        assert not is_strength(map, overall)


def test_of_several_strengths_those_that_leave_nothing_are_not_tried() -> None:
    document = Document.of_picture(np.full((64, 64, 4), 255, np.uint8))
    weak = document.with_strength(document.empty_map().write(20, 20, np.full((20, 20), 0.01, np.float32)))
    tried = at_strengths(weak, draft(PixelsSettings()), (0.15, 0.3, 0.9))
    assert [variant.request.overall for variant in tried.variants] == [0.3, 0.9]
    with pytest.raises(InvalidRequest, match="nothing to change yet"):
        at_strengths(weak, draft(PixelsSettings()), (0.05, 0.15))


def test_an_exemplar_that_lets_nothing_in_is_nothing() -> None:
    document, exemplar = with_exemplar(picture(), Placement(150, 100))
    for quiet in (
        replace(exemplar, strength=0.4 / 255),
        replace(exemplar, strength_map=Tiles.filled((30, 30), 0.001, np.float32)),
        replace(exemplar, strength_map=Tiles.filled((30, 30), 0.03, np.float32), strength=0.05),
    ):
        laid = document.with_exemplar(quiet)
        assert not lets_in(quiet)
        for settings in (QuickFillSettings(), PixelsSettings()):
            assert plan(laid, draft(settings)).reason.startswith("Nothing of the reference picture comes in.")
            assert not change_map(
                laid, draft(settings), laid.rect, replace(plan(laid, draft(settings)), action="blend")
            ).any()
    assert plan(document, draft(QuickFillSettings(), 0.001)).reason.startswith("At 0.1\u202f% overall strength")


def test_what_is_protected_but_for_a_trace_is_used_up_and_what_is_wholly_protected_stays() -> None:
    document = painted(picture(), AREA)
    shield = document.protect.write(60, 50, np.full((60, 20), 0.9999, np.float32))
    shield = shield.write(80, 50, np.full((60, 20), 1, np.float32))
    document = document.with_map("protect", shield)
    chosen = draft(QuickFillSettings())
    _, after = apply_result(document, made(make_request(document, chosen)), document)
    assert Rect.of_mask(after.strength.read()) == Rect(80, 50, 100, 110)


def test_what_was_painted_across_what_is_transparent_is_used_up() -> None:
    document = painted(picture(), AREA)
    background = document.layers[0]
    pixels = background.pixels.write(80, 50, np.zeros((60, 20, 4), np.uint8))
    document = document.with_layer(replace(background, pixels=pixels))
    _, after = apply_result(document, made(make_request(document, draft(QuickFillSettings()))), document)
    assert not after.strength.any()
    assert not flatten(after)[50:110, 80:100].any(), "it stays transparent"


def test_what_is_left_under_protection_is_no_edit_until_it_is_unprotected() -> None:
    document = painted(picture(), AREA)
    cover = np.full((AREA.height, AREA.width), 1, np.float32)
    shielded = document.with_map("protect", document.protect.write(AREA.left, AREA.top, cover))
    ajar = shielded.with_map("protect", shielded.protect.write(70, 70, np.full((1, 1), 0.9, np.float32)))
    around = draft(BlendedSettings(region="outside"))
    for settings in METHODS:
        chosen = draft(settings)
        assert plan(document, chosen).action == "fill"
        assert plan(shielded, chosen).action is None
        assert plan(shielded, chosen).reason == "All that is painted is protected. Unprotect some of it first."
        assert plan(ajar, chosen).action == "fill"
        assert plan(ajar, replace(chosen, strength=0.01)).action is None
        selected = shielded.with_map("selection", shielded.selection.write(2, 2, np.full((9, 9), 1, np.float32)))
        other = other_plan(selected, chosen)
        assert other is not None
        assert other.region == "selection"
    assert plan(shielded, around).action == "fill", "what is protected is to stay, and so is what is painted"


def test_an_item_without_a_model_is_removed_whatever_the_overall_strength() -> None:
    document, item = with_item(picture(), AREA)
    assert plan(document, replace(draft(QuickFillSettings(), 0.0), item=item.id)).action == "remove"
    assert plan(document, replace(draft(PixelsSettings(), 0.001), item=item.id)).action is None
