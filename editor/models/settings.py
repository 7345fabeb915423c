"""Whether the settings of a model mean what Palimpsest computes. Names and shapes of a model may fit while its noise, its latents or what its
network expects are others; its pictures would then be wrong without a word, so it is refused before it is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from editor.models.headers import Damaged

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

MAX_SCALING = 1e12  # of numbers that latents are scaled by; those of published models are below 20

FETCH_AGAIN = "Download the model again; what is there already is kept."
OTHER_MODEL = "Choose another model."
PICKLE_ADVICE = "Look for the safetensors version of the same model."
KNOWN_MODEL = "Choose a model of one of these kinds; the page of models suggests some that suit this machine."
ORDINARY = "Choose a model made for changing pictures by words, without such an addition."
USUAL_NOISE = "Choose a version of it for the usual noise (epsilon or v-prediction), or another model such as Stable Diffusion XL."
UNDISTILLED = "Choose the model that it was distilled from, or one for few steps such as SDXL Turbo."
FOR_WORDS = "Choose the model that it was made from, which makes pictures from words alone."
FULL_MODEL = "Choose the ordinary version of the model, whose name does not say inpainting."
NOT_FIT_TOGETHER = "Download the whole model again; its parts seem to come from different models."


def advice_on(error: Damaged) -> str:
    """What to do about weights in a folder that cannot be used."""
    return PICKLE_ADVICE if "pickle" in str(error) else FETCH_AGAIN


class NotUnderstood(Damaged):
    """Settings that mean something else than what Palimpsest would compute. The message goes on a sentence that begins with the model's name."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


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


def _row(values: Any, length: Any, *, positive: bool = False) -> bool:
    """Whether these are so many finite numbers, and above 0 where that matters."""
    if not isinstance(values, list) or len(values) != length or not all(map(_number, values)):
        return False
    return not positive or min(values, default=0) > 0


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_SCALING
