"""Learned segmenters: loaded from folders, and the same answers as transformers' own way there and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

from editor.diffusion.segmenting import PointSegmenter, soft
from editor.errors import ModelUnavailable, NotFinite
from editor.geometry import Rect
from editor.models.segmenters import MEAN, STD, inspect_segmenter
from editor.requests.edit_request import SegmentRequest
from editor.segmentation.pointed import Pointed
from tests.support.reports import drive
from tests.support.segmenter_folders import SIDE, change_settings, write_sam, write_sam_2

WRITERS: dict[str, Callable[[Path], Path]] = {
    "sam": write_sam,
    "sam2": write_sam_2,
    "sam2_video": lambda folder: write_sam_2(folder, "sam2_video"),
}
POINTED = [
    Pointed(((31.0, 20.0),), (), None),
    Pointed(((31.0, 20.0), (12.5, 8.0)), ((70.0, 40.0),), None),
    Pointed((), (), Rect(10, 5, 60, 44)),
    Pointed(((31.0, 20.0),), (), Rect(10, 5, 60, 44)),
]


def _image(width: int = 90, height: int = 50, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def _segmenter(folder: Path) -> PointSegmenter:
    return PointSegmenter.load(inspect_segmenter(folder))


def _prompts(pointed: Pointed, across: float, down: float) -> dict[str, torch.Tensor]:
    prompts: dict[str, torch.Tensor] = {}
    if pointed.positive or pointed.negative:
        points = [[x * across, y * down] for x, y in (*pointed.positive, *pointed.negative)]
        labels = [1 for _ in pointed.positive] + [0 for _ in pointed.negative]
        prompts |= {"input_points": torch.tensor([[points]]), "input_labels": torch.tensor([[labels]])}
    if pointed.box is not None:
        box = pointed.box
        corners = [box.left * across, box.top * down, box.right * across, box.bottom * down]
        prompts["input_boxes"] = torch.tensor([[corners]])
    return prompts


@pytest.mark.parametrize("pointed", POINTED)
@pytest.mark.parametrize("size", [(90, 50), (50, 90), (64, 64), (201, 77)])
def test_sam_answers_as_with_its_own_processor(tmp_path: Path, pointed: Pointed, size: tuple[int, int]) -> None:
    image = _image(*size)
    processor = SamImageProcessorPil(size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE})
    inputs = processor(image, return_tensors="pt")
    (height, width) = inputs["reshaped_input_sizes"][0].tolist()
    model = transformers.SamModel.from_pretrained(write_sam(tmp_path)).eval()
    with torch.no_grad():
        output = model(inputs["pixel_values"], **_prompts(pointed, width / size[0], height / size[1]))
    expected = processor.post_process_masks(
        output.pred_masks,
        inputs["original_sizes"].tolist(),
        inputs["reshaped_input_sizes"].tolist(),
        binarize=False,
        pad_size={"height": SIDE, "width": SIDE},
    )[0][0]
    _compare(_segmenter(tmp_path), image, pointed, expected, output.iou_scores[0, 0])


@pytest.mark.parametrize("pointed", POINTED)
def test_sam_2_answers_as_computed_by_hand(tmp_path: Path, pointed: Pointed) -> None:
    image = _image()
    write_sam_2(tmp_path)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
    # What it is published with: bytes resized with smoothing, rounded to bytes, stretched to the square.
    resized = functional.interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True).float() / 255
    normal = (resized - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    model = transformers.Sam2Model.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        output = model(normal, **_prompts(pointed, SIDE / 90, SIDE / 50))
    expected = functional.interpolate(output.pred_masks[0], (50, 90), mode="bilinear")[0]
    segmenter = _segmenter(tmp_path)
    _compare(segmenter, image, pointed, expected, output.iou_scores[0, 0])


def _compare(
    segmenter: PointSegmenter,
    image: np.ndarray[Any, np.dtype[np.uint8]],
    pointed: Pointed,
    expected: torch.Tensor,
    scores: torch.Tensor,
) -> None:
    logits, found = segmenter.masks(segmenter.embed(image), pointed)
    order = torch.argsort(scores, descending=True, stable=True)
    assert float(expected.std()) > 0
    np.testing.assert_allclose(logits, expected[order].numpy(), rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    np.testing.assert_allclose(found, scores[order].clamp(0, 1).numpy(), atol=1e-3)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_click_is_answered_from_the_picture_embedded_before(tmp_path: Path, kind: str) -> None:
    segmenter = _segmenter(WRITERS[kind](tmp_path))
    image = _image()
    request = SegmentRequest(image, Rect(100, 200, 280, 300), ((150.0, 240.0, True), (0.0, 0.0, False)))
    assert not segmenter.has(image)
    first = drive(segmenter.segment(request))
    assert segmenter.has(image.copy())
    assert segmenter.embed(image.copy()) is segmenter.embed(image)
    again = drive(segmenter.segment(request))
    assert first.rect == request.rect
    assert first.masks.shape == (3, 50, 90)
    assert first.masks.dtype == np.float32
    assert 0 <= first.masks.min() <= first.masks.max() <= 1
    assert (np.diff(first.scores) <= 0).all() or not first.scores.all()
    np.testing.assert_array_equal(first.masks, again.masks)
    # A point outside of the rectangle counts for nothing.
    logits, _ = segmenter.masks(segmenter.embed(image), Pointed(((25.0, 20.0),), (), None))
    np.testing.assert_array_equal(first.masks, soft(logits))


def test_points_outside_leave_an_empty_mask(tmp_path: Path) -> None:
    request = SegmentRequest(_image(), Rect(0, 0, 90, 50), ((150.0, 240.0, True),))
    masks = drive(_segmenter(write_sam(tmp_path)).segment(request))
    assert not masks.masks.any()
    assert not masks.scores.any()


def test_embeddings_are_kept_up_to_a_bound(tmp_path: Path) -> None:
    loaded = _segmenter(write_sam(tmp_path))
    one = loaded.embed(_image()).stored
    assert one > 0
    segmenter = PointSegmenter(loaded.info, loaded._network, loaded._preprocess, max_bytes=2 * one)
    images = [_image(seed=seed) for seed in range(3)]
    for image in (images[0], images[1], images[0], images[2]):
        segmenter.embed(image)
    assert [segmenter.has(image) for image in images] == [True, False, True]


def test_the_edge_is_soft_and_half_where_the_outline_is() -> None:
    np.testing.assert_allclose(soft(np.array([-20, 0, 20, 0.1], np.float32))[:3], [0, 0.5, 1])
    assert 0.5 < soft(np.array([0.1], np.float32))[0] < 0.6


def test_weights_that_are_no_numbers_are_said(tmp_path: Path) -> None:
    file = write_sam(tmp_path) / "model.safetensors"
    weights = {name: torch.full_like(tensor, torch.nan) for name, tensor in load_file(file).items()}
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(NotFinite, match="are no numbers"):
        _segmenter(tmp_path).embed(_image())


def test_missing_weights_are_said(tmp_path: Path) -> None:
    file = write_sam(tmp_path) / "model.safetensors"
    weights = {name: tensor for name, tensor in load_file(file).items() if "mask_tokens" not in name}
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(ModelUnavailable, match="missing from its weights"):
        _segmenter(tmp_path)


def test_settings_of_a_larger_network_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    write_sam(tmp_path)
    change_settings(tmp_path, mask_decoder_config={"hidden_size": 4096, "mlp_dim": 16_384})
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        _segmenter(tmp_path)


def test_a_folder_of_nothing_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no segmenter"):
        _segmenter(tmp_path)
