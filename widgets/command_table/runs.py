"""Commands that run the edit and choose among its results."""

from __future__ import annotations

from widgets.actions import Command, Menu
from widgets.command_table.conditions import busy, discardable, idle, on_session, shown
from widgets.command_table.views import view_switch
from widgets.session import Session


def _choose(session: Session, step: int) -> None:
    if session.job is not None and session.job.results:
        session.choose((session.job.chosen + step) % len(session.job.results))


RUN = Menu(
    "Run",
    (
        Command(
            "run.run",
            "Run the edit",
            on_session(lambda session: session.run()),
            ("Ctrl+Return", "Ctrl+Enter"),
            idle,
            short="Run",
        ),
        Command("run.stop", "Stop", on_session(Session.stop), ("Escape",), busy),
        None,
        Command(
            "run.accept", "Accept the variation", on_session(Session.accept), ("Return", "Enter"), shown, short="Accept"
        ),
        Command(
            "run.discard",
            "Discard the variations",
            on_session(Session.discard),
            ("Escape",),
            discardable,
            short="Discard",
        ),
        Command("run.next", "Next variation", on_session(lambda session: _choose(session, 1)), ("Alt+Right",), shown),
        Command(
            "run.previous", "Previous variation", on_session(lambda session: _choose(session, -1)), ("Alt+Left",), shown
        ),
        None,
        view_switch("run.changed", "Show changed pixels", "changed_pixels", ("C",)),
    ),
)
