"""What takes longer than a moment is said in the line on top: opening, saving, looking for an outline."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from app import documents
from editor.geometry import Rect
from editor.requests.edit_request import SegmentRequest
from tests.app.conftest import Tell
from tests.support.program import Desk
from tests.support.waiting import until
from widgets.shell.busy import BusySign


def sign(desk: Desk) -> BusySign:
    found = desk.window.findChild(BusySign)
    assert isinstance(found, BusySign)
    return found


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Reading and writing documents waits for this."""
    event = threading.Event()
    for name in ("read_document", "save_project"):
        real = getattr(documents, name)

        def slow(*args: Any, real: Any = real) -> Any:
            event.wait(20)
            return real(*args)

        monkeypatch.setattr(documents, name, slow)
    return event


def test_opening_and_saving_are_said(tell: Tell, photo: Path, tmp_path: Path, held: threading.Event) -> None:
    async def story(desk: Desk) -> None:
        desk.application.open_paths([photo])
        await until(lambda: sign(desk).isVisible())
        assert sign(desk).words == "Opening flower.jpg"
        held.set()
        await until(lambda: desk.application.sessions)
        await until(lambda: not sign(desk).isVisible())
        held.clear()
        desk.session.path = tmp_path / "flower.palimpsest"
        desk.application.save(desk.session)
        await until(lambda: sign(desk).isVisible() and sign(desk).words == "Saving flower.palimpsest")
        held.set()
        await until(lambda: not sign(desk).isVisible())

    tell(story)


def test_looking_for_an_outline_is_said(tell: Tell, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("widgets.shell.busy.DELAY", 0)

    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        rect = Rect(0, 0, 300, 200)
        words: list[str] = []
        desk.application.waits.changed.connect(words.append)
        found: list[object] = []
        pixels = session.document.layers[0].pixels.read(rect)[..., :3].copy()
        session.segment(SegmentRequest(pixels, rect, box=Rect(60, 40, 240, 160)), found.append)
        await until(lambda: found)
        await until(lambda: words[-1:] == [""])
        assert "Looking for the outline" in words

    tell(story)
