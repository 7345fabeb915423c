"""Pictures that end properly before they are complete, and channels that are no alpha: what is there opens, what is missing is said."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from editor.errors import UnreadableFile
from editor.io.images import MAX_SIDE, read_image
from editor.io.missing import CHANNELS, PASSES
from tests.support.alarm import time_limit

HEIGHT, WIDTH = 100, 64


def png(
    rows: int, depth: int, colour: int, *, interlaced: bool = False, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> bytes:
    """A PNG whose stream ends well after so many rows of its 100; of an interlaced one, after so many hundredths of its rows."""
    width, height = size
    bits = CHANNELS[colour] * depth
    lines: list[bytes] = []
    for left, top, across, down in PASSES if interlaced else ((0, 0, 1, 1),):
        columns, count = -(-(width - left) // across), -(-(height - top) // down)
        lines += [b"\0" + b"\xaa" * ((columns * bits + 7) // 8)] * count
    data = b"".join(lines[: len(lines) * rows // 100])
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    palette = (
        [(b"PLTE", bytes(range(256)) * (3 * 2**depth // 256) or bytes(range(3 * 2**depth)))] if colour == 3 else []
    )
    chunks = [(b"IHDR", head), *palette, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


KINDS = [(1, 0), (8, 0), (16, 0), (8, 2), (16, 2), (4, 3), (8, 3), (8, 4), (16, 4), (8, 6), (16, 6)]


@pytest.mark.parametrize(("depth", "colour"), KINDS)
def test_rows_that_a_png_does_not_hold_are_empty_and_said(depth: int, colour: int) -> None:
    part, whole = read_image(png(10, depth, colour)), read_image(png(100, depth, colour))
    assert "Only the first 10 of 100 rows are in the file; the rest is empty." in part.notes
    assert not any("rows" in note for note in whole.notes)
    np.testing.assert_array_equal(part.pixels[:10], whole.pixels[:10])
    assert part.pixels[:10, :, 3].any()
    assert not part.pixels[10:].any()


@pytest.mark.parametrize(("depth", "colour"), KINDS)
def test_an_interlaced_png_says_how_much_is_missing(depth: int, colour: int) -> None:
    part = read_image(png(50, depth, colour, interlaced=True))
    (note,) = (note for note in part.notes if "missing" in note)
    assert note.startswith("The file holds only ")
    assert not any("missing" in note for note in read_image(png(100, depth, colour, interlaced=True)).notes)


def noise(height: int = 160, width: int = 160) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def jpeg(pixels: NDArray[np.uint8], **options: Any) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=85, **options)
    return data.getvalue()


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"restart_marker_blocks": 4}, {"grey": True}])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_rows_that_a_jpeg_does_not_hold_are_empty_and_said(options: dict[str, Any], share: float) -> None:
    pixels = noise()[..., 0] if options.pop("grey", False) else noise()
    whole = jpeg(pixels, **options)
    assert read_image(whole).notes == ()
    part = read_image(whole[: int(len(whole) * share)] + b"\xff\xd9")
    (note,) = part.notes
    rows = int(note.removeprefix("Only the first ").split(" ")[0])
    assert note == f"Only the first {rows} of 160 rows are in the file; the rest is empty."
    assert abs(rows - 160 * share) < 20
    assert not part.pixels[rows:].any()
    assert (part.pixels[:rows, :, 3] == 255).all()


def test_a_progressive_jpeg_without_its_last_scans_says_so() -> None:
    whole = jpeg(noise(), progressive=True)
    assert read_image(whole).notes == ()
    part = read_image(whole[: len(whole) // 2] + b"\xff\xd9")
    assert part.notes == ("The file ends early: fine detail of the picture is missing.",)


@pytest.mark.parametrize("shade", [0, 128, 255])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA"])
def test_a_picture_that_ends_in_one_shade_is_complete(kind: str, mode: str, shade: int) -> None:
    if kind == "JPEG" and mode in ("P", "RGBA"):
        return
    pixels = noise()
    pixels[80:] = shade
    image = Image.fromarray(pixels).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(np.where(pixels[..., 0] == shade, 0, 255).astype(np.uint8)))
    data = io.BytesIO()
    image.save(data, kind)
    picture = read_image(data.getvalue())
    assert picture.notes == ()
    np.testing.assert_array_equal(picture.pixels[..., 3], np.asarray(image.convert("RGBA"))[..., 3])


def test_strips_that_a_tiff_does_not_list_are_empty_and_said() -> None:
    data = io.BytesIO()
    tifffile.imwrite(data, noise(), photometric="rgb", rowsperstrip=16)
    cut = bytearray(data.getvalue())
    at = int.from_bytes(cut[4:8], "little")
    for entry in range(at + 2, at + 2 + 12 * int.from_bytes(cut[at : at + 2], "little"), 12):
        if int.from_bytes(cut[entry : entry + 2], "little") in (273, 279):
            cut[entry + 4 : entry + 8] = (4).to_bytes(4, "little")
    picture = read_image(bytes(cut))
    assert picture.notes == ("Only the first 64 of 160 rows are in the file; the rest is empty.",)
    np.testing.assert_array_equal(picture.pixels[:64, :, :3], noise()[:64])
    assert not picture.pixels[64:].any()


def test_a_webp_that_ends_properly_but_early_is_refused() -> None:
    data = io.BytesIO()
    Image.fromarray(noise()).save(data, "WEBP")
    part = bytearray(data.getvalue()[: len(data.getvalue()) // 2 & ~1])
    part[4:8] = (len(part) - 8).to_bytes(4, "little")
    part[16:20] = (len(part) - 20).to_bytes(4, "little")
    with pytest.raises(UnreadableFile, match="damaged or incomplete"):
        read_image(bytes(part))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("extra", "opaque"), [(0, True), (1, False), (2, False)])
def test_only_a_channel_that_is_called_alpha_is_alpha(dtype: type, extra: int, opaque: bool) -> None:
    """A selection that was saved along (ExtraSamples 0) hides nothing, whatever the depth."""
    full = np.iinfo(dtype).max
    stored: NDArray[Any] = np.zeros((40, 60, 4), dtype)
    stored[..., :3] = full // 3
    stored[:20, :, 3] = full
    stored[20:, :, :3] = 0 if extra == 1 else full // 3  # multiplied by alpha
    data = io.BytesIO()
    tifffile.imwrite(data, stored, photometric="rgb", extrasamples=[extra])
    pixels = read_image(data.getvalue()).pixels
    assert (pixels[20:, :, 3] == (255 if opaque else 0)).all()
    assert (pixels[:20, :, 3] == 255).all()
    assert (pixels[:20, :, :3] == 85).all()


@pytest.mark.parametrize("size", [(1, 400_000_000), (400_000_000, 1), (MAX_SIDE + 1, 1), (1, MAX_SIDE + 1)])
def test_a_side_has_its_limit_too(tmp_path: Path, size: tuple[int, int]) -> None:
    small = png(100, 8, 0)
    head = b"IHDR" + struct.pack(">II", *size) + small[24:29]
    path = tmp_path / "tall.png"
    path.write_bytes(small[:12] + head + struct.pack(">I", zlib.crc32(head)) + small[33:])
    with pytest.raises(UnreadableFile, match=f"sides of up to {MAX_SIDE} pixels"):
        read_image(path)


@pytest.mark.parametrize("size", [(1, MAX_SIDE), (MAX_SIDE, 1)])
def test_the_longest_side_opens(size: tuple[int, int]) -> None:
    picture = read_image(png(100, 8, 2, size=size))
    assert picture.pixels.shape == (size[1], size[0], 4)
    assert picture.notes == ()


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    """A decoder goes over the whole picture for each of them, however few bytes it has."""
    whole = jpeg(noise(), progressive=True)
    last = whole.rfind(b"\xff\xda")
    read_image(whole[:last] + whole[last:-2] * 20 + whole[-2:])
    with pytest.raises(UnreadableFile, match="damaged"):
        read_image(whole[:last] + whole[last:-2] * 300 + whole[-2:])


def test_what_a_project_could_not_take_back_is_left_out_and_said(tmp_path: Path) -> None:
    data = png(100, 8, 2)
    exif = b"eXIf", b"II*\0\x08\0\0\0" + bytes(17 * 2**20)
    chunk = struct.pack(">I", len(exif[1])) + b"".join(exif) + struct.pack(">I", zlib.crc32(b"".join(exif)))
    picture = read_image(data[:33] + chunk + data[33:])
    assert picture.metadata.exif is None
    assert picture.notes == ("The camera's data (EXIF) is far too long and was left out.",)
    tiff = io.BytesIO()
    tifffile.imwrite(tiff, noise(), photometric="rgb", iccprofile=bytes(16) + b"RGB " + bytes(17 * 2**20))
    picture = read_image(tiff.getvalue())
    assert picture.metadata.icc is None
    assert picture.notes == ("The colour profile is far too long and was left out.",)


def test_a_webp_of_very_many_pictures_shows_its_first() -> None:
    data = io.BytesIO()
    one = Image.fromarray(noise(16, 16))
    one.save(data, "WEBP", save_all=True, append_images=[one.rotate(90)])
    whole = data.getvalue()
    at = whole.find(b"ANMF")
    size = 8 + int.from_bytes(whole[at + 4 : at + 8], "little")
    many = whole[:at] + whole[at : at + size] * 20_000
    many = many[:4] + (len(many) - 8).to_bytes(4, "little") + many[8:]
    with time_limit(20):
        picture = read_image(many)
    assert picture.pixels.shape == (16, 16, 4)
    assert picture.notes == ("The file holds several pictures; the first was opened.",)
