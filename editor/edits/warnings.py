"""Warnings before an edit: what the next edit would do less well than the person may expect, said before it runs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from editor.document.document import Document
from editor.methods.registry import METHODS, Methods
from editor.models.info import ModelInfo
from editor.planning.change_map import LITTLE_CHANGED, NO_STEP, few_steps, little_seen, strongest
from editor.planning.plan import Draft, Plan
from editor.requests.edit_request import EditRequest

TELLING, EXAMPLES = 4, 8  # letters of a word that tells what it is about, and how many of those are named
TOYS_SIDE = 256  # pixels: practice scenes and what is made of them are smaller, photographs are not


def advice(document: Document, draft: Draft, planned: Plan, methods: Methods = METHODS) -> str:
    """One sentence or two, the weightiest first; empty when there is nothing to say. Cheap: no pixel of the picture is looked at."""
    model = draft.model
    if planned.action in ("fill", "blend") and not draft.settings.needs_model:
        return little_seen(strongest(document, draft, planned), planned.action)
    if model is None or not draft.settings.needs_model or planned.action is None:
        return ""
    if beyond_toys(document, draft):
        return f"“{model.name}” knows nothing but its toys. For photographs, get a real model."
    if draft.settings.reads_prompt and (strange := _strange(draft.prompt, model)):
        return f"“{model.name}” does not know the word “{strange}”. Some it knows: {_some(model.words)}."
    return methods.of(draft.settings).warning(document, draft, planned, model)


def asked_for_little(request: EditRequest, methods: Methods = METHODS) -> str:
    """Of a finished request: that hardly anything, or nothing, can come of it, and what to do about that. The words of `advice`, but where few steps
    are what somebody chose who knows how many there are.
    """
    most = float(request.strength.max(initial=0))
    if request.settings.needs_model:
        method = methods.of(request.settings)
        running = method.running_steps(request.settings, most, request.steps)
        words = few_steps(running, method.all_steps(request.settings, request.steps))
        return words if most < LITTLE_CHANGED or words == NO_STEP else ""
    return little_seen(most, request.action) if request.action in ("fill", "blend") else ""


def _strange(words: str, model: ModelInfo) -> str:
    """The first word that the model does not know, where it is told which ones it knows."""
    matches = re.findall(r"\w+", words.lower())
    return next((word for word in matches if word not in model.words), "") if model.words else ""


def _some(words: Sequence[str]) -> str:
    """A few of them, from all over the alphabet."""
    telling = [word for word in words if len(word) >= TELLING]
    return ", ".join(telling[:: max(1, len(telling) // EXAMPLES)][:EXAMPLES])


def beyond_toys(document: Document, draft: Draft) -> bool:
    """Whether the picture is none that the chosen model could know: the model knows toy scenes only, and the picture is larger than those."""
    return draft.model is not None and draft.model.toys and max(document.size) > TOYS_SIDE
