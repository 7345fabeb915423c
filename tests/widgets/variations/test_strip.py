"""The strip of variations, and messages over the canvas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from editor.geometry import Rect
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.plan import STRENGTHS
from editor.requests.reports import Progress
from editor.requests.results import EditResult, Recipe
from tests.support.session_cases import model, painted, picture, result
from tests.support.stub_worker import StubWorker
from widgets.session import run_actions
from widgets.session.notice import Notice
from widgets.session.session import Session
from widgets.shell import notices as notices_module
from widgets.shell.notices import MAX_NOTICES, Notices
from widgets.variations.strip import Variations

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def session(worker: StubWorker, qtbot: QtBot) -> Session:
    return Session(painted(picture()), worker)


@pytest.fixture
def strip(session: Session, qtbot: QtBot) -> Variations:
    made = Variations(session)
    qtbot.addWidget(made)
    return made


def press(strip: Variations, text: str) -> None:
    button = next(each for each in strip.findChildren(QPushButton) if each.text() == text)
    QTest.mouseClick(button, LEFT)


def test_it_is_there_only_while_there_is_something_to_choose(strip: Variations, session: Session) -> None:
    assert strip.isHidden()
    session.run()
    assert not strip.isHidden()
    assert (len(strip.cards), strip.pending.count) == (0, 3)
    session.job_result(result())
    assert (len(strip.cards), strip.pending.count) == (1, 2)
    session.job_finished()
    assert (len(strip.cards), strip.pending.isHidden()) == (1, True)
    session.discard()
    assert strip.isHidden()


def test_a_single_result_shows_no_strip_before_it_is_finished(strip: Variations, session: Session) -> None:
    session.set_draft(variations=1)
    session.run()
    assert strip.isHidden()
    session.job_result(result())
    assert not strip.isHidden()


def test_a_click_shows_a_variation_and_accept_keeps_it(strip: Variations, session: Session) -> None:
    session.run()
    for seed in (1, 2, 3):
        session.job_result(result(seed))
    session.job_finished()
    assert [card.isChecked() for card in strip.cards] == [True, False, False]
    QTest.mouseClick(strip.cards[1], LEFT)
    assert session.job is not None
    assert session.job.candidates.chosen == 1
    assert strip.cards[1].isChecked()
    press(strip, "Accept")
    recipe = session.document.layers[-1].recipe
    assert recipe is not None
    assert recipe.seed == 2
    assert strip.isHidden()


def test_what_lies_elsewhere_stays_to_be_chosen(strip: Variations, session: Session) -> None:
    session.set_draft(variations=1)
    session.run()
    session.set_draft(variations=2)
    session.queue()
    session.job_result(result(1))
    session.job_finished()
    elsewhere = result(2)
    pixels = elsewhere.pixels.copy()
    pixels[..., :3] = (0, 0, 255)
    session.job_result(replace(elsewhere, rect=Rect(150, 50, 190, 90), pixels=pixels))
    press(strip, "Accept")
    assert not strip.isHidden()
    assert [card.isChecked() for card in strip.cards] == [True]
    assert strip.pending.count == 1
    image = strip.cards[0].grab().toImage()
    assert image.pixelColor(image.width() // 2, image.height() // 2).blue() > 240
    session.job_finished()
    press(strip, "Accept")
    assert [layer.recipe.seed for layer in session.document.layers if layer.recipe is not None] == [1, 2]


def test_what_is_still_running_shares_one_bar(strip: Variations, session: Session) -> None:
    session.run()
    session.job_result(result())
    session.report(Progress(0.5, "Filling"))
    assert (len(strip.cards), strip.pending.accessibleName()) == (1, "2 being made, 50\u202f%")
    bar = strip.pending.grab().toImage()
    row = [bar.pixelColor(x, bar.height() // 2) for x in range(bar.width())]
    accent = [x for x, colour in enumerate(row) if colour.blue() > colour.red() + 60]
    assert max(accent) == pytest.approx(bar.width() / 2, abs=2)


def test_doubt_is_marked_and_said_in_words(strip: Variations, session: Session) -> None:
    session.run()
    session.job_result(result(1, doubt=0.7))
    session.job_result(result(2, doubt=0.2))
    assert strip.cards[1].face.doubtful
    assert "Look closely" in strip.cards[1].toolTip()
    assert not strip.cards[0].face.doubtful
    assert "Look closely" not in strip.cards[0].toolTip()


def test_the_pictures_show_the_results(strip: Variations, session: Session) -> None:
    session.run()
    session.job_result(result())
    image = strip.cards[0].grab().toImage()
    middle = image.pixelColor(image.width() // 2, image.height() // 2)
    assert middle.red() > 240
    assert middle.green() < 20


def test_a_picture_shows_a_square_about_the_change_edge_to_edge(strip: Variations, session: Session) -> None:
    session.run()
    session.job_result(result())
    image = strip.cards[0].grab().toImage()
    side, red = image.width(), [(x, y) for x in range(image.width()) for y in range(image.height())]
    red = [(x, y) for x, y in red if image.pixelColor(x, y).red() > 200 and image.pixelColor(x, y).green() < 60]
    across, down = [x for x, _ in red], [y for _, y in red]
    # 40 of 64 pixels, in the middle, as wide as high; round about the grey of the picture up to the rim.
    for found in (across, down):
        assert max(found) - min(found) == pytest.approx(40 / 64 * side, abs=5)
        assert (max(found) + min(found)) / 2 == pytest.approx(side / 2, abs=2)
    for x, y in ((side // 2, 5), (side // 2, side - 6), (5, side // 2), (side - 6, side // 2)):
        grey = image.pixelColor(x, y)
        assert grey.red() == grey.green() == grey.blue() > 30


def test_a_long_change_is_shown_about_its_middle(qtbot: QtBot) -> None:
    session = Session(painted(picture(300, 60)), StubWorker())
    strip = Variations(session)
    qtbot.addWidget(strip)
    session.run()
    rect = Rect(0, 10, 300, 50)
    pixels = np.zeros((40, 300, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[:, 140:160, 1] = 255
    session.job_result(EditResult(rect, pixels, Recipe(QuickFillSettings(), "fill", rect, 1)))
    image = strip.cards[0].grab().toImage()
    assert image.pixelColor(image.width() // 2, image.height() // 2).green() > 240


def test_more_variations_go_on_with_other_seeds(strip: Variations, session: Session, worker: StubWorker) -> None:
    session.set_draft(seed=10)
    session.run()
    session.job_result(result(10))
    session.job_finished()
    press(strip, "More variations")
    assert [asked.draft.seed for asked in worker.asked] == [10, 11]
    assert session.draft.seed == 10


def test_discard_drops_them(strip: Variations, session: Session) -> None:
    session.run()
    session.job_result(result())
    session.job_finished()
    before = session.document
    press(strip, "Discard")
    assert session.job is None
    assert session.document is before


def test_news_fade_and_errors_stay_until_they_are_closed(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices_module, "LASTS", 30)
    notices = Notices()
    qtbot.addWidget(notices)
    notices.add(Notice("Saved."))
    notices.add(Notice("It broke.", "Try again.", error=True))
    assert notices.messages == ["Saved.", "It broke."]
    assert notices.sizeHint().height() > 80
    qtbot.waitUntil(lambda: notices.messages == ["It broke."])
    close = next(button for button in notices.findChildren(QToolButton) if button.isVisible())
    assert close.accessibleName() == "Close this message"
    QTest.keyClick(close, Qt.Key.Key_Space)
    assert notices.messages == []
    assert notices.isHidden()


def test_messages_do_not_pile_up(qtbot: QtBot) -> None:
    notices = Notices()
    qtbot.addWidget(notices)
    for _ in range(3):
        notices.add(Notice("The same.", error=True))
    assert notices.messages == ["The same."]
    for at in range(5):
        notices.add(Notice(f"Number {at}", error=True))
    assert len(notices.messages) == MAX_NOTICES
    assert notices.messages[-1] == "Number 4"


def at_strength(level: float) -> EditResult:
    """All of the region the redder, the stronger."""
    made = result(5)
    pixels = made.pixels.copy()
    pixels[..., 0] = round(250 * level)
    return replace(made, pixels=pixels, recipe=replace(made.recipe, strength=level))


def test_cards_of_several_strengths_show_the_whole_region_at_each(strip: Variations, session: Session) -> None:
    session.choose_method(PixelsSettings)
    session.set_draft(model=model(), strength=0.45)
    run_actions.try_strengths(session)
    for level in STRENGTHS:
        session.job_result(at_strength(level))
    session.job_finished()
    names = [card.accessibleName() for card in strip.cards]
    assert names == [f"Overall strength {level * 100:.0f}\u202f%" for level in STRENGTHS]
    for level, card in zip(STRENGTHS, strip.cards, strict=True):
        assert card.face.caption == f"{level * 100:.0f}\u202f%"
        image = card.grab().toImage()
        for x in (image.width() // 3, image.width() // 2, 2 * image.width() // 3):
            assert image.pixelColor(x, 42).red() == pytest.approx(250 * level, abs=12)
    assert [card.isChecked() for card in strip.cards] == [level == 0.45 for level in STRENGTHS]
    width = strip.sizeHint().width()
    for at, card in enumerate(strip.cards):
        card.setFocus()
        QTest.keyClick(card, Qt.Key.Key_Space)
        assert session.job is not None
        assert (session.job.candidates.place, strip.sizeHint().width()) == (at, width)
    QTest.mouseClick(strip.cards[3], LEFT)
    assert [card.isChecked() for card in strip.cards] == [at == 3 for at in range(6)]
    assert not [
        button
        for button in strip.findChildren(QPushButton)
        if button.text() == "More variations" and not button.isHidden()
    ]
    layers = len(session.document.layers)
    press(strip, "Use 60\u202f%")
    assert session.job is None
    assert len(session.document.layers) == layers + 1
    assert session.draft.strength == STRENGTHS[3]


def test_more_than_fit_are_scrolled_to(strip: Variations, session: Session) -> None:
    session.set_draft(variations=6)
    session.run()
    session.queue()
    for seed in range(6):
        session.job_result(result(seed))
    session.job_finished()
    for seed in range(6, 12):
        session.job_result(result(seed))
    session.job_finished()
    wanted = strip.sizeHint().width()
    assert wanted > 12 * 84
    strip.resize(600, strip.sizeHint().height())
    strip.show()
    last = strip.cards[-1]
    assert last.visibleRegion().isEmpty()
    session.choose(11)
    assert not last.visibleRegion().isEmpty()
    assert strip.width() == 600
