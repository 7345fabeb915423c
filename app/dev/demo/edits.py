"""The edits of the demonstration: the places, outlines and words that a person would choose, and what is said about each.

All numbers are pixels of the photo. Nothing of a result is prepared: other numbers give other results.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

import resources
from app.application import Application
from app.dev.demo.hands import (
    Points,
    add_exemplar,
    lasso,
    lay_on,
    live_result,
    make_item_of,
    outline,
    paint_strength,
    painted,
    press_the_button,
    together,
    until,
)
from app.dev.demo.sheets import Panel, Sheet, marked, moved, outlined, tinted
from editor.arrays import Pixels
from editor.document.compose import flatten_rgb
from editor.document.document import Document
from editor.document.placing import place_exemplar
from editor.edits.apply import apply_result
from editor.geometry import Placement, Rect
from editor.methods.pixels.settings import PixelsSettings
from editor.methods.quick_fill.settings import QuickFillSettings
from widgets.session.session import Session

T = TypeVar("T", np.uint8, np.float32)

SEED = 3
PRACTICE_STEPS = 20
LARGER = 4  # how much practice scenes are enlarged on their sheets

BRANCH: Points = (
    (11, 856), (64, 754), (128, 663), (182, 594), (241, 535), (289, 487), (321, 449), (364, 412), (412, 380), (471, 348),
)  # fmt: skip
TWIG: Points = ((310, 476), (319, 433), (358, 401), (428, 364))
FIG_AND_SHADOW: Points = (
    (543, 440), (565, 404), (652, 383), (717, 339), (782, 302), (848, 306), (886, 335), (946, 359), (1000, 435),
    (1022, 522), (978, 652), (924, 717), (859, 741), (799, 723), (750, 696), (706, 647), (652, 609), (592, 560), (574, 489),
)  # fmt: skip
CLOCK = Rect(185, 50, 665, 470)
STEM: Points = ((410, 405), (442, 405), (441, 809), (401, 809))
DUCK_WITHOUT_FEET: Points = ((38, 28), (62, 58), (88, 62))  # of the duck's own 120
DRUM: Points = (
    (18, 960),
    (35, 885),
    (190, 870),
    (315, 715),
    (380, 695),
    (410, 1075),
    (330, 1060),
    (190, 1035),
    (70, 1058),
)
# Strokes: points, size in pixels, strength, and where they go.
LIVE: tuple[tuple[Points, float, float, str], ...] = (
    (((40, 175), (130, 175)), 110, 0.5, "Over the car"),
    (((40, 175), (130, 175)), 110, 0.75, "Over the car again"),
    (((0, 242), (256, 242)), 44, 0.3, "Along the ground"),
)
LIVE_STRENGTH = 0.95
BAG_AND_DRUM = Rect(21, 686, 772, 1410)


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit. `name`: of its file. `title`: what is done, said while it runs. `photo`: that of the bundled ones it is made in, or else the
    practice scene of that name. `finished`: whether its document is the one to stay in front.
    """

    name: str
    title: str
    play: Callable[[Session], Awaitable[Sheet]]
    photo: str = ""
    scene: str = ""
    finished: bool = False

    async def open(self, application: Application) -> Session:
        """Open it in a tab of its own."""
        before = len(application.sessions)
        with ExitStack() as files:
            if self.photo:
                application.open_paths([files.enter_context(resources.photo(self.photo))])
            else:
                application.open_practice(self.scene)
            await until(lambda: len(application.sessions) > before, "The picture did not open.")
        session = application.sessions[-1]
        if self.scene:
            await until(lambda: session.draft.model is not None, "The practice model was not chosen.")
            session.set_draft(steps=PRACTICE_STEPS)
        session.set_draft(seed=SEED, variations=1)
        return session


