"""Partition: label map that gives each pixel of the picture to exactly one item, or to the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray

from editor.arrays import Labels, Map, Mask
from editor.document.tiles import BLOCK, Block, Tiles
from editor.geometry import EMPTY, Rect, Size
from editor.requests.edit_request import MAX_ID
from editor.requests.opaque import NOTHING, Opaque
from editor.requests.settings_fields import Grid, Length, Range

MAX_ITEMS: Final = 2000
REST: Final = 0
"""The label of pixels that belong to no item."""

_TIE = 1e-9  # of a cell's area; shares that differ by less are equal


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Which item each pixel belongs to. Make one with `Partition.of_rest` or `Partition.of_masks`; every change makes a new one.

    An item may have no pixels. Changes share the blocks that they leave alone, so that undo and journals cost what was changed.

    tiles: (H, W) int16 of the document's size; 0 for the rest, k for the item `items[k - 1]`
    items: ids of items, from the bottom of their order up; no two alike
    unknown: what another version said of it in a file

    Raises `ValueError` where these do not fit each other.
    """

    tiles: Annotated[Tiles, Grid("int16", tagged=True)]
    items: Annotated[tuple[Annotated[int, Range(0, MAX_ID)], ...], Length(MAX_ITEMS)] = ()
    unknown: Opaque = NOTHING

    def __post_init__(self) -> None:
        if len(set(self.items)) < len(self.items) or len(self.items) > MAX_ITEMS:
            raise ValueError("a partition names each item once, and not too many")
        if len(self.tiles.shape) != 2 or self.tiles.dtype != np.int16:
            raise ValueError(f"labels {self.tiles.dtype} {self.tiles.shape} are not (H, W) int16")

    @classmethod
    def of_rest(cls, size: Size) -> Partition:
        """One without items."""
        return cls(Tiles.filled(size.shape, REST, np.int16))

    @classmethod
    def of_masks(cls, size: Size, masks: Sequence[tuple[int, Tiles]]) -> Partition:
        """The partition that soft masks make where they lie over each other: a pixel belongs to what shows most there.

        masks: id and coverage, (H, W) float32 in [0, 1], of each item from the bottom up

        An upper one shows by its coverage, a lower one by what those above let through, and the rest by what all of them do. Of equals the upper
        one has it.
        """
        partition = cls.of_rest(size)
        blocks: dict[tuple[int, int], Block] = {}
        for i, row in enumerate(partition.tiles.rows):
            for j, block in enumerate(row):
                parts = [(label, tiles, tiles.rows[i][j]) for label, (_, tiles) in enumerate(masks, 1)]
                covers = [(label, part) for label, tiles, part in parts if not tiles.is_blank(part)]
                labels = labels_of(covers, block.shape)
                if labels.any():
                    blocks[i, j] = labels
        return cls(partition.tiles.replaced(blocks), tuple(id for id, _ in masks))

    @property
    def size(self) -> Size:
        return self.tiles.size

    def label(self, id: int | None) -> int:
        """The label of an item, `REST` for None. Raises `KeyError` for one that is not in it."""
        if id is None:
            return REST
        if id not in self.items:
            raise KeyError(id)
        return self.items.index(id) + 1

    def labels(self, rect: Rect | None = None) -> Labels:
        """(h, w) int16, a copy of the labels inside `rect`, which must lie within the picture (all of it by default)."""
        labels: Labels = self.tiles.read(rect)
        return labels

    def mask(self, id: int | None, rect: Rect | None = None) -> Mask:
        """(h, w) bool: what belongs to an item, or with None to the rest, inside `rect`."""
        mask: Mask = self.labels(rect) == self.label(id)
        return mask

    def owner(self, x: int, y: int) -> int | None:
        """The id of the item that a pixel belongs to, None for the rest."""
        label = int(self.tiles.read(Rect.at(x, y, 1, 1))[0, 0])
        return self.items[label - 1] if label else None

    def areas(self) -> dict[int | None, int]:
        """Pixels of each item by its id, and of the rest by None."""
        counts = np.zeros(len(self.items) + 1, np.int64)
        for _, block in self.tiles.blocks():
            if self.tiles.is_blank(block):
                counts[REST] += block.size
            else:
                counts += np.bincount(block.ravel(), minlength=len(counts))
        return {owner: int(count) for owner, count in zip((None, *self.items), counts, strict=True)}

    def bounds(self, id: int) -> Rect:
        """The tight rectangle around all of an item; empty where it has no pixels."""
        label, bounds = self.label(id), EMPTY
        for where, block in self.tiles.blocks():
            if not self.tiles.is_blank(block):
                part = Rect.of_mask(block == label)
                bounds = bounds if part.empty else bounds.unite(part.moved(where.left, where.top))
        return bounds

    # Changes

    def painted(self, id: int | None, mask: Mask, left: int = 0, top: int = 0) -> Partition:
        """With all pixels of a mask given to one item, taken from whatever had them.

        id: the item, which is added on top where it is new; None for the rest
        mask: (h, w) bool, its first pixel at (left, top); what falls outside the picture is dropped
        """
        partition = self if id is None or id in self.items else replace(self, items=(*self.items, id))
        label, target = partition.label(id), Rect.at(left, top, mask.shape[1], mask.shape[0])
        return partition._changed(
            target, lambda part, block: np.where(mask[part.within(target).slices], np.int16(label), block)
        )

    def split(self, id: int | None, new: int, mask: Mask, left: int = 0, top: int = 0) -> Partition:
        """With those pixels of an item, or with None of the rest, that lie in a mask given to a new item on top. The mask is as in `painted`."""
        if new in self.items:
            raise ValueError(f"{new} is there already")
        target = Rect.at(left, top, mask.shape[1], mask.shape[0]).intersect(self.tiles.rect)
        own = mask[target.moved(-left, -top).slices] & self.mask(id, target)
        return self.painted(new, own, target.left, target.top)

    def merged(self, ids: Collection[int], into: int | None) -> Partition:
        """With all pixels of some items given to another one, or with None to the rest. They are not in it any more, but for `into`."""
        gone = [id for id in self.items if id in ids and id != into]
        if not gone:
            return self
        items = tuple(id for id in self.items if id not in gone)
        after = replace(self, items=items)
        table = np.array([REST, *(after.label(into if id in gone else id) for id in self.items)], np.int16)
        return replace(self._changed(self.tiles.rect, lambda part, block: table[block]), items=items)

    def without(self, ids: Collection[int]) -> Partition:
        """With all pixels of some items given to the rest."""
        return self.merged(ids, None)

    def _changed(self, rect: Rect, labels: Callable[[Rect, Labels], Labels]) -> Partition:
        """With other labels inside `rect`. Blocks in which nothing changes are shared."""
        area = rect.intersect(self.tiles.rect)
        blocks: dict[tuple[int, int], Block] = {}
        for where, block in self.tiles.blocks(area):
            part = where.intersect(area)
            inside = part.within(where).slices
            new = labels(part, block[inside])
            if not np.array_equal(new, block[inside]):
                copy = block.copy()
                copy[inside] = new
                blocks[where.top // BLOCK, where.left // BLOCK] = copy
        return replace(self, tiles=self.tiles.replaced(blocks, area)) if blocks else self

    # Grids

    def to_grid(
        self, shape: tuple[int, int], rect: Rect | None = None, rule: Literal["majority", "nearest"] = "majority"
    ) -> Labels:
        """The label of each cell of a coarser or finer grid.

        shape: (rows, columns) of cells
        rect: what part of the picture the grid lies over (all of it by default)
        rule: "majority" takes the label that covers most of the cell, of equals the upper item; "nearest" that of the pixel in its top left corner

        Returns (rows, columns) int16.
        """
        labels, (rows, columns) = self.labels(rect), shape
        if rule == "nearest":
            down, across = (np.arange(n) * side // n for n, side in zip(shape, labels.shape, strict=True))
            corners: Labels = labels[down[:, None], across]
            return corners
        best = np.full(shape, -1.0)
        chosen = np.zeros(shape, np.int16)
        for label in np.unique(labels):  # in ascending order, so that the upper one comes last
            share = _cell_sums(_cell_sums((labels == label).astype(np.float64), rows).T, columns).T
            take = share >= best - _TIE * labels.size / (rows * columns)
            best[take], chosen[take] = share[take], label
        return chosen


def labels_of(covers: Sequence[tuple[int, Map]], shape: tuple[int, ...]) -> Labels:
    """What shows most in each pixel, (h, w) int16; see `Partition.of_masks`. `covers`: label and (h, w) coverage, from the bottom up."""
    labels = np.zeros(shape, np.int16)
    through = np.ones(shape, np.float32)
    most = np.zeros(shape, np.float32)
    for label, cover in reversed(covers):
        shows = cover * through
        more = shows > most
        labels[more], most[more] = label, shows[more]
        through = through * (1 - cover)
    labels[through > most] = REST
    return labels


def _cell_sums(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """(count, n): the sums of `count` equal runs of the rows of (m, n) values, rows on a border shared by the part that lies on either side."""
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    borders = np.arange(count + 1) * (len(values) / count)
    whole = np.minimum(borders.astype(np.intp), len(values) - 1)
    at = sums[whole] + (borders - whole)[:, None] * values[whole]
    return np.diff(at, axis=0)
