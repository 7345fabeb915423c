"""What the settings of a model's parts may say: an allow-list of fields and their ranges for each kind of part.

Settings steer libraries: they can name code and kernels to fetch, ways to quantise, or networks of a million layers. Nothing of a model's
settings reaches a library that is not listed here. Fields that are not listed are left out, since published models have many that change
nothing; listed ones that are out of range are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from editor.models.headers import Damaged

Check = Callable[[Any], bool]
Fields = Mapping[str, Check]

MAX_WIDTH = 16_384  # of any layer
MAX_LAYERS = 128  # of a transformer
MAX_LEVELS = 8  # of a U-Net or an autoencoder
MAX_WORDS = 1_000_000
WORD = re.compile(r"[A-Za-z0-9_+\-]{1,60}")


def whole(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def number(low: float, high: float) -> Check:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def flag(value: Any) -> bool:
    return isinstance(value, bool)


def word(value: Any) -> bool:
    return isinstance(value, str) and WORD.fullmatch(value) is not None


def one_of(*names: str) -> Check:
    return lambda value: isinstance(value, str) and value in names


def listed(check: Check, most: int, least: int = 0) -> Check:
    return lambda value: isinstance(value, list) and least <= len(value) <= most and all(map(check, value))


def either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def by_level(check: Check) -> Check:
    """One value for all levels, or one for each."""
    return either(check, listed(check, MAX_LEVELS))


SIDE = whole(1, 16_384)
WIDTH = whole(1, MAX_WIDTH)
CHANNELS = whole(1, 64)
HEADS = whole(1, 1024)
RATE = number(0, 1)
SCALE = number(-1e6, 1e6)
DEPTH = whole(0, 64)
ACTIVATION = one_of("silu", "swish", "mish", "gelu", "relu")
TEXT_ACTIVATION = one_of("quick_gelu", "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu", "silu", "swish")
NAMES = listed(word, MAX_LEVELS, 1)

_CLIP_LAYERS: Fields = {
    "hidden_size": WIDTH,
    "intermediate_size": whole(1, 4 * MAX_WIDTH),
    "projection_dim": WIDTH,
    "num_hidden_layers": whole(1, MAX_LAYERS),
    "num_attention_heads": whole(1, 256),
    "hidden_act": TEXT_ACTIVATION,
    "layer_norm_eps": RATE,
    "attention_dropout": RATE,
    "initializer_range": number(0, 1000),
    "initializer_factor": number(0, 1000),
}
CLIP_TEXT: Fields = {
    **_CLIP_LAYERS,
    "vocab_size": whole(1, MAX_WORDS),
    "max_position_embeddings": whole(1, 4096),
    "pad_token_id": whole(0, MAX_WORDS),
    "bos_token_id": whole(0, MAX_WORDS),
    "eos_token_id": either(whole(0, MAX_WORDS), listed(whole(0, MAX_WORDS), 16)),
}
CLIP_VISION: Fields = {
    **_CLIP_LAYERS,
    "num_channels": whole(1, 16),
    "image_size": whole(1, 4096),
    "patch_size": whole(1, 1024),
}
CLIP: Fields = {
    "projection_dim": WIDTH,
    "logit_scale_init_value": number(-100, 100),
    "initializer_factor": number(0, 1000),
}
_STEPS = whole(1, 10_000)
_SIGMA = number(0, 1e6)
SCHEDULER: Fields = {
    "num_train_timesteps": _STEPS,
    "beta_start": RATE,
    "beta_end": RATE,
    "beta_schedule": word,
    "trained_betas": listed(RATE, 10_000, 1),
    "prediction_type": word,
    "timestep_spacing": word,
    "timestep_type": word,
    "steps_offset": whole(0, 10_000),
    "clip_sample": flag,
    "clip_sample_range": _SIGMA,
    "set_alpha_to_one": flag,
    "thresholding": flag,
    "dynamic_thresholding_ratio": RATE,
    "sample_max_value": _SIGMA,
    "rescale_betas_zero_snr": flag,
    "variance_type": word,
    "skip_prk_steps": flag,
    "original_inference_steps": _STEPS,
    "timestep_scaling": _SIGMA,
    "interpolation_type": word,
    "use_karras_sigmas": flag,
    "use_exponential_sigmas": flag,
    "use_beta_sigmas": flag,
    "use_flow_sigmas": flag,
    "use_lu_lambdas": flag,
    "sigma_min": _SIGMA,
    "sigma_max": _SIGMA,
    "sigma_data": _SIGMA,
    "sigma_schedule": word,
    "rho": number(0, 1000),
    "final_sigmas_type": word,
    "solver_order": whole(1, 5),
    "algorithm_type": word,
    "solver_type": word,
    "lower_order_final": flag,
    "euler_at_final": flag,
    "lambda_min_clipped": number(-math.inf, 1e6),
    "predict_x0": flag,
    "disable_corrector": listed(whole(0, 10_000), 10_000),
    "flow_shift": _SIGMA,
    "shift": _SIGMA,
    "use_dynamic_shifting": flag,
    "time_shift_type": word,
    "base_shift": _SIGMA,
    "max_shift": _SIGMA,
    "base_image_seq_len": whole(1, 10**6),
    "max_image_seq_len": whole(1, 10**6),
    "shift_terminal": _SIGMA,
    "invert_sigmas": flag,
    "stochastic_sampling": flag,
    "snr_shift_scale": _SIGMA,
    "s_noise": _SIGMA,
    "snr": _SIGMA,
    "sampling_eps": RATE,
    "correct_steps": whole(0, 1000),
}


def _size(value: Any) -> bool:
    names = {"shortest_edge", "height", "width"}
    side = whole(1, 4096)
    return side(value) or (
        isinstance(value, dict) and len(value) > 0 and value.keys() <= names and all(map(side, value.values()))
    )


IMAGE_PROCESSOR: Fields = {
    "do_resize": flag,
    "size": _size,
    "resample": whole(0, 5),
    "do_center_crop": flag,
    "crop_size": _size,
    "do_rescale": flag,
    "rescale_factor": number(1e-6, 1),
    "do_normalize": flag,
    "image_mean": listed(number(-10, 10), 3, 3),
    "image_std": listed(number(1e-6, 10), 3, 3),
    "do_convert_rgb": flag,
}


@dataclass(frozen=True, slots=True)
class NetworkKind:
    """What the settings of one kind of network may say.

    fields: those that may reach a library, each with its range
    fixed: what they are always made to say
    half: the group of a whole CLIP's settings that is this network's
    leftovers: whether its weights are often saved with the other half of CLIP, or with counters that nothing reads
    check: of the settings as a whole; raises `Damaged`
    also: what settings may call it beside `fixed`, where the same weights are saved for another use too
    groups: of its settings, by name, each with settings of its own
    """

    fields: Fields
    fixed: Mapping[str, str] = field(default_factory=dict)
    half: str = ""
    leftovers: bool = False
    check: Callable[[Mapping[str, Any]], None] | None = None
    also: tuple[str, ...] = ()
    groups: Mapping[str, NetworkKind] = field(default_factory=dict)

    @property
    def class_name(self) -> str:
        """What settings of networks of diffusers call it; empty for those of transformers."""
        return self.fixed.get("_class_name", "")


TEXT_ENCODER = NetworkKind(CLIP_TEXT, {"model_type": "clip_text_model"}, "text_config", leftovers=True)
IMAGE_ENCODER = NetworkKind(CLIP_VISION, {"model_type": "clip_vision_model"}, "vision_config", leftovers=True)
WHOLE_CLIP = NetworkKind(CLIP, {"model_type": "clip"}, leftovers=True)
NOISE_SCHEDULER = NetworkKind(SCHEDULER)
PICTURE_PROCESSOR = NetworkKind(IMAGE_PROCESSOR, {"image_processor_type": "CLIPImageProcessor"})
HALVES: Mapping[str, Fields] = {"text_config": CLIP_TEXT, "vision_config": CLIP_VISION}  # of a whole CLIP


def cleaned(kind: NetworkKind, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a network as far as they are listed. Raises `Damaged` for listed ones out of range, after the name of the file.

    settings: what the file says
    """
    model_type = settings.get("model_type")
    if kind.half and model_type == "clip" and isinstance(settings.get(kind.half), dict):
        settings = settings[kind.half]  # some keep the settings of the whole CLIP
    elif "model_type" in kind.fixed and kind is not WHOLE_CLIP:
        own = (kind.fixed["model_type"], *kind.also, *(("clip",) if kind.half else ()))
        if model_type not in (None, "", *own):
            raise Damaged(f"is of another kind of network ({str(model_type)[:60]})")
    clean = {**_within(kind.fields, settings), **kind.fixed}
    if kind is WHOLE_CLIP:
        for name, inner in HALVES.items():
            # Older settings have a second group that counts more.
            groups = [settings.get(key) for key in (name, f"{name}_dict")]
            clean[name] = {
                key: value
                for group in groups
                if isinstance(group, dict)
                for key, value in _within(inner, group).items()
            }
    for name, part in kind.groups.items():
        inside = settings.get(name)
        if not isinstance(inside, dict | None):
            raise Damaged(f"is out of range in “{name}”")
        clean[name] = cleaned(part, inside or {})
    if kind.check is not None:
        kind.check(clean)
    return clean


def _within(fields: Fields, settings: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: settings[name] for name in fields if name in settings}
    for name, value in known.items():
        if value is not None and not fields[name](value):
            raise Damaged(f"is out of range in “{name}”")
    return known
