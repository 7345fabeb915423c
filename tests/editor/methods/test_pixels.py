"""One PIXELS edit as the program sees it: reports, batches, what the model is told, and that it is given back as it was."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from editor.diffusion.step import Step
from editor.errors import InvalidRequest
from editor.execution import EXECUTIONS
from editor.geometry import Rect, Size
from editor.methods.pixels.model import edit, edit_batch
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.model_canvas.paste_back import paste_alpha
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame
from editor.requests.reports import FinishEarly, Preview, Progress, Report, outcome_of
from editor.requests.results import EditResult
from editor.requests.samplers import Sampler
from editor.requests.variants import variants_of
from tests.support.pixels_cases import (
    CELLS,
    MODELS,
    SIDE,
    Model,
    Recorded,
    ask,
    batch_of,
    by_rule,
    cells,
    exemplar,
    picture,
    run,
)
from tests.support.reports import drive

Models = Callable[[str], Model]
Map = NDArray[np.float32]
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
# Those that draw numbers of their own while they run, and one that does not.
SAMPLERS: tuple[tuple[str, Sampler], ...] = (
    ("sd", ""),
    ("sd_v", "ddpm"),
    ("sdxl", "euler_a"),
    ("sdxl", "lcm"),
    ("refiner", "unipc"),
    ("kandinsky", ""),
    ("kandinsky", "dpmpp_2m"),
)


def _middle() -> Map:
    found = np.zeros(CELLS)
    found[2:7, 3:12] = 0.6
    found[4:6, 5:9] = 0.3
    return cells(found)


def _chain(**more: Any) -> EditRequest:
    """Two exemplars, one after the other."""
    maps = [cells(np.indices(CELLS)[1] // 8 == side) * np.float32(0.5) * (_middle() > 0) for side in (0, 1)]
    both = [exemplar(k, (map > 0).astype(np.float32), rim=map) for k, map in zip((2, 3), maps, strict=True)]
    settings = PixelsSettings(passes="one_by_one")
    return ask(np.maximum(*maps), *both, **{"settings": settings, "steps": 8, **more})


def test_the_table_of_methods_knows_it() -> None:
    assert EXECUTIONS[PixelsSettings]().edit_on_model is not None


@pytest.mark.parametrize(("name", "sampler"), SAMPLERS)
@pytest.mark.parametrize("rule", ["hold", "reference"])
def test_invariant_17_a_batch_is_single_runs(models: Models, name: str, sampler: Sampler, rule: Any) -> None:
    request = ask(_middle(), exemplar(2), sampler=sampler, steps=6, settings=by_rule(rule=rule))
    seeds = (11, 4)
    results, latents = batch_of(request, seeds, models(name))
    for k, seed in enumerate(seeds):
        alone, expected, _ = run(replace(request, seed=seed), models(name))
        assert (latents[k : k + 1] - expected).abs().max() <= 1e-5 * max(1.0, float(expected.abs().max()))
        assert results[k].rect == alone.rect
        assert np.abs(results[k].pixels.astype(int) - alone.pixels).max() <= 1
        assert results[k].recipe == alone.recipe
        assert results[k].recipe.seed == seed


def test_invariant_17_in_passes_too(models: Models) -> None:
    """In the second pass each picture of the batch is a source of its own."""
    request = _chain(guidance_scale=1.0)
    results, _ = batch_of(request, (11, 40), models("sdxl"))
    for result, seed in zip(results, (11, 40), strict=True):
        alone = run(replace(request, seed=seed), models("sdxl"))[0]
        assert np.abs(result.pixels.astype(int) - alone.pixels).max() <= 1
    assert (results[0].pixels != results[1].pixels).any()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("guidance", "wide"), [(0.0, 1), (1.0, 1), (1.5, 2), (7.0, 2)])
def test_invariant_21_the_network_is_called_once_a_step(models: Models, name: str, guidance: float, wide: int) -> None:
    recorded = Recorded(models(name).backend)
    drive(edit_batch(variants_of(ask(guidance_scale=guidance, steps=2, sampler="ddim"), (1, 2)), recorded))
    assert [len(input_) for input_ in recorded.inputs] == [2 * wide] * 2
    positive, negative = outcome_of(models(name).backend.embed("red boat", "wood", SIDE, seed=1))
    for told in recorded.told:
        for part, expected in ((slice(0, 1), negative if wide == 2 else positive), (slice(-2, -1), positive)):
            if expected.hidden is not None:
                assert told.hidden is not None
                assert torch.equal(told.hidden[part], expected.hidden)
            for key, value in expected.added.items():
                assert torch.equal(told.added[key][part], value)
    if wide == 2:
        assert torch.equal(recorded.inputs[0][:2], recorded.inputs[0][2:])


@pytest.mark.parametrize(("name", "last"), [("sdxl", [[56, 104], [56, 104]]), ("refiner", [[2.5], [6.0]])])
def test_invariant_22_sdxl_is_told_the_canvas(models: Models, name: str, last: list[list[float]]) -> None:
    """Height before width, of the padded canvas, and no crop; the refiner a score instead of the target."""
    frame = Frame(Rect.at(3, 4, 150, 80), Size(100, 53))
    request = ask(np.full((80, 150), 0.5, np.float32), frame=frame)
    told = run(request, models(name))[2].told[0].added["time_ids"]
    assert told.tolist() == [[56, 104, 0, 0, *each] for each in last]


def test_invariant_23_kandinsky_keeps_the_orientation(models: Models) -> None:
    """Held to the end everywhere but in one corner, a wide picture of two halves comes back with its halves where they were."""
    wide = np.zeros((64, 192, 3), np.uint8)
    wide[:, 96:] = 255
    strength = np.zeros((64, 192), np.float32)
    strength[56:, 184:] = 0.5
    result, latents, recorded = run(ask(strength, image=wide), models("kandinsky"))
    assert latents.shape == (1, 4, 8, 24)
    assert {input_.shape[-2:] for input_ in recorded.inputs} == {(8, 24)}
    source = models("kandinsky").backend.encode((wide / np.float32(255)).astype(np.float32))
    assert torch.equal(latents[..., :20], source[..., :20])
    assert result.rect == Rect(184, 56, 192, 64)


def test_reports_come_with_every_step_and_end_at_all(models: Models) -> None:
    for request, passes in ((ask(_middle(), steps=10), 1), (_chain(), 2)):
        seen: list[Report] = []
        drive(edit(request, models("sdxl").backend), seen=seen)
        fractions = [each.fraction for each in seen if isinstance(each, Progress)]
        assert fractions == sorted(fractions)
        assert fractions[0] == 0
        assert 0.9 <= fractions[-1] <= 1
        words = [each.doing for each in seen if isinstance(each, Progress)]
        assert sum(word.startswith("Step") for word in words) == (6 if passes == 1 else 8)
        assert any("reference picture 2 of 2" in word for word in words) == (passes == 2)


def test_a_prior_s_steps_are_reported_before_the_samplers(models: Models) -> None:
    seen: list[Report] = []
    drive(edit_batch(variants_of(ask(_middle(), steps=4), (1, 2)), models("kandinsky").backend), seen=seen)
    told = [each for each in seen if isinstance(each, Progress)]
    fractions = [each.fraction for each in told]
    assert fractions == sorted(fractions)
    counts = [f"Reading the words · {step} of 25" for step in range(1, 26)]
    assert [each.doing for each in told[1:51]] == 2 * counts  # once for each seed
    assert 0 < fractions[50] < 0.1


def test_invariant_20_previews_show_what_will_be_delivered(models: Models) -> None:
    frame = Frame.full_size(Rect.at(30, 40, *SIDE))
    request = ask(_middle(), frame=frame, steps=8)
    seen: list[Report] = []
    drive(edit(request, models("sdxl").backend), seen=seen)
    previews = [each for each in seen if isinstance(each, Preview)]
    assert previews
    for preview in previews:
        assert preview.rect == frame.rect
        assert (preview.pixels[..., 3] == np.rint(paste_alpha(request.strength, 12) * 255)).all()


def test_previews_of_a_later_pass_show_the_earlier_ones_too(models: Models) -> None:
    request = _chain(settings=PixelsSettings(passes="one_by_one", match_tone="off"))
    seen: list[Report] = []
    result = drive(edit(request, models("sdxl").backend), seen=seen)
    second = next(k for k, each in enumerate(seen) if isinstance(each, Progress) and "2 of 2" in each.doing)
    first, later = (
        [each for each in part if isinstance(each, Preview)][-1].pixels for part in (seen[:second], seen[second:])
    )
    rims = [each.rim > 0 for each in request.exemplars]
    assert first[rims[0]][:, 3].any()
    assert not first[rims[1]][:, 3].any()
    whole = np.zeros_like(later)
    whole[result.rect.slices] = result.pixels
    assert (np.abs(later[..., 3].astype(int) - whole[..., 3]) <= 1).all()
    opaque = rims[0] & (whole[..., 3] > 128)  # what the first pass made is there as it was delivered
    assert np.abs(later[opaque][:, :3].astype(int) - whole[opaque][:, :3]).max() <= 2


def test_finishing_early_is_sound_at_every_report(models: Models) -> None:
    """The result has its whole edge, its kept cells are the source's, and the network is not asked again."""
    request = ask(_middle(), steps=8)
    seen: list[Report] = []
    drive(edit(request, models("sdxl").backend), seen=seen)
    alpha = run(request, models("sdxl"))[0].pixels[..., 3]
    source = models("sdxl").backend.encode((picture(1) / np.float32(255)).astype(np.float32))
    kept = torch.from_numpy(request.strength[::8, ::8] == 0).expand_as(source)
    firsts = [k for k, each in enumerate(seen) if isinstance(each, Progress)]
    for at in firsts[2:]:  # before the first step there is nothing yet
        recorded = Recorded(models("sdxl").backend)
        told: list[Report] = []
        result = drive(edit(request, recorded), finish_at=at, seen=told)
        assert (result.pixels[..., 3] == alpha).all()
        assert result.recipe.steps == 8
        assert torch.isfinite(recorded.decoded[-1]).all()
        assert torch.equal(recorded.decoded[-1][kept], source[kept])
        assert not any(isinstance(each, Progress) and each.doing.startswith("Step") for each in told[at + 1 :])


