"""The benchmarks' runner: what it prints, writes and refuses. The benchmarks themselves are too slow for here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from app.bench import Result, run


def made_up() -> Iterator[Result]:
    yield Result("made up: floor", 12.5, "ms", note="floor")
    yield Result.at_most("made up: ratio", 1.4, "×", 1.5)


def missed() -> Iterator[Result]:
    yield Result.at_most("missed: ratio", 1.6, "×", 1.5)


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"made-up": f"{__name__}:made_up", "missed": f"{__name__}:missed"}
    monkeypatch.setattr(run, "BENCHMARKS", names)


def test_figures_are_printed_and_written(benchmarks: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    assert run.main(["made-up", "--json", str(file)]) == 0
    found = json.loads(file.read_text("utf-8"))
    assert list(found) == ["results"]
    floor, ratio = found["results"]
    expected = {"name": "made up: floor", "value": 12.5, "unit": "ms", "bar": None, "ok": None, "note": "floor"}
    assert floor == expected
    assert ratio == {"name": "made up: ratio", "value": 1.4, "unit": "×", "bar": 1.5, "ok": True, "note": ""}
    said = capsys.readouterr().out
    assert "12.5 ms" in said
    assert "bar 1.5  ok" in said


def test_a_missed_bar_is_status_1(benchmarks: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--json", str(tmp_path / "figures.json")]) == 1
    assert "MISSED" in capsys.readouterr().out
    assert [each["ok"] for each in json.loads((tmp_path / "figures.json").read_text("utf-8"))["results"]] == [
        None,
        True,
        False,
    ]


def test_an_unknown_name_is_refused_and_the_known_ones_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run.main(["brush", "brsh"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "brsh" in said
    assert all(name in said for name in run.BENCHMARKS)


@pytest.mark.parametrize("name", run.BENCHMARKS)
def test_every_benchmark_is_where_the_table_says(name: str) -> None:
    module, _, function = run.BENCHMARKS[name].partition(":")
    assert callable(getattr(import_module(module), function))
