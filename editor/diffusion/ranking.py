"""CLIP scores of candidates: how well what stands in a region fits words (docs/methods.md, Blended Latent Diffusion 4)."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from editor.diffusion.loading import network_of, tokenizer_of, understood
from editor.errors import EditorError, NotFinite
from editor.geometry import Rect
from editor.models.components import WHOLE_CLIP
from editor.models.headers import Damaged, read_json
from editor.models.rankers import RankerInfo
from editor.models.settings import FETCH_AGAIN
from editor.requests.edit_request import EditRequest
from editor.requests.reports import Progress, Reports, Scored
from editor.requests.results import EditResult, Match

log = logging.getLogger(__name__)

Pixels = NDArray[np.uint8]
Map = NDArray[np.float32]
CropMode = Literal["crop", "reference"]

MARGIN = 0.25  # of the longer side of the region, around it
# What is left of the light of the surroundings. On practice scenes half chose the right one of four clearly less often.
DIMMED = 0.85
BATCH = 16  # pictures at once
# What CLIP was trained on; folders that say nothing else mean these.
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
USUAL = Image.Resampling.BICUBIC
PHRASES = re.compile(r"[^,.;:!?\n]*[,.;:!?\n]*\s*")
WORDS = re.compile(r"\S+\s*")
LOOSE = " ,;:\n"


@dataclass(frozen=True, slots=True)
class ClipPreprocess:
    """Preprocessing of pictures for a CLIP model.

    side: in pixels, of the square it sees
    mean, std: of each colour, of 0 to 1
    resample: how pictures are resized
    """

    side: int
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD
    resample: Image.Resampling = USUAL

    @classmethod
    def of(cls, folder: Path, side: int) -> ClipPreprocess:
        """As the folder says; what it leaves out, or says wrongly, is as usual. `side`: what the network takes."""
        try:
            settings = read_json(folder / "preprocessor_config.json")
        except Damaged:
            return cls(side)
        mean, std = _colours(settings.get("image_mean")), _colours(settings.get("image_std"))
        resample = next((kind for kind in Image.Resampling if kind == settings.get("resample")), USUAL)
        return cls(side, mean or MEAN, std if std and min(std) > 0 else STD, resample)

    def crop(self, picture: Pixels, region: Map) -> Tensor:
        """(3, side, side): the square around the region, upright and undistorted, its surroundings dimmed. What of the square lies outside the
        picture is grey."""
        window = square_around(region)
        light = DIMMED + (1 - DIMMED) * region
        crop = np.empty((window.height, window.width, 3), np.uint8)
        crop[:] = np.rint(255 * np.asarray(self.mean))
        inside = window.intersect(Rect(0, 0, region.shape[1], region.shape[0]))
        lit = np.rint(picture[inside.slices] * light[inside.slices][..., None])
        crop[inside.moved(-window.left, -window.top).slices] = lit
        resized = Image.fromarray(crop).resize((self.side, self.side), self.resample)
        return self._ready(torch.from_numpy(np.asarray(resized, np.float32) / np.float32(255)).permute(2, 0, 1))

    def alone(self, picture: Pixels, region: Map) -> Tensor:
        """(3, side, side): the whole picture, pressed into the square, black outside the region."""
        masked = np.where(marked(region)[..., None], picture / np.float32(255), np.float32(0))
        planes = torch.from_numpy(masked).permute(2, 0, 1)
        size = (self.side, self.side)
        return self._ready(functional.interpolate(planes[None], size, mode="bilinear", antialias=True)[0])

    def _ready(self, planes: Tensor) -> Tensor:
        mean, std = (torch.tensor(values, dtype=torch.float32)[:, None, None] for values in (self.mean, self.std))
        return (planes - mean) / std


class ClipScorer:
    """A loaded CLIP model. Small, so it stays loaded until its memory is needed."""

    def __init__(self, info: RankerInfo, network: Any, tokenizer: Any, preprocess: ClipPreprocess) -> None:
        self.info = info
        self._network, self._tokenizer, self._preprocess = network, tokenizer, preprocess

    @classmethod
    def load(cls, info: RankerInfo, device: str) -> ClipScorer:
        """`device`: "cuda" (in half precision), "mps" or "cpu". Raises `ModelUnavailable` for what is wrong with its files, `OutOfMemory`."""
        with understood(info.name):
            network = network_of(transformers.CLIPModel, info.path, WHOLE_CLIP, precision(device))
            tokenizer = tokenizer_of(info.path)
            preprocess = ClipPreprocess.of(info.path, network.config.vision_config.image_size)
            return cls(info, network.eval().requires_grad_(False).to(device), tokenizer, preprocess)

    @property
    def device(self) -> str:
        """The kind of device that it lies on."""
        return str(self._network.device.type)

    def match(self, pictures: Sequence[Pixels], source: Pixels, region: Map, words: str, mode: CropMode) -> list[Match]:
        """How well each picture fits the words within the region.

        pictures: (H, W, 3) uint8 each
        source: the picture as it was, likewise
        region: (H, W) float32 in [0, 1], not empty
        mode: "crop" looks at the region with some surroundings, "reference", as the published script does, at the region alone in the whole frame

        Raises `ModelUnavailable`, `OutOfMemory`, and `NotFinite` where its answer is no number.
        """
        with understood(self.info.name, any_error=False):
            text = self._read(words)
            view = self._preprocess.crop if mode == "crop" else self._preprocess.alone
            everything = (source, *pictures)
            cosines: list[float] = []
            for first in range(0, len(everything), BATCH):
                crops = torch.stack([view(picture, region) for picture in everything[first : first + BATCH]])
                cosines += (self._see(crops) @ text).tolist()
            scale = float(self._network.logit_scale.float().exp())
        if not all(map(math.isfinite, (scale, *cosines))):
            raise NotFinite(f"“{self.info.name}” cannot compare: what it computes are no numbers.", FETCH_AGAIN)
        before, *after = cosines
        return [Match(cosine, scale * (cosine - before)) for cosine in after]

    def free(self) -> None:
        """Give its memory back, even if something still holds it; it cannot be used again."""
        self._network.to("meta")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _read(self, words: str) -> Tensor:
        """(width,) of length 1."""
        room = self._network.config.text_config.max_position_embeddings - 2
        tokens = self._tokens(shortened(words, lambda text: len(self._tokens(text)) <= room))[:room]
        whole = [self._tokenizer.bos_token_id, *tokens, self._tokenizer.eos_token_id]
        features = self._network.get_text_features(torch.tensor([whole], device=self._network.device)).pooler_output
        return functional.normalize(features.float().cpu(), dim=-1)[0]

    @torch.inference_mode()
    def _see(self, crops: Tensor) -> Tensor:
        """(B, 3, side, side) -> (B, width), each of length 1."""
        features = self._network.get_image_features(crops.to(self._network.device, self._network.dtype)).pooler_output
        return functional.normalize(features.float().cpu(), dim=-1)

    def _tokens(self, words: str) -> list[int]:
        ids: list[int] = self._tokenizer(words, add_special_tokens=False, verbose=False).input_ids
        return ids


class Ranking:
    """Ranks the results of one edit as they come. `get`: the model to do it with, asked for when the first results are there; where there is
    none, or it fails, they stay unranked.
    """

    def __init__(self, get: Callable[[], ClipScorer | None], request: EditRequest, mode: CropMode) -> None:
        self._get, self._request, self._mode = get, request, mode
        self._region = np.asarray(request.strength / request.strength.max(), np.float32)
        self._unranked = False

    def scored(self, results: Sequence[EditResult]) -> Reports[None]:
        """A `Scored` for each; none at all when the model cannot be used."""
        if self._unranked or not results:
            return
        yield Progress(1.0, "Comparing with the words")
        request = self._request
        pictures = [pasted(request, result) for result in results]
        try:
            scorer = self._get()
            if scorer is None:
                self._unranked = True
                log.info("Variations stay unranked: there is no CLIP model")
                return
            matches = scorer.match(pictures, request.image, self._region, request.prompt, self._mode)
        except EditorError as error:
            self._unranked = True
            log.warning("Variations stay unranked: %s", error)
            return
        for result, match in zip(results, matches, strict=True):
            yield Scored(result.variant, match)


def precision(device: str) -> torch.dtype:
    """What a ranking model computes with."""
    return torch.float16 if device == "cuda" else torch.float32


def needed(info: RankerInfo, device: str) -> int:
    """Bytes that a ranking model takes, with what it computes."""
    return round(info.parameters * precision(device).itemsize * 1.3) + 200 * 2**20


def pasted(request: EditRequest, result: EditResult) -> Pixels:
    """(H, W, 3) of the request's frame: its picture with a result laid over it."""
    picture = np.array(request.image)
    frame = request.frame.rect
    rect = result.rect.intersect(frame)
    part = picture[rect.moved(-frame.left, -frame.top).slices]
    over = result.pixels[rect.moved(-result.rect.left, -result.rect.top).slices]
    alpha = over[..., 3:] / np.float32(255)
    part[:] = np.rint(part * (1 - alpha) + over[..., :3] * alpha)
    return picture


