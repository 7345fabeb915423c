"""What tests of attention and adaptation share: tiny networks of every kind, inputs for them, and attention written out from its equation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import diffusers
import torch

from tests.support import tiny_models

Network = Literal["sd", "sdxl", "kandinsky", "sd3"]
NETWORKS: tuple[Network, ...] = ("sd", "sdxl", "kandinsky", "sd3")
WITH_TEXT: tuple[Network, ...] = ("sd", "sdxl", "sd3")
TOKENS = 7
SIZE = (10, 6)  # of latents
Edit = Callable[[str, torch.Tensor], torch.Tensor]


def network(kind: Network, seed: int = 0) -> Any:
    """One with random weights, in which no two widths are alike by accident."""
    with tiny_models.seeded(seed):
        if kind == "sd":
            return tiny_models.unet(cross_attention_dim=12).eval()
        if kind == "sdxl":
            return tiny_models.unet_xl(cross_attention_dim=20, ids=6).eval()
        if kind == "kandinsky":
            return tiny_models.kandinsky_unet().eval()
        return diffusers.SD3Transformer2DModel(
            sample_size=16,
            patch_size=2,
            in_channels=4,
            out_channels=4,
            num_layers=3,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=12,
            caption_projection_dim=16,
            pooled_projection_dim=10,
            pos_embed_max_size=12,
            dual_attention_layers=(1,),
            qk_norm="rms_norm",
        ).eval()


def grid_of(kind: Network, size: tuple[int, int] = SIZE) -> tuple[int, int]:
    return (size[0] // 2, size[1] // 2) if kind == "sd3" else size


def inputs(
    kind: Network, batch: int = 2, size: tuple[int, int] = SIZE, tokens: int = TOKENS, seed: int = 1
) -> dict[str, Any]:
    """Arguments of a network's call."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    latents, t = normal(batch, 4, *size), torch.tensor(400)
    if kind == "sd":
        return {"sample": latents, "timestep": t, "encoder_hidden_states": normal(batch, tokens, 12)}
    if kind == "sdxl":
        added = {"text_embeds": normal(batch, 16), "time_ids": torch.full((batch, 6), 64.0)}
        words = normal(batch, tokens, 20)
        return {"sample": latents, "timestep": t, "encoder_hidden_states": words, "added_cond_kwargs": added}
    if kind == "kandinsky":
        added = {"image_embeds": normal(batch, 16)}
        return {"sample": latents, "timestep": t, "encoder_hidden_states": None, "added_cond_kwargs": added}
    words, pooled = normal(batch, tokens, 12), normal(batch, 10)
    return {
        "hidden_states": latents,
        "timestep": t.expand(batch),
        "encoder_hidden_states": words,
        "pooled_projections": pooled,
    }


def predicted(net: Any, given: Mapping[str, Any]) -> torch.Tensor:
    output: torch.Tensor = net(**given, return_dict=False)[0]
    return output


def plain(name: str, probabilities: torch.Tensor) -> torch.Tensor:
    return probabilities


class PlainProcessor:
    """softmax(q k^T / sqrt(d)) v, every head and row by itself; `edit` may change the probabilities (rows, heads, queries, keys)."""

    def __init__(self, name: str, edit: Edit, loop: Callable[..., torch.Tensor] | None = None) -> None:
        self.name, self.edit, self.loop = name, edit, loop

    def __call__(
        self, attn: Any, hidden_states: torch.Tensor, encoder_hidden_states: Any = None, attention_mask: Any = None
    ) -> Any:
        shape, text = hidden_states.shape, encoder_hidden_states
        x = hidden_states.flatten(2).transpose(1, 2) if hidden_states.dim() == 4 else hidden_states
        if attn.group_norm is not None:
            x = attn.group_norm(x.transpose(1, 2)).transpose(1, 2)
        joint = attn.added_kv_proj_dim is not None
        own = x if joint or text is None else text
        query, key, value = self.heads(attn, attn.to_q(x)), self.heads(attn, attn.to_k(own)), attn.to_v(own)
        value = self.heads(attn, value)
        if attn.norm_q is not None:
            query, key = attn.norm_q(query), attn.norm_k(key)
        if joint:
            more_keys, more_values = (
                self.heads(attn, projection(text)) for projection in (attn.add_k_proj, attn.add_v_proj)
            )
            if getattr(attn, "add_q_proj", None) is None:
                key, value = torch.cat([more_keys, key], 2), torch.cat([more_values, value], 2)
            else:
                more_queries = self.heads(attn, attn.add_q_proj(text))
                if attn.norm_added_q is not None:
                    more_queries, more_keys = attn.norm_added_q(more_queries), attn.norm_added_k(more_keys)
                query, key = torch.cat([query, more_queries], 2), torch.cat([key, more_keys], 2)
                value = torch.cat([value, more_values], 2)
        attend = self.loop or self.equation
        output = attend(self.name, query, key, value).transpose(1, 2).flatten(2)
        if joint and output.shape[1] > x.shape[1]:
            image, words = output[:, : x.shape[1]], output[:, x.shape[1] :]
            return attn.to_out[0](image), words if attn.context_pre_only else attn.to_add_out(words)
        output = attn.to_out[0](output)
        return output.transpose(1, 2).reshape(shape) + hidden_states if hidden_states.dim() == 4 else output

    def equation(self, name: str, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return self.edit(name, weights(query, key)) @ value

    @staticmethod
    def heads(attn: Any, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.reshape(*tensor.shape[:-1], attn.heads, -1).transpose(1, 2)


def weights(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """Attention probabilities by their equation."""
    scores = torch.einsum("bhqd,bhkd->bhqk", query, key) / math.sqrt(query.shape[-1])
    powers = (scores - scores.amax(-1, keepdim=True)).exp()
    return powers / powers.sum(-1, keepdim=True)


@contextmanager
def written_out(net: Any, edit: Edit = plain, loop: Callable[..., Any] | None = None) -> Iterator[None]:
    """A network whose attention is the equation; `loop`: (name, query, key, value) -> output or None for the equation."""
    own = net.attn_processors
    instead = {}
    for place in own:
        name = place.removesuffix(".processor")
        instead[place] = PlainProcessor(name, edit, loop)
    net.set_attn_processor(instead)
    try:
        yield
    finally:
        net.set_attn_processor(own)
