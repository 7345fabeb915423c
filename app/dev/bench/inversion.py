"""Inversion on held-out practice scenes: `python -m app bench inversion`. Can this model be led back to a picture that it did not make?

Two ways, which methods build on. *Noise*: DDIM inversion (Song et al. 2021, section 4.3) finds the noise from which the
picture's own words lead back to it. *Words*: textual inversion (Gal et al. 2022) learns one new word from one picture, everything else frozen;
the word must bring the thing back from other noise, also on another ground.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial, reduce
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from app.dev.bench import Result
from app.dev.bench.contact_sheet import Section, write_sheet
from app.dev.bench.truth import bar_rows, cell, cells_of, interval, say
from app.dev.bench.truth_cases import HELD_OUT
from app.dev.bench.truth_methods import Stage, folder_of, stage_of
from app.dev.practice.judge import Reading
from app.dev.practice.scenes import GROUNDS, SIDE, Scene, Thing, draw_scene
from app.dev.practice.words import caption_words
from app.dev.practice.world import World
from editor.arrays import Mask, Pixels
from editor.diffusion.backend import Embeddings
from editor.diffusion.blending import NoBlend
from editor.diffusion.denoise import denoise
from editor.diffusion.guidance import classifier_free, guided
from editor.diffusion.inversion import invert
from editor.diffusion.optimise import minimise
from editor.diffusion.schedule import Schedule
from editor.geometry import Size
from editor.requests.reports import outcome_of

NEW = "*"  # the word that is learned; no caption holds it
BATCH = 8
BAR = 80.0  # of things that come back
ON_SHEET = 6
WIDE = 170
CANVAS = Size(SIDE, SIDE)
DRAWS = 4  # of noise, for each picture and step of learning
RATE = 0.1  # of learning, as a part of how much words differ

VAE, BACK, GUIDED = "VAE alone", "back", "back, guided"
OTHER_NOISE, OTHER_WORDS = "other noise, guided", "wrong words, guided"
LEARNED, ELSEWHERE, NAMED, BLANK = "learned", "learned, on another ground", "its own name", "before learning"


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A held-out scene with one thing: `picture` (64, 64, 3) uint8, `where` (64, 64) the thing, `latents` (1, 16, 16, 16); `wrong` words."""

    scene: Scene
    thing: Thing
    picture: Pixels
    where: Mask
    latents: Tensor
    wrong: str


@dataclass
class Rates:
    """What came back, a value a scene: the thing in its colour (0 or 100), the ground that was asked for, and the error against the picture, RMSE in
    1/255; no error where other noise makes another picture.
    """

    thing: list[float] = field(default_factory=list)
    ground: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    """Returns 0 when every bar holds, 1 when one is missed."""
    parser = argparse.ArgumentParser(
        prog="palimpsest bench inversion", description="Practice scenes led back to from noise, and by a learned word."
    )
    parser.add_argument("--scenes", type=int, default=200, help="for inversion by noise (default 200)")
    parser.add_argument("--learned", type=int, default=40, help="scenes of which a word is learned (default 40)")
    parser.add_argument("--steps", type=int, default=50, help="of sampling, and of inversion")
    parser.add_argument("--learning", type=int, default=200, help="steps of learning a word")
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="where practice, practice-clip and -judge lie")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--table", type=Path, metavar="FILE", help="also write tables in Markdown here")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also draw a contact sheet here")
    options = parser.parse_args(arguments)
    stage = stage_of(folder_of(parser, options), options)
    seen = list(_scenes(stage, max(options.scenes, options.learned)))
    by_noise, noise_section = _by_noise(stage, seen[: options.scenes])
    by_words, words_section = _by_words(stage, seen[: options.learned], options.learning)
    bars = [
        _bar("inversion by noise: the thing comes back", by_noise[BACK]),
        _bar("inversion by a learned word: the thing comes back", by_words[LEARNED]),
    ]
    results = [*_results("noise", by_noise), *_results("word", by_words), *bars]
    for result in results:
        say(result)
    if options.json is not None:
        options.json.write_text(
            json.dumps({"results": [asdict(figure) for figure in results]}, indent=2) + "\n", "utf-8"
        )
    if options.table is not None:
        lines = [*_table("By noise", by_noise), *_table("By a learned word", by_words), *bar_rows(bars)]
        options.table.write_text("\n".join(lines) + "\n", "utf-8")
    if options.sheet is not None:
        write_sheet(options.sheet, [noise_section, words_section])
    return 0 if all(bar.ok for bar in bars) else 1


