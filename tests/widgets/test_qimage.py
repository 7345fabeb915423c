"""Arrays to images and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtGui import QImage

from widgets.qimage import from_qimage, premultiplied, to_qimage


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([0, 3, 4]))
def test_images_keep_their_pixels_through_qt(width: int, height: int, channels: int) -> None:
    shape = (height, width, channels) if channels else (height, width)
    pixels = np.random.default_rng(width).integers(0, 256, shape, np.uint8)
    if channels == 4:
        pixels[..., 3] = 255
    found = from_qimage(to_qimage(pixels))
    expected = pixels if channels else np.repeat(pixels[..., None], 3, axis=2)
    assert np.array_equal(found[..., :3], expected[..., :3])
    assert (found[..., 3] == 255).all()


def test_half_transparent_colours_come_back_nearly() -> None:
    pixels = np.array([[[200, 100, 50, 128], [10, 20, 30, 0]]], np.uint8)
    assert premultiplied(pixels)[0, 0].tolist() == [25, 50, 100, 128]
    found = from_qimage(to_qimage(pixels))
    assert np.abs(found[0, 0].astype(int) - pixels[0, 0]).max() <= 2
    assert found[0, 1, 3] == 0
    assert isinstance(to_qimage(pixels), QImage)
