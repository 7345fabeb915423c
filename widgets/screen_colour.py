"""The colour space of the screen that a widget is on, as far as the platform tells it.

macOS and Wayland take what is drawn for sRGB and convert it themselves; a window whose surface was given a colour space says so. Windows converts
nothing, and names the profile of the screen.
"""

from __future__ import annotations

import os
from typing import cast

from PIL import ImageCms
from PySide6.QtGui import QWindow
from PySide6.QtWidgets import QWidget

from editor.arrays import Pixels
from editor.document.colour import can_be_edited_in, convert


def screen_profile(widget: QWidget) -> bytes | None:
    """The ICC profile of what is drawn on the widget's window; None for sRGB, or where nobody knows."""
    window = cast(
        "QWindow | None", widget.window().windowHandle()
    )  # the type hints know no widget that is not shown yet
    if window is None:
        return None
    space = window.format().colorSpace()
    icc = bytes(space.iccProfile().data()) if space.isValid() else b""
    if not icc and os.name == "nt":
        icc = _of_windows(int(window.winId()))
    return icc if icc and can_be_edited_in(icc) else None


def on_screen(pixels: Pixels, widget: QWidget) -> Pixels:
    """sRGB pixels, (h, w, 3 or 4), as they are to be drawn on the widget."""
    return convert(pixels, None, screen_profile(widget))


def _of_windows(window: int) -> bytes:
    try:
        profile = ImageCms.get_display_profile(window)
        return b"" if profile is None else profile.tobytes()
    except (OSError, ImageCms.PyCMSError):
        return b""
