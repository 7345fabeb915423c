"""Thumbnails show what is there, at the cost of what is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from editor.document.compose import flatten
from editor.document.contents import Exemplar, Item, Layer
from editor.document.document import Document
from editor.document.thumbnails import (
    document_thumbnail,
    exemplar_thumbnail,
    item_thumbnail,
    layer_thumbnail,
    result_thumbnail,
)
from editor.document.tiles import Tiles
from editor.geometry import Placement, Rect
from tests.support.session_cases import picture, result, with_exemplars


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(8, 80))
def test_the_longer_side_fits_and_the_shape_stays(width: int, height: int, side: int) -> None:
    pixels = np.full((height, width, 4), 255, np.uint8)
    found = layer_thumbnail(Layer(1, "a", Tiles.of(pixels)), side)
    assert max(found.shape[:2]) <= side or max(width, height) <= side
    assert (found == 255).all()
    scale = max(found.shape[:2]) / max(width, height)
    assert abs(found.shape[1] - max(1, width * scale)) <= 2
    assert abs(found.shape[0] - max(1, height * scale)) <= 2


def test_a_small_document_is_shown_as_it_is() -> None:
    document = picture(30, 20)
    assert np.array_equal(document_thumbnail(document, 40), flatten(document))


def test_a_large_one_is_close_to_an_honest_reduction() -> None:
    document = picture(1200, 800)
    found = document_thumbnail(document, 60)
    honest = flatten(document).reshape(40, 20, 60, 20, 4).mean(axis=(1, 3))
    assert found.shape == (40, 60, 4)
    assert np.abs(found - honest).max() < 4


def test_hidden_and_empty_layers_do_not_show() -> None:
    document = picture(100, 100)
    hidden = document.with_layer(replace(document.layers[0], visible=False))
    assert not document_thumbnail(hidden, 50).any()


def test_an_item_is_cut_out() -> None:
    document = picture(400, 400)
    mask = document.empty_map().write(100, 100, np.triu(np.ones((200, 200), np.float32)))
    found = item_thumbnail(document, Item.of("a", mask), 40)
    assert found.shape == (40, 40, 4)
    assert found[5, 35, 3] == 255
    assert found[35, 5, 3] == 0
    assert item_thumbnail(document, Item.of("nothing", document.empty_map()), 40).shape == (1, 1, 4)


def test_an_exemplar_is_shown_inside_its_cut_out() -> None:
    exemplar = with_exemplars(picture(), "Boat").exemplars[0]
    cutout = exemplar.cutout.apply(Rect(0, 0, 30, 40), lambda part, view: view.fill(0))
    found = exemplar_thumbnail(replace(exemplar, cutout=cutout), 60)
    assert found[20, 5, 3] == 0
    assert found[20, 50, 3] == 255


def test_a_result_lies_where_it_belongs() -> None:
    document = picture(400, 400)
    for side in (20, 100, 400):
        found = result_thumbnail(document, result(), Rect(0, 0, 140, 140), side)
        scale = found.shape[0] / 140
        inside = found[round(70 * scale), round(70 * scale)]
        outside = found[round(20 * scale), round(20 * scale)]
        assert tuple(inside) == (255, 0, 0, 255)
        assert outside[0] == outside[1] == outside[2]


def test_a_result_outside_leaves_the_picture() -> None:
    document: Document = picture(400, 400)
    rect = Rect(200, 200, 300, 300)
    assert np.array_equal(result_thumbnail(document, result(), rect, 50), document_thumbnail(document, 50, rect))


def test_an_exemplar_that_is_one_long_line_has_one() -> None:
    line = Exemplar.of("line", np.full((2, 3000, 4), 200, np.uint8), Placement(0, 0))
    assert exemplar_thumbnail(line, 40).shape == (1, 40, 4)
