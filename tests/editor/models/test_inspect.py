"""Inspecting: what a folder or a file is, and in one sentence why it cannot be used."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.diffusion.families.few_steps import few_steps
from editor.models.headers import HEADER_LIMIT, Damaged, read_header, read_json
from editor.models.inspect import inspect
from tests.support.model_files import SECOND, diffusers_folder, folder_of, weights_file

NAMES = ("stable-diffusion", "stable-diffusion-xl", "stable-diffusion-xl-refiner")


def problem(path: Path) -> str:
    """The problem of what lies at a path; it is a sentence with advice."""
    info = inspect(path)
    assert not info.usable
    assert info.problem.endswith(".")
    assert info.advice.endswith(".")
    return info.problem


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return diffusers_folder(tmp_path / "toy")


def test_reading_a_model_needs_no_torch() -> None:
    heavy = "torch diffusers transformers safetensors numpy.testing"
    code = f"import sys, editor.models.library, editor.models.memory; print([each for each in '{heavy}'.split() if each in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("kind", "family", "parts"),
    [
        ("StableDiffusionPipeline", "stable-diffusion", {"unet", "vae", "text_encoder"}),
        ("StableDiffusionImg2ImgPipeline", "stable-diffusion", {"unet", "vae", "text_encoder"}),
        ("StableDiffusionXLPipeline", "stable-diffusion-xl", {"unet", "vae", "text_encoder", "text_encoder_2"}),
    ],
)
def test_a_folder(tmp_path: Path, kind: str, family: str, parts: set[str]) -> None:
    info = inspect(diffusers_folder(tmp_path / "toy", kind))
    assert info.usable, info.problem
    assert info.family.name == family
    assert {part.name for part in info.parts} == parts
    assert {(part.parameters, part.stored, part.precision) for part in info.parts} == {(6, 12, "float16")}
    assert (info.native, info.cell, info.prediction, info.name) == (512, 8, "epsilon", "toy")
    assert info.key == str(tmp_path / "toy")


def test_a_refiner_has_no_first_text_encoder(tmp_path: Path) -> None:
    folder = diffusers_folder(tmp_path / "toy", "StableDiffusionXLImg2ImgPipeline", text_encoder=[None, None])
    shutil.rmtree(folder / "text_encoder")
    assert inspect(folder).family.name == "stable-diffusion-xl-refiner"
    assert inspect(folder).usable


def test_kandinsky_finds_its_prior_inside_or_beside(tmp_path: Path) -> None:
    decoder = diffusers_folder(tmp_path / "k" / "decoder", "KandinskyV22Pipeline")
    assert "needs the prior" in problem(decoder)
    prior = diffusers_folder(tmp_path / "k" / "anything", "KandinskyV22PriorPipeline")
    info = inspect(decoder)
    assert info.usable, info.problem
    assert (info.family.name, info.native) == ("kandinsky-2.2", 768)
    assert {part.name for part in info.parts} == {"unet", "movq", "prior", "image_encoder", "text_encoder"}
    prior.rename(decoder / "prior")
    assert inspect(decoder).usable
    assert "is the prior of Kandinsky 2.2, without the decoder" in problem(decoder / "prior")


def test_what_the_scheduler_and_the_card_say(toy: Path) -> None:
    settings = {"_class_name": "LCMScheduler", "prediction_type": "v_prediction"}
    (toy / "scheduler" / "scheduler_config.json").write_text(json.dumps(settings))
    (toy / "README.md").write_text("---\nlicense: openrail++\ntags: [x]\n---\n# Toy\n")
    info = inspect(toy)
    assert (info.prediction, info.steps, info.guidance_scale, info.licence) == ("v_prediction", 4, 1.0, "openrail++")
    assert inspect(toy, "epsilon").prediction == "epsilon"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dreamshaper_8", (None, None)),
        ("sdxl-turbo", (4, 1.0)),
        ("DreamShaperXL_v2-Turbo", (8, 2.0)),
        ("sdxl_lightning_4step", (4, 1.0)),
        ("Hyper-SDXL-8steps", (8, 1.0)),
        ("hyper-real", (None, None)),
        ("turbovision", (None, None)),
        ("lcm-sd15", (4, 1.0)),
        ("trained-for-20-steps", (None, None)),
    ],
)
def test_few_step_models_by_name(name: str, expected: tuple[int | None, float | None]) -> None:
    assert few_steps(name, "DDIMScheduler") == expected


def damage(cut: Callable[[Path], object], *where: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        cut(folder.joinpath(*where))

    return run


UNET = "diffusion_pytorch_model.safetensors"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (damage(shutil.rmtree, "vae"), "“toy” has no VAE: the folder “vae” is missing."),
        (damage(shutil.rmtree, "tokenizer"), "“toy” has no tokenizer: the folder “tokenizer” is missing."),
        (
            damage(Path.unlink, "tokenizer", "vocab.json"),
            "The tokenizer of “toy” is not complete: its word list is missing.",
        ),
        (
            damage(Path.unlink, "text_encoder", "config.json"),
            "The text encoder of “toy” is not complete: “config.json” is missing.",
        ),
        (
            damage(lambda path: path.write_text("{"), "unet", "config.json"),
            "The U-Net of “toy” is not complete: “config.json” is not readable: no valid JSON.",
        ),
        (
            damage(Path.unlink, "unet", UNET),
            "The U-Net of “toy” cannot be used: there are no weights (.safetensors).",
        ),
        (
            damage(lambda path: path.write_bytes(path.read_bytes()[:-1]), "unet", UNET),
            f"The U-Net of “toy” cannot be used: “{UNET}” is cut off: its header promises more than the file holds.",
        ),
        (
            damage(lambda path: path.write_bytes(POINTER), "unet", UNET),
            f"The U-Net of “toy” cannot be used: “{UNET}” is a placeholder of git-lfs, without the weights.",
        ),
        (
            damage(lambda path: path.write_bytes(b""), "unet", UNET),
            f"The U-Net of “toy” cannot be used: “{UNET}” is empty or cut off.",
        ),
        (
            damage(lambda path: path.rename(path.with_name(f"{UNET}.incomplete")), "unet", UNET),
            "The U-Net of “toy” cannot be used: the download has not been finished.",
        ),
        (
            damage(lambda path: path.rename(path.with_suffix(".bin")), "unet", UNET),
            "The U-Net of “toy” cannot be used: there are only pickle files, which can run any program when they are opened.",
        ),
        (
            damage(
                lambda path: path.write_text('{"_class_name": "AutoencoderTiny", "block_out_channels": [1]}'),
                "vae",
                "config.json",
            ),
            "The VAE of “toy” is of another kind (AutoencoderTiny).",
        ),
        (
            damage(lambda path: path.write_text('{"in_channels": 9}'), "unet", "config.json"),
            "“toy” is made for inpainting only, which Palimpsest does not use.",
        ),
        (damage(Path.unlink, "model_index.json"), "“model_index.json” of “toy” is missing."),
        (
            damage(lambda path: path.write_text("[" * 100_000), "model_index.json"),
            "“model_index.json” of “toy” is nested too deeply.",
        ),
        (
            damage(lambda path: path.write_bytes(b"\xff\x00"), "model_index.json"),
            "“model_index.json” of “toy” is not readable: no valid JSON.",
        ),
        (
            damage(lambda path: path.write_text("[]"), "model_index.json"),
            "“model_index.json” of “toy” is not readable: no JSON object.",
        ),
        (
            damage(lambda path: path.write_text("{}"), "model_index.json"),
            "“model_index.json” of “toy” does not say what model it is.",
        ),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(toy: Path, harm: Callable[[Path], None], said: str) -> None:
    harm(toy)
    assert problem(toy) == said


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "FluxPipeline",
            "“toy” is a FLUX model; Palimpsest can use Stable Diffusion 1 and 2, SDXL, Stable Diffusion 3 and Kandinsky 2.2 so far.",
        ),
        ("StableDiffusion3PAGPipeline", "“toy” is a Stable Diffusion 3 add-on model;"),
        ("StableDiffusionInpaintPipeline", "“toy” is made for inpainting only"),
        ("AudioLDMPipeline", "“toy” is an AudioLDM model;"),
    ],
)
def test_other_families_are_refused_by_name(tmp_path: Path, kind: str, said: str) -> None:
    assert problem(diffusers_folder(tmp_path / "toy", kind)).startswith(said)


def test_variants_and_shards(toy: Path) -> None:
    unet = toy / "unet"
    (unet / UNET).rename(unet / "diffusion_pytorch_model.fp16.safetensors")
    assert inspect(toy).usable
    (unet / "diffusion_pytorch_model.fp16.safetensors").unlink()
    names = [f"diffusion_pytorch_model-0000{index}-of-00002.safetensors" for index in (1, 2)]
    for name in names:
        weights_file(unet / name, {name: (3, 3)}, dtype="F32")
    index = unet / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": dict(zip("ab", names, strict=True))}))
    info = inspect(toy)
    assert info.usable, info.problem
    assert (info.parts[0].parameters, info.parts[0].stored, info.parts[0].precision) == (18, 72, "float32")
    (unet / names[1]).unlink()
    assert problem(toy) == f"The U-Net of “toy” cannot be used: “{names[1]}” is missing."
    for stranger in ("../../secret.safetensors", "/etc/passwd", "a\\b.safetensors", "x.bin"):
        index.write_text(json.dumps({"weight_map": {"a": stranger}}))
        assert "points outside of its folder" in problem(toy)
    nothings: tuple[object, ...] = ([], {}, "x")
    for nothing in nothings:
        index.write_text(json.dumps({"weight_map": nothing}))
        assert "does not list the weights" in problem(toy)


@pytest.mark.parametrize("family", NAMES)
def test_a_single_file(tmp_path: Path, family: str) -> None:
    info = inspect(
        weights_file(tmp_path / "Some model.safetensors", folder_of(family), {"modelspec.license": "CreativeML"})
    )
    assert info.usable, info.problem
    assert (info.family.name, info.name, info.licence) == (family, "Some model", "CreativeML")
    assert info.native == (512 if family == "stable-diffusion" else 1024)
    assert next(part for part in info.parts if part.name == "unet").parameters == 2 * 4 * 9


@pytest.mark.parametrize(
    ("name", "metadata", "second", "expected"),
    [
        ("model", {}, False, ("epsilon", 512)),
        ("model", {"modelspec.predict_key": "v"}, False, ("v_prediction", 512)),
        ("model", {"modelspec.prediction_type": "epsilon"}, True, ("epsilon", 512)),
        ("noob-vpred", {}, False, ("v_prediction", 512)),
        ("moved", {}, True, ("v_prediction", 768)),
        ("v2-1_768-ema-pruned", {}, True, ("v_prediction", 768)),
        ("v2-1_512-ema-pruned", {}, True, ("epsilon", 512)),
        ("my-base", {}, True, ("epsilon", 512)),
        ("model", {"modelspec.architecture": "stable-diffusion-v2-768-v"}, True, ("v_prediction", 768)),
        ("model", {"modelspec.resolution": "512x512"}, True, ("epsilon", 512)),
    ],
)
def test_what_a_single_file_predicts(
    tmp_path: Path, name: str, metadata: dict[str, str], second: bool, expected: tuple[str, int]
) -> None:
    arrays = folder_of("stable-diffusion")
    if second:
        arrays = {key: array for key, array in arrays.items() if "cond_stage" not in key} | dict.fromkeys(SECOND, (4,))
    file = weights_file(tmp_path / f"{name}.safetensors", arrays, metadata)
    info = inspect(file)
    assert (info.prediction, info.native) == expected
    assert inspect(file, "epsilon").prediction == "epsilon"
    assert inspect(file, "v_prediction").prediction == "v_prediction"


def test_a_key_may_say_that_it_predicts_v(tmp_path: Path) -> None:
    arrays = folder_of("stable-diffusion-xl") | {"v_pred": (1,)}
    assert inspect(weights_file(tmp_path / "m.safetensors", arrays)).prediction == "v_prediction"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["lora_unet_down_blocks_0.lora_down.weight"], "is a LoRA, not a whole model"),
        (["unet.down_blocks.0.attn.lora_A.weight"], "is a LoRA"),
        (["control_model.time_embed.0.weight", "model.diffusion_model.input_blocks.0.0.weight"], "is a ControlNet"),
        (["encoder.conv_in.weight", "decoder.conv_in.weight"], "is a VAE alone"),
        (["first_stage_model.encoder.conv_in.weight"], "is a VAE alone"),
        (["down_blocks.0.resnets.0.conv1.weight"], "is one part of a model"),
        (["model.diffusion_model.input_blocks.0.0.weight"], "holds only the U-Net"),
        (["double_blocks.0.img_attn.qkv.weight"], "is a FLUX model; Palimpsest can use"),
        (["model.diffusion_model.joint_blocks.0.x.weight"], "is a Stable Diffusion 3 model"),
        (["emb_params"], "is a textual inversion"),
        (["anything"], "is not a model that Palimpsest knows"),
        ([], "is not a model that Palimpsest knows"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path: Path, names: list[str], said: str) -> None:
    file = weights_file(tmp_path / "x.safetensors", dict.fromkeys(names, (4, 4, 3, 3)))
    assert problem(file).startswith(f"“x.safetensors” {said}")


def test_single_files_for_other_tasks(tmp_path: Path) -> None:
    assert "inpainting" in problem(weights_file(tmp_path / "i.safetensors", folder_of("stable-diffusion", 9)))
    assert "another task" in problem(weights_file(tmp_path / "p.safetensors", folder_of("stable-diffusion", 8)))
    assert "fewer than 16 bits" in problem(
        weights_file(tmp_path / "q.safetensors", folder_of("stable-diffusion"), dtype="F8_E4M3")
    )


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".bin", ".PTH"])
def test_pickles_are_refused_unread(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"\x80\x04boom")
    assert "can run any program" in problem(path)
    assert inspect(path).advice == "Look for the safetensors version of the same model."


def header(text: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(text) if length is None else length) + text


DAMAGED = b'{"a": {"dtype": "F16", "shape": %s, "data_offsets": %s}}'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234567",
        b"PK\x03\x04" + bytes(100),
        b"\x80\x04\x95" + bytes(100),
        header(b"", 2**63),
        header(b"", HEADER_LIMIT + 1),
        header(b"{}", 3),
        header(b"[" * 200_000),
        header(b"[]"),
        header(b"\xff\xfe"),
        header(b'{"a": 1}'),
        header(b'{"a": {"dtype": "F17", "shape": [], "data_offsets": [0, 2]}}'),
        header(DAMAGED % (b"[1]", b"[0, 4]") + bytes(9)),
        header(DAMAGED % (b"[-1]", b"[0, -2]")),
        header(DAMAGED % (b"[1]", b"[-2, 0]")),
        header(DAMAGED % (b"[1e3]", b"[0, 2000]")),
        header(DAMAGED % (b"[" + b"9" * 5000 + b"]", b"[0, 2]")),
        header(DAMAGED % (b"[1099511627776, 1099511627776]", b"[0, 2]")),
        header(DAMAGED % (b"[%s1]" % (b"1," * 40), b"[0, 2]")),
        header(b'{"__metadata__": []}'),
    ],
)
def test_hostile_files_end_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    assert problem(path).startswith("“x.safetensors” ")


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    for whole in (content, header(content)):
        path.write_bytes(whole)
        assert not inspect(path).usable


def test_special_files_and_missing_ones(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.safetensors")
    assert "is a device or a pipe" in problem(tmp_path / "pipe.safetensors")  # opening it would wait for ever
    assert "is missing" in problem(tmp_path / "nowhere.safetensors")
    (tmp_path / "notes.txt").write_text("x")
    assert "is not a model file" in problem(tmp_path / "notes.txt")


def test_a_settings_file_of_any_size_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    with path.open("wb") as file:
        file.truncate(2**33)  # takes no room on the disk
    with pytest.raises(Damaged, match="far too large"):
        read_json(path)


def test_a_header_tells_what_the_file_holds(tmp_path: Path) -> None:
    found = read_header(weights_file(tmp_path / "x.safetensors", {"a": (2, 3), "b": ()}, {"k": "v"}, "F32"))
    assert found.metadata == {"k": "v"}
    assert (found.tensors["a"].count, found.tensors["a"].stored) == (6, 24)
    assert found.tensors["b"].count == 1
