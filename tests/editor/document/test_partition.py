"""Partitions: each pixel belongs to one item or to the rest, whatever is done to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from editor.arrays import Labels, Mask
from editor.document.contents import Item
from editor.document.document import Document
from editor.document.history import History
from editor.document.partition import Partition
from editor.document.tiles import BLOCK, Tiles, changed
from editor.geometry import Rect, Size
from tests.support.strategies import quick

sizes = st.builds(Size, st.integers(1, BLOCK + 40), st.integers(1, 2 * BLOCK + 9))
seeds = st.integers(0, 2**32 - 1)


def block_mask(random: np.random.Generator, size: Size) -> Mask:
    """A few rectangles."""
    mask = np.zeros(size.shape, np.bool_)
    for _ in range(random.integers(1, 4)):
        top, left = random.integers(0, size.height), random.integers(0, size.width)
        mask[top : top + random.integers(1, 90), left : left + random.integers(1, 90)] = True
    return mask


def some_partition(seed: int, size: Size, ids: tuple[int, ...] = (7, 3, 11)) -> Partition:
    random = np.random.default_rng(seed)
    partition = Partition.of_rest(size)
    for id in ids:
        partition = partition.painted(id, block_mask(random, size))
    return partition


def by_id(partition: Partition) -> NDArray[np.int64]:
    """(H, W) the id of what each pixel belongs to, -1 for the rest."""
    return np.array((-1, *partition.items), np.int64)[partition.labels()]


def sound(partition: Partition) -> None:
    """Each pixel has one owner, and the areas are those of the owners."""
    labels = partition.labels()
    assert labels.dtype == np.int16
    assert labels.min() >= 0
    assert labels.max() <= len(partition.items)
    owners = (None, *partition.items)
    assert sum(partition.mask(id).astype(int) for id in owners).min() == 1  # type: ignore[union-attr]
    assert sum(partition.mask(id).astype(int) for id in owners).max() == 1  # type: ignore[union-attr]
    assert partition.areas() == {id: int(partition.mask(id).sum()) for id in owners}
    assert all(partition.bounds(id) == Rect.of_mask(partition.mask(id)) for id in partition.items)
    assert not any(block.flags.writeable for _, block in partition.tiles.blocks())


@quick
@given(seeds, sizes, st.sampled_from([3, 11, 99, None]), st.integers(-30, 150), st.integers(-30, 150))
def test_painting_for_one_takes_from_the_others(seed: int, size: Size, id: int | None, left: int, top: int) -> None:
    before = some_partition(seed, size)
    mask = np.random.default_rng(seed).random((40, 50)) < 0.4
    after = before.painted(id, mask, left, top)
    sound(after)
    wanted = by_id(before)
    for y, x in zip(*np.nonzero(mask), strict=True):
        if 0 <= y + top < size.height and 0 <= x + left < size.width:
            wanted[y + top, x + left] = -1 if id is None else id
    assert np.array_equal(by_id(after), wanted)


@quick
@given(seeds, sizes, st.sets(st.sampled_from([7, 3, 11, 50])), st.sampled_from([None, 7, 11]))
def test_merging_gives_all_pixels_to_one(seed: int, size: Size, ids: set[int], into: int | None) -> None:
    before = some_partition(seed, size)
    after = before.merged(ids, into)
    sound(after)
    wanted = by_id(before)
    wanted[np.isin(wanted, list(ids))] = -1 if into is None else into
    assert np.array_equal(by_id(after), wanted)
    assert after.items == tuple(id for id in (7, 3, 11) if id not in ids or id == into)


@quick
@given(seeds, sizes, st.sampled_from([None, 3]), st.integers(-20, 100), st.integers(-20, 100))
def test_splitting_takes_from_one_only_and_merging_undoes_it(
    seed: int, size: Size, id: int | None, left: int, top: int
) -> None:
    before = some_partition(seed, size)
    mask = np.ones((60, 70), np.bool_)
    after = before.split(id, 20, mask, left, top)
    sound(after)
    inside = np.zeros(size.shape, np.bool_)
    inside[max(top, 0) : max(top + 60, 0), max(left, 0) : max(left + 70, 0)] = True
    assert np.array_equal(after.mask(20), before.mask(id) & inside)
    assert np.array_equal(by_id(after.merged({20}, id)), by_id(before))
    with pytest.raises(ValueError, match="there already"):
        before.split(id, 7, mask)


@quick
@given(seeds, sizes, st.integers(0, 4))
def test_of_soft_masks_what_shows_most_has_the_pixel(seed: int, size: Size, count: int) -> None:
    random = np.random.default_rng(seed)
    covers = [np.where(block_mask(random, size), random.random(size.shape), 0).astype(np.float32) for _ in range(count)]
    partition = Partition.of_masks(size, [(10 + i, Tiles.of(cover)) for i, cover in enumerate(covers)])
    sound(partition)
    through = np.ones(size.shape, np.float32)
    shows: list[NDArray[np.float32]] = []
    for cover in reversed(covers):
        shows.append(cover * through)
        through = through * (1 - cover)
    stack = np.stack([*shows, through])  # the first of equals is the upper one
    wanted = np.array([10 + i for i in reversed(range(count))] + [-1])[stack.argmax(axis=0)]
    assert np.array_equal(by_id(partition), wanted)


def test_hard_masks_lie_over_each_other() -> None:
    size = Size(6, 4)
    empty = Tiles.filled(size.shape, 0, np.float32)
    lower = empty.write(0, 0, np.ones((4, 4), np.float32))
    upper = empty.write(2, 1, np.ones((2, 3), np.float32))
    partition = Partition.of_masks(size, [(5, lower), (9, upper), (2, empty)])
    assert partition.labels().tolist() == [
        [1, 1, 1, 1, 0, 0],
        [1, 1, 2, 2, 2, 0],
        [1, 1, 2, 2, 2, 0],
        [1, 1, 1, 1, 0, 0],
    ]
    assert partition.areas() == {None: 6, 5: 12, 9: 6, 2: 0}
    assert [partition.owner(x, 1) for x in (0, 3, 5)] == [5, 9, None]
    assert partition.bounds(9) == Rect(2, 1, 5, 3)
    assert partition.bounds(2).empty
    with pytest.raises(KeyError):
        partition.mask(77)


def reference_majority(labels: Labels, shape: tuple[int, int]) -> Labels:
    """By cutting every pixel into as many pieces as make whole cells; the higher label has ties."""
    (height, width), (rows, columns) = labels.shape, shape
    fine = labels.repeat(rows, axis=0).repeat(columns, axis=1).reshape(rows, height, columns, width)
    cells = fine.transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    counts = np.stack([(cells == label).sum(axis=2) for label in range(labels.max() + 1)])
    last: Labels = (len(counts) - 1 - counts[::-1].argmax(axis=0)).astype(np.int16)
    return last


@quick
@given(seeds, st.integers(1, 24), st.integers(1, 24), st.integers(1, 13), st.integers(1, 13))
def test_a_grid_takes_what_covers_most_of_a_cell(seed: int, height: int, width: int, rows: int, columns: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 4, (height, width)).astype(np.int16)
    partition = Partition(Tiles.of(labels), (4, 5, 6))
    grid = partition.to_grid((rows, columns))
    assert grid.dtype == np.int16
    assert np.array_equal(grid, reference_majority(labels, (rows, columns)))
    nearest = partition.to_grid((rows, columns), rule="nearest")
    wanted = [[labels[i * height // rows, j * width // columns] for j in range(columns)] for i in range(rows)]
    assert nearest.tolist() == np.array(wanted).tolist()


def test_a_grid_of_part_of_the_picture() -> None:
    partition = some_partition(3, Size(300, 200))
    rect = Rect(40, 24, 296, 184)
    assert np.array_equal(partition.to_grid((20, 32), rect, "nearest"), partition.labels(rect)[::8, ::8])
    assert np.array_equal(partition.to_grid((160, 256), rect), partition.labels(rect))


def test_blocks_in_which_nothing_changes_are_shared() -> None:
    before = some_partition(5, Size(3 * BLOCK, 2 * BLOCK))
    mask = np.ones((4, 4), np.bool_)
    after = before.painted(3, mask, BLOCK + 9, 9)
    assert changed(before.tiles, after.tiles) == [Rect.at(BLOCK + 9, 9, 4, 4)]
    assert (
        sum(
            one is other
            for mine, theirs in zip(before.tiles.rows, after.tiles.rows, strict=True)
            for one, other in zip(mine, theirs, strict=True)
        )
        == 5
    )
    assert after.painted(3, mask, BLOCK + 9, 9) is after
    assert before.merged({77}, None) is before


def test_what_does_not_fit_is_refused() -> None:
    empty = Tiles.filled((4, 5), 0, np.int16)
    with pytest.raises(ValueError, match="each item once"):
        Partition(empty, (1, 1))
    with pytest.raises(ValueError, match="int16"):
        Partition(Tiles.filled((4, 5), 0, np.int32), (1,))
    document = Document.of_picture(np.zeros((4, 6, 4), np.uint8))
    with pytest.raises(ValueError, match="cannot be of"):
        document.with_partition(Partition(empty))


def test_history_undoes_partitions_and_counts_their_memory() -> None:
    document = Document.of_picture(np.zeros((2 * BLOCK, 2 * BLOCK, 4), np.uint8))
    history = History(document)
    before = history.nbytes()
    first = Partition.of_rest(document.size)
    history.commit("Partition", document.with_partition(first))
    assert history.nbytes() - before == BLOCK * BLOCK * 2  # one blank block
    second = first.painted(4, np.ones((5, 5), np.bool_), BLOCK, 3)
    history.commit("Paint", history.document.with_partition(second))
    assert history.nbytes() - before == 2 * BLOCK * BLOCK * 2
    assert history.undo().partition is first
    assert history.undo().partition is None
    assert history.redo().partition is first
    assert history.redo().partition is second


def test_an_item_that_goes_leaves_its_pixels_to_the_rest() -> None:
    document = Document.of_picture(np.zeros((9, 9, 4), np.uint8))
    mask = document.empty_map().write(2, 2, np.ones((3, 3), np.float32))
    document = document.adding_item(Item.of("cup", mask)).adding_item(Item.of("cat", document.empty_map()))
    cup, cat = document.items
    partition = Partition.of_masks(document.size, [(cup.id, mask)]).painted(cat.id, np.ones((1, 2), np.bool_))
    document = document.with_partition(partition).without_item(cup.id)
    assert document.partition is not None
    assert document.partition.areas() == {None: 79, cat.id: 2}
