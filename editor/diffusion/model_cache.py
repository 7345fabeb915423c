"""Cache of loaded models by role, with leases for the jobs that use them, so that the next edit with them starts at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Generic, Literal, Protocol, TypeVar, cast, get_args

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
from editor.requests.edit_request import AssessRequest, EditRequest, FitRequest
from editor.requests.reports import Reports
from editor.requests.results import Assessment

T = TypeVar("T")

MAX_BATCH_PIXELS = 512 * 512  # working pixels of all results that a processor makes at once
MIN_SCALE = 0.3  # of the working size's sides: below that no model makes anything of a picture


Role = Literal["scorer", "segmenter", "features"]  # beside the one that paints
HELPERS: Final[tuple[Role, ...]] = get_args(Role)

WAITING = "A job that waits for this one keeps its model in memory; let it end first, or cancel it."


class Helper(Protocol):
    """A network beside the model that paints: it scores, outlines, or describes."""

    def free(self) -> None:
        """Give its memory back, even if something still holds it; it cannot be used again."""


H = TypeVar("H", bound=Helper)


@dataclass(frozen=True, slots=True)
class Wanted(Generic[H]):
    """A helper that somebody asks for, found again by role and key.

    needed: bytes that loading and using it takes on a device, by its kind
    size: bytes that it holds there
    load: loads it to a device
    """

    role: Role
    key: Hashable
    needed: Callable[[str], int]
    size: Callable[[str], int]
    load: Callable[[str], H]


@dataclass(slots=True, eq=False)
class _Painter:
    """A loaded model that paints. `holders`: how many leases hold it; without any it is idle."""

    info: ModelInfo
    fit: Fit
    backend: Backend
    holders: int = 0

    @property
    def size(self) -> int:
        """Bytes of the device that it would give up."""
        if self.fit.placement != "whole":
            return 0
        return sum(estimate(self.info, Size(1, 1), 1, 1.0, self.fit.plan).weights.values())


@dataclass(slots=True, eq=False)
class _Helper:
    """A loaded network beside it. `size`: bytes of `device` that it would give up. `holders`: as of the one that paints."""

    role: Role
    key: Hashable
    helper: Helper
    device: str
    size: int
    holders: int = 0


class ModelCache:
    """Loaded models by role, within the memory of one device. What nobody has leased is idle: it stays until its room is needed.

    Of idle models that paint only the one used last is kept. What a lease holds is never put away, so a job that is suspended finds its model as
    it left it; a model that does not fit beside is refused. `device`: asked for before every run, because free memory changes.
    """

    def __init__(self, device: Callable[[], Device] = this_device) -> None:
        self._device = device
        self._painters: list[_Painter] = []  # used last comes last
        self._helpers: list[_Helper] = []

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """A `with` in which models are held for one job."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            for held in lease.held:
                held.holders -= 1
            self._free_painters(keep=1)

    def acquire(
        self, info: ModelInfo, request: EditRequest | FitRequest, lease: Lease | None = None
    ) -> Reports[Backend]:
        """The model, ready for the request: the one that is there when it still fits, or else freshly loaded.

        lease: holds it; without one it may be put away at any time

        Raises `ModelUnavailable`, and `OutOfMemory` before anything runs when the run needs more than there is.
        """
        suited = self._suited(info, request.frame.working, request.guidance_scale)
        painter = next(
            (painter for painter in self._painters if (painter.info, painter.fit.plan) == (info, suited.plan)), None
        )
        if suited.needed > self._without(self._device(), painter) * USABLE[suited.device]:
            self._free_helpers(HELPERS)
        if painter is None:
            if suited.needed > suited.available:
                waits = any(painter.holders for painter in self._painters)
                raise OutOfMemory(
                    f"This does not fit into memory: {suited.shortage}.", WAITING if waits else RUN_SMALLER
                )
            self.clear()
            backend = yield from load(info, suited)
            painter = _Painter(info, suited, backend)
        else:
            self._painters.remove(painter)
        self._painters.append(painter)
        if lease is not None:
            lease.hold(painter)
        return painter.backend

    def max_batch(self, info: ModelInfo, request: EditRequest, wanted: int) -> int:
        """How many of the `wanted` results, at least one, to make at once, after `acquire`: as many as fit as the model lies now.

        On a processor many small pictures go faster together; of large ones each takes all of it anyway, and the first should come soon.
        """
        painter = self._loaded(info)
        if painter is None:
            return 1
        plan, device, working = painter.fit.plan, self._device(), request.frame.working
        most = wanted if plan.device != "cpu" else min(wanted, max(1, MAX_BATCH_PIXELS // max(1, working.area)))
        free = self._without(device, painter) * USABLE[device.kind]
        for count in range(most, 1, -1):
            if estimate(info, working, count, request.guidance_scale, plan).peak <= free:
                return count
        return 1

    def scorer(self, info: RankerInfo, lease: Lease | None = None) -> ClipScorer:
        """The model that ranks, loaded beside the one that paints: on its device where there is room, else on the processor.

        Raises `ModelUnavailable`, and `OutOfMemory` when there is room nowhere.
        """

        def size(device: str) -> int:
            return info.parameters * precision(device).itemsize

        wanted = Wanted("scorer", info, partial(needed, info), size, lambda device: ClipScorer.load(info, device))
        try:
            return self.helper(wanted, lease)
        except OutOfMemory as error:
            raise OutOfMemory(f"“{info.name}” does not fit into memory.", "Variations stay in their order.") from error

    def helper(self, wanted: Wanted[H], lease: Lease | None = None) -> H:
        """A network beside the one that paints: on its device where there is room, else on the processor. `lease`: as in `acquire`.

        What is idle goes before it is refused. Raises `OutOfMemory`, and what loading raises.
        """
        kept = next(
            (helper for helper in self._helpers if (helper.role, helper.key) == (wanted.role, wanted.key)), None
        )
        if kept is None:
            self._free_helpers((wanted.role,))
            place = self._place(wanted)
            kept = _Helper(wanted.role, wanted.key, wanted.load(place), place, wanted.size(place))
            self._helpers.append(kept)
        if lease is not None:
            lease.hold(kept)
        return cast("H", kept.helper)

    def _place(self, wanted: Wanted[H]) -> str:
        """Where a helper fits, after what is idle has made room. Raises `OutOfMemory`."""

        def fits(device: Device) -> bool:
            return wanted.needed(device.kind) <= device.free * USABLE[device.kind]

        device = self._device()
        if fits(device) or (self._free_helpers(HELPERS) and fits(self._device())):
            return device.kind
        if device.kind != "cpu":
            return "cpu"
        self.clear()
        if not fits(self._device()):
            raise OutOfMemory("A model does not fit into memory.", WAITING if self._painters else "")
        return device.kind

    def assess(self, info: ModelInfo, request: AssessRequest) -> Assessment:
        """What `acquire` would find, in words."""
        guidance = 2.0 if request.guidance else 1.0
        suited = self._suited(info, request.working, guidance, request.batch)
        if suited.fits:
            return Assessment(suited.words, fits=True)
        return Assessment(suited.words, fits=False, smaller=self._smaller(info, request, guidance))

    def has(self, info: ModelInfo) -> bool:
        """Whether this model is loaded."""
        return self._loaded(info) is not None

    def clear(self) -> None:
        """Give the memory of idle models that paint back."""
        self._free_painters(keep=0)

    def _loaded(self, info: ModelInfo) -> _Painter | None:
        """The one used last of those that paint with this model."""
        return next((painter for painter in reversed(self._painters) if painter.info == info), None)

    def _free_painters(self, keep: int) -> None:
        """Put idle ones away but for the last few."""
        idle = [painter for painter in self._painters if not painter.holders]
        for painter in idle[: len(idle) - keep]:
            self._painters.remove(painter)
            free(painter.backend)

    def _free_helpers(self, roles: Collection[Role]) -> bool:
        """Put idle ones of these roles away. Returns whether there were any."""
        idle = [helper for helper in self._helpers if helper.role in roles and not helper.holders]
        for kept in idle:
            self._helpers.remove(kept)
            kept.helper.free()
        return bool(idle)

    def _suited(self, info: ModelInfo, working: Size, guidance: float, batch: int = 1) -> Fit:
        """How the model would lie in memory. What is loaded stays as it is while it fits so."""
        device = self._device()
        helpers = sum(helper.size for helper in self._helpers if helper.device == device.kind and not helper.holders)
        painter = self._loaded(info)
        if painter is not None:
            room = min(self._without(device, painter) + helpers, device.total)
            needed = estimate(info, working, batch, guidance, painter.fit.plan).peak
            if needed <= room * USABLE[device.kind]:
                return Fit(painter.fit.plan, needed, room)
        room = min(self._without(device, None) + helpers, device.total)
        return fit(info, replace(device, free=room), working, batch, guidance)

    def _without(self, device: Device, painter: _Painter | None) -> int:
        """Bytes that there would be without models that paint and are idle, and without this one, idle or not."""
        held = sum(other.size for other in self._painters if other is painter or not other.holders)
        return min(device.free + held, device.total)

    def _smaller(self, info: ModelInfo, request: AssessRequest, guidance: float) -> float | None:
        """The largest factor of the sides, in steps of 5 %, with which it fits."""
        for percent in range(95, round(MIN_SCALE * 100) - 1, -5):
            size = Size(*(max(1, side * percent // 100) for side in request.working))
            if self._suited(info, size, guidance, request.batch).fits:
                return percent / 100
        return None


class Lease:
    """Models that one job holds; see `ModelCache.lease`."""

    def __init__(self, cache: ModelCache) -> None:
        self._cache = cache
        self.held: list[_Painter | _Helper] = []

    def hold(self, model: _Painter | _Helper) -> None:
        """Keep it from being put away, until the lease ends."""
        if model not in self.held:
            self.held.append(model)
            model.holders += 1

    def painter(self, info: ModelInfo, request: EditRequest | FitRequest) -> Reports[Backend]:
        """As `ModelCache.acquire`, held."""
        return self._cache.acquire(info, request, self)

    def scorer(self, info: RankerInfo) -> ClipScorer:
        """As `ModelCache.scorer`, held."""
        return self._cache.scorer(info, self)

    def helper(self, wanted: Wanted[H]) -> H:
        """As `ModelCache.helper`, held."""
        return self._cache.helper(wanted, self)


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
