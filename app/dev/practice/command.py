"""`python -m app practice-model`: train the practice model, from wherever it stands, for as long as it is let."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import resources

SHEET = Path("docs/practice_world.jpg")


def main(arguments: Sequence[str]) -> int:
    """Returns 0 when all went well, finished or not; 1 when a gate stands in the way."""
    parser = argparse.ArgumentParser(
        prog="palimpsest practice-model",
        description="Train the practice model. Stop it at any moment (Ctrl+C) and call it again: it goes on where it was.",
    )
    parser.add_argument("--size", choices=("cpu", "gpu"), help="default: gpu where CUDA is, else cpu")
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after so long (default 60)")
    parser.add_argument(
        "--samples", type=int, help="for the U-Net in all; fewer end sooner, with the rate let down sooner"
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed is another model (default 0)")
    parser.add_argument("--threads", type=int, default=0, help="on a CPU; default: as many as there are cores")
    parser.add_argument("--cache", type=Path, default=None, metavar="FOLDER", help="checkpoints, latents and sheets")
    parser.add_argument(
        "--output", type=Path, default=None, metavar="FOLDER", help="the finished model (default: in the program)"
    )
    parser.add_argument("--world", type=Path, metavar="FILE", help=f"only draw the sheet of the world, such as {SHEET}")
    options = parser.parse_args(arguments)
    if options.world is not None:
        from app.dev.practice.sheets import write_world  # noqa: PLC0415

        write_world(options.world)
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # threads that wait must not spin: others use these cores too
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if hasattr(os, "nice"):
        os.nice(19)

    import torch  # noqa: PLC0415  reads the two settings above

    from app.dev.practice.plan import PLANS, Size  # noqa: PLC0415
    from app.dev.practice.stages import GateMissed, Stages  # noqa: PLC0415
    from app.dev.practice.training import Clock  # noqa: PLC0415

    size: Size = options.size or ("gpu" if torch.cuda.is_available() else "cpu")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(options.threads or os.cpu_count() or 1)
    torch.manual_seed(options.seed)
    cache = options.cache or Path.home() / ".cache" / "palimpsest" / "practice-model" / f"{size}-{options.seed}"
    output = options.output or Path(resources.__file__).parent / "models"
    plan = replace(PLANS[size], seed=options.seed)
    if options.samples:
        plan = replace(plan, unet=replace(plan.unet, samples=options.samples))
    clock = Clock(options.minutes)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: clock.stop())
    try:
        Stages(plan, cache, output, device, clock).run()
    except GateMissed as missed:
        logging.getLogger(__name__).error("%s", missed)
        return 1
    return 0
