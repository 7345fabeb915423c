"""PIXELS as a method: pixel-wise strength on a diffusion model, from reference pictures and words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from editor.arrays import Map
from editor.document.contents import Exemplar
from editor.document.document import Document
from editor.document.faint_strength import is_strength
from editor.methods.base import HoldPreview, Preset
from editor.methods.pixels.hold_counts import (
    ABSOLUTE,
    first_step,
    relative_counts,
    release_steps,
    run_length,
)
from editor.methods.pixels.rungs import Ladder
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.repainting import RepaintingMethod
from editor.model_canvas.canvas import ModelCanvas
from editor.models.info import ModelInfo
from editor.planning.change_map import NO_STEP, few_steps, repaint_frame, strongest
from editor.planning.exemplar_change import kept_out
from editor.planning.plan import (
    REGION_MAPS,
    Draft,
    Plan,
    Touch,
    blending_label,
    moved_items,
    plan_blend,
    plan_item,
    plan_region,
    repainting_label,
    resting_item,
    shown_exemplars,
)
from editor.requests.edit_request import ExemplarInput
from editor.requests.method_settings import MethodSettings

# See docs/methods.md, PIXELS 6.
MAX_ENLARGEMENT = 2.0
WORDS_WIN = 8.0  # guidance
LITTLE_LEFT = 0.85  # overall strength


class PixelsMethod(RepaintingMethod[PixelsSettings]):
    """Repaints from exemplars and words as far as painted strength says (Das Biswas et al., arXiv 2501.09826).

    Exemplars and painted strength are one wish, since whoever lays a picture and paints around it wants both in one edit. A selection, or an item,
    that is newer than both is an edit without them.
    """

    settings = PixelsSettings
    id = "PixelsSettings"
    command = "pixels"
    command_help = "reference pictures and painted strength"
    verb = "Blend and repaint"
    name = "PIXELS"
    explanation = "Repaints from reference pictures and words."
    paper = "Pixel-wise strength on a diffusion model (PIXELS, Das Biswas et al., 2025)."
    presets = (
        Preset("Harmonise", 0.25, "Fits light, colour and edges to each other; shapes stay as they are."),
        Preset("Blend", 0.45, "Joins things into one picture; they stay recognisable, details may change."),
        Preset("Reinterpret", 0.7, "Paints it anew from the rough shapes and your words."),
    )

    def default_touches(self, document: Document, draft: Draft) -> Iterable[Touch]:
        """Exemplars, a map, the active item."""
        yield from (Touch("exemplar", exemplar.id) for exemplar in shown_exemplars(document))
        yield from (Touch(name) for name in REGION_MAPS)
        if draft.item is not None:
            yield Touch("item", draft.item)

    def plan_for(self, document: Document, draft: Draft, touch: Touch) -> Plan | None:
        shown = shown_exemplars(document)
        match touch.what:
            case "strength" if not shown:
                return plan_region(document, draft, "strength", repainting_label(draft.prompt))
            case "strength" | "exemplar":
                painted = is_strength(document.strength)
                if not (painted if touch.what == "strength" else touch.id in {exemplar.id for exemplar in shown}):
                    return None
                planned = plan_blend(shown, blending_label([exemplar.name for exemplar in shown]))
                return replace(planned, action="blend", reason="", region="strength") if painted else planned
            case "selection":
                return plan_region(document, draft, "selection", repainting_label(draft.prompt))
            case "item":
                item = resting_item(document, draft, touch)
                if item is None:
                    return None
                return plan_item(item, draft, repainting_label(draft.prompt, item.name))
            case "scribble":
                return None

    def empty_plan(self, document: Document, draft: Draft) -> Plan:
        reason = "Paint where it may change, or drop a picture onto the canvas."
        if moved_items(document):
            reason = "Quick fill moves things. To repaint, paint where it may change."
        return Plan(None, repainting_label(draft.prompt), reason)

    def preview_holds(
        self,
        draft: Draft,
        exemplars: Sequence[ExemplarInput],
        strength: Map,
        canvas: ModelCanvas,
        steps: int,
    ) -> HoldPreview:
        """Steps are counted by index here, whatever the settings say: noise levels are known to the sampler only."""
        own = self.own(draft.settings)
        if draft.revision < ABSOLUTE:
            run = run_length(strength, steps)
            held = relative_counts(own, exemplars, strength, canvas, run)
        else:
            ladder = Ladder.of(own, steps)
            until = release_steps(own, exemplars, strength, canvas, steps, overall=draft.strength)
            first = first_step(until, strength, ladder)
            run, held = len(ladder) - first, until - first
        return HoldPreview(held, run, by_index=own.map_scale == "index")

    def running_steps(self, settings: MethodSettings, strength: float, steps: int) -> int:
        return Ladder.of(self.own(settings), steps).free_steps(strength)

    def all_steps(self, settings: MethodSettings, steps: int) -> int:
        return len(Ladder.of(self.own(settings), steps))

    def warning(self, document: Document, draft: Draft, planned: Plan, model: ModelInfo) -> str:
        out = kept_out(document, draft, planned)
        if out is not None:
            return f"The strength is nowhere 100\u202f%, so nothing of “{out.name}” comes in. Paint 100\u202f% where it should show."
        steps = draft.steps_on(model)
        running = self.running_steps(draft.settings, strongest(document, draft, planned), steps)
        few = few_steps(running, self.all_steps(draft.settings, steps))
        if few == NO_STEP and planned.exemplars and self.running_steps(draft.settings, draft.strength, steps) > 0:
            return "So little comes in that not one step runs. Raise the influence, or the overall strength."
        if few:
            return few
        exemplars = [exemplar for exemplar in document.exemplars if exemplar.id in planned.exemplars]
        if exemplars and draft.strength > LITTLE_LEFT and all(exemplar.fidelity == 0 for exemplar in exemplars):
            return "At this strength little of a reference picture is left. Lower the overall strength, or raise “Keep as it is”."
        soft = _softest(document, draft, planned, exemplars)
        if soft is not None:
            exemplar, factor = soft
            return f"“{exemplar.name}” is enlarged {factor:.1f} times and will stay soft. Make it smaller, or use a larger picture of it."
        if exemplars and draft.prompt.strip() and draft.guidance_on(model) > WORDS_WIN:
            return f"With “Follow the words” above {WORDS_WIN:g} the words outweigh the reference pictures."
        return ""


def _softest(
    document: Document, draft: Draft, planned: Plan, exemplars: list[Exemplar]
) -> tuple[Exemplar, float] | None:
    """The exemplar that the model would see most enlarged, if that is too much."""
    frame = repaint_frame(document, draft, planned) if exemplars else None
    if frame is None:
        return None
    shown = frame.mean_scale
    factors = [
        (exemplar, shown * math.sqrt(abs(exemplar.placement.scale_x * exemplar.placement.scale_y)))
        for exemplar in exemplars
    ]
    most = max(factors, key=lambda factor: factor[1])
    return most if most[1] > MAX_ENLARGEMENT else None


PIXELS = PixelsMethod()
