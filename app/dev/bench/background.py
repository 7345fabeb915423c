"""What lies around an edit by words, measured: what each way of finishing does to it before and after the paste, how visible the edge is, and
how long it takes.

Photographs, and an autoencoder that has learned something: that of the practice model, at sizes it was not made for. What an edit leaves behind is
made by hand, so that only the finish differs: the photograph's latents, with others in the region.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch

import resources
from app.dev.bench import Result
from app.dev.bench import random_models as random
from app.dev.bench.contact_sheet import Section, write_sheet
from app.dev.bench.diffusion_edits import load_model
from app.dev.bench.quick_fill import photo
from app.dev.bench.quick_fill_edits import ellipse, laid_on
from editor.arrays import Image, Mask, Pixels
from editor.diffusion.backend import Backend
from editor.geometry import Rect
from editor.methods.blended_latent_diffusion.model.finishing import LEARNS, Finish
from editor.methods.blended_latent_diffusion.model.starting import Region
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.model_canvas import seam
from editor.model_canvas.canvas import ModelCanvas
from editor.model_canvas.poisson import poisson
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame
from editor.requests.reports import outcome_of
from editor.requests.variants import Variant

SIDE = 192
POISSON_SIDE = 2048
FINISHES = ("paste", "poisson", "latents", "decoder")
FEATHER = 16.0  # times half, as the model counts as made for half of the usual size: two of its cells


@dataclass(frozen=True, slots=True)
class Case:
    """A photograph, a region in it, and what the region's latents are taken from: another photograph, or the same one `by` cells down and across."""

    name: str
    photo: str
    x: float
    y: float
    half_width: float
    half_height: float
    other: str = ""
    by: tuple[int, int] = (0, 0)


