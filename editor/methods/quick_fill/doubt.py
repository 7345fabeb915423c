"""How much a fill should be doubted, from what its cut cost."""

from __future__ import annotations

import math

BADGE = 1.35  # cut energy per border pixel at which a person should look closely
SPREAD = 0.12


def doubt(energy: float | None) -> float | None:
    """0 to 1, with 0.5 where the badge shows; None without a cut. `energy`: per border pixel, at the cut level."""
    if energy is None:
        return None
    return 1 / (1 + math.exp(min((BADGE - energy) / SPREAD, 50.0)))
