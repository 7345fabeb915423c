"""What a model's settings and names say beside its weights: honoured as diffusers does, or told; never guessed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

from editor.diffusion.loading import load, load_pipelines
from editor.diffusion.schedule import Schedule
from editor.errors import ModelUnavailable
from editor.models.inspect import inspect
from editor.models.memory import Fit, Plan
from editor.requests.reports import outcome_of
from tests.support.checkpoints import save_single
from tests.support.diffusion import picture, pipeline, planes

# diffusers' schedulers hand tensors to numpy in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PLAIN = Fit(Plan("cpu", "float32", "float32"), 0, 0)
MEANS, DEVIATIONS = [-1.6574, 1.886, -1.383, 2.5155], [8.4927, 5.9022, 6.5498, 5.2299]  # of Playground 2.5


@pytest.fixture
def copied(tiny_folder: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a model, to be changed; of Kandinsky with its prior beside it."""

    def copy(name: str) -> Path:
        of = tiny_folder(name)
        whole = of.parent if name == "kandinsky" else of
        found = Path(shutil.copytree(whole, tmp_path / name))
        return found / "decoder" if name == "kandinsky" else found

    return copy


def change(file: Path, **more: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **more}))


def assembled(folder: Path, settings: Path | None = None) -> Any:
    info = inspect(folder)
    assert info.usable, info.problem
    return outcome_of(load_pipelines(info, PLAIN, settings))[0]


# The autoencoder


def test_latents_are_moved_and_scaled_by_channel_as_in_diffusers(copied: Callable[[str], Path]) -> None:
    folder = copied("sdxl")
    change(folder / "vae" / "config.json", latents_mean=MEANS, latents_std=DEVIATIONS, scaling_factor=0.5)
    backend = outcome_of(load(inspect(folder), PLAIN))
    stock = pipeline(folder, diffusers.StableDiffusionXLImg2ImgPipeline)
    image = picture(64, 64)
    wanted = stock.prepare_latents(
        stock.image_processor.preprocess(planes(image)),
        None,
        1,
        1,
        torch.float32,
        torch.device("cpu"),
        torch.Generator().manual_seed(3),
        add_noise=False,
    )
    assert torch.equal(backend.sample(image, torch.Generator().manual_seed(3)), wanted)

    words = pipeline(folder, diffusers.StableDiffusionXLPipeline)
    given = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(4))
    asked: dict[str, Any] = {"height": 64, "width": 64, "num_inference_steps": 1, "guidance_scale": 1.0}
    latents = words("boat", latents=given, output_type="latent", **asked).images
    painted = words("boat", latents=given, output_type="np", **asked).images
    torch.testing.assert_close(torch.from_numpy(backend.decode(latents)), torch.from_numpy(painted))
    own = backend.own_decoder()
    decoded = own(latents).div(2).add(0.5).clamp(0, 1).permute(0, 2, 3, 1)
    torch.testing.assert_close(decoded, torch.from_numpy(painted))


def test_what_is_learned_depends_on_how_latents_are_scaled(copied: Callable[[str], Path]) -> None:
    folder = copied("sd")
    weights = []
    for more in (
        {},
        {"latents_mean": MEANS, "latents_std": DEVIATIONS},
        {"latents_mean": MEANS, "latents_std": [1] * 4},
    ):
        change(folder / "vae" / "config.json", **more)
        weights.append(outcome_of(load(inspect(folder), PLAIN)).own_decoder().weights[0].tolist())
    assert len({tuple(weight) for weight in weights}) == 3


def test_latents_there_and_back(copied: Callable[[str], Path]) -> None:
    from editor.diffusion.scaling import Scaling

    scaling = Scaling(0.5, 0.25, tuple(MEANS), tuple(DEVIATIONS))
    latents = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(scaling.to_autoencoder(scaling.to_network(latents)), latents)
    normal = torch.tensor(MEANS)[None, :, None, None] + 0.25 + torch.tensor(DEVIATIONS)[None, :, None, None] * latents
    torch.testing.assert_close(scaling.to_network(normal), 0.5 * latents)


