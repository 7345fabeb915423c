"""Laying and flattening against a plain reference, and bytes that must not change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from editor.document.compose import flatten, flatten_rgb, lay, thinned, with_result
from editor.document.contents import BLENDS, Blend, Layer
from editor.document.document import Document
from editor.document.tiles import NO_STEP, Tiles, middle_of
from editor.geometry import Rect, Size
from tests.support.strategies import (
    Pixels,
    documents,
    pictures,
    quick,
    random_array,
    rects_within,
    seeds,
    small_sizes,
    thorough,
)

blends = st.sampled_from(BLENDS)
Float = NDArray[np.float64]


def blended(backdrop: Float, source: Float, blend: Blend) -> Float:
    """On 0 to 1, as the W3C's recommendation has them."""
    match blend:
        case "normal":
            return source
        case "multiply":
            return backdrop * source
        case "screen":
            return backdrop + source - backdrop * source
        case "overlay":
            return np.where(backdrop <= 0.5, 2 * backdrop * source, 1 - 2 * (1 - backdrop) * (1 - source))


def reference(under: Pixels, over: Pixels, opacity: float, blend: Blend) -> tuple[Float, Float]:
    """Colour and alpha on 0 to 255, unrounded: (1 - as) ab Cb + as (1 - ab) Cs + as ab B(Cb, Cs), over the alpha that results."""
    cb, ab = under[..., :3] / 255, under[..., 3:] / 255
    cs, alpha = over[..., :3] / 255, over[..., 3:] / 255 * opacity
    result = alpha + ab * (1 - alpha)
    colour = (1 - alpha) * ab * cb + alpha * (1 - ab) * cs + alpha * ab * blended(cb, cs, blend)
    return colour / np.maximum(result, 1e-9) * 255, result * 255


@thorough
@given(small_sizes, st.sampled_from([0.0, 0.3, 0.77, 1.0]), blends, st.data())
def test_laying_follows_the_formula(size: Size, opacity: float, blend: Blend, data: st.DataObject) -> None:
    under, over = data.draw(pictures(size)), data.draw(pictures(size))
    found = under.copy()
    lay(found, over, opacity, blend)
    colour, alpha = reference(under, over, opacity, blend)
    assert np.abs(found[..., 3] - alpha[..., 0]).max() <= 0.501
    seen = alpha[..., 0] > 0
    assert np.abs(found[..., :3] - colour)[seen].max(initial=0) <= 0.501
    hidden = over[..., 3] * opacity == 0
    assert np.array_equal(found[hidden], under[hidden])


@quick
@given(small_sizes, st.data())
def test_an_opaque_sheet_comes_through_unchanged(size: Size, data: st.DataObject) -> None:
    under, over = data.draw(pictures(size)), data.draw(pictures(size))
    over[..., 3] = 255
    lay(under, over, 1.0, "normal")
    assert np.array_equal(under, over)


@thorough
@given(documents(), st.data())
def test_a_part_of_the_picture_is_that_part_of_the_whole(document: Document, data: st.DataObject) -> None:
    rect = data.draw(rects_within(document.rect))
    assert np.array_equal(flatten(document, rect), flatten(document)[rect.slices])


@thorough
@given(documents(), st.data(), st.integers(1, 70))
def test_thinning_takes_exactly_those_pixels(document: Document, data: st.DataObject, step: int) -> None:
    rect = data.draw(rects_within(document.rect))
    first = data.draw(st.sampled_from([NO_STEP, middle_of(rect, step)]))
    wanted = flatten(document, rect)[first.height :: step, first.width :: step]
    assert np.array_equal(thinned(document, rect, step, first), wanted)
    for layer in document.layers:
        samples = layer.pixels.read(rect)[first.height :: step, first.width :: step]
        assert np.array_equal(layer.pixels.thinned(rect, step, first), samples)


@thorough
@given(documents())
def test_flattening_lays_one_layer_on_the_other(document: Document) -> None:
    wanted = np.zeros((*document.size.shape, 4), np.uint8)
    shown = [layer for layer in document.layers if layer.visible and layer.opacity > 0]
    for layer in shown:
        if layer is shown[0] and layer.opacity == 1:
            wanted = layer.pixels.read()  # the colours under alpha 0 too
        else:
            lay(wanted, layer.pixels.read(), layer.opacity, layer.blend)
    found = flatten(document)
    assert np.array_equal(found, wanted)
    plain = np.zeros_like(wanted)
    for layer in shown:
        lay(plain, layer.pixels.read(), layer.opacity, layer.blend)
    assert np.array_equal(found[plain[..., 3] > 0], plain[plain[..., 3] > 0])


@quick
@given(seeds)
def test_one_layer_is_seen_as_it_is(seed: int) -> None:
    pixels = random_array(seed, (130, 150, 4))
    pixels[:40, :50, 3] = 0  # the colours under it too
    assert np.array_equal(flatten(Document.of_picture(pixels.copy())), pixels)


def test_hidden_layers_do_not_show() -> None:
    document = Document.of_picture(random_array(1, (50, 60, 4)))
    above = replace(Layer.empty(0, "above", document.size), pixels=Tiles.of(random_array(2, (50, 60, 4))))
    for hidden in (replace(above, visible=False), replace(above, opacity=0.0)):
        assert np.array_equal(flatten(document.adding_layer(hidden)), flatten(document))


def test_flattening_makes_a_fresh_array() -> None:
    document = Document.of_picture(random_array(1, (50, 60, 4)))
    flatten(document)[...] = 0
    assert flatten(document).any()


def test_flattening_outside_is_refused() -> None:
    with pytest.raises(ValueError, match="reaches outside"):
        flatten(Document.of_picture(random_array(1, (50, 60, 4))), Rect(0, 0, 61, 50))


@quick
@given(documents(), st.data())
def test_without_transparency_it_stands_on_white(document: Document, data: st.DataObject) -> None:
    rect = data.draw(rects_within(document.rect))
    flat = flatten(document, rect).astype(np.float64)
    alpha = flat[..., 3:] / 255
    found = flatten_rgb(document, rect)
    assert found.shape == (*rect.size.shape, 3)
    assert found.flags.c_contiguous
    assert np.abs(found - (flat[..., :3] * alpha + 255 * (1 - alpha))).max() <= 0.501


@quick
@given(seeds, st.data())
def test_a_candidate_lies_only_in_its_rectangle(seed: int, data: st.DataObject) -> None:
    area = Rect(10, 20, 90, 70)
    rect = data.draw(rects_within(Rect(0, 0, 120, 100)))
    under = random_array(seed, (*area.size.shape, 4))
    pixels = random_array(seed + 1, (*rect.size.shape, 4))
    found = under.copy()
    with_result(found, area, pixels, rect)
    wanted = np.zeros((100, 120, 4), np.uint8)
    wanted[area.slices] = under
    lay(wanted[rect.slices], pixels, 1.0, "normal")
    assert np.array_equal(found, wanted[area.slices])
