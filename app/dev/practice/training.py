"""One part in training: its weights, their running mean, the optimisers and how far it came; saved whole, resumed anywhere.

Optimisers: Muon for kernels and matrices, AdamW for the rest; small nets from scratch learn in fewer steps than with AdamW alone. Keller Jordan's
update: momentum, made orthogonal by five Newton-Schulz steps; scaled so that AdamW's learning rates fit.
"""

from __future__ import annotations

import copy
import logging
import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader, Dataset

from app.dev.practice.plan import Course

SAVE_EVERY = 180.0  # seconds
SAY_EVERY = 20.0
WORKERS = 12  # that draw scenes while a GPU learns

log = logging.getLogger(__name__)

Arrays = dict[str, NDArray[Any]]
MOMENTUM = 0.95
STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Lesson(Protocol):
    """What one part learns from."""

    name: str
    module: nn.Module
    course: Course
    adam_only: tuple[str, ...]

    def arrays(self, step: int) -> Arrays:
        """The data of a step: a pure function of the step, so that training resumes where it was."""
        ...

    def loss(self, batch: Mapping[str, Tensor], random: torch.Generator) -> Tensor:
        """A scalar to be made small."""
        ...


class Clock:
    """When to stop: at the end of the time given, or when somebody asks."""

    def __init__(self, minutes: float) -> None:
        self._end = time.monotonic() + 60 * minutes
        self.hurried = False  # somebody waits: save, and leave out what only measures

    def stop(self) -> None:
        self.hurried = True

    @property
    def over(self) -> bool:
        return self.hurried or time.monotonic() >= self._end

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self._end - time.monotonic())


class Training:
    """A lesson being learned on a device, with its checkpoint file. `average` is what others use."""

    def __init__(self, lesson: Lesson, file: Path, device: torch.device, seed: int = 0) -> None:
        self.lesson = lesson
        self._seed = seed << 32
        self.device = device
        self.samples = 0
        self.seconds = 0.0
        self.history: list[tuple[int, float]] = []
        self.planned = lesson.course.samples
        lesson.module.to(device).train()
        self.average = copy.deepcopy(lesson.module).eval().requires_grad_(False)
        self._half = halves(device)
        dtype = torch.bfloat16 if self._half else torch.float32
        self._optimisers = optimisers(lesson.module, lesson.course.rate, lesson.adam_only, dtype)
        self._file = file
        if file.exists():
            self._resume()

    @property
    def finished(self) -> bool:
        return self.samples >= self.planned

    def start_from(self, weights: Mapping[str, Tensor], samples: int) -> None:
        """Begin with finished weights instead of random ones; the optimisers begin anew."""
        for module in (self.lesson.module, self.average):
            module.load_state_dict({name: value.float() for name, value in weights.items()})
        self.samples = samples

    def train(self, clock: Clock, often: Callable[[Training], None] | None = None, every: float = math.inf) -> bool:
        """Learn until `planned` or until the clock says so; `often` is called each `every` seconds. Returns `finished`.

        The checkpoint is written every few minutes and at the end, also when something fails on the way.
        """
        course = self.lesson.course
        said = saved = called = started = time.monotonic()
        begun_with, total, count = self.samples, 0.0, 0
        try:
            for step, batch in self._batches():
                if clock.over or self.finished:
                    break
                value = self._step(step, batch)
                self.samples += course.batch
                total, count = total + value, count + 1
                now = time.monotonic()
                if now - said > SAY_EVERY or self.finished:
                    self.history.append((self.samples, total / count))
                    rate = (self.samples - begun_with) / (now - started)
                    self._say(total / count, rate)
                    said, total, count = now, 0.0, 0
                if now - saved > SAVE_EVERY:
                    self.seconds += now - started
                    started, begun_with = now, self.samples
                    self.save()
                    saved = now
                if often is not None and now - called > every:
                    often(self)
                    called = time.monotonic()
        finally:
            self.seconds += time.monotonic() - started
            self.save()
        return self.finished

    def save(self) -> None:
        """Write everything beside the old file, then put it in its place: a power cut leaves one of the two whole."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_suffix(".part")
        torch.save(
            {
                "module": self.lesson.module.state_dict(),
                "average": self.average.state_dict(),
                "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
                "samples": self.samples,
                "longer": self.planned - self.lesson.course.samples,
                "seconds": self.seconds,
                "history": self.history,
            },
            beside,
        )
        os.replace(beside, self._file)

    def _resume(self) -> None:
        state = torch.load(self._file, map_location=self.device, weights_only=True)
        self.lesson.module.load_state_dict(state["module"])
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.samples, self.seconds = state["samples"], state["seconds"]
        self.planned += state.get("longer", 0)
        self.history = [(samples, loss) for samples, loss in state["history"]]

    def _batches(self) -> DataLoader[Any]:
        first = self.samples // self.lesson.course.batch
        last = -(-self.planned // self.lesson.course.batch)
        workers = WORKERS if self.device.type == "cuda" else 0
        return DataLoader(
            _Steps(self.lesson.arrays, first, last),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            pin_memory=bool(workers),
        )

    def _step(self, step: int, batch: Mapping[str, Tensor]) -> float:
        rate = self.lesson.course.rate * pace(self.samples, self.lesson.course)
        random = torch.Generator(self.device).manual_seed(self._seed + step)
        here = {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}
        attention = _FullAttention() if self._half and self.device.type == "cpu" else nullcontext()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half), attention:
            loss = self.lesson.loss(here, random)
        for optimiser in self._optimisers:
            optimiser.zero_grad()
            for group in optimiser.param_groups:
                group["lr"] = rate
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.lesson.module.parameters(), 1.0)
        for optimiser in self._optimisers:
            optimiser.step()
        decay = min(self.lesson.course.average, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.lesson.module.parameters()), 1 - decay)
        return float(loss.detach())

    def _say(self, loss: float, rate: float) -> None:
        part = self.samples / self.planned
        bar = "#" * int(24 * part) + "." * (24 - int(24 * part))
        left = (self.planned - self.samples) / max(rate, 1e-9) / 60
        log.info(
            "%-6s [%s] %5.1f %%  loss %.4f  %.1f samples/s  %.0f min left",
            self.lesson.name,
            bar,
            100 * part,
            loss,
            rate,
            left,
        )


class _FullAttention(TorchFunctionMode):
    """Attention in float32, for CPUs: torch's kernel for bfloat16 is six times slower there, backwards."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is not functional.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        with torch.autocast("cpu", enabled=False):
            return func(*map(_full, args), **{name: _full(kwarg) for name, kwarg in (kwargs or {}).items()})


