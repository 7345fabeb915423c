"""Text conditioning and noise schedule shared by all diffusion methods."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from editor.diffusion.backend import Backend, Embeddings, PicturePrompt
from editor.diffusion.finite import unread
from editor.diffusion.guidance import Denoiser, Guidance, classifier_free, guided
from editor.diffusion.schedule import Schedule
from editor.geometry import Size
from editor.requests.edit_request import EditRequest
from editor.requests.reports import Reports, subprogress


def conditioned_denoiser(
    backend: Backend,
    request: EditRequest,
    seeds: Sequence[int],
    canvas: Size,
    *,
    pictures: Sequence[PicturePrompt] = (),
    picture_share: float = 0.0,
    always_guided: bool = False,
) -> Reports[Denoiser]:
    """The network with the request's words and guidance; the rest as in `conditioning`."""
    reading = conditioning(
        backend,
        request,
        seeds,
        canvas,
        pictures=pictures,
        picture_share=picture_share,
        always_guided=always_guided,
    )
    return guided(backend, (yield from reading))


def conditioning(
    backend: Backend,
    request: EditRequest,
    seeds: Sequence[int],
    canvas: Size,
    *,
    pictures: Sequence[PicturePrompt] = (),
    picture_share: float = 0.0,
    always_guided: bool = False,
) -> Reports[Guidance]:
    """The request's words and guidance, for a batch of one picture for each seed.

    canvas: in pixels
    pictures, picture_share: as in `Backend.embed`
    always_guided: also where a guidance of 1 or less needs no second evaluation, as some published scripts do

    Raises `NotFinite` where the embeddings are no numbers.
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
    positive, negative = (reduce(Embeddings.beside, column) for column in zip(*embeddings, strict=True))
    scale = request.guidance_scale if "classifier_free" in backend.guidance_kinds else 1.0
    return classifier_free(positive, negative, scale, always=always_guided)


def schedule_for(
    backend: Backend,
    request: EditRequest,
    first: int,
    canvas: Size,
    *,
    published: bool = False,
    finer: Sequence[int] = (),
) -> Schedule:
    """The request's schedule, of which a run takes the steps from `first` on.

    canvas: in pixels
    published: exactly the model's own sampler, for comparison
    finer: as in `Schedule`

    Raises `InvalidRequest` for steps that the sampler cannot do.
    """
    schedule = backend.schedule(request.steps, sampler=request.sampler, first=first, canvas=canvas, finer=finer)
    if schedule.evaluates_twice and not published and not request.sampler:
        # The sampler that many models bring disturbs held cells; this one has the same levels.
        schedule = backend.schedule(request.steps, sampler="ddim", first=first, canvas=canvas)
    return schedule
