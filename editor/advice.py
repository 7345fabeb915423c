"""Advice: what the next edit would do less well than the person may expect, said before it runs."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from editor.document import Document
from editor.hold import free_steps
from editor.item import Exemplar
from editor.models.info import ModelInfo
from editor.planning import Draft, Plan
from editor.repainting import kept_out, most_freed, repaint_frame
from editor.request import BlendedSettings
from editor.scribble import painted_rect, scribble_of
from editor.shrinking import skipped_steps

# Numbers of the PIXELS specification, section 12.
MUCH_ENLARGED = 2.0
WORDS_WIN = 8.0
LITTLE_LEFT = 0.85
FEW_STEPS = 3
NO_PROMPT = "Say what should be there."
NO_WORDS, HARSH = 1.0, 15.0  # guidance
TELLING, EXAMPLES = 4, 8  # letters of a word that tells what it is about, and how many of those are named
TOYS_SIDE = 256  # pixels: practice scenes and what is made of them are smaller, photographs are not


def advice(document: Document, draft: Draft, planned: Plan) -> str:
    """One sentence or two, the weightiest first; empty when there is nothing to say. Cheap: no pixel of the picture is looked at."""
    model = draft.model
    if model is None or not draft.settings.needs_model or planned.action is None:
        return ""
    if beyond_toys(document, draft):
        return f"“{model.name}” knows nothing but its toys. For photographs, get a real model."
    if draft.settings.reads_prompt and (strange := _strange(draft.prompt, model)):
        return f"“{model.name}” does not know the word “{strange}”. Some it knows: {_some(model.words)}."
    if isinstance(draft.settings, BlendedSettings):
        return _by_words(document, draft, planned, model)
    return _repainting(document, draft, planned, model)


def _by_words(document: Document, draft: Draft, planned: Plan, model: ModelInfo) -> str:
    if not draft.prompt.strip():
        return NO_PROMPT
    steps = draft.steps_on(model)
    running = steps - skipped_steps(draft.strength, steps)
    if running < FEW_STEPS and steps > running:
        return _few(running, steps)
    scribble = scribble_of(document, draft)
    if scribble is not None and planned.scribble is not None and draft.frame is not None:
        painted = painted_rect(scribble)
        if painted.intersect(draft.frame) != painted:
            return "Part of the scribble lies outside the frame and will not be used. Move the frame, or let it go."
    if any(each.visible for each in document.exemplars):
        return "Reference pictures take no part in this. To use them, blend and repaint."
    guidance = draft.guidance_on(model)
    if guidance <= NO_WORDS < model.own_guidance:
        return f"With “Follow the words” at {guidance:g} the words hardly count. About {model.own_guidance:g} suits the model."
    if guidance > max(HARSH, model.own_guidance):
        return f"“Follow the words” above {HARSH:g} looks harsh. About {model.own_guidance:g} suits the model."
    return ""


def _repainting(document: Document, draft: Draft, planned: Plan, model: ModelInfo) -> str:
    steps = draft.steps_on(model)
    out = kept_out(document, draft, planned)
    if out is not None:
        return (
            f"The strength is nowhere 100\u202f%, so “{out.name}” is not let in. Paint 100\u202f% where it should show."
        )
    freed = most_freed(document, draft, planned)
    running = free_steps(draft.strength * freed, steps)
    if running == 0 and free_steps(draft.strength, steps) > 0:
        return "So little is let in that not one step runs. Let in more, or raise the strength."
    if running == 0:
        return "At this strength not one step runs. Raise the strength, or the number of steps."
    if running < FEW_STEPS and steps > running:
        return _few(running, steps)
    exemplars = [each for each in document.exemplars if each.id in planned.exemplars]
    if exemplars and draft.strength > LITTLE_LEFT and all(each.fidelity == 0 for each in exemplars):
        return "At this strength little of a reference picture is left. Lower the overall strength, or raise “Keep as it is”."
    soft = _softest(document, draft, planned, exemplars)
    if soft is not None:
        exemplar, factor = soft
        return f"“{exemplar.name}” is enlarged {factor:.1f} times and will stay soft. Make it smaller, or use a larger picture of it."
    if exemplars and draft.prompt.strip() and draft.guidance_on(model) > WORDS_WIN:
        return f"With “Follow the words” above {WORDS_WIN:g} the words outweigh the reference pictures."
    return ""


def _strange(words: str, model: ModelInfo) -> str:
    """The first word that the model does not know, where it is told which ones it knows."""
    asked = re.findall(r"\w+", words.lower())
    return next((each for each in asked if each not in model.words), "") if model.words else ""


def _some(words: Sequence[str]) -> str:
    """A few of them, from all over the alphabet."""
    telling = [word for word in words if len(word) >= TELLING]
    return ", ".join(telling[:: max(1, len(telling) // EXAMPLES)][:EXAMPLES])


def _few(running: int, steps: int) -> str:
    return f"Only {running} of {steps} steps will run, so little changes. Raise the strength, or the number of steps."


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
