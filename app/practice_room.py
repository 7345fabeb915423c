"""The practice scenes of the start page, and the edits that wait in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from editor.document.document import Document
from editor.methods.registry import METHODS, Methods
from editor.requests.method_settings import Use
from widgets.shell.services import Practice

if TYPE_CHECKING:
    from app.dev.practice.world import World

BLEND_STRENGTH = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """`draft`: fields of the session's draft."""

    document: Document
    draft: dict[str, Any]


class PracticeRoom:
    """Draws the scenes when they are first asked for. `draw` and `open` take a moment: call them in a thread."""

    def __init__(self, methods: Methods = METHODS) -> None:
        self._methods = methods
        self.scenes: Sequence[Practice] = ()
        self._world: World | None = None

    def draw(self) -> None:
        """Make the pictures of the cards."""
        from app.dev.practice.examples import EXAMPLES  # noqa: PLC0415  the window is there before

        world = self._draws()
        self.scenes = [Practice(example.name, example.picture(world)) for example in EXAMPLES]

    def open(self, name: str) -> Opened:
        """The scene as a document, and an edit of its first thing. Raises `KeyError` for an unknown name."""
        from app.dev.practice.examples import EXAMPLES  # noqa: PLC0415  as above

        example = {scene.name: scene for scene in EXAMPLES}[name]
        document = example.document(self._draws())
        draft: dict[str, Any] = {
            "prompt": example.prompt,
            "frame": document.rect,  # the model knows whole scenes only
        }
        if document.exemplars:
            method = self._methods.using(Use.MODEL, Use.EXEMPLARS) or self._methods.first
            draft |= {"exemplar": document.exemplars[0].id, "strength": BLEND_STRENGTH}
        else:
            method = self._methods.using(Use.MODEL, Use.WORDS, without=Use.EXEMPLARS) or self._methods.first
            draft |= {"item": document.items[0].id, "strength": method.first_strength(None)}
        return Opened(document, draft | {"settings": method.settings()})

    def _draws(self) -> World:
        if self._world is None:
            from app.dev.practice.world import World  # noqa: PLC0415  as above

            self._world = World()
        return self._world
