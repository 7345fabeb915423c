"""Commands on the view, and help."""

from __future__ import annotations

from widgets.actions import Command, Menu, always, on_canvas, on_session, when
from widgets.session.options import OverlayMode
from widgets.theme import Choice as ThemeChoice


def _overlay(mode: OverlayMode, text: str) -> Command:
    return Command(
        f"view.overlay.{mode}",
        f"Show strength as {text}" if mode != "off" else "Hide the strength overlay",
        on_session(lambda session: session.set_view(overlay=mode)),
        on=when(lambda session: session.view.overlay == mode),
        short=text.capitalize() if mode != "off" else "Hidden",
    )


def _opacity(opacity: float) -> Command:
    words = f"{round(opacity * 100)} %"
    return Command(
        f"view.opacity.{round(opacity * 100)}",
        f"Opacity of the strength overlay: {words}",
        on_session(lambda session: session.set_view(overlay_opacity=opacity)),
        on=when(lambda session: session.view.overlay_opacity == opacity),
        short=words,
    )


def _surround(grey: int, text: str) -> Command:
    return Command(
        f"view.surround.{grey}",
        f"Around the picture: {text.lower()}",
        on_session(lambda session: session.set_view(surround=grey)),
        on=when(lambda session: session.view.surround == grey),
        short=text,
    )


def _theme(choice: ThemeChoice, text: str) -> Command:
    return Command(
        f"view.theme.{choice}",
        f"Theme: {text.lower()}",
        lambda desk: desk.choose_theme(choice),
        when=always,
        on=lambda desk: desk.theme_choice == choice,
        short=text,
    )


def view_switch(id: str, text: str, name: str, keys: tuple[str, ...] = ()) -> Command:
    return Command(
        id,
        text,
        on_session(lambda session: session.set_view(**{name: not getattr(session.view, name)})),
        keys,
        on=when(lambda session: getattr(session.view, name)),
    )


TURN = 15.0  # degrees

VIEW = Menu(
    "View",
    (
        Command("view.in", "Zoom in", on_canvas(lambda canvas: canvas.navigation.zoom_in()), ("Ctrl++", "Ctrl+=")),
        Command("view.out", "Zoom out", on_canvas(lambda canvas: canvas.navigation.zoom_out()), ("Ctrl+-",)),
        Command("view.fit", "Fit in the window", on_canvas(lambda canvas: canvas.navigation.fit()), ("Ctrl+0",)),
        Command("view.full", "Zoom to 100 %", on_canvas(lambda canvas: canvas.navigation.zoom_to(1.0)), ("Ctrl+1",)),
        Command("view.double", "Zoom to 200 %", on_canvas(lambda canvas: canvas.navigation.zoom_to(2.0)), ("Ctrl+2",)),
        None,
        Command(
            "view.left",
            "Turn the view to the left",
            on_canvas(lambda canvas: canvas.navigation.turn(-TURN)),
            ("4",),
            short="Turn left",
        ),
        Command(
            "view.straighten",
            "Turn the view upright",
            on_canvas(lambda canvas: canvas.navigation.straighten()),
            ("5",),
            short="Upright",
        ),
        Command(
            "view.right",
            "Turn the view to the right",
            on_canvas(lambda canvas: canvas.navigation.turn(TURN)),
            ("6",),
            short="Turn right",
        ),
        Command(
            "view.mirror",
            "Mirror the view",
            on_canvas(lambda canvas: canvas.navigation.mirror()),
            ("M",),
            short="Mirror",
        ),
        None,
        Menu(
            "Strength overlay",
            (
                _overlay("heat", "heat map"),
                _overlay("contours", "contour lines"),
                _overlay("grey", "grey"),
                _overlay("outline", "outline"),
                _overlay("cells", "steps that change a place"),
                _overlay("off", "nothing"),
            ),
        ),
        Menu("Opacity of the overlay", tuple(_opacity(opacity) for opacity in (0.25, 0.45, 0.7))),
        Menu(
            "Around the picture",
            (
                _surround(32, "Nearly black"),
                _surround(64, "Dark grey"),
                _surround(119, "Mid-grey"),
                _surround(200, "Light grey"),
            ),
        ),
        view_switch("view.legend", "Legend", "legend"),
        view_switch("view.items", "Outlines of items", "items", ("Ctrl+H",)),
        view_switch("view.frame", "Frame the method sees", "frame"),
        Command(
            "view.frame.automatic",
            "Choose the frame automatically",
            on_session(lambda session: session.set_draft(frame=None)),
            when=when(lambda session: session.draft.frame is not None),
        ),
        view_switch("view.original", "Original picture", "original"),
        view_switch("view.divider", "Before and after, side by side", "divider", ("Y",)),
        None,
        Command(
            "view.panels",
            "Panels",
            lambda desk: desk.show_panels(not desk.panels_shown),
            ("F",),
            on=lambda desk: desk.panels_shown,
        ),
        Menu("Theme", (_theme("system", "As the system"), _theme("dark", "Dark"), _theme("light", "Light"))),
        None,
        Command("view.next_pane", "Go to the next part of the window", lambda desk: desk.next_pane(1), ("F6",), always),
        Command("view.next_document", "Next document", lambda desk: desk.next_document(1), ("Ctrl+Tab",)),
        Command(
            "view.previous_document", "Previous document", lambda desk: desk.next_document(-1), ("Ctrl+Shift+Tab",)
        ),
    ),
)

HELP = Menu(
    "Help",
    (
        Command("help.palette", "All commands…", lambda desk: desk.show_palette(), ("Ctrl+K",), always),
        Command("help.shortcuts", "Shortcuts", lambda desk: desk.show_shortcuts(), ("F1",), always),
        Command("help.about", "About", lambda desk: desk.show_about(), when=always),
    ),
)
