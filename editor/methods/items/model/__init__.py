"""Changing items on a diffusion model."""

from editor.methods.items.model.editing import edit, edit_batch

__all__ = ["edit", "edit_batch"]
