"""Array types: what numpy arrays mean here, by element type and shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""(H, W, 3) or (H, W, 4), 0 to 255, in the colour space that goes with it; (H, W) where it is an alpha channel alone."""

Image = NDArray[np.float32]
"""(H, W, 3), 0 to 1, the same numbers as `Pixels` divided by 255."""

Map = NDArray[np.float32]
"""(H, W), 0 to 1: one amount for each pixel."""

Mask = NDArray[np.bool_]
"""(H, W): yes or no for each pixel."""

Counts = NDArray[np.int64]
"""(h, w): one whole number for each latent cell."""

Labels = NDArray[np.int16]
"""(H, W): the number of the item that each pixel belongs to, 0 for the rest."""
