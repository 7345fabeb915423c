"""The demonstration from beginning to end: edits of real photos and of practice scenes, each written as a sheet of original, mark and result.

Everything goes through the real window and its background worker, and nothing is downloaded. One edit is shown that fails, and is named so.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from PySide6.QtWidgets import QApplication
from qasync import QEventLoop

from app import log as logs
from app.dev.demo.edits import FAILURE, PHOTOS, PRACTICE
from app.dev.demo.hands import DemoFailed, program_in
from app.dev.demo.sheets import write_sheet
from app.documents import save_document
from widgets.session.session import Session
from widgets.theme import Theme

WITHOUT_MODELS = (
    "The edits with a diffusion model are left out: the model half is not installed. "
    "Install it as “palimpsest[models]”, then run the demonstration again."
)


def run(output: Path, *, stay_open: bool) -> int:
    """Play it and write everything to `output`; with `stay_open` the window waits to be closed. Returns the exit status."""
    output.mkdir(parents=True, exist_ok=True)
    qt = QApplication(sys.argv[:1])
    qt.setApplicationName("palimpsest")
    qt.setApplicationDisplayName("Palimpsest")
    qt.setQuitOnLastWindowClosed(False)
    logs.start(None)
    try:
        with QEventLoop(qt) as loop, tempfile.TemporaryDirectory() as home:
            logs.watch(loop)
            loop.run_until_complete(_main(Theme(qt, "dark"), Path(home), output, stay_open=stay_open))
    except DemoFailed as failure:
        logging.getLogger(__name__).error("%s", failure)
        return 1
    return 0


async def _main(theme: Theme, home: Path, output: Path, *, stay_open: bool) -> None:
    application = program_in(home, theme)
    begun = time.monotonic()
    try:
        window = application.window
        window.resize(1366, 768)
        window.show()
        files: list[Path] = []
        finished: Session | None = None
        practice = PRACTICE if find_spec("torch") is not None else ()
        edits = (*PHOTOS, *practice, FAILURE)
        if not practice:
            _say(WITHOUT_MODELS)
        for number, edit in enumerate(edits, 1):
            _say(f"{edit.title} …")
            session = await edit.open(application)
            sheet = await edit.play(session)
            file = output / f"{number} {edit.name}.jpg"
            await asyncio.to_thread(write_sheet, file, sheet)
            files.append(file)
            if edit.finished:
                finished = session
        if finished is None:
            raise DemoFailed("No document was finished.")
        window.bring_to_front(finished)
        finished.activate()
        project, shot = output / "demo.palimpsest", output / "window.png"
        await save_document(project, finished.document)
        await asyncio.sleep(0.3)  # the canvas refines what it shows in the following turns of the event loop
        window.grab().save(str(shot))
        _say(f"Done in {time.monotonic() - begun:.0f} s. In {output.resolve()}:")
        for file in (*files, project, shot):
            _say(f"  {file.name}")
        if stay_open:
            finished.notice("This is the finished demonstration. Undo goes back step by step.")
            await application.finished.wait()
    finally:
        await application.close()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
