"""Settings and files of a model that mean to steer libraries: what is not listed changes nothing, what is absurd is refused in time."""

from __future__ import annotations

import json
import resource
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from editor.diffusion.families.registry import FAMILIES
from editor.diffusion.loading import load_pipelines, network_of, tokenizer_of, understood
from editor.diffusion.ranking import ClipScorer
from editor.errors import ModelUnavailable
from editor.models.components import NOISE_SCHEDULER, PICTURE_PROCESSOR, WHOLE_CLIP, cleaned
from editor.models.headers import Damaged
from editor.models.inspect import inspect
from editor.models.memory import Fit, Plan
from editor.models.rankers import inspect_ranker
from tests.support.alarm import time_limit
from tests.support.clip_folders import clip_folder
from tests.support.reports import drive

SD = FAMILIES.named("stable-diffusion")
NETWORKS = SD.networks()
KINDS = {spec.name: spec.kind for family in FAMILIES for spec in family.parts} | {
    "scheduler": NOISE_SCHEDULER,
    "image_processor": PICTURE_PROCESSOR,
    "clip": WHOLE_CLIP,
}
PLAIN = Fit(Plan("cpu", "float32", "float32"), 0, 0)
STEERING: dict[str, Any] = {
    "_attn_implementation": "kernels-community/flash-attn2",
    "attn_implementation": "kernels-community/flash-attn2",
    "_attn_implementation_internal": "owner/kernel",
    "_experts_implementation": "kernels-community/moe",
    "use_kernels": True,
    "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True},
    "compression_config": {"quant_method": "compressed-tensors"},
    "auto_map": {"AutoConfig": "owner/model--code.Config", "AutoModel": "code.Model"},
    "sub_configs": {"text_config": "os.system"},
    "trust_remote_code": True,
    "custom_pipeline": "owner/pipeline",
    "custom_generate": "owner/generate",
    "_name_or_path": "owner/elsewhere",
    "_commit_hash": "0" * 40,
    "base_model_name_or_path": "owner/elsewhere",
    "architectures": ["LlamaForCausalLM"],
    "torch_dtype": "float8_e4m3fn",
    "dtype": "no such",
    "num_labels": 10**9,
    "id2label": {"x": 1},
    "pruned_heads": {"0": [0]},
    "torchscript": True,
    "tie_word_embeddings": True,
    "gguf_file": "x.gguf",
    "_diffusers_version": "99.0",
    "transformers_version": "99.0",
    "return_dict": False,
    "output_attentions": True,
    "unknown": {"deep": [[]]},
}


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    with time_limit(60):
        yield


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def sound(tiny_folder: Callable[[str], Path]) -> Path:
    return tiny_folder("sd")


@pytest.fixture
def toy(sound: Path, tmp_path: Path) -> Path:
    """A copy, to be changed."""
    return Path(shutil.copytree(sound, tmp_path / "toy"))


