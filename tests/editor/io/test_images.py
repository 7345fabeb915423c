"""Pictures: read upright with everything that came along, and written so that it is there again."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from editor.document.document import Metadata
from editor.errors import UnwritableFile
from editor.io.encoding import ExportOptions
from editor.io.exif import PREFIX, upright
from editor.io.images import EXPORT_KINDS, READ_KINDS, read_image, write_image

Pixels = NDArray[np.uint8]

MAKE, ORIENTATION, EXIF, GPS, APERTURE = 271, 274, 0x8769, 0x8825, 37378


def noise(height: int, width: int, channels: int = 4) -> Pixels:
    return np.random.default_rng(5).integers(0, 256, (height, width, channels), np.uint8)


def smooth(height: int, width: int) -> Pixels:
    """Something that JPEG hardly changes."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([2 * x + 20, 2 * y + 30, x + y + 40], axis=-1).astype(np.uint8)


def opaque(rgb: Pixels) -> Pixels:
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


@functools.cache  # it carries the time of day
def srgb() -> bytes:
    return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def grey_profile() -> bytes:
    """A minimal ICC profile for grey with gamma 1, so that a conversion to sRGB shows."""
    white = b"XYZ \0\0\0\0" + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"grey\0" + bytes(78)
    tags = [(b"wtpt", white), (b"kTRC", curve), (b"desc", text)]
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags:
        table += name + struct.pack(">II", at + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(body), bytes(4), 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    return head.ljust(128, b"\0") + table + body


def camera_exif(orientation: int = 1) -> bytes:
    made = Image.Exif()
    made[MAKE] = "Camera"
    made[ORIENTATION] = orientation
    made.get_ifd(EXIF)[APERTURE] = 2.8
    made.get_ifd(GPS)[1] = "N"
    return made.tobytes()


def tags(exif: bytes | None) -> tuple[object, object, object, object]:
    """Make, orientation, aperture and hemisphere."""
    found = Image.Exif()
    found.load(exif or b"")
    return found.get(MAKE), found.get(ORIENTATION, 1), found.get_ifd(EXIF).get(APERTURE), found.get_ifd(GPS).get(1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from([".png", ".tif", ".tiff", ".webp", ".PNG"]),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    transparent=st.booleans(),
    metadata=st.builds(
        Metadata,
        st.sampled_from([None, srgb()]),
        st.sampled_from([None, camera_exif()]),
        st.none() | st.tuples(st.integers(10, 1200), st.integers(10, 1200)),
    ),
)
def test_lossless_kinds_give_back_every_pixel_and_what_came_along(
    tmp_path: Path, suffix: str, shape: tuple[int, int], transparent: bool, metadata: Metadata
) -> None:
    path = tmp_path / f"round{suffix}"
    pixels = noise(*shape)
    if not transparent:
        pixels[..., 3] = 255
    assert write_image(path, pixels, metadata, ExportOptions(lossless=True)) == ()
    found = read_image(path)
    assert np.array_equal(found.pixels, pixels)
    assert not found.pixels.flags.writeable
    assert found.notes == ()
    assert found.name == "round"
    assert found.metadata.icc == metadata.icc
    assert tags(found.metadata.exif) == tags(metadata.exif)
    if suffix != ".webp":  # which has no place for it but EXIF
        assert found.metadata.dpi == (metadata.dpi and pytest.approx(metadata.dpi, abs=0.02))
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    path.unlink()


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_kinds_stay_close_and_keep_what_came_along(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"lossy{suffix}"
    pixels = opaque(smooth(64, 48))
    assert write_image(path, pixels, Metadata(srgb(), camera_exif(), (300.0, 300.0)), ExportOptions(quality=95)) == ()
    found = read_image(path)
    assert np.abs(found.pixels.astype(int) - pixels).max() <= 6
    assert found.metadata.icc == srgb()
    assert tags(found.metadata.exif) == ("Camera", 1, 2.8, "N")


def test_quality_decides_the_size(tmp_path: Path) -> None:
    low, high = tmp_path / "low.jpg", tmp_path / "high.jpg"
    write_image(low, opaque(noise(64, 64, 3)), Metadata(), ExportOptions(quality=20))
    write_image(high, opaque(noise(64, 64, 3)), Metadata(), ExportOptions(quality=95))
    assert low.stat().st_size < high.stat().st_size / 2


def test_a_transparent_picture_goes_onto_white_in_a_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "white.jpg"
    pixels = np.zeros((300, 32, 4), np.uint8)
    pixels[:, 16:] = (0, 0, 0, 128)
    notes = write_image(path, pixels, Metadata(), ExportOptions(quality=100))
    assert len(notes) == 1
    assert "white" in notes[0]
    found = read_image(path).pixels
    assert (found[:, :15, :3] >= 253).all()
    assert np.abs(found[:, 17:, :3].astype(int) - 127).max() <= 2


def test_exif_too_long_for_a_jpeg_is_left_out_and_said(tmp_path: Path) -> None:
    made = Image.Exif()
    made[MAKE] = "x" * 70_000
    notes = write_image(tmp_path / "long.jpg", opaque(noise(8, 8, 3)), Metadata(exif=made.tobytes()))
    assert "EXIF" in notes[0]
    assert read_image(tmp_path / "long.jpg").metadata.exif is None


def test_broken_exif_does_not_stop_a_tiff(tmp_path: Path) -> None:
    broken = Metadata(exif=PREFIX + b"no EXIF at all")
    assert write_image(tmp_path / "kept.png", noise(4, 4), broken) == ()
    notes = write_image(tmp_path / "left.tif", noise(4, 4), broken)
    assert "EXIF" in notes[0]
    assert np.array_equal(read_image(tmp_path / "left.tif").pixels, noise(4, 4))


@pytest.mark.parametrize("dpi", [(0.0, 0.0), (1e12, 300.0), (float("nan"), 300.0)])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_a_resolution_that_makes_no_sense_is_dropped(tmp_path: Path, suffix: str, dpi: tuple[float, float]) -> None:
    path = tmp_path / f"dots{suffix}"
    write_image(path, opaque(noise(4, 4, 3)), Metadata(dpi=dpi))
    assert read_image(path).metadata.dpi is None


@pytest.mark.parametrize(("name", "size"), [("wide.webp", (1, 16_384)), ("wide.jpg", (1, 65_536))])
def test_a_side_too_long_for_the_kind_is_refused(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    with pytest.raises(UnwritableFile, match="at most") as caught:
        write_image(tmp_path / name, np.zeros((*size, 4), np.uint8), Metadata())
    assert "PNG" in caught.value.advice
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnwritableFile, match="what kind"):
        write_image(tmp_path / "picture.xyz", noise(2, 2), Metadata())


def test_what_can_be_written_can_be_opened() -> None:
    readable = {suffix for kind in READ_KINDS for suffix in kind.suffixes}
    assert {suffix for kind in EXPORT_KINDS for suffix in kind.suffixes} <= readable
    assert [kind.name for kind in EXPORT_KINDS if kind.quality] == ["JPEG", "WebP"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_come_upright_and_their_exif_says_so(kind: str, orientation: int) -> None:
    stored = Image.fromarray(smooth(40, 56))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[MAKE] = "Camera"
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    data = saved(stored, kind, exif=exif, dpi=(100, 200), **options)
    found = read_image(data)
    tagged = Image.fromarray(smooth(40, 56))
    tagged.getexif()[ORIENTATION] = orientation
    wanted = np.asarray(ImageOps.exif_transpose(tagged))
    assert found.pixels.shape == (*wanted.shape[:2], 4)
    assert np.abs(found.pixels[..., :3].astype(int) - wanted).max() <= 3
    assert tags(found.metadata.exif)[:2] == ("Camera", 1)
    if kind != "WEBP":
        assert found.metadata.dpi == ((200, 100) if orientation >= 5 else (100, 200))


def test_the_preview_of_the_unedited_picture_does_not_travel_along() -> None:
    secret = b"\xff\xd8 what was there before \xff\xd9"
    first = 8 + 2 + 12 + 4
    block = b"II*\0" + struct.pack("<I", 8)
    block += struct.pack("<HHHIHHI", 1, ORIENTATION, 3, 1, 6, 0, first)
    second = struct.pack("<H", 2)
    second += struct.pack("<HHII", 0x0201, 4, 1, first + 2 + 24 + 4) + struct.pack("<HHII", 0x0202, 4, 1, len(secret))
    block += second + struct.pack("<I", 0) + secret
    found, orientation = upright(PREFIX + block)
    assert orientation == 6
    assert len(found) == len(PREFIX + block)
    assert b"what was there" not in found
    assert upright(found) == (found, 1)


@given(st.binary(max_size=80), st.sampled_from([b"", PREFIX, PREFIX + b"II*\0\x08\0\0\0", PREFIX + b"MM\0*\0\0\0\x08"]))
def test_no_exif_however_broken_stops_a_picture(rest: bytes, start: bytes) -> None:
    found, orientation = upright(start + rest)
    assert 1 <= orientation <= 8
    assert isinstance(found, bytes)


def test_16_bit_png_is_rounded_to_8(tmp_path: Path) -> None:
    for channels in (3, 4):
        deep = np.random.default_rng(1).integers(0, 65536, (20, 30, channels), np.uint16)
        path = tmp_path / "deep.png"
        assert cv2.imwrite(str(path), deep)
        found = read_image(path)
        order = [2, 1, 0, 3][:channels]
        wanted = np.rint(deep[..., order] / 257)
        assert np.array_equal(found.pixels[..., :channels], wanted)
        assert channels == 4 or (found.pixels[..., 3] == 255).all()
        assert "16 bits" in found.notes[0]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_is_rounded_to_8(tmp_path: Path, suffix: str) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (20, 30), np.uint16)
    path = tmp_path / f"deep{suffix}"
    assert cv2.imwrite(str(path), deep)
    found = read_image(path)
    assert np.array_equal(found.pixels[..., 1], np.rint(deep / 257))
    assert "16 bits" in found.notes[0]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_tiff_is_rounded_to_8(order: Literal["<", ">"], compression: str | None, channels: int) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (20, 30, channels), np.uint16)
    data = io.BytesIO()
    with tifffile.TiffWriter(data, byteorder=order) as writer:
        extra = ["unassalpha"] if channels == 4 else None
        writer.write(deep, photometric="rgb", extrasamples=extra, compression=compression)
    found = read_image(data.getvalue())
    assert np.array_equal(found.pixels[..., :channels], np.rint(deep / 257))
    assert "16 bits" in found.notes[0]


def test_16_bit_tiff_multiplied_by_alpha_is_divided_again() -> None:
    deep = np.full((6, 6, 4), (16384, 8192, 0, 32768), np.uint16)
    data = io.BytesIO()
    tifffile.imwrite(data, deep, photometric="rgb", extrasamples=["assocalpha"])
    assert np.abs(read_image(data.getvalue()).pixels[0, 0].astype(int) - (128, 64, 0, 128)).max() <= 1


def test_white_may_be_zero() -> None:
    for dtype in (np.uint8, np.uint16):
        data = io.BytesIO()
        tifffile.imwrite(data, np.zeros((5, 6), dtype), photometric="miniswhite")
        assert (read_image(data.getvalue()).pixels == 255).all()


def test_palette_with_transparency() -> None:
    image = Image.new("P", (4, 2))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2, 0, 1, 2, 0, 1])
    found = read_image(saved(image, "PNG", transparency=1))
    assert found.pixels[0].tolist() == [[255, 0, 0, 255], [0, 255, 0, 0], [0, 0, 255, 255], [255, 0, 0, 255]]


