"""Tiles against a plain array, and what versions share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from editor.document.tiles import BLOCK, Block, Tiles, changed
from editor.geometry import EMPTY, Rect, Size
from tests.support.strategies import any_rects, quick, random_array, rects_within, seeds, sizes, thorough

kinds = st.sampled_from([((), np.float32), ((4,), np.uint8), ((), np.uint8)])


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[Any]:
    last, dtype = draw(kinds)
    return random_array(draw(seeds), (*draw(sizes).shape, *last), dtype)


def pasted(array: NDArray[Any], left: int, top: int, pixels: NDArray[Any]) -> NDArray[Any]:
    """What `write` promises, by hand."""
    found = array.copy()
    for y in range(pixels.shape[0]):
        if 0 <= top + y < array.shape[0]:
            inside = slice(max(left, 0), max(min(left + pixels.shape[1], array.shape[1]), 0))
            found[top + y, inside] = pixels[y, inside.start - left : max(inside.stop - left, inside.start - left)]
    return found


def blocks_of(tiles: Tiles) -> list[Block]:
    return [block for row in tiles.rows for block in row]


@thorough
@given(arrays(), st.data())
def test_reading_gives_what_was_put_in(array: NDArray[Any], data: st.DataObject) -> None:
    tiles = Tiles.of(array)
    rect = data.draw(rects_within(tiles.rect))
    assert np.array_equal(tiles.read(), array)
    assert np.array_equal(tiles.read(rect), array[rect.slices])
    assert tiles.read(rect).flags.writeable
    assert tiles.size == Size(array.shape[1], array.shape[0])


@thorough
@given(arrays(), st.lists(st.tuples(any_rects(), seeds), max_size=5))
def test_writing_makes_new_versions_and_leaves_the_old_ones(
    array: NDArray[Any], writes: list[tuple[Rect, int]]
) -> None:
    versions = [(Tiles.of(array.copy()), array)]
    for rect, seed in writes:
        tiles, plain = versions[-1]
        pixels = random_array(seed, (*rect.size.shape, *array.shape[2:]), array.dtype)
        versions.append((tiles.write(rect.left, rect.top, pixels), pasted(plain, rect.left, rect.top, pixels)))
    for tiles, plain in versions:
        assert np.array_equal(tiles.read(), plain)
        assert not any(block.flags.writeable for block in blocks_of(tiles))


@thorough
@given(arrays(), any_rects())
def test_applying_sees_each_element_once_and_shares_the_rest(array: NDArray[Any], rect: Rect) -> None:
    before = Tiles.of(array.copy())
    seen = np.zeros(array.shape[:2], int)

    def change(part: Rect, view: NDArray[Any]) -> None:
        assert view.shape[:2] == part.size.shape
        assert np.array_equal(view, array[part.slices])
        seen[part.slices] += 1
        view[...] = 1

    after = before.apply(rect, change)
    inside = np.zeros(array.shape[:2], int)
    inside[rect.intersect(before.rect).slices] = 1
    assert np.array_equal(seen, inside)
    wanted = array.copy()
    wanted[inside == 1] = 1
    assert np.array_equal(after.read(), wanted)
    for (where, old), (_, new) in zip(before.blocks(), after.blocks(), strict=True):
        assert (new is old) == where.intersect(rect).empty


@thorough
@given(arrays(), st.lists(st.tuples(any_rects(), seeds), max_size=4))
def test_changed_covers_every_difference(array: NDArray[Any], writes: list[tuple[Rect, int]]) -> None:
    before = after = Tiles.of(array)
    touched = EMPTY
    for rect, seed in writes:
        # Tightening what differs must not depend on the versions between, which may be gone.
        after = after.write(rect.left, rect.top, random_array(seed, (*rect.size.shape, *array.shape[2:]), array.dtype))
        touched = touched.unite(rect.intersect(after.rect))
    for one, other in ((before, after), (after, before)):
        found = changed(one, other)
        covered = np.zeros(array.shape[:2], bool)
        for rect in found:
            assert after.rect.holds(rect)
            assert not rect.empty
            assert not covered[rect.slices].any()
            covered[rect.slices] = True
        differs = before.read() != after.read()
        assert covered[differs.reshape(*array.shape[:2], -1).any(axis=-1)].all()
        block_wise = Rect(
            touched.left // BLOCK * BLOCK,
            touched.top // BLOCK * BLOCK,
            -(-touched.right // BLOCK) * BLOCK,
            -(-touched.bottom // BLOCK) * BLOCK,
        )
        assert all(block_wise.holds(rect) for rect in found)


def test_a_version_does_not_differ_from_itself() -> None:
    tiles = Tiles.filled((300, 300), 0)
    assert changed(tiles, tiles) == []


@quick
@given(arrays())
def test_of_copies_nothing_and_freezes_the_array(array: NDArray[Any]) -> None:
    tiles = Tiles.of(array)
    assert all(np.shares_memory(block, array) for block in blocks_of(tiles))
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1


@quick
@given(arrays(), st.data())
def test_a_view_is_what_reading_gives(array: NDArray[Any], data: st.DataObject) -> None:
    mirrored = data.draw(st.sampled_from([array, array[::-1], array[:, ::-1], array.swapaxes(0, 1)]))
    tiles = Tiles.of(mirrored)
    rect = data.draw(rects_within(tiles.rect))
    view = tiles.view(rect)
    assert view is None or np.array_equal(view, tiles.read(rect))
    if mirrored is array:
        assert view is not None
        assert not view.flags.writeable
        assert tiles.write(rect.left, rect.top, mirrored[rect.slices]).view(rect) is None


@quick
@given(sizes, kinds, st.lists(st.tuples(any_rects(), seeds), max_size=3))
def test_blank_is_never_wrong(size: Size, kind: tuple[tuple[int, ...], Any], writes: list[tuple[Rect, int]]) -> None:
    last, dtype = kind
    tiles = Tiles.filled((*size.shape, *last), 0, dtype)
    assert tiles.blank
    assert tiles.written() == EMPTY
    assert len({id(block) for block in blocks_of(tiles)}) <= 4
    for rect, seed in writes:
        tiles = tiles.write(rect.left, rect.top, random_array(seed, (*rect.size.shape, *last), dtype))
        inside = rect.intersect(tiles.rect)
        assert inside.empty or not tiles.blank
        assert tiles.written().holds(inside)
    for where, block in tiles.blocks():
        if tiles.is_blank(block):
            assert not block.any()
        else:
            assert tiles.written().holds(where)


def test_full_is_not_blank() -> None:
    tiles = Tiles.filled((200, 300), 1, np.float32)
    assert not tiles.blank
    assert tiles.written() == tiles.rect
    assert (tiles.read() == 1).all()


def test_filled_with_a_colour() -> None:
    assert (Tiles.filled((5, 6, 4), (1, 2, 3, 255)).read() == (1, 2, 3, 255)).all()


@quick
@given(arrays(), any_rects())
def test_the_same_elements_are_the_same_however_they_are_held(array: NDArray[Any], rect: Rect) -> None:
    tiles = Tiles.of(array)
    inside = rect.intersect(tiles.rect)
    rewritten = tiles.write(inside.left, inside.top, array[inside.slices])
    assert tiles.same_as(rewritten)
    assert tiles.same_as(Tiles.of(array.copy()))
    other = array.copy()
    other[-1, -1] = other[-1, -1] == 0
    assert not tiles.same_as(Tiles.of(other))
    assert not tiles.same_as(Tiles.of(array[:, :-1])) or array.shape[1] == 1


@quick
@given(arrays(), st.data())
def test_replacing_blocks(array: NDArray[Any], data: st.DataObject) -> None:
    tiles = Tiles.of(array)
    keys = [(i, j) for i, row in enumerate(tiles.rows) for j in range(len(row))]
    chosen = data.draw(st.lists(st.sampled_from(keys), unique=True))
    after = tiles.replaced({(i, j): np.zeros_like(tiles.rows[i][j]) for i, j in chosen})
    for i, j in keys:
        assert (after.rows[i][j] is tiles.rows[i][j]) == ((i, j) not in chosen)
        assert not after.rows[i][j].flags.writeable
        assert (i, j) not in chosen or not after.rows[i][j].any()


@pytest.mark.parametrize("rect", [Rect(-1, 0, 5, 5), Rect(0, 0, 301, 5), Rect(0, 199, 5, 201)])
def test_reading_outside_is_refused(rect: Rect) -> None:
    with pytest.raises(ValueError, match="reaches outside"):
        Tiles.filled((200, 300), 0).read(rect)


@quick
@given(sizes, any_rects())
def test_blocks_are_those_that_touch_the_rectangle(size: Size, rect: Rect) -> None:
    tiles = Tiles.filled(size.shape, 0)
    found = [where for where, _ in tiles.blocks(rect)]
    assert found == [where for where, _ in tiles.blocks() if not where.intersect(rect).empty]
    assert sum(where.size.area for where, _ in tiles.blocks()) == size.area


def test_nobody_can_write_into_it_through_what_it_is_a_view_of() -> None:
    whole = np.zeros((300, 400), np.float32)
    tiles = Tiles.of(whole[10:200, 20:220])
    with pytest.raises(ValueError, match="read-only"):
        whole[50, 50] = 1
    assert not tiles.any()


def test_whether_anything_is_there_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = Tiles.of(np.zeros((300, 400), np.float32))
    assert not tiles.any()
    monkeypatch.setattr(Tiles, "_look", None)
    assert not tiles.any()


def test_replacing_nothing_leaves_a_blank_map_blank() -> None:
    blank = Tiles.filled((300, 400), 0, np.float32)
    assert blank.replaced({}) is blank
