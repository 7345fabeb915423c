"""Edits as people make them: removals, moves and blends on the packaged photographs, for the contact sheet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from app.dev.bench.contact_sheet import Section
from editor.arrays import Mask, Pixels
from editor.geometry import Rect
from editor.methods.quick_fill.editing import edit
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.edit_request import EditRequest, ExemplarInput, ItemInput
from editor.requests.frame import Frame
from editor.requests.results import EditResult

Open = Callable[[str], Pixels]

GROW = 7
MARK = np.array([255, 0, 255])


def run(request: EditRequest) -> EditResult:
    """The edit's result, without its reports."""
    reports = edit(request)
    while True:
        try:
            next(reports)
        except StopIteration as stop:
            result: EditResult = stop.value
            return result


def laid_on(picture: Pixels, result: EditResult) -> Pixels:
    """The picture with the result composited over it; the request's frame must have begun at (0, 0)."""
    pixels = picture.copy()
    part = pixels[result.rect.slices]
    alpha = result.pixels[..., 3:] / 255
    part[:] = np.rint(part * (1 - alpha) + result.pixels[..., :3] * alpha)
    return pixels


def ellipse(picture: Pixels, x: float, y: float, half_width: float, half_height: float) -> Mask:
    """(h, w) bool for a (h, w, 3) picture."""
    rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
    mask: Mask = ((columns - x) / half_width) ** 2 + ((rows - y) / half_height) ** 2 <= 1
    return mask


