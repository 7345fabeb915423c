"""Wherever a file may state its colour space or how it lies, it counts; and 8 and 16 bits of the same open the same."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from editor.document import colour
from editor.io.icc import DISPLAY_P3, REC_2020, SRGB, matrix_profile, rec_709_curve, srgb_curve
from editor.io.images import Picture, read_image
from editor.io.png_texts import raw_profile
from editor.io.stated import BRIGHT, BROKEN
from tests.support.colour_files import (
    Chunk,
    Pixels,
    adobe_rgb,
    chrm,
    display_p3,
    exif,
    gama,
    iccp,
    linear_grey,
    patches,
    png,
    saved,
    tiff,
)

GREEN = 60, 200, 60
ADOBE_CHRM = chrm(0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
SRGB_CHRM = chrm(0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)


def green(dtype: type = np.uint8) -> np.ndarray:
    return np.full((3, 4, 3), GREEN, dtype) * (257 if dtype is np.uint16 else 1)


def in_text(name: str, profile: bytes) -> Chunk:
    """As ImageMagick wrote profiles before PNG had a place for them."""
    text = raw_profile(name, profile).encode()
    return b"zTXt", f"Raw profile type {name}".encode() + b"\0\0" + zlib.compress(text)


def in_srgb(picture: Picture) -> tuple[int, ...]:
    return tuple(int(value) for value in colour.to_srgb(picture.pixels, picture.metadata.icc)[1, 1, :3])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("chunks", "shown"),
    [
        ([], GREEN),
        ([(b"sRGB", b"\0")], GREEN),
        ([iccp(adobe_rgb())], (0, 201, 37)),
        ([iccp(display_p3())], (0, 203, 11)),
        ([in_text("icc", adobe_rgb())], (0, 201, 37)),
        ([in_text("icm", display_p3())], (0, 203, 11)),
        ([in_text("icc", adobe_rgb()), iccp(display_p3())], (0, 203, 11)),
        ([ADOBE_CHRM, gama(45455)], (0, 201, 37)),
        ([gama(45455)], GREEN),
        ([SRGB_CHRM, gama(45455)], GREEN),
        ([gama(100000)], (133, 229, 133)),  # light itself: 60 / 255 of it is 133 in sRGB
        ([(b"cICP", bytes([12, 13, 0, 1]))], (0, 203, 11)),
        ([(b"cICP", bytes([1, 13, 0, 1]))], GREEN),
        # The first of cICP, iCCP, sRGB, gAMA with cHRM counts.
        ([(b"cICP", bytes([12, 13, 0, 1])), iccp(adobe_rgb()), ADOBE_CHRM, gama(45455)], (0, 203, 11)),
        ([iccp(display_p3()), ADOBE_CHRM, gama(45455)], (0, 203, 11)),
        ([(b"sRGB", b"\0"), ADOBE_CHRM, gama(45455)], GREEN),
        # What makes no sense does not count.
        ([(b"cICP", bytes([77, 13, 0, 1])), iccp(adobe_rgb())], (0, 201, 37)),
        ([(b"cICP", bytes([12, 13, 0]))], GREEN),
        ([gama(0)], GREEN),
        ([chrm(0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3), gama(45455)], GREEN),
        ([chrm(0, 0, 0, 0, 0, 0, 0, 0), gama(45455)], GREEN),
        ([chrm(20000, 0.329, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06), gama(45455)], GREEN),
        # EXIF in the file, before the pixels.
        ([(b"eXIf", exif(colour_space=2)[6:])], (0, 201, 37)),
        ([(b"eXIf", exif(colour_space=0xFFFF, interoperability="R03")[6:])], (0, 201, 37)),
        ([(b"eXIf", exif(colour_space=2)[6:]), (b"sRGB", b"\0")], GREEN),
    ],
)
def test_what_a_png_states(chunks: list[Chunk], shown: tuple[int, ...], dtype: type) -> None:
    found = read_image(png(green(dtype), chunks))
    assert found.pixels[1, 1].tolist() == [*GREEN, 255]  # the numbers stay
    assert np.abs(np.subtract(in_srgb(found), shown)).max() <= 1
    assert found.notes == (() if dtype is np.uint8 else ("The file has 16 bits per channel; they were reduced to 8.",))


@pytest.mark.parametrize("transfer", [16, 18])
def test_an_hdr_picture_becomes_srgb_and_says_so(transfer: int) -> None:
    levels = np.repeat(np.linspace(0, 255, 256).round().astype(np.uint8)[None, :, None], 3, axis=2)
    found = read_image(png(levels, [(b"cICP", bytes([9, transfer, 0, 1]))]))
    assert found.metadata.icc is None
    assert BRIGHT in found.notes
    row = found.pixels[0, :, 1].astype(int)
    assert row[0] == 0
    assert (np.diff(row) >= 0).all()
    # Paper white, 203 candela per square metre, stands at 58 % of PQ and at 75 % of HLG.
    white = 0.581 if transfer == 16 else 0.75
    assert np.flatnonzero(row >= 254)[0] == pytest.approx(white * 255, abs=2)


def test_an_incomplete_profile_is_said_and_srgb_is_taken() -> None:
    found = read_image(png(green(), [(b"iCCP", b"profile\0\0" + b"nonsense")]))
    assert in_srgb(found) == GREEN
    assert BROKEN in found.notes


def test_a_jpegs_profile_in_many_pieces_in_any_order() -> None:
    icc = adobe_rgb() + bytes(200_000)  # what follows the tags belongs to it
    icc = struct.pack(">I", len(icc)) + icc[4:]
    data = saved(Image.fromarray(green()), "JPEG", quality=100, subsampling=0, icc_profile=icc)
    parts = data.split(b"\xff\xe2")
    assert len(parts) == 5
    last = parts[-1][: 2 + struct.unpack(">H", parts[-1][:2])[0] - 2]
    shuffled = parts[0] + b"".join(b"\xff\xe2" + part for part in (last, *parts[1:-1][::-1])) + parts[-1][len(last) :]
    for each in (data, shuffled):
        found = read_image(each)
        assert found.metadata.icc == icc
        assert np.abs(np.subtract(in_srgb(found), (0, 201, 37))).max() <= 2
    missing = read_image(b"\xff\xe2".join([parts[0], *parts[2:]]))
    assert missing.metadata.icc is None
    assert BROKEN in missing.notes


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize(
    ("block", "shown"),
    [
        (exif(colour_space=1), GREEN),
        (exif(colour_space=2), (0, 201, 37)),
        (exif(colour_space=0xFFFF), GREEN),
        (exif(colour_space=0xFFFF, interoperability="R98"), GREEN),
        (exif(colour_space=0xFFFF, interoperability="R03"), (0, 201, 37)),
    ],
)
def test_what_exif_states(kind: str, block: bytes, shown: tuple[int, ...]) -> None:
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0}
    found = read_image(saved(Image.fromarray(green()), kind, exif=block, **options))
    assert np.abs(np.subtract(in_srgb(found), shown)).max() <= 2
    tagged = read_image(saved(Image.fromarray(green()), kind, exif=block, icc_profile=display_p3(), **options))
    assert tagged.metadata.icc == display_p3()  # which says it better


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_the_tags_of_a_tiff_state(dtype: type) -> None:
    assert in_srgb(read_image(tiff(green(dtype), icc=adobe_rgb()))) == (0, 201, 37)
    rational = [(v, 10_000) for v in (3127, 3290, 6400, 3300, 2100, 7100, 1500, 600)]
    flat = [number for pair in rational for number in pair]
    extra = [(318, "2I", 2, flat[:4], True), (319, "2I", 6, flat[4:], True)]
    data = io.BytesIO()
    tifffile.imwrite(data, green(dtype), photometric="rgb", extratags=extra, metadata=None)
    assert in_srgb(read_image(data.getvalue())) == (0, 201, 37)


def test_a_profile_that_leads_only_one_way_is_converted_and_said() -> None:
    # An input profile without curves is of no use for the way back.
    scanner = matrix_profile("scanner", REC_2020, np.full(64, 0.5))
    assert not colour.can_be_edited_in(scanner) or colour.same_space(scanner, scanner)
    broken = bytes(16) + b"RGB " + bytes(400)
    found = read_image(saved(Image.fromarray(green()), "TIFF", icc_profile=broken))
    assert found.metadata.icc is None
    assert in_srgb(found) == GREEN
    assert any("broken" in note for note in found.notes)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "PNG behind", "PNG old", "PNG 16", "JPEG", "WEBP", "TIFF", "TIFF 16"])
def test_a_picture_lies_as_its_file_says(kind: str, orientation: int) -> None:
    upright = patches()[..., :3]
    turns = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright.transpose(1, 0, 2), 2),
        8: np.rot90(upright, 3),
    }
    stored = np.ascontiguousarray(turns[orientation])
    deep = stored.astype(np.uint16) * 257
    block = exif(orientation)
    text = f"\nexif\n{len(block):8d}\n{block.hex()}\n"
    data = {
        "PNG": lambda: png(stored, [(b"eXIf", block[6:])]),
        "PNG behind": lambda: png(stored, behind=[(b"eXIf", block[6:])]),
        "PNG old": lambda: png(stored, [(b"tEXt", b"Raw profile type exif\0" + text.encode())]),
        "PNG 16": lambda: png(deep, [(b"eXIf", block[6:])]),
        "JPEG": lambda: saved(Image.fromarray(stored), "JPEG", quality=100, subsampling=0, exif=block),
        "WEBP": lambda: saved(Image.fromarray(stored), "WEBP", lossless=True, exif=block),
        "TIFF": lambda: tiff(stored, orientation=orientation),
        "TIFF 16": lambda: tiff(deep, orientation=orientation),
    }[kind]()
    found = read_image(data).pixels[..., :3]
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).max() <= (4 if kind == "JPEG" else 0)


def contents(pixels: Pixels, channels: int) -> Pixels:
    match channels:
        case 1:
            return np.ascontiguousarray(pixels[..., 1])
        case 2:
            return np.ascontiguousarray(pixels[..., [1, 3]])
        case _:
            return np.ascontiguousarray(pixels[..., :channels])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("icc", [None, "colour", "grey"])
def test_8_and_16_bits_of_a_png_open_the_same(channels: int, icc: str | None) -> None:
    if icc == "grey" and channels > 2:
        pytest.skip("a grey profile is for grey")
    chunks = {None: [], "colour": [iccp(display_p3())], "grey": [iccp(linear_grey())]}[icc]
    own = contents(patches(), channels)
    low, high = read_image(png(own, chunks)), read_image(png(own.astype(np.uint16) * 257, chunks))
    assert np.array_equal(low.pixels, high.pixels)
    assert low.metadata.icc == high.metadata.icc == (display_p3() if icc == "colour" else None)
    if channels == 4:
        assert np.array_equal(low.pixels, patches())  # also under alpha 0


@pytest.mark.parametrize("offset", [-128, -64, 64, 128])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_16_bits_say_more_is_rounded_and_not_cut_off(channels: int, offset: int) -> None:
    own = contents(patches(), channels).clip(1, 254)
    found = read_image(png((own.astype(np.int32) * 257 + offset).astype(np.uint16)))
    assert np.array_equal(found.pixels, read_image(png(own)).pixels)


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize(
    ("channels", "alpha"), [(1, ""), (3, ""), (4, "unassalpha"), (4, "assocalpha"), (4, "unspecified")]
)
def test_8_and_16_bits_of_a_tiff_open_the_same(channels: int, alpha: str, orientation: int) -> None:
    own = contents(patches(), channels)
    if alpha == "assocalpha":  # multiplied by it
        own[..., :3] = np.rint(own[..., :3] * (own[..., 3:] / 255))
    low = read_image(tiff(own, orientation=orientation, alpha=alpha, icc=display_p3()))
    high = read_image(tiff(own.astype(np.uint16) * 257, orientation=orientation, alpha=alpha, icc=display_p3()))
    assert np.abs(low.pixels.astype(int) - high.pixels)[low.pixels[..., 3] > 0].max() <= 1
    assert np.array_equal(low.pixels[..., 3], high.pixels[..., 3])
    assert low.metadata.icc == high.metadata.icc == display_p3()
    if alpha == "unspecified":
        assert (high.pixels[..., 3] == 255).all()


def test_8_and_16_bits_with_a_colour_key_open_the_same() -> None:
    own = contents(patches(), 3)
    own[4:9, 5:11] = (9, 120, 33)
    low = read_image(png(own, [(b"tRNS", struct.pack(">3H", 9, 120, 33))]))
    high = read_image(png(own.astype(np.uint16) * 257, [(b"tRNS", struct.pack(">3H", 9 * 257, 120 * 257, 33 * 257))]))
    assert (low.pixels[..., 3] == 0).sum() == 30
    assert np.array_equal(low.pixels, high.pixels)
    grey = contents(patches(), 1)
    grey[4:9, 5:11] = 77
    low = read_image(png(grey, [(b"tRNS", struct.pack(">H", 77))]))
    high = read_image(png(grey.astype(np.uint16) * 257, [(b"tRNS", struct.pack(">H", 77 * 257))]))
    assert (low.pixels[..., 3] == 0).sum() >= 30
    assert np.array_equal(low.pixels, high.pixels)


def test_made_profiles_are_what_they_say() -> None:
    assert colour.same_space(matrix_profile("sRGB", SRGB, srgb_curve()), None)
    assert not colour.same_space(matrix_profile("P3", DISPLAY_P3, srgb_curve()), None)
    assert colour.can_be_edited_in(matrix_profile("2020", REC_2020, rec_709_curve()))


@pytest.mark.parametrize("options", [{}, {"keep_rgb": True}, {"progressive": True, "keep_rgb": True}])
def test_a_jpeg_of_red_green_and_blue_or_of_light_and_colour(options: dict[str, bool]) -> None:
    """The Adobe marker says which."""
    found = read_image(saved(Image.fromarray(green()), "JPEG", quality=100, subsampling=0, **options))
    assert np.abs(found.pixels[1, 1, :3].astype(int) - GREEN).max() <= 1
