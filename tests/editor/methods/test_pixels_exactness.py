"""What must not change, does not: not by one bit, nor at any size, nor in any corner case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from editor.document.compose import flatten
from editor.document.document import Document
from editor.edits.apply import apply_result
from editor.geometry import Rect, Size
from editor.methods.pixels.model import edit
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.paste_back import paste_alpha
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame
from editor.requests.reports import Preview, Report
from editor.requests.results import EditResult
from tests.support.pixels_cases import CELLS, MODELS, SIDE, Model, ask, by_rule, cells, exemplar, picture, run
from tests.support.reports import drive

Models = Callable[[str], Model]
Map = NDArray[np.float32]
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
EDGES = (8, 12, 16)


def _blob(size: Size = SIDE) -> Map:
    """A soft disc and a thin line, 0 elsewhere."""
    rows, columns = np.indices(size.shape)
    away = np.hypot(rows - size.height * 0.55, columns - size.width * 0.4)
    found: Map = np.clip(1.2 - away / (0.35 * min(size)), 0, 0.6).astype(np.float32)
    found[2:4, -size.width // 3 : -3] = 0.6
    return found


def _shown(request: EditRequest, result: EditResult) -> NDArray[np.uint8]:
    """The document after the edit, through the same functions as in the program."""
    rect = request.frame.rect
    size = Size(rect.right + 9, rect.bottom + 7)
    whole = picture(77, size)
    whole[rect.slices] = request.image
    document = Document.of_picture(np.dstack([whole, np.full(size.shape, 255, np.uint8)]))
    before = flatten(document)
    assert (before[..., :3] == whole).all()
    changed = apply_result(document, result, document)[1]
    assert changed.metadata is document.metadata  # with the colour profile
    after = flatten(changed)
    outside = np.ones(size.shape, bool)
    outside[rect.slices] = request.strength == 0
    assert (after[outside] == before[outside]).all()
    return after[rect.slices]


@pytest.mark.parametrize("name", MODELS)
def test_invariant_19_nothing_outside_the_change_moves(models: Models, name: str) -> None:
    """Through paste-back, the layer and the flattened document, wherever the frame lies in it."""
    frame = Frame.full_size(Rect.at(13, 21, *SIDE))
    request = ask(_blob(), exemplar(2), frame=frame, steps=6, settings=PixelsSettings(match_tone="on"))
    result = run(request, models(name))[0]
    assert frame.rect.holds(result.rect)
    shown = _shown(request, result)
    alpha = paste_alpha(request.strength, 12)
    kept = np.rint(alpha * 255) == 0
    assert (shown[kept][:, :3] == request.image[kept]).all()
    changed = (shown[..., :3] != request.image).any(-1)
    assert changed[alpha > 0.5].mean() > 0.9  # something did happen
    assert (result.pixels[..., 3] == np.rint(alpha * 255)[result.rect.within(frame.rect).slices]).all()


@pytest.mark.parametrize(
    "settings", [{"thin_strokes": True}, {"dither": True}, {"feather": 0.0}, {"rule": "reference"}]
)
def test_invariant_19_whatever_the_settings(models: Models, settings: dict[str, Any]) -> None:
    request = ask(_blob(), exemplar(2), settings=by_rule(**settings))
    _shown(request, run(request, models("sdxl"))[0])


@pytest.mark.parametrize("name", MODELS)
def test_invariant_02_cells_that_are_kept_come_out_as_the_source(models: Models, name: str) -> None:
    strength = _blob()
    _, latents, _ = run(ask(strength), models(name))
    source = models(name).backend.encode((picture(1) / np.float32(255)).astype(np.float32))
    blank = torch.from_numpy(strength.reshape(CELLS[0], 8, CELLS[1], 8).max((1, 3)) == 0).expand_as(source)
    assert torch.equal(latents[blank], source[blank])
    assert not torch.equal(latents, source)


def test_invariant_02_the_published_rules_do_not_restore(models: Models) -> None:
    """Section 4, point 5: fully kept is one step away."""
    strength = cells(np.arange(np.prod(CELLS)).reshape(CELLS) % 16 == 15)
    hold, published = (
        run(ask(strength, settings=by_rule(rule=rule)), models("kandinsky"))[1] for rule in ("hold", "differential")
    )
    kept = torch.from_numpy(strength[::8, ::8] == 0).expand_as(hold)
    source = models("kandinsky").backend.encode((picture(1) / np.float32(255)).astype(np.float32))
    assert torch.equal(hold[kept], source[kept])
    assert not torch.equal(published[kept], source[kept])


@pytest.mark.parametrize("name", MODELS)
def test_invariant_20_the_same_request_gives_the_same_bytes(models: Models, name: str) -> None:
    request = ask(_blob(), exemplar(2))
    first, second = (run(request, models(name))[0] for _ in range(2))
    assert first.rect == second.rect
    assert first.pixels.tobytes() == second.pixels.tobytes()
    other = run(replace(request, seed=12), models(name))[0]
    assert other.rect == first.rect
    assert (other.pixels[..., 3] == first.pixels[..., 3]).all()
    differs = (other.pixels != first.pixels).any(-1)
    assert differs.any()
    assert (first.pixels[differs][:, 3] > 0).all()


def test_invariant_20_torchs_own_generator_plays_no_part(models: Models) -> None:
    made = []
    for name in ("sdxl", "kandinsky"):
        for seed in (1, 2):
            torch.manual_seed(seed)
            made.append(
                run(ask(_blob(), sampler="euler_a" if name == "sdxl" else ""), models(name))[0].pixels.tobytes()
            )
            assert torch.equal(torch.random.get_rng_state(), torch.Generator().manual_seed(seed).get_state())
    assert made[0] == made[1]
    assert made[2] == made[3]


@pytest.mark.parametrize("name", ["sdxl", "kandinsky"])
@pytest.mark.parametrize(
    ("size", "working"),
    [
        ((1001, 777), (101, 78)),
        ((8, 8), (8, 8)),
        ((5000, 3), (500, 1)),
        ((3, 70), (3, 70)),
        ((61, 43), (97, 69)),
        ((1, 1), (1, 1)),
    ],
)
def test_invariant_18_any_size_comes_back_in_its_own_size(
    models: Models, name: str, size: tuple[int, int], working: tuple[int, int]
) -> None:
    strength = np.full((size[1], size[0]), 0.5, np.float32)
    strength[: size[1] // 3, : size[0] // 3] = 0
    frame = Frame(Rect.at(5, 6, *size), Size(*working))
    request = ask(strength, frame=frame, steps=2)
    seen: list[Report] = []
    result = drive(edit(request, models(name).backend), seen=seen)
    assert result.pixels.shape == (*result.rect.size.shape, 4)
    assert result.rect == Rect.of_mask(strength).moved(5, 6)
    _shown(request, result)
    previews = [each for each in seen if isinstance(each, Preview)]
    assert previews
    assert all(preview.rect == frame.rect for preview in previews)


def test_invariant_26_a_strength_that_runs_no_step_returns_the_original(models: Models) -> None:
    request = ask(np.full(SIDE.shape, 0.04, np.float32), exemplar(2), steps=10)
    result = drive(edit(request, models("sdxl").backend))
    assert not result.pixels.any()
    assert result.rect.size.area >= 1
    assert (_shown(request, result)[..., :3] == request.image).all()
    assert result.recipe.seed == request.seed


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rule", ["hold", "reference"])
def test_invariant_26_a_single_step_runs(models: Models, name: str, rule: Any) -> None:
    request = ask(_blob(), exemplar(2), steps=2, settings=by_rule(rule=rule), sampler="ddim")
    result, latents, recorded = run(request, models(name))
    assert len(recorded.inputs) == 1
    assert torch.isfinite(latents).all()
    assert result.pixels[..., 3].max() == 255


@pytest.mark.parametrize(
    ("strength", "steps", "expected"), [(0.29, 100, 29), (0.58, 50, 29), (0.35, 10, 4), (1.0, 7, 7)]
)
def test_steps_that_run_follow_from_the_greatest_strength(
    models: Models, strength: float, steps: int, expected: int
) -> None:
    """Rounded, where the published scripts cut off: int(100 x 0.29) is 28."""
    request = ask(np.full((8, 8), strength, np.float32), steps=steps, guidance_scale=1.0)
    assert len(run(request, models("sdxl"))[2].inputs) == expected


@pytest.mark.parametrize("edge", EDGES)
def test_the_soft_edge_is_measured_in_working_pixels(models: Models, edge: int) -> None:
    strength = np.zeros((64, 128), np.float32)
    strength[:, 40:] = 0.5
    frame = Frame(Rect.at(0, 0, 128, 64), Size(64, 32))  # a working pixel is two of the document
    request = ask(strength, frame=frame, steps=2, settings=PixelsSettings(feather=float(edge)))
    result = run(request, models("sdxl"))[0]
    alpha = result.pixels[32, :, 3]
    assert result.rect.left == 40
    assert int(np.flatnonzero(alpha == 255)[0]) == pytest.approx(2 * edge - 1, abs=2)


@pytest.mark.parametrize(("share", "expected"), [(1 / 4, 4), (1, 16), (2, 16)])
def test_models_of_small_pictures_have_a_narrower_soft_edge_and_large_ones_no_wider(
    models: Models, share: float, expected: int
) -> None:
    known = models("sdxl")
    model = Model.of(known.folder, round(share * known.backend.info.traits.native))
    strength = np.zeros((64, 128), np.float32)
    strength[:, 40:] = 0.5
    alpha = run(ask(strength, steps=2, settings=PixelsSettings(feather=16.0)), model)[0].pixels[32, :, 3]
    assert int(np.flatnonzero(alpha == 255)[0]) == pytest.approx(expected - 1, abs=1)
