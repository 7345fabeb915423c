"""The practice model in the program: scenes on the start page, edits that wait in them, and a plain word on photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.dev.practice.examples import EXAMPLES
from app.dev.practice.world import World
from app.practice_room import PracticeRoom
from editor.document.compose import flatten_rgb
from editor.edits.dispatch import plan
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.methods.pixels.settings import PixelsSettings
from editor.models.inspect import inspect
from editor.models.library import Library
from editor.planning.plan import Draft
from tests.app.conftest import Tell
from tests.support.program import Desk
from tests.support.untrained_model import write_untrained
from tests.support.waiting import until
from widgets.models.page import ModelsPage

pytestmark = [
    pytest.mark.usefixtures("no_cache"),
    # diffusers' schedulers and numpy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_untrained(tmp_path_factory.mktemp("toys")) / "practice"


def test_the_folder_is_a_model_that_says_it_knows_toys_only(toys: Path) -> None:
    info = inspect(toys)
    assert info.usable, info.problem
    assert info.name == "Practice model (toy scenes)"
    assert info.toys
    assert (info.native, info.cell, info.prediction) == (64, 4, "v_prediction")


def test_models_of_toys_stand_last(toys: Path, boats: Path) -> None:
    zebra = boats.rename(boats.with_name("zebra"))
    assert [info.name for info in Library((toys, zebra)).models()] == ["zebra", "Practice model (toy scenes)"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
def test_every_scene_has_an_edit_that_can_run(example: object, toys: Path) -> None:
    room = PracticeRoom()
    room.draw()
    name = getattr(example, "name", "")
    assert name in [scene.name for scene in room.scenes]
    opened = room.open(name)
    draft = Draft(model=inspect(toys), **opened.draft)
    planned = plan(opened.document, draft)
    assert isinstance(draft.settings, PixelsSettings if opened.document.exemplars else BlendedSettings)
    assert planned.action in ("fill", "blend")
    assert opened.draft["settings"] == type(opened.draft["settings"])()  # edges that suit the model need no setting
    assert all(exemplar.rim is None for exemplar in opened.document.exemplars)
    assert all(not item.empty for item in opened.document.items)


def test_items_take_in_their_things_whole() -> None:
    world, example = World(), EXAMPLES[0]
    document = example.document(world)
    drawn = world.draw(example.scene)
    for item, coverage in zip(document.items, drawn.coverage, strict=True):
        whole = np.kron(coverage > 0.5, np.ones((4, 4))) > 0
        assert item.mask.read()[whole].min() == 1
        assert item.mask.read().mean() < 0.7


def test_a_scene_is_opened_from_the_start_page_and_edited(tell: Tell, toys: Path) -> None:
    async def story(desk: Desk) -> None:
        page = desk.window.start_page
        await until(lambda: page.toys)
        await desk.click(page.toys[0])
        await until(lambda: desk.application.sessions)
        session = desk.session
        session.set_draft(steps=2, variations=1)
        assert session.draft.model is not None
        assert session.draft.model.toys
        assert session.draft.settings.needs_model
        assert not desk.says("toys")
        assert session.options.tool == "move"
        before = flatten_rgb(session.document, session.document.rect)
        await desk.press_button()
        job = await desk.finished()
        assert job.error is None
        session.accept()
        changed = (flatten_rgb(session.document, session.document.rect) != before).any(axis=-1)
        region = session.document.items[0].mask.read() > 0
        assert changed[region].mean() > 0.5
        assert not changed[~region].any()

    tell(story, bundled=(toys,))


def test_on_a_photograph_it_says_so_and_offers_a_real_model(tell: Tell, toys: Path, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session = await desk.open(photo)
        await until(lambda: session.draft.model is not None)
        session.choose_method(PixelsSettings)
        strength = np.zeros((session.document.size.height, session.document.size.width), np.float32)
        strength[100:200, 100:200] = 1
        session.commit("Paint", session.document.with_strength(session.document.empty_map().write(0, 0, strength)))
        await until(lambda: desk.says("knows nothing but its toys"), timeout=5)
        await desk.link("Get a real model")
        await until(lambda: any(page.isVisible() for page in desk.window.findChildren(ModelsPage)))

    tell(story, bundled=(toys,))


def test_without_the_practice_model_there_are_no_scenes(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        assert desk.application.practice() == ()
        assert desk.window.start_page.toys == []

    tell(story)
