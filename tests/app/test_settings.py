"""Preferences survive a restart, and no file can break the start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.settings import LEAST_BUDGET, MOST_RECENT, Preferences, Settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "settings.json"


def test_the_first_start_has_sensible_values(path: Path) -> None:
    assert Settings(path).values == Preferences()
    assert not path.exists()


def test_changes_are_kept_and_told_once(path: Path, qapp: object) -> None:
    kept = Settings(path)
    told: list[int] = []
    kept.changed.connect(lambda: told.append(1))
    kept.set(theme="light", folded=("layers", "history"))
    kept.set(theme="light")
    assert len(told) == 1
    again = Settings(path).values
    assert (again.theme, again.folded) == ("light", ("layers", "history"))
    assert [each.name for each in path.parent.iterdir()] == ["settings.json"]


def test_the_method_and_what_ranks_are_remembered(path: Path, qapp: object) -> None:
    Settings(path).set(method="PixelsSettings", ranker="/m/clip")
    values = Settings(path).values
    assert (values.method, values.ranker) == ("PixelsSettings", "/m/clip")


def test_the_newest_document_comes_first_and_old_ones_go(path: Path) -> None:
    kept = Settings(path)
    for at in range(MOST_RECENT + 3):
        kept.opened(Path(f"/a/{at}.png"))
    kept.opened(Path("/a/9.png"))
    assert kept.values.recent[:2] == ("/a/9.png", f"/a/{MOST_RECENT + 2}.png")
    assert len(kept.values.recent) == len(set(kept.values.recent)) == MOST_RECENT
    kept.forget(Path("/a/9.png"))
    assert "/a/9.png" not in kept.values.recent


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00", '{"theme": 3, "undo_budget": "much"}'])
def test_a_broken_file_costs_the_preferences_and_nothing_else(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    assert Settings(path).values == Preferences()


def test_what_makes_sense_in_a_strange_file_is_used(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({"theme": "dark", "undo_budget": 5, "recent": ["/a.png", 7], "from_the_future": {}}))
    values = Settings(path).values
    assert (values.theme, values.undo_budget, values.recent) == ("dark", LEAST_BUDGET, ("/a.png",))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["theme", "undo_budget", "geometry", "folded", "recent", "models", "hub", "model", "else"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, JSON))
def test_any_json_can_be_read(tmp_path: Path, found: dict[str, Any]) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(found))
    values = Settings(path).values
    assert values.theme in ("system", "dark", "light")
    assert values.undo_budget >= LEAST_BUDGET
    assert all(
        isinstance(each, str) for each in (*values.folded, *values.recent, *values.models, values.hub, values.model)
    )


def test_a_place_that_cannot_be_written_is_no_disaster(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    kept = Settings(blocked / "settings.json")
    kept.set(theme="dark")
    assert kept.values.theme == "dark"
    assert "not saved" in caplog.text
