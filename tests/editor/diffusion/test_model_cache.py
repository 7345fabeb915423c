"""Leases: what a suspended job holds is never put away; what is idle makes room; what does not fit is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from editor.diffusion import model_cache
from editor.diffusion.device import this_device
from editor.diffusion.memory import estimate
from editor.diffusion.model_cache import WAITING, ModelCache, Role, Wanted
from editor.errors import OutOfMemory
from editor.geometry import Rect, Size
from editor.methods.pixels.settings import PixelsSettings
from editor.models.device import Device
from editor.models.info import ModelInfo
from editor.models.inspect import inspect
from editor.models.memory import Fit, Plan
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame
from editor.requests.reports import Progress, Reports, outcome_of
from tests.support.tiny_models import stable_diffusion

MB = 2**20


@dataclass(eq=False)
class Toy:
    """What is loaded in the place of a network. `size`: bytes of the machine that it takes."""

    machine: Machine
    size: int
    freed: bool = False

    def free(self) -> None:
        assert not self.freed
        self.freed = True
        self.machine.used -= self.size


@dataclass
class Machine:
    """A processor with so many bytes, of which what is loaded takes its part."""

    total: int
    used: int = 0

    def device(self) -> Device:
        return replace(this_device(), kind="cpu", free=self.total - self.used, total=self.total)

    def wanted(self, role: Role, key: str, size: int) -> Wanted[Toy]:
        def load(device: str) -> Toy:
            self.used += size
            return Toy(self, size)

        return Wanted(role, key, lambda device: size, lambda device: size, load)


@pytest.fixture(scope="module")
def infos(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelInfo, ModelInfo]:
    folder = tmp_path_factory.mktemp("painters")
    one, two = (inspect(stable_diffusion(folder / name)) for name in ("one", "two"))
    return one, two


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Painters take memory of it by the estimate, and give it back."""
    machine = Machine(10_000 * MB)

    def load(info: ModelInfo, fit: Fit) -> Reports[Toy]:
        yield Progress(0.5, "Loading")
        size = sum(estimate(info, Size(1, 1), 1, 1.0, fit.plan).weights.values())
        machine.used += size
        return Toy(machine, size)

    monkeypatch.setattr(model_cache, "load", load)
    monkeypatch.setattr(model_cache, "free", lambda toy: toy.free())
    yield machine
    assert machine.used >= 0


def request(info: ModelInfo, side: int = 64) -> EditRequest:
    return EditRequest(
        np.zeros((side, side, 3), np.uint8),
        np.ones((side, side), np.float32),
        Frame.full_size(Rect(0, 0, side, side)),
        PixelsSettings(),
        1,
        model=info.key,
    )


def peak(info: ModelInfo, side: int = 64) -> int:
    return estimate(info, Size(side, side), 1, 7.0, Plan("cpu", "float32", "float32")).peak


def weights(info: ModelInfo) -> int:
    return sum(estimate(info, Size(1, 1), 1, 1.0, Plan("cpu", "float32", "float32")).weights.values())


def acquire(cache: ModelCache, info: ModelInfo, lease: model_cache.Lease | None = None) -> Toy:
    painter: object = outcome_of(cache.acquire(info, request(info), lease))
    assert isinstance(painter, Toy)
    return painter


def test_an_idle_painter_makes_room_for_another(machine: Machine, infos: tuple[ModelInfo, ModelInfo]) -> None:
    cache = ModelCache(machine.device)
    one = acquire(cache, infos[0])
    assert acquire(cache, infos[0]) is one
    two = acquire(cache, infos[1])
    assert (one.freed, two.freed) == (True, False)
    assert not cache.has(infos[0])
    assert machine.used == weights(infos[1])


def test_what_a_lease_holds_stays_and_is_idle_when_the_lease_ends(
    machine: Machine, infos: tuple[ModelInfo, ModelInfo]
) -> None:
    cache = ModelCache(machine.device)
    with cache.lease() as suspended:
        one = acquire(cache, infos[0], suspended)
        with cache.lease() as urgent:
            two = acquire(cache, infos[1], urgent)
            assert acquire(cache, infos[0], urgent) is one
            assert (not one.freed, two.freed) == (True, False)
        assert not one.freed
        assert acquire(cache, infos[0], suspended) is one
    assert cache.has(infos[0])
    assert two.freed  # of idle ones the one used last is kept
    assert machine.used == weights(infos[0])


