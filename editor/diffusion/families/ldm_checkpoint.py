"""Checkpoints in the layout of the first latent diffusion models, read by diffusers' converters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm, load_single_file_checkpoint

from editor.diffusion.families.base import PartSpec
from editor.diffusion.families.stable_diffusion.family import SECOND_WIDTH
from editor.diffusion.loading import clip_tokenizer, counted, tokenizer_of, understood
from editor.models.headers import Damaged
from editor.models.info import ModelInfo

OLD_WORDS, WORDS = "cond_stage_model.transformer.", "cond_stage_model.transformer.text_model."
ZERO_SNR = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}


def scheduler_changes(info: ModelInfo) -> Mapping[str, Any]:
    """What the settings of a scheduler do not say of a model of usual noise."""
    return {"prediction_type": info.prediction, **(ZERO_SNR if info.zero_snr else {})}


class LdmCheckpoint:
    """A checkpoint in its authors' layout, of Stable Diffusion 1, 2 or XL. Its arrays are mapped, not read, until a network takes them."""

    def __init__(self, info: ModelInfo, classes: Mapping[str, Any]) -> None:
        """`classes`: of the networks, by part."""
        self._classes = classes
        with understood(info.name):
            arrays: Mapping[str, torch.Tensor] = load_single_file_checkpoint(str(info.path), local_files_only=True)
        self._arrays = _renamed(arrays)

    def network(self, spec: PartSpec, folder: Path, dtype: torch.dtype) -> Any:
        kind = self._classes[spec.name]
        where = {"config": str(folder.parent), "subfolder": folder.name, "local_files_only": True}
        try:
            if spec.role == "words":
                network = create_diffusers_clip_model_from_ldm(kind, self._arrays, torch_dtype=dtype, **where)
            else:
                network = kind.from_single_file(self._arrays, dtype=dtype, **where)
        except NotImplementedError as error:
            if "meta tensor" not in str(error):
                raise
            raise Damaged("arrays are missing from its weights") from error
        missing = [key for key, parameter in network.named_parameters() if parameter.is_meta]
        if missing:
            raise Damaged(f"{counted(missing)} missing from its weights")
        return network

    def tokenizer(self, folder: Path) -> Any:
        if (folder / "merges.txt").is_file():
            return tokenizer_of(folder)
        # OpenCLIP's text encoders were trained with "!", word 0, after the end.
        return clip_tokenizer(padding="!" if folder.name == "tokenizer_2" or self._open_clip else "<|endoftext|>")

    @property
    def _open_clip(self) -> bool:
        words = self._arrays.get(f"{WORDS}embeddings.token_embedding.weight")
        second = words is not None and words.shape[1] == SECOND_WIDTH
        return second or "cond_stage_model.model.token_embedding.weight" in self._arrays


def _renamed(arrays: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """With the text encoder of Stable Diffusion as it is usually named; some versions of transformers left a level out."""

    def usual(name: str) -> str:
        old = name.startswith(OLD_WORDS) and name.removeprefix(OLD_WORDS).startswith(
            ("embeddings.", "encoder.", "final_layer_norm.")
        )
        return WORDS + name.removeprefix(OLD_WORDS) if old else name

    return {usual(name): array for name, array in arrays.items()}
