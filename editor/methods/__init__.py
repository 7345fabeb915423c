"""Ways of editing a picture. `METHODS` and `MODEL_METHODS` are the tables: a request's settings class chooses the edit function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.edit_request import EditRequest
from editor.requests.reports import Reports
from editor.requests.results import EditResult

if TYPE_CHECKING:
    from editor.diffusion.backend import Backend

    Plain = Callable[[EditRequest], Reports[EditResult]]
    WithModel = Callable[[EditRequest, Sequence[int], Backend], Reports[tuple[EditResult, ...]]]


def _quick_fill() -> Plain:
    from editor.methods.quick_fill.editing import edit  # noqa: PLC0415  each method is imported when it is first asked for

    return edit


def _pixels() -> WithModel:
    from editor.methods.pixels.model import edit_batch  # noqa: PLC0415  torch takes seconds to import

    return edit_batch


def _blended_latent_diffusion() -> WithModel:
    from editor.methods.blended_latent_diffusion.model import edit_batch  # noqa: PLC0415  as above

    return edit_batch


# Settings class -> what returns the edit function: those that work without a model make one picture; those that borrow one make one for each
# of several seeds at once, and report each as `ResultReady`.
METHODS: MappingProxyType[type, Callable[[], Plain]] = MappingProxyType({QuickFillSettings: _quick_fill})
MODEL_METHODS: MappingProxyType[type, Callable[[], WithModel]] = MappingProxyType(
    {PixelsSettings: _pixels, BlendedSettings: _blended_latent_diffusion}
)
