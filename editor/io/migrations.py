"""Older manifests, brought up to the next version. They come from files, so nothing about them is taken for granted."""

from __future__ import annotations

from typing import Any

from editor.io.fields import Fields


def with_models(manifest: dict[str, Any]) -> dict[str, Any]:
    """From version 1 to 2, which knows methods with a model: exemplars have a fidelity, recipes a sampler and an overall strength.

    Version 1 did not keep the overall strength of a recipe; 1 is what it was unless somebody moved the slider. Raises `Malformed`.
    """
    fields = Fields(manifest, "the project")
    for name in ("layers", "exemplars"):
        fields.groups(name)  # otherwise not a list of groups
    exemplars = [
        {**exemplar, "fidelity_map": None, "fidelity": 0.0, "rim": None, "prompt_weight": 1.0}
        for exemplar in manifest["exemplars"]
    ]
    layers = [
        {
            **layer,
            "recipe": {**layer["recipe"], "sampler": "", "strength": 1.0}
            if isinstance(layer.get("recipe"), dict)
            else layer.get("recipe"),
            "painted": None,
        }
        for layer in manifest["layers"]
    ]
    return {**manifest, "exemplars": exemplars, "layers": layers}


def with_revisions(manifest: dict[str, Any]) -> dict[str, Any]:
    """From version 4 to 5, whose recipes say by which rules they were made: those of version 4 by the first. Raises `Malformed`."""
    Fields(manifest, "the project").groups("layers")  # otherwise not a list of groups
    layers = [
        {**layer, "recipe": {**layer["recipe"], "revision": 1}} if isinstance(layer.get("recipe"), dict) else layer
        for layer in manifest["layers"]
    ]
    return {**manifest, "layers": layers}
