"""Attention sites of a denoising network: kind, place, token grid, and the rows and tokens that a probability matrix is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

Kind = Literal["self", "cross", "joint"]
Place = Literal["down", "mid", "up", "stack"]
Grid = tuple[int, int]

# Of diffusers' joint attention these put the picture's tokens before the text's; all others put the text first.
PICTURE_FIRST = frozenset(
    {"JointAttnProcessor2_0", "FusedJointAttnProcessor2_0", "XFormersJointAttnProcessor", "MochiAttnProcessor2_0"}
)


@dataclass(frozen=True, slots=True)
class BatchLayout:
    """Layout of a batch: which rows belong to which branch of guidance, and which picture is which.

    branches: names in the order of the batch; each branch holds all pictures. With guidance `("negative", "positive")`.
    roles: one name a picture, such as `("source", "target")`; empty where pictures have none.
    """

    branches: tuple[str, ...] = ("positive",)
    roles: tuple[str, ...] = ()

    def select(self, batch: int, branch: str | None = None, role: str | None = None) -> tuple[int, ...]:
        """Rows of a branch and of a role in a batch of `batch` rows, in order; None means all.

        A branch that this run does not have selects nothing. Raises ValueError for a batch that is not laid out so, and for an unknown role.
        """
        pictures, rest = divmod(batch, len(self.branches))
        if rest or (self.roles and pictures != len(self.roles)):
            raise ValueError(f"a batch of {batch} is not {self.roles or 'some pictures'} in each of {self.branches}")
        if role is not None and role not in self.roles:
            raise ValueError(f"no picture is called {role!r}; there are {self.roles}")
        return tuple(
            index * pictures + picture
            for index, name in enumerate(self.branches)
            if branch in (None, name)
            for picture in range(pictures)
            if role is None or self.roles[picture] == role
        )


@dataclass(frozen=True, slots=True)
class Spans:
    """Where the picture and the text stand among the queries and keys of one site; empty slices where they do not."""

    image_queries: slice
    text_queries: slice
    image_keys: slice
    text_keys: slice


@dataclass(frozen=True, slots=True)
class Site:
    """One attention layer of a network, for latents of one size.

    name: of its module, as in `named_modules`.
    kind: "self" (keys are the picture's), "cross" (keys are the text's), "joint" (both).
    place: "down", "mid" and "up" of a U-Net, "stack" of a transformer.
    block: which block of that place, from 0.
    index: which attention layer of that place, from 0, in the order in which they run.
    level: how often the latents were halved before it.
    heads: how many.
    grid: (h, w) of its picture tokens, rows first; there are h w.
    text_first: for joint attention, whether text stands before the picture in the sequence.
    """

    name: str
    kind: Kind
    place: Place
    block: int
    index: int
    level: int
    heads: int
    grid: Grid
    text_first: bool = False

    @property
    def tokens(self) -> int:
        """Of the picture."""
        return self.grid[0] * self.grid[1]

    def spans(self, queries: int, keys: int) -> Spans:
        """For a probability matrix of `queries` x `keys`. Raises ValueError where these are not the site's tokens."""
        image = self.tokens
        text_queries, text_keys = queries - image, keys - (0 if self.kind == "cross" else image)
        fits = text_queries == 0 or (text_queries == text_keys and self.kind == "joint")
        if not fits or text_keys < 0 or (self.kind == "self" and text_keys):
            raise ValueError(
                f"{self.name} has {queries} queries and {keys} keys, which a grid of {self.grid} does not explain"
            )
        at = text_queries if self.text_first else 0
        image_queries = slice(at, at + image)
        text_query_span = slice(0, text_queries) if self.text_first else slice(image, queries)
        if self.kind == "cross":
            return Spans(image_queries, text_query_span, slice(0, 0), slice(0, keys))
        at = text_keys if self.text_first else 0
        text_key_span = slice(0, text_keys) if self.text_first else slice(image, keys)
        return Spans(image_queries, text_query_span, slice(at, at + image), text_key_span)


