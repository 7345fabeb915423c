"""Scrubbing of an edit: the parameters whose other values are worth results in advance, and which values these are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Final, Literal

from editor.document.contents import Exemplar
from editor.document.document import Document
from editor.planning.plan import Draft, Plan
from editor.requests.method_settings import Use

TENTHS: Final = tuple(tenth / 10 for tenth in range(11))
GUIDANCES: Final = (0.0, 1.5, 3.0, 4.5, 6.0, 7.5, 9.0, 12.0, 16.0, 22.0)
GUIDED: Final = 1.0  # up to this guidance scale the network is not asked without words
LABELS: Final = {"strength": "overall strength", "fidelity": "keep as it is", "guidance": "follow the words"}

Parameter = Literal["strength", "fidelity", "guidance"]


@dataclass(frozen=True, slots=True)
class Knob:
    """One parameter of an edit.

    parameter: which; "fidelity" is that of a reference picture
    exemplar: the id of that, None for the others
    """

    parameter: Parameter
    exemplar: int | None = None

    def value(self, document: Document, draft: Draft) -> float:
        """Its value in an edit, strength and fidelity from 0 to 1."""
        match self.parameter:
            case "strength":
                return draft.strength
            case "fidelity":
                exemplar = None if self.exemplar is None else document.exemplar(self.exemplar)
                return 0.0 if exemplar is None else exemplar.fidelity
            case "guidance":
                return 0.0 if draft.model is None else draft.guidance_on(draft.model)

    def at(self, document: Document, draft: Draft, value: float) -> tuple[Document, Draft]:
        """The edit with another value of it."""
        match self.parameter:
            case "strength":
                return document, replace(draft, strength=value)
            case "fidelity":
                exemplar = None if self.exemplar is None else document.exemplar(self.exemplar)
                if exemplar is None or exemplar.fidelity == value:
                    return document, draft
                return document.with_exemplar(replace(exemplar, fidelity=value)), draft
            case "guidance":
                return document, replace(draft, guidance_scale=value)

    def joins(self, one: tuple[Document, Draft], other: tuple[Document, Draft]) -> bool:
        """Whether two edits differ in nothing but its value."""
        (first, draft), (second, wish) = one, other
        if self.parameter != "fidelity":
            draft, wish = self.at(first, draft, 0.0)[1], self.at(second, wish, 0.0)[1]
        return draft == wish and self._same_picture(first, second)

    def _same_picture(self, one: Document, other: Document) -> bool:
        """Whether two documents differ in nothing but a scrubbed fidelity; of one that was set back nothing is the same object but what it holds."""
        return (
            replace(one, exemplars=other.exemplars).same_as(other)
            and len(one.exemplars) == len(other.exemplars)
            and all(map(self._alike, one.exemplars, other.exemplars))
        )

    def _alike(self, one: Exemplar, other: Exemplar) -> bool:
        free = {"pixels", "fidelity"} if one.id == self.exemplar else {"pixels"}
        names = [field.name for field in fields(Exemplar) if field.name not in free]
        return one.pixels is other.pixels and all(getattr(one, name) == getattr(other, name) for name in names)

    def grade(self, draft: Draft, value: float) -> float:
        """A number that is the same for values which come to the same: of a run of few steps, those with as many free or held."""
        steps = _steps(draft)
        if self.parameter == "guidance" or steps is None:
            return round(value, 4)
        return int(round(value, 6) * steps + 0.5 + 1e-9)

    def words(self, value: float) -> str:
        """What it is and its value, for people."""
        shown = f"{value:.3g}" if self.parameter == "guidance" else f"{100 * value:.3g}\u202f%"
        return f"{LABELS[self.parameter]} {shown}"


def knobs(document: Document, draft: Draft, planned: Plan) -> tuple[Knob, ...]:
    """What can be scrubbed of an edit, the likeliest first."""
    return tuple(_knobs(document, draft, planned))


def _knobs(document: Document, draft: Draft, planned: Plan) -> Iterator[Knob]:
    settings, model = draft.settings, draft.model
    if settings.needs_model or planned.action not in ("remove", "move"):  # without a model that is done altogether
        yield Knob("strength")
    if model is None or not settings.needs_model:
        return
    if Use.EXEMPLARS in settings.uses:
        for id in planned.exemplars:
            if draft.exemplar in (None, id) and document.exemplar(id) is not None:
                yield Knob("fidelity", id)
    if Use.WORDS in settings.uses and draft.prompt.strip() and model.own_guidance > GUIDED:
        yield Knob("guidance")


def stops(knob: Knob, draft: Draft, wish: float, ready: Iterable[float]) -> tuple[float, ...]:
    """The values that are worth a result, the one nearest to `wish` first; none that comes to the same as another, or as one of `ready`.

    draft: of the edit
    ready: the values that there are results of
    """
    known = {knob.grade(draft, value) for value in ready}
    values = list[float]()
    for value in _ladder(knob, draft):
        grade = knob.grade(draft, value)
        if grade not in known:
            known.add(grade)
            values.append(value)
    return tuple(sorted(values, key=lambda value: abs(value - wish)))


def _ladder(knob: Knob, draft: Draft) -> Iterable[float]:
    if knob.parameter == "guidance":
        return GUIDANCES
    steps = _steps(draft)
    ladder = TENTHS if steps is None or steps >= len(TENTHS) - 1 else tuple(step / steps for step in range(steps + 1))
    return ladder[1:] if knob.parameter == "strength" else ladder  # no strength is no edit


def _steps(draft: Draft) -> int | None:
    """Of a run; None without a model."""
    return None if draft.model is None or not draft.settings.needs_model else draft.steps_on(draft.model)