async def remove_branch(session: Session) -> Sheet:
    original = shown(session.document)
    paint_strength(session, BRANCH, 26)
    paint_strength(session, TWIG, 22)
    mark = marked(original, session.document.strength)
    seconds = await press_the_button(session)
    return Sheet(
        "A thing removed from a detailed place",
        [
            Panel(original, "Original: a dead branch lies across the gorge"),
            Panel(mark, "Marked: two strokes of the brush along the branch"),
            Panel(shown(session.document), f"Result: quick fill, first try, {seconds:.0f} s without a model"),
        ],
    )


async def move_fig(session: Session) -> Sheet:
    original = shown(session.document)
    item = make_item_of(session, "fig", lasso(session.document, FIG_AND_SHADOW))
    session.set_draft(settings=QuickFillSettings(fill="texture", grow=20))
    item = replace(item, placement=Placement(item.placed.x + 90, item.placed.y - 20, 0.7, 0.7))
    session.commit("Move “fig”", session.document.with_item(item))
    mark = moved(original, item)
    seconds = await press_the_button(session)
    return Sheet(
        "An item moved and made smaller",
        [
            Panel(original, "Original"),
            Panel(mark, "Marked: a lasso round the fig and its shadow; moved to the right, at 70 % of its size"),
            Panel(shown(session.document), f"Result: the hole is filled with the bowl's own grain, {seconds:.0f} s"),
        ],
    )


async def set_in_dandelion(session: Session) -> Sheet:
    """The cut-out is made where it is sharpest: in the photo it comes from, opened as an exemplar."""
    original = shown(session.document)
    scale = 0.62
    with resources.photo("dandelion.jpg") as path:
        exemplar = await lay_on(session, path, "dandelion", Placement(640, 0, scale, scale))
    middle = session.document.size.height - exemplar.size.height * scale / 2  # its stem comes out of the lower edge
    exemplar = replace(exemplar, placement=replace(exemplar.placement, y=middle))
    source = Document.of_picture(exemplar.pixels)
    head = await outline(session, "dandelion", CLOCK, source)
    exemplar = replace(exemplar, cutout=together(head, lasso(source, STEM)))
    add_exemplar(session, exemplar)
    mark = _fitted(marked(shown(source), exemplar.cutout), original)
    seconds = await press_the_button(session)
    return Sheet(
        "A cut-out set whole onto a matching ground",
        [
            Panel(original, "Original: the ground"),
            Panel(
                mark,
                "Marked in another photo: a box round the head, which is outlined by itself, and a lasso round the stem",
            ),
            Panel(shown(session.document), f"Result: 62 % of its size, the tone matched by a quarter, {seconds:.1f} s"),
        ],
    )


async def fail_at_the_drum(session: Session) -> Sheet:
    original = shown(session.document)
    outlined_bag = await outline(session, "drum", BAG_AND_DRUM)
    item = make_item_of(session, "drum and bag", together(outlined_bag, lasso(session.document, DRUM)))
    mark = marked(original, item.mask)
    seconds = await press_the_button(session)
    return Sheet(
        "A failure: what stood behind a large thing is not known",
        [
            Panel(original, "Original"),
            Panel(mark, "Marked: a box round drum and bag, and a lasso round the part of the drum that was missed"),
            Panel(
                shown(session.document),
                f"Failed, {seconds:.0f} s: quick fill can only copy. It does not know how the table's legs go on, and puts pieces of other "
                "things where only floor can be.",
            ),
        ],
    )


async def replace_by_words(session: Session) -> Sheet:
    original = _larger(shown(session.document))
    item = session.document.items[0]
    mark = outlined(tinted(original, _larger(item.mask.read()), 0.25), _larger(item.mask.read()))
    words, strength = session.draft.prompt, session.draft.strength
    seconds = await press_the_button(session)
    return Sheet(
        "A diffusion edit by words, on a practice scene (256 × 256 pixels, here enlarged)",
        [
            Panel(original, "Original"),
            Panel(
                mark, f"Marked: the place of the {item.name}. Words: “{words}”; overall strength {strength * 100:.0f} %"
            ),
            Panel(
                _larger(shown(session.document)),
                f"Result: the bundled practice model, {seconds:.0f} s, seed {SEED}. Other seeds differ, and some come out worse.",
            ),
        ],
    )


