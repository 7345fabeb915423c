"""Training stops at any moment and goes on exactly where it was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from app.dev.practice import training
from app.dev.practice.plan import Course
from app.dev.practice.training import Clock, Muon, Training, orthogonal, pace
from tests.support.tiny_practice import LineLesson

CPU = torch.device("cpu")
COURSE = Course(samples=800, batch=8, rate=2e-2)


class Counted(Clock):
    """Over after so many looks, whatever the time."""

    def __init__(self, looks: int) -> None:
        super().__init__(60)
        self._looks = looks

    @property
    def over(self) -> bool:
        self._looks -= 1
        return self._looks < 0


def weights(learned: Training) -> torch.Tensor:
    return torch.cat([parameter.flatten() for parameter in learned.average.parameters()])


def test_a_run_in_pieces_equals_a_run_at_once(tmp_path: Path) -> None:
    whole = Training(LineLesson(COURSE), tmp_path / "whole.pt", CPU)
    assert whole.train(Clock(1))
    for _ in range(20):
        lesson = LineLesson(COURSE)
        piece = Training(lesson, tmp_path / "pieces.pt", CPU)
        begun = piece.samples
        if piece.train(Counted(17)):
            break
        assert piece.samples == begun + 17 * COURSE.batch
    assert piece.samples == whole.samples == COURSE.samples
    assert torch.equal(weights(piece), weights(whole))


def test_it_learns_and_the_mean_follows(tmp_path: Path) -> None:
    training = Training(LineLesson(COURSE), tmp_path / "line.pt", CPU)
    x = torch.linspace(-1, 1, 50)[:, None]
    before = (training.average(x) - 3 * x - 1).square().mean()
    training.train(Clock(1))
    assert (training.average(x) - 3 * x - 1).square().mean() < 0.05 * before


def test_what_was_learned_is_kept_when_a_step_fails(tmp_path: Path) -> None:
    class Failing(LineLesson):
        def loss(self, batch, random):  # type: ignore[no-untyped-def]
            if len(self.steps) > 5:
                raise RuntimeError("no more memory")
            return super().loss(batch, random)

    with pytest.raises(RuntimeError):
        Training(Failing(COURSE), tmp_path / "line.pt", CPU).train(Clock(1))
    assert Training(LineLesson(COURSE), tmp_path / "line.pt", CPU).samples == 5 * COURSE.batch


def test_half_a_file_does_not_replace_a_whole_one(tmp_path: Path) -> None:
    training = Training(LineLesson(COURSE), tmp_path / "line.pt", CPU)
    training.train(Counted(3))
    (tmp_path / "line.part").write_bytes(b"cut off")
    assert Training(LineLesson(COURSE), tmp_path / "line.pt", CPU).samples == 3 * COURSE.batch


def test_the_clock_ends_and_can_be_ended() -> None:
    assert Clock(0).over
    clock = Clock(5)
    assert not clock.over
    clock.stop()
    assert clock.over


def test_finished_weights_can_be_the_beginning(tmp_path: Path) -> None:
    first = Training(LineLesson(COURSE), tmp_path / "first.pt", CPU)
    first.train(Clock(1))
    second = Training(LineLesson(COURSE), tmp_path / "second.pt", CPU)
    second.start_from({name: value.half() for name, value in first.average.state_dict().items()}, first.samples)
    assert second.finished
    assert torch.allclose(weights(second), weights(first), atol=2e-3)


def test_pace_rises_stays_and_falls() -> None:
    course = Course(samples=8000, batch=8, rate=1.0, decay=0.5)
    assert pace(0, course) == pytest.approx(0.01)
    assert pace(2400, course) == 1.0
    assert pace(6000, course) == pytest.approx(0.5)
    assert pace(13600, course) == pytest.approx(0.04)


def test_orthogonal_keeps_directions_and_evens_out_sizes() -> None:
    torch.manual_seed(0)
    for shape in ((6, 20), (20, 6)):
        matrices = torch.randn((3, *shape))
        found = orthogonal(matrices)
        values = torch.linalg.svdvals(found)
        assert 0.6 < float(values.min()) <= float(values.max()) < 1.3
        half = orthogonal(matrices, torch.bfloat16)
        assert float((half - found).norm() / found.norm()) < 0.1


def test_muon_goes_down() -> None:
    torch.manual_seed(0)
    parameter = torch.nn.Parameter(torch.randn(6, 4))
    optimiser = Muon([parameter], 0.1)
    start = float(parameter.detach().square().sum())
    for _ in range(40):
        optimiser.zero_grad()
        parameter.square().sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert float(parameter.detach().square().sum()) < 0.2 * start


def test_matrices_of_one_shape_learn_as_they_would_alone() -> None:
    torch.manual_seed(0)
    together = [torch.nn.Parameter(torch.randn(shape)) for shape in ((6, 4), (6, 4), (4, 6, 1))]
    alone = [torch.nn.Parameter(each.detach().clone()) for each in together]
    gradients = [torch.randn_like(each) for each in together]
    optimisers = [Muon(together, 0.1), *(Muon([each], 0.1) for each in alone)]
    for parameter, gradient in zip([*together, *alone], [*gradients, *gradients], strict=True):
        parameter.grad = gradient
    for optimiser in optimisers:
        optimiser.step()
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other)


def test_half_precision_leaves_attention_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lesson learned in halves: its matrix product is half, its attention in full, and it learns all the same."""
    seen: dict[str, torch.dtype] = {}

    class Attending(LineLesson):
        def loss(self, batch: Mapping[str, Tensor], random: torch.Generator) -> Tensor:
            found = self.module(torch.randn((4, 1), generator=random))
            seen["product"] = found.dtype
            token, mask = found[None, None], torch.zeros((4, 4), dtype=found.dtype)
            seen["attention"] = functional.scaled_dot_product_attention(token, token, token, attn_mask=mask).dtype
            return super().loss(batch, random).float()

    monkeypatch.setattr(training, "halves", lambda _device: True)
    learning = Training(Attending(COURSE), tmp_path / "line.pt", CPU)
    x = torch.linspace(-1, 1, 50)[:, None]
    before = (learning.average(x) - 3 * x - 1).square().mean()
    learning.train(Clock(1))
    assert seen == {"product": torch.bfloat16, "attention": torch.float32}
    assert (learning.average(x) - 3 * x - 1).square().mean() < 0.05 * before
