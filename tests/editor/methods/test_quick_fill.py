"""What quick fill promises: nothing changes where it must not, the same request is the same picture, odd requests are answered."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from editor.errors import InvalidRequest
from editor.geometry import Rect, Size
from editor.methods.quick_fill.editing import edit
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.requests.edit_request import Action, EditRequest, ExemplarInput, ItemInput
from editor.requests.frame import Frame
from editor.requests.reports import Preview, Progress, Report, Reports
from editor.requests.results import EditResult
from tests.support.reports import drive

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

WIDTH, HEIGHT = 120, 96
CORNER = (30, 20)


def photo(width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> Pixels:
    """Something like a landscape: a gradient above, a rough ground with stripes below."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    sky = np.stack([120 + rows * 0.5, 150 + rows * 0.5, 210 + rows * 0.1], axis=2)
    waves = 30 * np.sin(columns / 3 + rows / 5)
    ground = np.stack([90 + waves, 120 + waves, 60 + waves / 2], axis=2) + generator.normal(0, 12, (height, width, 1))
    found = np.where((rows > height * 0.4)[..., None], ground, sky)
    return np.clip(found, 0, 255).astype(np.uint8)


def disc(x: float, y: float, radius: float, width: int = WIDTH, height: int = HEIGHT) -> Mask:
    rows, columns = np.mgrid[:height, :width]
    found: Mask = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    return found


def ask(
    image: Pixels,
    strength: NDArray[np.generic],
    *,
    settings: QuickFillSettings | None = None,
    seed: int = 3,
    action: Action = "fill",
    items: tuple[ItemInput, ...] = (),
    exemplars: tuple[ExemplarInput, ...] = (),
    avoid: Mask | None = None,
) -> EditRequest:
    height, width = image.shape[:2]
    return EditRequest(
        image=image,
        strength=strength.astype(np.float32),
        frame=Frame.full_size(Rect.at(*CORNER, width, height)),
        settings=settings or QuickFillSettings(),
        seed=seed,
        action=action,
        items=items,
        exemplars=exemplars,
        avoid=avoid,
    )


def driven(reports: Reports[EditResult]) -> tuple[EditResult, list[Report]]:
    seen: list[Report] = []
    return drive(reports, seen), seen


def run(request: EditRequest) -> EditResult:
    return driven(edit(request))[0]


def laid_on(image: Pixels, result: EditResult) -> Pixels:
    """The picture with the result composited over it."""
    found = image.copy()
    part = found[result.rect.moved(-CORNER[0], -CORNER[1]).slices]
    alpha = result.pixels[..., 3:] / 255
    part[:] = np.rint(part * (1 - alpha) + result.pixels[..., :3] * alpha)
    return found


def item(mask: Mask, matrix: NDArray[np.float64] | None, grown: Mask | None = None) -> ItemInput:
    return ItemInput("thing", mask.astype(np.float32), mask if grown is None else grown, matrix)


TEXTURE, SMOOTH = QuickFillSettings(fill="texture"), QuickFillSettings(fill="smooth")


@pytest.mark.parametrize("fill", ["auto", "texture", "smooth"])
def test_a_fill_changes_nothing_outside_and_fills_what_is_inside(fill: str) -> None:
    image, hole = photo(), disc(60, 60, 15)
    image[hole] = (255, 0, 255)
    settings = {"auto": QuickFillSettings(), "texture": TEXTURE, "smooth": SMOOTH}[fill]
    result = run(ask(image, hole, settings=settings))
    assert result.rect == Rect.of_mask(hole).moved(*CORNER)
    inside = hole[Rect.of_mask(hole).slices]
    assert (result.pixels[inside][:, 3] == 255).all()
    assert (result.pixels[~inside] == 0).all()
    after = laid_on(image, result)
    assert (after[~hole] == image[~hole]).all()
    assert not (after[hole] == (255, 0, 255)).all(axis=1).any(), "nothing of the hole itself comes back"


