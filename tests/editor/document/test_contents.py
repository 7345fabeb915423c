"""Items and exemplars: where they are, and what counts of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.document.contents import Exemplar, Item, covered
from editor.document.tiles import Tiles
from editor.geometry import EMPTY, Placement, Rect, Size
from tests.support.strategies import any_rects, placements, quick, random_array, seeds, sizes


@quick
@given(sizes, st.lists(any_rects(), max_size=3))
def test_an_item_knows_its_tight_rectangle(size: Size, rects: list[Rect]) -> None:
    mask = Tiles.filled(size.shape, 0, np.float32)
    for rect in rects:
        mask = mask.write(rect.left, rect.top, np.full(rect.size.shape, 0.3, np.float32))
    item = Item.of("cup", mask)
    assert item.rect == Rect.of_mask(mask.read())
    assert item.rect == covered(mask)
    assert item.empty == (not mask.read().any())
    assert item.size == item.rect.size


def test_what_was_wiped_out_no_longer_counts() -> None:
    mask = Tiles.filled((300, 300), 0, np.float32).write(0, 0, np.ones((300, 300), np.float32))
    assert covered(mask.write(0, 0, np.zeros((300, 300), np.float32))) == EMPTY
    assert covered(mask.write(0, 0, np.zeros((300, 290), np.float32))) == Rect(290, 0, 300, 300)


def test_a_full_mask_covers_everything() -> None:
    assert covered(Tiles.filled((200, 150), 1, np.float32)) == Rect(0, 0, 150, 200)


@quick
@given(placements)
def test_an_item_is_shown_where_it_was_moved(placement: Placement) -> None:
    mask = Tiles.filled((90, 80), 0, np.float32).write(20, 30, np.ones((10, 16), np.float32))
    item = Item.of("cup", mask)
    assert item.placed.bounds(item.size) == item.bounds == Rect(20, 30, 36, 40)
    moved = replace(item, placement=placement)
    assert moved.placed == placement
    assert moved.bounds == placement.bounds(Size(16, 10))
    assert moved.with_mask(mask).placement is None


@quick
@given(seeds)
def test_an_exemplar_counts_where_alpha_and_cut_out_do(seed: int) -> None:
    pixels = random_array(seed, (20, 30, 4))
    cut = random_array(seed + 1, (20, 30), np.float32)
    whole = Exemplar.of("leaf", pixels, Placement(50, 40))
    assert np.allclose(whole.coverage(), pixels[..., 3] / 255, atol=1e-6)
    part = replace(whole, cutout=Tiles.of(cut))
    assert np.allclose(part.coverage(), pixels[..., 3] / 255 * cut, atol=1e-6)
    assert whole.size == Size(30, 20)
    assert whole.bounds == Rect(35, 30, 65, 50)
    assert not whole.pixels.flags.writeable


@pytest.mark.parametrize("pixels", [np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.uint8), np.zeros((4, 5, 4))])
def test_an_exemplar_needs_colour_and_alpha(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    with pytest.raises(ValueError, match="not \\(h, w, 4\\) uint8"):
        Exemplar.of("leaf", pixels, Placement(0, 0))


@pytest.mark.parametrize("tiles", [Tiles.filled((4, 6), 1, np.float32), Tiles.filled((4, 5), 1)])
def test_an_exemplars_maps_must_fit(tiles: Tiles) -> None:
    exemplar = Exemplar.of("leaf", random_array(1, (4, 5, 4)), Placement(0, 0))
    with pytest.raises(ValueError, match=r"cut-out .* does not fit"):
        replace(exemplar, cutout=tiles)
    with pytest.raises(ValueError, match=r"influence .* does not fit"):
        replace(exemplar, strength_map=tiles)
