"""Loading: folders and single files become pipelines with the same weights, offline; what is wrong is said in a sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from safetensors.torch import load_file, save_file

from editor.diffusion import loading
from editor.diffusion.device import this_device
from editor.diffusion.families.registry import FAMILIES
from editor.diffusion.loading import clip_tokenizer, free, load, load_pipelines, out_of_memory
from editor.diffusion.memory import fit
from editor.errors import ModelUnavailable, OutOfMemory
from editor.geometry import Size
from editor.models.device import Device
from editor.models.info import ModelInfo
from editor.models.inspect import inspect
from editor.models.memory import Fit, Plan
from editor.requests.reports import Progress
from tests.support import tiny_models
from tests.support.checkpoints import save_single
from tests.support.reports import drive

T = TypeVar("T")
PLAIN = Fit(Plan("cpu", "float32", "float32"), 0, 0)
MODELS = {
    "stable-diffusion": "sd",
    "stable-diffusion-xl": "sdxl",
    "stable-diffusion-xl-refiner": "refiner",
    "stable-diffusion-3": "sd3",
    "kandinsky-2.2": "kandinsky",
}


@pytest.fixture(scope="module")
def folders(tiny_folder: Callable[[str], Path]) -> dict[str, Path]:
    return {family: tiny_folder(name) for family, name in MODELS.items()}


@pytest.fixture
def broken(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of Stable Diffusion, to be damaged."""
    return Path(shutil.copytree(folders["stable-diffusion"], tmp_path / "toy"))


