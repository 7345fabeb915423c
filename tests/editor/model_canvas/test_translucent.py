"""Alpha through an edit: what is translucent stays so, what is transparent is filled only when asked, and nothing is lost without an edit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from editor.document.compose import flatten, lay
from editor.document.contents import BLENDS, Blend, Exemplar, Layer
from editor.document.document import Document, Metadata, picture_changes
from editor.document.tiles import Tiles
from editor.edits.apply import apply_result, came_to_nothing, layer_of_result
from editor.edits.dispatch import at_strengths, make_request
from editor.engine import Engine
from editor.errors import InvalidRequest
from editor.geometry import Placement, Rect
from editor.io.encoding import ExportOptions
from editor.io.images import read_image, write_image
from editor.io.project import load_project, save_project
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.methods.registry import METHODS
from editor.requests.edit_request import EditRequest
from editor.requests.reports import Reports
from editor.requests.results import EditResult, Recipe
from tests.support.reports import drive
from tests.support.strategies import random_array

T = TypeVar("T")
Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

SIDE = 64
HERE = Rect(24, 24, 40, 40)


def with_alpha(alpha: int, colour: Colour = (200, 40, 10), size: int = SIDE) -> Pixels:
    """Opaque, but for a square of which the region to be changed is a part."""
    pixels = np.full((size, size, 4), (*colour, 255), np.uint8)
    pixels[16:48, 16:48, 3] = alpha
    return pixels


def document_of(pixels: Pixels, strength: float = 1.0) -> Document:
    document = Document.of_picture(pixels)
    painted = document.empty_map().write(HERE.left, HERE.top, np.full(HERE.size.shape, strength, np.float32))
    return document.with_strength(painted)


@pytest.fixture
def paints(monkeypatch: pytest.MonkeyPatch) -> Callable[[Colour], None]:
    """Makes quick fill a method that paints everything that may change in one colour, as it is to look on white."""

    def use(colour: Colour) -> None:
        def edit(request: EditRequest) -> Reports[EditResult]:
            yield from ()
            pixels = np.zeros((*request.strength.shape, 4), np.uint8)
            pixels[..., :3] = colour
            pixels[..., 3] = np.rint(request.strength * 255)
            return EditResult(request.frame.rect, pixels, Recipe.of(request))

        monkeypatch.setattr("editor.methods.quick_fill.editing.edit", edit)

    return use


def outcome(document: Document, *, fill_transparent: bool = False) -> tuple[Document, EditResult]:
    draft = replace(METHODS.first_draft(document), seed=1)
    draft = replace(draft, settings=replace(draft.settings, fill_transparent=fill_transparent))
    result = drive(Engine().run(make_request(document, draft)))
    return apply_result(document, result, document)[1], result


def on_white(pixels: Pixels) -> NDArray[np.float64]:
    alpha = pixels[..., 3:] / 255
    return np.asarray(pixels[..., :3] * alpha + 255 * (1 - alpha))


def test_each_of_several_strengths_is_as_translucent_as_the_picture(paints: Callable[[Colour], None]) -> None:
    """What is painted fades out, so that a weaker one changes less of the picture, and sees less of it."""
    paints((60, 90, 200))
    pixels = with_alpha(128, size=700)
    pixels[:, :350, 3] = np.linspace(60, 255, 350).astype(np.uint8)
    document = document_of(pixels)
    fading = np.tile(np.linspace(0.004, 0, 690, dtype=np.float32), (12, 1))
    fading[:, 300:330] = 1
    document = document.with_strength(document.empty_map().write(5, 20, fading))
    request = at_strengths(document, replace(METHODS.first_draft(document), seed=1), (0.3, 1.0))
    assert len({variant.request.frame.rect for variant in request.variants}) == 2
    for level, result in zip((0.3, 1.0), drive(Engine().run(request)), strict=True):
        after = flatten(apply_result(document, result, document)[1])
        assert np.array_equal(after[..., 3], pixels[..., 3])
        meant = on_white(pixels)[25, 320] * (1 - level) + np.array((60, 90, 200)) * level
        assert np.abs(on_white(after)[25, 320] - meant).max() <= 1.0


def test_the_weakest_of_several_strengths_may_leave_translucent_parts_alone(paints: Callable[[Colour], None]) -> None:
    paints((250, 246, 240))
    pixels = np.full((64, 64, 4), (200, 40, 10, 255), np.uint8)
    pixels[:, 32:, 3] = 90
    document = document_of(pixels)
    painted = np.full((10, 20), 1.0, np.float32)
    painted[:, 10:] = 0.004  # of which nothing is left at a weaker overall strength
    document = document.with_strength(document.empty_map().write(22, 20, painted))
    request = at_strengths(document, replace(METHODS.first_draft(document), seed=1), (0.3, 1.0))
    assert [variant.request.alpha is None for variant in request.variants] == [True, False]
    for result in drive(Engine().run(request)):
        after = flatten(apply_result(document, result, document)[1])
        assert np.array_equal(after[..., 3], pixels[..., 3])


def test_nothing_came_of_it_where_a_translucent_picture_looks_as_before(paints: Callable[[Colour], None]) -> None:
    document = document_of(with_alpha(51, (205, 155, 105)))
    paints((245, 235, 225))  # just that on white
    assert came_to_nothing(document, outcome(document)[1])
    paints((245, 235, 220))
    assert not came_to_nothing(document, outcome(document)[1])


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_colours_under_alpha_0_go_in_and_out_again(tmp_path: Path, suffix: str) -> None:
    pixels = random_array(3, (150, 140, 4))
    pixels[:90, :, 3] = 0
    path = tmp_path / f"in{suffix}"
    write_image(path, pixels, Metadata(), ExportOptions(lossless=True))
    document = Document.of_picture(read_image(path).pixels)
    assert np.array_equal(flatten(document), pixels)
    write_image(path, flatten(document), document.metadata, ExportOptions(lossless=True))
    assert np.array_equal(read_image(path).pixels, pixels)


@pytest.mark.parametrize("alpha", [1, 60, 128, 200, 254])
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_what_is_translucent_comes_back_as_translucent(
    paints: Callable[[Colour], None], alpha: int, strength: float
) -> None:
    paints((250, 246, 240))
    before = with_alpha(alpha)
    after = flatten(outcome(document_of(before, strength))[0])
    assert np.array_equal(after[..., 3], before[..., 3])
    assert np.array_equal(np.delete(after, slice(24, 40), 0), np.delete(before, slice(24, 40), 0))
    # On white it looks as the method meant, as far as so little can.
    if alpha >= 60:
        meant = on_white(before)[30, 30] * (1 - strength) + np.array((250, 246, 240)) * strength
        assert np.abs(on_white(after)[30, 30] - meant).max() <= 1.0


def test_the_colour_of_a_translucent_patch_is_exact(paints: Callable[[Colour], None]) -> None:
    paints((204, 153, 230))  # what (153, 51, 205) at one half gives on white
    after = flatten(outcome(document_of(with_alpha(128)))[0])
    assert after[30, 30].tolist() == [153, 52, 205, 128]
    assert after[20, 20].tolist() == [200, 40, 10, 128]


def test_an_opaque_picture_gets_an_ordinary_layer(paints: Callable[[Colour], None]) -> None:
    paints((1, 2, 3))
    pixels = with_alpha(255)
    pixels[:4] = 0  # transparent elsewhere
    document, result = outcome(document_of(pixels))
    assert not result.clip
    assert not layer_of_result(document, result).clip
    assert flatten(document)[30, 30].tolist() == [1, 2, 3, 255]


def test_quick_fill_of_a_translucent_plain_keeps_it_as_it_is() -> None:
    before = with_alpha(128)
    before[..., 3] = 128
    after = flatten(outcome(document_of(before))[0])
    assert np.array_equal(after[..., 3], before[..., 3])
    assert np.abs(after.astype(int) - before).max() <= 1


@pytest.mark.parametrize("settings", [QuickFillSettings(), PixelsSettings(), BlendedSettings()])
def test_it_is_off_to_begin_with(settings: QuickFillSettings | PixelsSettings | BlendedSettings) -> None:
    assert settings.fill_transparent is False


def test_transparent_areas_stay_and_say_how_to_fill_them(paints: Callable[[Colour], None]) -> None:
    paints((10, 20, 30))
    document = document_of(with_alpha(0))
    with pytest.raises(InvalidRequest, match="transparent") as raised:
        outcome(document)
    assert "Fill transparent areas" in raised.value.advice


@pytest.mark.parametrize(("strength", "alpha"), [(1.0, 255), (0.6, 153)])
def test_transparent_areas_are_filled_when_asked(paints: Callable[[Colour], None], strength: float, alpha: int) -> None:
    paints((10, 20, 30))
    after = flatten(outcome(document_of(with_alpha(0), strength), fill_transparent=True)[0])
    assert after[30, 30].tolist() == [10, 20, 30, alpha]
    assert after[20, 20, 3] == 0
    assert after[5, 5].tolist() == [200, 40, 10, 255]


def test_translucent_areas_become_opaque_when_asked(paints: Callable[[Colour], None]) -> None:
    paints((10, 20, 30))
    after = flatten(outcome(document_of(with_alpha(100)), fill_transparent=True)[0])
    assert after[30, 30].tolist() == [10, 20, 30, 255]
    assert after[20, 20].tolist() == [200, 40, 10, 100]


def test_quick_fill_fills_a_hole_from_what_is_around_it() -> None:
    pixels = np.full((96, 96, 4), (200, 40, 10, 255), np.uint8)
    pixels[40:56, 40:56] = 0
    document = Document.of_picture(pixels)
    hole = document.empty_map().write(38, 38, np.ones((20, 20), np.float32))
    after = flatten(outcome(document.with_strength(hole), fill_transparent=True)[0])
    assert (after[..., 3] == 255).all()
    assert np.abs(after[..., :3].astype(int) - (200, 40, 10)).max() <= 1


def test_an_exemplar_on_what_is_transparent_is_not_cut_to_it() -> None:
    document = Document.of_picture(with_alpha(0))
    exemplar = Exemplar.of("x", np.full((20, 20, 4), (9, 9, 200, 255), np.uint8), Placement(32, 32))
    after, result = outcome(document.adding_exemplar(exemplar))
    assert not result.clip
    assert flatten(after)[32, 32, 3] == 255


# The layer


@pytest.mark.parametrize("blend", BLENDS)
def test_a_clipped_layer_changes_no_alpha(blend: Blend) -> None:
    under, over = random_array(1, (40, 50, 4)), random_array(2, (40, 50, 4))
    under[:10, :, 3], under[10:20, :, 3] = 0, 255
    found = under.copy()
    lay(found, over, 0.7, blend, clip=True)
    assert np.array_equal(found[..., 3], under[..., 3])
    assert np.array_equal(found[:10], under[:10])
    plain = under[10:20].copy()
    lay(plain, over[10:20], 0.7, blend)
    assert np.array_equal(found[10:20], plain)  # on what is opaque there is no difference


def test_a_clipped_layer_at_the_bottom_shows_nothing_and_is_kept_in_a_project(tmp_path: Path) -> None:
    document = Document.of_picture(with_alpha(255))
    patch = Tiles.of(np.full((SIDE, SIDE, 4), (1, 2, 3, 255), np.uint8))
    document = document.adding_layer(Layer(0, "patch", patch, clip=True))
    assert (flatten(document) == (1, 2, 3, 255)).all()
    alone = document.without_layer(1)
    assert not flatten(alone).any()
    off = document.with_layer(replace(document.layers[1], clip=False))
    assert picture_changes(document, off)
    save_project(tmp_path / "a.palimpsest", document)
    assert [layer.clip for layer in load_project(tmp_path / "a.palimpsest").layers] == [False, True]
