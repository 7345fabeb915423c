"""Advice: what the next edit would do less well than the person may expect, said before it runs."""

from __future__ import annotations

import math

from editor.document import Document
from editor.hold import free_steps
from editor.item import Exemplar
from editor.planning import Draft, Plan
from editor.repainting import repaint_frame
from editor.request import PixelsSettings

# Numbers of the PIXELS specification, section 12.
MUCH_ENLARGED = 2.0
WORDS_WIN = 8.0
LITTLE_LEFT = 0.85
FEW_STEPS = 3
TOYS_SIDE = 256  # pixels: practice scenes and what is made of them are smaller, photographs are not


def advice(document: Document, draft: Draft, planned: Plan) -> str:
    """One sentence or two, the weightiest first; empty when there is nothing to say. Cheap: no pixel is looked at."""
    model = draft.model
    if not isinstance(draft.settings, PixelsSettings) or model is None or planned.action is None:
        return ""
    if beyond_toys(document, draft):
        return f"“{model.name}” knows nothing but its toys. For photographs, get a real model."
    steps = draft.steps_on(model)
    running = free_steps(draft.strength, steps)
    if running == 0:
        return "At this strength not one step runs. Raise the strength, or the number of steps."
    if running < FEW_STEPS and steps > running:
        return (
            f"Only {running} of {steps} steps will run, so little changes. Raise the strength, or the number of steps."
        )
    exemplars = [each for each in document.exemplars if each.id in planned.exemplars]
    if exemplars and draft.strength > LITTLE_LEFT and all(each.fidelity == 0 for each in exemplars):
        return "At this strength little of an exemplar is left. Lower the strength, or raise its fidelity."
    soft = _softest(document, draft, planned, exemplars)
    if soft is not None:
        exemplar, factor = soft
        return f"“{exemplar.name}” is enlarged {factor:.1f} times and will stay soft. Make it smaller, or use a larger picture of it."
    if exemplars and draft.prompt.strip() and draft.guidance_on(model) > WORDS_WIN:
        return f"With guidance above {WORDS_WIN:g} the words outweigh the exemplars."
    return ""


def beyond_toys(document: Document, draft: Draft) -> bool:
    """Whether the picture is none that the chosen model could know: the model knows toy scenes only, and the picture is larger than those."""
    return draft.model is not None and draft.model.toys and max(document.size) > TOYS_SIDE


def _softest(
    document: Document, draft: Draft, planned: Plan, exemplars: list[Exemplar]
) -> tuple[Exemplar, float] | None:
    """The exemplar that the model would see most enlarged, if that is too much."""
    frame = repaint_frame(document, draft, planned) if exemplars else None
    if frame is None:
        return None
    shown = frame.mean_scale
    found = [(each, shown * math.sqrt(abs(each.placement.scale_x * each.placement.scale_y))) for each in exemplars]
    most = max(found, key=lambda each: each[1])
    return most if most[1] > MUCH_ENLARGED else None
