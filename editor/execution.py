"""Execution of methods in the model half: the engine's table, from a settings class to functions that are imported when they are first needed.

Only the worker imports this module. A method without a model makes one picture; one with a model makes those of a whole batch of variants at once,
and reports each as `ResultReady`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from editor.live_runs import MakeLiveRun
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.items.settings import ItemsSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.edit_request import EditRequest, FitRequest, RepairRequest
from editor.requests.method_settings import MethodSettings
from editor.requests.reports import Reports
from editor.requests.results import EditResult, FitResult
from editor.requests.variants import Variant

if TYPE_CHECKING:
    from editor.diffusion.loan import Loan

    Edit = Callable[[EditRequest], Reports[EditResult]]
    ModelEdit = Callable[[Sequence[Variant], Loan], Reports[tuple[EditResult, ...]]]
    Fit = Callable[[FitRequest, Loan], Reports[FitResult]]
    RepairEdge = Callable[[RepairRequest, Loan], Reports[EditResult]]


@dataclass(frozen=True, slots=True)
class Execution:
    """The functions of a method that make pictures; either of the first two.

    edit: without a model, one picture
    edit_on_model: one picture for each variant of a batch (`Variant.shares_batch`), with what it is lent
    fit: learns something about a picture, for methods that do; it goes on from what an earlier run of the same request left
    repair: a finished result again with a better edge, for methods that leave latents (`Use.REPAIR`)
    live: a picture that is made again and again, by how many bytes it may keep; without it live pictures are whole edits
    """

    edit: Edit | None = None
    edit_on_model: ModelEdit | None = None
    repair: RepairEdge | None = None
    fit: Fit | None = None
    live: MakeLiveRun | None = None


Executions = Mapping[type[MethodSettings], Callable[[], Execution]]


def _quick_fill() -> Execution:
    from editor.methods.quick_fill.editing import edit  # noqa: PLC0415  each method is imported when it is first asked for

    return Execution(edit=edit)


def _pixels() -> Execution:
    from editor.methods.pixels.model import edit_batch  # noqa: PLC0415  torch takes seconds to import
    from editor.methods.pixels.model.incremental import IncrementalRun  # noqa: PLC0415  as above

    return Execution(edit_on_model=lambda variants, loan: edit_batch(variants, loan.backend), live=IncrementalRun)


def _blended_latent_diffusion() -> Execution:
    from editor.methods.blended_latent_diffusion.model import edit_batch, repair  # noqa: PLC0415  as above

    return Execution(
        edit_on_model=lambda variants, loan: edit_batch(variants, loan.backend, loan.fits),
        repair=lambda request, loan: repair(request, loan.backend, loan.fits),
    )


def _items() -> Execution:
    from editor.methods.items.model import edit_batch  # noqa: PLC0415  as above

    return Execution(edit_on_model=lambda variants, loan: edit_batch(variants, loan.backend))


EXECUTIONS: Executions = MappingProxyType(
    {
        QuickFillSettings: _quick_fill,
        PixelsSettings: _pixels,
        BlendedSettings: _blended_latent_diffusion,
        ItemsSettings: _items,
    }
)
