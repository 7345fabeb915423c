"""How many steps each latent cell is held before the sampler may change it: painted strength, quantised to what the sampler can do.

See docs/methods.md, PIXELS 2. The same numbers drive the method and the view of what it will use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from editor.arrays import Counts, Map
from editor.document.faint_strength import DEAD_BAND
from editor.methods.pixels.rungs import Ladder
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.edit_request import ExemplarInput

ABSOLUTE = 4  # the revision since which a cell's count depends on nothing that is painted elsewhere
TIE = 1e-6  # closer than this to a threshold counts as on it
OWNED = 0.5  # share of a cell that an exemplar must cover to own it
# Steps of the plastic-number sequence (M. Roberts, 2018): evenly spread offsets without a visible pattern.
_SPREAD = (0.7548776662466927, 0.5698402909980532)


def owners(exemplars: Sequence[ExemplarInput], working: ModelCanvas) -> Counts:
    """(h, w): which exemplar owns each cell, the last of those that cover at least half of it with what they let in; -1 for none."""
    counts = np.full(working.grid.shape, -1, np.int64)
    for index, exemplar in enumerate(exemplars):
        counts[working.cells(exemplar.alpha * exemplar.strength) >= OWNED] = index
    return counts


def run_length(strength: Map, steps: int) -> int:
    """How many of `steps` a run has in which `strength` may change, by the rule of before `ABSOLUTE`."""
    return free_steps(float(strength.max(initial=0)), steps)


def release_steps(
    settings: PixelsSettings,
    exemplars: Sequence[ExemplarInput],
    strength: Map,
    working: ModelCanvas,
    steps: int,
    *,
    overall: float,
    levels: Sequence[float] = (),
) -> Counts:
    """(h, w): before which step of the run's ladder each cell is free for the first time; its length for one that is held to the end.

    A cell of strength s is free for the last `Ladder.free_steps(s)` of them, whatever is painted elsewhere.

    strength: (H, W) of the frame
    steps: as many as were asked for
    overall: the overall strength, 0 to 1, that `strength` contains; the dead band and shares of noise are relative to it
    levels: as in `hold_counts`, of all steps; without them steps are counted by index
    """
    overall, ladder = max(overall, TIE), Ladder.of(settings, steps)
    steps = len(ladder)
    cells = np.asarray(working.cells(strength, thin=settings.thin_strokes), np.float64)
    share = cells / overall
    whole = (share > 1 - DEAD_BAND) & (share <= 1 + TIE)
    nothing = share < DEAD_BAND
    cells = np.where(whole, overall, np.where(nothing, 0, cells))
    if settings.map_scale == "index" or not len(levels):
        free = ladder.free(np.round(cells, 6))
        if settings.dither:
            free = np.where(whole | nothing, free, free - _offsets(free.shape))
        until = steps - np.clip(np.floor(free + 0.5 + 1e-9), 0, steps).astype(np.int64)  # as in `free_steps`
    else:
        first = steps - ladder.free_steps(overall)
        change = np.minimum(cells / overall if settings.map_scale == "noise" else cells, 1)
        falling = levels[first:]
        until = first + hold_counts(
            change, steps - first, scale=settings.map_scale, levels=falling, dither=settings.dither
        )
    return _firmed(until, exemplars, working, steps)


def first_step(until: Counts, strength: Map, ladder: Ladder) -> int:
    """At which step of the ladder a run begins: when the first cell is free. Its length where nothing may change for even one.

    until: as of `release_steps`
    strength: (H, W) of the frame
    """
    if not ladder.free_steps(float(strength.max(initial=0))):
        return len(ladder)
    return min(int(until.min()), len(ladder) - 1)  # a held exemplar must be decoded all the same


def relative_counts(
    settings: PixelsSettings,
    exemplars: Sequence[ExemplarInput],
    strength: Map,
    working: ModelCanvas,
    steps: int,
    *,
    levels: Sequence[float] = (),
) -> Counts:
    """(h, w): how many of the run's `steps` each cell is held, by the rule of before `ABSOLUTE`: relative to the strongest pixel.

    `strength`: (H, W) of the frame. `levels`: as in `hold_counts`; without them steps are counted by index.
    """
    overall = np.float32(max(strength.max(initial=0), 1e-6))
    change = strength / overall
    cells = working.cells(change, thin=settings.thin_strokes)
    scale = settings.map_scale if len(levels) else "index"
    if scale == "absolute":
        cells = cells * overall
    counts = hold_counts(cells, steps, scale=scale, levels=levels, dither=settings.dither)
    return _firmed(counts, exemplars, working, steps)


def free_steps(strength: float, steps: int) -> int:
    """How many of `steps` run at an overall strength of 0 to 1, which may come out of a float32 map; ties go up."""
    return int(round(strength, 6) * steps + 0.5 + 1e-9)


def hold_counts(
    change: Map,
    steps: int,
    *,
    scale: Literal["index", "noise", "absolute"] = "index",
    levels: Sequence[float] = (),
    dither: bool = False,
) -> Counts:
    """(h, w) whole numbers in 0 .. steps, from `change`, (h, w) in [0, 1] relative to the overall strength.

    `scale`: "index" releases a cell after a share 1 - change of the steps; "noise" when the noise has fallen to a share `change` of where it began;
    "absolute" when `levels` has fallen below `change`, whatever the overall strength. `levels`: one for each step, falling; noise levels for
    "noise", t / 1000 for "absolute". `dither` breaks the bands that few steps leave.
    """
    keep = 1 - np.asarray(change, np.float64)
    keep[keep < DEAD_BAND] = 0
    keep[keep > 1 - DEAD_BAND] = 1
    if scale == "index":
        exact = keep * steps
    else:
        falling = np.asarray(levels, np.float64)
        if len(falling) != steps:
            raise ValueError(f"{len(falling)} levels for {steps} steps")
        if scale == "noise" and steps:
            falling = falling / falling[0]
        # Held while the level lies above what the cell allows; between two levels the place runs on evenly, for dithering.
        places = np.interp(1 - keep, [0, *falling[::-1]], [*range(steps, -1, -1)])
        exact = places + 0.5 if dither else np.ceil(places)
        exact = np.where(keep == 0, 0, np.where(keep == 1, steps, exact))
    if dither:
        exact = np.where((keep > 0) & (keep < 1), exact + _offsets(keep.shape), exact)
    return np.clip(np.floor(exact + 0.5), 0, steps).astype(np.int64)  # ties up


def with_fidelity(counts: Counts, fidelity: Map, steps: int) -> Counts:
    """Hold counts of cells that show an exemplar: of the steps that are left free, a share `fidelity` is held too."""
    left = steps - counts
    return counts + np.floor(np.asarray(fidelity, np.float64) * left + 0.5).astype(np.int64)


def _firmed(counts: Counts, exemplars: Sequence[ExemplarInput], working: ModelCanvas, steps: int) -> Counts:
    """The counts, firmer where a cell shows an exemplar."""
    owner = owners(exemplars, working)
    for index, exemplar in enumerate(exemplars):
        owned = owner == index
        counts[owned] = with_fidelity(counts[owned], working.cells(exemplar.fidelity)[owned], steps)
    return counts


def _offsets(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(h, w) in [-0.5, 0.5), the same every time."""
    rows, columns = np.indices(shape)
    return np.asarray((0.5 + rows * _SPREAD[0] + columns * _SPREAD[1]) % 1 - 0.5, np.float64)