def networks(pipeline: Any) -> dict[str, torch.nn.Module]:
    return {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


@pytest.mark.parametrize("family", MODELS)
def test_a_folder_is_loaded_part_by_part(family: str, folders: dict[str, Path]) -> None:
    info = inspect(folders[family])
    assert info.usable, info.problem
    assert info.family.name == family
    reports = load_pipelines(info, fit(info, this_device(), Size(128, 128)))
    said: list[Progress] = []
    pipelines = drive(reports, said)
    assert all(isinstance(report, Progress) for report in said)
    assert [each.fraction for each in said] == sorted({each.fraction for each in said})
    assert said[0].doing == f"Loading the {info.family.parts[0].label}"
    held = {name: part for pipeline in pipelines for name, part in networks(pipeline).items()}
    assert held.keys() == {part.name for part in info.parts}
    for part in info.parts:
        assert (
            sum(parameter.numel() for parameter in held[part.name].parameters()) <= part.parameters
        )  # buffers are stored as well
        assert not held[part.name].training
    assert all(parameter.dtype == torch.float32 for part in held.values() for parameter in part.parameters())


@pytest.mark.parametrize(
    ("family", "second"),
    [
        ("stable-diffusion", False),
        ("stable-diffusion", True),
        ("stable-diffusion-xl", False),
        ("stable-diffusion-xl-refiner", False),
    ],
)
def test_a_single_file_gives_the_same_networks(
    family: str, second: bool, folders: dict[str, Path], tmp_path: Path
) -> None:
    (pipeline,) = drive(load_pipelines(inspect(folders[family]), PLAIN))
    file = save_single(tmp_path / "model.safetensors", pipeline.components, second)
    info = inspect(file)
    assert info.usable, info.problem
    assert info.family.name == family
    assert info.prediction == ("v_prediction" if second else "epsilon")
    (single,) = drive(load_pipelines(info, PLAIN, folders[family]))
    assert single.scheduler.config.prediction_type == info.prediction
    mine, theirs = networks(single), networks(pipeline)
    assert mine.keys() == theirs.keys()
    for name in mine:
        assert same(mine[name], theirs[name]), name


@pytest.mark.logs
def test_the_packaged_settings_are_those_of_the_published_networks(tmp_path: Path) -> None:
    """A single file is read with packaged settings unless told otherwise; widths that differ are said, not guessed."""
    (pipeline,) = drive(load_pipelines(inspect(tiny_models.stable_diffusion(tmp_path / "sd")), PLAIN))
    info = inspect(save_single(tmp_path / "model.safetensors", pipeline.components))
    with pytest.raises(ModelUnavailable, match="The U-Net of “model” cannot be loaded: its files do not fit together"):
        drive(load_pipelines(info, PLAIN))


def test_the_packaged_tokenizer_numbers_words_as_clip_does() -> None:
    numbers = clip_tokenizer("!")("A photo of a cat, sitting", padding="max_length").input_ids
    assert numbers[:9] == [49406, 320, 1125, 539, 320, 2368, 267, 4919, 49407]
    assert numbers[9:] == [0] * 68
    assert clip_tokenizer("<|endoftext|>")("", padding="max_length").input_ids == [49406] + [49407] * 76


def test_precision_follows_the_plan_and_the_decoder_its_own(folders: dict[str, Path]) -> None:
    info = inspect(folders["stable-diffusion-xl"])
    (pipeline,) = drive(load_pipelines(info, Fit(Plan("cpu", "float16", "float32"), 0, 0)))
    kinds = {name: next(iter(part.parameters())).dtype for name, part in networks(pipeline).items()}
    assert kinds == {
        "unet": torch.float16,
        "vae": torch.float32,
        "text_encoder": torch.float16,
        "text_encoder_2": torch.float16,
    }


def test_tiles_are_used_when_the_plan_says_so(folders: dict[str, Path]) -> None:
    info = inspect(folders["stable-diffusion"])
    for tiling in (False, True):
        (pipeline,) = drive(load_pipelines(info, Fit(Plan("cpu", "float32", "float32", tiling=tiling), 0, 0)))
        assert pipeline.vae.use_tiling is tiling
        assert pipeline.vae.use_slicing


def test_a_variant_is_found(folders: dict[str, Path], tmp_path: Path) -> None:
    (pipeline,) = drive(load_pipelines(inspect(folders["stable-diffusion"]), PLAIN))
    pipeline.to(torch.float16).save_pretrained(tmp_path / "half", variant="fp16")
    info = inspect(tmp_path / "half")
    assert info.usable, info.problem
    assert {part.precision for part in info.parts} == {"float16"}
    (half,) = drive(load_pipelines(info, PLAIN))
    assert half.unet.dtype == torch.float32
    assert torch.equal(half.unet.conv_in.weight, pipeline.unet.conv_in.weight.float())


def test_shards_are_put_together(folders: dict[str, Path], tmp_path: Path) -> None:
    (pipeline,) = drive(load_pipelines(inspect(folders["stable-diffusion"]), PLAIN))
    pipeline.save_pretrained(tmp_path / "parts", max_shard_size="100KB")
    assert len(list((tmp_path / "parts" / "unet").glob("*.safetensors"))) > 1
    info = inspect(tmp_path / "parts")
    assert info.usable, info.problem
    assert info.parts[0].parameters == inspect(folders["stable-diffusion"]).parts[0].parameters
    (again,) = drive(load_pipelines(info, PLAIN))
    assert same(again.unet, pipeline.unet)


def test_closing_between_two_parts_leaves_nothing_loaded(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import gc
    import weakref

    loaded: list[weakref.ref[torch.nn.Module]] = []
    network = loading._Folder.network

    def watched(self: Any, *arguments: Any) -> torch.nn.Module:
        found: torch.nn.Module = network(self, *arguments)
        loaded.append(weakref.ref(found))
        return found

    monkeypatch.setattr(loading._Folder, "network", watched)
    reports = load_pipelines(inspect(folders["stable-diffusion"]), PLAIN)
    next(reports)
    next(reports)
    reports.close()
    gc.collect()
    assert len(loaded) == 1
    assert loaded[0]() is None


def test_v_prediction_reaches_the_scheduler(tmp_path: Path) -> None:
    info = inspect(tiny_models.stable_diffusion(tmp_path / "v", "v_prediction"))
    assert info.prediction == "v_prediction"
    (pipeline,) = drive(load_pipelines(info, PLAIN))
    assert pipeline.scheduler.config.prediction_type == "v_prediction"


def fails(info: ModelInfo) -> ModelUnavailable:
    with pytest.raises(ModelUnavailable) as caught:
        drive(load_pipelines(info, PLAIN))
    assert caught.value.advice
    assert caught.value.message.endswith(".")
    return caught.value


def weights(folder: Path, part: str = "unet") -> Path:
    (found,) = (folder / part).glob("*.safetensors")
    return found


def test_a_file_that_vanished_since_it_was_listed(broken: Path) -> None:
    info = inspect(broken)
    weights(broken).unlink()
    assert "The U-Net of “toy” cannot be loaded" in fails(info).message


def test_a_file_that_was_cut_off_since_it_was_listed(broken: Path) -> None:
    info = inspect(broken)
    file = weights(broken, "vae")
    file.write_bytes(file.read_bytes()[:-100])
    said = fails(info)
    assert said.message == "The VAE of “toy” cannot be loaded: a file is missing or damaged."
    assert said.advice == "Download the model again; what is there already is kept."


@pytest.mark.logs
def test_arrays_of_another_size(broken: Path) -> None:
    settings = broken / "unet" / "config.json"
    config = json.loads(settings.read_text())
    settings.write_text(json.dumps({**config, "cross_attention_dim": 24}))
    assert "The U-Net of “toy” cannot be loaded: its files do not fit together" in fails(inspect(broken)).message


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_arrays_that_are_missing(broken: Path, part: str) -> None:
    file = weights(broken, part)
    arrays = load_file(file)
    arrays.pop(next(key for key in arrays if key.endswith("weight")))
    save_file(arrays, file, {"format": "pt"})
    said = fails(inspect(broken))
    assert said.message.endswith("” is missing from its weights.")
    assert said.advice == "Download the model again; what is there already is kept."


def test_arrays_of_whole_numbers_are_no_weights(broken: Path) -> None:
    file = weights(broken)
    save_file({key: each.to(torch.int32) for key, each in load_file(file).items()}, file, {"format": "pt"})
    info = inspect(broken)
    assert not info.usable
    assert "U-Net" in info.problem


@pytest.mark.logs
def test_an_unknown_scheduler(broken: Path) -> None:
    settings = broken / "scheduler" / "scheduler_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "_class_name": "UNet2DConditionModel"}))
    assert "its scheduler is of an unknown kind" in fails(inspect(broken)).message


def test_memory_that_runs_out_while_loading(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any) -> Any:
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:115] DefaultCPUAllocator: can't allocate memory: you tried 99 bytes"
        )

    monkeypatch.setattr(loading._Folder, "network", full)
    with pytest.raises(OutOfMemory) as caught:
        drive(load_pipelines(inspect(broken), PLAIN))
    assert "smaller" in caught.value.advice


