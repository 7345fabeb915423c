"""Quick fill: removing, healing, moving and compositing without a model, by shift maps and graph cuts."""

from editor.methods.quick_fill.editing import edit

__all__ = ["edit"]