def test_a_vae_without_its_outer_convolutions(copied: Callable[[str], Path]) -> None:
    folder = copied("sd")
    change(folder / "vae" / "config.json", use_quant_conv=False, use_post_quant_conv=False)
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({key: each for key, each in load_file(file).items() if "quant_conv" not in key}, file, {"format": "pt"})
    backend = outcome_of(load(inspect(folder), PLAIN))
    latents = backend.encode(picture(64, 64))
    decoded = torch.from_numpy(backend.decode(latents))
    own = backend.own_decoder()(latents).div(2).add(0.5).clamp(0, 1).permute(0, 2, 3, 1)
    torch.testing.assert_close(own, decoded)


# Noise


def single(tiny_folder: Callable[[str], Path], path: Path, name: str = "sdxl", **keys: Any) -> Path:
    """A model in one file, with further arrays."""
    file = save_single(path, assembled(tiny_folder(name)).components)
    save_file({**load_file(file), **keys}, file, {"format": "pt"})
    return file


@pytest.mark.parametrize("sampler", ["", "euler_a", "ddim", "dpmpp_2m", "unipc"])
def test_a_file_of_pure_noise_is_sampled_so(tiny_folder: Callable[[str], Path], tmp_path: Path, sampler: Any) -> None:
    """As a folder that says it: from the very last level, in the v that belongs to it."""
    marks: dict[str, Any] = {"v_pred": torch.zeros(1), "ztsnr": torch.zeros(1)}
    own = assembled(single(tiny_folder, tmp_path / "m.safetensors", **marks), tiny_folder("sdxl")).scheduler
    wanted = diffusers.EulerDiscreteScheduler.from_config(
        {
            **json.loads((tiny_folder("sdxl") / "scheduler" / "scheduler_config.json").read_text()),
            "prediction_type": "v_prediction",
            "rescale_betas_zero_snr": True,
            "timestep_spacing": "trailing",
        }
    )
    mine, theirs = (Schedule(each, sampler=sampler, steps=8) for each in (own, wanted))
    assert mine.prediction == "v_prediction"
    assert int(mine.timesteps[0]) == 999
    assert mine.levels == theirs.levels
    shown = mine.noised(torch.ones(1), torch.zeros(1), 0) / mine.noised(torch.ones(1), torch.ones(1), 0)
    assert float(shown) < 1e-3  # of the picture is left
    plain = assembled(
        single(tiny_folder, tmp_path / "p.safetensors", v_pred=torch.zeros(1)), tiny_folder("sdxl")
    ).scheduler
    assert plain.config.prediction_type == "v_prediction"
    assert not plain.config.rescale_betas_zero_snr


def test_settings_of_the_first_family_are_mended_as_in_diffusers(copied: Callable[[str], Path]) -> None:
    """Its pipeline does so with a warning for their authors; a person who opens the model can do nothing about it."""
    folder = copied("sd")
    file = folder / "scheduler" / "scheduler_config.json"
    settings = {
        "_class_name": "DDIMScheduler",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
    }
    file.write_text(json.dumps(settings))
    own = assembled(folder).scheduler
    assert (own.config.clip_sample, own.config.steps_offset) == (False, 1)
    with pytest.warns(FutureWarning):
        stock = diffusers.StableDiffusionPipeline(
            **{**pipeline(folder).components, "scheduler": diffusers.DDIMScheduler.from_config(settings)},
            requires_safety_checker=False,
        )
    assert (stock.scheduler.config.clip_sample, stock.scheduler.config.steps_offset) == (False, 1)


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("name", ["sdxl", "refiner"])
def test_no_negative_words_mean_what_the_model_says(copied: Callable[[str], Path], name: str, zeros: bool) -> None:
    folder = copied(name)
    change(folder / "model_index.json", force_zeros_for_empty_prompt=zeros)
    assert assembled(folder).config.force_zeros_for_empty_prompt is zeros


