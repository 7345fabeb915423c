"""Preferences survive a restart, and no file can break the start."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.settings import MAX_BUDGET, MAX_RECENT, MIN_BUDGET, Preferences, Settings


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


def test_that_the_live_frame_grows_is_remembered_until_revoked(path: Path, qapp: object) -> None:
    Settings(path).set(live_grows=True)
    assert Settings(path).values.live_grows
    Settings(path).set(live_grows=False)
    assert not Settings(path).values.live_grows


def test_the_newest_document_comes_first_and_old_ones_go(path: Path) -> None:
    kept = Settings(path)
    for at in range(MAX_RECENT + 3):
        kept.opened(Path(f"/a/{at}.png"))
    kept.opened(Path("/a/9.png"))
    assert kept.values.recent[:2] == ("/a/9.png", f"/a/{MAX_RECENT + 2}.png")
    assert len(kept.values.recent) == len(set(kept.values.recent)) == MAX_RECENT
    kept.forget(Path("/a/9.png"))
    assert "/a/9.png" not in kept.values.recent


BROKEN = {
    "nothing": b"",
    "half": b"{",
    "a list": b"[]",
    "null": b"null",
    "a zero": b"\x00",
    "not UTF-8": b'{"theme": "d\xe4rk"}',
    "nested deeply": b'{"theme": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nested deeply in objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a number of many digits": b'{"undo_budget": ' + b"9" * 5000 + b"}",
    "large": b" " * 2_000_000 + b"{}",
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.logs
def test_a_broken_file_costs_the_preferences_and_is_kept(path: Path, kind: str, qapp: object) -> None:
    path.parent.mkdir()
    path.write_bytes(BROKEN[kind])
    kept = Settings(path)
    assert kept.values == Preferences()
    assert kept.trouble is not None
    assert "“settings.json.broken”" in kept.trouble[1]
    kept.set(theme="light")
    assert (path.parent / "settings.json.broken").read_bytes() == BROKEN[kind]
    again = Settings(path)
    assert (again.values.theme, again.trouble) == ("light", None)
    path.write_bytes(b"broken again")
    Settings(path)
    assert (path.parent / "settings.json.broken").read_bytes() == BROKEN[kind]
    assert (path.parent / "settings.json.broken2").read_bytes() == b"broken again"


@pytest.mark.skipif(sys.platform == "win32", reason="makes a pipe")
@pytest.mark.parametrize("kind", ["folder", "pipe"])
@pytest.mark.logs
def test_what_is_no_file_is_set_aside_too(path: Path, kind: str, qapp: object) -> None:
    path.parent.mkdir()
    if kind == "folder":
        (path / "inside").mkdir(parents=True)
    else:
        os.mkfifo(path)
    kept = Settings(path)
    kept.set(theme="dark")
    assert Settings(path).values.theme == "dark"
    assert (path.parent / "settings.json.broken").exists()


@pytest.mark.logs
def test_what_cannot_be_set_aside_is_not_overwritten(path: Path, monkeypatch: pytest.MonkeyPatch, qapp: object) -> None:
    path.parent.mkdir()
    path.write_bytes(b"broken")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(Path, "rename", refuse)
    kept = Settings(path)
    assert kept.trouble is not None
    assert "stays where it is" in kept.trouble[1]
    kept.set(theme="dark")
    assert kept.values.theme == "dark"
    assert path.read_bytes() == b"broken"


def test_values_that_make_no_sense_are_as_at_the_first_start(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(
        '{"theme": 3, "undo_budget": "much", "live_grows": 1, "geometry": NaN, "recent": {}, "model": "a\\u0000b", "hub": "\\ud800"}'
    )
    kept = Settings(path)
    assert kept.values == Preferences()
    assert kept.trouble is None


def test_numbers_and_lists_out_of_range_come_into_it(path: Path) -> None:
    path.parent.mkdir()
    found = {
        "undo_budget": 10**30,
        "recent": [f"/a/{at}" for at in range(9999)],
        "models": ["a\0b", "/m", "\ud800", "x" * 10**5],
    }
    path.write_text(json.dumps(found))
    values = Settings(path).values
    assert values.undo_budget == MAX_BUDGET
    assert len(values.recent) == MAX_RECENT
    assert values.models == ("/m",)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are bytes there")
def test_files_whose_names_are_no_text_are_remembered(path: Path, qapp: object) -> None:
    odd = os.fsdecode(b"/a/caf\xe9 \xff.png")
    Settings(path).opened(Path(odd))
    assert Settings(path).values.recent == (odd,)
    json.loads(path.read_bytes().decode("ascii"))


def test_what_a_newer_version_wrote_is_kept(path: Path, qapp: object) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({"theme": "dark", "from_the_future": {"a": [1, None]}}))
    Settings(path).set(theme="light")
    assert json.loads(path.read_text())["from_the_future"] == {"a": [1, None]}


def test_what_makes_sense_in_a_strange_file_is_used(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({"theme": "dark", "undo_budget": 5, "recent": ["/a.png", 7], "from_the_future": {}}))
    values = Settings(path).values
    assert (values.theme, values.undo_budget, values.recent) == ("dark", MIN_BUDGET, ("/a.png",))


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
    assert values.undo_budget >= MIN_BUDGET
    assert all(
        isinstance(model, str) for model in (*values.folded, *values.recent, *values.models, values.hub, values.model)
    )


def test_a_place_that_cannot_be_written_is_no_disaster(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    kept = Settings(blocked / "settings.json")
    kept.set(theme="dark")
    assert kept.values.theme == "dark"
    assert "not saved" in caplog.text
