"""The edit panel with a method that needs a model: its choice, its model, its strengths, memory, and what is beside the button."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QPlainTextEdit, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from editor.errors import InternalError, OutOfMemory
from editor.geometry import Rect
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.items.settings import ItemsSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.plan import STRENGTHS
from editor.requests.reports import Preview, Progress
from editor.requests.results import Assessment
from tests.support.session_cases import NONE, drag, model, painted, picture, with_items
from tests.support.stub_worker import StubWorker
from widgets.controls.choice import Check
from widgets.controls.slider import Slider
from widgets.panels.edit import EditPanel
from widgets.session.session import Session

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def session(worker: StubWorker, qtbot: QtBot) -> Session:
    worker.known = [model(), model("Juggernaut", "stable-diffusion-xl")]
    made = Session(painted(picture()), worker)
    made.choose_method(PixelsSettings)
    return made


def open_panel(qtbot: QtBot, session: Session) -> EditPanel:
    made = EditPanel(session)
    qtbot.addWidget(made)
    made.resize(288, 700)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def panel(session: Session, qtbot: QtBot) -> EditPanel:
    return open_panel(qtbot, session)


def texts(panel: EditPanel) -> list[str]:
    return [label.text() for label in panel.findChildren(QLabel) if label.isVisible()]


def tool(panel: EditPanel, name: str) -> QToolButton:
    return next(
        button
        for button in panel.findChildren(QToolButton)
        if button.isVisibleTo(panel)
        and name in (button.text(), button.accessibleName(), button.accessibleName().split(":")[0])
    )


def links(panel: EditPanel) -> list[str]:
    return [
        button.text() for button in panel.findChildren(QPushButton) if button.isVisible() and button is not panel.button
    ]


def link(panel: EditPanel, text: str) -> QPushButton:
    return next(button for button in panel.findChildren(QPushButton) if button.isVisible() and button.text() == text)


def slider(panel: EditPanel, name: str) -> Slider:
    return next(
        each for each in panel.findChildren(Slider) if each.isVisibleTo(panel) and each.accessibleName() == name
    )


def kind(session: Session) -> type:
    """Asked anew each time."""
    return type(session.draft.settings)


def guidance(session: Session) -> float | None:
    return session.draft.guidance_scale


def steps(session: Session) -> int | None:
    return session.draft.steps


def unfold(panel: EditPanel) -> None:
    QTest.mouseClick(tool(panel, "More"), LEFT)


class TestMethod:
    def test_the_list_changes_the_method_and_what_is_seen(self, panel: EditPanel, session: Session) -> None:
        prompt = panel.findChild(QPlainTextEdit)
        assert isinstance(prompt, QPlainTextEdit)
        assert prompt.isVisible()
        QTest.keyClick(tool(panel, "Method"), Qt.Key.Key_Down)
        assert kind(session) is ItemsSettings
        assert prompt.placeholderText() == "Say what it should become, such as “a red boat”"
        QTest.keyClick(tool(panel, "Method"), Qt.Key.Key_Down)
        assert kind(session) is QuickFillSettings
        assert prompt.placeholderText() == "Or say what should be there"
        assert "Harmonise" not in [button.text() for button in panel.findChildren(QToolButton) if button.isVisible()]
        QTest.keyClick(tool(panel, "Method"), Qt.Key.Key_Up)
        QTest.keyClick(tool(panel, "Method"), Qt.Key.Key_Up)
        assert kind(session) is PixelsSettings
        assert prompt.placeholderText() == "What should appear?"

    def test_more_shows_the_groups_of_the_method(self, panel: EditPanel, session: Session) -> None:
        unfold(panel)
        assert {"Quality", "Randomness", "Region", "Expert"} <= set(texts(panel))
        assert slider(panel, "Steps").value == 30
        session.choose_method(QuickFillSettings)
        assert "Expert" not in texts(panel)
        assert slider(panel, "Margin").isVisible()
        assert not [
            each for each in panel.findChildren(Slider) if each.accessibleName() == "Steps" and each.isVisible()
        ]

    def test_a_field_that_only_some_models_use_is_shown_with_those(self, panel: EditPanel, worker: StubWorker) -> None:
        session = panel._session
        unfold(panel)
        names = [each.accessibleName() for each in panel.findChildren(Slider) if each.isVisibleTo(panel)]
        assert "References as words" not in names
        worker.known.append(model("Kandinsky", "kandinsky-2.2"))
        session.follow_models()
        session.choose_model(worker.known[-1])
        assert slider(panel, "References as words").isVisible()
        assert slider(panel, "Steps").value == 50

    def test_finer_strengths_are_offered_for_models_made_for_few_steps(
        self, panel: EditPanel, worker: StubWorker
    ) -> None:
        session = panel._session
        unfold(panel)
        words = "Finer at low strength"

        def offered() -> list[str]:
            return [each.text() for each in panel.findChildren(Check) if each.isVisibleTo(panel)]

        assert words not in offered()
        worker.known.append(replace(model("LCM"), steps=4))
        session.follow_models()
        session.choose_model(worker.known[-1])
        assert words in offered()
        session.choose_model(worker.known[0])
        assert words not in offered()
        session.set_draft(settings=PixelsSettings(quiet_rungs=True))
        assert words in offered()  # it must be possible to switch it off


class TestModel:
    def test_another_can_be_chosen(self, panel: EditPanel, session: Session, worker: StubWorker) -> None:
        QTest.keyClick(tool(panel, "Model"), Qt.Key.Key_Down)
        assert session.draft.model == worker.known[1]
        assert session.draft.strength == 0.45
        QTest.keyClick(tool(panel, "Model"), Qt.Key.Key_Down)  # "More models…"
        assert worker.models_shown == 1
        assert session.draft.model == worker.known[1]
        assert tool(panel, "Model").accessibleName() == "Model: Juggernaut"

    def test_without_one_it_says_where_to_get_it(self, panel: EditPanel, session: Session, worker: StubWorker) -> None:
        worker.known.clear()
        session.follow_models()
        assert not panel.button.isEnabled()
        assert links(panel) == ["Get a model…"]
        QTest.mouseClick(link(panel, "Get a model…"), LEFT)
        assert worker.models_shown == 1
        worker.known.append(model("First"))
        session.follow_models()
        assert links(panel) == []
        assert panel.button.isEnabled()
        assert tool(panel, "Model").accessibleName() == "Model: First"


class TestStrength:
    def test_presets_set_it_and_it_shows_which_one_matches(self, panel: EditPanel, session: Session) -> None:
        presets = {name: tool(panel, name) for name in ("Harmonise", "Blend", "Reinterpret")}
        assert not any(preset.isChecked() for preset in presets.values())
        for name, strength in (("Harmonise", 0.25), ("Blend", 0.45), ("Reinterpret", 0.7)):
            QTest.mouseClick(presets[name], LEFT)
            assert session.draft.strength == strength
            assert [other for other, preset in presets.items() if preset.isChecked()] == [name]
            assert slider(panel, "Overall strength").value == strength
        session.set_draft(strength=0.6)
        assert not any(preset.isChecked() for preset in presets.values())

    def test_a_double_click_goes_back_to_what_suits_the_model(self, panel: EditPanel, session: Session) -> None:
        strength = slider(panel, "Overall strength")
        session.set_draft(strength=0.9)
        QTest.mouseDClick(strength, LEFT, NONE, QPoint(20, 14))
        assert session.draft.strength == 0.5

    def test_strengths_can_be_tried(self, panel: EditPanel, session: Session, worker: StubWorker) -> None:
        several = tool(panel, "Try strengths")
        QTest.mouseClick(several, LEFT)
        assert worker.asked[0].strengths == STRENGTHS
        assert not several.isEnabled()
        session.choose_method(QuickFillSettings)
        assert not several.isVisible()

    def test_why_strengths_cannot_be_tried_is_said(self, panel: EditPanel, session: Session) -> None:
        several = tool(panel, "Try strengths")
        assert "\n" not in several.toolTip()
        session.commit("Clear", session.document.with_strength(session.document.empty_map()))
        assert not several.isEnabled()
        assert several.toolTip().endswith(f"\n{session.plan.reason}")
        assert session.plan.reason


class TestMore:
    def test_what_suits_the_model_is_shown_until_it_is_changed(self, panel: EditPanel, session: Session) -> None:
        unfold(panel)
        for name, held in (("Steps", steps), ("Follow the words", guidance)):
            control = slider(panel, name)
            suiting = control.value
            assert held(session) is None
            drag(control, QPointF(control.width() * 0.3, 14), QPointF(control.width() * 0.9, 14))
            assert held(session) == control.value > suiting
            QTest.mouseDClick(control, LEFT, NONE, QPoint(20, 14))
            assert held(session) is None
            assert control.value == suiting
        session.choose_model(session.models()[1])
        assert slider(panel, "Follow the words").value == 6

    def test_samplers_that_suit_the_model_are_offered(self, panel: EditPanel, session: Session) -> None:
        """A flow model takes its own and Euler; one that was chosen before gives way."""
        session.set_draft(sampler="ddim")
        session.choose_model(model("SD 3", "stable-diffusion-3"))
        kept = session.draft.sampler
        unfold(panel)
        button = tool(panel, "Sampler")
        for _ in range(3):  # the end of the list
            QTest.keyClick(button, Qt.Key.Key_Down)
        assert (kept, session.draft.sampler) == ("", "euler")

    def test_sampler_and_what_should_not_appear(self, panel: EditPanel, session: Session) -> None:
        unfold(panel)
        QTest.keyClick(tool(panel, "Sampler"), Qt.Key.Key_Down)
        assert session.draft.sampler == "euler"
        field = next(
            edit for edit in panel.findChildren(QLineEdit) if edit.accessibleName() == "What should not appear"
        )
        QTest.keyClicks(field, "fog")
        assert session.draft.negative_prompt == "fog"
        session.set_draft(sampler="pndm")  # out of a recipe
        assert tool(panel, "Sampler").accessibleName() == "Sampler: PNDM"

    def test_a_frame_that_was_dragged_can_be_reset(self, panel: EditPanel, session: Session) -> None:
        unfold(panel)
        assert "Automatic" in texts(panel)
        session.set_draft(frame=Rect(0, 0, 120, 90))
        assert "By hand" in texts(panel)
        QTest.mouseClick(link(panel, "Reset frame"), LEFT)
        assert session.draft.frame is None
        assert "Reset frame" not in links(panel)

    def test_it_fits_the_column(self, panel: EditPanel) -> None:
        unfold(panel)
        for each in panel.findChildren(Slider):
            if each.isVisible():
                assert each.mapTo(panel, QPoint(each.width(), 0)).x() <= panel.width() - 8


class TestMemory:
    def test_it_is_asked_once_things_have_settled_and_told(
        self, panel: EditPanel, session: Session, worker: StubWorker, qtbot: QtBot
    ) -> None:
        qtbot.waitUntil(lambda: len(worker.assessing) == 1)
        worker.assessing[0](Assessment("About 3 GB of 8 GB · half precision", True))
        assert "About 3 GB of 8 GB · half precision" in texts(panel)
        assert "Run smaller" not in links(panel)
        for scale in (1.1, 1.2, 1.3):
            session.set_draft(settings=PixelsSettings(scale=scale))
        session.set_draft(prompt="words need no memory")
        qtbot.waitUntil(lambda: len(worker.assessing) == 2)
        worker.assessing[0](Assessment("An old answer", True))
        assert "An old answer" not in texts(panel)

    def test_what_does_not_fit_can_be_run_smaller(
        self, panel: EditPanel, session: Session, worker: StubWorker, qtbot: QtBot
    ) -> None:
        qtbot.waitUntil(lambda: len(worker.assessing) == 1)
        worker.assessing[0](Assessment("About 12 GB of 8 GB", False, 0.6))
        words = next(label for label in panel.findChildren(QLabel) if label.text() == "About 12 GB of 8 GB")
        assert words.property("role") == "doubt"
        QTest.mouseClick(link(panel, "Run smaller"), LEFT)
        settings = worker.asked[0].draft.settings
        assert isinstance(settings, PixelsSettings)
        assert settings.scale == pytest.approx(0.6)
        assert not words.isVisible()  # while it runs

    def test_nothing_is_asked_without_a_model(self, session: Session, worker: StubWorker, qtbot: QtBot) -> None:
        session.choose_method(QuickFillSettings)
        panel = open_panel(qtbot, session)
        assert not panel._memory._timer.isActive()
        session.choose_method(PixelsSettings)
        assert panel._memory._timer.isActive()
        session.choose_method(QuickFillSettings)
        assert not panel._memory._timer.isActive()


class TestBeside:
    def test_while_it_runs_another_can_be_queued_and_the_preview_kept(
        self, panel: EditPanel, session: Session, worker: StubWorker
    ) -> None:
        assert links(panel) == []
        QTest.mouseClick(panel.button, LEFT)
        session.report(Progress(0.2, "Loading the model"))
        assert any(text.startswith("Loading the model") for text in texts(panel))
        assert links(panel) == ["Queue another"]
        QTest.mouseClick(link(panel, "Queue another"), LEFT)
        assert any(text.endswith("1\u00a0waiting") for text in texts(panel))
        QTest.mouseClick(tool(panel, "Forget the edit that was queued last"), LEFT)
        assert not any("waiting" in text for text in texts(panel))
        session.report(Preview(Rect(50, 50, 90, 90), np.zeros((4, 4, 4), np.uint8)))
        QTest.mouseClick(link(panel, "Keep what is there"), LEFT)
        assert worker.finished == 1
        assert links(panel) == []

    def test_what_did_not_fit_offers_to_run_smaller(
        self, panel: EditPanel, session: Session, worker: StubWorker
    ) -> None:
        session.run()
        session.job_failed(OutOfMemory("It did not fit.", "Run it smaller."))
        assert "It did not fit. Run it smaller." in texts(panel)
        QTest.mouseClick(link(panel, "Run smaller"), LEFT)
        assert worker.asked[1].draft.settings == replace(PixelsSettings(), scale=0.75)
        session.job_failed(InternalError("It broke."))
        assert "Run smaller" not in links(panel)


def test_without_the_part_for_models_it_says_what_to_install(
    session: Session, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("widgets.panels.method.installed", lambda: False)
    panel = open_panel(qtbot, session)
    assert any("palimpsest[models]" in text for text in texts(panel))
    assert "Get a model…" not in links(panel)
    session.choose_method(QuickFillSettings)
    assert not any("palimpsest[models]" in text for text in texts(panel))


class TestByWords:
    def test_presets_stand_in_two_rows_and_no_word_is_cut(self, panel: EditPanel, session: Session) -> None:
        session.choose_method(BlendedSettings)
        rows: dict[int, list[str]] = {}
        for button in panel.findChildren(QToolButton):
            if button.isVisible() and button.accessibleName().startswith("Preset: "):
                rows.setdefault(button.mapTo(panel, QPoint(0, 0)).y(), []).append(button.text())
                assert button.fontMetrics().horizontalAdvance(button.text()) + 8 <= button.width()
        assert list(rows.values()) == [["New object", "Background"], ["Change it", "Lettering", "Scribble"]]
        visible = [button.accessibleName() for button in panel.findChildren(QToolButton) if button.isVisible()]
        assert "Try strengths" not in visible

    def test_the_words_around_the_slider_are_those_of_the_preset(self, panel: EditPanel, session: Session) -> None:
        assert "Keep what is there" not in texts(panel)
        session.choose_method(BlendedSettings)
        assert {"Keep what is there", "Free"} <= set(texts(panel))
        QTest.mouseClick(tool(panel, "Scribble"), LEFT)
        assert {"Keep my scribble", "Free"} <= set(texts(panel))
        assert slider(panel, "Overall strength").value == 0.5

    def test_the_field_goes_on_being_typed_in_while_the_method_changes(
        self, panel: EditPanel, session: Session, worker: StubWorker
    ) -> None:
        session.choose_method(QuickFillSettings)
        session.set_draft(prompt="an earlier thing")
        field = panel.findChild(QPlainTextEdit)
        assert isinstance(field, QPlainTextEdit)
        assert field.toPlainText() == ""
        QTest.keyClicks(field, " a cat")
        assert kind(session) is BlendedSettings
        assert field.toPlainText() == session.draft.prompt == " a cat"
        session.choose_method(QuickFillSettings)
        worker.known.clear()
        session.follow_models()
        assert not field.isVisible(), "there is nobody to read it"

    def test_who_is_to_say_something_has_the_keyboard(self, panel: EditPanel, session: Session, qtbot: QtBot) -> None:
        session.choose_method(BlendedSettings)
        panel.activateWindow()
        session.ask_for_words()
        field = panel.findChild(QPlainTextEdit)
        assert isinstance(field, QPlainTextEdit)
        qtbot.waitUntil(field.hasFocus)

    def test_a_blank_field_is_no_reason_for_doubt(self, panel: EditPanel, session: Session) -> None:
        session.choose_method(BlendedSettings)
        found = next(label for label in panel.findChildren(QLabel) if label.text() == "Say what should be there.")
        assert found.property("role") == "caption"
        session.set_draft(prompt="a cat", guidance_scale=20.0)
        assert "harsh" in found.text()
        assert found.property("role") == "doubt"


def test_removing_takes_no_strength_and_the_slider_says_so(panel: EditPanel, session: Session) -> None:
    session.choose_method(QuickFillSettings)
    overall = slider(panel, "Overall strength")
    assert overall.isEnabled()
    session.commit("Item", with_items(session.document, "Cat"))
    session.activate(item=session.document.items[0].id)
    assert session.plan.action == "remove"
    assert not overall.isEnabled()
    assert "altogether" in overall.toolTip()
    session.choose_method(PixelsSettings)
    assert overall.isEnabled()