@pytest.mark.parametrize("at", [0, 1])
def test_finishing_before_there_is_anything_ends_it(at: int, models: Models) -> None:
    with pytest.raises(FinishEarly):
        drive(edit(ask(_middle()), models("sdxl").backend), finish_at=at)


def test_finishing_early_among_passes_keeps_what_there_is(models: Models) -> None:
    request = _chain()
    seen: list[Report] = []
    whole = drive(edit(request, models("sdxl").backend), seen=seen)
    middle = next(k for k, each in enumerate(seen) if isinstance(each, Progress) and "2 of 2" in each.doing)
    first = next(k for k, each in enumerate(seen) if isinstance(each, Progress) and each.doing.startswith("Finishing"))
    assert first < middle
    for at in (first, middle):
        recorded = Recorded(models("sdxl").backend)
        result = drive(edit(request, recorded), finish_at=at)
        assert len(recorded.decoded) == 1  # the second pass is left out
        assert result.pixels[..., 3].any()
        assert result.rect.width < whole.rect.width


def _condition(model: Model) -> list[Any]:
    """All of a loaded model that an edit could leave changed."""
    parts: list[Any] = []
    pipelines: list[Any] = [var for var in vars(model.backend).values() if hasattr(var, "components")]
    for pipeline in pipelines:
        parts.append(dict(pipeline.scheduler.config))
        parts.append([getattr(pipeline.scheduler, key, None) for key in ("_step_index", "_begin_index", "counter")])
        for name, network in sorted(pipeline.components.items()):
            if isinstance(network, torch.nn.Module):
                parts.append((name, network.training, [parameter.requires_grad for parameter in network.parameters()]))
                parts.extend(each.clone() for each in network.state_dict().values())
                parts.append(len(network._forward_hooks) + len(network._forward_pre_hooks))
                processors: dict[str, Any] = getattr(network, "attn_processors", {})
                parts.append({key: id(processor) for key, processor in processors.items()})
    return parts


