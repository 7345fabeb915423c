"""Commands as data, and the Qt actions made of them: one list feeds menus, shortcuts, tool tips and the command palette.

The commands themselves stand in `widgets.command_table`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from widgets.session.session import Session
from widgets.shell.adjustment import Adjustment
from widgets.shell.services import Services
from widgets.theme import Choice as ThemeChoice

if TYPE_CHECKING:
    from widgets.canvas.view import CanvasView


class WindowContext(Protocol):
    """What commands act on: the window, its document in front and the program around it."""

    @property
    def services(self) -> Services: ...

    @property
    def session(self) -> Session | None:
        """The document in front, None at the start page."""

    @property
    def canvas(self) -> CanvasView | None: ...

    @property
    def theme_choice(self) -> ThemeChoice: ...

    @property
    def panels_shown(self) -> bool: ...

    def choose_theme(self, choice: ThemeChoice) -> None: ...

    def show_panels(self, shown: bool) -> None: ...

    def show_palette(self) -> None: ...

    def show_shortcuts(self) -> None: ...

    def show_preferences(self) -> None: ...

    def show_about(self) -> None: ...

    def adjust(self, adjustment: Adjustment) -> None:
        """Let the person set an adjustment's values, shown before anything is kept."""

    def next_document(self, step: int) -> None: ...

    def next_pane(self, step: int) -> None:
        """Move the keyboard from the canvas to the panels and round."""


DIGITS = tuple("0123456789")
When = Callable[[WindowContext], bool]


@dataclass(frozen=True, slots=True)
class Command:
    """`id` never changes, so that a person's own shortcuts can name it. `keys`: default shortcuts, as Qt writes them.

    `text` says it in full where it stands alone, `short` in its menu. `when`: whether it can be done now. `on`: whether it is on just
    now, for those that are switched. `tip`: what else there is to know, shown in the menu.
    """

    id: str
    text: str
    do: Callable[[WindowContext], object]
    keys: tuple[str, ...] = ()
    when: When = lambda desk: desk.session is not None
    on: When | None = None
    short: str = ""
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Menu:
    """A menu and what stands in it; None is a line between groups."""

    title: str
    entries: tuple[Command | Menu | None, ...]

    def commands(self) -> Iterator[Command]:
        for entry in self.entries:
            if isinstance(entry, Command):
                yield entry
            elif isinstance(entry, Menu):
                yield from entry.commands()


