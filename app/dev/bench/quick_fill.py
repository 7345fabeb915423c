"""Quick fill measured: how fast it is, and how its fills look beside the truth and beside OpenCV's Telea."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity

import resources
from app.dev.bench import Result
from app.dev.bench.contact_sheet import Section, write_sheet
from app.dev.bench.quick_fill_edits import ellipse, example_edits, laid_on, run, sweep_requests
from editor.arrays import Mask, Pixels
from editor.geometry import Rect
from editor.methods.quick_fill.editing import edit
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.edit_request import EditRequest
from editor.requests.frame import Frame

LONG_SIDE = 512
PATCH, DIRECTIONS = 7, 128
MARKED = (255, 0, 255)
ROUNDS = 3

# name, width, height, share of the hole, seconds allowed on two quiet cores
SPEEDS = (
    ("512 px, 10 % hole", 512, 512, 0.10, 3.0),
    ("1024 px, 10 % hole", 1024, 1024, 0.10, 4.0),
    ("2048 px, 10 % hole", 2048, 2048, 0.10, 6.0),
    ("24 MP, 2 % hole", 6000, 4000, 0.02, 8.0),
)
MEMORY_BAR, CANCEL_BAR = 1.0, 0.3


@dataclass(frozen=True, slots=True)
class Hole:
    """An elliptical hole in a photograph; centre and half-axes are shares of the photograph's longer side."""

    photo: str
    x: float
    y: float
    half_width: float
    half_height: float

    def mask(self, picture: Pixels) -> Mask:
        side = max(picture.shape[:2])
        return ellipse(picture, self.x * side, self.y * side, self.half_width * side, self.half_height * side)


# Background, ground, texture, and edges between them, as people remove things from; some with something unique beside the hole.
HOLES = (
    Hole("astronaut.png", 0.64, 0.16, 0.05, 0.09),
    Hole("astronaut.png", 0.22, 0.60, 0.06, 0.07),
    Hole("astronaut.png", 0.07, 0.35, 0.05, 0.10),
    Hole("chelsea.png", 0.45, 0.14, 0.10, 0.06),
    Hole("chelsea.png", 0.20, 0.50, 0.07, 0.08),
    Hole("chelsea.png", 0.85, 0.30, 0.08, 0.08),
    Hole("coffee.png", 0.88, 0.50, 0.08, 0.10),
    Hole("coffee.png", 0.10, 0.55, 0.07, 0.07),
    Hole("coffee.png", 0.40, 0.22, 0.07, 0.05),
    Hole("rocket.jpg", 0.35, 0.20, 0.09, 0.09),
    Hole("rocket.jpg", 0.80, 0.50, 0.05, 0.10),
    Hole("rocket.jpg", 0.62, 0.58, 0.07, 0.04),
    Hole("china.jpg", 0.74, 0.18, 0.10, 0.08),
    Hole("china.jpg", 0.55, 0.58, 0.09, 0.05),
    Hole("china.jpg", 0.62, 0.44, 0.06, 0.06),
    Hole("china.jpg", 0.26, 0.61, 0.06, 0.05),
    Hole("flower.jpg", 0.15, 0.25, 0.09, 0.09),
    Hole("flower.jpg", 0.42, 0.34, 0.06, 0.06),
    Hole("flower.jpg", 0.85, 0.40, 0.08, 0.10),
    Hole("camera.png", 0.80, 0.85, 0.09, 0.08),
)


@dataclass(frozen=True, slots=True)
class Score:
    """One fill against the truth, inside the hole. `sharp`: gradient energy, 1 is the truth's."""

    psnr: float
    ssim: float
    swd: float
    sharp: float


