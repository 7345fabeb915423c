"""What is known about a picture: it survives opening, projects and export as far as the kind of file can hold it, and hinders nothing."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, IptcImagePlugin, JpegImagePlugin, PngImagePlugin

from editor.document.document import Document, Metadata
from editor.io.encoding import ExportOptions
from editor.io.exif import PREFIX
from editor.io.images import read_image, write_image
from editor.io.journal import Journal
from editor.io.limits import MAX_BYTES_OF, MAX_TEXTS
from editor.io.png_texts import without_texts
from editor.io.project import load_project, open_project, save_project
from editor.io.xmp import sized_xmp, upright_xmp
from tests.editor.io.test_journal import newest, snapshot

MAKE, ORIENTATION, EXIF, WIDTH, EXIF_WIDTH, EXIF_HEIGHT = 271, 274, 0x8769, 0x0100, 0xA002, 0xA003
SUFFIXES = (".png", ".jpg", ".webp", ".tif")
XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:t="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    "t:Orientation=\"6\" t:ImageWidth='4000'><exif:PixelXDimension>4000</exif:PixelXDimension>"
    "<exif:PixelYDimension>3000</exif:PixelYDimension><xmp:Thumbnails><rdf:Alt><rdf:li>SMALL</rdf:li></rdf:Alt></xmp:Thumbnails>"
    "<dc:creator><rdf:Seq><rdf:li>Zoë Ö. Müller</rdf:li></rdf:Seq></dc:creator></rdf:Description></rdf:RDF></x:xmpmeta>\n"
    '<?xpacket end="w"?>'
).encode()
IPTC = b"\x1c\x02\x50\x00\x0aZoe Muller" + b"\x1c\x02\x78\x00\x05Kiosk"  # by-line and caption
COMMENT = "Late in the evening – ä"
TEXTS = (("Title", "Kiosk"), ("Author", "Zoë"), ("Warning", "日本"), ("Description", "long " * 900))


def exif(orientation: int = 1) -> bytes:
    block = Image.Exif()
    block[MAKE] = "Camera"
    block[ORIENTATION] = orientation
    block[WIDTH] = 4000
    block.get_ifd(EXIF)[EXIF_WIDTH] = 4000
    block.get_ifd(EXIF)[EXIF_HEIGHT] = 3000
    return block.tobytes()


def pixels(height: int = 6, width: int = 10) -> NDArray[np.uint8]:
    values = np.random.default_rng(3).integers(90, 110, (height, width, 4), np.uint8)
    values[..., 3] = 255
    return values


@functools.cache  # a new profile carries the time of day
def full() -> Metadata:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return Metadata(profile, exif(), (300.0, 300.0), XMP, IPTC, COMMENT, TEXTS)


def read_exif(block: bytes | None) -> Image.Exif:
    value = Image.Exif()
    value.load(block or b"")
    return value


def held(suffix: str) -> tuple[bool, bool, bool]:
    """Whether files of the kind hold IPTC, comment and texts."""
    return suffix != ".webp", suffix in (".png", ".jpg"), suffix == ".png"


@pytest.mark.parametrize("first", SUFFIXES)
@pytest.mark.parametrize("second", SUFFIXES)
def test_what_both_kinds_of_file_can_hold_is_there_after_both(tmp_path: Path, first: str, second: str) -> None:
    write_image(tmp_path / f"one{first}", pixels(), full())
    one = read_image(tmp_path / f"one{first}")
    assert one.notes == ()
    notes = write_image(tmp_path / f"two{second}", one.pixels, one.metadata)
    two = read_image(tmp_path / f"two{second}")
    assert two.notes == ()
    iptc, comment, texts = (here and there for here, there in zip(held(first), held(second), strict=True))
    assert two.metadata.icc == full().icc
    assert read_exif(two.metadata.exif)[MAKE] == "Camera"
    assert two.metadata.xmp is not None
    assert "Zoë Ö. Müller".encode() in two.metadata.xmp
    assert two.metadata.iptc == (IPTC if iptc else None)
    assert two.metadata.comment == (COMMENT if comment else "")
    assert two.metadata.texts == (TEXTS if texts else ())
    lost = [here and not there for here, there in zip(held(first), held(second), strict=True)]
    assert len(notes) == any(lost)
    if notes:
        words = ("IPTC", "the comment", "“Title”")
        assert [word in notes[0] for word in words] == lost
        assert "room" in notes[0]


def test_other_programs_find_it_where_they_look(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        write_image(tmp_path / f"picture{suffix}", pixels(), full())
    jpeg, webp, png, tiff = (
        Image.open(io.BytesIO((tmp_path / f"picture{each}").read_bytes())) for each in (".jpg", ".webp", ".png", ".tif")
    )
    assert isinstance(jpeg, JpegImagePlugin.JpegImageFile)
    assert isinstance(png, PngImagePlugin.PngImageFile)
    for image in (jpeg, webp, png, tiff):
        assert b"creator" in image.info["xmp"]
        assert image.getexif()[MAKE] == "Camera"
    assert jpeg.info["comment"] == COMMENT.encode()
    assert png.text["Comment"] == COMMENT
    assert png.text["Warning"] == "日本"
    for image in (jpeg, tiff):
        records = IptcImagePlugin.getiptcinfo(image)
        assert records is not None
        assert records[2, 80] == b"Zoe Muller"


@pytest.mark.parametrize("compression", ["none", "lzw", "deflate"])
def test_a_tiff_keeps_all_however_it_is_compressed(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "picture.tif"
    values = np.tile(pixels(100, 300), (3, 1, 1))
    write_image(path, values, full(), ExportOptions(tiff=compression))  # type: ignore[arg-type]
    two = read_image(path)
    assert np.array_equal(two.pixels, values)
    assert two.metadata.iptc == IPTC
    assert two.metadata.dpi == (300.0, 300.0)
    assert read_exif(two.metadata.exif).get_ifd(EXIF)[EXIF_WIDTH] == 300
    assert (path.stat().st_size < values.nbytes * 0.75) == (compression != "none")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_would_be_wrong_after_an_edit_is_corrected(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    Image.fromarray(pixels(6, 10)[..., :3]).save(tmp_path / "camera.jpg", exif=exif(orientation=6), xmp=XMP, quality=95)
    turned = read_image(tmp_path / "camera.jpg")
    assert turned.pixels.shape == (10, 6, 4)
    write_image(path, turned.pixels, turned.metadata, ExportOptions(scaling="longest", longest=20))
    two = read_image(path)
    assert two.pixels.shape == (20, 12, 4)
    block = read_exif(two.metadata.exif)
    assert block.get(ORIENTATION, 1) == 1
    assert (block.get_ifd(EXIF)[EXIF_WIDTH], block.get_ifd(EXIF)[EXIF_HEIGHT]) == (12, 20)
    assert block.get(WIDTH, 12) == 12
    packet = two.metadata.xmp or b""
    assert b't:Orientation="1"' in packet
    assert b't:ImageWidth="12"' in packet
    assert b"<exif:PixelXDimension>12<" in packet
    assert b"<exif:PixelYDimension>20<" in packet
    assert b"SMALL" not in packet
    assert b"Thumbnails" not in packet


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_goes_along_that_is_not_to(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    assert write_image(path, pixels(), full(), ExportOptions(keep_information=False)) == ()
    data = path.read_bytes()
    two = read_image(path).metadata
    assert two == Metadata(full().icc, None, two.dpi)
    assert not any(word in data for word in (b"Camera", b"creator", b"Zoe Muller", b"Kiosk", COMMENT.encode()))


def test_projects_and_journals_keep_all_of_it(tmp_path: Path) -> None:
    document = Document.of_picture(pixels(), metadata=full())
    save_project(tmp_path / "one.palimpsest", document)
    loaded, notes = open_project(tmp_path / "one.palimpsest")
    assert loaded.metadata == full()
    assert notes == ()
    Journal(tmp_path, "one").write(snapshot(document))
    assert newest(tmp_path).load().metadata == full()
    save_project(tmp_path / "bare.palimpsest", Document.of_picture(pixels()))
    assert load_project(tmp_path / "bare.palimpsest").metadata == Metadata()


def png_with(*chunks: tuple[bytes, bytes], damaged: bool = False) -> bytes:
    """A PNG with these chunks before its pixels."""
    data = io.BytesIO()
    Image.fromarray(pixels()).save(data, "PNG")
    plain = data.getvalue()
    more = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ damaged)
        for kind, body in chunks
    )
    return plain[:33] + more + plain[33:]


BOMB = zlib.compress(bytes(100 * 2**20), 9)


@pytest.mark.parametrize(
    ("chunks", "damaged"),
    [
        ([(b"zTXt", b"Bomb\0\0" + BOMB)], False),
        ([(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB)], False),
        ([(b"zTXt", b"Broken\0\0" + b"no zlib")], False),
        ([(b"iTXt", b"Short\0")], False),
        ([(b"iTXt", b"Bytes\0\0\0\0\0\xff\xfe")], False),
        ([(b"tEXt", b"no keyword")], False),
        ([(b"tEXt", b"\0nameless")], False),
        ([(b"tEXt", b"Title\0fine")], True),
        ([(b"tEXt", b"Raw profile type iptc\0\niptc\n 9\nno digits\n")], False),
        ([(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<a><b></a>")], False),
        ([(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>')], False),
        ([(b"tEXt", b"T\0x")] * (MAX_TEXTS + 5), False),
    ],
)
def test_hostile_texts_of_a_png_are_left_out_and_said(chunks: list[tuple[bytes, bytes]], damaged: bool) -> None:
    picture = read_image(png_with(*chunks, damaged=damaged))
    assert np.array_equal(picture.pixels, pixels())
    assert len(picture.notes) == 1
    assert "left out" in picture.notes[0]
    assert picture.metadata.xmp is None
    assert len(picture.metadata.texts) <= MAX_TEXTS


def test_many_long_texts_are_bounded_together() -> None:
    chunk = (b"zTXt", b"Long\0\0" + zlib.compress(b"x" * 2**20))
    picture = read_image(png_with(*[chunk] * 9))
    assert sum(len(text) for _, text in picture.metadata.texts) <= MAX_BYTES_OF["texts"]
    assert "texts" in picture.notes[0]


def test_only_texts_are_taken_out_of_a_png() -> None:
    plain = png_with()
    assert without_texts(plain) is plain
    assert without_texts(png_with((b"tEXt", b"Title\0one"), (b"zTXt", b"x"))) == plain


def test_profiles_that_other_programs_hide_in_texts_are_found() -> None:
    exif_digits = exif()[len(PREFIX) :].hex()
    iptc_digits = (b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC).hex()
    picture = read_image(
        png_with(
            (b"tEXt", f"Raw profile type exif\0\nexif\n{len(exif_digits) // 2:8d}\n{exif_digits}\n".encode()),
            (b"tEXt", f"Raw profile type 8bim\0\n8bim\n{len(iptc_digits) // 2:8d}\n{iptc_digits}\n".encode()),
        )
    )
    assert read_exif(picture.metadata.exif)[MAKE] == "Camera"
    assert picture.metadata.iptc == IPTC
    assert picture.metadata.texts == ()


@pytest.mark.parametrize("packet", [b"no XML", b"<a>", b"\xff\xfe<\0a\0", b"<?xml version='1.0'?><!DOCTYPE a><a/>"])
def test_a_broken_packet_does_not_keep_a_jpeg_from_opening(tmp_path: Path, packet: bytes) -> None:
    Image.fromarray(pixels()[..., :3]).save(tmp_path / "camera.jpg", xmp=packet)
    picture = read_image(tmp_path / "camera.jpg")
    assert picture.metadata.xmp is None
    assert "XMP" in picture.notes[0]


PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:p="http://ns.adobe.com/xap/1.0/"'
    b' xmp:Label="keep">%s</rdf:Description></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize(
    ("inside", "left"),
    [
        (b"<xmp:Thumbnails/><xmp:Label>a</xmp:Label>", b"<xmp:Label>a</xmp:Label>"),
        (b"<xmp:Thumbnails a='>/>'/>", b""),
        (b"<xmp:Thumbnails><rdf:Alt><rdf:li>b</rdf:li></rdf:Alt></xmp:Thumbnails >c", b"c"),
        (b"<p:Thumbnails><xmp:Thumbnails><p:Thumbnails/></xmp:Thumbnails>d</p:Thumbnails>e", b"e"),
        (b"<p:Thumbnails><!-- </p:Thumbnails> --></p:Thumbnails>f<xmp:Thumbnails/>", b"f"),
        (b"<xmp:Thumbnailsize>g</xmp:Thumbnailsize>", b"<xmp:Thumbnailsize>g</xmp:Thumbnailsize>"),
        ("<xmp:Thumbnails>é</xmp:Thumbnails>ü".encode(), "ü".encode()),
        (b"<!-- <xmp:Thumbnails> -->", b"<!-- <xmp:Thumbnails> -->"),
    ],
)
@pytest.mark.parametrize("around", [b"", b"\n\t "])
def test_small_previews_go_and_nothing_beside_them(inside: bytes, left: bytes, around: bytes) -> None:
    assert upright_xmp(around + PACKET % inside + around) == around + PACKET % left + around


@pytest.mark.parametrize(
    "piece", [b"<xmp:Thumbnails>", b"<xmp:Thumbnails ", b"<xmp:Thumbnails a='", b" xmp:Thumbnails = "]
)
@pytest.mark.parametrize(("begin", "end"), [(b"<!--", b"-->"), (b"<![CDATA[", b"]]>")])
def test_what_only_looks_like_a_preview_takes_no_time(piece: bytes, begin: bytes, end: bytes) -> None:
    """Eight megabytes of it, which is as much as is read, would take days if each were looked for to the end."""
    packet = PACKET % (begin + piece * (8 * 2**20 // len(piece) - 40) + end)
    assert upright_xmp(packet) == packet
    assert sized_xmp(packet, 3, 4, scaled=True) == packet


def test_a_packet_too_long_for_a_jpeg_is_said(tmp_path: Path) -> None:
    long = XMP.replace(b"Z", b"Z" * 70_000, 1)
    notes = write_image(tmp_path / "picture.jpg", pixels(), Metadata(xmp=long))
    assert notes == ("A JPEG file has no room for the further information (XMP); it was left out.",)
    assert write_image(tmp_path / "picture.png", pixels(), Metadata(xmp=long)) == ()


def test_broken_extras_do_not_keep_a_project_from_opening(tmp_path: Path) -> None:
    path = tmp_path / "one.palimpsest"
    save_project(path, Document.of_picture(pixels(), metadata=full()))
    for before in (b"Zoe Muller", b'"Kiosk"'):
        data = path.read_bytes()
        assert data.count(before) == 1
        path.write_bytes(data.replace(before, before[::-1]))
    loaded, notes = open_project(path)
    assert loaded.metadata.iptc is None
    assert loaded.metadata.texts == ()
    assert loaded.metadata.xmp == XMP
    assert len(notes) == 1
    assert "IPTC" in notes[0]
