"""Set-up shared by all tests: Qt draws offscreen, and stories run on Qt's own asyncio loop."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication
from qasync import QEventLoop

from app.collector import collect_due
from tests.support.leaks import Surroundings
from tests.support.waiting import Play

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

# Before torch and OpenBLAS are loaded: tiny networks only lose by more threads, and the workers share the processor.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

# Never in a worker thread: what a test leaves behind may be Qt's (see `app.collector`).
gc.disable()


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves something behind (see `tests.support.leaks`), and does what automatic collection would.

    Warnings in the log are let pass where a test asks for `caplog` or is marked with `logs`.
    """
    before = Surroundings()
    before.listen()
    yield
    expected = "caplog" in request.fixturenames or request.node.get_closest_marker("logs") is not None
    left = before.left(logs=expected)
    collect_due()
    if left:
        if os.environ.get("LEAKS"):
            with open(os.environ["LEAKS"], "a") as file:
                file.write("".join(f"{request.node.nodeid}\t{each}\n" for each in left))
            return
        pytest.fail("left behind: " + "; ".join(left), pytrace=False)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Commands under test may take more of torch's threads; the next test has one again."""
    yield
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture
def play(qapp: QApplication) -> Iterator[Play]:
    """Run a coroutine to its end on Qt's loop, as the program does; it fails after `patience` seconds, a minute without."""
    qapp.setQuitOnLastWindowClosed(False)
    with QEventLoop(qapp) as loop:
        asyncio.set_event_loop(loop)

        def playing(story: Coroutine[Any, Any, Any], patience: float = 60) -> Any:
            return loop.run_until_complete(asyncio.wait_for(story, patience))

        yield playing
        asyncio.set_event_loop(None)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model by its name in `tiny_models.MAKERS`: written once in a run, by the first worker that asks. Change copies only."""
    base = tmp_path_factory.getbasetemp()
    top = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tiny-models"

    def folder(name: str) -> Path:
        from tests.support import tiny_models  # torch takes seconds to import

        return tiny_models.shared(name, top)

    return folder
