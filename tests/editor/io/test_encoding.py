"""Encoding for export: size, quality and compression are what was chosen, and work that nobody wants any more stops."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from editor.document.document import Metadata
from editor.errors import UnwritableFile
from editor.geometry import Size
from editor.io.encoding import KINDS, ExportOptions, Stopped, encode, exported_size, options_from, resampled

Pixels = NDArray[np.uint8]


def picture(height: int, width: int) -> Pixels:
    """Something with detail, opaque."""
    y, x = np.mgrid[0:height, 0:width]
    plane = 128 + 100 * np.sin(x / 3) * np.cos(y / 5)
    noise = np.random.default_rng(1).normal(0, 6, (height, width, 3))
    rgb = np.stack([plane, plane[::-1], 255 - plane], -1) + noise
    return np.dstack([rgb.clip(0, 255).astype(np.uint8), np.full((height, width), 255, np.uint8)])


def length(kind: str, options: ExportOptions) -> int:
    return len(encode(picture(200, 300), Metadata(), kind, options).data)


@pytest.mark.parametrize(
    ("kind", "smaller", "larger"),
    [
        ("JPEG", ExportOptions(quality=40), ExportOptions(quality=95)),
        ("JPEG", ExportOptions(chroma="quarter"), ExportOptions(chroma="half")),
        ("JPEG", ExportOptions(chroma="half"), ExportOptions(chroma="full")),
        ("PNG", ExportOptions(compression=9), ExportOptions(compression=0)),
        ("WebP", ExportOptions(quality=40), ExportOptions(lossless=True)),
        ("TIFF", ExportOptions(tiff="deflate"), ExportOptions(tiff="none")),
        ("TIFF", ExportOptions(scaling="percent", percent=50), ExportOptions()),
    ],
)
def test_the_choice_decides_how_large_the_file_is(kind: str, smaller: ExportOptions, larger: ExportOptions) -> None:
    assert length(kind, smaller) < length(kind, larger)


@pytest.mark.parametrize(("chroma", "sampling"), [("full", 0), ("half", 1), ("quarter", 2)])
def test_a_jpeg_has_the_chroma_that_was_chosen(chroma: str, sampling: int) -> None:
    data = encode(picture(40, 40), Metadata(), "JPEG", options_from({"chroma": chroma})).data
    with Image.open(io.BytesIO(data)) as image:
        assert JpegImagePlugin.get_sampling(image) == sampling


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (ExportOptions(), (3000, 2001)),
        (ExportOptions(scaling="longest", longest=1500), (1500, 1000)),
        (ExportOptions(scaling="percent", percent=10), (300, 200)),
        (ExportOptions(scaling="longest", longest=1), (1, 1)),
    ],
)
def test_the_size_follows_the_choice(options: ExportOptions, size: tuple[int, int]) -> None:
    assert exported_size(Size(3000, 2001), options) == size


def test_fine_stripes_keep_their_brightness_when_they_are_made_smaller() -> None:
    stripes = np.full((64, 64, 4), 255, np.uint8)
    stripes[:, ::2, :3] = 0  # half the light
    small = resampled(stripes, Size(16, 16))
    assert np.abs(small[4:-4, 4:-4, :3].astype(int) - 188).max() <= 2  # what half the light is in sRGB, and not 128


def test_an_even_picture_stays_as_it_is_in_any_size() -> None:
    even = np.empty((30, 50, 4), np.uint8)
    even[:] = (10, 120, 250, 255)
    for size in (Size(20, 12), Size(100, 60)):
        assert (resampled(even, size) == (10, 120, 250, 255)).all()


def test_colour_does_not_bleed_out_of_what_is_transparent() -> None:
    half = np.zeros((40, 40, 4), np.uint8)
    half[:, :20] = (200, 100, 50, 255)
    half[:, 20:] = (0, 255, 0, 0)
    small = resampled(half, Size(10, 10))
    assert (small[:, :4, 3] >= 250).all()
    assert np.abs(small[:, :6, :3].astype(int) - (200, 100, 50)).max() <= 1
    assert (small[:, 6:, 3] <= 8).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_nobody_wants_any_more_stops(kind: str) -> None:
    def after(count: int) -> Callable[[], bool]:
        calls = iter(range(1000))
        return lambda: next(calls) >= count

    with pytest.raises(Stopped):
        encode(picture(40, 40), Metadata(), kind, ExportOptions(scaling="percent", percent=50), stopped=after(1))
    with pytest.raises(Stopped):
        encode(picture(40, 40), Metadata(), kind, ExportOptions(), stopped=after(0))


def test_options_that_make_no_sense_are_as_at_first() -> None:
    values = {"quality": 1000, "chroma": "none", "lossless": "yes", "longest": True, "percent": float("nan"), "more": 1}
    assert options_from(values) == ExportOptions()
    assert options_from([1]) == ExportOptions()
    chosen = ExportOptions(40, "half", True, 9, "lzw", "longest", 900, 12.5, False)
    assert options_from(dataclasses.asdict(chosen)) == chosen


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("WebP", ExportOptions(scaling="longest", longest=20_000)),
        ("PNG", ExportOptions(scaling="longest", longest=60_000)),
    ],
)
def test_too_large_a_size_is_refused(kind: str, options: ExportOptions) -> None:
    with pytest.raises(UnwritableFile):
        encode(picture(40, 40), Metadata(), kind, options)
