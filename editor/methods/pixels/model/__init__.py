"""PIXELS: start from exemplars, let go of the source pixel by pixel (Das Biswas et al., arXiv 2501.09826, on 2306.00950)."""

from editor.methods.pixels.model.editing import edit, edit_batch

__all__ = ["edit", "edit_batch"]
