"""The memory that a run takes beside the estimate made before it, on the processor, each run in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.dev.bench import Result
from editor.geometry import Size
from editor.requests.reports import outcome_of

ROUNDS = 3  # the median counts: with two threads the allocator's peak varies by a tenth from run to run
BAR = 15.0  # percent that the measured peak may lie off the estimate, either way

NARROW, WIDE = (64, 128, 256, 256), (128, 256, 512, 512)
Kind = Literal["unet", "transformer"]


@dataclass(frozen=True, slots=True)
class Case:
    """One run.

    widths: of the levels of a U-Net; of a transformer with joint attention, the width and one number a block
    vae: widths of its levels
    working: pixels
    """

    name: str
    widths: tuple[int, ...]
    vae: tuple[int, ...]
    working: Size
    batch: int = 1
    guidance: float = 7.0
    kind: Kind = "unet"


CASES = (
    Case("narrow, 512 px", NARROW, NARROW, Size(512, 512)),
    Case("narrow, 640 × 384, two at once", NARROW, NARROW, Size(640, 384), 2),
    Case("wide, 384 px, not guided", WIDE, NARROW, Size(384, 384), 1, 1.0),
    Case("wide, 384 px, decoder as published", NARROW, WIDE, Size(384, 384)),
    Case("transformer, 4 deep, 512 px", (512,) * 4, NARROW, Size(512, 512), kind="transformer"),
    Case("transformer, wide, 512 px", (1536,) * 2, NARROW, Size(512, 512), kind="transformer"),
    Case("transformer, wide, 768 × 512, two at once", (1024,) * 2, NARROW, Size(768, 512), 2, kind="transformer"),
)
TOGETHER = tuple(Case(f"narrow, 256 px, {count} at once", NARROW, NARROW, Size(256, 256), count) for count in (1, 4, 8))


def memory_estimate() -> Iterator[Result]:
    """How far the measured peak of loading, encoding, two steps and decoding lies off the estimate, in percent of the estimate."""
    return _compared(CASES)


def candidates_memory() -> Iterator[Result]:
    """The same for several candidates at once."""
    return _compared(TOGETHER)


def _compared(cases: Sequence[Case]) -> Iterator[Result]:
    fresh = multiprocessing.get_context("spawn")
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            with fresh.Pool(1) as pool:
                pool.apply(_write, (folder, case))
            runs = []
            for _ in range(ROUNDS):
                with fresh.Pool(1) as pool:
                    runs.append(pool.apply(_measured, (folder, case.working, case.batch, case.guidance)))
        peaks = [measured for measured, _ in runs]
        measured, expected = statistics.median(peaks), runs[0][1]
        off = 100 * abs(measured / expected - 1)
        said = f"{measured / 1e9:.2f} GB ({min(peaks) / 1e9:.2f} to {max(peaks) / 1e9:.2f}), estimated {expected / 1e9:.2f} GB"
        yield Result.at_most(f"memory estimate: {case.name}", off, "%", BAR, said)


def _write(folder: str, case: Case) -> None:
    """A random model with networks of these widths; its words are single letters."""
    import diffusers  # noqa: PLC0415  torch is for the measured processes alone
    import transformers  # noqa: PLC0415

    letters = [chr(code) for code in range(0x21, 0x7F)]
    known = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    words = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 6, "num_attention_heads": 4}
    last = len(known) - 1
    ends = {"vocab_size": len(known), "bos_token_id": last - 1, "eos_token_id": last, "pad_token_id": last}
    text = transformers.CLIPTextConfig(**words, **ends, projection_dim=256)
    tokenizer = transformers.CLIPTokenizer(
        vocab={word: number for number, word in enumerate(known)}, merges=[], model_max_length=77
    )

    def vae(channels: int, **more: Any) -> Any:
        return diffusers.AutoencoderKL(
            block_out_channels=case.vae,
            down_block_types=("DownEncoderBlock2D",) * len(case.vae),
            up_block_types=("UpDecoderBlock2D",) * len(case.vae),
            layers_per_block=2,
            latent_channels=channels,
            sample_size=512,
            **more,
        )

    if case.kind == "transformer":
        width = case.widths[0]
        diffusers.StableDiffusion3Pipeline(
            transformer=diffusers.SD3Transformer2DModel(
                num_layers=len(case.widths),
                num_attention_heads=width // 64,
                attention_head_dim=64,
                caption_projection_dim=width,
                joint_attention_dim=1024,
                pooled_projection_dim=512,
            ),
            vae=vae(16, shift_factor=0.06),
            text_encoder=transformers.CLIPTextModelWithProjection(text),
            text_encoder_2=transformers.CLIPTextModelWithProjection(text),
            text_encoder_3=None,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            tokenizer_3=None,
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        ).save_pretrained(folder)
        return
    diffusers.StableDiffusionPipeline(
        unet=diffusers.UNet2DConditionModel(
            block_out_channels=case.widths, cross_attention_dim=256, attention_head_dim=8
        ),
        vae=vae(4),
        text_encoder=transformers.CLIPTextModel(text),
        tokenizer=tokenizer,
        scheduler=diffusers.DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def _measured(folder: str, working: Size, batch: int, guidance: float) -> tuple[float, float]:
    """Bytes measured and estimated. What the libraries themselves take is loaded before and not counted."""
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415

    from editor.diffusion.device import this_device  # noqa: PLC0415
    from editor.diffusion.guidance import classifier_free  # noqa: PLC0415
    from editor.diffusion.loading import load  # noqa: PLC0415
    from editor.diffusion.memory import fit  # noqa: PLC0415
    from editor.models.inspect import inspect  # noqa: PLC0415

    with torch.no_grad():
        torch.nn.Conv2d(64, 64, 3)(torch.zeros(1, 64, 64, 64))  # the kernels' own tables
        info = inspect(Path(folder))
        next(load(info, fit(info, this_device(), working)))  # brings the networks' modules, no weights
        plan = fit(info, this_device(), working, batch, guidance)
        before = _resident()
        reports = load(info, plan)
        while True:
            try:
                next(reports)
            except StopIteration as stop:
                backend = stop.value
                break
        positive, negative = outcome_of(backend.embed("a cat", "", working))
        latents = backend.encode(np.zeros((*working.shape, 3), np.float32)).repeat(batch, 1, 1, 1)
        for step in backend.schedule(2, canvas=working).steps:
            both = torch.cat([latents, latents]) if guidance > 1 else latents
            embeddings = classifier_free(positive, negative, guidance).embeddings(batch)
            prediction = backend.predict(both, step, embeddings)
            latents = latents - 0.1 * prediction[:batch, : latents.shape[1]]
        backend.decode(latents)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return peak - before, plan.needed


def _resident() -> int:
    """Bytes of this process that lie in memory now."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()
