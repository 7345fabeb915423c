"""Loan: what an edit is lent for as long as it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from editor.diffusion.backend import Backend
from editor.diffusion.fits import FitStore
from editor.diffusion.model_cache import H, Wanted
from editor.diffusion.ranking import ClipScorer
from editor.requests.edit_request import EditRequest
from editor.requests.reports import Reports
from editor.requests.results import EditResult


class GetsHelper(Protocol):
    """A network beside the model, by what is wanted (`ModelCache.helper`)."""

    def __call__(self, wanted: Wanted[H]) -> H: ...


@dataclass(frozen=True, slots=True, eq=False)
class Loan:
    """What an edit is lent. All of it goes back when the edit ends, also on error and cancel; models must be left as they came.

    backend: the model of the request
    fits: what was learned about pictures
    scorer: the model that tells how well pictures fit words, None where there is none; raises `ModelUnavailable` and `OutOfMemory`
    helper: a network of another role, by a way to load it; raises `OutOfMemory`
    edit: another edit on the same model, with its reports; the result is in sRGB and opaque
    """

    backend: Backend
    fits: FitStore
    scorer: Callable[[], ClipScorer | None]
    helper: GetsHelper
    edit: Callable[[EditRequest], Reports[EditResult]]
