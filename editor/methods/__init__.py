"""Ways of editing a picture. `METHODS` is the one table: a request's settings class chooses the edit function."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING

from editor.report import EditResult, Reports
from editor.request import EditRequest, PixelsSettings, QuickFillSettings

if TYPE_CHECKING:
    from editor.diffusion.backend import Backend

    Plain = Callable[[EditRequest], Reports[EditResult]]
    WithModel = Callable[[EditRequest, Backend], Reports[EditResult]]


def _quick_fill() -> Plain:
    from editor.methods import quick_fill  # noqa: PLC0415  each method is imported when it is first asked for

    return quick_fill.edit


def _pixels() -> WithModel:
    from editor.methods import pixels  # noqa: PLC0415  torch takes seconds to import

    return pixels.edit


# Settings class -> what returns the edit function: those that work without a model, and those that borrow one.
METHODS: MappingProxyType[type, Callable[[], Plain]] = MappingProxyType({QuickFillSettings: _quick_fill})
MODEL_METHODS: MappingProxyType[type, Callable[[], WithModel]] = MappingProxyType({PixelsSettings: _pixels})
