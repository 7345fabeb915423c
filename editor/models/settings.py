"""Whether the settings of a model mean what Palimpsest computes. Names and shapes of a model may fit while its noise, its latents or what its
network expects are others; its pictures would then be wrong without a word, so it is refused before it is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from editor.models.headers import Damaged
from editor.models.info import FamilyName

Settings = Mapping[str, Any]

PREDICTIONS = ("epsilon", "v_prediction", "sample")
BETAS = ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace")
# Schedulers of diffusers that make the noise of Stable Diffusion and Kandinsky 2.2, whichever way they then go through it.
SAME_NOISE = frozenset(
    f"{name}Scheduler"
    for name in (
        "DDIM",
        "DDIMParallel",
        "DDPM",
        "DDPMParallel",
        "DEISMultistep",
        "DPMSolverMultistep",
        "DPMSolverSDE",
        "DPMSolverSinglestep",
        "EulerAncestralDiscrete",
        "EulerDiscrete",
        "HeunDiscrete",
        "KDPM2AncestralDiscrete",
        "KDPM2Discrete",
        "LCM",
        "LMSDiscrete",
        "PNDM",
        "SASolver",
        "TCD",
        "UniPCMultistep",
    )
)
PRIOR_SCHEDULER = "UnCLIPScheduler"
# What each family's U-Net is told beside the words (`addition_embed_type`), and how what it is told comes in (`encoder_hid_dim_type`).
ADDED: Mapping[FamilyName, tuple[tuple[str | None, ...], tuple[str | None, ...]]] = {
    "stable-diffusion": ((None,), (None, "text_proj")),
    "stable-diffusion-xl": (("text_time",), (None, "text_proj")),
    "stable-diffusion-xl-refiner": (("text_time",), (None, "text_proj")),
    "kandinsky-2.2": (("image",), ("image_proj",)),
}
TIME_IDS: Mapping[FamilyName, int] = {"stable-diffusion-xl": 6, "stable-diffusion-xl-refiner": 5}

MAX_SCALING = 1e12  # of numbers that latents are scaled by; those of published models are below 20

KNOWN_MODEL = "Choose a model of one of these kinds; the page of models suggests some that suit this machine."
ORDINARY = "Choose a model made for changing pictures by words, without such an addition."
USUAL_NOISE = "Choose a version of it for the usual noise (epsilon or v-prediction), or another model such as Stable Diffusion XL."
UNDISTILLED = "Choose the model that it was distilled from, or one for few steps such as SDXL Turbo."
FOR_WORDS = "Choose the model that it was made from, which makes pictures from words alone."
FULL_MODEL = "Choose the ordinary version of the model, whose name does not say inpainting."
NOT_FIT_TOGETHER = "Download the whole model again; its parts seem to come from different models."


class NotUnderstood(Damaged):
    """Settings that mean something else than what Palimpsest would compute. The message goes on a sentence that begins with the model's name."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


def check_unet(family: FamilyName, unet: Settings) -> None:
    """Raises `NotUnderstood` where a U-Net expects more than its family gives it."""
    if unet.get("in_channels") == 9:
        raise NotUnderstood("is made for inpainting only, which Palimpsest does not use", FULL_MODEL)
    if unet.get("time_cond_proj_dim"):
        raise NotUnderstood("takes its guidance as an input, which Palimpsest does not give it", UNDISTILLED)
    if unet.get("class_embed_type") is not None or unet.get("num_class_embeds"):
        said = "expects a class or a picture beside the words, which Palimpsest does not give it"
        raise NotUnderstood(said, ORDINARY)
    added, hidden = ADDED[family]
    # Settings written by hand, or long ago, may leave out what is not used.
    if (
        unet.get("addition_embed_type", added[0]) not in added
        or unet.get("encoder_hid_dim_type", hidden[0]) not in hidden
    ):
        raise NotUnderstood("expects other things beside the words than models of its kind do", ORDINARY)


