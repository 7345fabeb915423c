"""Methods with a model whose numbers grow out of all bounds: no candidate of it, the others as ever, and a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from editor.diffusion.backend import Backend, Embeddings
from editor.diffusion.decoders import OwnDecoder
from editor.diffusion.fits import FitStore
from editor.diffusion.step import Step
from editor.errors import NotFinite
from editor.methods.blended_latent_diffusion.model import edit_batch as blended
from editor.methods.blended_latent_diffusion.model import repair
from editor.methods.blended_latent_diffusion.model.reference import edit_batch as published
from editor.methods.pixels.model import edit_batch as pixels
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.paste_back import Pasted, result_of
from editor.requests.edit_request import EditRequest, RepairRequest
from editor.requests.reports import Report, outcome_of
from editor.requests.results import EditResult
from editor.requests.variants import Variant, variants_of
from tests.support.blended_cases import found_of, settings, wish
from tests.support.pixels_cases import CELLS, Model, ask, cells, exemplar
from tests.support.reports import drive

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

Models = Callable[[str], Model]
NAN = float("nan")
SEEDS = (11, 12, 13)
LEFT = np.zeros(CELLS, np.float32)
LEFT[:, :6] = 1
HALVES = (exemplar(2, cells(LEFT)), exemplar(3, cells(1 - LEFT)))
EVERYWHERE = cells(np.full(CELLS, 0.9, np.float32))


@dataclass(eq=False)
class Spoiled:
    """A backend whose network gives no numbers for the picture at `row` of `of`, at its call number `at`, nor its decoder at its call `decode_at`."""

    backend: Backend
    row: int = -1
    of: int = 1
    at: int = 0
    decode_at: int = -1
    learns: bool = True
    calls: int = 0
    decoded: int = 0

    def predict(self, latents: torch.Tensor, step: Step, embeddings: Embeddings) -> torch.Tensor:
        answer = self.backend.predict(latents, step, embeddings)
        if self.row >= 0 and self.calls == self.at:
            answer[self.row :: self.of, 0, 0, 0] = NAN  # with and without the words
        self.calls += 1
        return answer

    def decode(self, latents: torch.Tensor, *, clamp: bool = True) -> NDArray[np.float32]:
        self.decoded += 1
        if self.decoded - 1 == self.decode_at:
            raise NotFinite("It could not turn it into a picture.")
        return self.backend.decode(latents, clamp=clamp)

    def own_decoder(self) -> OwnDecoder:
        own = self.backend.own_decoder()
        if not self.learns:
            with torch.no_grad():
                next(iter(own.parameters)).fill_(NAN)
        return own

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


def failing(
    edit: Any, request: EditRequest, backend: Any, seeds: Sequence[int] = SEEDS
) -> tuple[list[EditResult], str]:
    """What was reported as finished, and how it ended."""
    seen: list[Report] = []
    with pytest.raises(NotFinite) as caught:
        drive(edit(variants_of(request, seeds), backend), seen=seen)
    return found_of(seen), caught.value.message


def same(one: EditResult, other: EditResult) -> bool:
    return one.recipe == other.recipe and one.rect == other.rect and np.array_equal(one.pixels, other.pixels)


REQUESTS: dict[str, tuple[Any, Callable[[], EditRequest]]] = {
    "pixels": (pixels, lambda: ask(EVERYWHERE, steps=4)),
    "passes": (pixels, lambda: ask(EVERYWHERE, *HALVES, settings=PixelsSettings(passes="one_by_one"), steps=3)),
    "words": (blended, lambda: wish(steps=4)),
    "poisson": (blended, lambda: wish(told=settings(finish="poisson"), steps=4)),
    "ref_sd2": (published, lambda: wish(told=settings(rule="ref_sd2"), steps=10)),
    "ref_ldm": (published, lambda: wish(told=settings(rule="ref_ldm", pixel_blending=0.5), steps=10)),
}


@pytest.mark.parametrize(
    ("name", "asked", "row"),
    [
        ("sd", "pixels", 0),
        ("sd", "pixels", 2),
        ("sd", "passes", 1),
        ("sd", "words", 0),
        ("sd", "poisson", 1),
        ("sd", "ref_sd2", 1),
        ("sd", "ref_ldm", 0),
        ("kandinsky", "passes", 1),
        ("kandinsky", "words", 0),
    ],
)
def test_a_lost_candidate_costs_the_others_nothing(models: Models, name: str, asked: str, row: int) -> None:
    edit, request_of = REQUESTS[asked]
    request, backend = request_of(), models(name).backend
    plain = drive(edit(variants_of(request, SEEDS), backend))
    found, said = failing(edit, request, Spoiled(backend, row, len(SEEDS), at=1))
    assert [each.recipe.seed for each in found] == [seed for seed in SEEDS if seed != SEEDS[row]]
    assert all(any(same(each, other) for other in plain) for each in found)
    assert "At step 2 of" in said


@pytest.mark.parametrize("edit", [pixels, blended])
@pytest.mark.logs
def test_a_picture_that_cannot_be_decoded_costs_the_others_nothing(models: Models, edit: Any) -> None:
    request = ask(EVERYWHERE, steps=2) if edit is pixels else wish(steps=2)
    backend = models("sd").backend
    plain = drive(edit(variants_of(request, SEEDS), backend))
    found, said = failing(edit, request, Spoiled(backend, decode_at=1))
    assert len(found) == 2
    assert same(found[0], plain[0])
    assert same(found[1], plain[2])
    assert said == "It could not turn it into a picture."


@pytest.mark.parametrize("edit", [pixels, blended])
def test_where_nothing_is_left_there_is_no_candidate(models: Models, edit: Any) -> None:
    request = ask(EVERYWHERE, steps=4) if edit is pixels else wish(steps=4)
    spoiled = Spoiled(models("sd").backend, 0, 1, at=1)
    found, said = failing(edit, request, spoiled, SEEDS[:1])
    assert not found
    assert said.startswith("At step 2 of")
    assert (spoiled.calls, spoiled.decoded) == (2, 0)


@pytest.mark.parametrize("finish", ["decoder", "latents"])
@pytest.mark.usefixtures("few")
@pytest.mark.logs
def test_a_finish_that_cannot_learn_is_pasted(models: Models, finish: Any) -> None:
    backend = models("sd").backend
    (plain,) = drive(blended(variants_of(wish(told=settings(finish="paste"), steps=2), SEEDS[:1]), backend))
    (made,) = drive(
        blended(variants_of(wish(told=settings(finish=finish), steps=2), SEEDS[:1]), Spoiled(backend, learns=False))
    )
    assert np.array_equal(made.pixels, plain.pixels)


@pytest.mark.usefixtures("few")
def test_an_edge_that_cannot_be_learned_is_told_and_not_kept(models: Models) -> None:
    backend, fits = models("sd").backend, FitStore()
    request = wish(told=settings(finish="paste"), steps=2)
    (made,) = drive(blended(variants_of(request, SEEDS[:1]), backend))
    assert made.latents is not None
    asked = RepairRequest(request, made.latents, "decoder")
    with pytest.raises(NotFinite, match="Learning the surroundings"):
        outcome_of(repair(asked, Spoiled(backend, learns=False), fits))
    better = outcome_of(repair(asked, backend, fits))
    again = outcome_of(repair(asked, backend, fits))
    assert better.pixels[..., 3].any()
    assert np.array_equal(better.pixels, again.pixels)


@pytest.mark.usefixtures("few")
def test_what_was_kept_and_is_no_picture_is_learned_again(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier versions kept whatever came out."""
    backend, fits = models("sd").backend, FitStore()
    request = wish(told=settings(finish="paste"), steps=2)
    (made,) = drive(blended(variants_of(request, SEEDS[:1]), backend))
    assert made.latents is not None
    asked = RepairRequest(request, made.latents, "decoder")
    wanted = outcome_of(repair(asked, backend, fits))
    monkeypatch.setattr(fits, "get", lambda key: {"image": torch.full((64, 128, 3), NAN)})
    assert np.array_equal(outcome_of(repair(asked, backend, fits)).pixels, wanted.pixels)


@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_nothing_that_is_no_number_becomes_a_layer(value: float) -> None:
    request = ask(EVERYWHERE)
    image = np.full((*request.strength.shape, 3), 0.5, np.float32)
    spoiled = replace(Pasted.bare().over(image, request.strength), paint=np.full_like(image, value))
    with pytest.raises(NotFinite):
        result_of(Variant(0, request), spoiled)


def test_a_fill_of_no_numbers_is_not_painted_black() -> None:
    from editor.methods.quick_fill.pyramid import to_bytes

    assert to_bytes(np.array([-0.2, 0.5, 1.2], np.float32)).tolist() == [0, 128, 255]
    with pytest.raises(NotFinite):
        to_bytes(np.array([0.5, NAN], np.float32))
