"""Advice: what the next edit would do less well than the person may expect, said before it runs; and that a result is no other than the picture."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from editor.document.compose import flatten, lay
from editor.document.document import Document
from editor.document.exemplar import Exemplar
from editor.geometry import Rect
from editor.methods.blended_latent_diffusion.region_cells import skipped_steps
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.hold_counts import free_steps, run_length
from editor.methods.pixels.settings import PixelsSettings
from editor.models.info import ModelInfo
from editor.planning.change_map import kept_out, most_freed, repaint_frame
from editor.planning.draft import Draft
from editor.planning.plan import Plan
from editor.planning.scribble import painted_rect, scribble_of
from editor.requests.edit_request import Action, EditRequest
from editor.requests.method_settings import MethodSettings
from editor.requests.results import EditResult

# Numbers of the PIXELS specification, section 12.
MAX_ENLARGEMENT = 2.0
WORDS_WIN = 8.0
LITTLE_LEFT = 0.85
MIN_FREE_STEPS = 3
LITTLE_SEEN, LITTLE_CHANGED = 0.05, 0.1  # strength, without a model and with one
NO_PROMPT = "Say what should be there."
NO_STEP = "At this strength not one step runs. Raise the strength, or the number of steps."
NOTHING_CAME = "The result looks just like the picture."
NOTHING_ADVICE = "Raise the strength, or change more of it."
NO_WORDS, HARSH = 1.0, 15.0  # guidance
TELLING, EXAMPLES = 4, 8  # letters of a word that tells what it is about, and how many of those are named
_ROWS = 256  # that are compared at a time
TOYS_SIDE = 256  # pixels: practice scenes and what is made of them are smaller, photographs are not


def advice(document: Document, draft: Draft, planned: Plan) -> str:
    """One sentence or two, the weightiest first; empty when there is nothing to say. Cheap: no pixel of the picture is looked at."""
    model = draft.model
    if planned.action in ("fill", "blend") and not draft.settings.needs_model:
        return _little_seen(strongest(document, draft, planned), planned.action)
    if model is None or not draft.settings.needs_model or planned.action is None:
        return ""
    if beyond_toys(document, draft):
        return f"“{model.name}” knows nothing but its toys. For photographs, get a real model."
    if draft.settings.reads_prompt and (strange := _strange(draft.prompt, model)):
        return f"“{model.name}” does not know the word “{strange}”. Some it knows: {_some(model.words)}."
    if isinstance(draft.settings, BlendedSettings):
        return _by_words(document, draft, planned, model)
    return _repainting(document, draft, planned, model)


def asked_for_little(request: EditRequest) -> str:
    """Of a finished request: that hardly anything, or nothing, can come of it, and what to do about that. The words of `advice`, but where few steps
    are what somebody chose who knows how many there are.
    """
    most = float(request.strength.max(initial=0))
    if request.settings.needs_model:
        words = _few_steps(request.settings, most, request.steps)
        return words if most < LITTLE_CHANGED or words == NO_STEP else ""
    return _little_seen(most, request.action) if request.action in ("fill", "blend") else ""


def came_to_nothing(document: Document, result: EditResult) -> bool:
    """Whether the document looks the same with the result as without. Quick where it does not."""
    rect = result.rect.intersect(document.rect)
    for top in range(rect.top, rect.bottom, _ROWS):
        part = Rect(rect.left, top, rect.right, min(top + _ROWS, rect.bottom))
        over = np.ascontiguousarray(result.pixels[part.within(result.rect).slices])
        if over[..., 3].any():
            before = flatten(document, part)
            after = before.copy()
            lay(after, over, 1.0, "normal", clip=result.clip)
            if not np.array_equal(before, after):
                return False
    return True


def strongest(document: Document, draft: Draft, planned: Plan) -> float:
    """0 to 1: how much any pixel may change by this plan, at most. Cheap: from what is painted, not from where it lies."""
    settings, most = draft.settings, 0.0
    if planned.region is not None:
        most = document.map(planned.region).largest()
    if settings.needs_model:
        if planned.exemplars:
            most = max(most, most_freed(document, draft, planned))
        if planned.scribble is not None:
            most = 1.0  # the picture adapts to a scribble as much as the overall strength says
        if isinstance(settings, BlendedSettings) and settings.region == "outside":
            most = 1.0
        items = (document.item(id) for id in planned.items)
        most = max(most, *(item.mask.largest() for item in items if item is not None), 0.0)
    else:
        exemplars = (document.exemplar(id) for id in planned.exemplars)
        most = max(most, *(each.strength_map.largest() * each.strength for each in exemplars if each is not None), 0.0)
    return most * draft.strength


def _few_steps(settings: MethodSettings, most: float, steps: int) -> str:
    """That few steps run, or none, at this strength of what may change most."""
    if isinstance(settings, BlendedSettings):
        running = steps - skipped_steps(most, steps)
    elif isinstance(settings, PixelsSettings):
        running = run_length(settings, np.full((1, 1), most, np.float32), steps)
    else:
        return ""
    if running == 0:
        return NO_STEP
    return _few(running, steps) if running < MIN_FREE_STEPS and steps > running else ""


def _little_seen(most: float, action: Action) -> str:
    """That hardly anything shows of an edit that needs no model."""
    if most >= LITTLE_SEEN:
        return ""
    percent = f"{100 * most:.2g}\u202f%"
    if action == "blend":
        return f"At most {percent} of it comes in, so hardly anything will be seen. Raise its influence, or the overall strength."
    return (
        f"At most {percent} may change, so hardly anything will be seen. Paint stronger, or raise the overall strength."
    )


def _by_words(document: Document, draft: Draft, planned: Plan, model: ModelInfo) -> str:
    if not draft.prompt.strip():
        return NO_PROMPT
    few = _few_steps(draft.settings, strongest(document, draft, planned), draft.steps_on(model))
    if few:
        return few
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
    out = kept_out(document, draft, planned)
    if out is not None:
        return f"The strength is nowhere 100\u202f%, so nothing of “{out.name}” comes in. Paint 100\u202f% where it should show."
    steps = draft.steps_on(model)
    few = _few_steps(draft.settings, strongest(document, draft, planned), steps)
    if few == NO_STEP and planned.exemplars and free_steps(draft.strength, steps) > 0:
        return "So little comes in that not one step runs. Raise the influence, or the overall strength."
    if few:
        return few
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
    return most if most[1] > MAX_ENLARGEMENT else None