@dataclass(frozen=True, slots=True)
class Call:
    """One evaluation of a site.

    step: absolute index of the sampling step, None where the caller of the network has not said.
    rows: layout of the batch.
    batch: how many rows there are.
    """

    site: Site
    step: int | None
    rows: BatchLayout
    batch: int

    def select(self, branch: str | None = None, role: str | None = None) -> tuple[int, ...]:
        return self.rows.select(self.batch, branch, role)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """An attention module of a network, before the size of the latents is known. `halvings`: functions that give a side's length one level down."""

    module: Any
    name: str
    kind: Kind
    place: Place
    block: int
    index: int
    halvings: tuple[Callable[[int], int], ...]
    text_first: bool

    def site(self, grid: Grid) -> Site:
        """`grid`: (h, w) of the tokens at the network's entry."""
        height, width = grid
        for halved in self.halvings:
            height, width = halved(height), halved(width)
        heads, level = int(self.module.heads), len(self.halvings)
        return Site(
            self.name, self.kind, self.place, self.block, self.index, level, heads, (height, width), self.text_first
        )


def attention_layers(network: torch.nn.Module) -> tuple[Layer, ...]:
    """All attention layers of a diffusers network whose processors can be exchanged, each place in the order in which it runs."""
    is_unet = hasattr(network, "down_blocks")
    halvings = _halvings(network) if is_unet else {}
    counts: dict[Place, int] = {}
    layers = []
    for name, module in network.named_modules():
        if not (hasattr(module, "set_processor") and hasattr(module, "get_processor")):
            continue
        place, block = _place(name)
        index = counts.get(place, 0)
        counts[place] = index + 1
        kind = _kind(module, name)
        text_first = kind == "joint" and type(module.get_processor()).__name__ not in PICTURE_FIRST
        passed = halvings.get((place, block), ())
        layers.append(Layer(module, name, kind, place, block, index, passed, text_first))
    return tuple(layers)


def entry_grid(network: torch.nn.Module, latents: torch.Tensor) -> Grid:
    """(h, w) of the tokens that latents (B, C, h, w) become at a network's entry. Raises ValueError where latents come packed."""
    if latents.dim() != 4:
        raise ValueError("latents come packed into a sequence: whoever controls this network must say their token grid")
    patch = int(getattr(getattr(network, "config", None), "patch_size", None) or 1)
    return latents.shape[-2] // patch, latents.shape[-1] // patch


def _place(name: str) -> tuple[Place, int]:
    parts = name.split(".")
    if parts[0] == "mid_block":
        return "mid", 0
    block = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
    places: dict[str, Place] = {"down_blocks": "down", "up_blocks": "up"}
    return places.get(parts[0], "stack"), block


def _kind(module: Any, name: str) -> Kind:
    if getattr(module, "added_kv_proj_dim", None) is not None:
        return "cross" if getattr(module, "only_cross_attention", False) else "joint"
    if getattr(module, "is_cross_attention", False):
        return "cross"
    # Blocks that get text and picture as one sequence have no projections of the text's own.
    return "joint" if name.startswith("single_transformer_blocks") else "self"


def _halvings(unet: Any) -> Mapping[tuple[Place, int], tuple[Callable[[int], int], ...]]:
    """How a U-Net has halved its latents before each block; its way up undoes the last one."""
    passed: tuple[Callable[[int], int], ...] = ()
    halvings: dict[tuple[Place, int], tuple[Callable[[int], int], ...]] = {}
    for index, block in enumerate(unet.down_blocks):
        halvings["down", index] = passed
        for sampler in getattr(block, "downsamplers", None) or ():
            passed = (*passed, _halving(sampler))
    halvings["mid", 0] = passed
    for index, block in enumerate(unet.up_blocks):
        halvings["up", index] = passed
        if getattr(block, "upsamplers", None):
            passed = passed[:-1]
    return halvings


def _halving(sampler: Any) -> Callable[[int], int]:
    """A strided convolution with padding rounds up, average pooling inside a residual block down."""
    inner = getattr(sampler, "downsample", sampler)
    return _half_up if getattr(inner, "use_conv", True) else _half_down


def _half_up(length: int) -> int:
    return (length + 1) // 2


def _half_down(length: int) -> int:
    return length // 2
