"""Cutting out and toning."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from editor.methods.quick_fill.moving import (
    CONTRAST,
    MOST_COLOUR,
    MOST_LIGHT,
    Tone,
    guided_filter,
    is_soft,
    match_tone,
    matte,
    own_colours,
)

RNG = np.random.default_rng


def scene() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A bright disc on dark ground, and a mask two pixels too small on one side and too large on the other."""
    rows, columns = np.mgrid[:60, :60]
    inside = (rows - 30) ** 2 + (columns - 30) ** 2 <= 15**2
    picture = np.where(inside[..., None], [0.9, 0.8, 0.3], [0.1, 0.2, 0.3]).astype(np.float32)
    return picture, inside


def test_the_matte_finds_the_edge_that_the_mask_misses() -> None:
    picture, inside = scene()
    rough = np.roll(inside, 1, axis=1).astype(np.float32)
    found = matte(picture, rough, 1.0)
    assert np.abs(found - inside).mean() < 0.6 * np.abs(rough - inside).mean()
    assert found.min() >= 0
    assert found.max() <= 1


def test_the_matte_is_sure_inside_and_reaches_two_pixels_out_at_most() -> None:
    picture = RNG(0).uniform(0, 1, (60, 60, 3)).astype(np.float32)
    _, inside = scene()
    found = matte(picture, inside.astype(np.float32), 3.0)
    rows, columns = np.mgrid[:60, :60]
    distance = np.hypot(rows - 30, columns - 30)
    assert (found[distance > 18] == 0).all()
    assert (found[distance < 7] == 1).all()


def test_a_soft_mask_is_kept() -> None:
    picture, _ = scene()
    rows, columns = np.mgrid[:60, :60]
    soft = np.clip(1.5 - np.hypot(rows - 30, columns - 30) / 16, 0, 1).astype(np.float32)
    assert is_soft(soft, 1.0)
    assert (matte(picture, soft, 1.0) == soft).all()


def test_a_guided_filter_keeps_a_constant_and_follows_its_guide() -> None:
    picture, inside = scene()
    guide = picture.mean(axis=2)
    assert np.allclose(guided_filter(guide, np.full((60, 60), 0.4, np.float32), 4), 0.4, atol=1e-5)
    assert np.allclose(guided_filter(guide, inside.astype(np.float32), 4), inside, atol=0.02)


def test_own_colours_carry_no_background_along() -> None:
    picture, _ = scene()
    wide = (np.hypot(*(np.mgrid[:60, :60] - 30)) <= 16).astype(np.float32)
    found = own_colours(picture, wide, 1.0)
    assert np.allclose(found[wide > 0], [0.9, 0.8, 0.3], atol=1e-3)
    thin = np.zeros((60, 60), np.float32)
    thin[30, 20:40] = 1
    assert own_colours(picture, thin, 1.0).shape == picture.shape, "nothing left of the core"


def test_tone_moves_by_its_share_and_within_limits() -> None:
    colours = RNG(1).uniform(0.4, 0.5, (20, 20, 3)).astype(np.float32)
    alpha = np.ones((20, 20), np.float32)
    dark, bright = Tone(20, 0, 0, 5), Tone(60, 40, -40, 5)
    assert (match_tone(colours, alpha, dark, bright, 0.0) == colours).all()
    assert np.allclose(match_tone(colours, alpha, dark, dark, 0.25), colours, atol=2e-3)
    before, after = (
        Tone.of(colours.reshape(-1, 3)),
        Tone.of(match_tone(colours, alpha, dark, bright, 0.25).reshape(-1, 3)),
    )
    assert before is not None
    assert after is not None
    assert abs(after.light - before.light - 10) < 1
    full = Tone.of(match_tone(colours, alpha, dark, bright, 1.0).reshape(-1, 3))
    assert full is not None
    assert abs(full.light - before.light - MOST_LIGHT) < 1.5
    assert abs(full.a - before.a - MOST_COLOUR) < 2


def test_contrast_is_limited_and_too_few_pixels_have_no_tone() -> None:
    colours = RNG(2).uniform(0.3, 0.7, (30, 30, 3)).astype(np.float32)
    flat, rough = Tone(50, 0, 0, 1), Tone(50, 0, 0, 60)
    found = Tone.of(match_tone(colours, np.ones((30, 30), np.float32), flat, rough, 1.0).reshape(-1, 3))
    before = Tone.of(colours.reshape(-1, 3))
    assert found is not None
    assert before is not None
    assert found.contrast / before.contrast < CONTRAST[1] + 0.1
    assert Tone.of(colours[0, :5]) is None