CASES = (
    Case("sky", "china.jpg", 0.70, 0.22, 0.17, 0.13, by=(4, -2)),
    Case("ground", "coffee.png", 0.85, 0.80, 0.13, 0.14, by=(-3, 3)),
    Case("another thing", "china.jpg", 0.62, 0.55, 0.20, 0.16, other="flower.jpg"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """One that has ended. `latents`: (C, h, w)."""

    backend: Backend
    request: EditRequest
    settings: BlendedSettings
    region: Region
    latents: torch.Tensor

    @classmethod
    def of(cls, backend: Backend, case: Case) -> Edit:
        picture = square(case.photo)
        side = picture.shape[0]
        mask = ellipse(picture, case.x * side, case.y * side, case.half_width * side, case.half_height * side)
        settings = BlendedSettings(feather=FEATHER)
        request = EditRequest(
            image=picture,
            strength=mask.astype(np.float32),
            frame=Frame.full_size(Rect(0, 0, side, side)),
            settings=settings,
            seed=1,
        )
        working = ModelCanvas.of(request.frame, backend.info)
        region = Region.of(request, settings, working)
        latents = backend.encode(working.image(picture))
        other = working.image(square(case.other)) if case.other else None
        changed = torch.roll(latents, case.by, (2, 3)) if other is None else backend.encode(other)
        cells = torch.from_numpy(region.cells)[None, None]
        return cls(backend, request, settings, region, torch.where(cells, changed, latents)[0])

    @property
    def source(self) -> Image:
        return np.asarray(self.request.image / np.float32(255), np.float32)

    @property
    def mask(self) -> Mask:
        mask: Mask = self.request.strength > 0
        return mask

    def finish(self, how: Any) -> Finish:
        settings = replace(self.settings, finish=how)
        return Finish.of(replace(self.request, settings=settings), settings, self.region, self.backend)


def square(name: str, side: int = SIDE) -> Pixels:
    """The middle of a packaged photograph, (side, side, 3)."""
    whole = photo(name, long_side=4 * side)
    height, width = whole.shape[:2]
    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    middle = whole[top : top + least, left : left + least]
    return np.ascontiguousarray(cv2.resize(middle, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


@cache
def practice(side: int = SIDE) -> Backend:
    """The bundled model, counting as made for pictures of `side` pixels: only its autoencoder is used, and that knows no size."""
    (folder,) = resources.bundled_models()
    backend: Any = load_model(folder, "sd", side, "float32").backend
    backend.info = replace(backend.info, native=side)
    model: Backend = backend
    return model


def background(sheet: Path | None = None) -> Iterator[Result]:
    """All ways of finishing, on photographs and on random models; writes a contact sheet to `sheet` when it is given."""
    torch.set_num_threads(1)
    rows: list[list[Pixels]] = []
    for case in CASES:
        edit = Edit.of(practice(), case)
        plain = edit.backend.decode(edit.latents[None])[0]
        rows.append([edit.request.image, as_pixels(plain)])
        for how in FINISHES:
            finish = edit.finish(how)
            begun = time.perf_counter()
            image = outcome_of(finish.decoded(edit.latents, LEARNS.get(how))).image
            result = outcome_of(finish.laid(image, Variant(0, edit.request)))
            seconds = time.perf_counter() - begun
            after = laid_on(edit.request.image, result)
            rows[-1].append(after)
            if how == "paste":
                yield from _without(case.name, edit, plain)
            yield from _figures(f"background, {case.name}: {how}", edit, rows[-1][2], image, after)
            yield Result(f"background, {case.name}: {how}, seam", result.seam or 0.0, "", note="visible from 1 on")
            yield Result(f"background, {case.name}: {how}, time", seconds, "s", note="all but the sampling")
    if sheet is not None:
        write_sheet(sheet, [Section(["source", "none", *FINISHES], rows, SIDE)])
    yield from _random_models()
    yield _large_poisson()


def as_pixels(image: Image) -> Pixels:
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _without(name: str, edit: Edit, plain: Image) -> Iterator[Result]:
    """What there is without any repair."""
    outside = ~edit.mask
    moved = np.abs(as_pixels(plain).astype(int) - edit.request.image)[outside].max()
    yield Result(f"background, {name}: none, moved outside", float(moved), "/255", note="as decoded")
    alpha = edit.mask.astype(np.float32)
    pasted = np.where(edit.mask[..., None], plain, edit.source)
    seen = seam.visibility(edit.source, plain, pasted, alpha)
    yield Result(f"background, {name}: hard paste without match, seam", seen, "", note="for comparison")


def _figures(name: str, edit: Edit, pasted: Pixels, image: Image, after: Pixels) -> Iterator[Result]:
    inside, source = edit.mask, edit.source
    off = (image - source)[~inside].astype(np.float64)
    error = float(np.sqrt((off**2).mean()))
    beyond = np.abs(as_pixels(image).astype(int) - edit.request.image)[~inside].max()
    note = f"before the paste PSNR {-20 * np.log10(max(error, 1e-9)):.1f} dB, at most {beyond}/255"
    yield Result(f"{name}, RMSE outside before the paste", 255 * error, "/255", note=note)
    moved = np.abs(after.astype(int) - edit.request.image)[~inside].max()
    yield Result.at_most(f"{name}, moved outside", float(moved), "/255", 0.0)
    core = cv2.erode(inside.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    shift = np.abs((after.astype(np.float64) - pasted)[core].mean(0)).max()
    yield Result(f"{name}, colour shift inside", float(shift), "/255", note="of the mean, against the paste")


def _random_models() -> Iterator[Result]:
    """Every family, with weights that mean nothing: nothing outside moves, and the loss falls."""
    for kind in random.KINDS:
        with TemporaryDirectory() as folder:
            side = random.SIDES[kind]["tiny"]
            model = load_model(random.write(Path(folder), kind, "tiny", torch.float32), kind, side, "float32")
            edit = Edit.of(model.backend, CASES[0])
            moved = 0
            for how in ("paste", "poisson", "decoder"):
                result = outcome_of(edit.finish(how).finished(edit.latents, Variant(0, edit.request))).result
                change = np.abs(laid_on(edit.request.image, result).astype(int) - edit.request.image)
                moved = max(moved, int(change[~edit.mask].max()))
            label = f"background, random {random.LABELS[kind]}"
            yield Result.at_most(f"{label}: moved outside", moved, "/255", 0.0, "paste, Poisson, decoder")


def _large_poisson() -> Result:
    """A disc of 2.7 megapixels in a photograph."""
    side = POISSON_SIDE
    source = np.asarray(square("china.jpg", side) / np.float32(255), np.float32)
    region = ellipse(square("china.jpg", side), side / 2, side / 2, 0.45 * side, 0.45 * side)
    image = np.asarray(cv2.GaussianBlur(source, (0, 0), 3) + np.float32(0.05), np.float32)
    begun = time.perf_counter()
    outcome_of(poisson(image, source, region))
    return Result(
        "background: Poisson of a large region",
        time.perf_counter() - begun,
        "s",
        note=f"{int(region.sum()) / 1e6:.1f} MP",
    )