def quick_fill_speed() -> Iterator[Result]:
    """Seconds, peak memory and the longest wait between two reports (what a cancel waits for), each size in a process of its own."""
    fresh = multiprocessing.get_context("spawn")
    for name, width, height, share, bar in SPEEDS:
        seconds, waits, peaks = [], [], []
        for _ in range(ROUNDS):
            with fresh.Pool(1) as pool:
                taken, wait, peak = pool.apply(_timed, (width, height, share))
            seconds.append(taken)
            waits.append(wait)
            peaks.append(peak)
        yield Result.at_most(f"quick fill: {name}", min(seconds), "s", bar, f"best of {ROUNDS}, by texture")
        yield Result.at_most(f"quick fill: {name}, longest step", min(waits), "s", CANCEL_BAR)
        yield Result.at_most(f"quick fill: {name}, peak memory", max(peaks), "GB", MEMORY_BAR, "whole process")


def _timed(width: int, height: int, share: float) -> tuple[float, float, float]:
    with resources.photo("china.jpg") as path, Image.open(path) as opened:
        image = np.array(opened.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))
    radius = (share * width * height / np.pi / 0.8) ** 0.5
    hole = ellipse(image, 0.55 * width, 0.6 * height, radius, 0.8 * radius)
    request = EditRequest(
        image=image,
        strength=hole.astype(np.float32),
        frame=Frame.full_size(Rect(0, 0, width, height)),
        settings=QuickFillSettings(fill="texture"),
        seed=1,
    )
    begun = before = time.perf_counter()
    longest = 0.0
    for _ in edit(request):
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return ended - begun, max(longest, ended - before), peak


def quick_fill_quality(sheet: Path | None = None) -> Iterator[Result]:
    """Fills of holes whose truth is known, scored beside OpenCV's Telea; writes a contact sheet to `sheet` when it is given."""
    ours, theirs, rows = [], [], []
    for hole in HOLES:
        truth = photo(hole.photo)
        mask = hole.mask(truth)
        filled = fill(truth, mask)
        telea = np.asarray(cv2.inpaint(truth, mask.astype(np.uint8), 5, cv2.INPAINT_TELEA), np.uint8)
        ours.append(score(filled, truth, mask))
        theirs.append(score(telea, truth, mask))
        rows.append(_close_up(truth, mask, telea, filled))
    for name, scores in (("Telea", theirs), ("quick fill", ours)):
        yield Result(f"{name}: PSNR", statistics.fmean(one.psnr for one in scores), "dB", note="mean; a blur wins")
        yield Result(f"{name}: SSIM", statistics.fmean(one.ssim for one in scores), "", note="mean; a blur wins")
    swd = [statistics.fmean(one.swd for one in scores) for scores in (theirs, ours)]
    yield Result("Telea: patch distance (SWD)", swd[0], "", note=f"mean of {len(HOLES)} holes")
    yield Result.at_most("quick fill: patch distance (SWD)", swd[1], "", 7.0, f"mean of {len(HOLES)} holes")
    better = sum(mine.swd < other.swd for mine, other in zip(ours, theirs, strict=True))
    yield Result("quick fill: smaller patch distance than Telea", better, "holes", 10, better >= 10, "at least")
    yield Result(
        "Telea: sharpness", statistics.median(their.sharp for their in theirs), "", note="median; 1 is the truth"
    )
    sharp = statistics.median(our.sharp for our in ours)
    yield Result("quick fill: sharpness", sharp, "", 1.2, 0.8 <= sharp <= 1.2, "median; from 0.8")
    share = _monotone_share()
    yield Result("quick fill: monotone strength sweep", 100 * share, "%", 99, share >= 0.99, "11 steps; at least")
    if sheet is not None:
        half = (len(rows) + 1) // 2
        blank = [np.full_like(row, 245) for row in rows[-1]]
        paired = [[*left, *right] for left, right in zip(rows[:half], [*rows[half:], blank], strict=False)]
        known = Section(["hole", "Telea", "quick fill", "truth"] * 2, paired, 190)
        edits = example_edits(photo)
        write_sheet(sheet, [known, *edits])


