"""What a test leaves behind is seen, and what it only used is not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject, QThread, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from tests.support import leaks
from tests.support.leaks import Surroundings, weights


@pytest.fixture
def before(qapp: QApplication) -> Iterator[Surroundings]:
    before = Surroundings()
    before.listen()
    yield before
    logging.getLogger().removeHandler(before.listener)


def test_nothing_is_left_by_nothing(before: Surroundings) -> None:
    assert before.left(logs=False) == []


def test_a_thread_that_goes_on_is_left(before: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "PATIENCE", 0.05)
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait, name="stubborn")
    thread.start()
    try:
        assert before.left(logs=False) == ["thread stubborn"]
    finally:
        gate.set()
        thread.join()


def test_one_that_ends_soon_is_not(before: Surroundings) -> None:
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait)
    thread.start()
    threading.Timer(0.05, gate.set).start()
    assert before.left(logs=False) == []


def test_a_timer_that_runs_is_left_and_one_that_stands_is_not(before: Surroundings) -> None:
    owner = QObject()
    timer = QTimer(owner)
    assert before.left(logs=False) == []
    timer.start(1000)
    assert before.left(logs=False) == ["timer of QObject"]
    timer.stop()


@pytest.mark.parametrize(("milliseconds", "left"), [(100, []), (60_000, ["timer of nobody"])])
def test_a_timer_that_fires_once_and_soon_is_not_left(before: Surroundings, milliseconds: int, left: list[str]) -> None:
    timer = QTimer()
    timer.setSingleShot(True)
    timer.start(milliseconds)
    assert before.left(logs=False) == left
    timer.stop()


def test_a_thread_of_qt_that_runs_is_left(before: Surroundings) -> None:
    thread = QThread()
    thread.setObjectName("worker")
    thread.start()
    try:
        assert before.left(logs=False) == ["Qt thread “worker”"]
    finally:
        thread.quit()
        thread.wait()


def test_a_window_is_left_unless_it_is_about_to_go(before: Surroundings) -> None:
    window = QWidget()
    window.setWindowTitle("Forgotten")
    assert before.left(logs=False) == ["window QWidget “Forgotten”"]
    window.deleteLater()
    assert before.left(logs=False) == []


def test_what_nobody_holds_any_more_is_not_left(before: Surroundings) -> None:
    window = QWidget()
    ring = [window]
    ring.append(ring)  # type: ignore[arg-type]
    del window, ring
    assert before.left(logs=False) == []


@pytest.mark.logs
def test_warnings_of_ours_are_left_unless_they_are_expected(before: Surroundings) -> None:
    logging.getLogger("editor.engine").warning("lost %d", 3)
    logging.getLogger("editor.engine").info("no matter")
    logging.getLogger("elsewhere").warning("not ours")
    assert before.left(logs=True) == []
    assert before.left(logs=False) == ["log line editor.engine: lost 3"]


def test_weights_gradients_and_hooks_of_a_network_are_looked_at() -> None:
    import torch

    network = torch.nn.Linear(2, 2)
    was = weights(network)
    assert weights(network) == was
    with torch.no_grad():
        network.weight[0, 0] += 1
    changed = weights(network)
    assert changed != was
    network.weight.requires_grad_(False)
    assert weights(network) != changed
    handle = network.register_forward_hook(lambda *given: None)
    hooked = weights(network)
    handle.remove()
    assert weights(network) != hooked
