"""Keys of the tools, of the brush, and of its strength."""

from __future__ import annotations

from collections.abc import Callable

from widgets.actions import Command, WindowContext, on_session, when
from widgets.session import edits
from widgets.session.options import ToolName
from widgets.session.session import Session
from widgets.shell.tool_bar import TOOLS


def _resize_brush(session: Session, factor: float) -> None:
    size = session.options.brush.size
    change = max(1.0, size * abs(factor - 1))
    session.set_brush(size=min(max(round(size + (change if factor > 1 else -change)), 1), 2000))


def _uses_value(session: Session) -> bool:
    """Whether the tool in hand writes the strength that is set; otherwise digits are free for the view."""
    options = session.options
    shapes = ("lasso", "rectangle", "ellipse", "segment")
    return options.tool in ("strength", "gradient") or (options.tool in shapes and options.shape_target == "strength")


def _take(tool: ToolName) -> Callable[[WindowContext], object]:
    return on_session(lambda session: session.set_options(tool=tool))


def _strength(digit: int) -> Command:
    value = digit / 10 if digit else 1.0
    return Command(
        f"strength.set.{digit}",
        f"Paint with {round(value * 100)} %",
        on_session(lambda session: session.set_options(value=value)),
        (str(digit),),
        when(_uses_value),
    )


TOOL_COMMANDS = (
    *(
        Command(f"tool.{tool.name}", f"Tool: {tool.text.lower()}", _take(tool.name), (tool.key,))
        for group in TOOLS
        for tool in group
    ),
    *(_strength(digit) for digit in (1, 2, 3, 4, 5, 6, 7, 8, 9, 0)),
    Command(
        "tool.done",
        "Finish the outline or the cut-out",
        on_session(edits.finish_thing),
        ("Escape",),
        when(lambda session: session.job is None and edits.edited_thing(session) is not None),
    ),
    Command("brush.larger", "Larger brush", on_session(lambda session: _resize_brush(session, 1.15)), ("]",)),
    Command("brush.smaller", "Smaller brush", on_session(lambda session: _resize_brush(session, 1 / 1.15)), ("[",)),
)
