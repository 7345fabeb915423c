"""Edit request from a document: the one builder that all methods share. A method says what may change and what takes part; the rest is alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from editor.arrays import Map, Mask, Pixels
from editor.document.colour import to_srgb
from editor.document.compose import flatten, on_white
from editor.document.contents import Layer
from editor.document.document import Document
from editor.geometry import Rect, pixel_matrix
from editor.models.info import ModelInfo
from editor.planning.exemplar_change import space_of
from editor.planning.plan import Draft, draw_seed
from editor.requests.edit_request import Action, EditRequest, ExemplarInput, ItemInput, Subject
from editor.requests.frame import Frame

STAYS_TRANSLUCENT = 2  # the revision of the rules since which a translucent picture stays so


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What a method lays into the request of a frame.

    strength: (H, W) float32 in [0, 1], how much every pixel may change
    exemplars: by id what takes part of them, in the order in which they are laid
    items: those that are taken out or moved
    """

    action: Action
    strength: Map
    subjects: tuple[Subject, ...] = ()
    exemplars: Mapping[int, ExemplarInput] = field(default_factory=dict)
    items: tuple[ItemInput, ...] = ()


def build_request(
    document: Document,
    draft: Draft,
    frame: Frame,
    inputs_for: Callable[[Mask | None], Inputs],
    *,
    model: ModelInfo | None = None,
    scribble: Layer | None = None,
) -> EditRequest:
    """The request for a frame; draws the seed when the draft has none.

    inputs_for: given where the picture is transparent and is to stay so, (H, W), or None, says what may change
    model: what it runs on; requests to a model are sRGB
    scribble: the layer whose colours are a hint, and no part of the picture
    """
    plain = document if scribble is None else document.with_layer(replace(scribble, visible=False))
    seen = flatten(plain, frame.rect)
    alpha = np.asarray(cv2.extractChannel(seen, 3), np.uint8)  # in a row it is far quicker to look at
    lowest = int(alpha.min())
    transparent = alpha == 0 if lowest == 0 else None
    inputs = inputs_for(None if draft.settings.fill_transparent else transparent)
    icc = None if model is None else space_of(document, draft)
    hint = None if scribble is None else to_srgb(on_white(flatten(document, frame.rect)), icc)
    return EditRequest(
        image=to_srgb(on_white(seen), icc),
        strength=inputs.strength,
        frame=frame,
        settings=draft.settings,
        seed=draw_seed() if draft.seed is None else draft.seed,
        action=inputs.action,
        subjects=inputs.subjects,
        items=inputs.items,
        exemplars=tuple(inputs.exemplars.values()),
        avoid=_avoided(document, frame.rect, transparent) if model is None else None,
        prompt=draft.prompt,
        negative_prompt=draft.negative_prompt,
        overall=draft.strength,
        scribble=hint,
        icc=icc,
        revision=draft.revision,
        alpha=None if lowest == 255 else _kept_alpha(alpha, draft, inputs),
        **({} if model is None else _on_model(draft, model)),
    )


def _on_model(draft: Draft, model: ModelInfo) -> dict[str, Any]:
    return {
        "model": model.key,
        "steps": draft.steps_on(model),
        "guidance_scale": draft.guidance_on(model),
        "sampler": draft.sampler,
    }


def _kept_alpha(alpha: Pixels, draft: Draft, inputs: Inputs) -> Pixels | None:
    """How translucent the picture is, where the result must be so too; None where all that changes is opaque, or shall become so.

    Where exemplars and moved items come to lie where the picture is not opaque, they lie over it, and are not cut to it.
    """
    if draft.settings.fill_transparent or draft.revision < STAYS_TRANSLUCENT:
        return None
    if not ((alpha < 255) & (inputs.strength > 0)).any():
        return None
    laid = [exemplar.alpha * exemplar.strength > 0 for exemplar in inputs.exemplars.values()]
    laid += [
        np.asarray(cv2.warpAffine(item.mask, pixel_matrix(item.matrix), item.mask.shape[::-1]) > 0)
        for item in inputs.items
        if item.matrix is not None
    ]
    if any(((alpha < 255) & mask).any() for mask in laid):
        return None
    return alpha


def _avoided(document: Document, rect: Rect, transparent: Mask | None) -> Mask | None:
    """Where nothing may be copied from: what was marked, and what is so transparent that only the white below it shows."""
    if document.avoid.blank:
        return transparent
    marked: Mask = document.avoid.read(rect) >= 0.5
    return marked if transparent is None else marked | transparent
