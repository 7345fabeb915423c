"""Published algorithms of PIXELS and Differential Diffusion, run for comparison by tests and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from editor.arrays import Counts
from editor.diffusion.backend import Backend
from editor.diffusion.fits import FitStore
from editor.diffusion.schedule import Schedule
from editor.methods.pixels.model import editing
from editor.methods.pixels.model.composing import Pass, Rule, ScheduleFrom
from editor.methods.pixels.reference import ReferencePixelsSettings, published_map_counts, published_run_length
from editor.methods.pixels.rungs import Ladder
from editor.requests.edit_request import EditRequest
from editor.requests.reports import Reports, without_results
from editor.requests.results import EditResult
from editor.requests.variants import Variant


def _releases(of: Pass, schedule_from: ScheduleFrom) -> tuple[Schedule, Counts]:
    steps = of.request.steps
    schedule = schedule_from(steps - published_run_length(of.strength, steps), Ladder(steps))
    return schedule, published_map_counts(of.strength, of.working, len(schedule)) + schedule.first


REFERENCE = Rule(published=True, releases=_releases)
DIFFERENTIAL = Rule(published=True, composes=False, releases=_releases)


@torch.no_grad()
def edit(request: EditRequest, backend: Backend) -> Reports[EditResult]:
    """One picture; see `edit_batch`."""
    (result,) = yield from without_results(edit_batch((Variant(0, request),), backend))
    return result


@torch.no_grad()
def edit_batch(
    variants: Sequence[Variant], backend: Backend, fits: FitStore | None = None
) -> Reports[tuple[EditResult, ...]]:
    """As `editing.edit_batch`, by the published rule of the request's settings."""
    settings = variants[0].request.settings
    if not isinstance(settings, ReferencePixelsSettings):
        raise TypeError("not one of the published rules")
    rule = DIFFERENTIAL if settings.rule == "differential" else REFERENCE
    return (yield from editing.edit_batch(variants, backend, fits, rule=rule))
