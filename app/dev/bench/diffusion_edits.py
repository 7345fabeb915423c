"""What the benchmarks of diffusion measure: loaded random models, edits with them, and diffusers' own img2img pipelines over the same networks."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import diffusers
import numpy as np
import torch
from numpy.typing import NDArray

from app.dev.bench.random_models import Kind
from editor.diffusion.backend import Backend
from editor.diffusion.device import this_device
from editor.diffusion.families.kandinsky.backend import Kandinsky
from editor.diffusion.families.stable_diffusion.backend import StableDiffusion
from editor.diffusion.families.stable_diffusion_xl.backend import StableDiffusionXL
from editor.diffusion.loading import load_pipelines
from editor.diffusion.memory import fit
from editor.document.document import Document
from editor.edits.apply import apply_result
from editor.edits.dispatch import make_request
from editor.geometry import Rect, Size
from editor.methods.pixels.model import edit
from editor.methods.pixels.settings import PixelsSettings
from editor.models.info import ModelInfo, Precision
from editor.models.inspect import inspect
from editor.models.memory import Fit
from editor.planning.plan import Draft
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame
from editor.requests.reports import Progress, Reports, outcome_of

T = TypeVar("T")
GUIDANCE = 7.0
PROMPT = "a red boat on a lake"
FIRST_STEP = "Step 1 "


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model as the program loads it, and how much memory was expected. `stock`: diffusers' img2img over the very same networks."""

    kind: Kind
    info: ModelInfo
    backend: Backend
    stock: Any
    fit: Fit


def load_model(path: Path, kind: Kind, side: int, precision: Precision | None = None) -> Model:
    """The model of a folder on this machine's best device. `side`: of the working size. `precision`: None for the program's choice."""
    info = inspect(path)
    fitted = fit(info, this_device(), Size(side, side), 1, GUIDANCE)
    if precision is not None:
        decoder = "float32" if fitted.plan.vae_precision == "float32" else precision
        fitted = replace(fitted, plan=replace(fitted.plan, precision=precision, vae_precision=decoder))
    pipelines = outcome(load_pipelines(info, fitted))
    backend: Backend
    match kind:
        case "sd":
            backend = StableDiffusion(info, *pipelines)
            more = {"requires_safety_checker": False}
            stock: Any = diffusers.StableDiffusionImg2ImgPipeline(**pipelines[0].components, **more)
        case "sdxl":
            backend = StableDiffusionXL(info, *pipelines)
            stock = pipelines[0]
        case "kandinsky":
            backend = Kandinsky(info, *pipelines)
            stock = diffusers.KandinskyV22Img2ImgPipeline(**pipelines[0].components)
    stock.set_progress_bar_config(disable=True)
    return Model(kind, info, backend, stock, fitted)


def outcome(reports: Reports[T], hear: Callable[[Any], None] = lambda report: None) -> T:
    """What the reports end with."""
    while True:
        try:
            hear(next(reports))
        except StopIteration as stop:
            result: T = stop.value
            return result


def picture(width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, 3): waves of light and colour."""
    across, down = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    planes = [np.sin(across / (20 + 7 * k) + k) * np.cos(down / (31 - 5 * k)) for k in range(3)]
    return (127.5 + 100 * np.stack(planes, axis=-1)).astype(np.uint8)


def spot(side: int) -> NDArray[np.float32]:
    """(side, side): a round stroke that fades out to its rim, 0 in the corners."""
    away = np.hypot(*(np.mgrid[:side, :side] + 0.5 - side / 2)) / (side / 2)
    return np.asarray(np.clip(1.5 - 1.5 * away, 0, 1), np.float32)


def make_edit(model: Model, side: int, steps: int) -> EditRequest:
    """An edit of a square picture in its own size, in which every strength occurs."""
    return EditRequest(
        image=picture(side, side),
        strength=spot(side),
        frame=Frame.full_size(Rect(0, 0, side, side)),
        settings=PixelsSettings(),
        seed=1,
        prompt=PROMPT,
        steps=steps,
        guidance_scale=GUIDANCE,
        model=model.info.key,
    )


def painted(width: int, height: int, stroke: int) -> Document:
    """A document with one round stroke of so many pixels in its middle."""
    opaque = np.full((height, width, 1), 255, np.uint8)
    document = Document.of_picture(np.concatenate([picture(width, height), opaque], axis=2))
    left, top = (width - stroke) // 2, (height - stroke) // 2
    return document.with_strength(document.strength.write(left, top, spot(stroke)))


def whole_edit(document: Document, model: Model, steps: int) -> Reports[Document]:
    """From the press of the button to the document with the new layer."""
    draft = Draft(PixelsSettings(), model=model.info, steps=steps, guidance_scale=GUIDANCE, seed=1, prompt=PROMPT)
    result = yield from edit(make_request(document, draft), model.backend)
    return apply_result(document, result, document)[1]


def steps_of(request: EditRequest, model: Model) -> Generator[Progress, None, None]:
    """The reports after the steps of an edit, from the first on, without the previews between them."""
    reports = edit(request, model.backend)
    try:
        for report in reports:
            if isinstance(report, Progress) and report.doing.startswith("Step "):
                yield report
    finally:
        reports.close()


@torch.no_grad()
def run_stock(model: Model, request: EditRequest, after_step: Callable[[], None]) -> None:
    """The same sampling by diffusers' own pipeline, without its decoding. `after_step` is called after each step."""
    image = np.asarray(request.image / np.float32(255), np.float32)
    inputs: dict[str, Any]
    if model.kind == "kandinsky":
        height, width = image.shape[:2]
        positive, negative = outcome_of(model.backend.embed(request.prompt, "", Size(width, height)))
        dtype = model.stock.unet.dtype
        inputs = {
            "image": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None],
            "image_embeds": positive.added["image_embeds"].to(dtype),
            "negative_image_embeds": negative.added["image_embeds"].to(dtype),
            "width": width,
            "height": height,
        }
    else:  # as latents, because given a picture the pipeline may leave its decoder in another precision
        latents = model.backend.encode(image)
        inputs = {"image": latents, "prompt": request.prompt, "negative_prompt": ""}

    def stepped(pipeline: Any, index: int, t: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        after_step()
        return {}

    model.stock(
        **inputs,
        strength=1.0,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(1),
        output_type="latent",
        callback_on_step_end=stepped,
    )
