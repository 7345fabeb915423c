"""Documents as values: what each change changes, and where it shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from editor.document.compose import flatten
from editor.document.contents import BLENDS, Exemplar, Item, Layer
from editor.document.document import MAPS, Document, MapName, picture_changes
from editor.document.tiles import Tiles
from editor.geometry import Placement, Rect, Size
from tests.support.strategies import documents, layers, pictures, quick, random_array, rects_within, thorough

SIZE = Size(60, 40)


@pytest.fixture
def document() -> Document:
    return Document.of_picture(random_array(1, (*SIZE.shape, 4)), "Photo")


def sheet(name: str) -> Layer:
    return Layer.empty(0, name, SIZE)


def mask() -> Tiles:
    return Tiles.filled(SIZE.shape, 0, np.float32).write(10, 10, np.ones((5, 6), np.float32))


def leaf(name: str) -> Exemplar:
    return Exemplar.of(name, random_array(3, (8, 9, 4)), Placement(20, 20))


def test_an_opened_picture_has_one_layer_and_empty_maps(document: Document) -> None:
    assert document.size == SIZE
    assert document.rect == Rect(0, 0, 60, 40)
    assert [layer.name for layer in document.layers] == ["Photo"]
    assert all(document.map(name).blank and document.map(name).shape == SIZE.shape for name in MAPS)


@pytest.mark.parametrize("name", MAPS)
def test_each_map_is_its_own(document: Document, name: MapName) -> None:
    other = Tiles.filled(SIZE.shape, 1, np.float32)
    after = document.with_map(name, other)
    for map_ in MAPS:
        assert after.map(map_) is (other if map_ == name else document.map(map_))
    assert after.layers is document.layers
    assert document.map(name).blank


def test_strength_is_a_map(document: Document) -> None:
    assert document.with_strength(mask()).strength.read()[12, 12] == 1


@pytest.mark.parametrize(
    "tiles", [Tiles.filled((40, 61), 0, np.float32), Tiles.filled(SIZE.shape, 0), Tiles.filled((*SIZE.shape, 4), 0)]
)
def test_a_map_must_fit(document: Document, tiles: Tiles) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        document.with_map("protect", tiles)


def test_a_layer_must_fit(document: Document) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        document.with_layer(replace(document.layers[0], pixels=Tiles.filled((5, 5, 4), 0)))


def test_layers_are_added_above_one_another(document: Document) -> None:
    photo = document.layers[0].id
    document = document.adding_layer(sheet("a")).adding_layer(sheet("b"), above=photo)
    assert [layer.name for layer in document.layers] == ["Photo", "b", "a"]
    top = document.layers[-1]
    assert document.layer(top.id) is top
    renamed = document.with_layer(replace(top, name="c"))
    assert [layer.name for layer in renamed.layers] == ["Photo", "b", "c"]
    assert renamed.layers[0] is document.layers[0]
    turned = document.with_layer_order([top.id, photo, document.layers[1].id])
    assert [layer.name for layer in turned.layers] == ["a", "Photo", "b"]
    assert [layer.name for layer in document.without_layer(photo).layers] == ["b", "a"]


@pytest.mark.parametrize("order", [[1], [1, 1, 2], [1, 3], [1, 2, 3], []])
def test_an_order_names_each_once(document: Document, order: list[int]) -> None:
    with pytest.raises(ValueError, match="exactly once"):
        document.adding_layer(sheet("a")).with_layer_order(order)


def test_no_id_is_used_twice(document: Document) -> None:
    document = document.adding_item(Item.of("cup", mask())).adding_exemplar(leaf("leaf")).adding_layer(sheet("a"))
    used = {document.layers[0].id, document.layers[1].id, document.items[0].id, document.exemplars[0].id}
    assert len(used) == 4
    document = document.without_item(document.items[0].id).without_exemplar(document.exemplars[0].id)
    document = document.without_layer(document.layers[1].id).adding_item(Item.of("cup", mask()))
    assert document.items[0].id not in used


def test_items_come_and_go(document: Document) -> None:
    document = document.adding_item(Item.of("cup", mask())).adding_item(Item.of("spoon", mask()))
    cup, spoon = document.items
    assert (cup.name, spoon.name) == ("cup", "spoon")
    assert document.item(spoon.id) is spoon
    assert document.item(99) is None
    assert [item.name for item in document.with_item(replace(cup, name="mug")).items] == ["mug", "spoon"]
    assert document.without_item(cup.id).items == (spoon,)


def test_exemplars_come_and_go(document: Document) -> None:
    document = document.adding_exemplar(leaf("leaf")).adding_exemplar(leaf("twig"))
    leaf_id, twig_id = (exemplar.id for exemplar in document.exemplars)
    assert [exemplar.name for exemplar in document.exemplars] == ["leaf", "twig"]
    turned = document.with_exemplar_order([twig_id, leaf_id])
    assert [exemplar.name for exemplar in turned.exemplars] == ["twig", "leaf"]
    weaker = document.with_exemplar(replace(document.exemplars[0], strength=0.5))
    assert [exemplar.strength for exemplar in weaker.exemplars] == [0.5, 1.0]
    assert document.without_exemplar(leaf_id).exemplar(leaf_id) is None


# Where a change shows


@st.composite
def changes(draw: st.DrawFn, document: Document) -> Document:
    """The document after something a person can do to its layers or maps."""
    which = draw(st.sampled_from(document.layers)) if document.layers else None
    kind = draw(st.sampled_from(["paint", "look", "add", "remove", "order", "map", "whole"]))
    if kind == "add" or which is None:
        return document.adding_layer(draw(layers(document.size)), above=None if which is None else which.id)
    match kind:
        case "paint":
            area = draw(rects_within(document.rect))
            pixels = which.pixels.write(area.left, area.top, draw(pictures(area.size)))
            return document.with_layer(replace(which, pixels=pixels))
        case "look":
            look = replace(which, opacity=draw(st.sampled_from([0.0, 0.5, 1.0])), blend=draw(st.sampled_from(BLENDS)))
            return document.with_layer(replace(look, visible=draw(st.booleans())))
        case "remove":
            return document.without_layer(which.id)
        case "order":
            return document.with_layer_order(draw(st.permutations([layer.id for layer in document.layers])))
        case "map":
            return document.with_strength(Tiles.filled(document.size.shape, 1, np.float32))
        case _:
            return document.with_layer(replace(which, pixels=Tiles.of(draw(pictures(document.size)))))


@thorough
@given(documents(), st.data())
def test_picture_changes_cover_every_pixel_that_differs(before: Document, data: st.DataObject) -> None:
    after = before
    for _ in range(data.draw(st.integers(1, 3))):
        after = data.draw(changes(after))
    for one, other in ((before, after), (after, before)):
        covered = np.zeros(before.size.shape, bool)
        for rect in picture_changes(one, other):
            assert before.rect.holds(rect)
            assert not rect.empty
            covered[rect.slices] = True
        differs = (flatten(one) != flatten(other)).any(axis=-1)
        assert not (differs & ~covered).any()


@quick
@given(documents(), st.data())
def test_a_dab_repaints_its_surroundings_only(before: Document, data: st.DataObject) -> None:
    visible = [layer for layer in before.layers if layer.visible]
    assume(visible)
    which = data.draw(st.sampled_from(visible))
    x = data.draw(st.integers(0, before.size.width - 1))
    y = data.draw(st.integers(0, before.size.height - 1))
    pixels = which.pixels.write(x, y, np.full((1, 1, 4), 200, np.uint8))
    found = picture_changes(before, before.with_layer(replace(which, pixels=pixels)))
    assert len(found) == 1
    assert found[0].covers(x, y)
    assert found[0].width <= 128
    assert found[0].height <= 128


def test_another_size_shows_everywhere(document: Document) -> None:
    other = Document.of_picture(random_array(1, (20, 20, 4)))
    assert picture_changes(document, other) == [other.rect]


def test_maps_and_items_do_not_show_in_the_picture(document: Document) -> None:
    after = document.with_strength(mask()).adding_item(Item.of("cup", mask()))
    assert picture_changes(document, after) == []
