"""MethodMemory: what was set for each method while another one was in hand."""

from __future__ import annotations

from editor.methods.registry import Methods
from editor.models.info import ModelInfo
from editor.planning.draft import Draft
from editor.requests.method_settings import MethodSettings


class MethodMemory:
    """Settings and overall strength of every method that was in hand, by its settings class."""

    def __init__(self, methods: Methods) -> None:
        self._methods = methods
        self._kept: dict[type[MethodSettings], tuple[MethodSettings, float]] = {}
        self._chosen: set[type[MethodSettings]] = set()  # methods whose strength the person chose

    def keep(self, draft: Draft) -> None:
        """Another method is about to be taken."""
        self._kept[type(draft.settings)] = draft.settings, draft.strength

    def note_strength(self, kind: type[MethodSettings]) -> None:
        """The person chose the strength of this method."""
        self._chosen.add(kind)

    def chose_strength(self, kind: type[MethodSettings]) -> bool:
        return kind in self._chosen

    def recall(self, kind: type[MethodSettings], model: ModelInfo | None) -> tuple[MethodSettings, float]:
        """As it was when the method was last in hand; its strength suits the model, unless the person chose one."""
        settings, strength = self._kept.get(kind, (kind(), 0.0))
        return settings, strength if kind in self._kept and kind in self._chosen else self._methods.of(
            kind
        ).first_strength(model)

    def last(self, kind: type[MethodSettings]) -> tuple[MethodSettings, float] | None:
        """Exactly as it was; None if it never was in hand."""
        return self._kept.get(kind)