async def paint_live(session: Session) -> Sheet:
    original = _larger(shown(session.document))
    panels = [Panel(original, "Original")]
    session.choose_method(PixelsSettings)
    session.set_draft(item=None, seed=SEED, strength=LIVE_STRENGTH)
    session.live.switch(True)
    for points, size, strength, where in LIVE:
        before = session.document.strength.read()
        paint_strength(session, points, size, 0.6, strength=strength)
        stroke = (session.document.strength.read() != before).astype(np.float32)
        outcome = await live_result(session)
        _, document = apply_result(session.document, outcome.result, session.document)
        words = f"{where}, painted at {strength:.0%}: {outcome.evaluations} of {outcome.steps} steps"
        panels.append(Panel(outlined(_larger(shown(document)), _larger(stroke)), words))
    session.accept()
    session.live.switch(False)
    return Sheet(
        f"Live: the picture follows the brush; words: “{session.draft.prompt}” (practice scene, here enlarged)", panels
    )


async def let_in_duck(session: Session) -> Sheet:
    original = _larger(shown(session.document))
    exemplar = painted(session.document.exemplars[0], DUCK_WITHOUT_FEET, 66, 0.5)
    session.commit("Paint strength", session.document.with_exemplar(exemplar))
    placed = place_exemplar(exemplar, session.document.rect)
    rows, columns = placed.rect.slices
    laid, weights = shown(session.document).copy(), np.zeros(session.document.size.shape, np.float32)
    cover = placed.alpha[..., None]
    laid[rows, columns] = np.rint(laid[rows, columns] * (1 - cover) + placed.pixels * cover)
    weights[rows, columns] = placed.strength
    mark = tinted(_larger(laid), _larger(weights), 0.6)
    strength = session.draft.strength
    seconds = await press_the_button(session)
    return Sheet(
        "A diffusion edit by a reference picture with painted strength (256 × 256 pixels, here enlarged)",
        [
            Panel(original, "Original"),
            Panel(
                mark,
                f"Marked: a duck laid on, and let in where it is painted: not the feet; overall strength {strength * 100:.0f} %",
            ),
            Panel(
                _larger(shown(session.document)),
                f"Result: it swims. The bundled practice model, {seconds:.0f} s, seed {SEED}",
            ),
        ],
    )


PRACTICE: tuple[Edit, ...] = (
    Edit("words", "Making a blue car a red one, by words", replace_by_words, scene="Car by a cactus"),
    Edit("live", "Painting strength while the picture follows", paint_live, scene="Car by a cactus"),
    Edit("reference", "Letting a duck in by painted strength", let_in_duck, scene="Duck for a pond"),
)
PHOTOS: tuple[Edit, ...] = (
    Edit("removed", "Removing a branch from a gorge", remove_branch, photo="stream.jpg"),
    Edit("moved", "Moving a fig, and making it smaller", move_fig, photo="fig.jpg"),
    Edit("set in", "Setting a dandelion into an evening", set_in_dandelion, photo="evening.jpg", finished=True),
)


FAILURE = Edit("failure", "Removing too much at once, which fails", fail_at_the_drum, photo="drum.jpg")


def shown(document: Document) -> Pixels:
    """(H, W, 3) uint8: the document as it looks, on white."""
    return flatten_rgb(document, document.rect)


def _larger(array: NDArray[T]) -> NDArray[T]:
    """A practice scene or a map of one, large enough to be looked at."""
    height, width = array.shape[:2]
    size = (width * LARGER, height * LARGER)
    return np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_LINEAR), array.dtype)


def _fitted(picture: Pixels, like: Pixels) -> Pixels:
    """The whole picture in the middle of a panel of the size of another one."""
    height, width = like.shape[:2]
    factor = min(width / picture.shape[1], height / picture.shape[0])
    size = (round(picture.shape[1] * factor), round(picture.shape[0] * factor))
    panel = np.full((height, width, 3), 30, np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    panel[top : top + size[1], left : left + size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return panel
