"""What the truth benchmark compares: the program's methods, and the controls that make their figures believable.

A method takes the stage and a case and returns the whole picture, or None for a kind of edit that it does not do. `Batched` ones take several
cases at once.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import CLIPModel

import resources
from app.dev.bench.diffusion_edits import Model, load_model, outcome
from app.dev.bench.quick_fill_edits import laid_on
from app.dev.bench.truth_cases import Case
from app.dev.practice.clip import tokens
from app.dev.practice.export import CLIP, PIPELINE, finished_weights
from app.dev.practice.judge import Judge, JudgeNet, Reading
from app.dev.practice.scenes import SIDE
from app.dev.practice.training import as_batch, to_signed
from app.dev.practice.words import make_tokenizer
from editor.arrays import Pixels
from editor.diffusion.backend import Backend
from editor.methods.blended_latent_diffusion import model as blended_latent_diffusion
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels import model as pixels
from editor.methods.pixels.model import reference as pixels_reference
from editor.methods.pixels.reference import ReferencePixelsSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill import editing as quick_fill
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.edit_request import EditRequest
from editor.requests.reports import Reports
from editor.requests.results import EditResult

Single = Callable[["Stage", Case], Pixels | None]


@dataclass(frozen=True, slots=True)
class Batched:
    """A method that makes `size` pictures at a time, each as it would be by itself, to rounding."""

    make: Callable[[Stage, Sequence[Case]], list[Pixels]]
    size: int = 8  # larger ones gain nothing on a processor


Method = Single | Batched


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """`seconds` and `evaluations` of the U-Net: of a batch, each picture's share."""

    picture: Pixels
    seconds: float
    evaluations: float


@dataclass
class Stage:
    """The practice model with its judge and CLIP, and how edits are run. `evaluations`: of the U-Net so far, pictures counted one by one.

    `exemplar_strength`: how much of the noise an exemplar gets. `settings`: of PIXELS.
    """

    model: Model
    judge: Judge
    clip: Any
    steps: int
    guidance_scale: float
    exemplar_strength: float
    settings: PixelsSettings
    evaluations: int = 0

    @classmethod
    def load(
        cls, folder: Path, *, steps: int, guidance_scale: float, exemplar_strength: float, settings: PixelsSettings
    ) -> Stage:
        """From the folder in which the trainer leaves its models."""
        net = JudgeNet()
        net.load_state_dict({name: value.float() for name, value in finished_weights(folder, "judge").items()})
        clip = CLIPModel.from_pretrained(folder / CLIP, dtype=torch.float32).eval()
        model = load_model(folder / PIPELINE, "sd", SIDE, "float32")
        stage = cls(model, Judge(net), clip, steps, guidance_scale, exemplar_strength, settings)
        model.stock.unet.register_forward_pre_hook(stage._count)
        return stage

    def request(self, case: Case, **more: Any) -> EditRequest:
        """Everything in the region may change, by the case's words."""
        values: dict[str, Any] = {
            "image": case.source,
            "strength": case.region.astype(np.float32),
            "frame": case.frame,
            "settings": self.settings,
            "seed": 1,
            "prompt": case.prompt,
            "steps": self.steps,
            "guidance_scale": self.guidance_scale,
            "model": self.model.info.key,
        }
        return EditRequest(**{**values, **more})

    def read(self, pictures: list[Pixels]) -> list[Reading]:
        return self.judge.read(_signed(pictures))

    @torch.no_grad()
    def agreement(self, pictures: list[Pixels], captions: list[str]) -> list[float]:
        """CLIP's cosine between each picture and its words."""
        words = torch.from_numpy(tokens(make_tokenizer(), captions))
        outputs = self.clip(input_ids=words, pixel_values=_signed(pictures))
        return [float(cosine) for cosine in (outputs.image_embeds * outputs.text_embeds).sum(dim=-1)]

    def _count(self, network: Any, arguments: tuple[Any, ...]) -> None:
        self.evaluations += len(arguments[0])


def folder_of(parser: ArgumentParser, arguments: Namespace) -> Path:
    """Where the models of the option `model` lie, the bundled ones by default; exits with a sentence where there is no practice model."""
    folder: Path = arguments.model or Path(resources.__file__).parent / "models"
    if not (folder / PIPELINE).is_dir():
        parser.error(f"there is no practice model in {folder}; make one with: make practice-model")
    return folder


def stage_of(
    folder: Path, arguments: Namespace, *, exemplar_strength: float = 1.0, settings: PixelsSettings | None = None
) -> Stage:
    """The stage that the options `steps`, `guidance` and `threads` ask for. `settings`: of PIXELS, without a feather by default."""
    torch.set_num_threads(arguments.threads)
    return Stage.load(
        folder,
        steps=arguments.steps,
        guidance_scale=arguments.guidance,
        exemplar_strength=exemplar_strength,
        settings=settings or PixelsSettings(feather=0.0),
    )


def by_pixels(stage: Stage, case: Case) -> Pixels:
    """PIXELS: words within the region, or the exemplar with its own strength."""
    if case.exemplar is None:
        return edited(stage, case.source, stage.request(case))
    strength = case.region.astype(np.float32) * np.float32(stage.exemplar_strength)
    exemplar = replace(case.exemplar, rim=strength)
    return edited(stage, case.source, stage.request(case, strength=strength, exemplars=(exemplar,), action="blend"))


def by_pixels_locally(stage: Stage, case: Case) -> Pixels:
    """PIXELS, told only what shall stand in the region."""
    return by_pixels(stage, replace(case, prompt=case.local_prompt))


