"""Visible seams are told, and nothing else: flat shifts, textures, things with edges of their own, real photographs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import resources
from editor.io.images import read_image
from editor.model_canvas.paste_back import Pasted, paste_alpha
from editor.model_canvas.seam import visibility

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

SIZE = (200, 240)
FADES = (0.0, 8.0, 16.0)


def blob(shape: tuple[int, int] = SIZE, size: float = 0.3) -> Mask:
    rows, columns = np.indices(shape)
    found: Mask = np.hypot((rows / shape[0] - 0.5), (columns / shape[1] - 0.45)) < size
    return found


def flat(level: float = 0.5) -> Image:
    return np.full((*SIZE, 3), level, np.float32)


def textured(deviation: float) -> Image:
    noise = np.random.default_rng(0).normal(0, 1, (*SIZE, 3)).astype(np.float32)
    fine = np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.5))
    return np.asarray(np.clip(0.5 + fine / fine.std() * deviation, 0, 1), np.float32)


def photograph(name: str, shape: tuple[int, int] = SIZE) -> Image:
    with resources.photo(name) as path:
        pixels = read_image(path).pixels[..., :3]
    small = cv2.resize(pixels, shape[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small / np.float32(255), np.float32)


def seam(source: Image, made: Image, region: Mask, fade: float = 8.0) -> float:
    alpha = paste_alpha(region.astype(np.float32), fade)
    return visibility(source, made, Pasted.bare().over(made, alpha).on(source), alpha)


@pytest.mark.parametrize("fade", FADES)
def test_the_same_picture_has_no_seam(fade: float) -> None:
    for source in (flat(), textured(0.1), photograph("china.jpg")):
        assert seam(source, source, blob(), fade) == 0


@pytest.mark.parametrize("fade", FADES)
def test_a_flat_shift_is_seen_the_more_the_larger_it_is(fade: float) -> None:
    found = [seam(flat(), flat(0.5 + levels / 255), blob(), fade) for levels in (0.5, 1, 2, 6, 12, 30)]
    assert found == sorted(found)
    assert found[2] < 1 < found[3]
    assert found[0] > 0


def test_a_shift_goes_under_in_texture_before_it_goes_under_on_even_ground() -> None:
    shift = np.float32(8 / 255)
    even = seam(flat(), flat() + shift, blob())
    rough = seam(textured(0.12), np.clip(textured(0.12) + shift, 0, 1), blob())
    assert even > 1 > rough
    assert seam(textured(0.12), np.clip(textured(0.12) + 4 * shift, 0, 1), blob()) > 1


def test_a_wider_fade_hides_more() -> None:
    narrow, wide = (seam(flat(), flat(0.52), blob(), fade) for fade in (2.0, 40.0))
    assert wide < narrow


def test_a_slope_is_no_seam() -> None:
    slope = np.broadcast_to(np.linspace(0.2, 0.8, SIZE[1], dtype=np.float32)[None, :, None], (*SIZE, 3)).copy()
    assert seam(slope, slope, blob(), 16.0) == 0


def test_an_object_with_an_edge_of_its_own_is_no_seam() -> None:
    """Whether it lies in the region or fills it: the rest of what was made fits."""
    for size in (0.2, 0.3):
        made = flat()
        made[blob(size=size)] = (0.9, 0.2, 0.1)
        assert seam(flat(), made, blob()) < 1


def test_an_edge_that_was_there_is_no_seam() -> None:
    """A thing that was selected along its outline, and comes out in about its colours."""
    source = flat()
    source[blob()] = (0.3, 0.5, 0.9)
    made = source.copy()
    made[blob()] = (0.32, 0.52, 0.86)
    assert seam(source, made, blob(), 0.0) < 1


@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg", "coffee.png", "astronaut.png", "chelsea.png"])
def test_on_photographs_a_shift_is_seen_and_a_softer_copy_is_not(name: str) -> None:
    """Where most of the edge runs through even ground, as with a shift that people would see; a blur of a pixel is what autoencoders do."""
    source = photograph(name)
    region = blob(size=0.25)
    assert seam(source, np.asarray(cv2.GaussianBlur(source, (0, 0), 0.8)), region) < 1
    found = [seam(source, np.clip(source + levels / np.float32(255), 0, 1), region) for levels in (1, 6, 20)]
    assert found == sorted(found)
    assert found[0] < 1


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_an_edge_there_is_no_seam(share: float) -> None:
    alpha = np.full(SIZE, share, np.float32)
    assert visibility(flat(), flat(0.9), flat(0.9), alpha) == 0


@pytest.mark.parametrize("where", [np.s_[:60, :], np.s_[:40, :50], np.s_[100:102, 20:200], np.s_[50:53, 60:63]])
def test_regions_of_every_shape_and_place(where: tuple[slice, slice]) -> None:
    """At the picture's border, as a line, as a dot."""
    region = np.zeros(SIZE, np.bool_)
    region[where] = True
    assert seam(flat(), flat(), region) == 0
    assert 0 <= seam(flat(), flat(0.56), region) < 20


def test_large_pictures_are_looked_at_smaller() -> None:
    source = np.full((1500, 1800, 3), 0.5, np.float32)
    region = blob((1500, 1800))
    assert seam(source, source + np.float32(10 / 255), region, 30.0) > 1
    assert seam(source, source, region, 30.0) == 0
