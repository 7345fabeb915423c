"""The main window: one line on top, below it a workbench for each document, or the start page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QByteArray, QPoint, QSize, Qt, Signal, SignalInstance
from PySide6.QtGui import QCloseEvent, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu, QStackedWidget, QVBoxLayout, QWidget

from app.about import AboutBox, PreferencesDialog, ShortcutsDialog
from app.settings import Settings
from editor.errors import readable
from widgets.actions import Actions, Command, always
from widgets.canvas.view import CanvasView
from widgets.command_table import CONTEXT, MENUS, OTHERS, WHOLE
from widgets.controls.icons import program_icon
from widgets.controls.rows import Row
from widgets.guard import Guarded
from widgets.session.notice import Notice
from widgets.session.session import Session
from widgets.shell.adjustment import Adjustment
from widgets.shell.command_palette import CommandPalette
from widgets.shell.services import Services
from widgets.shell.start_page import StartPage
from widgets.shell.top_bar import TopBar
from widgets.shell.workbench import Workbench
from widgets.theme import Choice, Theme
from widgets.tools.grips import Subject

FIRST_SIZE = QSize(1280, 800)
TITLE = "Palimpsest"


class MainWindow(Guarded, QMainWindow):
    """Documents as tabs, menus and the palette; it is the `WindowContext` that commands act on.

    `session_chosen(session)` when another document is in front, None when none is open. Closing asks `services.quit()`; the program
    ends the window with `shut()`.
    """

    session_chosen = Signal(object)

    def __init__(self, services: Services, settings: Settings, theme: Theme) -> None:
        super().__init__()
        self.setWindowTitle(TITLE)
        self.setWindowIcon(program_icon())
        self.setMinimumSize(800, 560)
        self._services, self._settings, self._theme = services, settings, theme
        self._benches: list[Workbench] = []
        self._may_close = False
        self._panels_shown = True
        self._stack = QStackedWidget()
        self._start = StartPage(services)
        self._stack.addWidget(self._start)
        self._recent, self._practice = QMenu("Open recent", self), QMenu("Practice scenes", self)
        self._actions = Actions(self, self, MENUS, OTHERS)
        menu, new_menu, zoom_menu = QMenu(self), QMenu(self), QMenu(self)
        self._actions.fill(menu, {"file.open": self._recent, "file.sample": self._practice})
        self._fill_new(new_menu)
        for shown_menu in (menu, new_menu):
            shown_menu.aboutToShow.connect(self._fill_documents)
        for id in ("view.fit", "view.full", "view.double", "view.in", "view.out"):
            zoom_menu.addAction(self._actions.action(id))
        self._top = TopBar(menu, new_menu, zoom_menu)
        self._top.document_chosen.connect(self._show_document)
        self._top.close_wanted.connect(lambda at: services.close_document(self._benches[at].session))
        self._top.compared.connect(self._compare)
        self._top.palette_wanted.connect(self.show_palette)
        self._top.dropped.connect(services.open_paths)
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._top)
        layout.addWidget(self._stack, 1)
        self.setCentralWidget(body)
        self._palette = CommandPalette(body)
        self._palette.chosen.connect(self._actions.run)
        self._palette.closed.connect(self._focus_canvas)
        self._restore()
        self._refresh()
        self._start.open.setFocus()

    # The desk that commands act on

    @property
    def services(self) -> Services:
        return self._services

    @property
    def start_page(self) -> StartPage:
        """What is shown while no document is open."""
        return self._start

    @property
    def workbench(self) -> Workbench | None:
        """That of the document in front."""
        widget = self._stack.currentWidget()
        return widget if isinstance(widget, Workbench) else None

    @property
    def session(self) -> Session | None:
        return None if self.workbench is None else self.workbench.session

    @property
    def sessions(self) -> Sequence[Session]:
        return [bench.session for bench in self._benches]

    @property
    def canvas(self) -> CanvasView | None:
        return None if self.workbench is None else self.workbench.canvas

    @property
    def theme_choice(self) -> Choice:
        return self._theme.choice

    @property
    def panels_shown(self) -> bool:
        return self._panels_shown

    @property
    def actions_of_window(self) -> Actions:
        return self._actions

    def choose_theme(self, choice: Choice) -> None:
        self._theme.choose(choice)
        self._settings.set(theme=choice)
        self._actions.refresh()

    def show_panels(self, shown: bool) -> None:
        # Not remembered: whoever starts the program without panels would not know how to get them back.
        self._panels_shown = shown
        for bench in self._benches:
            bench.show_panels(shown)
        self._actions.refresh()

    def show_palette(self) -> None:
        self._palette.open([*self._actions.possible(), *self._recent_documents(), *self._practice_scenes()])

    def show_shortcuts(self) -> None:
        ShortcutsDialog(self._actions.commands, self).open()

    def show_preferences(self) -> None:
        PreferencesDialog(self._settings, self.choose_theme, self).open()

    def show_about(self) -> None:
        AboutBox(self).open()

    def adjust(self, adjustment: Adjustment) -> None:
        if self.workbench is not None:
            self.workbench.adjust(adjustment)

    def next_document(self, step: int) -> None:
        if self._benches:
            self._top.tabs.setCurrentIndex((self._top.tabs.currentIndex() + step) % len(self._benches))

    def next_pane(self, step: int) -> None:
        if self.workbench is not None:
            self.workbench.next_pane(step)

    # Documents

    def add_session(self, session: Session) -> Workbench:
        """Open a tab for it and bring it to the front."""
        self._start.notices.clear()  # it was about what could not be opened before
        bench = Workbench(session)
        bench.set_folded(self._settings.values.folded)
        bench.show_tab(self._settings.values.tab)
        bench.show_panels(self.panels_shown)
        bench.folded.connect(self._remember_folded)
        bench.tab_chosen.connect(self._remember_tab)
        bench.menu_wanted.connect(self._show_context)
        bench.canvas.navigation.changed.connect(self._refresh_zoom)
        for signal in _signals(session):
            signal.connect(self._session_changed)
        self._benches.append(bench)
        self._stack.addWidget(bench)
        at = self._top.add_document(self.name_of(session))
        self._top.tabs.setCurrentIndex(at)
        self._show_document(at)
        return bench

    def remove_session(self, session: Session) -> None:
        """Close its tab. Nothing is asked."""
        at = self.sessions.index(session)
        bench = self._benches.pop(at)
        for signal in _signals(session):
            signal.disconnect(self._session_changed)
        self._stack.removeWidget(bench)
        self._top.tabs.removeTab(at)
        bench.hide()
        bench.deleteLater()
        if not self._benches:
            self._start.refresh()
            self._stack.setCurrentWidget(self._start)
        self._show_document(self._top.tabs.currentIndex())

    def finish_gesture(self, session: Session) -> None:
        """What is being painted on it just now is finished: it belongs to the document."""
        self._benches[self.sessions.index(session)].canvas.finish()

    def bring_to_front(self, session: Session) -> None:
        self._top.tabs.setCurrentIndex(self.sessions.index(session))

    def name_of(self, session: Session) -> str:
        """What the document is called: its file's name, or its own while it has no file."""
        return readable(session.name if session.path is None else session.path.name)

    def notice(self, message: str, advice: str = "", *, error: bool = False, lasts: bool = False) -> None:
        """A passing message, over the document in front or over the start page; or one that `lasts` until it is withdrawn."""
        notice = Notice(message, advice, error, lasts=lasts)
        if self.session is not None:
            self.session.noticed.emit(notice)
        else:
            self._start.notices.add(notice)

    def withdraw(self, message: str) -> None:
        """What was said is over, wherever it stands."""
        for notices in (self._start.notices, *(bench.stage.notices for bench in self._benches)):
            notices.withdraw(readable(message))

    def show_busy(self, words: str) -> None:
        """What is going on behind the window; nothing by an empty text."""
        self._top.busy.show_words(words)

    def shut(self) -> None:
        """Close the window without asking anything."""
        self._may_close = True
        self.close()

    def _show_document(self, at: int) -> None:
        if 0 <= at < len(self._benches):
            self._stack.setCurrentWidget(self._benches[at])
            self._focus_canvas()
        self._refresh()
        self.session_chosen.emit(self.session)

    def _focus_canvas(self) -> None:
        if self.workbench is not None:
            self.workbench.canvas.setFocus(Qt.FocusReason.OtherFocusReason)

    def _compare(self, shown: bool) -> None:
        if self.session is not None:
            self.session.set_view(divider=shown)

    def _session_changed(self) -> None:
        if self.session is None or not self.session.in_gesture:  # else nothing that menus or tabs show changes
            self._refresh()

    def _show_context(self, subject: Subject, at: QPoint, row: Row | None) -> None:
        """The menu about what lies under the pointer."""
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        menu.aboutToHide.connect(menu.deleteLater)
        self._actions.refresh()
        if row is not None:
            menu.addAction("Rename\tF2").triggered.connect(row.rename)
            menu.addSeparator()
        self._actions.add(menu, CONTEXT[subject], WHOLE)
        menu.popup(at)

    # What menus, tabs and title show

    def _refresh(self) -> None:
        self._actions.refresh()
        for at, bench in enumerate(self._benches):
            session = bench.session
            tip = readable(str(session.path or "Not saved yet"))
            self._top.show_name(at, self.name_of(session), unsaved=session.history.unsaved, tip=tip)
        self._top.tabs.setVisible(bool(self._benches))
        front = self.session
        self._top.show_compared(front is not None and front.view.divider)
        name = "" if front is None else self.name_of(front).replace("[*]", "[*][*]")  # as Qt writes one that is meant
        self.setWindowTitle(f"{name}[*] — {TITLE}" if name else TITLE)
        self.setWindowModified(front is not None and front.history.unsaved)
        self._refresh_zoom()

    def _refresh_zoom(self) -> None:
        bench = self.workbench
        self._top.show_zoom(None if bench is None else bench.canvas.viewport.zoom)

    def _fill_new(self, menu: QMenu) -> None:
        """What the plus beside the tabs offers."""
        for id in ("file.new", "file.paste", "file.open"):
            menu.addAction(self._actions.action(id))
        menu.addMenu(self._recent)
        menu.addSeparator()
        menu.addAction(self._actions.action("file.sample"))
        menu.addMenu(self._practice)

    def _fill_documents(self) -> None:
        """Bring the menus of recent documents and of practice scenes up to date."""
        for menu, commands in ((self._recent, self._recent_documents()), (self._practice, self._practice_scenes())):
            menu.clear()
            for command in commands:
                action = menu.addAction(command.short.replace("&", "&&"))
                action.setToolTip(command.tip)
                action.triggered.connect(lambda _=False, command=command: self._actions.run(command))
        if self._recent.isEmpty():
            self._recent.addAction("Nothing yet").setEnabled(False)
        self._recent.setToolTipsVisible(True)
        self._practice.menuAction().setVisible(not self._practice.isEmpty())

    def _opening(self, path: Path) -> Callable[[object], None]:
        return lambda _: self._services.open_paths([path])

    def _practising(self, scene: str) -> Callable[[object], None]:
        return lambda _: self._services.open_practice(scene)

    def _recent_documents(self) -> list[Command]:
        """Opens each of them; the newest first."""
        return [
            Command(
                f"file.recent.{at}",
                f"Open recent: {readable(recent.path.name)}",
                self._opening(recent.path),
                when=always,
                short=readable(recent.path.name),
                tip=readable(str(recent.path)),
            )
            for at, recent in enumerate(self._services.recent())
        ]

    def _practice_scenes(self) -> list[Command]:
        """Opens each of them, where there are any."""
        return [
            Command(
                f"file.practice.{at}",
                f"Practise: {scene.name}",
                self._practising(scene.name),
                when=always,
                short=scene.name,
            )
            for at, scene in enumerate(self._services.practice())
        ]

    # Memory and closing

    def _remember_folded(self, name: str, folded: bool) -> None:
        others = tuple(other for other in self._settings.values.folded if other != name)
        self._settings.set(folded=(*others, name) if folded else others)
        for bench in self._benches:
            bench.set_folded(self._settings.values.folded)

    def _remember_tab(self, name: str) -> None:
        self._settings.set(tab=name)
        for bench in self._benches:
            bench.show_tab(name)

    def _restore(self) -> None:
        geometry = QByteArray.fromBase64(self._settings.values.geometry.encode("ascii", "ignore"))
        if geometry.isEmpty() or not self.restoreGeometry(geometry):
            self.resize(FIRST_SIZE)

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._may_close:
            event.ignore()
            self._services.quit()
            return
        self._settings.set(geometry=bytes(self.saveGeometry().toBase64().data()).decode())
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # Keys that the canvas was offered first and did not use (digits, Escape, Enter, Delete …).
        if not self._actions.press(QKeySequence(event.keyCombination())):
            super().keyPressEvent(event)


def _signals(session: Session) -> tuple[SignalInstance, ...]:
    """Whatever menus, tabs or the title show something of."""
    state, jobs = session.state, session.jobs
    settings = (state.draft_changed, state.options_changed, state.view_changed, state.active_layer_changed)
    return (session.model.settled, session.file_changed, jobs.progressed, jobs.candidates_changed, *settings)
