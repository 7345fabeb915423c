"""What a model made, laid over the original: the edge, the colours, and exactness outside."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from editor.document import masks
from editor.errors import NotFinite
from editor.geometry import Rect, Size
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.model_canvas.paste_back import KeptAlpha, Pasted, matched, paste_alpha, result_of, result_over
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame
from editor.requests.variants import Variant
from tests.support.strategies import quick, thorough

Map = NDArray[np.float32]
Image = NDArray[np.float32]


def _blob(height: int = 80, width: int = 90) -> Map:
    strength = np.zeros((height, width), np.float32)
    strength[20:60, 25:70] = 0.4
    return strength


def _random(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


@given(st.integers(0, 10**6), st.floats(0, 0.99), st.floats(0, 30))
@quick
def test_invariant_19_alpha_is_nothing_wherever_strength_is_nothing(seed: int, free: float, feather: float) -> None:
    strength = _random(seed, 24, 31) * (_random(seed + 1, 24, 31) < free)
    alpha = paste_alpha(strength, feather)
    assert alpha.dtype == np.float32
    assert (alpha[strength == 0] == 0).all()
    assert (alpha[strength > 0] > 0).all()
    assert alpha.max() <= 1


@pytest.mark.parametrize("feather", [8, 12, 16])
def test_alpha_rises_inwards_by_the_smoothstep_of_the_distance(feather: int) -> None:
    alpha = paste_alpha(_blob(), feather)
    across = alpha[40, 25:]  # 1, 2, 3 ... pixels from the nearest pixel that keeps
    share = np.clip(np.arange(1, 20) / feather, 0, 1)
    assert across[:19] == pytest.approx(share * share * (3 - 2 * share), abs=1e-5)
    assert (alpha[20 + feather : 60 - feather, 25 + feather : 70 - feather] == 1).all()


def test_the_edge_of_the_picture_is_no_edge_of_the_change() -> None:
    strength = np.zeros((40, 40), np.float32)
    strength[:, 20:] = 1
    alpha = paste_alpha(strength, 8)
    assert (alpha[0] == alpha[20]).all()
    assert (alpha[:, -1] == 1).all()
    assert (paste_alpha(np.ones((9, 9), np.float32), 8) == 1).all()


@pytest.mark.parametrize("width", [1, 2, 3, 5, 11])
def test_thin_strokes_count_in_full_in_their_middle(width: int) -> None:
    strength = np.zeros((60, 60), np.float32)
    strength[:, 30 : 30 + width] = 0.5
    alpha = paste_alpha(strength, 12)
    assert alpha[:, 30 + (width - 1) // 2].min() == 1
    assert (alpha[:, :30] == 0).all()
    assert (alpha[:, 30 + width :] == 0).all()


def test_a_thin_stroke_beside_a_large_region_has_its_own_width() -> None:
    strength = _blob()
    strength[5:8, 5:80] = 1
    assert paste_alpha(strength, 12)[6, 10:75].min() == 1


def test_no_feather_is_a_hard_edge() -> None:
    strength = _blob()
    assert (paste_alpha(strength, 0) == (strength > 0)).all()


def test_a_thin_spur_of_a_large_region_counts_in_its_middle() -> None:
    strength = np.zeros((160, 300), np.float32)
    strength[20:140, 10:130] = 1
    strength[79:82, 130:290] = 1
    alpha = paste_alpha(strength, 12)
    assert alpha[80, 160:280].min() == 1
    assert alpha[80, 70] == 1
    assert alpha[80, 12] < 0.2  # the large region still fades in


def test_nothing_to_change_pastes_nothing() -> None:
    assert not paste_alpha(np.zeros((5, 6), np.float32), 12).any()


def test_colours_are_matched_only_when_the_ring_differs() -> None:
    strength, original = _blob(), 0.3 + 0.4 * _random(1, 80, 90, 3)
    near = original + np.float32(0.9 / 255)
    assert matched(near, original, strength) is near
    far = original + np.float32(3 / 255)
    assert np.abs(matched(far, original, strength) - original).max() < 1e-4
    assert np.abs(matched(near, original, strength, always=True) - original).max() < 1e-4


def test_what_the_model_changed_inside_does_not_count() -> None:
    """Only the ring is measured: a new object may have any colour."""
    strength, original = _blob(), 0.3 + 0.4 * _random(1, 80, 90, 3)
    made = original.copy()
    made[strength > 0] = 1
    assert matched(made, original, strength) is made


def test_a_gain_and_a_shift_are_undone_channel_by_channel() -> None:
    strength, original = _blob(), 0.3 + 0.4 * _random(2, 80, 90, 3)
    made = original * np.array([0.9, 1.1, 1.0], np.float32) + np.array([0.05, -0.04, 0], np.float32)
    assert np.abs(matched(made, original, strength) - original).max() < 2e-3


def test_without_a_ring_nothing_is_matched() -> None:
    made = np.zeros((40, 40, 3), np.float32)
    assert matched(made, made + 1, np.ones((40, 40), np.float32), always=True) is made


def test_pasting_one_after_another_is_alpha_over() -> None:
    """Against the plain loop that keeps the picture itself: exact to float32."""
    image: Image = _random(0, 20, 30, 3)
    pasted, expected = Pasted.bare(), image.astype(np.float64)
    for k in range(4):
        made, alpha = _random(10 + k, 20, 30, 3), _random(20 + k, 20, 30) * (_random(30 + k, 20, 30) < 0.5)
        alpha[:, :5] = 0
        pasted = pasted.over(made, alpha)
        expected = alpha[..., None] * made.astype(np.float64) + (1 - alpha[..., None]) * expected
        assert np.abs(pasted.on(image) - expected).max() < 1e-6
    assert (pasted.on(image)[:, :5] == image[:, :5]).all()  # to the bit
    assert pasted.alpha.max() <= 1


def test_a_bare_picture_is_itself() -> None:
    image = _random(0, 5, 6, 3)
    assert (Pasted.bare().on(image) == image).all()
    assert not Pasted.bare().layer().any()


@given(st.integers(0, 10**6))
@quick
def test_the_layer_over_the_original_is_the_picture(seed: int) -> None:
    """To what 8 bits of colour and of alpha allow; exactly where alpha is 0 or 1."""
    original = _random(seed, 9, 11, 3)
    alpha = np.clip(_random(seed + 1, 9, 11) * 2 - 0.5, 0, 1)
    made = _random(seed + 2, 9, 11, 3)
    pasted = Pasted.bare().over(made, alpha)
    layer = pasted.layer()
    weight = layer[..., 3:].astype(np.float64) / 255
    shown = weight * (layer[..., :3] / 255.0) + (1 - weight) * original
    assert np.abs(shown - pasted.on(original)).max() <= 1 / 255 + 1e-6
    assert (layer[alpha == 0] == 0).all()
    assert (layer[alpha == 1][:, 3] == 255).all()
    assert (layer[alpha == 1][:, :3] == np.rint(made[alpha == 1] * 255)).all()


def test_a_whole_paste_over_a_half_one_hides_it() -> None:
    original, full = _random(0, 4, 4, 3), np.ones((4, 4), np.float32)
    first, second = _random(1, 4, 4, 3), _random(2, 4, 4, 3)
    pasted = Pasted.bare().over(first, full * np.float32(0.5)).over(second, full)
    assert (pasted.on(original) == second).all()


def test_pastes_of_parts_are_those_of_the_whole_picture() -> None:
    """To the bit, whatever lies outside the parts."""
    image, size = _random(0, 40, 50, 3), Size(50, 40)
    areas = (Rect(5, 8, 20, 30), Rect(15, 2, 45, 12), Rect(0, 0, 50, 40), Rect(7, 7, 8, 8))
    parts, whole = Pasted.bare(), Pasted.bare()
    for k, area in enumerate(areas):
        made, alpha = _random(10 + k, 40, 50, 3), np.zeros((40, 50), np.float32)
        alpha[area.slices] = _random(20 + k, *area.size.shape) * (_random(30 + k, *area.size.shape) < 0.6)
        parts = parts.over(made[area.slices].copy(), alpha[area.slices], area, used_up=True)
        whole = whole.over(made, alpha)
        assert (parts.on(image) == whole.on(image)).all()
        assert (parts.layer() == whole.layer()[parts.area.slices]).all()
        small = Size(13, 11)
        for one, other in (
            (parts.resized(size, small), whole.resized(size, small)),
            (parts.resized(size, size), whole),
        ):
            assert (one.paint == other.paint).all()
            assert (one.alpha == other.alpha).all()
    bytes = np.rint(image * 255).astype(np.uint8)
    assert (parts.on(bytes) == parts.on(np.asarray(bytes / np.float32(255), np.float32))).all()


def test_what_is_pasted_is_left_as_it_is_unless_it_is_used_up() -> None:
    made, alpha = _random(0, 6, 7, 3), _random(1, 6, 7)
    before = made.copy()
    kept = Pasted.bare().over(made, alpha)
    assert (made == before).all()
    assert (Pasted.bare().over(made, alpha, used_up=True).paint == kept.paint).all()


@given(st.integers(0, 10**6), st.floats(1.01, 30))
@quick
def test_alpha_is_the_smoothstep_of_the_share_of_the_width(seed: int, feather: float) -> None:
    """Against the rule written down for all of the picture at once."""
    random = np.random.default_rng(seed)
    strength = np.zeros((40, 60), np.float32)
    for _ in range(random.integers(1, 4)):
        top, left = random.integers(0, 40), random.integers(0, 60)
        strength[top : top + random.integers(1, 30), left : left + random.integers(1, 40)] = random.random()
    free = strength > 0
    if free.all():
        return
    away = np.minimum(masks.distance(free), np.float32(feather))
    side = 2 * math.ceil(feather) + 1
    width = np.maximum(cv2.dilate(away, np.ones((side, side), np.uint8)), 1)
    share = np.asarray(away / width, np.float32)
    assert (paste_alpha(strength, feather) == share * share * (3 - 2 * share)).all()


spans = st.tuples(st.integers(0, 69), st.integers(1, 40))


@given(
    st.lists(
        st.tuples(spans, spans, st.sampled_from([0.0, 0.0, 0.3, 1.0]), st.sampled_from([0.0, 1.0, 1.5, 6.0, 12.7]))
    ),
    st.booleans(),
)
@thorough
def test_alpha_of_one_map_after_another_is_that_of_each(changes: list[Any], full: bool) -> None:
    kept, strength = KeptAlpha(), np.full((70, 90), full, np.float32)
    assert np.array_equal(kept.of(strength, 6.0), paste_alpha(strength, 6.0))
    for (top, height), (left, width), value, feather in changes:
        strength = strength.copy()
        strength[top : top + height, left : left + width] = value
        assert np.array_equal(kept.of(strength, feather), paste_alpha(strength, feather))


def _variant(height: int, width: int) -> Variant:
    rect = Rect.at(7, 5, width, height)
    strength = np.ones((height, width), np.float32)
    image = np.zeros((height, width, 3), np.uint8)
    return Variant(3, EditRequest(image, strength, Frame.full_size(rect), QuickFillSettings(), 1))


@given(st.integers(0, 10**6), st.floats(0, 1), st.sampled_from([0.6, 4.0, 9.0]))
@quick
def test_a_single_paste_is_a_result_to_the_bit(seed: int, free: float, feather: float) -> None:
    generated = np.round(_random(seed, 40, 50, 3) * 1020) / np.float32(1020)  # with many halves of 1/255
    strength = np.zeros((40, 50), np.float32)
    strength[4:31, 9:44] = _random(seed + 1, 27, 35) < free
    alpha = paste_alpha(strength, feather) * (np.float32(0.001) if seed % 5 == 0 else np.float32(1))
    variant = _variant(40, 50)
    expected = result_of(variant, Pasted.bare().over(generated, alpha))
    found = result_over(variant, generated, alpha)
    assert found.rect == expected.rect
    assert np.array_equal(found.pixels, expected.pixels)
    assert (found.recipe, found.variant) == (expected.recipe, 3)


def test_a_single_paste_of_what_is_no_picture_is_refused_too() -> None:
    generated = np.zeros((8, 9, 3), np.float32)
    generated[0, 0] = np.nan
    with pytest.raises(NotFinite):
        result_over(_variant(8, 9), generated, np.ones((8, 9), np.float32))
