"""What the edit panel says comes and goes; what can be pressed stays where it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPlainTextEdit, QPushButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from editor.errors import InternalError, OutOfMemory
from editor.geometry import Rect
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.requests.reports import Preview, Progress
from editor.requests.results import Assessment
from tests.support.session_cases import drag, model, painted, picture
from tests.support.stub_worker import StubWorker
from widgets.controls.choice import Choice
from widgets.controls.slider import Slider
from widgets.panels.edit import EditPanel
from widgets.panels.status_lines import THIN, Remark, StatusLines
from widgets.session.session import Session
from widgets.shell.workbench import Workbench

LEFT = Qt.MouseButton.LeftButton
LONG = (
    "It begins with one thing and goes on to another, and before it has come to its end it says a third thing as well. "
)


@pytest.fixture
def session(worker: StubWorker) -> Session:
    """A small picture, edited by words with a model that knows two."""
    worker.known.append(replace(model(), words=("cat", "dog")))
    made = Session(painted(picture()), worker)
    made.choose_method(BlendedSettings)
    made.set_draft(prompt="cat")
    return made


def places(panel: EditPanel) -> dict[str, QRect]:
    """Where everything is that can be pressed or typed in, in the window; links come and go."""
    QApplication.processEvents()  # what was posted to the layouts
    found = {}
    for kind in (Choice, Slider, QToolButton, QPlainTextEdit):
        for each in panel.findChildren(kind):
            if each.isVisible() and not each.accessibleName().startswith("Forget"):
                found[each.accessibleName()] = seen(panel, each)
    found["button"] = seen(panel, panel.button)
    return found


def seen(panel: EditPanel, widget: QWidget) -> QRect:
    return QRect(widget.mapTo(panel.window(), QPoint(0, 0)), widget.size())


def field(panel: EditPanel) -> QPlainTextEdit:
    found = panel.findChild(QPlainTextEdit)
    assert isinstance(found, QPlainTextEdit)
    return found


def says(panel: EditPanel, words: str) -> bool:
    return any(words in remark.text() and remark.isVisible() for remark in panel.findChildren(Remark))


def preset(panel: EditPanel, name: str) -> QToolButton:
    return next(button for button in panel.findChildren(QToolButton) if button.text() == name)


def test_nothing_moves_while_words_are_typed(bench: Workbench, session: Session) -> None:
    before = places(bench.edit)
    field(bench.edit).selectAll()
    QTest.keyClick(field(bench.edit), Qt.Key.Key_Delete)
    assert says(bench.edit, "Say what should be there.")
    assert places(bench.edit) == before
    for key, known in zip("dog", (False, False, True), strict=True):
        QTest.keyClicks(field(bench.edit), key)
        assert says(bench.edit, "does not know the word") is not known
        assert places(bench.edit) == before
    QTest.keyClicks(field(bench.edit), " hippopotamus" * 3)
    assert says(bench.edit, "“hippopotamus”")
    assert places(bench.edit) == before


def test_nothing_moves_while_presets_are_tried(bench: Workbench, session: Session) -> None:
    before = set(map(QRect.getRect, places(bench.edit).values()))
    for name in ("Scribble", "Background", "Lettering", "Change it", "Scribble", "New object"):
        QTest.mouseClick(preset(bench.edit, name), LEFT)
        assert says(bench.edit, "Paint rough colours") is (name == "Scribble")
        assert set(map(QRect.getRect, places(bench.edit).values())) == before


def test_nothing_moves_while_regions_and_strength_change(bench: Workbench, session: Session, qtbot: QtBot) -> None:
    before = places(bench.edit)
    session.commit("Clear", session.document.with_strength(session.document.empty_map()))
    assert says(bench.edit, "Paint or select")
    assert places(bench.edit) == before
    session.set_brush(size=4.0)
    at = [bench.canvas.viewport.to_screen(x, 60) for x in (40, 100, 160)]
    drag(bench.canvas, *(QPointF(each.x, each.y) for each in at))
    qtbot.waitUntil(lambda: says(bench.edit, THIN))
    assert places(bench.edit) == before
    slider = next(each for each in bench.edit.findChildren(Slider) if each.accessibleName() == "Overall strength")
    drag(slider, QPointF(slider.width() * 0.9, 14), QPointF(slider.width() * 0.06, 14))
    assert says(bench.edit, "steps will run")
    assert {name: rect.topLeft() for name, rect in places(bench.edit).items()} == {
        name: rect.topLeft() for name, rect in before.items()
    }


def test_nothing_but_the_links_comes_while_it_runs_or_fails(
    bench: Workbench, session: Session, worker: StubWorker, qtbot: QtBot
) -> None:
    qtbot.waitUntil(lambda: len(worker.assessing) == 1)
    before = places(bench.edit)
    worker.assessing[0](Assessment("About 12 GB of 8 GB free · " + LONG, False, 0.6))
    assert any(button.text() == "Run smaller" and button.isVisible() for button in bench.edit.findChildren(QPushButton))
    assert places(bench.edit) == before
    QTest.mouseClick(bench.edit.button, LEFT)
    session.report(Progress(0.2, "Loading the model"))
    assert places(bench.edit) == before
    session.report(Preview(Rect(50, 50, 90, 90), np.zeros((4, 4, 4), np.uint8)))
    session.queue()
    assert places(bench.edit) == before
    QTest.mouseClick(
        next(button for button in bench.edit.findChildren(QToolButton) if "queued" in button.accessibleName()), LEFT
    )
    session.job_failed(OutOfMemory("It did not fit.", LONG))
    assert places(bench.edit) == before
    session.run()
    session.job_failed(InternalError("It broke.", LONG))
    assert places(bench.edit) == before


class TestRemark:
    @pytest.fixture
    def remarks(self, qtbot: QtBot) -> tuple[Remark, Remark, StatusLines]:
        upper, lower, links, drop = Remark(), Remark(), QWidget(), QWidget()
        made = StatusLines((upper, lower), links, drop)
        links.hide()
        drop.hide()
        qtbot.addWidget(made)
        made.resize(264, made.sizeHint().height())
        made.show()
        return upper, lower, made

    def test_what_has_no_room_ends_in_dots_and_stands_in_the_tool_tip(
        self, remarks: tuple[Remark, Remark, StatusLines]
    ) -> None:
        _, lower, place = remarks
        lower.say("Short.")
        assert (lower.shown(), lower.toolTip()) == (["Short."], "")
        assert lower.geometry().bottom() == place.rect().bottom()
        lower.say(LONG * 3)
        assert lower.shown()[-1].endswith("…")
        assert lower.shown()[0] == LONG[: len(lower.shown()[0])]
        assert lower.toolTip() == LONG * 3
        lower.say("Short again.")
        assert (lower.shown(), lower.toolTip()) == (["Short again."], "")

    def test_doubt_comes_before_what_is_only_told(self, remarks: tuple[Remark, Remark, StatusLines]) -> None:
        upper, lower, _ = remarks
        upper.say("It stands above.")
        lower.say(LONG * 3)
        assert not upper.isVisible()
        upper.say("It does not fit.", doubt=True)
        assert upper.isVisible()
        assert upper.geometry().bottom() < lower.geometry().top()
        assert lower.shown()[-1].endswith("…")
        lower.say("")
        assert not lower.isVisible()


def test_words_with_pictures_in_them_are_broken_whole(qtbot: QtBot) -> None:
    remark = Remark()
    qtbot.addWidget(remark)
    words = "The model does not know \N{DOG FACE}\N{CAT FACE}\N{RED APPLE} and will guess what they might be. "
    remark.say(3 * words)
    remark.resize(120, 40 * remark.fontMetrics().lineSpacing())
    assert "".join(remark.shown()) == 3 * words
