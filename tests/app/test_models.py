"""The service of models in the running program: real settings, real folders, a hub on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from app.models import Models, library_of
from app.settings import Settings
from editor.errors import EditorError
from editor.models.download import RECORD
from tests.app.conftest import Tell
from tests.support.hub_server import Hub, Repository, clip, serving, stable_diffusion
from tests.support.program import Desk, by_hand
from tests.support.waiting import Play, until
from widgets.models.page import ModelsPage
from widgets.models.service import Download, ModelsService

ID = "maker/small"
Story = Callable[[Models], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as hub:
        hub.repositories[ID] = Repository(stable_diffusion())
        yield hub


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "settings.json")


@pytest.fixture
def with_models(play: Play, settings: Settings, tmp_path: Path) -> Callable[[Story], None]:
    """Tell a story about a fresh service."""

    async def told(story: Story) -> None:
        tasks: list[asyncio.Task[None]] = []

        def start(work: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
            async def whole() -> None:
                await work

            tasks.append(asyncio.get_running_loop().create_task(whole()))
            return tasks[-1]

        models = Models(settings, tmp_path / "models", start)
        await story(models)
        await models.close()
        await asyncio.gather(*tasks)

    return lambda story: play(told(story))


def stage(models: Models) -> str:
    return models.getting.stage if models.getting else ""


async def found(models: Models, id: str = ID) -> Download:
    models.look_up(id)
    await until(lambda: stage(models) not in ("", "looking"))
    assert models.getting is not None
    return models.getting


def on_disk(folder: Path) -> Path:
    for name, content in stable_diffusion().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_it_is_what_the_page_asks_for(with_models: Callable[[Story], None]) -> None:
    async def story(models: Models) -> None:
        service: ModelsService = models
        assert service.models is None
        service.refresh()
        await until(lambda: service.models == ())

    with_models(story)


def test_a_model_is_looked_up_fetched_and_used(
    with_models: Callable[[Story], None], hub: Hub, settings: Settings
) -> None:
    async def story(models: Models) -> None:
        models.set_mirror(hub.url + "/")
        getting = await found(models)
        assert (getting.stage, getting.missing) == ("found", getting.plan.total if getting.plan else 0)
        assert hub.fetched("") == []
        models.get()
        await until(lambda: stage(models) == "done" and models.used)
        assert models.models is not None
        (info,) = models.models
        assert info.usable
        assert models.used == info.key == str(models.folder / "maker" / "small")
        assert not models.forgettable(info.key)
        assert (await found(models)).stage == "done"

    with_models(story)
    assert settings.values.hub == hub.url
    assert library_of(settings, Path("/none")).added == ()


def test_a_stopped_download_is_listed_as_unfinished_and_goes_on(with_models: Callable[[Story], None], hub: Hub) -> None:
    hub.repositories[ID] = Repository(stable_diffusion(2_000_000))
    hub.rate = 400_000

    async def story(models: Models) -> None:
        models.set_mirror(hub.url)
        await found(models)
        models.get()
        models.get()  # twice is once
        await until(lambda: models.getting and models.getting.progress and models.getting.progress.fraction > 0.1)
        asked = asyncio.get_running_loop().time()
        models.stop()
        await until(lambda: stage(models) == "stopped")
        assert asyncio.get_running_loop().time() - asked < 1.0
        await until(lambda: models.models)
        assert models.models is not None
        (info,) = models.models
        assert "not been finished" in info.problem
        assert models.origin(info.key) == ID
        assert not models.used
        hub.rate = None
        models.get()
        await until(lambda: stage(models) == "done" and models.used)
        assert hub.fetched(".fp16.safetensors")[-1].range.startswith("bytes=")
        models.dismiss()
        assert models.getting is None

    with_models(story)


def clip_on_disk(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, content in clip().items():
        if "/" not in name:
            (folder / name).write_bytes(content)
    return folder


def ranking(models: Models) -> str:
    return models.ranker.key if models.ranker else ""


def test_what_ranks_is_found_chosen_and_remembered(
    with_models: Callable[[Story], None], settings: Settings, tmp_path: Path
) -> None:
    here, there = clip_on_disk(tmp_path / "models" / "a-clip"), clip_on_disk(tmp_path / "elsewhere" / "b-clip")

    async def story(models: Models) -> None:
        service: ModelsService = models
        assert (service.ranker, service.rankers) == (None, ())
        service.refresh()
        await until(lambda: ranking(models) == str(here))
        service.add_ranker(there)
        await until(lambda: ranking(models) == str(there))
        assert [ranker.name for ranker in service.rankers] == ["a-clip", "b-clip"]
        service.use_ranker(str(here))
        assert ranking(models) == str(here)
        service.add(there)  # dropped on the page, it is known for what it is
        await until(lambda: ranking(models) == str(there))
        assert models.library.ranker == there

    with_models(story)
    assert Settings(tmp_path / "settings.json").values.ranker == str(there)
    assert settings.values.models == ()


def test_what_cannot_rank_is_refused_with_a_reason(
    with_models: Callable[[Story], None], settings: Settings, tmp_path: Path
) -> None:
    pickled = clip_on_disk(tmp_path / "pickled")
    (pickled / "model.safetensors").unlink()
    refused: list[EditorError] = []

    async def story(models: Models) -> None:
        models.refused.connect(refused.append)
        models.add_ranker(pickled)
        await until(lambda: len(refused) == 1)
        models.add_ranker(tmp_path)
        await until(lambda: len(refused) == 2)

    with_models(story)
    assert "pickle" in str(refused[0])
    assert "CLIP" in str(refused[1])
    assert settings.values.ranker == ""


def test_what_ranks_is_fetched_and_used(with_models: Callable[[Story], None], hub: Hub, settings: Settings) -> None:
    hub.repositories["maker/clip"] = Repository(clip(), kind="clip")

    async def story(models: Models) -> None:
        models.set_mirror(hub.url)
        getting = await found(models, "maker/clip")
        assert getting.plan is not None
        assert getting.plan.ranks
        models.get()
        await until(lambda: ranking(models))
        assert ranking(models) == str(models.folder / "maker" / "clip")
        assert models.models == ()
        assert models.used == ""

    with_models(story)


def test_ending_the_program_ends_a_download(with_models: Callable[[Story], None], hub: Hub, tmp_path: Path) -> None:
    hub.repositories[ID] = Repository(stable_diffusion(2_000_000))
    hub.rate = 100_000

    async def story(models: Models) -> None:
        models.set_mirror(hub.url)
        await found(models)
        models.get()
        await until(lambda: list(tmp_path.rglob("*.incomplete")))

    with_models(story)  # closes the service
    assert list(tmp_path.rglob("*.incomplete"))


def test_what_goes_wrong_is_said(with_models: Callable[[Story], None], hub: Hub) -> None:
    async def story(models: Models) -> None:
        models.set_mirror(hub.url)
        getting = await found(models, "maker/none")
        assert getting.stage == "failed"
        assert getting.error is not None
        assert "no model “maker/none”" in getting.error.message
        await found(models)
        hub.repositories[ID].wrong.add("vae/diffusion_pytorch_model.safetensors")
        models.get()
        await until(lambda: stage(models) == "failed")
        assert models.getting is not None
        assert "damaged" in str(models.getting.error)
        hub.repositories[ID].wrong.clear()
        models.get()
        await until(lambda: stage(models) == "done")

    with_models(story)


def test_an_answer_that_nobody_waits_for_is_not_shown(with_models: Callable[[Story], None], hub: Hub) -> None:
    async def story(models: Models) -> None:
        models.set_mirror(hub.url)
        models.look_up("maker/none")
        models.stop()
        assert models.getting is None
        assert (await found(models)).id == ID

    with_models(story)


def test_what_is_here_is_added_used_and_forgotten(
    with_models: Callable[[Story], None], settings: Settings, tmp_path: Path
) -> None:
    mine, pickle = on_disk(tmp_path / "elsewhere" / "mine"), tmp_path / "a.ckpt"
    pickle.write_bytes(b"\x80")

    async def story(models: Models) -> None:
        refused: list[EditorError] = []
        models.refused.connect(refused.append)
        models.add(pickle)
        await until(lambda: refused)
        assert "pickle" in str(refused[0])
        models.add(mine)
        await until(lambda: models.models)
        assert models.used == str(mine)
        assert models.forgettable(str(mine))
        models.forget(str(mine))
        await until(lambda: models.models == ())
        assert models.used == ""

    with_models(story)
    assert (mine / "model_index.json").exists()
    assert settings.values.models == ()


def test_another_folder_keeps_the_models_of_the_last_one(
    with_models: Callable[[Story], None], settings: Settings, tmp_path: Path
) -> None:
    on_disk(tmp_path / "models" / "a")
    on_disk(tmp_path / "first" / "b")

    async def story(models: Models) -> None:
        assert models.folder == tmp_path / "models"
        models.set_folder(tmp_path / "first")
        models.set_folder(tmp_path / "second")
        assert models.folder == tmp_path / "second"
        await until(lambda: models.models and len(models.models) == 2)
        models.set_folder(tmp_path / "models")
        assert settings.values.model_folder == ""

    with_models(story)


def test_from_the_menu_to_a_model_in_use(tell: Tell, hub: Hub, tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.do("edit.models")
        page = desk.window.findChild(ModelsPage)
        assert isinstance(page, ModelsPage)
        await until(page.empty.isVisible)
        desk.application.models.set_mirror(hub.url)
        await by_hand(lambda: QTest.keyClicks(page.id, ID))
        await by_hand(lambda: QTest.keyClick(page.id, Qt.Key.Key_Return))
        await until(page.card.go.isVisible)
        await by_hand(lambda: QTest.mouseClick(page.card.go, Qt.MouseButton.LeftButton))
        await until(lambda: len(page.rows) == 1 and next(iter(page.rows.values())).tag.isVisible())
        assert "It is here" in page.card.facts.text()
        assert (tmp_path / "models" / "maker" / "small" / RECORD).exists()
        await desk.do("edit.models")
        assert len(desk.window.findChildren(ModelsPage)) == 1

    tell(story)
