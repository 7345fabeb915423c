"""Rungs of a run: the noise levels at which a cell can be let go. Models made for few steps can have more of them where there is little noise.

See docs/methods.md, PIXELS 2. The ladder depends on the settings and the number of steps only, never on what is painted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editor.methods.pixels.settings import PixelsSettings
from editor.models.info import FEW


@dataclass(frozen=True, slots=True)
class Ladder:
    """The steps of a run, evenly spaced or finer below the middle.

    steps: N, as many as were asked for
    finer: the indices, in the grid of 2 N steps, of those that are taken, the noisiest first; empty for all N of their own grid
    """

    steps: int
    finer: tuple[int, ...] = ()

    @classmethod
    def of(cls, settings: PixelsSettings, steps: int) -> Ladder:
        """Of the N steps those above the middle, and below it all of the grid of 2 N; where the settings do not ask for it, or N is no
        number of steps that only few-step models have, the N.
        """
        if not settings.quiet_rungs or not 1 <= steps <= FEW:
            return cls(steps)
        return cls(steps, (*range(0, steps, 2), *range(steps, 2 * steps)))

    def __len__(self) -> int:
        """How many evaluations a run has in which everything may change."""
        return len(self.finer) or self.steps

    def free(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many of the last rungs are free at strengths of 0 to 1, not rounded: linear between the rungs, each of which stands for the strength
        that has its noise on N even steps.
        """
        if not self.finer:
            return share * self.steps
        strengths = [0.0, *(self.steps - index / 2 for index in reversed(self.finer))]
        return np.asarray(np.interp(share * self.steps, strengths, np.arange(len(self) + 1.0)), np.float64)

    def free_steps(self, strength: float) -> int:
        """How many rungs run at an overall strength of 0 to 1, which may come out of a float32 map; ties go up."""
        return int(float(self.free(np.asarray(round(strength, 6), np.float64))) + 0.5 + 1e-9)
