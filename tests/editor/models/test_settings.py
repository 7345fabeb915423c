"""Settings that mean something else than what would be computed: refused before a model is listed, with what to get instead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from editor.models.inspect import inspect
from editor.models.library import Library
from editor.models.settings import OTHER_MODEL
from tests.support.model_files import SECOND, diffusers_folder, folder_of, weights_file

SD, XL, KANDINSKY = "StableDiffusionPipeline", "StableDiffusionXLPipeline", "KandinskyV22Pipeline"
NAN, INFINITE = float("nan"), float("inf")


def changed(folder: Path, part: str, **more: Any) -> Path:
    """With other settings of one part. Returns the folder."""
    file = folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **more}))
    return folder


def folder(tmp_path: Path, kind: str = SD) -> Path:
    if kind == KANDINSKY:
        diffusers_folder(tmp_path / "toy" / "prior", "KandinskyV22PriorPipeline")
    return diffusers_folder(tmp_path / "toy", kind)


FLOW, EDM = "was trained with flow matching", "was trained with noise of another kind (EDM)"


@pytest.mark.parametrize("kind", [SD, XL, KANDINSKY])
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, FLOW),
        ({"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": True}, FLOW),
        ({"prediction_type": "flow_prediction"}, FLOW),
        ({"_class_name": "EDMEulerScheduler", "sigma_data": 0.5}, EDM),
        ({"_class_name": "EDMDPMSolverMultistepScheduler"}, EDM),
        ({"_class_name": "CosineDPMSolverMultistepScheduler"}, EDM),
        ({"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous"}, EDM),
        ({"_class_name": "CMStochasticIterativeScheduler"}, "brings a sampler that Palimpsest does not know (CMS"),
        ({"_class_name": "ScoreSdeVeScheduler"}, "brings a sampler that Palimpsest does not know (Score"),
        ({"_class_name": "IPNDMScheduler"}, "brings a sampler that Palimpsest does not know (IPNDM"),
        ({"_class_name": None}, "does not say with which noise it was trained"),
        ({"_class_name": ["DDIMScheduler"]}, "does not say with which noise it was trained"),
        ({"prediction_type": "score"}, "predicts something that Palimpsest does not know (score)"),
        ({"prediction_type": None}, "predicts something that Palimpsest does not know (None)"),
        ({"beta_schedule": "exp"}, "was trained with noise that Palimpsest does not know (exp)"),
    ],
)
def test_other_noise_is_refused(tmp_path: Path, kind: str, settings: dict[str, Any], said: str) -> None:
    info = inspect(changed(folder(tmp_path, kind), "scheduler", **settings))
    assert info.problem.startswith(f"“toy” {said}")
    assert info.advice not in ("", OTHER_MODEL)


@pytest.mark.parametrize(
    "settings",
    [
        {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
        {"prediction_type": "sample"},
        {"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": False, "use_karras_sigmas": True},
        {"_class_name": "EulerDiscreteScheduler", "timestep_type": "discrete", "final_sigmas_type": "sigma_min"},
        {"_class_name": "HeunDiscreteScheduler"},
        {"_class_name": "TCDScheduler"},
        {"beta_schedule": "squaredcos_cap_v2", "thresholding": True, "clip_sample": True},
        {"beta_schedule": "anything", "trained_betas": [0.1, 0.2]},
    ],
)
def test_what_samplers_of_the_usual_noise_say_is_understood(tmp_path: Path, settings: dict[str, Any]) -> None:
    info = inspect(changed(folder(tmp_path), "scheduler", **settings))
    assert info.usable, info.problem
    assert info.prediction == settings.get("prediction_type", "epsilon")


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (SD, {"in_channels": 9}, "is made for inpainting only"),
        (SD, {"in_channels": 8}, "is made for another task"),
        (SD, {"in_channels": 7, "num_class_embeds": 1000}, "expects a class or a picture beside the words"),
        (SD, {"class_embed_type": "projection"}, "expects a class or a picture beside the words"),
        (XL, {"class_embed_type": "timestep"}, "expects a class or a picture beside the words"),
        (SD, {"time_cond_proj_dim": 256}, "takes its guidance as an input"),
        (SD, {"addition_embed_type": "text_time"}, "expects other things beside the words"),
        (XL, {"addition_embed_type": None}, "expects other things beside the words"),
        (XL, {"addition_embed_type": "text"}, "expects other things beside the words"),
        (SD, {"encoder_hid_dim_type": "text_image_proj"}, "expects other things beside the words"),
        (KANDINSKY, {"addition_embed_type": "image_hint"}, "expects other things beside the words"),
        (KANDINSKY, {"encoder_hid_dim_type": "text_image_proj"}, "expects other things beside the words"),
    ],
)
def test_networks_that_expect_something_else_are_refused(
    tmp_path: Path, kind: str, settings: dict[str, Any], said: str
) -> None:
    info = inspect(changed(folder(tmp_path, kind), "unet", **settings))
    assert info.problem.startswith(f"“toy” {said}")
    assert info.advice not in ("", OTHER_MODEL)
    assert info.family == inspect(folder(tmp_path / "sound", kind)).family


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (SD, {"class_embed_type": None, "num_class_embeds": None, "addition_embed_type": None}),
        (SD, {"time_cond_proj_dim": None, "encoder_hid_dim_type": None}),
        (SD, {"encoder_hid_dim_type": "text_proj", "encoder_hid_dim": 7}),
        (XL, {"addition_embed_type": "text_time"}),
        (KANDINSKY, {"addition_embed_type": "image", "encoder_hid_dim_type": "image_proj"}),
    ],
)
def test_what_a_network_of_the_family_says_is_understood(tmp_path: Path, kind: str, settings: dict[str, Any]) -> None:
    info = inspect(changed(folder(tmp_path, kind), "unet", **settings))
    assert info.usable, info.problem


def test_text_encoders_of_another_model_are_refused(tmp_path: Path) -> None:
    toy = changed(changed(folder(tmp_path), "unet", cross_attention_dim=1024), "text_encoder", hidden_size=768)
    assert inspect(toy).problem == (
        "“toy” does not fit together: its text encoders give 768 numbers a word and its U-Net takes 1024."
    )
    assert inspect(changed(toy, "text_encoder", hidden_size=1024)).usable
    assert inspect(changed(toy, "unet", cross_attention_dim=[8, 8])).usable  # said otherwise: diffusers will tell


def test_time_ids_of_another_model_are_refused(tmp_path: Path) -> None:
    """Six sizes with Stable Diffusion XL, five numbers with its refiner; both beside 1,280 of the second text encoder."""
    toy = folder(tmp_path, XL)
    changed(toy, "text_encoder_2", projection_dim=1280)
    told = {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}
    assert inspect(changed(toy, "unet", projection_class_embeddings_input_dim=2816, **told)).usable
    info = inspect(changed(toy, "unet", projection_class_embeddings_input_dim=2560, **told))
    assert info.problem == "“toy” expects other sizes or scores beside the words than models of its kind do."
    index = toy / "model_index.json"
    index.write_text(json.dumps({"_class_name": XL, "text_encoder": [None, None]}))
    refiner = inspect(toy)
    assert (refiner.family.name, refiner.problem) == ("stable-diffusion-xl-refiner", "")
    assert not inspect(changed(toy, "unet", projection_class_embeddings_input_dim=2816, **told)).usable


@pytest.mark.parametrize(
    "settings",
    [
        {"scaling_factor": 0},
        {"scaling_factor": -1.0},
        {"scaling_factor": NAN},
        {"scaling_factor": 10**400},
        {"scaling_factor": "0.18215"},
        {"scaling_factor": None},
        {"shift_factor": INFINITE},
        {"latents_mean": [0, 0, 0, 0]},
        {"latents_std": [1, 1, 1, 1]},
        {"latents_mean": [0, 0, 0], "latents_std": [1, 1, 1]},
        {"latents_mean": [0, 0, 0, NAN], "latents_std": [1, 1, 1, 1]},
        {"latents_mean": [0, 0, 0, 0], "latents_std": [1, 1, 1, 0]},
        {"latents_mean": 0.0, "latents_std": 1.0},
    ],
)
def test_a_vae_that_scales_latents_by_nonsense_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert "whose settings make no sense" in inspect(changed(folder(tmp_path), "vae", **settings)).problem


@pytest.mark.parametrize(
    "settings",
    [
        {"scaling_factor": 0.13025, "force_upcast": False, "shift_factor": None},
        {"latents_mean": None, "latents_std": None, "use_quant_conv": False},
        {"latents_mean": [-1.6574, 1.886, -1.383, 2.5155], "latents_std": [8.4927, 5.9022, 6.5498, 5.2299]},
    ],
)
def test_what_a_vae_says_of_its_latents_is_understood(tmp_path: Path, settings: dict[str, Any]) -> None:
    info = inspect(changed(folder(tmp_path), "vae", **settings))
    assert info.usable, info.problem


@pytest.mark.parametrize("settings", [{"_class_name": "DDPMScheduler"}, {"prediction_type": "v_prediction"}])
def test_a_prior_that_is_sampled_otherwise_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    toy = folder(tmp_path, KANDINSKY)
    changed(toy / "prior", "scheduler", **settings)
    info = inspect(toy)
    assert info.problem.startswith("“toy” has a prior with a sampler that Palimpsest does not know")
    assert info.advice == "Get the published prior of Kandinsky 2.2."


# Single files


@pytest.mark.parametrize(
    "keys", [("edm_mean", "edm_std"), ("edm_vpred.sigma_max", "edm_vpred.sigma_min"), ("v_pred", "edm_vpred.sigma_max")]
)
def test_files_of_other_noise_are_refused(tmp_path: Path, keys: tuple[str, ...]) -> None:
    arrays = folder_of("stable-diffusion-xl") | dict.fromkeys(keys, (4,))
    info = inspect(weights_file(tmp_path / "m.safetensors", arrays))
    assert info.problem == f"“m.safetensors” {EDM}, which Palimpsest cannot make."
    assert "epsilon or v-prediction" in info.advice
    assert [model.usable for model in Library((tmp_path,)).models()] == [False]  # it is listed, with its reason


@pytest.mark.parametrize(
    ("name", "keys", "metadata", "expected"),
    [
        ("m", ("v_pred", "ztsnr"), {}, ("v_prediction", True)),
        ("m", ("v_pred",), {}, ("v_prediction", False)),
        ("m", ("ztsnr",), {}, ("epsilon", False)),
        ("m", (), {"modelspec.prediction_type": "v", "ss_zero_terminal_snr": "True"}, ("v_prediction", True)),
        ("m", (), {"modelspec.prediction_type": "epsilon", "ss_zero_terminal_snr": "True"}, ("epsilon", False)),
        ("boats-vpred-ztsnr", (), {}, ("v_prediction", True)),
        ("boats_v-pred_zsnr", (), {}, ("v_prediction", True)),
        ("boats", ("v_pred", "ztsnr"), {"modelspec.prediction_type": "epsilon"}, ("epsilon", False)),
    ],
)
def test_how_much_noise_a_file_was_trained_with(
    tmp_path: Path, name: str, keys: tuple[str, ...], metadata: dict[str, str], expected: tuple[str, bool]
) -> None:
    arrays = folder_of("stable-diffusion-xl") | dict.fromkeys(keys, ())
    info = inspect(weights_file(tmp_path / f"{name}.safetensors", arrays, metadata))
    assert info.usable, info.problem
    assert (info.prediction, info.zero_snr) == expected


@pytest.mark.parametrize("told", ["flow", "sample", "edm", "rectified_flow"])
def test_a_file_that_predicts_something_else_is_refused(tmp_path: Path, told: str) -> None:
    arrays = folder_of("stable-diffusion-xl")
    info = inspect(weights_file(tmp_path / "m.safetensors", arrays, {"modelspec.prediction_type": told}))
    assert info.problem == f"“m.safetensors” predicts something that Palimpsest does not know ({told})."
    assert inspect(info.path, "epsilon").usable  # somebody who knows better may say so


def test_a_file_that_expects_a_picture_is_refused(tmp_path: Path) -> None:
    arrays = folder_of("stable-diffusion") | {"model.diffusion_model.label_emb.0.0.weight": (8, 8)}
    assert "expects a class or a picture" in inspect(weights_file(tmp_path / "m.safetensors", arrays)).problem
    arrays = folder_of("stable-diffusion-xl") | {"model.diffusion_model.label_emb.0.0.weight": (8, 8)}
    assert inspect(weights_file(tmp_path / "x.safetensors", arrays)).usable  # there it is for the sizes


def test_a_file_without_one_of_its_text_encoders_says_which(tmp_path: Path) -> None:
    arrays = folder_of("stable-diffusion-xl")
    del arrays["conditioner.embedders.0.transformer.text_model.x"]
    assert inspect(weights_file(tmp_path / "m.safetensors", arrays)).problem == (
        "“m.safetensors” has no first text encoder in it."
    )


def test_the_second_version_is_known_by_the_width_of_its_words_too(tmp_path: Path) -> None:
    words = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
    for width, native in ((768, 512), (1024, 768)):
        arrays = folder_of("stable-diffusion") | {words: (8, width)}
        assert inspect(weights_file(tmp_path / f"{width}.safetensors", arrays)).native == native
    arrays = {key: array for key, array in arrays.items() if "cond_stage" not in key} | dict.fromkeys(SECOND, (4,))
    assert inspect(weights_file(tmp_path / "m.safetensors", arrays)).native == 768


# Numbers of other kinds


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "I8", "U8"])
def test_packed_weights_are_refused_even_where_they_are_few(tmp_path: Path, dtype: str) -> None:
    toy = folder(tmp_path)
    file = toy / "unet" / "diffusion_pytorch_model.safetensors"
    header = {
        "conv_in.weight": {"dtype": "F16", "shape": [8, 8], "data_offsets": [0, 128]},
        "attn.weight": {"dtype": dtype, "shape": [4, 4], "data_offsets": [128, 144]},
    }
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + bytes(144))
    info = inspect(toy)
    assert info.problem.endswith("it is stored with fewer than 16 bits a number, which Palimpsest cannot use yet.")
    assert "half precision" in info.advice


@pytest.mark.parametrize(("dtype", "said"), [("F64", "numbers of another kind (F64)"), ("I32", "another kind (I32)")])
def test_other_numbers_are_refused_by_name(tmp_path: Path, dtype: str, said: str) -> None:
    toy = folder(tmp_path)
    size = 8 if dtype == "F64" else 4
    header = {"conv_in.weight": {"dtype": dtype, "shape": [2, 2], "data_offsets": [0, 4 * size]}}
    text = json.dumps(header).encode()
    (toy / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(
        len(text).to_bytes(8, "little") + text + bytes(4 * size)
    )
    assert said in inspect(toy).problem


@pytest.mark.parametrize(("names", "advice"), [(["lora_unet_x.lora_down.weight"], "the model that it adds to")])
def test_advice_for_other_files_says_what_to_get(tmp_path: Path, names: list[str], advice: str) -> None:
    info = inspect(weights_file(tmp_path / "x.safetensors", dict.fromkeys(names, (4, 4))))
    assert advice in info.advice