@contextmanager
def _given_back(model: Model) -> Iterator[None]:
    before = _condition(model)
    state = torch.random.get_rng_state()
    yield
    after = _condition(model)
    assert len(before) == len(after)
    for first, second in zip(before, after, strict=True):
        same = torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second
        assert same
    assert torch.is_grad_enabled()
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("name", MODELS)
def test_invariant_27_closing_after_any_report_leaves_the_model_as_it_was(models: Models, name: str) -> None:
    request = ask(_middle(), exemplar(2), steps=5, guidance_scale=1.0)
    count = len(_all(edit(request, models(name).backend)))
    before = request.image.tobytes(), request.strength.tobytes()
    with _given_back(models(name)):
        for after in range(count):
            reports = edit(request, models(name).backend)
            for _ in itertools.islice(reports, after + 1):
                pass
            reports.close()
            assert next(reports, None) is None
    assert before == (request.image.tobytes(), request.strength.tobytes())
    with pytest.raises(ValueError, match="read-only"):
        request.image[0, 0] = 1


def _all(reports: Iterator[Report]) -> list[Report]:
    return list(reports)


@pytest.mark.parametrize("name", MODELS)
def test_invariant_27_a_whole_run_and_an_early_end_leave_the_model_as_it_was(models: Models, name: str) -> None:
    request = ask(_middle(), exemplar(2), steps=6)
    expected = run(request, models(name))[0].pixels.tobytes()
    with _given_back(models(name)):
        read = 25 if name == "kandinsky" else 0  # reports before there is anything
        drive(edit(request, models(name).backend), finish_at=read + 3)
        drive(edit(replace(request, sampler="dpmpp_2m"), models(name).backend))
        assert run(request, models(name))[0].pixels.tobytes() == expected


