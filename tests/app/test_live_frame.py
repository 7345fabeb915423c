"""The frame of live pictures that grows by itself: a wish that is kept, and can be taken back."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QCheckBox

from app.about import PreferencesDialog
from tests.app.conftest import Tell
from tests.support.program import Desk, by_hand


def test_always_counts_for_every_document_and_for_later_starts(tell: Tell, photo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jpg"
    other.write_bytes(photo.read_bytes())
    third = tmp_path / "third.jpg"
    third.write_bytes(photo.read_bytes())

    async def wished(desk: Desk) -> None:
        first, second = await desk.open(photo), await desk.open(other)
        assert not first.live.grows
        second.live.grow_always()
        assert (first.live.grows, second.live.grows) == (True, True)
        assert (await desk.open(third)).live.grows

    async def revoked(desk: Desk) -> None:
        session = await desk.open(photo)
        assert session.live.grows
        await by_hand(desk.window.show_preferences)
        (dialog,) = desk.window.findChildren(PreferencesDialog)
        (check,) = (box for box in dialog.findChildren(QCheckBox) if "painting beyond" in box.text())
        assert check.isChecked()
        await by_hand(check.click)
        assert not session.live.grows

    async def anew(desk: Desk) -> None:
        assert not (await desk.open(photo)).live.grows

    tell(wished)
    tell(revoked)
    tell(anew)