def _scenes(stage: Stage, count: int) -> Iterator[Seen]:
    world = World()
    for seed in range(count):
        scene = draw_scene(HELD_OUT + seed, "held out", 1)
        wrong = draw_scene(2 * HELD_OUT + seed, "held out", 1)
        drawn = world.draw(scene)
        latents = stage.model.backend.encode(np.asarray(drawn.picture / np.float32(255), np.float32))
        where = drawn.coverage[0] >= 0.5
        yield Seen(scene, scene.things[0], drawn.picture, where, latents, wrong.caption())


def _by_noise(stage: Stage, seen: Sequence[Seen]) -> tuple[dict[str, Rates], Section]:
    """From the inverted noise, and controls from other noise or by other words."""
    decodings: dict[str, list[Pixels]] = {name: [] for name in (VAE, BACK, GUIDED, OTHER_NOISE, OTHER_WORDS)}
    for several in _batches(seen):
        latents = torch.cat([example.latents for example in several])
        own = embeddings(stage, [example.scene.caption() for example in several])
        wrong = embeddings(stage, [example.wrong for example in several])
        noise = inverted(stage, latents, own)
        decodings[VAE] += decoded(stage, latents)
        decodings[BACK] += decoded(stage, sampled(stage, noise, own, guidance=1.0))
        decodings[GUIDED] += decoded(stage, sampled(stage, noise, own))
        decodings[OTHER_NOISE] += decoded(stage, sampled(stage, _noise_like(latents), own))
        decodings[OTHER_WORDS] += decoded(stage, sampled(stage, noise, wrong))
    grounds = [example.scene.ground.name for example in seen]
    rates = {name: _rates(stage, seen, pictures, grounds, in_place=True) for name, pictures in decodings.items()}
    return rates, _section("source", seen, decodings)


def _by_words(stage: Stage, seen: Sequence[Seen], steps: int) -> tuple[dict[str, Rates], Section]:
    """From other noise: a new word learned from one picture, against the thing's own name, and the same word before it is learned."""
    decodings: dict[str, list[Pixels]] = {name: [] for name in (LEARNED, ELSEWHERE, NAMED, BLANK)}
    for several in _batches(seen):
        latents = torch.cat([example.latents for example in several])
        noise = _noise_like(latents)
        here = [f"a {NEW} on {GROUNDS[example.scene.ground.name]}" for example in several]
        there = [f"a {NEW} on {GROUNDS[_another(example.scene.ground.name)]}" for example in several]
        start = typical_word(stage).expand(len(several), -1)
        learned = learned_words(stage, several, here, start, steps)
        decodings[LEARNED] += decoded(stage, sampled(stage, noise, embeddings(stage, here, learned)))
        decodings[ELSEWHERE] += decoded(stage, sampled(stage, noise, embeddings(stage, there, learned)))
        captions = [example.scene.caption() for example in several]
        decodings[NAMED] += decoded(stage, sampled(stage, noise, embeddings(stage, captions)))
        decodings[BLANK] += decoded(stage, sampled(stage, noise, embeddings(stage, here, start)))
    grounds = [example.scene.ground.name for example in seen]
    backgrounds = {
        name: [_another(ground) for ground in grounds] if name == ELSEWHERE else grounds for name in decodings
    }
    rates = {
        name: _rates(stage, seen, pictures, backgrounds[name], in_place=False) for name, pictures in decodings.items()
    }
    return rates, _section("source", seen, decodings)


def embeddings(stage: Stage, captions: Sequence[str], new: Tensor | None = None) -> Embeddings:
    """A batch. `new`: (n, 128), what stands for the word `*` in each caption."""
    backend = stage.model.backend
    if new is None:
        return backend.encode_text(captions, CANVAS)
    rows = (
        backend.encode_text((caption,), CANVAS, {NEW: [word[None]]})
        for caption, word in zip(captions, new, strict=True)
    )
    return reduce(Embeddings.beside, rows)


def typical_word(stage: Stage) -> Tensor:
    """The mean of all words of captions, (1, 128)."""
    return _words(stage).mean(dim=0, keepdim=True)


def _words(stage: Stage) -> Tensor:
    tokenizer = stage.model.stock.tokenizer
    ids = [tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in caption_words()]
    table: Tensor = stage.model.stock.text_encoder.get_input_embeddings().weight
    return table.detach()[ids]


