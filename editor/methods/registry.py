"""Registry of methods: a value that is passed, so that whoever builds the program, or a test, can add one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from editor.document.document import Document
from editor.methods.base import AnyMethod
from editor.methods.blended_latent_diffusion.method import BLENDED_LATENT_DIFFUSION
from editor.methods.items.method import ITEMS
from editor.methods.pixels.method import PIXELS
from editor.methods.quick_fill.method import QUICK_FILL
from editor.planning.plan import Draft
from editor.requests.method_settings import MethodSettings, Use


class Methods(Sequence[AnyMethod]):
    """The methods that there are, in the order in which people read them; of several that suit, the first is taken. At least one needs no model."""

    def __init__(self, *methods: AnyMethod) -> None:
        self._methods = methods
        self._by_settings: dict[type[MethodSettings], AnyMethod] = {method.settings: method for method in methods}
        self._by_id: dict[str, AnyMethod] = {method.id: method for method in methods}
        if len(self._by_settings) < len(methods) or len(self._by_id) < len(methods):
            raise ValueError("two methods with one settings class or one id")

    def __len__(self) -> int:
        return len(self._methods)

    def __iter__(self) -> Iterator[AnyMethod]:
        return iter(self._methods)

    def __getitem__(self, index: Any) -> Any:
        return self._methods[index]

    def adding(self, *methods: AnyMethod) -> Methods:
        """These and more, the new ones last."""
        return Methods(*self._methods, *methods)

    def find(self, settings: MethodSettings | type[MethodSettings]) -> AnyMethod | None:
        """The method of these settings, or of this settings class; None where none here knows them."""
        kind = settings if isinstance(settings, type) else type(settings)
        return next((self._by_settings[base] for base in kind.__mro__ if base in self._by_settings), None)

    def of(self, settings: MethodSettings | type[MethodSettings]) -> AnyMethod:
        """The method of these settings. Raises `KeyError` where none here knows them."""
        method = self.find(settings)
        if method is None:
            raise KeyError(settings)
        return method

    def by_id(self, id: str) -> AnyMethod | None:
        """The method of a stable id, as projects and preferences have it; None for one that is not known here."""
        return self._by_id.get(id)

    def by_command(self, command: str) -> AnyMethod | None:
        """The method of a name on the command line; None for one that is not known here."""
        return next((method for method in self if method.command == command), None) if command else None

    def using(self, *uses: Use, without: Use | None = None) -> AnyMethod | None:
        """The first method that uses all of these, but not that; None for none."""
        return next((method for method in self if method.uses >= {*uses} and without not in method.uses), None)

    @property
    def first(self) -> AnyMethod:
        """The method that a document begins with, and that takes out and moves items: the first without a model."""
        return next(method for method in self if Use.MODEL not in method.uses)

    @property
    def usual_on_model(self) -> AnyMethod:
        """The method that is meant where a model is given and no method is named: the first on a model that takes reference pictures."""
        return self.using(Use.MODEL, Use.EXEMPLARS) or self.using(Use.MODEL) or self.first

    def first_draft(self, document: Document) -> Draft:
        """A first draft whose settings suit the picture."""
        return Draft(self.first.first_settings(document))

    @property
    def settings_by_id(self) -> Mapping[str, type[MethodSettings]]:
        """Settings classes by the stable ids that recipes have for them."""
        return {method.id: method.settings for method in self}


METHODS = Methods(BLENDED_LATENT_DIFFUSION, PIXELS, ITEMS, QUICK_FILL)
"""Those that come with the program, for whoever adds none."""
