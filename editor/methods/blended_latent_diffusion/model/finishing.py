"""From the latents that a run ended with to its result: decoded, and laid over the picture so that nothing outside the region moves."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from editor.arrays import Map, to_image
from editor.content_key import content_key
from editor.diffusion.backend import Backend, Image
from editor.diffusion.finite import finite
from editor.diffusion.fits import FitStore
from editor.diffusion.loading import out_of_memory
from editor.errors import NotFinite, let_go
from editor.geometry import Rect
from editor.methods.blended_latent_diffusion.model.refinement import OUTSIDE, PHASE, RATES, STEPS, Learns, refined
from editor.methods.blended_latent_diffusion.model.starting import Region
from editor.methods.blended_latent_diffusion.settings import BlendedSettings
from editor.model_canvas import seam
from editor.model_canvas.paste_back import Pasted, matched, paste_alpha, result_of
from editor.model_canvas.poisson import evened, poisson
from editor.requests.edit_request import EditRequest
from editor.requests.reports import FinishEarly, Progress, Reports, subprogress
from editor.requests.results import EditResult
from editor.requests.variants import Variant

log = logging.getLogger(__name__)

BAND = 32.0  # of the model's pixels, less for models of small pictures: so far from its edge an even edge changes the region
BANDED = 2  # the revision of the request's rules since which that is so; before, all of the region took the colours around it
HALF = 0.5  # of a pixel must be edited for it to count as edited
LEARNS: Mapping[str, Learns] = {"decoder": "decoder", "latents": "latents"}
LEARNING = 0.95  # of the time of a finish that learns


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """`early`: whether what takes long is to be left out from now on: somebody asked to finish early on the way, or there was no memory for it."""

    result: EditResult
    early: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What is to be laid over the picture. `image`: (canvas height, canvas width, 3) in [0, 1]. `early`: as in `Finished`."""

    image: Image
    early: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Finish:
    """What all candidates of one edit share.

    alpha: (H, W) of the frame, how the result is laid over the picture: 0 outside the region
    source: the picture on the working canvas
    soft: the region on the working canvas
    fits: where what takes long to learn is kept
    banded: evening out ends within a band along the edge; the published scripts and older recipes even out all of the region
    """

    request: EditRequest
    settings: BlendedSettings
    region: Region
    backend: Backend
    alpha: Map
    source: Image
    soft: Map
    fits: FitStore | None = None
    banded: bool = True

    @classmethod
    def of(
        cls,
        request: EditRequest,
        settings: BlendedSettings,
        region: Region,
        backend: Backend,
        fits: FitStore | None = None,
        *,
        banded: bool = True,
        source: Image | None = None,
    ) -> Finish:
        """`source`: the picture on the working canvas, where that is known."""
        working = region.working
        # A 64th of the side for the models of pictures of 512 pixels, whose cells are as wide, and less for smaller ones (section 8.2).
        alpha = paste_alpha(region.soft, settings.feather * backend.info.shrinking / working.scale)
        np.minimum(alpha, region.soft, out=alpha)
        source = working.image(request.image) if source is None else source
        banded = banded and request.revision >= BANDED
        return cls(request, settings, region, backend, alpha, source, working.map(region.soft), fits, banded)

    @property
    def learns(self) -> Learns | None:
        """What learns the surroundings; None where the settings want none of it, or there are none."""
        return None if (self.region.soft >= HALF).all() else LEARNS.get(self.settings.finish)

    def finish(self, latents: torch.Tensor, variant: Variant, *, allow_learning: bool = True) -> Reports[Finished]:
        """As `finished`, but rather with a plainer edge than not at all where learning comes to nothing or there is no memory for it.

        Raises `NotFinite` where there is no picture even so.
        """
        learning, short = allow_learning and self.learns is not None, False
        if learning:
            try:
                return (yield from self.finished(latents, variant))
            except NotFinite as error:
                log.warning("The surroundings of a candidate cannot be learned: %s", error)
            except (RuntimeError, MemoryError) as error:
                if out_of_memory(error) is None:
                    raise
                log.warning("There is not enough memory to learn the surroundings; results are pasted")
                let_go(error)
                short = True
        done = yield from subprogress(self.finished(latents, variant, hurried=True), float(learning), 1)
        return replace(done, early=done.early or short)

    def finished(self, latents: torch.Tensor, variant: Variant, *, hurried: bool = False) -> Reports[Finished]:
        """`latents`: (C, h, w), clean. `hurried`: leave out what takes long."""
        learns = None if hurried else self.learns
        decoded = yield from subprogress(self.decoded(latents, learns), 0, LEARNING)
        result = yield from subprogress(self.laid(decoded.image, variant), LEARNING, 1)
        return Finished(replace(result, latents=latents.float().cpu().numpy().copy()), decoded.early)

    def laid(self, image: Image, variant: Variant) -> Reports[EditResult]:
        """`image`, (canvas height, canvas width, 3) in [0, 1], laid over the picture."""
        request, working = self.request, self.region.working
        even = self.settings.finish == "poisson"
        if self.banded or not even or self.settings.match_tone == "on":  # what is evened out everywhere needs no shift
            image = self._matched(image)
        # What changes, and what is looked at around it.
        area = seam.surroundings(Rect.of_mask(self.alpha)).intersect(Rect.of_size(working.frame.rect.size))
        original, alpha, soft = request.image[area.slices], self.alpha[area.slices], self.region.soft[area.slices]
        whole = paint = working.back(image, area)
        if even:
            band = BAND * self.backend.info.shrinking / working.scale
            if self.banded:
                exact = yield from evened(whole, to_image(original), soft > 0, band)
            else:
                exact = yield from poisson(whole, to_image(original), soft > 0)
            paint, alpha = np.asarray(np.clip(exact, 0, 1), np.float32), soft  # it meets the picture

        def before(rows: slice) -> Image:
            return to_image(original[rows])

        def after(rows: slice) -> Image:
            weight = cv2.merge([alpha[rows]] * 3)
            return np.asarray(weight * paint[rows] + (1 - weight) * before(rows), np.float32)

        seen = seam.visibility_around(before, whole.__getitem__, after, alpha)
        return replace(result_of(variant, Pasted.bare().over(paint, alpha, area, used_up=True)), seam=seen)

    def decoded(self, latents: torch.Tensor, learns: Learns | None) -> Reports[Decoded]:
        """The latents (C, h, w) decoded, by a decoder that knows the surroundings where one shall be learned."""
        region = self.soft >= HALF
        if not region.any():
            region = self.soft > 0
        if learns is None or region.all():  # there are no surroundings
            return Decoded(self.backend.decode(latents[None])[0])
        try:
            yield Progress(0.0, PHASE)
        except FinishEarly:
            return Decoded(self.backend.decode(latents[None])[0], early=True)
        source = self.source
        decoder = self.backend.own_decoder()
        key = ""
        if self.fits is not None:
            rule = f"{learns} {STEPS} {RATES[learns]} {OUTSIDE} {self.settings.match_tone}"
            arrays = (tensor.cpu().numpy() for tensor in (latents.float(), *decoder.weights))
            key = content_key("surroundings", rule, source, region, *arrays)
            known = self.fits.get(key)
            if known is not None and known["image"].shape == source.shape and finite(known["image"]):
                return Decoded(known["image"].numpy())
        # A shift of all colours would stay inside the region, where nothing else tells what was meant.
        plain = self.backend.decode(latents[None])[0]
        matching = self._matched(plain)
        wanted = None if matching is plain else matching
        done = yield from refined(decoder, latents, source, region, learns, wanted=wanted)
        if self.fits is not None and not done.early:
            self.fits.try_keep(key, {"image": torch.from_numpy(done.image)})
        return Decoded(done.image, done.early)

    def _matched(self, image: Image) -> Image:
        """With the light and colours of the picture, as far as the settings want it; the very same where nothing is to be done."""
        tone = self.settings.match_tone
        return image if tone == "off" else matched(image, self.source, self.soft, always=tone == "on")
