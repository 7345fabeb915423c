"""Blended Latent Diffusion: words inside a region, the rest kept exactly (Avrahami, Fried and Lischinski, arXiv 2206.02779)."""

from editor.methods.blended_latent_diffusion.model.editing import edit, edit_batch
from editor.methods.blended_latent_diffusion.model.repairing import repair

__all__ = ["edit", "edit_batch", "repair"]