def learned_words(stage: Stage, seen: Sequence[Seen], captions: Sequence[str], start: Tensor, steps: int) -> Tensor:
    """One new word for each picture, (n, 128): what best explains the thing (the error counts where the thing is). The nets stay as they are."""
    backend, schedule = stage.model.backend, _schedule(stage)
    words = start.clone().requires_grad_(True)
    latents = torch.cat([example.latents for example in seen]).repeat(DRAWS, 1, 1, 1)
    weights = torch.stack([torch.from_numpy(cells_of(example.where)) for example in seen]).float()[:, None]
    weights = (weights / weights.mean(dim=(1, 2, 3), keepdim=True)).repeat(DRAWS, 1, 1, 1)
    random = torch.Generator().manual_seed(1)

    def loss() -> Tensor:
        step = schedule.at(torch.randint(schedule.train_steps, (len(latents),), generator=random))
        noise = torch.randn(latents.shape, generator=random)
        conditioning = reduce(Embeddings.beside, [embeddings(stage, captions, words)] * DRAWS)
        prediction = backend.predict(step.noised(latents, noise), step, conditioning)
        error = functional.mse_loss(prediction, schedule.target(latents, noise, step), reduction="none")
        return (weights * error).mean()

    adam = partial(torch.optim.Adam, [words], lr=RATE * float(_words(stage).std()))
    outcome_of(minimise(loss, adam, steps, doing="Learning a word"))
    return words.detach()


def _schedule(stage: Stage) -> Schedule:
    return stage.model.backend.schedule(stage.steps, sampler="ddim")


def inverted(stage: Stage, latents: Tensor, conditioning: Embeddings) -> Tensor:
    """The noise that leads to `latents`, without guidance."""
    network = guided(stage.model.backend, classifier_free(conditioning, conditioning, 1.0))
    return outcome_of(invert(network, latents, _schedule(stage))).noise


@torch.no_grad()
def sampled(stage: Stage, latents: Tensor, conditioning: Embeddings, guidance: float | None = None) -> Tensor:
    """What DDIM makes of noise. `guidance`: None for the stage's."""
    backend, scale = stage.model.backend, stage.guidance_scale if guidance is None else guidance
    network = guided(backend, classifier_free(conditioning, backend.unconditional("empty", CANVAS), scale))
    return outcome_of(denoise(network, latents, NoBlend(), _schedule(stage))).latents


@torch.no_grad()
def decoded(stage: Stage, latents: Tensor) -> list[Pixels]:
    return list(np.asarray(np.rint(stage.model.backend.decode(latents) * 255), np.uint8))


def _rates(
    stage: Stage, seen: Sequence[Seen], pictures: Sequence[Pixels], grounds: Sequence[str], *, in_place: bool
) -> Rates:
    """`in_place`: the thing must be seen where it was, and the error counts."""
    rates = Rates()
    for example, picture, reading, ground in zip(seen, pictures, stage.read(list(pictures)), grounds, strict=True):
        rates.thing.append(100.0 * _shows(example, reading, in_place=in_place))
        rates.ground.append(100.0 * (reading.ground == ground))
        if in_place:
            off = picture.astype(np.float64) - example.picture
            rates.error.append(float(np.sqrt(np.square(off).mean())))
    return rates


def _shows(example: Seen, reading: Reading, *, in_place: bool) -> bool:
    return reading.shows(example.thing.name, example.thing.colour, cells_of(example.where) if in_place else None)


def _noise_like(latents: Tensor) -> Tensor:
    return torch.randn(latents.shape, generator=torch.Generator().manual_seed(7))


def _another(ground: str) -> str:
    grounds = list(GROUNDS)
    return grounds[(grounds.index(ground) + 1) % len(grounds)]


def _batches(seen: Sequence[Seen]) -> Iterator[Sequence[Seen]]:
    for first in range(0, len(seen), BATCH):
        yield seen[first : first + BATCH]


def _section(first: str, seen: Sequence[Seen], decodings: dict[str, list[Pixels]]) -> Section:
    rows = [[seen[at].picture, *(decodings[name][at] for name in decodings)] for at in range(min(ON_SHEET, len(seen)))]
    return Section([first, *decodings], rows, WIDE)


def _bar(name: str, rates: Rates) -> Result:
    value = float(np.mean(rates.thing))
    return Result(name, value, "%", BAR, value >= BAR, "at least")


def _results(way: str, rates: dict[str, Rates]) -> Iterator[Result]:
    for name, rate in rates.items():
        for measure, values, unit in (
            ("thing", rate.thing, "%"),
            ("ground", rate.ground, "%"),
            ("error", rate.error, "RMSE"),
        ):
            if values:
                low, high = interval(values)
                note = f"95 %: {low:.4g} to {high:.4g}"
                yield Result(f"{way}, {name}: {measure}", float(np.mean(values)), unit, note=note)


def _table(heading: str, rates: dict[str, Rates]) -> list[str]:
    count = len(next(iter(rates.values())).thing)
    lines = [f"**{heading}**, {count} scenes", "", "| way | thing, % | ground, % | error, RMSE |", "|---|---|---|---|"]
    for name, rate in rates.items():
        lines.append(
            f"| {name} | {cell(rate.thing)} | {cell(rate.ground)} | {cell(rate.error) if rate.error else '–'} |"
        )
    return [*lines, ""]
