"""What stories need: a fresh program to tell them on, and a photo of their own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication

import resources
from tests.app.desk import Desk, on_a_desk
from tests.conftest import Play
from widgets.theme import Theme

Tell = Callable[..., None]
Story = Callable[[Desk], Coroutine[Any, Any, None]]


@pytest.fixture
def tell(play: Play, qapp: QApplication, tmp_path: Path) -> Tell:
    """Tell a story on a fresh program; other keyword arguments go to `on_a_desk`."""
    theme = Theme(qapp, "dark")

    def telling(story: Story, **more: Any) -> None:
        play(on_a_desk(story, theme, tmp_path, **more))

    return telling


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A copy of a real photo, so that a project beside it can be written."""
    with resources.photo("flower.jpg") as path:
        (tmp_path / "flower.jpg").write_bytes(path.read_bytes())
    return tmp_path / "flower.jpg"
