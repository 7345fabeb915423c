"""Published algorithms of PIXELS and Differential Diffusion, run for comparison by tests and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from editor.diffusion.backend import Backend
from editor.diffusion.fits import FitStore
from editor.diffusion.schedule import Schedule
from editor.methods.pixels.model import editing
from editor.methods.pixels.model.composing import Pass, Rule
from editor.methods.pixels.reference import ReferencePixelsSettings, published_map_counts, published_run_length
from editor.requests.edit_request import EditRequest
from editor.requests.reports import Reports, without_results
from editor.requests.results import EditResult
from editor.requests.variants import Variant


def _counts(of: Pass, schedule: Schedule) -> NDArray[np.int64]:
    return published_map_counts(of.strength, of.working, len(schedule))


REFERENCE = Rule(published=True, run_length=published_run_length, counts=_counts)
DIFFERENTIAL = Rule(published=True, composes=False, run_length=published_run_length, counts=_counts)


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
