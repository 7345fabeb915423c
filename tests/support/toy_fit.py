"""A fit that really optimises: a small network learns the colours of a picture by places drawn at random. Run as a program, it can be killed."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch

from editor.diffusion.fits import FitStore, Saver
from editor.diffusion.loan import Loan
from editor.diffusion.optimise import minimise
from editor.execution import Execution
from editor.geometry import Rect
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.edit_request import FitRequest
from editor.requests.frame import Frame
from editor.requests.reports import Reports
from editor.requests.results import FitResult

STEPS = 120
BATCH = 64


def toy_request(model: str = "", seed: int = 3) -> FitRequest:
    rows, columns = np.indices((16, 16))
    image = np.asarray(np.stack([rows * 15, columns * 15, 255 - rows * 8], axis=-1), np.uint8)
    return FitRequest(image, Frame.full_size(Rect(0, 0, 16, 16)), QuickFillSettings(), seed, model)


def learn(request: FitRequest, store: FitStore, interval: float = 5.0, steps: int = STEPS) -> Reports[FitResult]:
    """What it learns is kept under the request's key; as all fits it goes on from what an earlier run left."""
    kept = store.get(request.key)
    if kept is not None:
        return FitResult(request.key, steps, float(kept["loss"]), complete=True)
    generator = torch.Generator().manual_seed(request.seed)
    weights = [torch.randn(2, 16, generator=generator), torch.randn(16, 3, generator=generator) / 4, torch.zeros(3)]
    for weight in weights:
        weight.requires_grad_()
    image = torch.from_numpy(np.array(request.image)).float() / 255
    height, width = image.shape[:2]

    def loss() -> torch.Tensor:
        y, x = (torch.randint(side, (BATCH,), generator=generator) for side in (height, width))
        places = torch.stack([y / height, x / width], dim=1)
        return ((torch.tanh(places @ weights[0]) @ weights[1] + weights[2] - image[y, x]) ** 2).mean()

    with Saver(store, request.key, interval) as saver:
        outcome = yield from minimise(
            loss,
            partial(torch.optim.Adam, weights, lr=0.05),
            steps,
            doing="Learning the colours",
            generators=[generator],
            resume=saver.state,
            keep=saver,
        )
        if not outcome.early:
            last = torch.tensor(outcome.losses[-1])
            store.keep(request.key, {"loss": last, **{str(at): weight for at, weight in enumerate(weights)}})
            saver.done()
    return FitResult(request.key, len(outcome.losses), outcome.losses[-1], complete=not outcome.early)


def learn_on_loan(request: FitRequest, loan: Loan) -> Reports[FitResult]:
    return learn(request, loan.fits)


TOY_FIT = Execution(fit=learn_on_loan)


if __name__ == "__main__":  # killed by a test: it says when it begins its next step, and keeps every one
    folder, most = Path(sys.argv[1]), int(sys.argv[2])
    for number, _ in enumerate(learn(toy_request(), FitStore(folder), interval=0.0)):
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        if number == most:
            sys.stdin.read()  # until it is killed
