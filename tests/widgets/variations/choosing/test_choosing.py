"""Choosing among the candidates of an edit: best first, looked at in place, with the pointer and with keys."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, QPoint, QRect, Qt
from PySide6.QtGui import QFontMetrics, QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPlainTextEdit, QToolTip

from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.reports import Scored
from editor.requests.results import Match
from tests.support.choosing_driver import (
    REDS,
    button,
    captions,
    give,
    job,
    make,
    move,
    point,
    seeds,
    seen,
    wheel,
)
from tests.support.session_cases import result, with_exemplars
from widgets.session.session import Session
from widgets.shell.workbench import Workbench
from widgets.variations.cards import CAPTION, CAPTION_PIXELS, CARD, GAP
from widgets.variations.match_words import fit_tip, fit_words
from widgets.variations.strip import Variations, sentence

LEFT = Qt.MouseButton.LeftButton
Key = Qt.Key


class TestPointing:
    def test_the_canvas_shows_what_the_pointer_is_over_and_then_the_chosen_one_again(
        self, strip: Variations, bench: Workbench, session: Session
    ) -> None:
        make(session, seed1=0.3, seed2=0.2, seed3=0.1)
        assert seen(bench) == 1
        point(strip, 2)
        assert seen(bench) == 3
        assert [card.isChecked() for card in strip.cards] == [True, False, False]
        point(strip, 1)
        assert seen(bench) == 2
        move(bench.canvas, QPoint(20, 20))
        assert seen(bench) == 1
        assert (job(session).candidates.chosen, job(session).candidates.touched) == (0, False)

    def test_between_two_cards_nothing_flickers_and_beside_them_the_chosen_one_is_shown(
        self, strip: Variations, session: Session
    ) -> None:
        make(session, seed1=0.3, seed2=0.2)
        point(strip, 1)
        gap = strip.cards[1].geometry().left() - GAP // 2
        row = strip.cards[0].parentWidget()
        assert row is not None
        move(row, QPoint(gap, 40))
        assert job(session).candidates.place == 1
        move(button(strip, "Accept"), QPoint(10, 10))
        assert job(session).candidates.place == 0

    def test_a_click_chooses_what_is_shown(self, strip: Variations, bench: Workbench, session: Session) -> None:
        make(session, seed1=0.3, seed2=0.2)
        point(strip, 1)
        QTest.mouseClick(strip.cards[1], LEFT)
        move(bench.canvas, QPoint(20, 20))
        assert (job(session).candidates.place, job(session).candidates.touched, seen(bench)) == (1, True, 2)
        QTest.mouseClick(strip.cards[1], LEFT)
        assert strip.cards[1].isChecked()

    def test_what_is_shown_is_what_is_kept(self, strip: Variations, session: Session) -> None:
        make(session, seed1=0.3, seed2=0.2)
        point(strip, 1)
        session.accept()
        recipe = session.document.layers[-1].recipe
        assert recipe is not None
        assert recipe.seed == 2
        assert session.job is None

    def test_where_something_is_still_made_the_chosen_one_is_shown(self, strip: Variations, session: Session) -> None:
        session.run()
        give(session, seed1=0.3, seed2=0.2)
        point(strip, 1)
        move(strip.pending, QPoint(20, 20))
        assert job(session).candidates.place == 0

    def test_pointing_does_not_scroll(self, strip: Variations, bench: Workbench, session: Session) -> None:
        bench.resize(800, 560)
        session.set_draft(variations=8)
        make(session, **{f"seed{at}": 1 - at / 10 for at in range(1, 9)})
        wheel(bench, strip.cards[0], -600)
        last = strip.cards[-1]
        assert not last.visibleRegion().isEmpty()
        point(strip, 7)
        assert seen(bench) == 8
        assert not last.visibleRegion().isEmpty()


class TestKeys:
    def test_arrows_go_through_them_from_the_canvas_and_come_round(
        self, strip: Variations, bench: Workbench, session: Session
    ) -> None:
        make(session, seed1=0.3, seed2=0.2, seed3=0.1)
        for key, seed in ((Key.Key_Right, 2), (Key.Key_Right, 3), (Key.Key_Right, 1), (Key.Key_Left, 3)):
            QTest.keyClick(bench.canvas, key)
            assert seen(bench) == seed
        assert bench.canvas.hasFocus()

    def test_they_go_on_from_what_the_pointer_shows(
        self, strip: Variations, bench: Workbench, session: Session
    ) -> None:
        make(session, seed1=0.3, seed2=0.2, seed3=0.1)
        point(strip, 1)
        QTest.keyClick(bench.canvas, Key.Key_Right)
        assert (job(session).candidates.chosen, seen(bench)) == (2, 3)

    def test_without_candidates_they_move_what_is_active(self, bench: Workbench, session: Session) -> None:
        session.commit("Add", with_exemplars(session.document, "cat"))
        session.activate(exemplar=session.document.exemplars[0].id)
        session.set_options(tool="move")
        before = session.document.exemplars[0].placement
        QTest.keyClick(bench.canvas, Key.Key_Right)
        assert session.document.exemplars[0].placement.x == before.x + 1
        session.run()
        give(session, seed1=0.3, seed2=0.2)
        QTest.keyClick(bench.canvas, Key.Key_Right)
        assert session.document.exemplars[0].placement.x == before.x + 1
        assert job(session).candidates.chosen == 1

    def test_with_another_key_held_they_are_not_meant(self, bench: Workbench, session: Session) -> None:
        make(session, seed1=0.3, seed2=0.2)
        QTest.keyClick(bench.canvas, Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
        assert job(session).candidates.chosen == 0

    def test_a_text_field_keeps_its_arrows(self, bench: Workbench, session: Session) -> None:
        make(session, seed1=0.3, seed2=0.2)
        prompt = bench.edit.findChild(QPlainTextEdit)
        assert isinstance(prompt, QPlainTextEdit)
        prompt.setFocus()
        QTest.keyClick(prompt, Key.Key_Right)
        assert (job(session).candidates.chosen, prompt.textCursor().position()) == (0, 1)

    def test_whoever_ran_it_from_the_words_chooses_with_keys_at_once(
        self, strip: Variations, bench: Workbench, session: Session
    ) -> None:
        field = bench.edit.findChild(QPlainTextEdit)
        assert isinstance(field, QPlainTextEdit)
        for first in (field, bench.edit.button):
            first.setFocus()
            assert first.hasFocus()
            make(session, seed1=0.3, seed2=0.2)
            assert bench.canvas.hasFocus()
            QTest.keyClick(bench.canvas, Key.Key_Right)
            assert seen(bench) == 2
            session.discard()

    def test_words_written_while_it_runs_keep_the_keyboard(
        self, strip: Variations, bench: Workbench, session: Session
    ) -> None:
        field = bench.edit.findChild(QPlainTextEdit)
        assert isinstance(field, QPlainTextEdit)
        session.run()
        field.setFocus()
        give(session, seed1=0.3)
        session.queue()
        session.job_finished()
        assert field.hasFocus()

    def test_the_keyboard_on_a_card_shows_it_and_arrows_take_it_along(
        self, strip: Variations, bench: Workbench, session: Session
    ) -> None:
        make(session, seed1=0.3, seed2=0.2, seed3=0.1)
        strip.cards[0].setFocus()
        QTest.keyClick(strip.cards[0], Key.Key_Tab)
        assert strip.cards[1].hasFocus()
        assert (job(session).candidates.chosen, seen(bench)) == (0, 2)
        QTest.keyClick(strip.cards[1], Key.Key_Space)
        assert job(session).candidates.chosen == 1
        QTest.keyClick(strip.cards[1], Key.Key_Right)
        assert strip.cards[2].hasFocus()
        assert (job(session).candidates.chosen, seen(bench)) == (2, 3)
        QTest.keyClick(strip.cards[2], Key.Key_Tab, Qt.KeyboardModifier.ShiftModifier)
        assert seen(bench) == 2
        QTest.keyClick(strip.cards[1], Key.Key_Tab)
        QTest.keyClick(strip.cards[2], Key.Key_Tab)
        assert button(strip, "More variations").hasFocus()
        assert seen(bench) == 3
        strip.cards[0].setFocus()
        bench.canvas.setFocus()
        assert seen(bench) == 3

    def test_when_the_strip_goes_the_keyboard_is_on_the_canvas(
        self, strip: Variations, bench: Workbench, session: Session
    ) -> None:
        make(session, seed1=0.3, seed2=0.2)
        strip.cards[1].setFocus()
        session.accept()
        assert strip.isHidden()
        assert bench.canvas.hasFocus()


class TestOrder:
    def test_each_says_in_words_how_well_it_fits_and_the_best_comes_first(
        self, strip: Variations, bench: Workbench, session: Session
    ) -> None:
        make(session, seed1=0.05, seed2=0.4, seed3=0.2)
        assert captions(strip) == ["Closer", "Bit closer", "No closer"]
        assert [card.face.best for card in strip.cards] == [True, False, False]
        assert strip.cards[0].accessibleName() == "Variation 1, best, closer"
        assert strip.cards[0].toolTip() == (
            "Variation 1 · Closer (0.40)\nMuch closer to your words than the picture was\nStrength 100\u202f%\nSeed 2 · right-click to use it again"
        )
        assert sentence(job(session)) == "Closest to your words first.\nEnter keeps the one shown."
        assert seen(bench) == 2

    def test_the_words_lie_below_the_picture(self, strip: Variations, session: Session) -> None:
        make(session, seed5=0.4, seed4=0.2)
        image = strip.cards[0].grab().toImage()
        assert image.height() == CARD + CAPTION
        for y in (20, CARD // 2, CARD - 6):  # as far as the picture goes there is nothing but picture
            assert image.pixelColor(8, y) != image.pixelColor(8, CARD + 4)
        assert image.pixelColor(CARD // 2, CARD // 2).red() == pytest.approx(REDS[5], abs=3)

    def test_nothing_moves_under_the_pointer_until_it_leaves(
        self, strip: Variations, bench: Workbench, session: Session
    ) -> None:
        session.run()
        give(session, seed1=None, seed2=None)
        point(strip, 0)
        session.report(Scored(2, Match(0.4, 4)))
        assert (seeds(session), captions(strip), seen(bench)) == ([1, 2], ["Variation 1", "Closer"], 1)
        give(session, seed3=0.5)
        assert seeds(session) == [1, 2, 3]
        move(button(strip, "Accept"), QPoint(10, 10))
        assert (seeds(session), job(session).candidates.chosen) == ([1, 2, 3], 0)
        assert [card.face.best for card in strip.cards] == [False, False, True]
        session.job_finished()
        assert sentence(job(session)) == "Enter keeps the one shown."
        move(bench.canvas, QPoint(20, 20))
        assert (seeds(session), job(session).candidates.chosen, seen(bench)) == ([3, 2, 1], 0, 3)

    def test_a_strip_that_comes_up_beside_the_pointer_is_not_held(
        self, strip: Variations, bench: Workbench, session: Session
    ) -> None:
        move(bench.canvas, bench.canvas.rect().center())
        session.run()
        give(session, seed1=None, seed2=None)
        session.report(Scored(2, Match(0.4, 4)))
        assert not job(session).candidates.held
        assert seeds(session) == [2, 1]

    def test_nothing_moves_under_the_keyboard_either(
        self, strip: Variations, bench: Workbench, session: Session
    ) -> None:
        session.run()
        give(session, seed1=None, seed2=None)
        strip.cards[0].setFocus()
        session.report(Scored(2, Match(0.4, 4)))
        assert seeds(session) == [1, 2]
        bench.canvas.setFocus()
        assert (seeds(session), seen(bench)) == ([2, 1], 2)

    def test_what_was_chosen_stays_chosen_when_the_order_changes(
        self, strip: Variations, bench: Workbench, session: Session
    ) -> None:
        session.run()
        give(session, seed1=None, seed2=None)
        QTest.mouseClick(strip.cards[0], LEFT)
        session.report(Scored(2, Match(0.4, 4)))
        move(bench.canvas, QPoint(20, 20))
        assert (seeds(session), seen(bench)) == ([2, 1], 1)
        assert [card.isChecked() for card in strip.cards] == [False, True]

    def test_without_a_judge_they_are_unranked_and_everything_works(
        self, strip: Variations, bench: Workbench, session: Session
    ) -> None:
        session.run()
        give(session, seed1=None, seed2=None)
        assert captions(strip) == ["Variation 1", "Variation 2"]  # it may still be told
        session.job_finished()
        assert captions(strip) == ["Variation 1", "Variation 2"]
        assert "no model here does that" in strip.cards[0].toolTip()
        assert sentence(job(session)) == "Enter keeps the one shown."
        QTest.mouseClick(strip.cards[1], LEFT)
        QTest.mouseClick(button(strip, "Accept"), LEFT)
        assert seen(bench) == 2

    def test_methods_that_do_not_rank_say_what_tells_them_apart(self, strip: Variations, session: Session) -> None:
        session.choose_method(QuickFillSettings)
        make(session, seed1=None, seed2=None)
        assert captions(strip) == ["Variation 1", "Variation 2"]
        assert "Strength 100\u202f%" in strip.cards[0].toolTip()

    def test_what_fits_alike_is_told_apart_by_the_number(self, strip: Variations, session: Session) -> None:
        make(session, seed1=0.41, seed2=0.45, seed3=0.01, seed4=0.02)
        assert captions(strip) == ["Closer", "Closer 0.41", "Fit 0.02", "Fit 0.01"]
        font = strip.cards[0].font()
        font.setPixelSize(CAPTION_PIXELS)
        assert all(QFontMetrics(font).horizontalAdvance(words) <= CARD - 4 - 8 for words in captions(strip))

    def test_many_are_told_apart_in_words_that_are_seen_whole(self, strip: Variations, session: Session) -> None:
        session.choose_method(QuickFillSettings)
        session.run()
        for seed in range(900000000001, 900000000013):
            session.job_result(result(seed))
        assert captions(strip) == [f"Variation {at}" for at in range(1, 13)]
        font = strip.cards[0].font()
        font.setPixelSize(CAPTION_PIXELS)
        assert QFontMetrics(font).horizontalAdvance("Variation 12") <= CARD - 4 - 8

    def test_clean_ones_come_before_those_that_are_doubted(self, strip: Variations, session: Session) -> None:
        session.choose_method(QuickFillSettings)
        session.run()
        for seed, doubt in ((1, 0.9), (2, 0.1), (3, 0.7), (4, None)):
            session.job_result(result(seed, doubt))
        session.job_finished()
        assert seeds(session) == [2, 4, 1, 3]
        assert [card.face.doubtful for card in strip.cards] == [False, False, True, True]
        assert strip.cards[0].isChecked()

    def test_tips_cover_no_button(self, strip: Variations, bench: Workbench, session: Session) -> None:
        session.run()
        give(session, seed1=None, seed2=None)
        session.job_finished()
        frame = QRect(strip.mapToGlobal(QPoint(0, 0)), strip.size())
        for card in (*strip.cards, button(strip, "Accept"), button(strip, "Discard")):
            at = card.rect().center()
            QApplication.sendEvent(card, QHelpEvent(QEvent.Type.ToolTip, at, card.mapToGlobal(at)))
            tip = next(one for one in QApplication.topLevelWidgets() if one.inherits("QTipLabel") and one.isVisible())
            assert not tip.geometry().intersects(frame)
        QToolTip.hideText()


@pytest.mark.parametrize(
    ("gain", "words"), [(-2, "No closer"), (0.99, "No closer"), (1, "Bit closer"), (2.99, "Bit closer"), (3, "Closer")]
)
def test_words_for_how_well_it_fits(gain: float, words: str) -> None:
    assert fit_words(Match(0.2, gain)) == words
    begins = {"Closer": "Much closer", "Bit closer": "A little closer", "No closer": "Hardly closer"}
    assert fit_tip(Match(0.2, gain)).startswith(begins[words])


def test_what_nobody_compared_says_where_to_see_to_it() -> None:
    assert "see Models" in fit_tip(None)
