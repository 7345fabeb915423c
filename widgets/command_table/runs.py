"""Commands that run the edit and choose among its results."""

from __future__ import annotations

from widgets.actions import Command, Menu, busy, idle, on_layer, on_session, shown, when
from widgets.command_table.views import view_switch
from widgets.session import edits, run_actions
from widgets.session.session import Session


def _repeatable(session: Session) -> bool:
    return session.active_layer is not None and not run_actions.why_not_again(session, session.active_layer)


def _keepable(session: Session) -> bool:
    return session.job is not None and session.job.keepable


def can_leave_live(session: Session) -> bool:
    """Whether Escape means to leave the live picture: nothing else lies over it, and no outline is being drawn."""
    free = session.job is None or session.job.laid is None
    return session.live.on and free and not session.jobs.busy and edits.edited_thing(session) is None


def _discardable(session: Session) -> bool:
    return session.job is not None and not session.jobs.busy and not can_leave_live(session)


def _keeps_live(session: Session) -> bool:
    return session.live.on and session.live.job is not None


def _has_snapshot(session: Session) -> bool:
    return session.live.state == "current" and not session.jobs.busy


def _readable(session: Session) -> bool:
    """Whether there is a model that reads words."""
    return session.draft.model is not None


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
        Command(
            "run.queue",
            "Run the edit after this one",
            on_session(Session.queue),
            ("Ctrl+Return", "Ctrl+Enter"),
            busy,
            short="Queue another",
        ),
        Command(
            "run.live",
            "Live: the picture follows the brush",
            on_session(lambda session: session.live.switch(not session.live.on)),
            ("A",),
            on=when(lambda session: session.live.on),
            short="Live",
        ),
        Command(
            "run.snapshot",
            "Keep a snapshot of the live picture",
            on_session(Session.snapshot),
            ("S",),
            when(_has_snapshot),
            short="Snapshot",
        ),
        Command(
            "run.leave_live",
            "Leave live",
            on_session(lambda session: session.live.switch(False)),
            ("Escape",),
            when(can_leave_live),
        ),
        Command("run.words", "Say what should be there", on_session(run_actions.say_words), ("T",), when(_readable)),
        Command(
            "run.inside",
            "Repaint inside the selection",
            on_session(lambda session: run_actions.repaint(session, "inside")),
            when=when(run_actions.can_repaint),
            short="Repaint inside",
        ),
        Command(
            "run.background",
            "Repaint the background of the selection",
            on_session(lambda session: run_actions.repaint(session, "outside")),
            when=when(run_actions.can_repaint),
            short="Repaint background",
        ),
        Command(
            "run.scribble", "Scribble what should be there", on_session(run_actions.scribble), when=when(_readable)
        ),
        Command(
            "run.strengths",
            "Try strengths",
            on_session(run_actions.try_strengths),
            when=when(run_actions.can_try_strengths),
        ),
        Command(
            "run.again",
            "Run the layer’s edit again with changes",
            on_layer(run_actions.run_again),
            when=when(_repeatable),
        ),
        Command(
            "run.leave", "Leave “Run again”", on_session(Session.leave_rerun), ("Escape",), when(run_actions.can_leave)
        ),
        Command("run.keep", "Keep what is there", on_session(Session.finish_early), when=when(_keepable)),
        Command("run.stop", "Stop", on_session(lambda session: session.stop()), ("Escape",), busy),
        None,
        Command(
            "run.accept",
            "Accept the variation",
            on_session(Session.accept),
            ("Return", "Enter"),
            lambda desk: shown(desk) or when(_keeps_live)(desk),
            short="Accept",
        ),
        Command(
            "run.discard",
            "Discard the variations",
            on_session(Session.discard),
            ("Escape",),
            when(_discardable),
            short="Discard",
        ),
        Command("run.next", "Next variation", on_session(lambda session: session.step(1)), ("Alt+Right",), shown),
        Command(
            "run.previous", "Previous variation", on_session(lambda session: session.step(-1)), ("Alt+Left",), shown
        ),
        None,
        view_switch("run.changed", "Show changed pixels", "changed_pixels", ("C",)),
    ),
)
