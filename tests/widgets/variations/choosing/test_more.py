"""More candidates of an edit that join what is there, and seeds that can be used again."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu

from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.reports import ResultReady
from tests.support.choosing_driver import button, give, job, make, move, point, red, seeds, seen
from tests.support.session_cases import picture, with_exemplars
from tests.support.stub_worker import StubWorker
from widgets.session.notice import Notice
from widgets.session.session import Session
from widgets.shell.workbench import Workbench
from widgets.variations.strip import Variations

LEFT = Qt.MouseButton.LeftButton
Key = Qt.Key


class TestMore:
    def test_they_join_what_is_there_in_one_order(self, strip: Variations, bench: Workbench, session: Session) -> None:
        make(session, seed1=0.3, seed2=0.1, seed3=0.2)
        session.set_draft(prompt="something else")
        QTest.mouseClick(button(strip, "More variations"), LEFT)
        assert (seeds(session), strip.pending.count) == ([1, 3, 2], 3)
        assert seen(bench) == 1
        give(session, seed4=0.25, seed5=0.5)
        session.job_finished()
        move(bench.canvas, QPoint(20, 20))
        assert seeds(session) == [5, 1, 4, 3, 2]
        assert seen(bench) == 5

    def test_it_is_the_same_edit_with_the_seeds_that_follow(
        self, strip: Variations, session: Session, worker: StubWorker
    ) -> None:
        make(session, seed1=0.3, seed2=0.1, seed3=0.2)
        session.set_draft(prompt="something else", seed=None, variations=1)
        session.commit("Clear", session.document.with_strength(session.document.empty_map()))
        QTest.mouseClick(button(strip, "More variations"), LEFT)
        first, more = worker.asked
        assert (more.planned, more.document, more.wanted, more.edit) == (
            first.planned,
            first.document,
            first.wanted,
            first.edit,
        )
        assert more.draft == replace(first.draft, seed=4)

    def test_without_a_fixed_seed_they_get_a_new_one(
        self, strip: Variations, session: Session, worker: StubWorker
    ) -> None:
        session.set_draft(seed=None)
        make(session, seed1=0.3, seed2=0.1)
        session.more()
        assert worker.asked[1].draft.seed is None

    def test_seeds_come_round_at_the_end(self, session: Session, worker: StubWorker) -> None:
        session.set_draft(seed=2**63 - 1)
        session.run()
        session.report(ResultReady(replace(red(1), recipe=replace(red(1).recipe, seed=2**63 - 1))))
        session.report(ResultReady(replace(red(1), recipe=replace(red(1).recipe, seed=0))))
        session.job_finished()
        session.more()
        assert worker.asked[1].draft.seed == 1

    def test_stop_keeps_what_is_finished(self, strip: Variations, session: Session, worker: StubWorker) -> None:
        make(session, seed1=0.3, seed2=0.1)
        session.more()
        give(session, seed3=0.2)
        QTest.mouseClick(button(strip, "Stop"), LEFT)
        assert worker.stopped == 1
        session.job_cancelled()
        assert (seeds(session), job(session).state) == ([1, 3, 2], "ready")
        QTest.mouseClick(button(strip, "More variations"), LEFT)
        assert worker.asked[2].draft.seed == 4

    def test_all_of_them_are_alternatives_of_each_other(
        self, strip: Variations, session: Session, worker: StubWorker
    ) -> None:
        make(session, seed1=0.3, seed2=0.1)
        session.more()
        give(session, seed3=0.4)
        session.choose(1)
        QTest.mouseClick(button(strip, "Accept"), LEFT)
        assert (session.job, worker.stopped) == (None, 1)
        recipe = session.document.layers[-1].recipe
        assert recipe is not None
        assert recipe.seed == 1

    def test_they_stand_with_their_own_edit(self, session: Session) -> None:
        session.run()
        elsewhere = session.document.with_strength(session.document.empty_map())
        session.queue()
        give(session, seed1=0.3)
        session.job_finished()
        make(session, seed8=0.9)
        session.commit("Other", elsewhere)
        session.choose(0)
        session.more()
        give(session, seed2=0.2, seed3=0.4)
        assert seeds(session) == [3, 1, 2, 8]
        assert job(session).candidates.results[job(session).candidates.chosen].recipe.seed == 1

    def test_there_are_none_where_every_seed_gives_the_same(self, strip: Variations, session: Session) -> None:
        session.choose_method(QuickFillSettings)
        session.commit("Add", with_exemplars(picture(), "cat"))
        make(session, seed1=None)
        assert session.plan.action == "blend"
        assert button(strip, "More variations").isHidden()


class TestSeeds:
    def test_a_seed_can_be_used_again_from_the_cards_menu(
        self, strip: Variations, session: Session, worker: StubWorker
    ) -> None:
        notices: list[Notice] = []
        session.noticed.connect(notices.append)
        make(session, seed1=0.1, seed2=0.3, seed3=0.2)
        card = strip.cards[1]
        point(strip, 1)
        place = card.rect().center()
        event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, card.mapToGlobal(place))
        QApplication.sendEvent(card, event)
        menu = strip.findChild(QMenu)
        assert isinstance(menu, QMenu)
        assert [entry.text() for entry in menu.actions()] == ["Use this seed"]
        QTest.mouseClick(menu, LEFT, pos=menu.actionGeometry(menu.actions()[0]).center())
        assert (session.draft.seed, session.draft.variations) == (3, 1)
        assert notices == [Notice("The next run uses the seed 3 and makes one picture.")]
        session.run()
        assert (worker.asked[1].draft.seed, worker.asked[1].wanted) == (3, 1)

    def test_the_tool_tip_says_it(self, strip: Variations, session: Session) -> None:
        make(session, seed1=None)
        assert strip.cards[0].toolTip().splitlines()[-1].startswith("Seed 1 ·")
