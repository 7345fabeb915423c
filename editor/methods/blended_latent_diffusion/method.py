"""Blended Latent Diffusion as a method: words inside a region, the rest kept exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from editor.arrays import Map
from editor.document.document import Document
from editor.document.faint_strength import is_strength
from editor.methods.base import HoldPreview, Preset
from editor.methods.blended_latent_diffusion.region_cells import cell_mask, held_since, skipped_steps, widening
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.repainting import RepaintingMethod
from editor.model_canvas.canvas import ModelCanvas
from editor.models.info import ModelInfo
from editor.planning.change_map import NO_PROMPT, few_steps, painted_rect, scribble_of, strongest
from editor.planning.plan import (
    REGION_MAPS,
    Draft,
    Plan,
    Touch,
    as_words,
    if_seen,
    plan_item,
    plan_region,
    repainting_label,
    resting_item,
)
from editor.requests.edit_request import ExemplarInput
from editor.requests.method_settings import MethodSettings
from editor.requests.results import Recipe

NEW_OBJECT, BACKGROUND = 0.95, 0.9  # first strength of words, inside the region and around it
NO_WORDS, HARSH = 1.0, 15.0  # guidance
KEEP = ("Keep what is there", "Free")


class BlendedLatentDiffusionMethod(RepaintingMethod[BlendedSettings]):
    """Paints what the words say inside a region (Avrahami, Fried and Lischinski, arXiv 2206.02779).

    A scribble and painted strength are one wish. While there is a scribble, the selection only says where one may paint. Exemplars take no part.
    """

    settings = BlendedSettings
    id = "BlendedSettings"
    command = "words"
    command_help = "what the prompt says, within the region"
    verb = "Change by words"
    name = "Blended Latent Diffusion"
    explanation = "Paints what you say where you choose."
    paper = "Everything else stays exactly as it is (Blended Latent Diffusion, Avrahami, Fried and Lischinski, 2023)."
    presets = (
        Preset(
            "New object",
            NEW_OBJECT,
            "Something that was not there.",
            BlendedSettings(),
            "Say what should be there, such as “a red boat”",
            KEEP,
        ),
        Preset(
            "Background",
            BACKGROUND,
            "Keeps the selection, repaints everything else.",
            BlendedSettings(region="outside"),
            "Say what should be around it, such as “a snowy mountain range”",
            KEEP,
        ),
        Preset(
            "Change it",
            0.75,
            "What is there becomes something else, in much the same place and pose.",
            BlendedSettings(),
            "Say what it should become, such as “a tabby cat”",
            KEEP,
        ),
        Preset(
            "Lettering",
            1.0,
            "Words on a sign, a shirt or a wall; how well depends on the model.",
            BlendedSettings(feather=2.0),
            "Say what it reads, such as “a sign that says ‘Open’”",
            KEEP,
        ),
        Preset(
            "Scribble",
            0.5,
            "Paint rough colours on a layer of their own, and say what they should become.",
            BlendedSettings(thin="off", cells="any"),
            "Say what the scribble should become, such as “a lighthouse”",
            ("Keep my scribble", "Free"),
            scribble=True,
        ),
    )
    preset_fields = ("region", "thin", "cells", "feather")

    def first_strength(self, model: ModelInfo | None, settings: MethodSettings | None = None) -> float:
        return BACKGROUND if settings is not None and settings.is_outside else NEW_OBJECT

    def default_touches(self, document: Document, draft: Draft) -> Iterable[Touch]:
        """A scribble, a map, the active item."""
        if draft.scribble is not None:
            yield Touch("scribble", draft.scribble)
        yield from (Touch(name) for name in REGION_MAPS)
        if draft.item is not None:
            yield Touch("item", draft.item)

    def plan_for(self, document: Document, draft: Draft, touch: Touch) -> Plan | None:
        outside = draft.settings.is_outside
        layer = None if draft.scribble is None or outside else document.layer(draft.scribble)
        label = words_label(draft.prompt, outside=outside)
        match touch.what:
            case "scribble" | "strength" if layer is not None:
                if touch.what == "scribble" and touch.id != layer.id:
                    return None
                painted = is_strength(document.strength)
                if touch.what == "strength" and not painted:
                    return None
                label = words_label(draft.prompt, outside=outside, scribbled=True)
                if not layer.pixels.any():
                    return Plan(None, label, "Paint rough colours where it should appear.")
                planned = Plan("fill", label, region="strength" if painted else None, scribble=layer.id)
                return if_seen(planned, draft.strength, enough=draft.strength > 0)
            case "strength":
                return plan_region(document, draft, "strength", label)
            case "selection":
                return None if layer is not None else plan_region(document, draft, "selection", label)
            case "item":
                item = resting_item(document, draft, touch)
                if item is None:
                    return None
                return plan_item(item, draft, words_label(draft.prompt, item.name, outside=outside))
            case "scribble" | "exemplar":
                return None

    def empty_plan(self, document: Document, draft: Draft) -> Plan:
        outside = draft.settings.is_outside
        reason = "Select what should stay." if outside else "Paint or select where it should happen."
        return Plan(None, words_label(draft.prompt, outside=outside), reason)

    def repainting_label(self, draft: Draft, name: str = "", *, where: str = "") -> str:
        return words_label(draft.prompt, name, outside=draft.settings.is_outside, where=where)

    def label(self, recipe: Recipe, names: Sequence[str], *, scribbled: bool) -> str:
        if recipe.action == "fill":
            outside = recipe.settings.is_outside
            return words_label(recipe.prompt, *names[:1], outside=outside, scribbled=scribbled)
        return super().label(recipe, names, scribbled=scribbled)

    def preview_holds(
        self,
        draft: Draft,
        exemplars: Sequence[ExemplarInput],
        strength: Map,
        canvas: ModelCanvas,
        steps: int,
    ) -> HoldPreview:
        """Which cells take part, and with a thin region the wider one that it begins with."""
        own = self.own(draft.settings)
        level = float(strength.max())
        region = np.asarray(strength / np.float32(level), np.float32)
        run = steps - skipped_steps(level, steps)
        mask = cell_mask(region, canvas, own.cells)
        since = held_since(mask, widening(own, region, canvas), run)
        held = np.clip(run - since, 1, run)
        held[mask] = 0
        return HoldPreview(held, run, closing=True)

    def running_steps(self, settings: MethodSettings, strength: float, steps: int) -> int:
        return steps - skipped_steps(strength, steps)

    def warning(self, document: Document, draft: Draft, planned: Plan, model: ModelInfo) -> str:
        if not draft.prompt.strip():
            return NO_PROMPT
        steps = draft.steps_on(model)
        few = few_steps(self.running_steps(draft.settings, strongest(document, draft, planned), steps), steps)
        if few:
            return few
        scribble = scribble_of(document, draft)
        if scribble is not None and planned.scribble is not None and draft.frame is not None:
            painted = painted_rect(scribble)
            if painted.intersect(draft.frame) != painted:
                return "Part of the scribble lies outside the frame and will not be used. Move the frame, or let it go."
        if any(exemplar.visible for exemplar in document.exemplars):
            return "Reference pictures take no part in this. To use them, blend and repaint."
        guidance = draft.guidance_on(model)
        if guidance <= NO_WORDS < model.own_guidance:
            return f"With “Follow the words” at {guidance:g} the words hardly count. About {model.own_guidance:g} suits the model."
        if guidance > max(HARSH, model.own_guidance):
            return f"“Follow the words” above {HARSH:g} looks harsh. About {model.own_guidance:g} suits the model."
        return ""


def words_label(prompt: str, name: str = "", *, outside: bool, scribbled: bool = False, where: str = "") -> str:
    """What an edit by words is called. `name`, `where`: as for `repainting_label`."""
    if outside:
        return " ".join(["Repaint", *(["around", where] if where else ["background"]), *as_words(prompt)])
    if scribbled:
        return " ".join(["Paint the scribble", *as_words(prompt)])
    return repainting_label(prompt, name, where=where)


BLENDED_LATENT_DIFFUSION = BlendedLatentDiffusionMethod()
