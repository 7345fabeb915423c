"""Tool table: one table says which name is which."""

from __future__ import annotations

from widgets.session.options import ToolName
from widgets.session.session import Session
from widgets.tools.brushes import PaintTool, StrengthTool
from widgets.tools.gradient import GradientTool
from widgets.tools.pick import PickTool
from widgets.tools.place import PlaceTool
from widgets.tools.select import EllipseTool, LassoTool, RectangleTool, SelectBrushTool
from widgets.tools.tool import Tool


def make_tools(session: Session) -> dict[ToolName, Tool]:
    """A tool for every name that acts on the document; "hand" and "zoom" act on the view and belong to the canvas."""
    paint = PaintTool(session)
    return {
        "move": PlaceTool(session),
        "segment": PickTool(session),
        "lasso": LassoTool(session),
        "rectangle": RectangleTool(session),
        "ellipse": EllipseTool(session),
        "select_brush": SelectBrushTool(session),
        "strength": StrengthTool(session),
        "gradient": GradientTool(session),
        "paint": paint,
        "erase": paint,
    }
