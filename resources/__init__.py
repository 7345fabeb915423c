"""What is packaged beside the code, read by name: icons, the style sheet, photographs, settings of models. Works from a folder and from a wheel."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.resources import as_file, files
from pathlib import Path


def icon_svg(name: str) -> bytes:
    """The drawing of an icon, SVG that paints with `currentColor`. Raises `FileNotFoundError` for an unknown name."""
    return files(__name__).joinpath("icons", f"{name}.svg").read_bytes()


def icon_names() -> tuple[str, ...]:
    """All packaged icons, in alphabetical order."""
    names = (path.name for path in files(__name__).joinpath("icons").iterdir())
    return tuple(sorted(name.removesuffix(".svg") for name in names if name.endswith(".svg")))


def style_sheet() -> str:
    """The one style sheet, with a `$name` for every colour (see `widgets.theme`)."""
    return files(__name__).joinpath("style.qss").read_text(encoding="utf-8")


def photo(name: str) -> AbstractContextManager[Path]:
    """A packaged photograph as a file, for the length of a `with`; their credits stand in `photos/CREDITS.md`."""
    return as_file(files(__name__).joinpath("photos", name))


def model_settings(name: str) -> AbstractContextManager[Path]:
    """The folder with what single-file models leave out: the settings of every part of a family, or the word list "clip"."""
    return as_file(files(__name__).joinpath("models", name))


def bundled_models() -> tuple[Path, ...]:
    """The folders of models that come with the program: the practice model, where it is packaged."""
    folder = Path(__file__).parent / "models" / "practice"
    return (folder,) if folder.is_dir() else ()


def practice_thing(name: str) -> AbstractContextManager[Path]:
    """The picture of a thing of the practice world, RGBA PNG; its credits stand in `practice/CREDITS.md`."""
    return as_file(files(__name__).joinpath("practice", f"{name}.png"))
