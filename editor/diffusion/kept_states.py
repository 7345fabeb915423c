"""Kept states of runs that differ in nothing but when their cells are released, so that a changed map is run again from where it differs.

The state before step i depends on which cells were held before the steps until then. So it is that of any map that begins at the same step and
holds the same cells before all of them: of two maps, all states up to the first step at which one holds a cell and the other does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from editor.arrays import Counts
from editor.content_key import content_key
from editor.diffusion.denoise import RunState

NEVER = 2**31
"""Instead of a step, of two maps that never differ."""
MAX_STATES = 512  # all are looked at in each round


@dataclass(frozen=True, slots=True, eq=False)
class ReleaseMap:
    """When the cells of one run are released.

    first: the absolute step at which the run begins
    until: (h, w), before which absolute step each cell is free for the first time
    """

    first: int
    until: Counts

    @property
    def key(self) -> str:
        """The same for the same map."""
        return content_key(self.first, self.until)

    def divergence(self, other: ReleaseMap) -> int:
        """The first step before which one holds a cell and the other does not; `NEVER` where all is alike, 0 where they begin at different steps."""
        if self.first != other.first:
            return 0
        differs = self.until != other.until
        if not differs.any():
            return NEVER
        return int(np.minimum(self.until[differs], other.until[differs]).min())


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """`blocks`: the memory of its tensors, which neighbouring states share: by address, the bytes."""

    map: ReleaseMap
    state: RunState
    blocks: dict[int, int]


class KeptStates:
    """States within a bound of bytes, and at most `MAX_STATES`.

    When there are more, those go first that only other maps can use, the ones used longest ago before others; then of the present map those whose
    neighbours are nearest, so that what is left lies evenly.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._present: ReleaseMap | None = None
        self._usable: list[_Kept] = []  # by the present map, in the order of their steps
        self._others: list[_Kept] = []  # used longest ago comes first
        self._holders: Counter[int] = Counter()  # by address of a tensor, how many states hold it
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._usable) + len(self._others)

    @property
    def bytes(self) -> int:
        """Of all that is kept."""
        return self._bytes

    def begin(self, map: ReleaseMap) -> RunState | None:
        """Make a map the present one. Returns the latest state that it can go on from."""
        divergences: dict[ReleaseMap, int] = {}
        usable, others = list[_Kept](), list[_Kept]()
        for kept in (*self._others, *self._usable):
            if kept.map not in divergences:
                divergences[kept.map] = kept.map.divergence(map)
            (usable if kept.state.step <= divergences[kept.map] else others).append(kept)
        self._present, self._others = map, others
        self._usable = sorted(usable, key=lambda kept: kept.state.step)
        return self._usable[-1].state if self._usable else None

    def keep(self, map: ReleaseMap, state: RunState) -> None:
        """Keep a state of the present map; nothing of one that is the present one no longer."""
        if map is not self._present or any(kept.state.step == state.step for kept in self._usable):
            return
        kept = _Kept(map, state, dict(_blocks([state.latents, state.memory])))
        self._usable.append(kept)
        for address, size in kept.blocks.items():
            self._bytes += 0 if self._holders[address] else size
            self._holders[address] += 1
        while len(self) > MAX_STATES or (self._usable and self._bytes > self._max_bytes):
            self._drop(self._others.pop(0) if self._others else self._usable.pop(self._least_missed()))

    def _drop(self, kept: _Kept) -> None:
        for address, size in kept.blocks.items():
            self._holders[address] -= 1
            if not self._holders[address]:
                del self._holders[address]
                self._bytes -= size

    def _least_missed(self) -> int:
        """The place of the usable state that leaves the smallest gap; not the newest, unless it is the only one."""
        if self._present is None or len(self._usable) == 1:
            return 0
        steps = [self._present.first, *(kept.state.step for kept in self._usable)]
        gaps = [after - before for before, after in zip(steps[:-2], steps[2:], strict=True)]
        return gaps.index(min(gaps))


def _blocks(value: Any) -> Iterator[tuple[int, int]]:
    """Address and bytes of every tensor in a value."""
    match value:
        case torch.Tensor():
            yield value.data_ptr(), value.nbytes
        case list() | tuple():
            for inner in value:
                yield from _blocks(inner)
        case dict():
            for inner in value.values():
                yield from _blocks(inner)
