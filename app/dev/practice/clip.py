"""The small CLIP of the practice world: crops of things and whole scenes beside their words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

from app.dev.practice.plan import WIDTH, Plan
from app.dev.practice.scenes import COLOURED, COLOURS, SIDE, THINGS, Scene, Thing, draw_scene, naming
from app.dev.practice.training import Arrays, as_batch, to_signed
from app.dev.practice.words import LENGTH, make_tokenizer
from app.dev.practice.world import World

CROPS = 0.7  # of the pictures; the others are whole scenes
MARGIN = 4  # pixels around a thing, at most


def text_config(tokenizer: object, width: int = WIDTH) -> CLIPTextConfig:
    """Two layers; the end mark is named because the pooled word is the one at its place."""
    return CLIPTextConfig(
        vocab_size=len(tokenizer),  # type: ignore[arg-type]
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        bos_token_id=tokenizer.bos_token_id,  # type: ignore[attr-defined]
        eos_token_id=tokenizer.eos_token_id,  # type: ignore[attr-defined]
        pad_token_id=tokenizer.pad_token_id,  # type: ignore[attr-defined]
    )


def make_clip() -> CLIPModel:
    """A `CLIPModel` with random weights: four layers of 128 on patches of 8, two layers of words."""
    vision = CLIPVisionConfig(
        hidden_size=WIDTH, intermediate_size=4 * WIDTH, projection_dim=WIDTH, num_hidden_layers=4,
        num_attention_heads=4, image_size=SIDE, patch_size=8,
    )  # fmt: skip
    words = text_config(make_tokenizer())
    return CLIPModel(CLIPConfig(text_config=words.to_dict(), vision_config=vision.to_dict(), projection_dim=WIDTH))


class ClipLesson:
    """Contrastive, and every picture with the same words counts as right."""

    name = "clip"
    adam_only: tuple[str, ...] = ("embed", "logit_scale")

    def __init__(self, plan: Plan) -> None:
        self.course = plan.clip
        self._first = plan.first_scene
        self.module: nn.Module = make_clip()
        self._world = World()
        self._tokenizer = make_tokenizer()

    def arrays(self, step: int) -> Arrays:
        random = np.random.default_rng((step, 23))
        pictures, words = [], []
        for place in range(self.course.batch):
            scene = draw_scene(self._first + step * self.course.batch + place, "training")
            picture = self._world.draw(scene).picture
            words.append(scene.caption())
            if scene.things and random.random() < CROPS:
                thing = scene.things[random.integers(len(scene.things))]
                picture = crop(picture, thing, int(random.integers(MARGIN + 1)))
                words[-1] = naming((thing,))
            pictures.append(picture)
        return {"pictures": as_batch(pictures), "words": tokens(self._tokenizer, words)}

    def loss(self, batch: Mapping[str, Tensor], random: torch.Generator) -> Tensor:
        words = batch["words"]
        outputs = self.module(input_ids=words, pixel_values=to_signed(batch["pictures"]))
        logits = outputs.logits_per_image.float()
        same = (words[:, None] == words[None]).all(dim=-1).float()
        one = -(functional.log_softmax(logits, dim=1) * same / same.sum(dim=1, keepdim=True)).sum(dim=1).mean()
        other = -(functional.log_softmax(logits, dim=0) * same / same.sum(dim=0, keepdim=True)).sum(dim=0).mean()
        return 0.5 * (one + other)


def tokens(tokenizer: object, words: list[str]) -> NDArray[np.int64]:
    """(n, LENGTH) token numbers, padded as the pipeline pads."""
    encoded = tokenizer(words, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="np")  # type: ignore[operator]
    return np.asarray(encoded.input_ids, np.int64)


def crop(picture: NDArray[np.uint8], thing: Thing, margin: int) -> NDArray[np.uint8]:
    """The square around a thing, (64, 64, 3)."""
    left, top = max(0, thing.x - margin), max(0, thing.y - margin)
    right, bottom = min(SIDE, thing.x + thing.size + margin), min(SIDE, thing.y + thing.size + margin)
    cut = Image.fromarray(picture[top:bottom, left:right])
    return np.asarray(cut.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


@torch.no_grad()
def zero_shot(clip: nn.Module, count: int) -> list[bool]:
    """Of each held-out crop, whether its words win over those of every other thing and colour."""
    world, tokenizer = World(), make_tokenizer()
    labels = [f"a {colour} {name}" for name in COLOURED for colour in COLOURS]
    labels += [f"a {name}" for name in THINGS if name not in COLOURED]
    scenes: list[Scene] = [draw_scene(seed, "held out", 1) for seed in range(count)]
    pictures = [crop(world.draw(scene).picture, scene.things[0], 2) for scene in scenes]
    device = next(clip.parameters()).device
    outputs = clip(
        input_ids=torch.from_numpy(tokens(tokenizer, labels)).to(device),
        pixel_values=to_signed(torch.from_numpy(as_batch(pictures))).to(device),
    )
    best = outputs.logits_per_image.argmax(dim=1).tolist()
    return [labels[index] == naming(scene.things) for index, scene in zip(best, scenes, strict=True)]
