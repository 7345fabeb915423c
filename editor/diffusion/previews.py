"""Previews: clean latents as a picture, by a linear map instead of the decoder, through the same paste-back as the result."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from editor.geometry import Size
from editor.model_canvas.canvas import ModelCanvas
from editor.model_canvas.paste_back import Pasted
from editor.requests.reports import Preview

INTERVAL = 0.2  # seconds: more often nobody looks
MAX_SIDE = 768  # pixels of the longer side


class LatentColours:
    """A linear map from latents to RGB, fitted to one picture whose latents are known; so it suits any decoder."""

    def __init__(self, latents: torch.Tensor, image: NDArray[np.float32]) -> None:
        """`latents`: (1, C, h, w) of `image`, (H, W, 3) in [0, 1]."""
        height, width = latents.shape[-2:]
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).reshape(-1, 3)
        values = _rows(latents[0])
        # A little ridge: a plain picture leaves most directions undetermined.
        normal = values.T @ values + 1e-3 * len(values) * np.eye(values.shape[1])
        self._map = np.linalg.solve(normal, values.T @ small)

    def picture(self, latents: torch.Tensor) -> NDArray[np.float32]:
        """(C, h, w) -> (h, w, 3) in [0, 1]."""
        height, width = latents.shape[-2:]
        return np.clip(_rows(latents) @ self._map, 0, 1).astype(np.float32).reshape(height, width, 3)


class Previews:
    """Makes the previews of one run. `alpha`: (H, W) paste alpha of the frame. `under`: what earlier runs of the same edit pasted, if any."""

    def __init__(
        self,
        colours: LatentColours,
        working: ModelCanvas,
        alpha: NDArray[np.float32],
        under: Pasted | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._colours, self._working, self._clock = colours, working, clock
        self._last = -INTERVAL
        shrink = min(1.0, MAX_SIDE / max(working.frame.rect.size))
        width, height = (max(1, round(side * shrink)) for side in working.frame.rect.size)
        self._size = Size(width, height)
        self._alpha = np.asarray(cv2.resize(alpha, self._size, interpolation=cv2.INTER_AREA), np.float32)
        self._opacity = np.rint(self._alpha * 255).astype(np.uint8)
        frame = working.frame.rect.size
        self._under = None if under is None or not under.alpha.any() else under.resized(frame, self._size)

    def due(self) -> bool:
        """Whether the last preview is long enough ago."""
        return self._clock() - self._last >= INTERVAL

    def preview(self, latents: torch.Tensor) -> Preview:
        """Of the clean latents of one picture, (1, C, h, w)."""
        self._last = self._clock()
        working = self._working
        small = np.zeros(
            (*latents.shape[-2:], 4), np.uint8
        )  # four channels from here on: copying three into four takes longer than enlarging them
        small[..., :3] = np.rint(self._colours.picture(latents[0]) * 255)
        # From cells to what is shown in one go; the mirrored margin is cut off.
        across = self._size.width / working.frame.working.width * working.cell
        down = self._size.height / working.frame.working.height * working.cell
        whole = Size(
            max(self._size.width, round(small.shape[1] * across)), max(self._size.height, round(small.shape[0] * down))
        )
        enlarged = cv2.resize(small, whole, interpolation=cv2.INTER_CUBIC)
        pixels = np.ascontiguousarray(enlarged[: self._size.height, : self._size.width], np.uint8)
        if self._under is None:
            pixels[..., 3] = self._opacity
        else:
            image = np.asarray(pixels[..., :3] / np.float32(255), np.float32)
            pixels = self._under.over(image, self._alpha).layer()
        return Preview(working.frame.rect, pixels)


def _rows(latents: torch.Tensor) -> NDArray[np.float64]:
    """(C, h, w) -> (h w, C + 1), the last column 1."""
    flat = latents.flatten(1).T.cpu().double().numpy()  # in this order: Apple's GPUs have no float64
    return np.concatenate([flat, np.ones((len(flat), 1))], axis=1)
