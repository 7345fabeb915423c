"""What is being painted is never lost: not by another tab, a dialog, or the document's end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.conftest import Tell
from tests.support.program import Desk, by_hand
from tests.support.waiting import until


async def stroke_under_way(desk: Desk) -> None:
    """The brush is down and has painted."""
    desk.session.set_options(tool="strength")
    desk.window.activateWindow()
    desk.canvas.setFocus()
    await until(desk.canvas.hasFocus)
    await desk.press(200, 150)
    await desk.move(260, 180)
    assert desk.session.in_gesture


@pytest.mark.parametrize("how", ["tab", "dialog", "palette"])
def test_a_stroke_is_finished_when_something_comes_between(tell: Tell, photo: Path, how: str) -> None:
    async def story(desk: Desk) -> None:
        other = photo.with_name("other.jpg")
        other.write_bytes(photo.read_bytes())
        await desk.open(other)
        session = await desk.open(photo)
        await stroke_under_way(desk)
        match how:
            case "tab":
                await by_hand(lambda: desk.window.next_document(1))
            case "dialog":
                await by_hand(desk.window.show_preferences)
            case "palette":
                await by_hand(desk.window.show_palette)
        await until(lambda: not session.in_gesture)
        assert len(session.history.entries) == 2
        assert not session.document.strength.blank

    tell(story)


def test_closing_in_the_middle_of_a_stroke_asks_about_it(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        await stroke_under_way(desk)
        desk.application.close_document(session)
        await desk.answer("Cancel")
        assert desk.application.sessions == [session]
        assert not session.document.strength.blank

    tell(story)
