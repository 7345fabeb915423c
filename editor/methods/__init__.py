"""Ways of editing a picture. `METHODS` is the one table: a request's settings class chooses the edit function."""

from __future__ import annotations

from collections.abc import Callable

from editor.methods import quick_fill
from editor.report import EditResult, Reports
from editor.request import EditRequest, QuickFillSettings

METHODS: dict[type, Callable[[EditRequest], Reports[EditResult]]] = {
    QuickFillSettings: quick_fill.edit,
}
