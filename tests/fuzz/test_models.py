"""Broken folders and files of models: listed, estimated and loaded, or refused with a sentence."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from editor.diffusion.loading import load_pipelines
from editor.diffusion.ranking import ClipScorer
from editor.errors import ModelUnavailable
from editor.geometry import Size
from editor.models.device import Device
from editor.models.info import ModelInfo
from editor.models.inspect import inspect
from editor.models.library import Library
from editor.models.memory import Fit, Plan, estimate, fit
from editor.models.rankers import RankerInfo, inspect_ranker, rankers
from tests.support.campaign import campaign, check
from tests.support.checkpoints import save_single
from tests.support.clip_folders import clip_folder
from tests.support.mutations import HOSTILE, broken_bytes, json_text
from tests.support.reports import drive

pytestmark = pytest.mark.logs

CASES = 1000
SHARE = 30
PLAIN = Fit(Plan("cpu", "float32", "float32"), 0, 0)
CPU = Device("cpu", "processor", 8 * 10**9, 8 * 10**9, bfloat16=False)
STEERING = (
    "_attn_implementation", "quantization_config", "auto_map", "sub_configs", "num_labels", "id2label", "torch_dtype", "dtype", "_name_or_path",
    "num_hidden_layers", "hidden_size", "vocab_size", "block_out_channels", "layers_per_block", "transformer_layers_per_block", "model_max_length",
    "added_tokens_decoder", "beta_schedule", "num_train_timesteps", "trained_betas", "cross_attention_dim", "attention_head_dim", "norm_num_groups",
    "sample_size", "scaling_factor", "latents_mean", "prediction_type", "_class_name", "model_type", "architectures", "pad_token", "size",
    "crop_size",
)  # fmt: skip


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Callable[[str], Path]) -> tuple[Path, ...]:
    """Folders that each hold one sound model, whole in every part."""
    top = tmp_path_factory.mktemp("examples")
    small = tiny_folder("sd")
    shutil.copytree(small, top / "a" / "toy")
    shutil.copytree(tiny_folder("sdxl"), top / "b" / "toy")
    shutil.copytree(tiny_folder("kandinsky").parent, top / "c" / "toy")
    clip_folder(top / "d" / "toy", prepare={"image_mean": [0.5, 0.5, 0.5], "resample": 3})
    (top / "e").mkdir()
    (pipeline,) = drive(load_pipelines(inspect(small), PLAIN))
    save_single(top / "e" / "toy.safetensors", pipeline.components)
    return tuple(top / name for name in "abcde")


def break_folder(random: Random, top: Path) -> None:
    """One or two files of a model broken: their words, their bytes, or what they are."""
    for _ in range(random.choice((1, 1, 2))):
        files = sorted(path for path in top.rglob("*") if path.is_file())
        if not files:
            return
        path = random.choice(files)
        if path.suffix == ".json" and random.random() < 0.85:
            said = json.loads(path.read_bytes()) if _sound(path) else {}
            if random.random() < 0.5 and isinstance(said, dict):
                said[random.choice(STEERING)] = random.choice(HOSTILE)
                path.write_bytes(json.dumps(said).encode())
            else:
                path.write_bytes(json_text(random, said))
        elif path.suffix == ".safetensors" and random.random() < 0.6:
            path.write_bytes(_broken_header(random, path.read_bytes()))
        elif random.random() < 0.6:
            path.write_bytes(broken_bytes(random, path.read_bytes()))
        else:
            _replace(random, path, random.choice(files))


def _sound(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return True


def _broken_header(random: Random, data: bytes) -> bytes:
    """The header of a safetensors file broken as JSON, its length sound or not."""
    size = int.from_bytes(data[:8], "little")
    try:
        header = json_text(random, json.loads(data[8 : 8 + size]))
    except (ValueError, RecursionError):  # broken already
        return data
    told = len(header) if random.random() < 0.8 else random.choice((0, 1, len(header) + 1, 2**32, 2**63, 2**64 - 1))
    return struct.pack("<Q", told) + header + data[8 + size :]


def _replace(random: Random, path: Path, other: Path) -> None:
    content = other.read_bytes()
    path.unlink()
    match random.randrange(8):
        case 0:
            os.mkfifo(path)
        case 1:
            path.symlink_to(path)
        case 2:
            path.symlink_to("/dev/zero")
        case 3:
            path.symlink_to(path.parent)
        case 4:
            path.mkdir()
        case 5:
            path.write_bytes(content)
        case 6:
            path.write_bytes(b"")
        case _:
            pass


def _trial(random: Random, examples: tuple[Path, ...]) -> bool:
    with TemporaryDirectory() as folder:
        top = Path(shutil.copytree(random.choice(examples), Path(folder) / "models"))
        break_folder(random, top)
        library = Library((top,), cache=top / "none")
        listed = library.models()
        ranking = rankers(library)
        found: ModelInfo | RankerInfo
        if listed or ranking:
            found = listed[0] if listed else ranking[0]
        else:
            path = next(iter(top.iterdir()), top)
            found = inspect_ranker(path) if (path / "config.json").exists() else inspect(path)
        if not found.usable:
            raise ModelUnavailable(found.problem, found.advice)
        for ranker in ranking:
            if ranker.usable:
                ClipScorer.load(ranker, "cpu")
        for info in listed:
            if info.usable:
                fit(info, CPU, Size(512, 512))
                estimate(info, Size(512, 512), 2, 7.0, PLAIN.plan)
                # The packaged settings of single files are of published widths.
                settings = examples[0] / "toy" if info.path.suffix == ".safetensors" else None
                for _ in load_pipelines(info, PLAIN, settings):
                    pass
    return True


def test_every_example_is_sound(examples: tuple[Path, ...]) -> None:
    for top in examples:
        library = Library((top,), cache=top / "none")
        models, ranking = library.models(), rankers(library)
        assert [info.usable for info in models] + [info.usable for info in ranking] == [True]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes among files here")
def test_some_broken_models(examples: tuple[Path, ...]) -> None:
    check("models", campaign("models", range(SHARE), lambda random: _trial(random, examples)))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes among files here")
def test_many_broken_models(examples: tuple[Path, ...]) -> None:
    check("models", campaign("models", range(CASES), lambda random: _trial(random, examples)))
