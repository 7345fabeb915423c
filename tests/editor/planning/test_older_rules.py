"""Recipes of revision 1 become the requests that they were, with faint strength, on white, and in the numbers of any colour space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from editor.document.compose import flatten, on_white
from editor.document.contents import Exemplar
from editor.document.document import Document, Metadata
from editor.document.faint_strength import FAINTEST
from editor.document.tiles import Tiles
from editor.edits.dispatch import make_request
from editor.geometry import Placement, Rect
from editor.io.icc import DISPLAY_P3, matrix_profile, srgb_curve
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.plan import Draft, Plan
from editor.requests.edit_request import EditRequest
from editor.requests.method_settings import MethodSettings
from tests.support.change_map_cases import MODEL

SOME, HARDLY = Rect(40, 30, 80, 70), Rect(80, 30, 100, 70)  # painted and, beside it, painted faintly
METHODS = pytest.mark.parametrize("settings", [QuickFillSettings(), PixelsSettings()])


def picture(alpha: int = 255, icc: bytes | None = None) -> Document:
    pixels = np.random.default_rng(1).integers(0, 256, (120, 160, 4), np.uint8)
    pixels[..., 3] = alpha
    return Document.of_picture(pixels, metadata=Metadata(icc))


def painted(shape: tuple[int, int], value: float = FAINTEST) -> Tiles:
    strength = np.zeros(shape, np.float32)
    strength[SOME.slices], strength[HARDLY.slices] = 0.8, value
    return Tiles.of(strength)


def asked(document: Document, settings: MethodSettings, revision: int, planned: Plan) -> EditRequest:
    frame = document.rect if settings.needs_model else None
    return make_request(
        document, Draft(settings, model=MODEL, seed=1, frame=frame, revision=revision, strength=1.0), planned
    )


def at(request: EditRequest, x: int, y: int) -> float:
    left, top = request.frame.rect[:2]
    return float(request.strength[y - top, x - left])


@METHODS
def test_faint_strength_counted(settings: MethodSettings) -> None:
    document = picture().with_strength(painted((120, 160)))
    planned = Plan("fill", "Fill", region="strength")
    assert at(asked(document, settings, 1, planned), 90, 50) == np.float32(FAINTEST)
    assert at(asked(document, settings, 2, planned), 90, 50) == 0


@METHODS
def test_a_faintly_painted_exemplar_counted(settings: MethodSettings) -> None:
    pixels = np.full((120, 160, 4), 200, np.uint8)
    pixels[..., 3] = 255
    exemplar = replace(Exemplar.of("cat", pixels, Placement(80, 60)), strength_map=painted((120, 160)), rim=0.0)
    document = picture().adding_exemplar(exemplar)
    planned = Plan("blend", "Blend", exemplars=(document.exemplars[0].id,))
    freed = at(asked(document, settings, 1, planned), 98, 50)
    assert freed == (1 if settings.needs_model else np.float32(FAINTEST))
    assert at(asked(document, settings, 2, planned), 98, 50) == 0


@METHODS
def test_a_translucent_picture_became_opaque(settings: MethodSettings) -> None:
    document = picture(alpha=90).with_strength(painted((120, 160)))
    planned = Plan("fill", "Fill", region="strength")
    assert asked(document, settings, 1, planned).alpha is None
    assert asked(document, settings, 2, planned).alpha is not None


def test_models_saw_the_numbers_of_any_colour_space() -> None:
    document = picture(icc=matrix_profile("P3", DISPLAY_P3, srgb_curve())).with_strength(painted((120, 160)))
    planned = Plan("fill", "Fill", region="strength")
    then, now = (asked(document, PixelsSettings(), revision, planned) for revision in (1, 2))
    assert then.icc is None
    assert np.array_equal(then.image, on_white(flatten(document)))
    assert now.icc == document.metadata.icc
    assert not np.array_equal(now.image, then.image)
