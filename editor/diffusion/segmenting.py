"""Learned segmenters: a picture is embedded once, then every click is answered from the embedding.

Segment Anything (Kirillov et al., ICCV 2023) and SAM 2 (Ravi et al., 2024), by the networks of transformers. What makes a picture ready for them and
brings their masks back to its size is computed here.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from editor.arrays import Pixels
from editor.diffusion.loading import network_of, understood
from editor.errors import ModelUnavailable, NotFinite
from editor.models.segmenters import Fit, SegmenterInfo, colours
from editor.requests.edit_request import SegmentRequest
from editor.requests.reports import Progress, Reports
from editor.requests.results import Masks
from editor.segmentation.pointed import Pointed

MAX_BYTES = 128 * 2**20  # of embeddings that are kept; one takes 4 to 17 MiB
SHARPEN = 1.8  # of the soft edge: what is surely inside becomes 1, what is surely outside 0


@dataclass(frozen=True, slots=True)
class SegmenterPreprocess:
    """Preprocessing of pictures for a segmenter.

    side: in pixels, of the square it sees
    fit: how a picture is brought there
    mean, std: of each colour, of 0 to 1
    """

    side: int
    fit: Fit
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def inner(self, width: int, height: int) -> tuple[int, int]:
        """Width and height in the square of a picture of a size, in pixels."""
        if self.fit == "stretch":
            return self.side, self.side
        scale = self.side / max(width, height)
        return max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))

    def ready(self, image: Pixels) -> Tensor:
        """(1, 3, side, side) float32. image: (h, w, 3) uint8."""
        width, height = self.inner(image.shape[1], image.shape[0])
        resized = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR), np.float32)
        normal = (resized / np.float32(255) - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        padded = np.zeros((3, self.side, self.side), np.float32)
        padded[:, :height, :width] = normal.transpose(2, 0, 1)
        return torch.from_numpy(padded)[None]

    def restored(self, logits: Tensor, width: int, height: int) -> Tensor:
        """(n, height, width): masks of the square, (n, h, w), brought to the size of the picture."""
        if self.fit == "pad":
            inner_width, inner_height = self.inner(width, height)
            square = functional.interpolate(logits[None], (self.side, self.side), mode="bilinear")
            logits = square[0, :, :inner_height, :inner_width]
        return functional.interpolate(logits[None], (height, width), mode="bilinear")[0]


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """What a segmenter made of a picture. `tensors`: as its network takes them. `width`, `height`: of the picture, in pixels."""

    tensors: Tensor | list[Tensor]
    width: int
    height: int

    @property
    def stored(self) -> int:
        """Bytes."""
        return sum(tensor.nbytes for tensor in self.flat)

    @property
    def flat(self) -> Sequence[Tensor]:
        return [self.tensors] if isinstance(self.tensors, Tensor) else self.tensors


class PointSegmenter:
    """A `Segmenter` by a learned network. Embeddings of the pictures seen last are kept, by content, up to a bound.

    max_bytes: of embeddings
    """

    def __init__(
        self, info: SegmenterInfo, network: Any, preprocess: SegmenterPreprocess, max_bytes: int = MAX_BYTES
    ) -> None:
        self.info = info
        self._network = network
        self._preprocess = preprocess
        self._max_bytes = max_bytes
        self._kept: OrderedDict[bytes, Embedding] = OrderedDict()

    @classmethod
    def load(cls, info: SegmenterInfo, device: str = "cpu") -> PointSegmenter:
        """`device`: "cuda", "mps" or "cpu". Raises `ModelUnavailable` for what is wrong with its files, `OutOfMemory`."""
        family = info.family
        if family is None or not info.usable:
            raise ModelUnavailable(info.problem, info.advice)
        with understood(info.name):
            network = network_of(getattr(transformers, family.network), info.path, family.kind, torch.float32)
            side = network.config.prompt_encoder_config.image_size
            preprocess = SegmenterPreprocess(side, family.fit, *colours(info.path))
            return cls(info, network.eval().requires_grad_(False).to(device), preprocess)

    def free(self) -> None:
        """Give its memory back; it cannot be used again."""
        self._kept.clear()
        self._network.to("meta")

    def has(self, image: Pixels) -> bool:
        """Whether a picture is embedded already."""
        return _digest(image) in self._kept

    def embed(self, image: Pixels) -> Embedding:
        """The embedding of a picture, (h, w, 3) uint8, computed or kept. Raises `NotFinite`, `ModelUnavailable`, `OutOfMemory`."""
        key = _digest(image)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        pixels = self._preprocess.ready(image)
        tensors = self._run(lambda: self._network.get_image_embeddings(pixels.to(self._network.device)))
        embedding = Embedding(tensors, image.shape[1], image.shape[0])
        self._check_finite(embedding.flat)
        self._kept[key] = embedding
        while len(self._kept) > 1 and sum(kept.stored for kept in self._kept.values()) > self._max_bytes:
            self._kept.popitem(last=False)
        return embedding

    def masks(self, embedding: Embedding, pointed: Pointed) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits (n, h, w) of the size of the picture, above 0 inside, and scores (n,) in [0, 1], best first.

        pointed: at least one positive point or a box, in pixels of the picture
        """
        inner = self._preprocess.inner(embedding.width, embedding.height)
        scale = torch.tensor((inner[0] / embedding.width, inner[1] / embedding.height))
        prompts: dict[str, Tensor] = {}
        points = (*pointed.positive, *pointed.negative)
        if points:
            labels = [1] * len(pointed.positive) + [0] * len(pointed.negative)
            prompts["input_points"] = (torch.tensor(points, dtype=torch.float32) * scale)[None, None]
            prompts["input_labels"] = torch.tensor(labels)[None, None]
        if pointed.box is not None:
            box = pointed.box
            corners = torch.tensor(((box.left, box.top), (box.right, box.bottom)), dtype=torch.float32)
            prompts["input_boxes"] = (corners * scale).reshape(1, 1, 4)
        device = self._network.device
        answer = self._run(
            lambda: self._network(
                image_embeddings=embedding.tensors,
                multimask_output=True,
                **{name: tensor.to(device) for name, tensor in prompts.items()},
            )
        )
        logits, scores = answer.pred_masks[0, 0].float(), answer.iou_scores[0, 0].float()
        self._check_finite((logits, scores))
        order = torch.argsort(scores, descending=True, stable=True)
        restored = self._preprocess.restored(logits[order], embedding.width, embedding.height)
        return restored.cpu().numpy(), scores[order].clamp(0, 1).cpu().numpy()

    def segment(self, request: SegmentRequest) -> Reports[Masks]:
        """See `Segmenter.segment`. Raises as `embed` does."""
        height, width = request.image.shape[:2]
        pointed = Pointed.of(request, width, height)
        if pointed.box is None and not pointed.positive:
            return Masks(request.rect, np.zeros((1, height, width), np.float32), np.zeros(1, np.float32))
        if not self.has(request.image):
            yield Progress(0.1, "Preparing the picture")
        embedding = self.embed(request.image)
        yield Progress(0.8, "Finding the outline")
        logits, scores = self.masks(embedding, pointed)
        return Masks(request.rect, soft(logits), np.where(logits.max(axis=(1, 2)) > 0, scores, 0).astype(np.float32))

    def _run(self, compute: Callable[[], Any]) -> Any:
        with understood(self.info.name, any_error=False), torch.inference_mode():
            return compute()

    def _check_finite(self, tensors: Sequence[Tensor]) -> None:
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
            raise NotFinite(f"What “{self.info.name}” answers are no numbers.", "Choose another segmenter.")


def soft(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Masks in [0, 1] with a soft edge, 0.5 where the logits are 0."""
    inside = 0.5 + 0.5 * np.tanh(0.5 * logits)
    return np.asarray(np.clip((inside - 0.5) * SHARPEN + 0.5, 0, 1), np.float32)


def _digest(image: Pixels) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image).data, person=b"%dx%d" % image.shape[:2]).digest()
