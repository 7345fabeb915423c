"""`palimpsest models`: list, add, get and remove, as a person at a terminal and as a program."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from PySide6.QtCore import QCoreApplication, QStandardPaths

from app.cli import main
from editor.diffusion.families.registry import FAMILIES
from tests.support.hub_server import Hub, Repository, serving, stable_diffusion

Captured = pytest.CaptureFixture[str]
Call = Callable[..., int]
ID = "maker/small"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A person's folders of their own, no hub cache, and nothing that comes with the program."""
    monkeypatch.setattr("app.models_cli.bundled_models", tuple)
    folders = {
        QStandardPaths.StandardLocation.AppConfigLocation: tmp_path / "config",
        QStandardPaths.StandardLocation.AppLocalDataLocation: tmp_path / "data",
    }
    monkeypatch.setattr(QStandardPaths, "writableLocation", lambda kind: str(folders[kind]))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    name = QCoreApplication.applicationName()
    yield tmp_path
    QCoreApplication.setApplicationName(name)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as hub:
        hub.repositories[ID] = Repository(stable_diffusion())
        yield hub


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model on the disk, outside of every folder that is searched."""
    folder = tmp_path / "elsewhere" / "mine"
    for name, content in stable_diffusion().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def models(*words: object) -> int:
    return main(["models", *map(str, words)])


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def listed(capsys: Captured) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert models("--json") == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_the_practice_model_is_listed_and_is_none_for_photographs(
    home: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (model / "README.md").write_text("---\nmodel_name: Practice model\ntags:\n- toy-scenes\n---\n", "utf-8")
    monkeypatch.setattr("app.models_cli.bundled_models", lambda: (model,))
    assert models() == 0
    said = capsys.readouterr().out
    assert "no models for photographs yet" in said
    assert "  Practice model\n" in said
    assert [each["key"] for each in listed(capsys)] == [str(model)]


def test_without_models_it_says_where_to_begin(home: Path, capsys: Captured) -> None:
    assert models() == 0
    assert "suggest" in capsys.readouterr().out
    assert listed(capsys) == []


def test_a_model_is_added_listed_and_removed(home: Path, model: Path, capsys: Captured) -> None:
    assert models("import", model) == 0
    assert "Added mine (Stable Diffusion 1 and 2" in capsys.readouterr().out
    (facts,) = listed(capsys)
    assert (facts["key"], facts["usable"], facts["licence"]) == (str(model), True, "apache-2.0")
    assert facts["precision"] == ["float16"]
    assert models() == 0
    assert "  mine\n" in capsys.readouterr().out
    assert models("remove", "mine") == 0
    assert "files are as they were" in capsys.readouterr().out
    assert listed(capsys) == []
    assert model.exists()
    assert models("remove", "mine") == 1
    assert "no model “mine”" in capsys.readouterr().err


def test_a_folder_of_models_is_added_as_a_whole(home: Path, model: Path, capsys: Captured) -> None:
    assert models("import", model.parent, "--json") == 0
    assert [load["name"] for load in json.loads(capsys.readouterr().out)] == ["mine"]
    assert [each["name"] for each in listed(capsys)] == ["mine"]
    assert models("remove", "mine") == 1
    assert "folder of models" in capsys.readouterr().err
    assert models("remove", model.parent) == 0
    assert listed(capsys) == []


def test_pickles_are_refused_with_the_reason(home: Path, tmp_path: Path, model: Path, capsys: Captured) -> None:
    checkpoint = tmp_path / "dream.ckpt"
    checkpoint.write_bytes(b"\x80\x02")
    assert models("import", checkpoint, model, tmp_path / "nothing") == 1
    said = capsys.readouterr()
    assert "can run any program" in said.err
    assert "safetensors" in said.err
    assert said.err.count("\n") == 2
    assert "Added mine" in said.out


def test_size_and_licence_come_before_the_question(
    home: Path, hub: Hub, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, "n\n")
    assert models("download", ID, "--endpoint", hub.url) == 1
    said = capsys.readouterr()
    assert "51 kB" in said.out
    assert f"licence: apache-2.0; read it at {hub.url}/{ID}" in said.out
    assert said.err.startswith("Download it? [y/N]")
    assert hub.fetched("") == []
    answer(monkeypatch, "")
    assert models("download", ID, "--endpoint", hub.url) == 1
    assert "--yes" in capsys.readouterr().err
    answer(monkeypatch, "y\n")
    assert models("download", ID, "--endpoint", hub.url) == 0
    assert "small: ready" in capsys.readouterr().out
    (facts,) = listed(capsys)
    assert facts["key"] == str(home / "data" / "models" / "maker" / "small")
    assert models("download", ID, "--endpoint", hub.url) == 0
    assert "51 kB of it here already" in capsys.readouterr().out


def test_what_goes_elsewhere_is_found_there_again(home: Path, hub: Hub, capsys: Captured) -> None:
    assert models("download", ID, "--endpoint", hub.url, "--to", home / "big disk", "--yes", "--json") == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert facts["key"] == str(home / "big disk" / "maker" / "small")
    assert [each["key"] for each in listed(capsys)] == [facts["key"]]


def test_deleting_asks_and_keeps_to_the_downloads(
    home: Path, hub: Hub, model: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert models("download", ID, "--endpoint", hub.url, "--yes") == 0
    assert models("import", model) == 0
    assert models("remove", "mine", "--delete", "--yes") == 1
    assert model.exists()
    answer(monkeypatch, "\n")
    assert models("remove", "small", "--delete") == 1
    assert len(listed(capsys)) == 2
    assert models("remove", "small", "--delete", "--yes") == 0
    assert [each["name"] for each in listed(capsys)] == ["mine"]
    assert not (home / "data" / "models" / "maker" / "small").exists()


def test_a_gated_model_says_what_to_do(home: Path, hub: Hub, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "none"))
    hub.repositories[ID].gated = True
    assert models("download", ID, "--endpoint", hub.url, "--yes") == 1
    said = capsys.readouterr()
    assert "gated: accept the licence" in said.out
    assert "hf auth login" in said.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["maker/none"], "no model “maker/none”"),
        (["small"], "not the id of a model"),
        ([ID, "--revision", "v9"], "version"),
    ],
)
def test_a_download_that_cannot_be_has_status_1(
    home: Path, hub: Hub, words: list[str], says: str, capsys: Captured
) -> None:
    assert models("download", *words, "--endpoint", hub.url, "--yes") == 1
    assert says in capsys.readouterr().err


def test_an_interrupt_says_that_nothing_is_lost(
    home: Path, hub: Hub, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*ignored: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.models_cli.download", interrupted)
    assert models("download", ID, "--endpoint", hub.url, "--yes") == 130
    assert "goes on with it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "first", "count"),
    [
        ([], "stable-diffusion-v1-5/stable-diffusion-v1-5", 8),
        (["--memory", "8"], "segmind/SSD-1B", 4),
        (["--memory", "0"], "stable-diffusion-v1-5/stable-diffusion-v1-5", 1),
    ],
)
def test_suggestions_by_memory(words: list[str], first: str, count: int, home: Path, capsys: Captured) -> None:
    assert models("suggest", *words) == 0
    said = capsys.readouterr().out
    assert said.startswith(first)
    assert said.count(" · ") >= 2 * count
    assert models("suggest", *words, "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert len(listed) == count
    assert {each["family"] for each in listed} <= {family.name for family in FAMILIES}


def test_too_little_memory_is_no_dead_end(home: Path, capsys: Captured) -> None:
    assert models("suggest", "--memory", "2") == 0
    assert "quick fill" in capsys.readouterr().out
