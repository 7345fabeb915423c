"""Previews: near the decoded picture, and only where the result will be."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from editor.diffusion.previews import INTERVAL, LatentColours, Previews
from editor.geometry import Rect, Size
from editor.model_canvas.canvas import ModelCanvas
from editor.model_canvas.paste_back import paste_alpha
from editor.requests.frame import Frame

Image = NDArray[np.float32]
_MIX = np.array([[0.12, -0.05, 0.02], [0.03, 0.09, -0.06], [-0.04, 0.02, 0.1], [0.05, 0.05, 0.05]])


def _decoded(latents: torch.Tensor) -> Image:
    """A linear toy decoder: one colour for each cell of 8 pixels."""
    cells = latents[0].permute(1, 2, 0).double().numpy() @ _MIX + 0.5
    return np.asarray(np.clip(cells, 0, 1).repeat(8, 0).repeat(8, 1), np.float32)


def _random(seed: int, *grid: int) -> torch.Tensor:
    return torch.randn(1, 4, *(grid or (12, 16)), generator=torch.Generator().manual_seed(seed))


def _working(rect: Rect, working: Size, canvas: Size) -> ModelCanvas:
    return ModelCanvas(Frame(rect, working), canvas, 8)


def test_colours_learned_from_one_picture_show_another() -> None:
    """Near what the decoder makes, for latents it was not fitted to."""
    colours = LatentColours(_random(0), _decoded(_random(0)))
    for seed in (1, 2, 3):
        expected = _decoded(_random(seed))[::8, ::8]
        assert np.abs(colours.picture(_random(seed)[0]) - expected).mean() < 2 / 255


def test_a_plain_picture_gives_a_finite_map() -> None:
    plain = torch.ones(1, 4, 12, 16)
    found = LatentColours(plain, _decoded(plain)).picture(_random(1)[0])
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("rect", [Rect.at(30, 40, 128, 96), Rect.at(0, 0, 123, 91), Rect.at(5, 6, 256, 192)])
def test_invariant_20_a_preview_shows_only_what_will_change(rect: Rect) -> None:
    strength = np.zeros(rect.size.shape, np.float32)
    strength[20:70, 30:90] = 0.5
    alpha = paste_alpha(strength, 12)
    working = _working(rect, Size(128, 96), Size(128, 96))
    previews = Previews(LatentColours(_random(0), _decoded(_random(0))), working, alpha)
    found = previews.preview(_random(1))
    assert found.rect == rect
    assert found.pixels.shape == (*rect.size.shape, 4)
    assert (found.pixels[..., 3] == np.rint(alpha * 255)).all()
    assert not found.pixels[strength == 0][:, 3].any()


def test_the_preview_lies_where_the_decoded_picture_will() -> None:
    """Against the toy decoder's picture put back the long way, with a mirrored margin and another working size."""
    rect, working_size, canvas = Rect.at(3, 4, 180, 120), Size(90, 60), Size(96, 64)
    working = _working(rect, working_size, canvas)
    smooth = cv2.GaussianBlur(_random(5, 8, 12)[0].permute(1, 2, 0).numpy(), (0, 0), 1.5)
    latents = torch.from_numpy(smooth * 3).permute(2, 0, 1)[None]
    decoded = _decoded(latents)
    previews = Previews(LatentColours(latents, decoded), working, np.ones(rect.size.shape, np.float32))
    shown = previews.preview(latents).pixels[..., :3] / np.float32(255)
    expected = working.back(np.asarray(cv2.GaussianBlur(decoded, (0, 0), 4), np.float32))
    errors = {}
    for dx in (-8, 0, 8):  # moved by half a cell it must fit worse
        inner = np.s_[16:-16, 16 + dx : -16 + dx or None]
        errors[dx] = float(np.abs(shown[inner] - expected[16:-16, 16:-16]).mean())
    assert errors[0] < 0.02
    assert errors[0] < min(errors[-8], errors[8])


def test_a_large_picture_has_a_small_preview_of_all_of_it() -> None:
    rect = Rect.at(0, 0, 5000, 3)
    working = _working(rect, Size(2500, 2), Size(2504, 8))
    colours = LatentColours(_random(0, 1, 313), np.full((8, 2504, 3), 0.5, np.float32))
    found = Previews(colours, working, np.ones((3, 5000), np.float32)).preview(_random(0, 1, 313))
    assert found.rect == rect
    assert found.pixels.shape == (1, 768, 4)


def test_not_more_than_five_a_second() -> None:
    now = [100.0]
    working = _working(Rect.at(0, 0, 128, 96), Size(128, 96), Size(128, 96))
    colours = LatentColours(_random(0), _decoded(_random(0)))
    previews = Previews(colours, working, np.ones((96, 128), np.float32), clock=lambda: now[0])
    shown = 0
    for _ in range(100):  # ten seconds of ten steps a second
        if previews.due():
            previews.preview(_random(1))
            shown += 1
        now[0] += 0.1
    assert shown <= 10 / INTERVAL
    assert shown >= 25


def test_of_a_batch_the_first_is_shown() -> None:
    working = _working(Rect.at(0, 0, 128, 96), Size(128, 96), Size(128, 96))
    colours = LatentColours(_random(0), _decoded(_random(0)))
    previews = Previews(colours, working, np.ones((96, 128), np.float32))
    both = previews.preview(torch.cat([_random(1), _random(2)]))
    assert (both.pixels == previews.preview(_random(1)).pixels).all()