def test_a_colour_key_becomes_alpha() -> None:
    image = Image.new("RGB", (3, 1), (9, 8, 7))
    image.putpixel((1, 0), (1, 2, 3))
    found = read_image(saved(image, "PNG", transparency=(1, 2, 3)))
    assert found.pixels[0].tolist() == [[9, 8, 7, 255], [1, 2, 3, 0], [9, 8, 7, 255]]


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_becomes_three_equal_channels(mode: str) -> None:
    image = Image.fromarray(noise(5, 6, 4)).convert(mode)
    found = read_image(saved(image, "PNG"))
    assert np.array_equal(found.pixels, np.asarray(image.convert("RGBA")))


def test_grey_with_a_grey_profile_is_converted_and_said() -> None:
    found = read_image(saved(Image.new("L", (4, 4), 64), "PNG", icc_profile=grey_profile()))
    assert found.metadata.icc is None
    assert found.pixels[0, 0, 0] > 120  # linear 64 is much brighter in sRGB
    assert found.pixels[0, 0, 0] == found.pixels[0, 0, 2]
    assert any("sRGB" in note for note in found.notes)


def test_grey_with_a_colour_profile_keeps_it() -> None:
    found = read_image(saved(Image.new("L", (4, 4), 64), "JPEG", icc_profile=srgb()))
    assert found.metadata.icc == srgb()
    assert found.notes == ()


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_printing_colours_without_a_profile_are_approximate(kind: str) -> None:
    found = read_image(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), kind))
    assert found.pixels[4, 4, 0] > 200
    assert found.pixels[4, 4, 1] < 60
    assert any("approximate" in note for note in found.notes)


