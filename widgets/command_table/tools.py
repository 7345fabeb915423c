"""Keys of the tools, of the brush, and of its strength."""

from __future__ import annotations

from widgets.actions import Command
from widgets.command_table.conditions import on_session
from widgets.session import Session
from widgets.tool_bar import TOOLS


def _resize_brush(session: Session, factor: float) -> None:
    size = session.options.brush.size
    change = max(1.0, size * abs(factor - 1))
    session.set_brush(size=min(max(round(size + (change if factor > 1 else -change)), 1), 2000))


def _tool_commands() -> tuple[Command, ...]:
    return tuple(
        Command(
            f"tool.{tool.name}",
            f"Tool: {tool.text.lower()}",
            lambda desk, name=tool.name: desk.session.set_options(tool=name) if desk.session else None,  # type: ignore[misc]
            (tool.key,),
        )
        for group in TOOLS
        for tool in group
    )


def _digit_commands() -> tuple[Command, ...]:
    return tuple(
        Command(
            f"strength.set.{digit}",
            f"Strength of the brush: {digit * 10 or 100 if digit else 0} %",
            lambda desk, value=digit / 10: desk.session.set_options(value=value) if desk.session else None,  # type: ignore[misc]
            (str(digit),),
        )
        for digit in range(10)
    )


TOOL_COMMANDS = (
    *_tool_commands(),
    *_digit_commands(),
    Command("brush.larger", "Larger brush", on_session(lambda session: _resize_brush(session, 1.15)), ("]",)),
    Command("brush.smaller", "Smaller brush", on_session(lambda session: _resize_brush(session, 0.85)), ("[",)),
)