def change(file: Path, **fields: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def load(folder: Path) -> Any:
    info = inspect(folder)
    assert info.usable, info.problem
    return drive(load_pipelines(info, PLAIN))[0]


def weights(pipeline: Any) -> dict[str, torch.Tensor]:
    parts = {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}
    return {f"{name}.{key}": each for name, part in parts.items() for key, each in part.state_dict().items()}


def test_what_is_not_listed_changes_nothing(sound: Path, toy: Path) -> None:
    for part in ("unet", "vae", "text_encoder"):
        change(toy / part / "config.json", **STEERING)
    for file in ("scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json", "model_index.json"):
        change(toy / file, **STEERING)
    changed, before = load(toy), load(sound)
    after = weights(changed)
    assert after.keys() == weights(before).keys()
    assert all(torch.equal(weight, after[key]) for key, weight in weights(before).items())
    assert changed.text_encoder.config._attn_implementation == "sdpa"
    assert not hasattr(changed.text_encoder.config, "quantization_config")
    assert changed.text_encoder.config.output_attentions == before.text_encoder.config.output_attentions
    assert dict(changed.unet.config).keys() == dict(before.unet.config).keys()
    assert "kernels" not in sys.modules
    said = {"text": "a red boat"}
    assert changed.tokenizer(**said) == before.tokenizer(**said)


def test_what_lies_beside_the_weights_is_not_looked_at(sound: Path, toy: Path) -> None:
    adapter = {
        "peft_type": "LORA",
        "base_model_name_or_path": "owner/elsewhere",
        "auto_mapping": {"parent_library": "os"},
    }
    for part in ("unet", "vae", "text_encoder", "tokenizer"):
        for name in (
            "adapter_config.json",
            "generation_config.json",
            "quantization_config.json",
            "processor_config.json",
        ):
            (toy / part / name).write_text(json.dumps(adapter))
        (toy / part / "chat_template.jinja").write_text("{{ cycler.__init__.__globals__.os.system('false') }}")
        (toy / part / "code.py").write_text("raise SystemExit")
        (toy / part / "pipeline.py").write_text("raise SystemExit")
    before, after = weights(load(sound)), weights(load(toy))
    assert all(torch.equal(each, before[key]) for key, each in after.items())


def test_a_tokenizer_brings_words_and_no_patterns(tmp_path: Path) -> None:
    folder = clip_folder(tmp_path / "clip")
    before = tokenizer_of(folder)("a red boat, 12").input_ids
    told = json.loads((folder / "tokenizer.json").read_text())
    longer = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000}
    told["normalizer"] = {"type": "Sequence", "normalizers": [longer] * 20}
    told["pre_tokenizer"] = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    told["padding"] = {
        "strategy": {"Fixed": 10**9}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "!",
    }  # fmt: skip
    told["decoder"] = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10**6}
    (folder / "tokenizer.json").write_text(json.dumps(told))
    assert tokenizer_of(folder)("a red boat, 12").input_ids == before


