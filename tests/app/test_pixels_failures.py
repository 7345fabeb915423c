"""What can go wrong with models while a person works: it becomes a sentence, nothing is lost, and the next run works."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PySide6.QtCore import Qt
from safetensors.torch import load_file, save_file

import resources
from editor.document.document import Document
from editor.errors import InternalError, ModelUnavailable, NotFinite, OutOfMemory
from editor.models.memory import USABLE
from tests.app.conftest import Tell
from tests.support.program import Desk, by_hand
from tests.support.waiting import until
from tests.support.watched_models import Watched, needed_for, tell_memory
from widgets.models.page import ModelsPage
from widgets.session.job import Job
from widgets.session.notice import Notice
from widgets.session.session import Session

METHOD = "Blend and repaint · PIXELS"
ALLOCATOR = (
    "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
)


@pytest.fixture(autouse=True)
def nothing_left(watched: Watched) -> Iterator[None]:
    """After every story: the model as it came, if one did, and no thread of ours."""
    yield
    assert not watched.loaded or watched.unchanged(), "something of the model was altered"
    assert watched.running == []


async def begin(desk: Desk, photo: Path) -> tuple[Session, Document, list[Notice]]:
    """Open the photo, choose PIXELS, and paint: the session, its document by then, and what it says from now on."""
    session = await desk.open(photo)
    await until(lambda: desk.application.models.models is not None)
    await desk.pick("Method", METHOD)
    session.set_draft(variations=1, steps=8)
    await desk.key(Qt.Key.Key_B)
    session.set_brush(size=60)
    await desk.drag([(560, 360), (580, 380), (600, 390)])
    heard: list[Notice] = []
    session.noticed.connect(heard.append)
    return session, session.document, heard


async def ran(desk: Desk) -> Job:
    """Press the button and wait for the end."""
    await desk.press_button()
    return await desk.finished()


async def runs_now(desk: Desk) -> None:
    """The next run works."""
    job = await ran(desk)
    assert (job.state, len(job.candidates.results)) == ("ready", 1), job.error


# No model


@pytest.mark.usefixtures("no_cache")
def test_without_a_model_the_button_says_why_and_a_link_opens_the_models(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session, before, heard = await begin(desk, photo)
        assert not desk.edit.button.isEnabled()
        assert desk.says("Get a model first.")
        await desk.key(Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
        assert [each.message for each in heard] == ["Get a model first."]
        assert session.job is None
        await desk.link("Get a model…")
        page = desk.window.findChild(ModelsPage)
        assert page is not None
        assert page.isVisible()
        assert session.document is before
        await by_hand(page.close)

    tell(story)


def test_a_model_that_is_added_while_the_program_runs_can_be_used_at_once(
    tell: Tell, photo: Path, tiny_model: Path, no_cache: None
) -> None:
    async def story(desk: Desk) -> None:
        session, _, _ = await begin(desk, photo)
        assert not desk.edit.button.isEnabled()
        desk.application.models.add(tiny_model)
        await until(desk.edit.button.isEnabled)
        await runs_now(desk)
        assert session.draft.model is not None

    tell(story)


# Files


def _gone(model: Path) -> None:
    shutil.rmtree(model)


def _without_decoder(model: Path) -> None:
    (model / "vae" / "diffusion_pytorch_model.safetensors").unlink()


def _without_tokenizer(model: Path) -> None:
    (model / "tokenizer" / "vocab.json").unlink()


def _without_scheduler(model: Path) -> None:
    shutil.rmtree(model / "scheduler")


def _truncated(model: Path) -> None:
    file = model / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def _other_widths(model: Path) -> None:
    file = model / "unet" / "config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "block_out_channels": [16, 16]}))


def _other_family(model: Path) -> None:
    file = model / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "_class_name": "FluxPipeline"}))


def _pickled(model: Path) -> None:
    file = model / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(file), model / "unet" / "diffusion_pytorch_model.bin")
    file.unlink()


DAMAGES: dict[Callable[[Path], None], str] = {
    _gone: "“boats” is not there any more",
    _without_decoder: "The VAE of “boats” cannot be used",
    _without_tokenizer: "tokenizer",
    _without_scheduler: "scheduler",
    _truncated: "U-Net",
    _other_widths: "U-Net",
    _other_family: "FLUX",
    _pickled: "pickle",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.__name__[1:])
def test_what_happens_to_a_chosen_model_before_the_run_is_said(
    *, tell: Tell, photo: Path, boats: Path, watched: Watched, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    async def story(desk: Desk) -> None:
        session, before, heard = await begin(desk, photo)
        shutil.copytree(boats, tmp_path / "spare")
        damage(boats)
        job = await ran(desk)
        assert job.state == "failed"
        assert isinstance(job.error, ModelUnavailable)
        assert DAMAGES[damage] in str(job.error)
        assert job.error.advice
        assert [(each.message, each.error) for each in heard] == [(job.error.message, True)]
        assert desk.says(job.error.message)
        assert (session.document, watched.calls) == (before, 0)

        # It is put back, and the same button runs it.
        shutil.rmtree(boats, ignore_errors=True)
        shutil.copytree(tmp_path / "spare", boats)
        await runs_now(desk)

    tell(story)


def test_a_model_that_is_damaged_after_it_ran_is_not_run_from_memory(tell: Tell, photo: Path, boats: Path) -> None:
    async def story(desk: Desk) -> None:
        session, _, _ = await begin(desk, photo)
        await runs_now(desk)
        session.discard()
        _gone(boats)
        job = await ran(desk)
        assert isinstance(job.error, ModelUnavailable)

    tell(story)


def test_half_precision_files_run_on_the_processor(tell: Tell, photo: Path, boats: Path, watched: Watched) -> None:
    for file in boats.glob("*/*.safetensors"):
        save_file({key: each.half() for key, each in load_file(file).items()}, file, {"format": "pt"})

    async def story(desk: Desk) -> None:
        session, before, _ = await begin(desk, photo)
        assert session.draft.model is not None
        assert {part.precision for part in session.draft.model.parts} == {"float16"}
        await runs_now(desk)
        weights = next(each for name, each in watched.loaded[-1][1].items() if name.endswith("unet weights"))
        assert {weight.dtype for weight in weights.values()} == {torch.float32}
        assert session.document is before

    tell(story)


# Memory


def test_what_does_not_fit_is_refused_before_it_runs_and_runs_smaller_at_a_press(
    tell: Tell, photo: Path, boats: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_memory(monkeypatch, needed_for(boats, 0.8))

    async def story(desk: Desk) -> None:
        session, before, heard = await begin(desk, photo)
        job = await ran(desk)
        assert isinstance(job.error, OutOfMemory)
        assert "does not fit into memory" in job.error.message
        assert [each.message for each in heard] == [job.error.message]
        assert (watched.calls, watched.loaded) == (0, []), "it was tried all the same"
        assert session.document is before
        assert " · " not in job.error.message, "how it would run helps nobody"
        await asyncio.sleep(0.5)  # the estimate that is asked for after the run has come by now
        assert len(desk.links("Run smaller")) == 1
        await desk.link("Run smaller")
        await until(lambda: session.job is not None and session.job.state == "ready")
        assert watched.calls > 0
        assert session.draft.settings.scale == 0.75  # type: ignore[attr-defined]

    tell(story)


def test_that_it_does_not_fit_is_said_before_anybody_presses(
    tell: Tell, photo: Path, boats: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_memory(monkeypatch, round(needed_for(boats, 0.62) / USABLE["cpu"]) + 1)

    async def story(desk: Desk) -> None:
        session, before, _ = await begin(desk, photo)
        await until(lambda: desk.says("Needs about"))
        await desk.link("Run smaller")
        await until(lambda: session.job is not None and not session.job.busy)
        assert session.job is not None
        assert session.job.state == "ready", session.job.error
        assert 0.5 <= session.draft.settings.scale <= 0.6  # type: ignore[attr-defined]
        assert session.document is before

    tell(story)


@pytest.mark.parametrize(
    "error", [RuntimeError(ALLOCATOR), torch.OutOfMemoryError("CUDA out of memory"), MemoryError()]
)
def test_memory_that_runs_out_in_the_middle_offers_to_run_smaller(
    tell: Tell, photo: Path, boats: Path, watched: Watched, error: BaseException
) -> None:
    async def story(desk: Desk) -> None:
        session, before, heard = await begin(desk, photo)
        watched.fail = error
        job = await ran(desk)
        assert isinstance(job.error, OutOfMemory)
        assert [each.message for each in heard] == [job.error.message]
        assert session.document is before
        assert watched.unchanged()
        await desk.link("Run smaller")
        await until(lambda: session.job is not None and session.job.state == "ready")
        assert session.draft.settings.scale == 0.75  # type: ignore[attr-defined]

    tell(story)


# Mistakes of ours


def test_an_exception_in_the_network_is_a_message_and_the_next_run_works(
    tell: Tell, photo: Path, boats: Path, watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(desk: Desk) -> None:
        session, before, heard = await begin(desk, photo)
        watched.fail = ValueError("a mistake of ours")
        job = await ran(desk)
        assert isinstance(job.error, InternalError)
        assert [each.error for each in heard] == [True]
        assert "your document is as it was" in heard[0].message
        assert session.document is before
        assert watched.unchanged()
        await runs_now(desk)
        assert len(watched.loaded) == 1, "the model was loaded again"

    with caplog.at_level(logging.ERROR):
        tell(story)
    assert any(record.exc_info and "a mistake of ours" in str(record.exc_info[1]) for record in caplog.records)


# Closing


@pytest.mark.usefixtures("boats")
@pytest.mark.parametrize("what", ["run", "load"])
@pytest.mark.parametrize("how", ["document", "window", "program"])
def test_closing_while_something_is_under_way(tell: Tell, photo: Path, watched: Watched, what: str, how: str) -> None:
    async def story(desk: Desk) -> None:
        _, _, heard = await begin(desk, photo)
        watched.hold_at, watched.hold_load = (2, False) if what == "run" else (None, True)
        await desk.press_button()
        await watched.at_gate()
        if how == "document":
            await desk.do("file.close")
            await desk.answer("Discard")
            await until(lambda: not desk.application.sessions)
        elif how == "window":
            await by_hand(desk.window.close)
            await desk.answer("Discard")
            await until(desk.application.finished.is_set)
        asyncio.get_running_loop().call_later(0.05, watched.let_go)
        if how == "program":
            watched.let_go()
            return
        await until(watched.gate.is_set)
        assert heard == []
        if how == "document":  # and the program goes on
            watched.hold_load = False
            await begin(desk, photo)
            await runs_now(desk)

    tell(story)
    assert all(thread.isFinished() for thread in watched.threads)


# Two documents


@pytest.mark.usefixtures("boats")
def test_of_two_documents_the_second_waits_and_says_so(tell: Tell, photo: Path, watched: Watched) -> None:
    async def story(desk: Desk) -> None:
        flower, _, _ = await begin(desk, photo)
        watched.begin(hold_at=2)
        await desk.press_button()
        await watched.at_gate()
        with resources.photo("chelsea.png") as cat:
            other = await desk.open(cat)
        await desk.pick("Method", METHOD)
        other.set_draft(variations=1, steps=8)
        await desk.key(Qt.Key.Key_B)
        await desk.drag([(100, 100), (140, 120)])
        await desk.press_button()
        await until(lambda: desk.says("Waiting for another edit"))
        watched.let_go()
        await until(lambda: all(each.job is not None and each.job.state == "ready" for each in (flower, other)))
        assert len(watched.loaded) == 1
        for session in (flower, other):
            before = session.document
            session.accept()
            assert len(session.document.layers) == len(before.layers) + 1

    tell(story)


@pytest.mark.usefixtures("boats")
def test_what_waits_for_another_document_can_be_stopped(tell: Tell, photo: Path, watched: Watched) -> None:
    async def story(desk: Desk) -> None:
        flower, _, _ = await begin(desk, photo)
        watched.begin(hold_at=2)
        await desk.press_button()
        await watched.at_gate()
        with resources.photo("chelsea.png") as cat:
            other = await desk.open(cat)
        await desk.pick("Method", METHOD)
        await desk.key(Qt.Key.Key_B)
        await desk.drag([(100, 100), (140, 120)])
        await desk.press_button()
        await until(lambda: desk.says("Waiting for another edit"))
        await desk.press_button()
        await until(lambda: other.job is None)
        watched.let_go()
        await until(lambda: flower.job is not None and flower.job.state == "ready")

    tell(story)


# Numbers that are none


@pytest.mark.usefixtures("boats")
def test_a_network_of_no_numbers_makes_no_candidate(tell: Tell, photo: Path) -> None:
    async def story(desk: Desk) -> None:
        session, before, heard = await begin(desk, photo)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "editor.diffusion.families.stable_diffusion.backend.predicted", lambda unet, latents, *_: latents / 0
            )
            job = await ran(desk)
        assert job.state == "failed"
        assert isinstance(job.error, NotFinite)
        assert not job.candidates
        assert "no picture came of it" in heard[-1].message
        assert heard[-1].error
        assert session.document is before
        await runs_now(desk)

    tell(story)
