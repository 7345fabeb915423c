"""What every method asks of a model before its first step: to read the words, and for the noise levels of a run that holds parts of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from editor.diffusion.backend import Backend, Embeddings, PicturePrompt
from editor.diffusion.finite import unread
from editor.diffusion.guidance import Denoiser, Guidance, guided
from editor.diffusion.schedule import Schedule
from editor.geometry import Size
from editor.requests.edit_request import EditRequest
from editor.requests.reports import Reports, subprogress


def told(
    backend: Backend,
    request: EditRequest,
    seeds: Sequence[int],
    canvas: Size,
    *,
    pictures: Sequence[PicturePrompt] = (),
    picture_share: float = 0.0,
) -> Reports[Denoiser]:
    """The network, told the request's words for a batch of one picture for each seed. `canvas`: in pixels; the rest as in `Backend.embed`.

    Raises `NotFinite` where what was read is no numbers.
    """
    if not backend.info.traits.draws_words:
        seeds = seeds[:1]  # the same for all
    embeddings = []
    for number, seed in enumerate(seeds):
        reading = backend.embed(request.prompt, request.negative_prompt, canvas, pictures, picture_share, seed=seed)
        pair = yield from subprogress(reading, number / len(seeds), (number + 1) / len(seeds))
        if not all(embedded.finite for embedded in pair):
            raise unread(backend.info)
        embeddings.append(pair)
    positive, negative = (reduce(Embeddings.beside, each) for each in zip(*embeddings, strict=True))
    return guided(backend, Guidance(positive, negative, request.guidance_scale))


def holding(backend: Backend, request: EditRequest, first: int, *, published: bool = False) -> Schedule:
    """The request's schedule without its `first` steps. `published`: exactly the model's own sampler, for comparison.

    Raises `InvalidRequest` for a number of steps that the sampler cannot do.
    """
    found = backend.schedule(request.steps, sampler=request.sampler, first=first)
    if found.looks_twice and not published and not request.sampler:
        # The sampler that many models bring disturbs held cells; this one has the same levels.
        found = backend.schedule(request.steps, sampler="ddim", first=first)
    return found
