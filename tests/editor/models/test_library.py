"""The library: which models there are on this machine, and finding one by its key."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from editor.errors import ModelUnavailable
from editor.models.library import Library, hub_cache
from tests.support.model_files import diffusers_folder, folder_of, weights_file


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return tmp_path / "shelf"


def library(*folders: Path, cache: Path | None = None, added: tuple[Path, ...] = ()) -> Library:
    return Library(folders, added, cache or Path("/nowhere"))


def names(found: Library) -> list[str]:
    return [info.name for info in found.models()]


def snapshot(cache: Path, name: str, revision: str = "a" * 40) -> Path:
    return cache / f"models--{name.replace('/', '--')}" / "snapshots" / revision


def test_models_are_found_three_levels_deep_and_the_rest_is_left_out(shelf: Path) -> None:
    diffusers_folder(shelf / "b-model")
    diffusers_folder(shelf / "1" / "2" / "3-model")
    diffusers_folder(shelf / "1" / "2" / "3" / "too-deep")
    weights_file(shelf / "1" / "A single.safetensors", folder_of("stable-diffusion"))
    weights_file(shelf / "lora.safetensors", {"lora_unet_x.lora_down.weight": (1,)})
    weights_file(shelf / "vae.safetensors", {"encoder.x": (1,), "decoder.x": (1,)})
    (shelf / "photos").mkdir()
    (shelf / "photos" / "cat.jpg").write_bytes(b"x")
    (shelf / "optimizer.bin").write_bytes(b"x")
    diffusers_folder(shelf / ".hidden" / "model")
    assert names(library(shelf)) == ["3-model", "A single", "b-model"]


def test_broken_ones_are_shown_with_their_problem(shelf: Path) -> None:
    folder = diffusers_folder(shelf / "broken")
    (folder / "vae" / "config.json").unlink()
    (shelf / "old.ckpt").write_bytes(b"x")
    cut = weights_file(shelf / "cut.safetensors", folder_of("stable-diffusion"))
    cut.write_bytes(cut.read_bytes()[:-1])
    headless = diffusers_folder(shelf / "headless")
    (headless / "model_index.json").unlink()
    found = library(shelf).models()
    assert [info.name for info in found] == ["broken", "cut", "headless", "old.ckpt"]
    assert all(info.problem and info.advice for info in found)


def test_added_ones_are_listed_whatever_they_are(shelf: Path) -> None:
    lora = weights_file(shelf / "lora.safetensors", {"lora_unet_x.lora_down.weight": (1,)})
    gone = shelf / "gone"
    model = diffusers_folder(shelf / "model")
    found = library(shelf, added=(lora, gone, model)).models()
    assert [(info.name, info.usable) for info in found] == [("gone", False), ("lora", False), ("model", True)]


def test_a_prior_stands_with_its_decoder(shelf: Path) -> None:
    prior = diffusers_folder(shelf / "k" / "prior", "KandinskyV22PriorPipeline")
    assert [info.usable for info in library(shelf).models()] == [False]
    diffusers_folder(shelf / "k" / "decoder", "KandinskyV22Pipeline")
    assert names(library(shelf)) == ["decoder"]
    assert names(library(shelf, added=(prior,))) == ["decoder", "prior"]


def test_circles_of_links_end(shelf: Path) -> None:
    diffusers_folder(shelf / "model")
    (shelf / "round").symlink_to(shelf)
    (shelf / "dangling").symlink_to(shelf / "nowhere")
    assert names(library(shelf, shelf)) == ["model"]


def test_the_hubs_cache(tmp_path: Path) -> None:
    cache = tmp_path / "hub"
    diffusers_folder(snapshot(cache, "org/toy", "a" * 40))
    diffusers_folder(snapshot(cache, "org/toy", "b" * 40))
    refs = cache / "models--org--toy" / "refs"
    refs.mkdir()
    (refs / "main").write_text("a" * 40)
    (snapshot(cache, "org/words")).mkdir(parents=True)
    (snapshot(cache, "org/words") / "config.json").write_text("{}")
    weights_file(snapshot(cache, "org/single") / "one.safetensors", folder_of("stable-diffusion-xl"))
    found = {info.name: info for info in library(cache=cache).models()}
    assert found.keys() == {"toy", "one"}
    assert found["toy"].source == "org/toy"
    assert found["toy"].path == snapshot(cache, "org/toy")
    assert library(cache=cache).find("org/toy") == found["toy"]
    assert library(cache=cache).find(found["toy"].key) == found["toy"]
    (refs / "main").write_text("../../..")
    assert library(cache=cache).find("org/toy").path.name in ("a" * 40, "b" * 40)


def test_kandinsky_in_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "hub"
    diffusers_folder(snapshot(cache, "k/kandinsky-2-2-decoder"), "KandinskyV22Pipeline")
    assert not library(cache=cache).models()[0].usable
    diffusers_folder(snapshot(cache, "k/kandinsky-2-2-prior"), "KandinskyV22PriorPipeline")
    assert [(info.name, info.usable) for info in library(cache=cache).models()] == [("kandinsky-2-2-decoder", True)]


def test_a_download_that_stopped_says_so(tmp_path: Path) -> None:
    cache = tmp_path / "hub"
    folder = diffusers_folder(snapshot(cache, "org/toy"))
    blobs = cache / "models--org--toy" / "blobs"
    blobs.mkdir()
    (blobs / "00ff.incomplete").write_bytes(b"half")
    assert library(cache=cache).models()[0].usable  # whatever is being fetched, this is whole
    next((folder / "unet").glob("*.safetensors")).unlink()
    assert "the download has not been finished" in library(cache=cache).models()[0].problem


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert hub_cache() == Path("~/.cache/huggingface/hub").expanduser()
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert hub_cache() == Path("/x/huggingface/hub")
    monkeypatch.setenv("HF_HOME", "/h")
    assert hub_cache() == Path("/h/hub")
    monkeypatch.setenv("HF_HUB_CACHE", "/c")
    assert hub_cache() == Path("/c")
    assert Library().cache == Path("/c")


@pytest.mark.parametrize(
    "key", ["", "/gone/model", "org/unknown", "relative", "../../etc", "a\0b", "x" * 5000, "/" + "x" * 5000]
)
def test_a_key_that_leads_nowhere(key: str) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        library().find(key)
    assert caught.value.advice


def test_a_key_of_a_broken_model_gives_its_problem(shelf: Path) -> None:
    folder = diffusers_folder(shelf / "toy")
    assert library(shelf).find(str(folder)).usable
    (folder / "vae" / "config.json").unlink()
    with pytest.raises(ModelUnavailable, match="The VAE of “toy” is not complete") as caught:
        library(shelf).find(str(folder))
    assert caught.value.advice == "Download the model again; what is there already is kept."


def test_what_a_model_predicts_can_be_set(shelf: Path) -> None:
    file = weights_file(shelf / "m.safetensors", folder_of("stable-diffusion"))
    told = Library((shelf,), (), Path("/nowhere"), {str(file): "v_prediction"})
    assert told.find(str(file)).prediction == "v_prediction"
    assert told.models()[0].prediction == "v_prediction"


def test_a_shelf_of_large_models_is_read_in_no_time(shelf: Path) -> None:
    arrays = folder_of("stable-diffusion-xl") | {
        f"model.diffusion_model.x.{index}.weight": (1,) for index in range(2500)
    }
    for index in range(20):
        weights_file(shelf / f"{index:02}.safetensors", arrays)
    begun = time.perf_counter()
    assert len(library(shelf).models()) == 20
    assert time.perf_counter() - begun < 5  # a tenth of that on a quiet machine


def test_index_files_of_others_are_no_models(shelf: Path) -> None:
    (shelf / "x").mkdir(parents=True)
    (shelf / "x" / "model_index.json").write_text(json.dumps({"_class_name": 5}))
    assert [info.problem for info in library(shelf).models()] == [
        "“model_index.json” of “x” does not say what model it is."
    ]


def test_a_link_that_leads_to_itself_hides_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "old.ckpt").write_bytes(b"PK")
    assert [info.path.name for info in Library((tmp_path,), cache=tmp_path / "none").models()] == ["old.ckpt"]
