"""Cache of loaded models: the one that painted last and the one that ranks, so that the next edit with them starts at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch

from editor.diffusion.backend import Backend
from editor.diffusion.device import this_device
from editor.diffusion.loading import RUN_SMALLER, free, load, out_of_memory
from editor.diffusion.memory import estimate, fit
from editor.diffusion.ranking import ClipScorer, needed, precision
from editor.errors import OutOfMemory
from editor.geometry import Size
from editor.models.device import Device
from editor.models.info import ModelInfo
from editor.models.memory import USABLE, Fit
from editor.models.rankers import RankerInfo
from editor.requests.edit_request import AssessRequest, EditRequest
from editor.requests.reports import Reports
from editor.requests.results import Assessment

T = TypeVar("T")

MAX_BATCH_PIXELS = 512 * 512  # working pixels of all results that a processor makes at once
MIN_SCALE = 0.3  # of the working size's sides: below that no model makes anything of a picture


class ModelCache:
    """One model that paints at a time, and beside it one that ranks, which makes room when that does not leave enough. `device`: asked for
    before every run, because free memory changes."""

    def __init__(self, device: Callable[[], Device] = this_device) -> None:
        self._device = device
        self._loaded: tuple[ModelInfo, Fit, Backend] | None = None
        self._scorer: ClipScorer | None = None

    def acquire(self, info: ModelInfo, request: EditRequest) -> Reports[Backend]:
        """The model, ready for the request: the one that is there when it still fits, or else freshly loaded.

        Raises `ModelUnavailable`, and `OutOfMemory` before anything runs when the run needs more than there is.
        """
        working, guidance = request.frame.working, request.guidance_scale
        suited = self._suited(info, working, guidance)
        if suited.needed > self._free(self._device()) * USABLE[suited.device]:
            self._drop_scorer()
        if self._loaded is not None and self._loaded[0] == info and self._loaded[1].plan == suited.plan:
            return self._loaded[2]
        if suited.needed > suited.available:
            raise OutOfMemory(f"This does not fit into memory: {suited.shortage}.", RUN_SMALLER)
        self.clear()
        backend = yield from load(info, suited)
        self._loaded = info, suited, backend
        return backend

    def max_batch(self, info: ModelInfo, request: EditRequest, wanted: int) -> int:
        """How many of the `wanted` results, at least one, to make at once, after `acquire`: as many as fit as the model lies now.

        On a processor many small pictures go faster together; of large ones each takes all of it anyway, and the first should come soon.
        """
        if self._loaded is None:
            return 1
        plan, device, working = self._loaded[1].plan, self._device(), request.frame.working
        most = wanted if plan.device != "cpu" else min(wanted, max(1, MAX_BATCH_PIXELS // max(1, working.area)))
        free = self._free(device) * USABLE[device.kind]
        for count in range(most, 1, -1):
            if estimate(info, working, count, request.guidance_scale, plan).peak <= free:
                return count
        return 1

    def scorer(self, info: RankerInfo) -> ClipScorer:
        """The model that ranks, loaded beside the one that paints: on its device where there is room, else on the processor.

        Raises `ModelUnavailable`, and `OutOfMemory` when there is room nowhere.
        """
        if self._scorer is not None and self._scorer.info == info:
            return self._scorer
        self._drop_scorer()
        device = self._device()
        place: str = device.kind
        if needed(info, place) > device.free * USABLE[device.kind]:
            if place == "cpu":
                raise OutOfMemory(f"“{info.name}” does not fit into memory.", "Variations stay in their order.")
            place = "cpu"
        self._scorer = ClipScorer.load(info, place)
        return self._scorer

    def assess(self, info: ModelInfo, request: AssessRequest) -> Assessment:
        """What `acquire` would find, in words."""
        guidance = 2.0 if request.guidance else 1.0
        suited = self._suited(info, request.working, guidance, request.batch)
        if suited.fits:
            return Assessment(suited.words, fits=True)
        return Assessment(suited.words, fits=False, smaller=self._smaller(info, request, guidance))

    def has(self, info: ModelInfo) -> bool:
        """Whether this model is loaded."""
        return self._loaded is not None and self._loaded[0] == info

    def _drop_scorer(self) -> None:
        if self._scorer is not None:
            scorer, self._scorer = self._scorer, None
            scorer.free()

    def clear(self) -> None:
        """Give the memory of the model that paints back."""
        if self._loaded is not None:
            backend = self._loaded[2]
            self._loaded = None
            free(backend)

    def _suited(self, info: ModelInfo, working: Size, guidance: float, batch: int = 1) -> Fit:
        """How the model would lie in memory. What is loaded stays as it is while it fits so."""
        device = self._device()
        device = replace(device, free=min(self._free(device) + self._bytes_of_scorer(device), device.total))
        if self._loaded is not None:
            of, loaded, _ = self._loaded
            if of == info:
                needed = estimate(info, working, batch, guidance, loaded.plan).peak
                if needed <= device.free * USABLE[device.kind]:
                    return Fit(loaded.plan, needed, device.free)
        return fit(info, device, working, batch, guidance)

    def _free(self, device: Device) -> int:
        """Bytes that there would be without the model that is loaded."""
        if self._loaded is None or self._loaded[1].placement != "whole":
            return device.free
        of, loaded, _ = self._loaded
        held = sum(estimate(of, Size(1, 1), 1, 1.0, loaded.plan).weights.values())
        return min(device.free + held, device.total)

    def _bytes_of_scorer(self, device: Device) -> int:
        """Bytes of the device that the model that ranks would give up."""
        if self._scorer is None or self._scorer.device != device.kind:
            return 0
        return self._scorer.info.parameters * precision(device.kind).itemsize

    def _smaller(self, info: ModelInfo, request: AssessRequest, guidance: float) -> float | None:
        """The largest factor of the sides, in steps of 5 %, with which it fits."""
        for percent in range(95, round(MIN_SCALE * 100) - 1, -5):
            size = Size(*(max(1, side * percent // 100) for side in request.working))
            if self._suited(info, size, guidance, request.batch).fits:
                return percent / 100
        return None


def translate_oom(reports: Reports[T]) -> Reports[T]:
    """The same reports; running out of memory on the way becomes `OutOfMemory`."""
    try:
        return (yield from reports)
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        known = out_of_memory(error)
        if known is None:
            raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise known from error
