"""The sign that something goes on behind the window: not for what is quick, and gone when it is over."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from widgets.shell.busy import BusySign, Waits


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def sign(waits: Waits, qtbot: QtBot) -> BusySign:
    made = BusySign()
    qtbot.addWidget(made)
    waits.changed.connect(made.show_words)
    return made


def test_it_comes_within_a_third_of_a_second_and_goes_at_once(waits: Waits, sign: BusySign, qtbot: QtBot) -> None:
    with waits.on("Opening boat.png"):
        assert not sign.isVisible()
        qtbot.waitUntil(sign.isVisible, timeout=300 + 700)  # the machine may be busy as well
        assert sign.words == sign.accessibleName() == "Opening boat.png"
    assert not sign.isVisible()


def test_what_is_quick_is_not_said(waits: Waits, sign: BusySign, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    monkeypatch.setattr("widgets.shell.busy.DELAY", 0)
    said: list[str] = []
    waits.changed.connect(said.append)
    with waits.on("Opening boat.png"):
        pass
    qtbot.wait(20)
    assert said == []


def test_of_several_the_one_that_began_last_is_said_until_it_ends(
    waits: Waits, sign: BusySign, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    monkeypatch.setattr("widgets.shell.busy.DELAY", 0)
    with waits.on("Saving a.palimpsest"):
        qtbot.waitUntil(lambda: sign.words == "Saving a.palimpsest")
        with waits.on("Opening boat.png"):
            qtbot.waitUntil(lambda: sign.words == "Opening boat.png")
        assert sign.words == "Saving a.palimpsest"
        assert sign.isVisible()
    assert not sign.isVisible()


def test_it_ends_when_what_went_on_fails(waits: Waits, sign: BusySign, qtbot: QtBot) -> None:
    def save() -> None:
        with waits.on("Saving"):
            qtbot.waitUntil(sign.isVisible)
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        save()
    assert not sign.isVisible()