def published_words(folder: Path) -> None:
    """As the tokenizer of Stable Diffusion 1 is published, with special words spelt out."""
    marks = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    special: dict[str, Any] = {
        f"{name}_token": {"content": f"<|{content}|>", **marks}
        for name, content in (("bos", "startoftext"), ("eos", "endoftext"), ("unk", "endoftext"))
    }
    settings = {
        "add_prefix_space": False,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": 77,
        "pad_token": "<|endoftext|>",
        "name_or_path": "openai/clip-vit-large-patch14",
        "special_tokens_map_file": "./special_tokens_map.json",
        "tokenizer_class": "CLIPTokenizer",
        **{name: {"__type": "AddedToken", **each} for name, each in special.items()},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").write_text(json.dumps({**special, "pad_token": "<|endoftext|>"}))


@pytest.mark.parametrize("changed", [lambda folder: None, published_words])
def test_a_tokenizer_of_a_published_kind_is_as_transformers_reads_it(
    toy: Path, changed: Callable[[Path], None]
) -> None:
    folder = toy / "tokenizer"
    changed(folder)
    ours = tokenizer_of(folder)
    theirs = transformers.CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    for words in ("", "a red boat, SKY", "it's <|endoftext|> Über 12 🙂"):
        for options in (
            {},
            {"padding": "max_length", "max_length": 30, "truncation": True},
            {"add_special_tokens": False},
        ):
            assert ours(words, **options).input_ids == theirs(words, **options).input_ids
    assert (ours.model_max_length, ours.pad_token_id, len(ours)) == (
        theirs.model_max_length,
        theirs.pad_token_id,
        len(theirs),
    )


def test_words_that_were_added_are_kept(toy: Path) -> None:
    folder = toy / "tokenizer"
    words = len(json.loads((folder / "vocab.json").read_text()))
    change(
        folder / "tokenizer_config.json",
        added_tokens_decoder={
            **{
                str(words - 2 + i): {"content": each, "special": True, "normalized": False}
                for i, each in enumerate(("<|startoftext|>", "<|endoftext|>"))
            },
            str(words): {"content": "<cat>", "special": False, "normalized": False, "evil": 1},
        },
    )
    assert tokenizer_of(folder)("a <cat>", add_special_tokens=False).input_ids[-1] == words


@pytest.mark.logs
def test_words_that_the_text_encoder_has_no_place_for_are_refused(toy: Path) -> None:
    words = json.loads((toy / "tokenizer" / "vocab.json").read_text())
    (toy / "tokenizer" / "vocab.json").write_text(json.dumps(words | {"zzz</w>": len(words) + 5}))
    with pytest.raises(ModelUnavailable, match="unknown to the text encoder"):
        load(toy)


ABSURD: list[tuple[str, dict[str, Any]]] = [
    ("unet", {"layers_per_block": 1_000_000}),
    ("unet", {"transformer_layers_per_block": 1_000_000}),
    ("unet", {"transformer_layers_per_block": [64, 64], "layers_per_block": 16}),
    ("unet", {"block_out_channels": [8, 2**40]}),
    ("unet", {"block_out_channels": [8] * 1_000_000, "down_block_types": ["DownBlock2D"] * 1_000_000}),
    ("unet", {"cross_attention_dim": 10**9}),
    ("unet", {"sample_size": -1}),
    ("unet", {"norm_num_groups": 0}),
    ("unet", {"conv_in_kernel": 10**6}),
    ("unet", {"attention_type": "gated"}),
    ("unet", {"down_block_types": ["../../x"]}),
    ("vae", {"scaling_factor": 0}),
    ("vae", {"scaling_factor": "1"}),
    ("vae", {"layers_per_block": 10**6}),
    ("vae", {"latent_channels": 2**31}),
    ("text_encoder", {"num_hidden_layers": 1_000_000}),
    ("text_encoder", {"vocab_size": 10**12}),
    ("text_encoder", {"hidden_size": True}),
    ("text_encoder", {"hidden_act": "kernels-community/activation"}),
    ("text_encoder", {"max_position_embeddings": 10**9}),
    ("text_encoder", {"model_type": "llama"}),
    ("scheduler", {"num_train_timesteps": 10**12}),
    ("scheduler", {"beta_end": 1e300}),
    ("scheduler", {"beta_schedule": "x" * 1000}),
    ("scheduler", {"trained_betas": [0.1] * 20_000}),
]


@pytest.mark.parametrize(("part", "fields"), ABSURD)
def test_what_is_out_of_range_is_refused_before_it_is_listed(toy: Path, part: str, fields: dict[str, Any]) -> None:
    change(toy / part / ("scheduler_config.json" if part == "scheduler" else "config.json"), **fields)
    info = inspect(toy)
    assert not info.usable
    assert info.problem.endswith(".")
    assert info.advice


WIDE: list[tuple[str, str, dict[str, Any]]] = [
    ("unet", "UNet2DConditionModel", {"block_out_channels": [16_384, 16_384], "norm_num_groups": 32}),
    ("vae", "AutoencoderKL", {"block_out_channels": [16_384] * 4, "layers_per_block": 4}),
    ("text_encoder", "CLIPTextModel", {"hidden_size": 16_384, "intermediate_size": 65_536, "num_hidden_layers": 128}),
    ("text_encoder", "CLIPTextModel", {"vocab_size": 1_000_000, "hidden_size": 16_384}),
    ("text_encoder", "CLIPTextModel", {"num_hidden_layers": 128}),
]


@pytest.mark.parametrize(("part", "kind", "fields"), WIDE)
@pytest.mark.logs
def test_a_network_far_larger_than_its_weights_takes_no_memory(
    toy: Path, part: str, kind: str, fields: dict[str, Any]
) -> None:
    change(toy / part / "config.json", **fields)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelUnavailable), understood("toy", part):
        network_of(NETWORKS.classes[part], toy / part, SD.spec(part).kind, torch.float32)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # kB


def test_a_ranking_model_is_no_better_trusted(tmp_path: Path) -> None:
    folder = clip_folder(tmp_path / "clip", prepare={"image_mean": [10**400, 0, 0], "resample": {}})
    before = ClipScorer.load(inspect_ranker(folder), "cpu")
    change(folder / "config.json", **{**STEERING, "text_config": None, "vision_config": None})
    settings = json.loads((clip_folder(tmp_path / "other") / "config.json").read_text())
    change(
        folder / "config.json",
        text_config=settings["text_config"] | STEERING,
        vision_config=settings["vision_config"] | STEERING,
    )
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "owner/x"}))
    after = ClipScorer.load(inspect_ranker(folder), "cpu")
    left, right = before._network.state_dict(), after._network.state_dict()
    assert all(torch.equal(each, right[key]) for key, each in left.items())
    change(folder / "config.json", vision_config=settings["vision_config"] | {"num_hidden_layers": 10**6})
    info = inspect_ranker(folder)
    assert not info.usable
    assert "num_hidden_layers" in info.problem


