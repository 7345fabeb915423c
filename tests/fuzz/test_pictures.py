"""Broken pictures of every kind that is read, in every mode: opened, with what is missing said, or refused with a sentence."""

from __future__ import annotations

import io
from functools import cache
from random import Random
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from editor.document.document import Metadata
from editor.io.images import read_image, write_image
from tests.support.campaign import campaign, check
from tests.support.mutations import broken_bytes, broken_png, broken_tiff

pytestmark = pytest.mark.logs

CASES = 2600
WIDTH, HEIGHT = 37, 29


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def _tiff(array: Any, **options: Any) -> bytes:
    data = io.BytesIO()
    tifffile.imwrite(data, array, **options)
    return data.getvalue()


@cache
def examples() -> dict[str, bytes]:
    """Small sound files, by what they are; the first word is the kind."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
    noise[5:20] = noise[5:6, 3:4]
    rgba = Image.fromarray(noise)
    rgb = rgba.convert("RGB")
    deep = random.integers(0, 65536, (HEIGHT, WIDTH, 3), np.uint16)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8298] = 6, "maker", "rights"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    about: dict[str, Any] = {
        "exif": exif,
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        "dpi": (72, 300),
    }
    found: dict[str, bytes] = {}
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        found[f"PNG {mode}"] = _encoded(rgba.convert(mode), "PNG")
    found["PNG about"] = _encoded(rgb, "PNG", **about)
    found["PNG key"] = _encoded(rgb, "PNG", transparency=(1, 2, 3))
    found["PNG moving"] = _encoded(rgb, "PNG", save_all=True, append_images=[rgb.rotate(90), rgb])
    found["PNG deep"] = cv2.imencode(".png", deep)[1].tobytes()
    found["PNG deep grey"] = _encoded(Image.fromarray(deep[..., 0]), "PNG")
    for mode in ("L", "RGB", "CMYK"):
        found[f"JPEG {mode}"] = _encoded(rgba.convert("RGB").convert(mode), "JPEG")
    found["JPEG progressive"] = _encoded(rgb, "JPEG", progressive=True, **about)
    found["JPEG restarts"] = _encoded(rgb, "JPEG", restart_marker_blocks=2)
    found["WEBP lossy"] = _encoded(rgb, "WEBP", **{key: about[key] for key in ("exif", "icc_profile")})
    found["WEBP exact"] = _encoded(rgba, "WEBP", lossless=True)
    found["WEBP moving"] = _encoded(rgba, "WEBP", save_all=True, append_images=[rgba.rotate(90)])
    for packing in (None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        found[f"TIFF {packing}"] = _encoded(rgb, "TIFF", compression=packing)
    images = {mode: rgba.convert(mode) for mode in ("1", "L", "LA", "P", "RGBA")}
    images |= {"CMYK": rgb.convert("CMYK"), "F": rgb.convert("L").convert("F"), "LAB": Image.merge("LAB", rgb.split())}
    images["I;16"] = Image.fromarray(deep[..., 0])
    for mode, image in images.items():
        found[f"TIFF {mode}"] = _encoded(image, "TIFF")
    found["TIFF group4"] = _encoded(rgb.convert("1"), "TIFF", compression="group4")
    found["TIFF about"] = _encoded(rgb, "TIFF", **about)
    found["TIFF pages"] = _encoded(rgb, "TIFF", save_all=True, append_images=[rgb, rgb])
    found["TIFF deep"] = _tiff(deep, photometric="rgb", rowsperstrip=8)
    found["TIFF tiles"] = _tiff(noise[..., :3], photometric="rgb", tile=(16, 16))
    found["TIFF extra"] = _tiff(np.dstack([deep, deep[..., :1]]), photometric="rgb", extrasamples=[0])
    found["TIFF big"] = _tiff(noise[..., :3], photometric="rgb", bigtiff=True)
    found["TIFF big-endian"] = _tiff(noise[..., :3], photometric="rgb", byteorder=">")
    return found


def _trial(random: Random) -> bool:
    name = random.choice(list(examples()))
    data = examples()[name]
    kind = name.split(" ")[0]
    if kind == "PNG" and random.random() < 0.6:
        data = broken_png(random, data)
    elif kind == "TIFF" and name != "TIFF big" and random.random() < 0.6:
        data = broken_tiff(random, data)
    else:
        data = broken_bytes(random, data, list(examples().values()))
    picture = read_image(data, "picture")
    assert picture.pixels.shape[2] == 4
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.size > 0
    assert not picture.pixels.flags.writeable
    assert all(note.endswith(".") for note in picture.notes)
    return True


def test_every_example_is_sound() -> None:
    for name, data in examples().items():
        if name in ("TIFF F", "TIFF jpeg"):
            continue
        assert min(read_image(data, name).pixels.shape[:2]) == HEIGHT


def test_some_broken_pictures() -> None:
    check("pictures", campaign("pictures", range(60), _trial))


@pytest.mark.slow
def test_many_broken_pictures() -> None:
    check("pictures", campaign("pictures", range(CASES), _trial))


def test_what_was_kept_of_a_broken_picture_can_be_written(tmp_path: Any) -> None:
    """Profile and EXIF of what opened go into a new file, or are left out and said."""

    def trial(random: Random) -> bool:
        name = random.choice([name for name in examples() if "about" in name or "progressive" in name])
        picture = read_image(broken_bytes(random, examples()[name]))
        assert isinstance(picture.metadata, Metadata)
        for suffix in (".png", ".jpg", ".webp", ".tif"):
            write_image(tmp_path / f"x{suffix}", picture.pixels[:50, :50], picture.metadata)
        return True

    check("written pictures", campaign("written pictures", range(40), trial))