class Actions(QObject):
    """The commands as `QAction`s of one window, kept enabled and checked as the desk's state says."""

    def __init__(self, desk: WindowContext, window: QWidget, menus: Sequence[Menu], others: Sequence[Command]) -> None:
        super().__init__(window)
        self._desk = desk
        self._menus, self._others = menus, others
        self._window = window
        self.commands = (*(command for menu in menus for command in menu.commands()), *others)
        self._actions = {command.id: self._action(command) for command in self.commands}
        window.addActions(list(self._actions.values()))
        self.refresh()

    def action(self, id: str) -> QAction:
        return self._actions[id]

    def possible(self) -> list[Command]:
        """Every command that can be done now."""
        return [command for command in self.commands if command.when(self._desk)]

    def run(self, command: Command) -> None:
        """Do it, if it can be done now."""
        if command.when(self._desk):
            command.do(self._desk)

    def press(self, keys: QKeySequence) -> bool:
        """Do what stands on these keys, if anything can be done now; whether something was."""
        for command in (*self._others, *self.commands):  # where a key has two meanings, the tool in hand decides
            if any(QKeySequence(key) == keys for key in command.keys) and command.when(self._desk):
                command.do(self._desk)
                return True
        return False

    def refresh(self) -> None:
        """Look at the desk again."""
        for command in self.commands:
            action = self._actions[command.id]
            action.setEnabled(command.when(self._desk))
            if command.on is not None:
                action.setChecked(command.on(self._desk))

    def fill(self, menu: QMenu, after: Mapping[str, QMenu]) -> None:
        """Put all menus into one; `after`: what goes behind the commands of these ids."""
        for submenu in self._menus:
            inner = menu.addMenu(submenu.title)
            inner.setToolTipsVisible(any(command.tip for command in submenu.commands()))
            self._fill(inner, submenu, after)

    def add(self, menu: QMenu, ids: Sequence[str | None], whole: Container[str] = ()) -> None:
        """Add these commands to a menu that is shown once; None is a line between groups. `whole`: those that say it in full, since their own menu
        would say half of it.
        """
        commands = {command.id: command for command in self.commands}
        for id in ids:
            if id is None:
                menu.addSeparator()
            elif id in whole:
                command = commands[id]
                action = menu.addAction(f"{command.text}\t{shortcut_words(command)}")
                action.setEnabled(command.when(self._desk))
                action.triggered.connect(lambda _=False, command=command: self.run(command))
            else:
                menu.addAction(self._actions[id])

    def _fill(self, target: QMenu, menu: Menu, after: Mapping[str, QMenu]) -> None:
        for entry in menu.entries:
            match entry:
                case None:
                    target.addSeparator()
                case Menu():
                    self._fill(target.addMenu(entry.title), entry, after)
                case Command():
                    target.addAction(self._actions[entry.id])
                    if entry.id in after:
                        target.addMenu(after[entry.id])

    def _action(self, command: Command) -> QAction:
        words = command.short or command.text
        digits = [key for key in command.keys if key in DIGITS]
        # A digit means one thing to a tool and another to the view: it goes through `press`, and the menu only tells it.
        action = QAction(f"{words}\t{digits[0]}" if digits else words, self._window)
        action.setShortcuts([QKeySequence(key) for key in command.keys if key not in DIGITS])
        action.setCheckable(command.on is not None)
        if command.tip:
            action.setToolTip(command.tip)
        action.triggered.connect(lambda: self.run(command))
        return action


def shortcut_words(command: Command) -> str:
    """Its first shortcut as this system writes it; empty without one."""
    return QKeySequence(command.keys[0]).toString(QKeySequence.SequenceFormat.NativeText) if command.keys else ""


# When commands can be done, and what they act on


def always(desk: WindowContext) -> bool:
    return True


def when(test: Callable[[Session], object]) -> When:
    return lambda desk: desk.session is not None and bool(test(desk.session))


def on_session(change: Callable[[Session], object]) -> Callable[[WindowContext], object]:
    """A command that needs only the session."""
    return lambda desk: change(desk.session) if desk.session is not None else None


def on_canvas(change: Callable[[CanvasView], object]) -> Callable[[WindowContext], object]:
    """A command on the view of the document in front."""
    return lambda desk: change(desk.canvas) if desk.canvas is not None else None


def on_item(change: Callable[[Session, int], object]) -> Callable[[WindowContext], object]:
    return on_session(lambda session: change(session, session.draft.item) if session.draft.item is not None else None)


def on_exemplar(change: Callable[[Session, int], object]) -> Callable[[WindowContext], object]:
    return on_session(
        lambda session: change(session, session.draft.exemplar) if session.draft.exemplar is not None else None
    )


def on_layer(change: Callable[[Session, int], object]) -> Callable[[WindowContext], object]:
    return on_session(
        lambda session: change(session, session.active_layer) if session.active_layer is not None else None
    )


selected = when(lambda session: not session.document.selection.blank)
painted = when(lambda session: not session.document.strength.blank or session.draft.exemplar is not None)
item = when(lambda session: session.draft.item is not None)
exemplar = when(lambda session: session.draft.exemplar is not None)
layer = when(lambda session: session.active_layer is not None)
busy = when(lambda session: session.job is not None and session.job.busy)
idle = when(lambda session: session.job is None or not session.job.busy)
shown = when(lambda session: session.job is not None and session.job.candidates.shown is not None)


def serve(desk: WindowContext, serve: Callable[[Session], object]) -> None:
    if desk.session is not None:
        serve(desk.session)