def test_printing_colours_with_a_broken_profile_still_open() -> None:
    broken = bytes(16) + b"CMYK" + bytes(108)
    found = read_image(saved(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG", icc_profile=broken))
    assert found.pixels[4, 4].tolist() == [255, 255, 255, 255]
    assert found.metadata.icc is None
    assert any("approximate" in note for note in found.notes)


def test_lab_tiff_becomes_srgb() -> None:
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (3, 3), (200, 100, 50)),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    found = read_image(saved(lab, "TIFF"))
    assert np.abs(found.pixels[1, 1, :3].astype(int) - (200, 100, 50)).max() <= 3


def test_only_the_first_of_several_frames_is_opened() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for kind in ("PNG", "TIFF", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        found = read_image(saved(frames[0], kind, save_all=True, append_images=frames[1:], **options))
        assert found.pixels[0, 0].tolist() == [255, 0, 0, 255]
        assert any("several" in note for note in found.notes)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_tiff_compressions(compression: str) -> None:
    pixels = smooth(33, 47)
    found = read_image(saved(Image.fromarray(pixels), "TIFF", compression=compression))
    assert np.abs(found.pixels[..., :3].astype(int) - pixels).max() <= (8 if compression == "jpeg" else 0)
    assert (found.pixels[..., 3] == 255).all()


def test_progressive_and_interlaced_files() -> None:
    pixels = smooth(70, 90)
    progressive = read_image(saved(Image.fromarray(pixels), "JPEG", quality=98, progressive=True))
    assert np.abs(progressive.pixels[..., :3].astype(int) - pixels).max() <= 8
    assert progressive.pixels.flags.c_contiguous


def test_decoding_in_place_gives_what_pillow_gives() -> None:
    rgb, rgba = Image.fromarray(noise(75, 50, 3)), Image.fromarray(noise(75, 50, 4))
    for image, kind, options in (
        (rgb, "JPEG", {"quality": 85}),
        (rgb, "JPEG", {"quality": 85, "subsampling": 0, "progressive": True}),
        (rgb, "PNG", {}),
        (rgba, "PNG", {}),
        (rgb, "WEBP", {}),
        (rgba, "WEBP", {"lossless": True}),
        (rgb, "TIFF", {}),
        (rgba, "TIFF", {"compression": "tiff_lzw"}),
    ):
        data = saved(image, kind, **options)
        assert np.array_equal(read_image(data).pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")))


def test_content_decides_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(saved(Image.fromarray(noise(6, 7, 3)), "PNG"))
    assert np.array_equal(read_image(path).pixels[..., :3], noise(6, 7, 3))


def test_names() -> None:
    data = saved(Image.new("RGB", (2, 2)), "PNG")
    assert read_image(data).name == "Picture"
    assert read_image(data, "Dropped").name == "Dropped"


def test_exif_behind_the_pixels_is_found() -> None:
    data = saved(Image.fromarray(smooth(10, 20)), "PNG")
    chunk = b"eXIf" + camera_exif(6)[len(PREFIX) :]
    end = data.index(b"IEND") - 4
    chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    found = read_image(data[:end] + chunk + data[end:])
    assert found.pixels.shape == (20, 10, 4)
    assert tags(found.metadata.exif) == ("Camera", 1, 2.8, "N")


def test_a_96_megapixel_picture_opens_without_a_warning() -> None:
    data = saved(Image.new("RGB", (12_000, 8_000), (1, 2, 3)), "TIFF", compression="tiff_adobe_deflate")
    assert read_image(data).pixels.shape == (8_000, 12_000, 4)
