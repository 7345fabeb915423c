"""What attention control costs: paired steps of one network with and without a control, at the same latents."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from app.dev.bench import Result
from app.dev.bench.random_models import KINDS, LABELS, SIDES, Kind, Scale, unet
from editor.diffusion.attention.control import AttentionControl
from editor.diffusion.attention.operations import Group, Operation, Record, only
from editor.diffusion.attention.sites import BatchLayout
from editor.diffusion.backend import Embeddings
from editor.diffusion.evaluation import during
from editor.diffusion.networks import predicted
from editor.diffusion.step import Step

STEPS = 200
NO_OP_BAR = 2.0  # %
TOKENS = 77
GUIDED = BatchLayout(("negative", "positive"))
Evaluation = Callable[[], object]


def attention(scale: Scale = "small", steps: int = STEPS) -> Iterator[Result]:
    """Guided steps with a control that does nothing at this step, entered anew for every step; then, as aims, with controls that do something.

    The bar is for the upper end of the 95 % interval of the median ratio.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for kind in KINDS:
            yield from _of_kind(kind, scale, steps)
    finally:
        torch.set_num_threads(threads)


@torch.no_grad()
def _of_kind(kind: Kind, scale: Scale, steps: int) -> Iterator[Result]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = unet(kind, scale).eval()
    cells = SIDES[kind][scale] // 8
    latents = torch.randn(2, 4, cells, cells, generator=torch.Generator().manual_seed(0))
    at = Step(1, torch.tensor(500), torch.ones(()), torch.zeros(()), torch.zeros(()))
    embeddings = _embeddings(kind, network)

    def step() -> torch.Tensor:
        return predicted(network, latents, at, embeddings)

    idle = AttentionControl(network, Record(steps=range(1)), GUIDED)
    ratios = _ratios(step, during(step, idle), steps)
    low, high = _interval(ratios)
    said = f"{_percent(statistics.median(ratios)):.2f} % in the middle of {len(ratios)} pairs, 95 % interval from {_percent(low):.2f} %"
    yield Result.at_most(
        f"attention: {LABELS[kind]}, a control that does nothing", _percent(high), "%", NO_OP_BAR, said
    )
    labels = np.zeros((cells, cells), np.int16)
    labels[:, cells // 2 :] = 1
    owners = torch.arange(TOKENS if kind != "kandinsky" else 32) % 2
    operations: dict[str, Operation] = {
        "grouped by two items": Group(labels=labels, owners=owners, branch="positive"),
        "text read recorded": Record(where=only("cross", "joint"), over_steps="mean", branch="positive"),
    }
    for name, operation in operations.items():
        ratios = _ratios(step, during(step, AttentionControl(network, operation, GUIDED)), max(steps // 10, 2))
        said = f"of {len(ratios)} pairs; middle half {np.percentile(ratios, 25):.3f} to {np.percentile(ratios, 75):.3f}"
        yield Result(f"attention: {LABELS[kind]}, {name}", statistics.median(ratios), "×", note=said)


def _embeddings(kind: Kind, network: Any) -> Embeddings:
    """Random ones of the right widths, for two rows."""
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(2, *shape, generator=generator)

    config = network.config
    if kind == "kandinsky":
        return Embeddings(None, {"image_embeds": normal(config.encoder_hid_dim)})
    words = normal(TOKENS, config.cross_attention_dim)
    if kind == "sd":
        return Embeddings(words)
    width = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
    return Embeddings(words, {"text_embeds": normal(width), "time_ids": torch.full((2, 6), 256.0)})


def _ratios(plain: Evaluation, other: Evaluation, steps: int) -> NDArray[np.float64]:
    """(steps) processor time of one over that of the other, taken in pairs whose order changes. The machine's other work is not in it."""
    for warm in (plain, other):
        warm()
    ratios = []
    for turn in range(steps):
        spent = {}
        for which in (plain, other) if turn % 2 else (other, plain):
            begun = time.thread_time()
            which()
            spent[which] = time.thread_time() - begun
        ratios.append(spent[other] / spent[plain])
    return np.array(ratios)


def _interval(ratios: NDArray[np.float64], draws: int = 2000) -> tuple[float, float]:
    """95 % of the median, by drawing pairs again."""
    generator = np.random.default_rng(0)
    medians = np.median(generator.choice(ratios, (draws, len(ratios))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(low), float(high)


def _percent(ratio: float) -> float:
    return 100 * (ratio - 1)
