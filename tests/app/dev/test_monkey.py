"""The random driver: nothing that it does ends the program, and what it did can be played again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def driven(*words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    surroundings = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "app", "monkey", *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=surroundings,
    )


def acts(folder: Path) -> list[list[object]]:
    """What was done, without the times."""
    (file,) = folder.glob("run-*/acts.log")
    return [json.loads(line)[1:] for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_short_run_ends_well_and_can_be_played_again(tmp_path: Path) -> None:
    run = driven("--steps", "150", "--seed", "3", "--keep", str(tmp_path / "first"))
    assert run.returncode == 0, run.stdout
    assert "0 deaths, 0 errors, 0 hangs" in run.stdout
    first = acts(tmp_path / "first")
    assert len(first) == 150
    lines = (tmp_path / "first" / "run-3" / "acts.log").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "begin.log").write_text("".join(lines[:40]), encoding="utf-8")
    again = driven("--replay", str(tmp_path / "begin.log"), "--keep", str(tmp_path / "again"))
    assert again.returncode == 0, again.stdout
    assert acts(tmp_path / "again") == first[:40]


def test_what_goes_wrong_is_counted(tmp_path: Path) -> None:
    (tmp_path / "acts.log").write_text('[0.0, "wait", 1]\n[0.0, "no such act"]\n[0.0, "wait", 1]\n', encoding="utf-8")
    run = driven("--replay", str(tmp_path / "acts.log"), "--keep", str(tmp_path / "kept"))
    assert run.returncode == 1
    assert "1 runs, 3 acts: 0 deaths, 1 errors, 0 hangs" in run.stdout
    assert "KeyError: 'no such act'" in (tmp_path / "kept" / "run-1" / "messages.log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_minutes_of_it_end_well(tmp_path: Path) -> None:
    run = driven("--minutes", "2", "--seed", "100", "--keep", str(tmp_path), timeout=1200)
    assert run.returncode == 0, run.stdout