def marked(region: Map) -> NDArray[np.bool_]:
    """The region as a mask; one that is nowhere half covered counts in full."""
    mask = region >= 0.5
    return mask if mask.any() else region > 0


def square_around(region: Map) -> Rect:
    """The square around a region with a margin. It stays within the picture as far as that goes; no side is longer than the picture's longer one."""
    height, width = region.shape
    box = Rect.of_mask(marked(region))
    side = min(max(height, width), math.ceil(max(box.size) * (1 + 2 * MARGIN)))
    return Rect.at(_start(box.left, box.right, side, width), _start(box.top, box.bottom, side, height), side, side)


def shortened(words: str, fits: Callable[[str], bool]) -> str:
    """As much of the words from the beginning, where people say what matters, as fits: whole phrases if they make up half of it or more, else
    whole words."""
    if fits(words):
        return words
    by_words = _longest(WORDS.findall(words), fits) or words
    by_phrases = _longest([phrase for phrase in PHRASES.findall(words) if phrase], fits)
    return by_phrases if len(by_phrases) * 2 >= len(by_words) else by_words


def _longest(pieces: Sequence[str], fits: Callable[[str], bool]) -> str:
    """The most of the pieces, without the comma or so that they end with."""
    whole = best = ""
    for piece in pieces:
        whole += piece
        if not fits(whole.rstrip(LOOSE)):
            break
        best = whole.rstrip(LOOSE)
    return best


def _start(low: int, high: int, side: int, room: int) -> int:
    """Where a stretch of `side` begins that is centred on `low` to `high`, moved into 0 to `room`, or centred there where it is longer."""
    if side >= room:
        return (room - side) // 2
    return int(min(max((low + high - side) // 2, 0), room - side))


def _colours(values: object) -> tuple[float, ...] | None:
    """Three numbers of the size that means and deviations have, or None."""
    if not isinstance(values, list) or len(values) != 3:
        return None
    if not all(isinstance(value, (int, float)) and -10 <= value <= 10 for value in values):
        return None
    return tuple(map(float, values))
