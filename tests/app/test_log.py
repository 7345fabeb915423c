"""What nobody caught: logged, and said once."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer

from app import log as logs
from tests.app.conftest import Tell
from tests.support.program import Desk
from tests.support.waiting import Play, until
from widgets.canvas.scene import Scene
from widgets.shell.notices import Notices


@pytest.fixture(autouse=True)
def hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `watch` puts in place goes with the test."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


def fails() -> None:
    raise ValueError("wrong")


def told_by(play: Play, act: str) -> list[tuple[str, str]]:
    """What is said after something went wrong five times."""
    said: list[tuple[str, str]] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        logs.watch(loop, lambda message, advice: said.append((message, advice)))
        for _ in range(5):
            match act:
                case "slot":
                    QTimer.singleShot(0, fails)
                case "callback":
                    loop.call_soon(fails)
                case "hook":
                    try:
                        fails()
                    except ValueError as error:
                        before = len(said)
                        sys.excepthook(type(error), error, error.__traceback__)
                        assert len(said) == before  # never in the middle of something
            await asyncio.sleep(0.02)

    play(story())
    return said


@pytest.mark.parametrize("act", ["slot", "callback", "hook"])
def test_said_once_for_a_place(play: Play, act: str, caplog: pytest.LogCaptureFixture) -> None:
    assert told_by(play, act) == [(logs.MESSAGE, logs.ADVICE)]
    records = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert [record.exc_info is not None for record in records] == [True, True, True, False]
    assert "ValueError at" in records[-1].getMessage()


@pytest.mark.logs
def test_other_threads_are_heard(play: Play) -> None:
    said: list[str] = []

    def work() -> None:
        try:
            fails()
        except ValueError as error:
            sys.excepthook(type(error), error, error.__traceback__)

    async def story() -> None:
        logs.watch(asyncio.get_running_loop(), lambda message, advice: said.append(threading.current_thread().name))
        await asyncio.to_thread(work)
        await asyncio.sleep(0.02)

    play(story())
    assert said == [threading.current_thread().name]


def test_nobody_is_told_after_the_end(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    uncaught = logs.Uncaught(loop, lambda message, advice: None)
    loop.close()
    uncaught(ValueError, ValueError("late"), None)
    assert "Nobody caught this" in caplog.text


@pytest.mark.logs
def test_a_picture_that_cannot_be_painted_is_said_once_and_work_goes_on(
    tell: Tell, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(desk: Desk) -> None:
        loop = asyncio.get_running_loop()
        logs.watch(loop, partial(desk.window.notice, error=True))
        session = await desk.open(photo)
        with monkeypatch.context() as broken:
            broken.setattr(Scene, "draw_over", lambda *_: 1 // 0)
            for _ in range(4):
                desk.canvas.repaint()
            await until(lambda: shown(desk) == [logs.MESSAGE])
        for notices in desk.window.findChildren(Notices):
            notices.clear_past()
        session.set_options(tool="strength")
        await desk.drag([(100, 100), (150, 120)])
        assert len(session.history.entries) == 2
        assert shown(desk) == []

    tell(story)


def shown(desk: Desk) -> list[str]:
    return [message for notices in desk.window.findChildren(Notices) for message in notices.messages]
