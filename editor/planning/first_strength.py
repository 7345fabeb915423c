"""The overall strength that an edit begins with where nobody chose one: one table for the window and the command line."""

from __future__ import annotations

from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.models.info import ModelInfo
from editor.requests.method_settings import MethodSettings

NEW_OBJECT, BACKGROUND = 0.95, 0.9  # of words, inside the region and around it
WITHOUT_MODEL = 0.5  # of methods that go by what suits the model, before there is one


def first_strength(settings: MethodSettings | type[MethodSettings], model: ModelInfo | None) -> float:
    """0 to 1: all of it where nothing is invented, that of something new where words are meant, or what suits the model.

    settings: those of the edit, or their class for a method as it comes
    """
    kind = settings if isinstance(settings, type) else type(settings)
    if not kind.needs_model:
        return 1.0
    if issubclass(kind, BlendedSettings):
        outside = isinstance(settings, BlendedSettings) and settings.region == "outside"
        return BACKGROUND if outside else NEW_OBJECT
    return WITHOUT_MODEL if model is None else model.traits.strength