def test_texture_is_continued_as_sharp_as_it_was() -> None:
    image, hole = photo(), disc(60, 70, 15)
    filled = laid_on(image, run(ask(image, hole, settings=TEXTURE))).astype(float)
    truth = image.astype(float)
    rough, wanted = (np.diff(each.mean(axis=2), axis=1)[hole[:, 1:]].std() for each in (filled, truth))
    assert 0.75 < rough / wanted < 1.25


def test_a_smooth_fill_continues_a_gradient() -> None:
    rows, columns = np.mgrid[:64, :80]
    image = np.stack([100 + columns, 80 + rows, 60 + columns / 2 + rows / 2], axis=2).astype(np.uint8)
    hole = disc(40, 30, 12, 80, 64)
    result = run(ask(image, hole))
    assert result.doubt is None, "automatic filling takes the smooth way here"
    assert np.abs(laid_on(image, result).astype(int) - image).max() <= 3


def test_alpha_follows_the_strength_and_is_0_where_it_is() -> None:
    image = photo()
    strength = np.clip(1.2 - np.hypot(*(np.mgrid[:HEIGHT, :WIDTH] - np.array([60, 50])[:, None, None])) / 20, 0, 1)
    result = run(ask(image, strength))
    part = strength[result.rect.moved(-CORNER[0], -CORNER[1]).slices].astype(np.float32)
    assert (result.pixels[..., 3] == np.rint(part * 255)).all()


def test_the_same_request_gives_the_same_picture_and_another_seed_another() -> None:
    image, hole = photo(), disc(60, 66, 16)
    first, again, other = (run(ask(image, hole, settings=TEXTURE, seed=seed)) for seed in (1, 1, 2))
    assert (first.pixels == again.pixels).all()
    assert first.doubt == again.doubt
    assert (first.pixels != other.pixels).any()


def test_what_is_marked_is_not_copied() -> None:
    image, hole, red = photo(), disc(60, 60, 12), disc(60, 60, 30) & ~disc(60, 60, 12)
    image[red] = (250, 10, 10)
    free = laid_on(image, run(ask(image, hole, settings=TEXTURE)))[hole]
    barred = laid_on(image, run(ask(image, hole, settings=TEXTURE, avoid=red)))[hole]

    def red_share(colours: Pixels) -> float:
        return float(((colours[:, 0] > 240) & (colours[:, 1] < 20)).mean())

    assert red_share(free) > 0.5
    assert red_share(barred) < 0.1


def test_progress_rises_from_0_to_1_and_previews_stay_inside() -> None:
    image, hole = photo(300, 240), disc(150, 140, 60, 300, 240)
    result, reports = driven(edit(ask(image, hole, settings=TEXTURE)))
    fractions = [report.fraction for report in reports if isinstance(report, Progress)]
    assert fractions[0] == 0
    assert all(0 <= before <= after <= 1 for before, after in pairwise(fractions))
    previews = [report for report in reports if isinstance(report, Preview)]
    assert previews
    for preview in previews:
        assert preview.pixels.shape[2] == 4
        assert preview.rect.grow(-8).width <= result.rect.width
        assert result.rect.grow(8).holds(preview.rect)