def check_words(family: FamilyName, unet: Settings, encoders: Mapping[str, Settings]) -> None:
    """Raises `NotUnderstood` where a U-Net and the text encoders beside it cannot belong together. `encoders`: settings by part."""
    if family == "kandinsky-2.2":
        return
    width, widths = unet.get("cross_attention_dim"), [encoder.get("hidden_size") for encoder in encoders.values()]
    given = sum(number for number in widths if isinstance(number, int))
    whole = isinstance(width, int) and all(isinstance(number, int) for number in widths)
    if whole and unet.get("encoder_hid_dim_type") is None and width != given:
        said = f"does not fit together: its text encoders give {given} numbers a word and its U-Net takes {width}"
        raise NotUnderstood(said, NOT_FIT_TOGETHER)
    if family not in TIME_IDS or "text_encoder_2" not in encoders:
        return
    taken, id_width = unet.get("projection_class_embeddings_input_dim"), unet.get("addition_time_embed_dim")
    summary = encoders["text_encoder_2"].get("projection_dim")
    if not (isinstance(taken, int) and isinstance(id_width, int) and isinstance(summary, int)):
        return
    if taken - summary != TIME_IDS[family] * id_width:
        raise NotUnderstood("expects other sizes or scores beside the words than models of its kind do", ORDINARY)


def check_autoencoder(autoencoder: Settings) -> None:
    """Raises `NotUnderstood` for numbers that latents cannot be scaled by."""
    channels = autoencoder.get("latent_channels", 4)
    factor, shift = autoencoder.get("scaling_factor", 1.0), autoencoder.get("shift_factor")
    scaled = _number(factor) and factor > 0 and (shift is None or _number(shift))
    means, deviations = autoencoder.get("latents_mean"), autoencoder.get("latents_std")
    if means is not None or deviations is not None:
        scaled = scaled and _row(means, channels) and _row(deviations, channels, positive=True)
    if not scaled:
        said = "has a VAE whose settings make no sense: the numbers by which its latents are scaled"
        raise NotUnderstood(said, "Download the model again, or choose another one.")


def check_scheduler(scheduler: Settings) -> None:
    """Raises `NotUnderstood` for noise that no sampler here makes."""
    kind = scheduler.get("_class_name")
    flow = (
        "was trained with flow matching instead of the usual noise, which Palimpsest cannot make for this kind of model"
    )
    edm = "was trained with noise of another kind (EDM), which Palimpsest cannot make"
    if not isinstance(kind, str) or not kind:
        raise NotUnderstood("does not say with which noise it was trained", "Download the model again.")
    predicts = scheduler.get("prediction_type", "epsilon")
    if "Flow" in kind or scheduler.get("use_flow_sigmas") or str(predicts).startswith("flow"):
        raise NotUnderstood(flow, USUAL_NOISE)
    if kind.startswith(("EDM", "Cosine")) or scheduler.get("timestep_type", "discrete") != "discrete":
        raise NotUnderstood(edm, USUAL_NOISE)
    if kind not in SAME_NOISE:
        raise NotUnderstood(f"brings a sampler that Palimpsest does not know ({kind[:60]})", USUAL_NOISE)
    if predicts not in PREDICTIONS:
        raise NotUnderstood(f"predicts something that Palimpsest does not know ({str(predicts)[:60]})", USUAL_NOISE)
    betas = scheduler.get("beta_schedule", "linear")
    if scheduler.get("trained_betas") is None and betas not in BETAS:
        raise NotUnderstood(f"was trained with noise that Palimpsest does not know ({str(betas)[:60]})", USUAL_NOISE)


def check_prior(scheduler: Settings) -> None:
    """Raises `NotUnderstood` for a prior of Kandinsky that is not sampled as the published one."""
    kind = scheduler.get("_class_name")
    if kind != PRIOR_SCHEDULER or scheduler.get("prediction_type", "epsilon") not in ("epsilon", "sample"):
        said = f"has a prior with a sampler that Palimpsest does not know ({str(kind)[:60]})"
        raise NotUnderstood(said, "Get the published prior of Kandinsky 2.2.")


def _row(values: Any, length: Any, *, positive: bool = False) -> bool:
    """Whether these are so many finite numbers, and above 0 where that matters."""
    if not isinstance(values, list) or len(values) != length or not all(map(_number, values)):
        return False
    return not positive or min(values, default=0) > 0


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_SCALING
