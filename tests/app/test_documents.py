"""Documents from files and to files, and the small pictures of recent ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import resources
from app.documents import (
    Thumbnails,
    document_of,
    export_picture,
    is_project,
    open_document,
    read_document,
    save_document,
)
from editor.document.compose import flatten
from editor.document.contents import Layer
from editor.document.document import Document
from editor.errors import UnreadableFile
from editor.io.images import read_image
from tests.support.waiting import Play


def photo_document() -> Document:
    with resources.photo("flower.jpg") as path:
        return read_document(path)[0]


def test_a_picture_becomes_a_document_of_one_layer(tmp_path: Path) -> None:
    with resources.photo("flower.jpg") as path:
        picture = read_image(path)
        document, notes = read_document(path)
    assert notes == ()
    assert len(document.layers) == 1
    assert np.array_equal(flatten(document), picture.pixels)
    assert document.metadata == picture.metadata
    assert np.array_equal(flatten(document_of(picture)), picture.pixels)


def test_what_a_person_should_know_comes_along(tmp_path: Path) -> None:
    deep = np.full((8, 8), 40_000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    _, notes = read_document(tmp_path / "deep.png")
    assert notes == ("The file has 16 bits per channel; they were reduced to 8.",)


def test_save_open_and_export_without_blocking(play: Play, tmp_path: Path) -> None:
    document = photo_document()
    document = document.with_strength(document.strength.write(9, 9, np.ones((5, 5), np.float32)))

    async def story() -> tuple[Document, Document, tuple[str, ...]]:
        await save_document(tmp_path / "one.palimpsest", document)
        notes = await export_picture(tmp_path / "one.png", document)
        project, _ = await open_document(tmp_path / "one.palimpsest")
        picture, _ = await open_document(tmp_path / "one.png")
        return project, picture, notes

    project, picture, notes = play(story())
    assert notes == ()
    assert project.strength.same_as(document.strength)
    assert np.array_equal(flatten(project), flatten(document))
    assert np.array_equal(flatten(picture), flatten(document))


@pytest.mark.parametrize(("name", "expected"), [("a.palimpsest", True), ("a.PALIMPSEST", True), ("a.png", False)])
def test_the_ending_says_what_a_file_is(name: str, expected: bool) -> None:
    assert is_project(Path(name)) is expected


def test_what_is_missing_is_a_sentence(play: Play, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="is not there"):
        play(open_document(tmp_path / "none.png"))


class TestThumbnails:
    def test_it_looks_like_the_picture_and_keeps_its_shape(self, tmp_path: Path) -> None:
        kept = Thumbnails(tmp_path / "cache" / "deep")
        document = photo_document()
        path = tmp_path / "flower.jpg"
        assert kept.read(path) is None
        kept.write(path, document)
        small = kept.read(path)
        assert small is not None
        assert max(small.shape[:2]) == 320
        whole = flatten(document)
        assert small.shape[0] / small.shape[1] == pytest.approx(whole.shape[0] / whole.shape[1], abs=0.01)
        assert small.mean(axis=(0, 1)) == pytest.approx(whole.mean(axis=(0, 1)), abs=2)

    @pytest.mark.parametrize("shape", [(1, 1), (8, 8), (1, 5000)])
    def test_small_and_thin_pictures_have_one_too(self, tmp_path: Path, shape: tuple[int, int]) -> None:
        kept = Thumbnails(tmp_path)
        kept.write(tmp_path / "a.png", Document.of_picture(np.full((*shape, 4), 90, np.uint8)))
        small = kept.read(tmp_path / "a.png")
        assert small is not None
        assert max(small.shape[:2]) <= 320

    def test_documents_of_one_name_in_two_folders_do_not_share(self, tmp_path: Path) -> None:
        kept = Thumbnails(tmp_path)
        for folder, value in (("a", 10), ("b", 200)):
            kept.write(tmp_path / folder / "x.png", Document.of_picture(np.full((4, 4, 4), value, np.uint8)))
        found = [kept.read(tmp_path / folder / "x.png") for folder in ("a", "b")]
        assert [int(each[0, 0, 0]) for each in found if each is not None] == [10, 200]

    def test_what_fails_costs_only_the_thumbnail(self, tmp_path: Path) -> None:
        blocked = tmp_path / "file"
        blocked.write_text("not a folder")
        kept = Thumbnails(blocked)
        kept.write(tmp_path / "a.png", photo_document())
        assert kept.read(tmp_path / "a.png") is None

    def test_a_broken_one_is_none(self, tmp_path: Path) -> None:
        kept = Thumbnails(tmp_path)
        kept.write(tmp_path / "a.png", photo_document())
        (file,) = tmp_path.glob("*.png")
        file.write_bytes(b"broken")
        assert kept.read(tmp_path / "a.png") is None

    def test_an_empty_document_has_one(self, tmp_path: Path) -> None:
        kept = Thumbnails(tmp_path)
        document = photo_document()
        empty = document.without_layer(document.layers[0].id).adding_layer(Layer.empty(0, "Sheet", document.size))
        kept.write(tmp_path / "a.png", empty)
        small = kept.read(tmp_path / "a.png")
        assert small is not None
        assert not small[..., 3].any()
