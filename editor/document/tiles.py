"""Tiles: an immutable picture or map in blocks that versions share.

A change copies only the blocks it touches; everything else is the same object in both versions. That makes a new version cheap,
undo exact, and "what differs" a comparison of identities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import DTypeLike, NDArray

from editor.geometry import EMPTY, Rect, Size

# Smaller blocks waste less memory around a thin stroke, larger ones cost less bookkeeping; at 128 px two hundred 200-px float32
# strokes stay below 200 MB and a dab rewrites at most nine blocks.
BLOCK = 128
NO_STEP = Size(0, 0)

Block = NDArray[Any]
Rows = tuple[tuple[Block, ...], ...]


class Tiles:
    """An immutable (H, W) or (H, W, C) array in blocks of `BLOCK` pixels; the last row and column may be smaller.

    Make one with `filled` or `of`; `write` and `apply` return a new one. Blocks are read-only arrays, shared between versions.

    rows: the blocks, row by row.
    blank: whether nothing was ever written to an empty map or layer, so that all of it is 0.
    """

    __slots__ = ("__weakref__", "_any", "_blanks", "_most", "_origin", "blank", "dtype", "rows", "shape")

    def __init__(self, rows: Rows, shape: tuple[int, ...], dtype: np.dtype[Any], blank: tuple[Block, ...]) -> None:
        self.rows = rows
        self._blanks = blank
        self.blank = False
        self._any: dict[
            float, bool
        ] = {}  # by threshold; asked for after every change of a document, by several widgets
        self._most: float | None = None
        # The version it was made from, as long as that lives, and a rectangle outside which both are equal.
        self._origin: tuple[ref[Tiles], Rect] | None = None
        self.shape = shape
        self.dtype = dtype

    @classmethod
    def filled(cls, shape: tuple[int, ...], value: float | tuple[int, ...] = 0, dtype: DTypeLike = np.uint8) -> Tiles:
        """Every element is `value`; all blocks of one size are one object. Blocks of 0 are blank until they are written to."""
        blocks: dict[tuple[int, int], Block] = {}

        def block(height: int, width: int) -> Block:
            if (height, width) not in blocks:
                blocks[height, width] = _frozen(np.full((height, width, *shape[2:]), value, dtype))
            return blocks[height, width]

        heights, widths = _sides(shape[0]), _sides(shape[1])
        rows = tuple(tuple(block(height, width) for width in widths) for height in heights)
        tiles = cls(rows, shape, np.dtype(dtype), () if np.any(value) else tuple(blocks.values()))
        tiles.blank = not np.any(value)
        return tiles

    @classmethod
    def of(cls, array: NDArray[Any]) -> Tiles:
        """The array in blocks, without copying: the blocks are views of it, and it becomes read-only, with what it is a view of."""
        freeze(array)
        height, width = array.shape[:2]
        rows = tuple(
            tuple(array[top : top + BLOCK, left : left + BLOCK] for left in range(0, width, BLOCK))
            for top in range(0, height, BLOCK)
        )
        return cls(rows, array.shape, array.dtype, ())

    @property
    def size(self) -> Size:
        return Size(self.shape[1], self.shape[0])

    @property
    def rect(self) -> Rect:
        return Rect(0, 0, self.shape[1], self.shape[0])

    def is_blank(self, block: Block) -> bool:
        """Whether the block still is the empty one that `filled` made, so that all of it is 0. Never wrong when true."""
        return any(block is blank for blank in self._blanks)

    def blocks(self, rect: Rect | None = None) -> Iterator[tuple[Rect, Block]]:
        """Each block that touches `rect` (all by default) with the whole rectangle it covers."""
        area = self.rect if rect is None else rect.intersect(self.rect)
        if area.empty:
            return
        for i in range(area.top // BLOCK, (area.bottom - 1) // BLOCK + 1):
            row = self.rows[i]
            for j in range(area.left // BLOCK, (area.right - 1) // BLOCK + 1):
                block = row[j]
                yield Rect.at(j * BLOCK, i * BLOCK, block.shape[1], block.shape[0]), block

    def any(self, above: float = 0) -> bool:
        """Whether any element is larger than `above`, which is not negative; none of them is either."""
        if above not in self._any:
            self._any[above] = not self.blank and self._look(above)
        return self._any[above]

    def _look(self, above: float) -> bool:
        def shows(block: Block) -> bool:
            return bool(block.any() if above == 0 else (block > above).any())

        # Most often it was just written to: looking there first answers at once, as long as a stroke goes on.
        if self._origin is not None and any(shows(block) for _, block in self.blocks(self._origin[1])):
            return True
        return any(shows(block) for row in self.rows for block in row if not self.is_blank(block))

    def largest(self) -> float:
        """The largest element."""
        if self._most is None:
            distinct = {id(block): block for row in self.rows for block in row if block.size}
            self._most = max((float(block.max()) for block in distinct.values()), default=0.0)
        return self._most

    def written(self, rect: Rect | None = None) -> Rect:
        """The rectangle of the blocks that are no longer blank, of those that touch `rect` (all by default); a bound of everything that was ever
        written.
        """
        union = EMPTY
        for where, block in self.blocks(rect):
            if not self.is_blank(block):
                union = union.unite(where)
        return union

    def read(self, rect: Rect | None = None) -> NDArray[Any]:
        """A writable copy of the part inside `rect`, which must lie within the picture (all of it by default)."""
        area = self.rect if rect is None else rect
        if not self.rect.holds(area):
            raise ValueError(f"{area} reaches outside {self.rect}")
        array = np.empty((area.height, area.width, *self.shape[2:]), self.dtype)
        if array.size == 0:
            return array
        # Plain numbers instead of rectangles: brush strokes read a few blocks for every move of the pointer.
        left, top, right, bottom = area
        for i in range(top // BLOCK, (bottom - 1) // BLOCK + 1):
            y, row = i * BLOCK, self.rows[i]
            above, below = max(top, y), min(bottom, y + BLOCK)
            for j in range(left // BLOCK, (right - 1) // BLOCK + 1):
                x = j * BLOCK
                before, after = max(left, x), min(right, x + BLOCK)
                source = row[j][above - y : below - y, before - x : after - x]
                array[above - top : below - top, before - left : after - left] = source
        return array

    def samples(self, rect: Rect, step: int = 1, first: Size = NO_STEP) -> Iterator[tuple[tuple[slice, slice], Block]]:
        """Every `step`th element of every `step`th row inside `rect`, beginning `first` pixels from its corner, block by block.

        Each comes with the rows and columns where it belongs in the thinned array (`thinned_shape` large). Blank blocks are left out.
        """
        area = rect.intersect(self.rect)
        for where, block in self.blocks(area):
            if self.is_blank(block):
                continue
            part = where.intersect(area)
            # The first sample in the block, from its corner, and where it goes.
            down = _until_next(part.top - rect.top, first.height, step)
            across = _until_next(part.left - rect.left, first.width, step)
            view = block[part.within(where).slices][down::step, across::step]
            if view.size:
                row, column = (part.top + down - rect.top) // step, (part.left + across - rect.left) // step
                yield (slice(row, row + view.shape[0]), slice(column, column + view.shape[1])), view

    def thinned(self, rect: Rect, step: int, first: Size = NO_STEP) -> NDArray[Any]:
        """A copy of the samples, 0 where nothing was written."""
        array = np.zeros((*thinned_shape(rect, step, first), *self.shape[2:]), self.dtype)
        for where, view in self.samples(rect, step, first):
            array[where] = view
        return array

    def view(self, rect: Rect) -> NDArray[Any] | None:
        """The part inside `rect` without copying, read-only: while its blocks still are views of the one array given to `of`.

        None otherwise. `rect` must lie within the picture.
        """
        whole = None
        for _, block in self.blocks(rect):
            base = block.base
            if whole is None and isinstance(base, np.ndarray) and base.shape == self.shape:
                whole = base
            # Equal strides: `of` was given that array itself, not a mirrored or otherwise reordered view of it.
            if whole is None or base is not whole or block.strides != whole.strides:
                return None
        if whole is None:
            return None
        array = whole[rect.slices]
        array.setflags(write=False)
        return array

    def write(self, left: int, top: int, pixels: NDArray[Any]) -> Tiles:
        """A new version in which `pixels` (h, w[, C]) stand at (left, top); what falls outside is dropped."""
        target = Rect.at(left, top, pixels.shape[1], pixels.shape[0])

        def paste(part: Rect, block: Block) -> None:
            block[...] = pixels[part.within(target).slices]

        return self.apply(target, paste)

    def apply(self, rect: Rect, change: Callable[[Rect, NDArray[Any]], None]) -> Tiles:
        """A new version in which `change(part, view)` has rewritten, in place, the writable view of every part of `rect`.

        `part` is in picture coordinates and lies inside one block. Blocks outside `rect` are shared with this version.
        """
        area = rect.intersect(self.rect)
        if area.empty:
            return self
        rows = list(self.rows)
        for i in range(area.top // BLOCK, (area.bottom - 1) // BLOCK + 1):
            row = list(rows[i])
            for j in range(area.left // BLOCK, (area.right - 1) // BLOCK + 1):
                where = Rect.at(j * BLOCK, i * BLOCK, row[j].shape[1], row[j].shape[0])
                part = where.intersect(area)
                block = row[j].copy()
                change(part, block[part.within(where).slices])
                row[j] = _frozen(block)
            rows[i] = tuple(row)
        return self._next(tuple(rows), area)

    def replaced(self, blocks: dict[tuple[int, int], Block], within: Rect | None = None) -> Tiles:
        """A new version with the given blocks, keyed by (block row, block column). The arrays become read-only.

        `within`: a rectangle outside which they equal the blocks of this version, so that no more than that is repainted.
        """
        if not blocks:
            return self
        rows = list(self.rows)
        for i in {i for i, _ in blocks}:
            row = list(rows[i])
            for (row_index, j), block in blocks.items():
                if row_index == i:
                    row[j] = _frozen(block)
            rows[i] = tuple(row)
        return self._next(tuple(rows), within)

    def _next(self, rows: Rows, within: Rect | None) -> Tiles:
        tiles = Tiles(rows, self.shape, self.dtype, self._blanks)
        if within is not None:
            tiles._origin = ref(self), within.intersect(self.rect)
        return tiles

    def differs_from(self, other: Tiles) -> Rect | None:
        """A rectangle outside which both are equal, when one was made from the other in one step; None when that is not known."""
        for tiles, source in ((self, other), (other, self)):
            if tiles._origin is not None and tiles._origin[0]() is source:
                return tiles._origin[1]
        return None

    def same_as(self, other: Tiles) -> bool:
        """Whether both hold equal elements. Shared blocks are not looked at."""
        if self.shape != other.shape or self.dtype != other.dtype:
            return False
        return all(
            mine is theirs or np.array_equal(mine, theirs)
            for my_row, their_row in zip(self.rows, other.rows, strict=True)
            if my_row is not their_row
            for mine, theirs in zip(my_row, their_row, strict=True)
        )


def changed(before: Tiles, after: Tiles) -> list[Rect]:
    """Where two versions may differ: the rectangle of the one change between them, or those of the blocks that are not shared,
    side by side ones joined into runs. Sizes must be equal.
    """
    if before is after:
        return []
    within = after.differs_from(before)
    if within is not None:
        return [] if within.empty else [within]
    rects: list[Rect] = []
    for i, (old_row, new_row) in enumerate(zip(before.rows, after.rows, strict=True)):
        if old_row is new_row:
            continue
        start: int | None = None
        for j, (old, new) in enumerate(zip(old_row, new_row, strict=True)):
            if old is not new and start is None:
                start = j
            elif old is new and start is not None:
                rects.append(_run(after, i, start, j))
                start = None
        if start is not None:
            rects.append(_run(after, i, start, len(new_row)))
    return rects


def _run(tiles: Tiles, i: int, start: int, stop: int) -> Rect:
    height, width = tiles.shape[:2]
    return Rect(start * BLOCK, i * BLOCK, min(stop * BLOCK, width), min((i + 1) * BLOCK, height))


def thinned_shape(rect: Rect, step: int, first: Size = NO_STEP) -> tuple[int, int]:
    """(rows, columns) of every `step`th element inside `rect`, beginning `first` pixels from its corner."""
    return -(-(rect.height - first.height) // step), -(-(rect.width - first.width) // step)


def middle_of(rect: Rect, step: int) -> Size:
    """Where to begin so that a sample lies in the middle of the cell that it stands for, and inside `rect`."""
    return Size(min(step // 2, max(rect.width - 1, 0)), min(step // 2, max(rect.height - 1, 0)))


def _until_next(at: int, first: int, step: int) -> int:
    """How many pixels from `at` to the first sample there or behind."""
    return first - at if at <= first else (first - at) % step


def _sides(length: int) -> list[int]:
    return [min(BLOCK, length - start) for start in range(0, length, BLOCK)]


def freeze(array: NDArray[Any]) -> None:
    """Make it read-only, and what it is a view of; otherwise somebody could still write into a document through that."""
    whole: object = array
    while isinstance(whole, np.ndarray):
        whole.setflags(write=False)
        whole = whole.base


def _frozen(block: Block) -> Block:
    block.setflags(write=False)
    return block
