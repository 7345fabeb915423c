"""Several candidates at once: the time of each, against runs one by one of the same seeds, in turns."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

import resources
from app.dev.bench import Result
from app.dev.bench.diffusion_edits import Model, load_model, outcome
from app.dev.bench.random_models import SIDES, write
from app.dev.practice.export import PIPELINE
from app.dev.practice.scenes import SIDE
from editor.geometry import Rect
from editor.methods.blended_latent_diffusion.model import edit, edit_batch
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame
from editor.requests.variants import variants_of

COUNTS = (1, 4, 8)
ROUNDS = 3
STEPS = 10
BAR = 1.05


def candidates_time() -> Iterator[Result]:
    """Seconds a candidate of N at once as a part of those of N runs; at most about one, or batching would be worse than waiting."""
    bundled = Path(resources.__file__).parent / "models" / PIPELINE
    yield from _compared("practice model, 64 px", load_model(bundled, "sd", SIDE, "float32"))
    with tempfile.TemporaryDirectory() as folder:
        side = SIDES["sd"]["small"]
        model_folder = write(Path(folder), "sd", "small", torch.float32)
        yield from _compared(f"narrow SD, {side} px", load_model(model_folder, "sd", side, "float32"))


def _compared(name: str, model: Model) -> Iterator[Result]:
    side = model.info.native
    request = _request(model, side)
    outcome(edit(request, model.backend))  # whatever is prepared once
    for count in COUNTS:
        seeds = tuple(range(1, count + 1))
        ratios, together = [], []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            outcome(edit_batch(variants_of(request, seeds), model.backend))
            between = time.perf_counter()
            for seed in seeds:
                outcome(edit_batch(variants_of(request, [seed]), model.backend))
            ended = time.perf_counter()
            ratios.append((between - begun) / (ended - between))
            together.append((between - begun) / count)
        note = f"{statistics.median(together):.3g} s a candidate; {min(ratios):.2f} to {max(ratios):.2f}"
        yield Result.at_most(f"candidates: {name}, {count} at once", statistics.median(ratios), "×", BAR, note)


def _request(model: Model, side: int) -> EditRequest:
    strength = np.zeros((side, side), np.float32)
    strength[side // 4 : side // 2, side // 4 : side // 2] = 1
    return EditRequest(
        image=np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8),
        strength=strength,
        frame=Frame.full_size(Rect(0, 0, side, side)),
        settings=BlendedSettings(),
        seed=1,
        prompt="a red apple on grass",
        model=model.info.key,
        steps=STEPS,
        guidance_scale=4.0,
    )
