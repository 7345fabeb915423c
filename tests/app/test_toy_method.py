"""A method that the packages know nothing of, through the registry that is passed: in the window, on the command line and in a project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPlainTextEdit

from app.cli import edit
from app.documents import read_document
from editor.document.compose import flatten
from editor.edits.rerun import NOT_UNDERSTOOD, can_reopen
from editor.engine import Engine
from editor.io.project import load_project, save_project
from editor.methods.registry import METHODS
from editor.planning.plan import STRENGTHS
from editor.requests.method_settings import UnknownSettings
from tests.app.conftest import Tell
from tests.support.program import Desk, by_hand
from tests.support.toy_method import EXECUTIONS_WITH_TINT, METHODS_WITH_TINT, TINT, TintSettings
from widgets.controls.slider import Slider
from widgets.panels.layers import recipe_words
from widgets.session import run_actions
from widgets.session.session import Session

HERE = (slice(20, 60), slice(30, 90))
CTRL = Qt.KeyboardModifier.ControlModifier


def paint(session: Session) -> None:
    document = session.document
    strength = document.strength.write(30, 20, np.ones((40, 60), np.float32))
    session.commit("Paint strength", document.with_strength(strength))


def test_no_method_of_the_program_is_alone_in_what_it_uses() -> None:
    for use in TINT.uses:
        assert {method.id for method in METHODS if use in method.uses} != set()
    assert all(not method.uses >= TINT.uses or method.settings.needs_model for method in METHODS)
    assert METHODS.find(TintSettings()) is None
    assert METHODS_WITH_TINT.of(TintSettings()) is METHODS_WITH_TINT.by_command("tint") is TINT


def test_it_is_chosen_set_run_compared_kept_and_run_again_in_the_window(
    tell: Tell, photo: Path, tmp_path: Path
) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        before = flatten(session.document)
        paint(session)
        await desk.pick("Method", "Colour it · Tint")
        assert desk.says("Lays a colour over it.")
        assert session.draft.strength == 1.0
        prompt = desk.edit.findChild(QPlainTextEdit)
        assert prompt is not None
        assert prompt.isVisible()
        await by_hand(lambda: prompt.setPlainText("blue"))
        assert desk.edit.button.text() == "Tint blue"
        assert desk.window.findChildren(QLabel) != []
        amount = next(slider for slider in desk.edit.findChildren(Slider) if slider.accessibleName() == "Amount")
        await by_hand(lambda: amount.changed.emit(0.5))
        assert session.draft.settings == TintSettings(amount=0.5)
        await desk.press_button()
        job = await desk.finished()
        assert len(job.candidates.results) == 1  # every seed gives the same
        session.accept()
        after = flatten(session.document)
        blend = before[HERE][..., :3] * (1 - 128 / 255) + np.array((0, 0, 255)) * (128 / 255)
        assert np.abs(after[HERE][..., :3] - blend).max() <= 1
        after[HERE] = before[HERE]
        assert np.array_equal(after, before)
        assert recipe_words(job.candidates.results[0].recipe, session.methods).splitlines()[0] == "Filled with Tint"
        layer = session.document.layers[-1]
        assert layer.name == "Fill"

        run_actions.run_again(session, layer.id)
        assert session.draft.settings == TintSettings(amount=0.5)
        assert session.plan.action == "fill"
        session.leave_rerun()

        paint(session)
        run_actions.try_strengths(session)
        job = await desk.finished()
        assert [result.recipe.strength for result in job.candidates.results] == list(STRENGTHS)
        session.discard()

        save_project(tmp_path / "tinted.palimpsest", session.document)
        await desk.application.open(tmp_path / "tinted.palimpsest")
        reopened = desk.application.sessions[-1].document.layers[-1].recipe
        assert reopened is not None
        assert reopened == session.document.layers[-1].recipe  # this program knows the method
        assert desk.application.settings.values.method == ""  # it needs no model

    async def reopened(desk: Desk) -> None:
        session = await desk.open(tmp_path / "tinted.palimpsest")
        recipe = session.document.layers[-1].recipe
        assert recipe is not None
        assert recipe.settings == TintSettings(amount=0.5)
        assert can_reopen(session.document, session.document.layers[-1], session.methods) == ""

    for each in (story, reopened):
        tell(each, methods=METHODS_WITH_TINT, make_engine=lambda: Engine(executions=EXECUTIONS_WITH_TINT))
    known = load_project(tmp_path / "tinted.palimpsest")
    recipe = known.layers[-1].recipe
    assert recipe is not None
    assert isinstance(recipe.settings, UnknownSettings)  # a program without it keeps it as it is
    assert recipe.settings.method == "TintSettings"
    assert can_reopen(known, known.layers[-1]) == NOT_UNDERSTOOD
    assert "does not have" in recipe_words(recipe)
    save_project(tmp_path / "again.palimpsest", known)
    again = read_document(tmp_path / "again.palimpsest")[0].layers[-1].recipe
    assert again == recipe


def test_it_runs_on_the_command_line(photo: Path, tmp_path: Path) -> None:
    before = np.asarray(Image.open(photo).convert("RGB"))
    mask = np.zeros(before.shape[:2], np.uint8)
    mask[HERE] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    arguments = [str(photo), str(tmp_path / "mask.png"), str(tmp_path / "out.png")]
    own = ["--method", "tint", "--prompt", "green", "--strength", "0.5", "--set", "amount=0.5"]
    assert edit([*arguments, *own], METHODS_WITH_TINT, EXECUTIONS_WITH_TINT) == 0
    after = np.asarray(Image.open(tmp_path / "out.png").convert("RGB")).astype(float)
    blend = before[HERE] * (1 - 64 / 255) + np.array((0, 128, 0)) * (64 / 255)
    assert np.abs(after[HERE] - blend).max() <= 1
    after[HERE] = before[HERE]
    assert np.array_equal(after, before)