def polygon(picture: Pixels, *corners: tuple[int, int]) -> Mask:
    """(h, w) bool for a (h, w, 3) picture; corners are (x, y)."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.array(corners, np.int32)], 1)
    return mask.astype(np.bool_)


def grown(mask: Mask, by: int = GROW) -> Mask:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * by + 1, 2 * by + 1))
    return cv2.dilate(mask.astype(np.uint8), disc).astype(np.bool_)


def example_edits(photo: Open) -> list[Section]:
    """Sections of a contact sheet. `photo` opens a packaged photograph with 512 pixels on its longer side."""
    headings = ["before", "marked", "after"] * 2
    return [
        Section(
            [f"remove: {heading}" if heading == "before" else heading for heading in headings],
            _in_pairs(_removals(photo)),
            255,
        ),
        Section(
            [f"move: {heading}" if heading == "before" else heading for heading in headings],
            _in_pairs(_moves(photo)),
            255,
        ),
        Section(
            ["exemplar", "strength 0.3", "strength 0.7", "strength 1", "hard seam, 1", "strength painted"],
            _blends(photo),
            255,
        ),
    ]


def _in_pairs(rows: list[list[Pixels]]) -> list[list[Pixels]]:
    return [[*left, *right] for left, right in zip(rows[::2], rows[1::2], strict=True)]


def _removals(photo: Open) -> list[list[Pixels]]:
    rocket, astronaut, china = photo("rocket.jpg"), photo("astronaut.png"), photo("china.jpg")
    flower, camera, coffee = photo("flower.jpg"), photo("camera.png"), photo("coffee.png")
    chosen = [
        (rocket, polygon(rocket, (352, 95), (365, 95), (384, 341), (336, 341))),
        (china, ellipse(china, 372, 188, 34, 10)),
        (flower, ellipse(flower, 294, 345, 66, 41)),
        (coffee, ellipse(coffee, 315, 236, 38, 48)),
        (camera, polygon(camera, (408, 112), (436, 112), (436, 178), (408, 178))),
        (astronaut, polygon(astronaut, (392, 0), (440, 0), (462, 40), (474, 235), (466, 282), (356, 282), (356, 200))),
    ]
    return [_removal(picture, mask) for picture, mask in chosen]


def _removal(picture: Pixels, mask: Mask) -> list[Pixels]:
    hole = grown(mask)
    item = ItemInput("thing", mask.astype(np.float32), hole, None)
    request = _request(picture, hole.astype(np.float32), "remove", items=(item,))
    return [picture, _marked(picture, mask), laid_on(picture, run(request))]


def _moves(photo: Open) -> list[list[Pixels]]:
    flower, rocket = photo("flower.jpg"), photo("rocket.jpg")
    smaller = np.array([[0.6, 0, -50], [0, 0.6, 40]])
    beside = np.array([[0.8, 0, 105], [0, 0.8, 62]])
    chosen = [
        (flower, ellipse(flower, 246, 177, 110, 109), smaller),
        (rocket, polygon(rocket, (254, 100), (262, 100), (270, 116), (271, 325), (244, 325), (245, 116)), beside),
    ]
    rows = []
    for picture, mask, matrix in chosen:
        item = ItemInput("thing", mask.astype(np.float32), grown(mask), matrix)
        request = _request(picture, np.ones(mask.shape, np.float32), "move", items=(item,))
        rows.append([picture, _marked(picture, mask), laid_on(picture, run(request))])
    return rows


def _blends(photo: Open) -> list[list[Pixels]]:
    china, flower, coffee, cat = (photo(name) for name in ("china.jpg", "flower.jpg", "coffee.png", "chelsea.png"))
    bloom = ellipse(flower, 246, 177, 110, 109)
    face = ellipse(cat, 205, 140, 120, 125)
    placed = [
        (china, flower, bloom, np.array([[0.5, 0, 260], [0, 0.5, 130]])),
        (coffee, cat, face, np.array([[0.62, 0, 320], [0, 0.62, 30]])),
    ]
    rows = []
    for canvas, source, mask, matrix in placed:
        size = (canvas.shape[1], canvas.shape[0])
        pixels = np.asarray(cv2.warpAffine(source, matrix, size, flags=cv2.INTER_LINEAR), np.uint8)
        alpha = np.asarray(cv2.warpAffine(mask.astype(np.float32), matrix, size), np.float32)
        row = [source]
        row += [_blend(canvas, pixels, alpha, np.full(alpha.shape, s, np.float32), "soft") for s in (0.3, 0.7, 1.0)]
        row.append(_blend(canvas, pixels, alpha, np.ones_like(alpha), "hard"))
        left, right = Rect.of_mask(alpha)[0::2]
        ramp = np.clip((np.arange(size[0]) - left) / (right - left), 0, 1).astype(np.float32)
        row.append(_blend(canvas, pixels, alpha, np.broadcast_to(ramp, alpha.shape).copy(), "soft"))
        rows.append(row)
    return rows


def _blend(
    canvas: Pixels,
    pixels: Pixels,
    alpha: NDArray[np.float32],
    strength: NDArray[np.float32],
    seam: Literal["soft", "hard"],
) -> Pixels:
    exemplar = ExemplarInput("exemplar", pixels, alpha, strength, np.zeros_like(alpha), alpha * strength)
    request = _request(canvas, alpha * strength, "blend", exemplars=(exemplar,), settings=QuickFillSettings(seam=seam))
    return laid_on(canvas, run(request))


def sweep_requests(picture: Pixels, strength: float) -> dict[str, EditRequest]:
    """A fill and a blend of the same disc at one strength, by what they are."""
    mask = ellipse(picture, 330, 200, 50, 50)
    amount = mask.astype(np.float32) * np.float32(strength)
    alpha = mask.astype(np.float32)
    exemplar = ExemplarInput("mirrored", picture[:, ::-1].copy(), alpha, amount, np.zeros_like(alpha), amount)
    return {
        "fill": _request(picture, amount, "fill"),
        "blend": _request(picture, amount, "blend", exemplars=(exemplar,)),
    }


def _marked(picture: Pixels, mask: Mask) -> Pixels:
    pixels = picture.copy()
    pixels[mask] = (picture[mask] + MARK) // 2
    return pixels


def _request(
    picture: Pixels,
    strength: NDArray[np.float32],
    action: Literal["fill", "remove", "move", "blend"],
    *,
    items: tuple[ItemInput, ...] = (),
    exemplars: tuple[ExemplarInput, ...] = (),
    settings: QuickFillSettings | None = None,
) -> EditRequest:
    height, width = picture.shape[:2]
    return EditRequest(
        image=picture,
        strength=strength,
        frame=Frame.full_size(Rect(0, 0, width, height)),
        settings=settings or QuickFillSettings(),
        seed=1,
        action=action,
        items=items,
        exemplars=exemplars,
    )
