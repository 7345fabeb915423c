"""Which model lies in one safetensors file: told by the names and shapes of its arrays, since nothing else says it reliably."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from editor.models.headers import Damaged, Header, Tensor
from editor.models.info import FamilyName, Part, Precision, Prediction
from editor.models.settings import FOR_WORDS, FULL_MODEL, KNOWN_MODEL, ORDINARY, USUAL_NOISE, NotUnderstood

QUANTISED_TYPES = frozenset(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"))
SIXTEEN_BITS = "Look for the version of the same model in half precision (fp16 or bf16)."
PRECISIONS: Mapping[str, Precision] = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
KNOWN = "Stable Diffusion 1 and 2, SDXL and Kandinsky 2.2"

NETWORK = "model.diffusion_model."
AUTOENCODER = "first_stage_model."
FIRST_LAYER = f"{NETWORK}input_blocks.0.0.weight"
# The text encoder tells the families apart, whatever the widths: (prefix, parts by prefix, family), the first that is there.
TEXT_ENCODERS: tuple[tuple[str, Mapping[str, str], FamilyName], ...] = (
    (
        "conditioner.embedders.1.model.",
        {"text_encoder": "conditioner.embedders.0.", "text_encoder_2": "conditioner.embedders.1."},
        "stable-diffusion-xl",
    ),
    ("conditioner.embedders.0.model.", {"text_encoder_2": "conditioner.embedders.0."}, "stable-diffusion-xl-refiner"),
    ("cond_stage_model.", {"text_encoder": "cond_stage_model."}, "stable-diffusion"),
)
# What else people keep beside their models, by a piece of a name: add-ons first, since they repeat the names of what they add to.
ADD_ONS = (
    (("lora_unet_", "lora_te", ".lora_A.", ".lora_B.", ".lora_down.", ".lora.down.", "hada_w1", "lokr_w1"), "a LoRA"),
    (("control_model.", "controlnet_", "control_add_embedding."), "a ControlNet"),
    (("ip_adapter.", "image_proj."), "an IP-Adapter"),
    (("motion_modules.",), "a motion module for video"),
    (("emb_params", "string_to_param"), "a textual inversion"),
)
OTHER_FAMILIES = (
    (("double_blocks.", "single_transformer_blocks."), "a FLUX model"),
    (("joint_blocks.", "context_embedder."), "a Stable Diffusion 3 model"),
    (("cap_embedder.", "noise_refiner."), "a Lumina or Z-Image model"),
    (("clip_txt_mapper.",), "a Stable Cascade model"),
)


# What a file says that its network predicts, and whether that is v.
SAID: Mapping[str, bool] = {
    **dict.fromkeys(("v", "v_prediction", "v-prediction", "v_pred", "vpred", "velocity"), True),
    **dict.fromkeys(("epsilon", "eps", "noise"), False),
}
# Arrays by which files say that their noise is that of Karras et al. (Playground 2.5, CosXL), with latents that are scaled accordingly.
EDM_KEYS = ("edm_mean", "edm_std", "edm_vpred.sigma_max", "edm_vpred.sigma_min")
CLASS_LAYER = f"{NETWORK}label_emb."
WORDS_LAYER = f"{NETWORK}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
SECOND_WIDTH = 1024  # numbers a word in Stable Diffusion 2; 768 in 1


class NotAModel(Damaged):
    """A sound file of another kind: a part of a model, or an add-on to one. Nothing that a list of models should show. `advice`: what to do."""

    def __init__(
        self, message: str, advice: str = "Choose a whole model: one file with all its parts, or a diffusers folder."
    ) -> None:
        super().__init__(message)
        self.advice = advice


@dataclass(frozen=True, slots=True)
class SingleFile:
    """What one checkpoint holds. `second`: whether it is Stable Diffusion 2. `zero_snr`: as in `ModelInfo`."""

    family: FamilyName
    parts: tuple[Part, ...]
    prediction: Prediction
    native: int
    second: bool = False
    zero_snr: bool = False


def examine(header: Header, stem: str, prediction: Prediction | None = None) -> SingleFile:
    """What the file called `stem` is. `prediction` overrides what is found. Raises `NotAModel`, `Damaged`."""
    tensors = header.tensors
    for marks, kind in ADD_ONS:
        if any(mark in name for name in tensors for mark in marks):
            advice = "Palimpsest cannot use it yet; choose the model that it adds to, or one that has it built in."
            raise NotAModel(f"is {kind}, not a whole model", advice)
    if FIRST_LAYER not in tensors:
        raise _what_else(tensors)
    if not any(name.startswith(AUTOENCODER) for name in tensors):
        raise NotAModel("holds only the U-Net of a model, without VAE and text encoder")
    channels = tensors[FIRST_LAYER].shape[1:2]
    if channels == (9,):
        raise NotUnderstood("is made for inpainting only, which Palimpsest does not use", FULL_MODEL)
    if channels != (4,):
        raise NotUnderstood("is made for another task: its network does not take a picture alone", FOR_WORDS)
    if any(name in tensors for name in EDM_KEYS):
        said = "was trained with noise of another kind (EDM), which Palimpsest cannot make"
        raise NotUnderstood(said, USUAL_NOISE)
    told = next((each for each in TEXT_ENCODERS if any(name.startswith(each[0]) for name in tensors)), None)
    if told is None:
        raise NotAModel("has no text encoder in it")
    _, prefixes, family = told
    sections = {"unet": NETWORK, "vae": AUTOENCODER, **prefixes}
    held = {
        name: tuple(tensor for key, tensor in tensors.items() if key.startswith(prefix))
        for name, prefix in sections.items()
    }
    empty = next((name for name, arrays in held.items() if not arrays), "")
    if empty:
        raise NotAModel(f"has no {'first' if empty == 'text_encoder' else 'second'} text encoder in it")
    if family == "stable-diffusion" and any(name.startswith(CLASS_LAYER) for name in tensors):
        raise NotUnderstood(
            "expects a class or a picture beside the words, which Palimpsest does not give it", ORDINARY
        )
    parts = tuple(part_of(name, arrays) for name, arrays in held.items())
    words = tensors.get(WORDS_LAYER)
    second = any(name.startswith("cond_stage_model.model.") for name in tensors)
    second = second or (family == "stable-diffusion" and words is not None and words.shape[1:2] == (SECOND_WIDTH,))
    native = 1024 if family != "stable-diffusion" else 512
    says_v = prediction == "v_prediction" or (prediction is None and _predicts_v(header, stem, second))
    if second and says_v:
        native = 768
    predicts: Prediction = "v_prediction" if says_v else prediction or "epsilon"
    return SingleFile(family, parts, predicts, native, second, says_v and _ends_in_noise(header, stem))


def part_of(name: str, tensors: tuple[Tensor, ...]) -> Part:
    """A part as its arrays tell; its precision is that of most of its numbers. Raises `Damaged`."""
    held: dict[str, int] = {}
    for tensor in tensors:
        held[tensor.dtype] = held.get(tensor.dtype, 0) + tensor.count
    most = max(held, key=lambda dtype: held[dtype], default="")
    if not most:
        raise Damaged("is empty")
    # Positions and counters are whole numbers, in a row; a matrix of few bits is one that was packed, with factors that lie elsewhere.
    packed = any(
        tensor.dtype in QUANTISED_TYPES and len(tensor.shape) > 1 and min(tensor.shape) > 1 for tensor in tensors
    )
    if most in QUANTISED_TYPES or packed:
        raise NotUnderstood("is stored with fewer than 16 bits a number, which Palimpsest cannot use yet", SIXTEEN_BITS)
    if most not in PRECISIONS:
        raise NotUnderstood(f"is stored as numbers of another kind ({most}), which Palimpsest cannot use", SIXTEEN_BITS)
    return Part(name, sum(held.values()), sum(tensor.stored for tensor in tensors), PRECISIONS[most])


def _predicts_v(header: Header, stem: str, second: bool) -> bool:
    """What the file says; else its name. Stable Diffusion 2 without a word is taken for the 768 model, from which most others were made."""
    told = {key.rpartition(".")[2]: value.lower() for key, value in header.metadata.items()}
    said = told.get("predict_key", "") or told.get("prediction_type", "")
    if said:
        if said not in SAID:
            raise NotUnderstood(f"predicts something that Palimpsest does not know ({said[:60]})", USUAL_NOISE)
        return SAID[said]
    if "v_pred" in header.tensors:
        return True
    if "768-v" in told.get("architecture", ""):
        return True
    if re.search(r"(?<![a-z])v[-_ ]?pred", stem.lower()):
        return True
    if not second:
        return False
    if told.get("resolution"):
        return not told["resolution"].startswith("512")
    return not re.search(r"512|base|epsilon", stem.lower())


def _ends_in_noise(header: Header, stem: str) -> bool:
    """Whether a model that predicts v was trained up to pure noise (Lin et al., arXiv 2305.08891), as the file or else its name says."""
    trained = header.metadata.get("ss_zero_terminal_snr", "").lower()
    return (
        "ztsnr" in header.tensors or trained == "true" or re.search(r"z(?:t|ero)?[-_ ]?snr", stem.lower()) is not None
    )


def _what_else(tensors: Mapping[str, Tensor]) -> Damaged:
    for marks, kind in OTHER_FAMILIES:
        if any(name.removeprefix(NETWORK).startswith(mark) for name in tensors for mark in marks):
            return NotUnderstood(f"is {kind}; Palimpsest can use {KNOWN} so far", KNOWN_MODEL)
    tops = {name.partition(".")[0] for name in tensors}
    if {"encoder", "decoder"} <= tops or "first_stage_model" in tops:
        return NotAModel("is a VAE alone, not a whole model")
    if {"down_blocks", "text_model", "embeddings"} & tops:
        return NotAModel("is one part of a model; its folder with model_index.json is the model")
    return NotAModel("is not a model that Palimpsest knows")