def test_what_counts_as_out_of_memory() -> None:
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert out_of_memory(MemoryError())
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert out_of_memory(caught.value)
    assert out_of_memory(RuntimeError("size mismatch")) is None
    assert out_of_memory(ValueError("not enough memory")) is None


def test_offloading_is_asked_for_on_cards_only(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import diffusers

    asked: list[str] = []
    kind = diffusers.StableDiffusionPipeline
    monkeypatch.setattr(kind, "enable_model_cpu_offload", lambda self: asked.append("by part"))
    monkeypatch.setattr(kind, "enable_sequential_cpu_offload", lambda self: asked.append("by layer"))
    monkeypatch.setattr(kind, "to", lambda self, device: asked.append(device))
    info = inspect(folders["stable-diffusion"])
    for device in ("cuda", "cpu"):
        for placement in ("whole", "by_part", "by_layer"):
            drive(load_pipelines(info, Fit(Plan(device, "float32", "float32", placement), 0, 0)))
    assert asked == ["cuda", "by part", "by layer", "cpu", "cpu", "cpu"]


def test_the_device_of_this_machine() -> None:
    device = this_device()
    assert isinstance(device, Device)
    assert 0 < device.free <= device.total
    assert device.kind in ("cuda", "mps", "cpu")


@pytest.mark.parametrize("family", MODELS)
def test_a_backend_is_lent_and_freed(family: str, folders: dict[str, Path]) -> None:
    info = inspect(folders[family])
    backend = drive(load(info, PLAIN))
    assert backend.info is info
    held = [var for var in vars(backend).values() if hasattr(var, "components")]
    assert held
    free(backend)
    for pipeline in held:
        assert all(next(part.parameters()).is_meta for part in networks(pipeline).values())


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("stable-diffusion-1", {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480}),
        ("stable-diffusion-2", {"unet": 865_910_724, "vae": 83_653_863, "text_encoder": 340_387_840}),
        (
            "stable-diffusion-xl",
            {"unet": 2_567_463_684, "vae": 83_653_863, "text_encoder": 123_060_480, "text_encoder_2": 694_659_840},
        ),
        ("stable-diffusion-xl-refiner", {"vae": 83_653_863, "text_encoder_2": 694_659_840}),
    ],
)
def test_packaged_settings_make_networks_of_the_published_sizes(name: str, counts: dict[str, int]) -> None:
    import resources

    family = name[:-2] if name.endswith(("-1", "-2")) else name
    classes = FAMILIES.named(family).networks().classes

    with resources.model_settings(name) as folder, torch.device("meta"):
        for part, count in counts.items():
            kind, settings = classes[part], json.loads((folder / part / "config.json").read_text())
            network = kind.from_config(settings) if part in ("unet", "vae") else kind(kind.config_class(**settings))
            assert sum(parameter.numel() for parameter in network.parameters()) == count
