"""Garbage is collected in the GUI thread, and nowhere else."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from app import collector as module
from app.collector import Collector, collect_due


class Ring(QObject):
    """A Qt object in a cycle, which only the cyclic collector can free; it notes which thread did."""

    def __init__(self, freed_in: list[int]) -> None:
        super().__init__()
        self.itself = self
        weakref.finalize(self, lambda: freed_in.append(threading.get_ident()))


def allocate() -> None:
    """More than enough new objects to set off automatic collection of the youngest generation."""
    kept: list[list[int]] = [[] for _ in range(20_000)]
    assert kept


@pytest.fixture
def automatic() -> Iterator[None]:
    """Automatic collection on, as in a program that has just started."""
    gc.collect()
    gc.enable()
    yield
    gc.disable()


def test_a_worker_does_not_free_what_is_qts(qtbot: QtBot, automatic: None) -> None:
    collector = Collector()
    try:
        freed_in: list[int] = []
        Ring(freed_in)
        worker = threading.Thread(target=allocate)
        worker.start()
        worker.join()
        assert freed_in == []
        kept: list[list[int]] = [[] for _ in range(20_000)]
        qtbot.waitUntil(lambda: bool(freed_in), timeout=5000)  # the timer does it
        assert kept
        assert freed_in == [threading.get_ident()]
    finally:
        collector.close()


def test_closing_leaves_collecting_as_it_was_found(qtbot: QtBot, automatic: None) -> None:
    collector = Collector()
    assert not gc.isenabled()
    freed_in: list[int] = []
    Ring(freed_in)
    collector.close()
    assert gc.isenabled()
    assert freed_in == [threading.get_ident()]


def test_only_what_is_due_is_collected() -> None:
    gc.collect()
    freed_in: list[int] = []
    Ring(freed_in)
    collect_due()
    assert freed_in == []
    allocate()
    kept: list[list[int]] = [[] for _ in range(20_000)]
    collect_due()
    assert len(freed_in) == 1
    assert kept


def test_what_survived_a_look_at_everything_is_put_aside_and_freed_all_the_same(
    qtbot: QtBot, automatic: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INTERVAL", 10)
    monkeypatch.setattr(module, "REVIEW", 10**6)
    collector = Collector()
    try:
        freed_in: list[int] = []
        ring = Ring(freed_in)
        collector.collect_all_soon()
        qtbot.waitUntil(lambda: gc.get_freeze_count() > 0)
        del ring  # nobody holds it any more, but it is aside
        qtbot.wait(50)
        assert freed_in == []
        collector.collect_all_soon()
        qtbot.waitUntil(lambda: bool(freed_in))
        assert freed_in == [threading.get_ident()]
    finally:
        collector.close()
    assert gc.get_freeze_count() == 0


def test_what_is_aside_is_looked_through_again_while_the_pointer_rests(
    qtbot: QtBot, automatic: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INTERVAL", 10)
    monkeypatch.setattr(module, "REVIEW", 8)
    collector = Collector()
    try:
        freed_in: list[int] = []
        ring = Ring(freed_in)
        collector.collect_all_soon()
        qtbot.waitUntil(lambda: gc.get_freeze_count() > 0)
        del ring
        qtbot.waitUntil(lambda: bool(freed_in))
    finally:
        collector.close()