# Names and arrays


def renamed(file: Path, rename: Callable[[str], str]) -> Path:
    save_file({rename(key): each for key, each in load_file(file).items()}, file, {"format": "pt"})
    return file


@pytest.mark.parametrize("positions", [False, True])
def test_text_encoders_by_their_old_names(tiny_folder: Callable[[str], Path], tmp_path: Path, positions: bool) -> None:
    """As some versions of transformers wrote them, with a count of positions or without."""
    file = single(tiny_folder, tmp_path / "m.safetensors", "sd")
    usual = assembled(file, tiny_folder("sd")).text_encoder
    old = renamed(
        file, lambda key: key.replace("cond_stage_model.transformer.text_model.", "cond_stage_model.transformer.")
    )
    if positions:
        ids = {"cond_stage_model.transformer.embeddings.position_ids": torch.arange(77)[None]}
        save_file({**load_file(old), **ids}, old, {"format": "pt"})
    found = assembled(old, tiny_folder("sd")).text_encoder
    assert all(torch.equal(each, found.state_dict()[key]) for key, each in usual.state_dict().items())


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize("name", ["sd", "sdxl"])
def test_a_file_that_lacks_an_array_is_never_filled_with_noise(
    tiny_folder: Callable[[str], Path], tmp_path: Path, name: str, part: str
) -> None:
    file = single(tiny_folder, tmp_path / "m.safetensors", name)
    arrays = load_file(file)
    lacking = {
        "unet": "model.diffusion_model.middle_block.0.in_layers.2.weight",
        "vae": "first_stage_model.decoder.conv_out.weight",
        "text_encoder": next(key for key in arrays if key.endswith("text_model.final_layer_norm.weight")),
    }[part]
    del arrays[lacking]
    save_file(arrays, file, {"format": "pt"})
    with pytest.raises(ModelUnavailable, match="missing from its weights") as caught:
        assembled(file, tiny_folder(name))
    assert caught.value.advice.startswith("Download the model again")


@pytest.mark.parametrize(
    ("name", "part"),
    [("sd", "unet"), ("sd", "vae"), ("sd", "text_encoder"), ("sdxl", "text_encoder_2"), ("kandinsky", "movq")],
)
def test_a_folder_that_lacks_an_array_is_never_filled_with_noise(
    copied: Callable[[str], Path], name: str, part: str
) -> None:
    folder = copied(name)
    (file,) = (folder / part).glob("*.safetensors")
    arrays = load_file(file)
    del arrays[max(arrays)]
    save_file(arrays, file, {"format": "pt"})
    with pytest.raises(ModelUnavailable, match="missing from its weights"):
        assembled(folder)


@pytest.mark.parametrize(
    ("name", "part"), [("sd", "unet"), ("sd", "vae"), ("kandinsky", "prior"), ("kandinsky", "movq")]
)
@pytest.mark.logs
def test_arrays_that_the_settings_know_nothing_of_are_told(copied: Callable[[str], Path], name: str, part: str) -> None:
    """A network that was trained with them computes something else without."""
    folder = copied(name)
    where = folder.parent / "prior" / "prior" if part == "prior" else folder / part
    (file,) = where.glob("*.safetensors")
    save_file({**load_file(file), "added.attention.weight": torch.zeros(2, 2)}, file, {"format": "pt"})
    with pytest.raises(ModelUnavailable, match=r"“added\.attention\.weight” is unknown to its settings"):
        assembled(folder)


def test_text_encoders_may_bring_the_other_half_of_clip(copied: Callable[[str], Path]) -> None:
    folder = copied("sd")
    (file,) = (folder / "text_encoder").glob("*.safetensors")
    save_file({**load_file(file), "logit_scale": torch.zeros(())}, file, {"format": "pt"})
    assert assembled(folder)