@pytest.mark.parametrize(
    "kind", [ImportError, AttributeError, ZeroDivisionError, RecursionError, AssertionError, IndexError]
)
def test_whatever_a_library_raises_about_a_model_is_a_sentence(
    toy: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: type[Exception]
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise kind("no module named x")

    monkeypatch.setattr(NETWORKS.classes["unet"], "from_pretrained", fail)
    with pytest.raises(ModelUnavailable, match="The U-Net of “toy” cannot be loaded") as caught:
        load(toy)
    assert caught.value.advice
    assert "Traceback" in caplog.text


@pytest.mark.logs
def test_the_panic_of_a_library_in_rust_is_a_sentence() -> None:
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
    with pytest.raises(ModelUnavailable), understood("toy"):
        raise panic("index out of bounds")
    with pytest.raises(KeyboardInterrupt), understood("toy"):
        raise KeyboardInterrupt


PUBLISHED: list[tuple[str, dict[str, Any]]] = [
    (  # Kandinsky 2.2
        "unet",
        {
            "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.18.0.dev0", "act_fn": "silu", "addition_embed_type": "image",
            "addition_embed_type_num_heads": 64, "attention_head_dim": 64, "block_out_channels": [384, 768, 1152, 1536], "center_input_sample": False,
            "class_embed_type": None, "class_embeddings_concat": False, "conv_in_kernel": 3, "conv_out_kernel": 3, "cross_attention_dim": 768,
            "down_block_types": ["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D"],
            "encoder_hid_dim": 1280, "encoder_hid_dim_type": "image_proj", "layers_per_block": 3, "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
            "out_channels": 8, "resnet_time_scale_shift": "scale_shift", "sample_size": 64, "time_embedding_type": "positional",
            "up_block_types": ["SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"],
        },
    ),
    (  # half of Stable Diffusion XL
        "unet",
        {
            "block_out_channels": [320, 640, 1280], "mid_block_type": None, "attention_head_dim": [5, 10, 20],
            "transformer_layers_per_block": [1, 2, [4, 4]], "reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 1],
        },
    ),
    ("unet", {"transformer_layers_per_block": [1, 2, 10], "block_out_channels": [320, 640, 1280], "layers_per_block": 2}),
    ("scheduler", {"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": float("-inf"), "algorithm_type": "dpmsolver++"}),
    ("scheduler", {"_class_name": "UnCLIPScheduler", "clip_sample_range": 5.0, "variance_type": "fixed_small_log", "num_train_timesteps": 1000}),
    ("text_encoder", {"model_type": "clip", "text_config": {"hidden_size": 768, "vocab_size": 49408}}),
    (
        "prior",
        {"added_emb_type": "prd", "additional_embeddings": 4, "attention_head_dim": 64, "embedding_dim": 1280, "num_layers": 20},
    ),
    ("image_processor", {"crop_size": {"height": 224, "width": 224}, "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3, "size": 224}),
]  # fmt: skip


@pytest.mark.parametrize(("part", "settings"), PUBLISHED)
def test_settings_as_they_are_published_pass(part: str, settings: dict[str, Any]) -> None:
    fields = KINDS[part].fields
    clean = cleaned(KINDS[part], settings)
    inner = settings.get("text_config", settings)
    assert {key: clean[key] for key in inner if key in fields} == {
        key: each for key, each in inner.items() if key in fields
    }


@pytest.mark.parametrize("part", KINDS)
@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -1, 10**400, "x" * 100, "../..", [], {}, [[]], [[[[1]]]], [None], {"a": {}}, [{}]],
)
def test_no_field_takes_just_anything(part: str, value: Any) -> None:
    for name in KINDS[part].fields:
        try:
            clean = cleaned(KINDS[part], {name: value})
        except Damaged:
            continue
        assert clean[name] == value
        assert value in (-1, [], [[]]), f"{name} takes {value!r}"