def test_a_lease_that_ends_in_an_error_or_by_closing_gives_back(
    machine: Machine, infos: tuple[ModelInfo, ModelInfo]
) -> None:
    cache = ModelCache(machine.device)

    def job() -> Reports[None]:
        with cache.lease() as lease:
            yield from lease.painter(infos[0], request(infos[0]))
            yield Progress(0.5, "On")
            raise ValueError("no")

    closed, failed = job(), job()
    for _ in range(2):
        next(closed)
    closed.close()
    with pytest.raises(ValueError, match="no"):
        outcome_of(failed)
    acquire(cache, infos[1])
    assert not cache.has(infos[0])
    assert machine.used == weights(infos[1])


def test_what_does_not_fit_beside_a_suspended_job_is_said_and_costs_that_job_nothing(
    machine: Machine, infos: tuple[ModelInfo, ModelInfo]
) -> None:
    cache = ModelCache(machine.device)
    machine.total = weights(infos[0]) + peak(infos[1]) - 1000
    with cache.lease() as suspended:
        one = acquire(cache, infos[0], suspended)
        with pytest.raises(OutOfMemory) as refused:
            acquire(cache, infos[1])
        assert refused.value.advice == WAITING
        assert not one.freed
        assert acquire(cache, infos[0]) is one
    two = acquire(cache, infos[1])
    assert (one.freed, two.freed) == (True, False)


def test_helpers_are_kept_by_role_and_key_and_make_room_for_one_another(machine: Machine) -> None:
    cache = ModelCache(machine.device)
    machine.total = 1000
    outlines = machine.wanted("segmenter", "s", 400)
    first = cache.helper(outlines)
    assert cache.helper(outlines) is first
    with cache.lease() as lease:
        features = lease.helper(machine.wanted("features", "f", 400))
        assert not first.freed
        scorer = cache.helper(machine.wanted("scorer", "c", 400))  # the segmenter is idle, the features are not
        assert (first.freed, features.freed, scorer.freed) == (True, False, False)
        with pytest.raises(OutOfMemory):
            cache.helper(machine.wanted("segmenter", "large", 700))
        assert not features.freed
    cache.helper(machine.wanted("segmenter", "large", 700))
    assert features.freed


def test_another_of_one_role_replaces_the_idle_one_only(machine: Machine) -> None:
    cache = ModelCache(machine.device)
    one = cache.helper(machine.wanted("scorer", "a", 100))
    with cache.lease() as lease:
        two = lease.helper(machine.wanted("scorer", "b", 100))
        assert one.freed
        cache.helper(machine.wanted("scorer", "c", 100))
        assert not two.freed
        assert lease.helper(machine.wanted("scorer", "b", 100)) is two


def test_an_idle_painter_goes_before_a_helper_is_refused(machine: Machine, infos: tuple[ModelInfo, ModelInfo]) -> None:
    cache = ModelCache(machine.device)
    one = acquire(cache, infos[0])
    machine.total = machine.used + 1000
    cache.helper(machine.wanted("segmenter", "s", 2000))
    assert one.freed


def test_on_a_card_a_helper_goes_to_the_processor_rather_than_push_out_what_paints(
    machine: Machine, infos: tuple[ModelInfo, ModelInfo]
) -> None:
    cache = ModelCache(lambda: replace(machine.device(), kind="cuda"))
    one = acquire(cache, infos[0])
    machine.total = machine.used + 1000
    cache.helper(machine.wanted("segmenter", "s", 2000))
    assert [helper.device for helper in cache._helpers] == ["cpu"]
    assert not one.freed


def test_idle_helpers_go_where_a_run_needs_their_room(machine: Machine, infos: tuple[ModelInfo, ModelInfo]) -> None:
    cache = ModelCache(machine.device)
    with cache.lease() as lease:
        idle, held = (
            cache.helper(machine.wanted("features", "i", 1000)),
            lease.helper(machine.wanted("scorer", "h", 1000)),
        )
        machine.total = round(peak(infos[0]) / 0.95) + 1500
        acquire(cache, infos[0])
        assert (idle.freed, held.freed) == (True, False)