def test_closing_after_any_report_leaves_nothing_behind() -> None:
    image, hole = photo(), disc(60, 60, 10)
    request = ask(image, hole, settings=TEXTURE)
    kept = image.copy()
    _, reports = driven(edit(request))
    for stop in {*range(0, len(reports), max(1, len(reports) // 12)), len(reports) - 1}:
        running = edit(request)
        for _ in range(stop + 1):
            next(running)
        running.close()
        assert (image == kept).all()
    again = run(request)
    assert (again.pixels == run(request).pixels).all()


# Odd pictures and odd holes.


@pytest.mark.parametrize("settings", [QuickFillSettings(), TEXTURE, SMOOTH], ids=["auto", "texture", "smooth"])
@pytest.mark.parametrize("case", ["one pixel", "at the corner", "most of it", "a line", "all but a corner", "specks"])
def test_holes_of_every_kind_are_filled(case: str, settings: QuickFillSettings) -> None:
    image = photo()
    hole = np.zeros((HEIGHT, WIDTH), np.bool_)
    if case == "one pixel":
        hole[50, 60] = True
    elif case == "at the corner":
        hole[:30, :40] = True
    elif case == "most of it":
        hole[5:, 10:] = True
    elif case == "a line":
        hole[40, :] = True
    elif case == "all but a corner":
        hole[:] = True
        hole[:3, :4] = False
    else:
        hole[::13, ::17] = True
    result = run(ask(image, hole, settings=settings))
    after = laid_on(image, result)
    assert (after[~hole] == image[~hole]).all()
    assert (result.pixels[..., 3] > 0).sum() == hole.sum()


@pytest.mark.parametrize(("width", "height"), [(8, 8), (1, 9), (3, 200), (2, 2)])
def test_tiny_pictures(width: int, height: int) -> None:
    image = photo(width, height)
    hole = np.zeros((height, width), np.bool_)
    hole[height // 2, width // 2] = True
    for settings in (QuickFillSettings(), TEXTURE, SMOOTH):
        result = run(ask(image, hole, settings=settings))
        assert result.rect.size == Size(1, 1)


def test_a_hole_that_is_everything_is_refused_in_words() -> None:
    image = photo(16, 16)
    with pytest.raises(InvalidRequest) as caught:
        run(ask(image, np.ones((16, 16))))
    assert caught.value.advice


def test_with_every_source_barred_the_fill_is_smooth() -> None:
    image, hole = photo(), disc(60, 60, 10)
    result = run(ask(image, hole, settings=TEXTURE, avoid=np.ones_like(hole)))
    assert result.doubt is None
    assert (result.pixels[..., 3] > 0).sum() == hole.sum()


def test_far_holes_are_filled_each_from_its_own_surroundings() -> None:
    image = np.zeros((60, 400, 3), np.uint8)
    image[:, :200], image[:, 200:] = (200, 40, 40), (40, 40, 200)
    holes = disc(40, 30, 8, 400, 60) | disc(360, 30, 8, 400, 60)
    kept = image.copy()
    image[holes] = 0
    assert np.abs(laid_on(image, run(ask(image, holes))).astype(int) - kept).max() <= 2


# Items.


def test_removing_fills_the_items_holes_where_strength_allows() -> None:
    image, thing, grown = photo(), disc(60, 60, 10), disc(60, 60, 13)
    half = np.full((HEIGHT, WIDTH), 0.5)
    result = run(ask(image, half, action="remove", items=(item(thing, None, grown),)))
    assert result.rect == Rect.of_mask(grown).moved(*CORNER)
    assert set(np.unique(result.pixels[..., 3])) == {0, 128}


def test_a_moved_item_arrives_and_leaves() -> None:
    image, thing, grown = photo(), disc(40, 60, 9), disc(40, 60, 14)
    image[thing] = (240, 30, 30)
    matrix = np.array([[1.0, 0, 45], [0, 1, 10]])
    settings = QuickFillSettings(match_tone=0)
    result = run(
        ask(image, np.ones((HEIGHT, WIDTH)), action="move", items=(item(thing, matrix, grown),), settings=settings)
    )
    after = laid_on(image, result).astype(int)
    assert np.abs(after[disc(85, 70, 6)] - (240, 30, 30)).max() <= 3
    assert (np.abs(after[thing] - (240, 30, 30)).max(axis=1) > 60).mean() > 0.95
    untouched = ~(grown | disc(85, 70, 14))
    assert (after[untouched] == image[untouched]).all()


def test_a_moved_item_never_shows_where_strength_is_0() -> None:
    image, thing = photo(), disc(40, 60, 9)
    strength = thing.astype(np.float32)
    strength[:, 80:] = 1
    matrix = np.array([[1.2, 0.1, 25], [-0.1, 1.2, -10]])
    after = laid_on(image, run(ask(image, strength, action="move", items=(item(thing, matrix),))))
    assert (after[strength == 0] == image[strength == 0]).all()


@pytest.mark.parametrize("scale", [0.05, 0.4, 3.0, -1.0])
def test_items_may_shrink_grow_mirror_and_leave_the_picture(scale: float) -> None:
    image, thing = photo(), disc(40, 60, 9)
    for x in (60.0, 500.0):
        matrix = np.array([[scale, 0, x], [0, abs(scale), 5]])
        result = run(ask(image, np.ones((HEIGHT, WIDTH)), action="move", items=(item(thing, matrix),)))
        assert Rect.at(*CORNER, WIDTH, HEIGHT).holds(result.rect)


def test_a_flat_matrix_and_missing_things_are_refused_in_words() -> None:
    image, everywhere = photo(), np.ones((HEIGHT, WIDTH))
    flat = item(disc(40, 60, 9), np.zeros((2, 3)))
    requests = [
        ask(image, everywhere, action="move", items=(flat,)),
        ask(image, everywhere, action="remove"),
        ask(image, everywhere, action="blend"),
        ask(image, disc(10, 10, 3), action="blend", exemplars=(exemplar(1.0),)),
    ]
    for request in requests:
        with pytest.raises(InvalidRequest) as caught:
            run(request)
        assert caught.value.advice


# Exemplars.


def exemplar(strength: float, alpha: Mask | None = None) -> ExemplarInput:
    mask = disc(70, 50, 18) if alpha is None else alpha
    pixels = photo(seed=5)[:, ::-1].copy()
    pixels[disc(70, 50, 18)] = (230, 200, 40)
    cover = mask.astype(np.float32)
    return ExemplarInput("sun", pixels, cover, np.full_like(cover, strength), np.zeros_like(cover), cover)


def test_more_strength_lets_more_of_an_exemplar_in() -> None:
    image = photo()
    steps = [image]
    for strength in np.linspace(0.1, 1, 10):
        request = ask(image, disc(70, 50, 18), action="blend", exemplars=(exemplar(float(strength)),))
        steps.append(laid_on(image, run(request)))
    sweep = np.stack(steps).astype(int)
    change = np.diff(sweep, axis=0)
    turns = np.any(np.any(change > 0, axis=0) & np.any(change < 0, axis=0), axis=2)
    assert turns.mean() <= 0.01
    assert np.abs(sweep[-1] - image)[disc(70, 50, 14)].max() > 50


def test_a_cut_out_on_black_is_taken_as_it_is() -> None:
    image, mask = photo(), disc(70, 50, 18)
    given = exemplar(1.0, mask)
    pixels = np.where(mask[..., None], given.pixels, np.uint8(0))
    after = laid_on(image, run(ask(image, mask, action="blend", exemplars=(replace(given, pixels=pixels),))))
    assert (after[mask] == pixels[mask]).all()


@pytest.mark.parametrize("seam", ["soft", "hard"])
def test_blends_stay_inside_the_exemplar(seam: str) -> None:
    image, mask = photo(), disc(70, 50, 18)
    settings = QuickFillSettings(seam="hard" if seam == "hard" else "soft")
    result = run(ask(image, mask, action="blend", exemplars=(exemplar(0.9), exemplar(0.8)), settings=settings))
    after = laid_on(image, result)
    assert (after[~mask] == image[~mask]).all()
    assert np.abs(after[disc(70, 50, 10)].astype(int) - (230, 200, 40)).mean() < 40


def test_a_hard_seam_that_hides_everything_says_so() -> None:
    image, mask = photo(), disc(70, 50, 18)
    request = ask(image, mask, action="blend", exemplars=(exemplar(0.3),), settings=QuickFillSettings(seam="hard"))
    with pytest.raises(InvalidRequest, match="hard seam"):
        run(request)
