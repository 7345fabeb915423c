"""What stories need: a fresh program to tell them on, and a photo of their own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtWidgets import QApplication

import resources
from tests.support.program import Desk, on_a_desk
from tests.support.waiting import Play
from widgets.theme import Theme

if TYPE_CHECKING:
    from tests.support.watched_models import Watched

Tell = Callable[..., None]
Story = Callable[[Desk], Coroutine[Any, Any, None]]


@pytest.fixture
def tell(play: Play, qapp: QApplication, tmp_path: Path) -> Tell:
    """Tell a story on a fresh program, within `patience` seconds; other keyword arguments go to `on_a_desk`."""
    theme = Theme(qapp, "dark")

    def telling(story: Story, patience: float = 60, **more: Any) -> None:
        play(on_a_desk(story, theme, tmp_path, **more), patience)

    return telling


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A copy of a real photo, so that a project beside it can be written."""
    with resources.photo("flower.jpg") as path:
        (tmp_path / "flower.jpg").write_bytes(path.read_bytes())
    return tmp_path / "flower.jpg"


# Models. Nothing of torch is imported before a test asks for one of these.


@pytest.fixture(scope="session")
def tiny_model(tiny_folder: Callable[[str], Path]) -> Path:
    """Stable Diffusion; tests take copies."""
    return tiny_folder("sd")


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's cache of this machine holds nothing."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)


@pytest.fixture
def boats(tiny_model: Path, tmp_path: Path, no_cache: None) -> Path:
    """A model called so, where the program looks for models."""
    return Path(shutil.copytree(tiny_model, tmp_path / "models" / "boats"))


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    """An eye on the networks of every model that is loaded."""
    from tests.support.watched_models import watch

    return watch(monkeypatch)
