"""References to fits: what they were learned from, and how much of it is other by now."""

from __future__ import annotations

import numpy as np
import pytest

from editor.document.compose import flatten
from editor.document.document import Document
from editor.document.fit_reference import MAX_CELLS, FitChanges, FitReference, fingerprint
from editor.document.partition import Partition
from editor.geometry import Rect, Size

SIZE = Size(160, 128)
FRAME = Rect(0, 0, 160, 64)


@pytest.fixture
def document() -> Document:
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE.shape, 4), np.uint8)
    partition = (
        Partition.of_rest(SIZE).painted(7, np.ones((20, 20), np.bool_)).painted(8, np.ones((9, 9), np.bool_), 50, 5)
    )
    return Document.of_picture(pixels).with_partition(partition)


def learned(document: Document) -> FitReference:
    return FitReference.of(
        "abc",
        "ToySettings",
        frame=FRAME,
        pixels=flatten(document, FRAME),
        partition=document.partition,
        model="sd",
        revision=2,
    )


def changes(fit: FitReference, document: Document, model: str = "sd", revision: int = 2) -> FitChanges:
    return fit.changes(flatten(document, fit.frame), document.partition, model, revision)


def test_as_long_as_nothing_changes_nothing_has_changed(document: Document) -> None:
    fit = learned(document)
    assert changes(fit, document) == FitChanges(0, 0, model=False, rules=False)
    assert not changes(fit, document)
    # What lies outside the frame is none of what it was learned from.
    layer = document.layers[0]
    below = layer.pixels.write(0, 64, np.zeros((64, 160, 4), np.uint8))
    partition = document.partition
    assert partition is not None
    outside = document.with_layer(type(layer)(layer.id, layer.name, below))
    outside = outside.with_partition(partition.painted(8, np.ones((9, 9), np.bool_), 0, 64))
    assert not changes(fit, outside)


def test_how_much_has_changed_is_told_in_shares_of_the_frame(document: Document) -> None:
    fit = learned(document)
    layer = document.layers[0]
    one = layer.pixels.write(3, 3, 255 - layer.pixels.read(Rect.at(3, 3, 1, 1)))
    now = document.with_layer(type(layer)(layer.id, layer.name, one))
    assert changes(fit, now).picture == pytest.approx(1 / MAX_CELLS**2)
    half = layer.pixels.write(0, 0, 255 - layer.pixels.read(Rect.at(0, 0, 80, 64)))
    now = document.with_layer(type(layer)(layer.id, layer.name, half))
    assert changes(fit, now) == FitChanges(0.5, 0, model=False, rules=False)
    partition = document.partition
    assert partition is not None
    now = document.with_partition(partition.painted(8, np.ones((32, 160), np.bool_)))
    assert changes(fit, now) == FitChanges(
        0, 0.5 - 4 / MAX_CELLS**2, model=False, rules=False
    )  # four cells were its own
    assert changes(fit, document.with_partition(None)).partition == 1
    assert changes(fit, document, model="other") == FitChanges(0, 0, model=True, rules=False)
    assert changes(fit, document, revision=3) == FitChanges(0, 0, model=False, rules=True)


def test_labels_may_be_numbered_anew(document: Document) -> None:
    """An item that nobody sees inside the frame goes, and the labels of those above it with it."""
    partition = document.partition
    assert partition is not None
    below = Partition(partition.tiles, partition.items)
    table = np.array([0, 2, 3], np.int16)
    tiles = below.tiles.apply(below.tiles.rect, lambda part, block: np.copyto(block, table[block]))
    moved = Partition(tiles, (99, *partition.items))
    assert not changes(learned(document), document.with_partition(moved))
    assert not changes(learned(document), document.with_partition(moved.without({99})))


def test_a_fingerprint_says_where() -> None:
    array = np.zeros((MAX_CELLS * 2, 5, 4), np.uint8)
    before = fingerprint(array)
    assert len(before) == 16 * MAX_CELLS * 5
    array[2 * 7 + 1, 3] = 1
    after = fingerprint(array)
    cells = [before[at : at + 16] != after[at : at + 16] for at in range(0, len(before), 16)]
    assert np.flatnonzero(cells).tolist() == [7 * 5 + 3]


def test_a_document_names_each_fit_once(document: Document) -> None:
    fit = learned(document)
    twice = document.with_fit(fit).with_fit(learned(document))
    assert [each.key for each in twice.fits] == ["abc"]
    assert twice.without_fit("abc").fits == ()
    assert not document.same_as(twice)