@pytest.mark.parametrize("name", MODELS)
def test_invariant_27_an_error_inside_the_network_leaves_the_model_as_it_was(models: Models, name: str) -> None:
    class Broken(Recorded):
        def predict(self, latents: torch.Tensor, step: Step, embeddings: Any) -> torch.Tensor:
            found = super().predict(latents, step, embeddings)
            if len(self.inputs) == 3:
                raise RuntimeError("the third step")
            return found

    request = ask(_middle(), exemplar(2), steps=6, sampler="ddim")
    expected = run(request, models(name))[0].pixels.tobytes()
    with _given_back(models(name)):
        with pytest.raises(RuntimeError, match="the third step"):
            drive(edit(request, Broken(models(name).backend)))
        assert run(request, models(name))[0].pixels.tobytes() == expected


def test_two_edits_at_once_do_not_disturb_each_other(models: Models) -> None:
    """Each has its own schedule: run in turns they give what they give alone."""
    asked = [ask(_middle(), seed=seed, sampler=sampler) for seed, sampler in ((1, ""), (2, "dpmpp_2m"))]
    alone = [run(each, models("sdxl"))[0] for each in asked]
    found: list[EditResult] = []
    going = [edit(each, models("sdxl").backend) for each in asked]
    while going:
        for reports in list(going):
            try:
                next(reports)
            except StopIteration as stop:
                found.append(stop.value)
                going.remove(reports)
    found.sort(key=lambda each: each.recipe.seed)
    for first, second in zip(found, alone, strict=True):
        assert first.pixels.tobytes() == second.pixels.tobytes()


def test_what_a_sampler_cannot_do_is_said_in_words(models: Models) -> None:
    with pytest.raises(InvalidRequest, match="60 steps"):
        drive(edit(ask(steps=60, sampler="lcm"), models("sdxl").backend))


def test_another_methods_settings_are_a_mistake(models: Models) -> None:
    with pytest.raises(TypeError, match="QuickFillSettings"):
        drive(edit(ask(settings=QuickFillSettings()), models("sdxl").backend))


@pytest.mark.parametrize("sampler", ["euler", "euler_a", "ddim", "dpmpp_2m", "unipc", "lcm", "ddpm", "pndm"])
@pytest.mark.parametrize("name", ["sd_v", "kandinsky"])
def test_every_sampler_runs_on_every_model(models: Models, name: str, sampler: Sampler) -> None:
    _, latents, _ = run(ask(_middle(), sampler=sampler, steps=6), models(name))
    assert torch.isfinite(latents).all()