def photo(name: str, long_side: int = LONG_SIDE) -> Pixels:
    """A packaged photograph, (h, w, 3) uint8, made smaller if its longer side has more than `long_side` pixels."""
    with resources.photo(name) as path, Image.open(path) as opened:
        picture = opened.convert("RGB")
        scale = long_side / max(picture.size)
        if scale < 1:
            size = (round(picture.width * scale), round(picture.height * scale))
            picture = picture.resize(size, Image.Resampling.LANCZOS)
        return np.array(picture)


def fill(picture: Pixels, hole: Mask) -> Pixels:
    """The picture with the hole filled as the program does by default; the hole's own pixels are blanked first."""
    blanked = picture.copy()
    blanked[hole] = MARKED
    height, width = hole.shape
    request = EditRequest(
        image=blanked,
        strength=hole.astype(np.float32),
        frame=Frame.full_size(Rect(0, 0, width, height)),
        settings=QuickFillSettings(),
        seed=1,
    )
    return laid_on(blanked, run(request))


def score(filled: Pixels, truth: Pixels, hole: Mask) -> Score:
    """PSNR and SSIM inside the hole, patch distance and sharpness."""
    error = float(((filled[hole].astype(np.float64) - truth[hole]) ** 2).mean())
    map_of = _likeness(filled, truth)
    energy = [_gradient_energy(image, hole) for image in (filled, truth)]
    return Score(
        float(10 * np.log10(255**2 / max(error, 1e-9))),
        float(map_of[hole].mean()),
        patch_distance(filled, truth, hole),
        energy[0] / max(energy[1], 1e-9),
    )


def _likeness(one: Pixels, other: Pixels) -> NDArray[np.float64]:
    compare: Callable[..., tuple[float, NDArray[np.float64]]] = structural_similarity
    return compare(one, other, channel_axis=2, full=True)[1]


def patch_distance(one: Pixels, other: Pixels, hole: Mask) -> float:
    """Sliced Wasserstein distance of the patches centred in the hole: mean difference of sorted projections, levels of 255."""
    directions = np.random.default_rng(0).standard_normal((PATCH * PATCH * 3, DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    half = PATCH // 2
    inner = hole[half:-half, half:-half]
    sides = []
    for picture in (one, other):
        windows = sliding_window_view(picture, (PATCH, PATCH), axis=(0, 1))[inner]
        sides.append(np.sort(windows.reshape(len(windows), -1) @ directions, axis=0))
    return float(np.abs(sides[0] - sides[1]).mean())


def _gradient_energy(picture: Pixels, hole: Mask) -> float:
    grey = picture.astype(np.float32).mean(axis=2)
    ways = (cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    return float(sum(float((np.asarray(way)[hole] ** 2).sum()) for way in ways))


def _close_up(truth: Pixels, hole: Mask, telea: Pixels, filled: Pixels) -> list[Pixels]:
    box = Rect.of_mask(hole)
    across, down = box.centre
    height, width = hole.shape
    half_width, half_height = 0.2 * LONG_SIDE, 0.17 * LONG_SIDE
    left = int(np.clip(across - half_width, 0, width - 2 * half_width))
    top = int(np.clip(down - half_height, 0, height - 2 * half_height))
    near = Rect.at(left, top, int(2 * half_width), int(2 * half_height)).slices
    marked = truth.copy()
    marked[hole] = MARKED
    return [image[near] for image in (marked, telea, filled, truth)]


def _monotone_share() -> float:
    """Over 11 strengths of a fill and of a blend: the share of changing pixels that never turn back."""
    picture = photo("china.jpg")
    steps: dict[str, list[Pixels]] = {"fill": [picture], "blend": [picture]}
    for strength in np.linspace(0, 1, 11)[1:]:
        for name, request in sweep_requests(picture, float(strength)).items():
            steps[name].append(laid_on(picture, run(request)))
    shares = []
    for taken in steps.values():
        change = np.diff(np.stack(taken).astype(np.int16), axis=0)
        rises, falls = (change > 0).any(axis=0), (change < 0).any(axis=0)
        moving = np.any(rises | falls, axis=2)
        turns = np.any(rises & falls, axis=2)
        shares.append(1 - float(turns[moving].mean()))
    return min(shares)
