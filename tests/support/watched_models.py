"""What stories with models are told with: tiny models in their folders, and an eye on what runs inside them."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PySide6.QtCore import QThread

from editor.diffusion import loading, model_cache
from editor.diffusion.backend import Backend
from editor.diffusion.memory import estimate
from editor.geometry import Size
from editor.models.device import Device
from editor.models.info import ModelInfo
from editor.models.inspect import inspect
from editor.models.memory import Fit, Plan
from editor.requests.reports import Report, Reports
from tests.support.waiting import until

PATIENCE = 30.0  # seconds that the worker waits at a gate, so that a failing story ends


@dataclass
class Watched:
    """The U-Net and the loading of models, under watch. `calls`: of the U-Net so far. `loaded`: every backend, with what it was when it came.

    `hold_at`: the call of the U-Net, from 1, that waits until `let_go`. `hold_load`: whether loading does, before its second part.
    `fail`: what the next call raises; it is forgotten then. `threads`: those of every worker.
    """

    calls: int = 0
    hold_at: int | None = None
    hold_load: bool = False
    fail: BaseException | None = None
    loaded: list[tuple[Backend, dict[str, Any]]] = field(default_factory=list)
    threads: list[QThread] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)

    def called(self) -> None:
        self.calls += 1
        if self.calls == self.hold_at:
            self._wait()
        if self.fail is not None:
            error, self.fail = self.fail, None
            raise error

    def load(self, info: ModelInfo, fit: Fit) -> Reports[Backend]:
        reports = loading.load(info, fit)
        parts = 0
        report: Report
        try:
            while True:
                report = next(reports)
                parts += 1
                if parts == 2 and self.hold_load:
                    self._wait()
                yield report
        except StopIteration as stop:
            backend: Backend = stop.value
        finally:
            reports.close()
        self.loaded.append((backend, state(backend)))
        return backend

    def begin(self, hold_at: int | None = None) -> None:
        """Count from 0 again."""
        self.calls, self.hold_at = 0, hold_at
        self.held.clear()
        self.gate.clear()

    @property
    def running(self) -> list[str]:
        """Threads that nobody ended."""
        ours = [each.objectName() for each in self.threads if not each.isFinished()]
        return ours + [each.name for each in threading.enumerate() if each.name.startswith(("look-up", "asyncio"))]

    async def at_gate(self) -> None:
        await until(self.held.is_set)

    def let_go(self) -> None:
        self.gate.set()

    def unchanged(self) -> bool:
        """Whether the model that was loaded last is what it was when it came."""
        backend, was = self.loaded[-1]
        return equal(was, state(backend))

    def _wait(self) -> None:
        self.held.set()
        assert self.gate.wait(PATIENCE), "nobody opened the gate"


def state(backend: Backend) -> dict[str, Any]:
    """All that an edit could alter: weights, attention processors, modes, and the scheduler."""
    found: dict[str, Any] = {}
    for name, part in _parts(backend):
        if isinstance(part, torch.nn.Module):
            found[f"{name} weights"] = {key: value.clone() for key, value in part.state_dict().items()}
            found[f"{name} training"] = part.training
            found[f"{name} gradients"] = [parameter.grad is None for parameter in part.parameters()]
            processors: Any = getattr(part, "attn_processors", {})
            found[f"{name} processors"] = {key: id(processor) for key, processor in processors.items()}
        elif isinstance(part, diffusers.SchedulerMixin):
            found[name] = copy.deepcopy(vars(part))
    return found


def _parts(backend: Backend) -> Iterator[tuple[str, Any]]:
    for at, var in vars(backend).items():
        if isinstance(var, diffusers.DiffusionPipeline):
            for name, part in var.components.items():
                yield f"{at} {name}", part


def equal(one: Any, other: Any) -> bool:
    """Whether two states hold the same."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def needed_for(folder: Path, scale: float) -> int:
    """Bytes that an edit is said to need with the working size `scale` times the model's own."""
    info = inspect(folder)
    side = round(info.native * scale)
    return estimate(info, Size(side, side), 1, 7.0, Plan("cpu", "float32", "float32")).peak


def tell_memory(monkeypatch: Any, free: int) -> None:
    """From now on the program thinks that it runs on a processor with so many bytes free."""
    device = Device("cpu", "a small one", free, free)
    monkeypatch.setattr(model_cache.ModelCache.__init__, "__defaults__", (lambda: device,))


def watch(monkeypatch: Any) -> Watched:
    """Put everything under watch that `Watched` tells of."""
    found = Watched()
    forward = diffusers.UNet2DConditionModel.forward

    def watched(self: Any, *args: Any, **more: Any) -> Any:
        # The measuring of memory runs a network without weights, once for every kind of model in a process.
        if self.device.type != "meta":
            found.called()
        return forward(self, *args, **more)

    monkeypatch.setattr(diffusers.UNet2DConditionModel, "forward", watched)

    def thread() -> QThread:
        found.threads.append(QThread())
        return found.threads[-1]

    monkeypatch.setattr(model_cache, "load", found.load)
    monkeypatch.setattr("app.runner.QThread", thread)
    return found