def by_pixels_at(strength: float, stage: Stage, case: Case) -> Pixels:
    """PIXELS with another strength, also where words decide."""
    region = case.region.astype(np.float32) * np.float32(strength)
    exemplars = () if case.exemplar is None else (replace(case.exemplar, rim=region),)
    return edited(stage, case.source, stage.request(case, strength=region, exemplars=exemplars))


def by_blending(stage: Stage, case: Case) -> Pixels | None:
    """Blended Latent Diffusion: words within the region; it takes no exemplars."""
    if case.exemplar is not None:
        return None
    request = stage.request(case, settings=BlendedSettings(feather=0.0))
    return laid_on(case.source, outcome(blended_latent_diffusion.edit(request, stage.model.backend)))


def by_blending_locally(stage: Stage, case: Case) -> Pixels | None:
    """The same, told only what shall stand in the region."""
    return by_blending(stage, replace(case, prompt=case.local_prompt))


def by_quick_fill(stage: Stage, case: Case) -> Pixels | None:
    """Quick fill takes things away and lays others in; it understands no words."""
    settings = QuickFillSettings(grow=0)
    if case.exemplar is not None:
        alpha = case.exemplar.alpha
        exemplar = replace(case.exemplar, strength=alpha, rim=alpha)
        request = stage.request(case, strength=alpha, exemplars=(exemplar,), action="blend", settings=settings)
    elif case.kind == "remove":
        request = stage.request(case, items=(case.item,), action="remove", settings=settings)
    else:
        return None
    return laid_on(case.source, outcome(quick_fill.edit(request)))


def mean_fill(stage: Stage, case: Case) -> Pixels:
    """Control: the region in the mean colour of the rest."""
    pixels = case.source.copy()
    pixels[case.region] = np.rint(case.source[~case.region].mean(axis=0))
    return pixels


def untouched(stage: Stage, case: Case) -> Pixels:
    """Control: the exemplar pasted, or the source as it was."""
    return case.pasted


def wrong_prompt(stage: Stage, case: Case) -> Pixels:
    """Control: PIXELS, told something else."""
    return by_pixels(stage, replace(case, prompt=case.wrong))


@torch.no_grad()
def vae_of_truth(stage: Stage, case: Case) -> Pixels:
    """Control: no method with this model can do better than its VAE."""
    backend = stage.model.backend
    image = backend.decode(backend.encode(np.asarray(case.truth / np.float32(255), np.float32)))[0]
    return np.asarray(np.rint(image * 255), np.uint8)


def img2img(strength: float, stage: Stage, cases: Sequence[Case]) -> list[Pixels]:
    """Control: the library's own image-to-image on whole pictures, with what would be pasted. Each has a generator of its own."""
    pictures = torch.from_numpy(np.stack([case.pasted for case in cases]).transpose(0, 3, 1, 2) / np.float32(255))
    latents = stage.model.stock(
        prompt=[case.prompt for case in cases],
        image=pictures,
        strength=strength,
        num_inference_steps=stage.steps,
        guidance_scale=stage.guidance_scale,
        generator=[torch.Generator("cpu").manual_seed(1) for _ in cases],
        output_type="latent",
    ).images
    return list(np.asarray(np.rint(stage.model.backend.decode(latents) * 255), np.uint8))


def pictures_of(stage: Stage, method: Method, cases: Sequence[Case]) -> list[Made] | None:
    """What a method makes of the cases, in their order; None where it does not do their kind."""
    size = method.size if isinstance(method, Batched) else 1
    edits: list[Made] = []
    for first in range(0, len(cases), size):
        several = cases[first : first + size]
        begun, before = time.perf_counter(), stage.evaluations
        if isinstance(method, Batched):
            pictures = method.make(stage, several)
        elif (picture := method(stage, several[0])) is not None:
            pictures = [picture]
        else:
            return None
        seconds, evaluations = time.perf_counter() - begun, stage.evaluations - before
        edits += [Made(edit, seconds / len(several), evaluations / len(several)) for edit in pictures]
    return edits


IMG2IMG = "img2img at "
METHODS: MappingProxyType[str, Method] = MappingProxyType(
    {
        "pixels": by_pixels,
        "pixels, local words": by_pixels_locally,
        "blended": by_blending,
        "blended, local words": by_blending_locally,
        "quick fill": by_quick_fill,
        "mean fill": mean_fill,
        "untouched paste": untouched,
        "wrong prompt": wrong_prompt,
        "VAE of the truth": vae_of_truth,
        **{f"{IMG2IMG}{strength:g}": Batched(partial(img2img, strength)) for strength in (0.4, 0.6, 0.8, 1.0)},
    }
)
ABLATIONS: MappingProxyType[str, Method] = MappingProxyType(
    {f"pixels at {strength:g}": partial(by_pixels_at, strength) for strength in (0.2, 0.4, 0.6, 0.8, 1.0)}
)


def pixels_edit(request: EditRequest, backend: Backend) -> Reports[EditResult]:
    """By our rule, or by the published one that the settings name."""
    edit = pixels_reference.edit if isinstance(request.settings, ReferencePixelsSettings) else pixels.edit
    return edit(request, backend)


def edited(stage: Stage, source: Pixels, request: EditRequest) -> Pixels:
    """What PIXELS makes of the source."""
    return laid_on(source, outcome(pixels_edit(request, stage.model.backend)))


def _signed(pictures: list[Pixels]) -> Tensor:
    return to_signed(torch.from_numpy(as_batch(pictures)))