def _full(value: Any) -> Any:
    """A half tensor in full; anything else as it is, masks of truth values too."""
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


class _Steps(Dataset[tuple[int, Arrays]]):
    """The steps still to be made, as a dataset that workers can share."""

    def __init__(self, arrays: Callable[[int], Arrays], first: int, last: int) -> None:
        self._arrays, self._first, self._last = arrays, first, last

    def __len__(self) -> int:
        return self._last - self._first

    def __getitem__(self, index: int) -> tuple[int, Arrays]:
        if index >= len(self):
            raise IndexError(index)
        return self._first + index, self._arrays(self._first + index)


def halves(device: torch.device) -> bool:
    """Whether bfloat16 is the fast way here: on CUDA, and on CPUs with matrix tiles for it."""
    return device.type == "cuda" or bool(device.type == "cpu" and torch.cpu.get_capabilities().get("amx_bf16"))


def pace(samples: int, course: Course) -> float:
    """The learning rate as a part of the highest: up in the first 100 steps (or tenth, if sooner), level, then down to 4 %, where it stays."""
    rise = min(1.0, (samples + course.batch) / min(100 * course.batch, 0.1 * course.samples))
    fall = min(1.0, max(0.04, (1.0 - samples / course.samples) / (1.0 - course.decay)))
    return rise * fall


def as_batch(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures of one size, stacked (n, 3, h, w)."""
    return np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2))


def to_signed(pictures: Tensor) -> Tensor:
    """uint8 0..255 to float32 -1..1."""
    return pictures.float() / 127.5 - 1


class Muon(torch.optim.Optimizer):
    """For parameters of two and more dimensions, (out, …) read as a matrix. The state is one momentum a parameter."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float = 0.01,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        self._dtype = dtype  # of the Newton-Schulz steps only

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update from the gradients; parameters without one stay."""
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum: Tensor = state["momentum"]
                momentum.lerp_(parameter.grad, 1 - MOMENTUM)
                update = parameter.grad.lerp(momentum, MOMENTUM).flatten(1)
                alike[tuple(update.shape)].append((parameter, update))
            for shape, members in alike.items():
                scale = 0.2 * max(shape) ** 0.5
                updates = orthogonal(torch.stack([update for _, update in members]), self._dtype)
                for (parameter, _), update in zip(members, updates, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update.view_as(parameter), alpha=-group["lr"] * scale)


def orthogonal(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Matrices with about the same singular vectors and singular values near 1; (n, rows, columns) float32, worked on in `dtype`."""
    tall = matrices.shape[1] > matrices.shape[2]
    result: Tensor = matrices.mT if tall else matrices
    result = (result / (torch.linalg.matrix_norm(result, keepdim=True) + 1e-7)).to(dtype)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        gram = result @ result.mT
        result = torch.baddbmm(result, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), result, beta=a)
    return (result.mT if tall else result).float()


def optimisers(
    module: nn.Module, lr: float, adam_only: tuple[str, ...] = (), dtype: torch.dtype = torch.float32
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the inner matrices of a module, AdamW for vectors, embeddings and the parameters whose names hold `adam_only`."""
    inner: list[nn.Parameter] = []
    outer: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        is_inner = parameter.ndim >= 2 and not any(part in name for part in adam_only)
        (inner if is_inner else outer).append(parameter)
    return Muon(inner, lr, dtype=dtype), torch.optim.AdamW(outer, lr, betas=(0.9, 0.98), weight_decay=0.01)
