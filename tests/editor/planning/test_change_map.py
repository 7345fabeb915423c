"""Requests to methods with a model: how far every pixel may change, what each exemplar brings, which part the model sees."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.document.compose import flatten
from editor.document.contents import Exemplar, Layer
from editor.document.document import Document
from editor.document.faint_strength import DEAD_BAND, FAINTEST, drop_faint
from editor.document.placing import exemplar_extent, place_exemplar
from editor.document.tiles import Tiles
from editor.edits.apply import apply_result
from editor.edits.dispatch import change_map, frame_for, make_request, plan, reach
from editor.edits.warnings import advice
from editor.errors import InvalidRequest
from editor.geometry import Placement, Rect, Size
from editor.methods.pixels.hold_counts import owners, relative_counts, run_length
from editor.methods.pixels.settings import PixelsSettings
from editor.model_canvas.canvas import ModelCanvas
from editor.requests.frame import Frame
from tests.support.change_map_cases import (
    MODEL,
    answer,
    draft,
    painted,
    picture,
    selected,
    with_exemplar,
    with_item,
)
from tests.support.strategies import Map, quick

AREA = Rect(60, 50, 130, 110)

placements = st.builds(
    Placement,
    st.floats(-40, 340),
    st.floats(-40, 240),
    st.floats(0.2, 3) | st.floats(-2, -0.3),
    st.floats(0.2, 3),
    st.floats(0, 360),
)


def whole(document: Document, **changes: object) -> Map:
    """The request's strength over the whole document."""
    request = make_request(document, draft(**changes))
    found = np.zeros(document.size.shape, np.float32)
    found[request.frame.rect.slices] = request.strength
    return found


class TestStrength:
    def test_what_is_painted_counts_times_the_overall_strength_and_protect_outranks_it(self) -> None:
        document = painted(picture(), AREA, 0.8)
        shield = document.protect.write(70, 60, np.full((10, 10), 0.75, np.float32))
        found = whole(document.with_map("protect", shield), strength=0.5)
        assert Rect.of_mask(found) == AREA
        assert found[52, 62] == pytest.approx(0.4)
        assert found[65, 75] == pytest.approx(0.1)

    def test_a_selection_and_an_item_say_where_as_well(self) -> None:
        assert Rect.of_mask(whole(selected(picture(), AREA))) == AREA
        document, item = with_item(picture(), AREA)
        assert Rect.of_mask(whole(document, item=item.id)) == AREA

    def test_an_exemplar_is_free_and_its_surroundings_are_less_and_less(self) -> None:
        document, exemplar = with_exemplar(picture(), Placement(150, 100), side=40)
        document = document.with_exemplar(replace(exemplar, rim=20.0))
        found = whole(document, strength=0.5)
        assert (found[80:120, 130:170] == 0.5).all()
        outwards = found[100, 169:200]
        assert (np.diff(outwards) <= 0).all()
        assert outwards[1] < 0.5
        assert 0.2 < outwards[10] < 0.3
        assert outwards[20] > 0
        assert not outwards[21:].any()
        assert np.array_equal(found[:, 150:190], found[:, 110:150][:, ::-1])

    def test_without_a_rim_nothing_outside_the_exemplar_may_change(self) -> None:
        document, exemplar = with_exemplar(picture(), Placement(150, 100), side=40)
        found = whole(document.with_exemplar(replace(exemplar, rim=0.0)))
        assert Rect.of_mask(found) == Rect(130, 80, 170, 120)

    def test_the_rim_that_suits_the_model_is_measured_in_working_pixels(self) -> None:
        document, _ = with_exemplar(picture(2000, 1500), Placement(900, 700, 10, 10), side=40)
        request = make_request(document, draft())
        scale = request.frame.scale[0]
        assert scale < 1.2
        rim = MODEL.traits.rim / scale
        edge = Rect.of_mask(request.strength).size
        assert edge.width == pytest.approx(400 + 2 * rim, abs=3)

    @pytest.mark.parametrize(("native", "share"), [(64, 1 / 8), (256, 1 / 2), (512, 1), (768, 1)])
    def test_models_of_small_pictures_have_a_smaller_rim(self, native: int, share: float) -> None:
        model = replace(MODEL, native=native)
        document, _ = with_exemplar(picture(2000, 1500), Placement(900, 700, 10, 10), side=40)
        request = make_request(document, draft(model=model))
        assert model.own_rim == share * MODEL.traits.rim
        edge = Rect.of_mask(request.strength).size
        assert edge.width == pytest.approx(400 + 2 * model.own_rim / request.frame.scale[0], abs=3)

    def test_what_is_painted_out_of_an_exemplar_is_not_free(self) -> None:
        document, exemplar = with_exemplar(picture(), Placement(150, 100), side=40)
        part = exemplar.strength_map.write(0, 0, np.zeros((40, 20), np.float32))
        found = whole(document.with_exemplar(replace(exemplar, rim=0.0, strength_map=part)))
        assert Rect.of_mask(found) == Rect(150, 80, 170, 120)
        assert (found[80:120, 151:170] == 1).all()

    def test_paint_and_exemplars_add_up_to_the_larger(self) -> None:
        document, exemplar = with_exemplar(painted(picture(), Rect(100, 80, 200, 120), 0.4), Placement(150, 100))
        found = whole(document.with_exemplar(replace(exemplar, rim=0.0)), strength=0.5)
        assert found[100, 105] == pytest.approx(0.2)
        assert found[100, 150] == pytest.approx(0.5)

    def test_a_selection_does_not_take_part_in_a_blend(self) -> None:
        document, exemplar = with_exemplar(selected(picture(), Rect(0, 0, 300, 200)), Placement(150, 100), side=40)
        found = whole(document.with_exemplar(replace(exemplar, rim=0.0)))
        assert Rect.of_mask(found) == Rect(130, 80, 170, 120)

    @quick
    @given(
        st.lists(placements, min_size=1, max_size=2),
        st.none() | st.floats(0, 40),
        st.booleans(),
        st.none() | st.just(Rect(20, 30, 250, 170)),
    )
    def test_effect_reach_and_frame_agree_with_the_request(
        self, laid: list[Placement], rim: float | None, paint: bool, frame: Rect | None
    ) -> None:
        document = painted(picture(), AREA, 0.5) if paint else picture()
        for placement in laid:
            document, exemplar = with_exemplar(document, placement)
            document = document.with_exemplar(replace(exemplar, rim=rim))
        chosen = draft(frame=frame, strength=0.7)
        planned = plan(document, chosen)
        if not change_map(document, chosen, document.rect, planned).any():
            with pytest.raises(InvalidRequest) as caught:
                make_request(document, chosen)
            assert caught.value.advice
            return
        request = make_request(document, chosen)
        assert frame_for(document, chosen, planned) == request.frame
        assert np.array_equal(change_map(document, chosen, request.frame.rect, planned), request.strength)
        free = Rect.of_mask(request.strength).moved(*request.frame.rect[:2])
        assert reach(document, chosen, planned).holds(free)
        for each in request.exemplars:
            assert (each.rim <= request.strength).all()
            assert each.rim.any()


class TestExemplars:
    def test_they_bring_their_own_strength_and_fidelity(self) -> None:
        document, exemplar = with_exemplar(picture(), Placement(150, 100), side=40)
        firm = Tiles.filled((40, 40), 1, np.float32).write(0, 0, np.full((40, 20), 0.5, np.float32))
        exemplar = replace(exemplar, strength=0.6, fidelity=0.8, fidelity_map=firm, prompt_weight=2.5)
        request = make_request(document.with_exemplar(exemplar), draft(strength=0.3))
        (made,) = request.exemplars
        left, top = request.frame.rect[:2]
        inside = np.s_[80 - top : 120 - top, 130 - left : 170 - left]
        assert made.strength[inside] == pytest.approx(0.6)
        assert made.fidelity[inside][:, :19] == pytest.approx(0.4)
        assert made.fidelity[inside][:, 21:] == pytest.approx(0.8)
        assert made.prompt_weight == 2.5
        assert not made.fidelity[0, 0]
        assert request.overall == 0.3
        assert made.rim.max() == pytest.approx(0.3)

    def test_protect_holds_them_off(self) -> None:
        document, _ = with_exemplar(picture(), Placement(150, 100), side=40)
        document = document.with_map("protect", document.protect.write(140, 90, np.ones((10, 10), np.float32)))
        request = make_request(document, draft())
        where = Rect(140, 90, 150, 100).within(request.frame.rect).slices
        assert not request.strength[where].any()
        assert not request.exemplars[0].strength[where].any()
        assert not request.exemplars[0].rim[where].any()

    def test_only_those_that_take_part_are_subjects_and_hidden(self) -> None:
        document, near = with_exemplar(picture(), Placement(150, 100))
        document, _ = with_exemplar(document, Placement(-300, 100))
        document, weak = with_exemplar(document, Placement(100, 100))
        document = document.with_exemplar(replace(weak, strength=0.0))
        request = make_request(document, draft())
        assert [subject.id for subject in request.subjects] == [near.id]
        label, after = apply_result(document, answer(request), document)
        assert label == "Blend “boat”"
        assert [exemplar.visible for exemplar in after.exemplars] == [False, True, True]

    def test_the_strength_that_took_part_is_used_up(self) -> None:
        document, _ = with_exemplar(painted(picture(), AREA, 0.4), Placement(150, 100))
        _, after = apply_result(document, answer(make_request(document, draft())), document)
        assert after.strength.blank
        assert after.layers[-1].painted is document.strength

    def test_a_fill_is_named_for_what_was_asked(self) -> None:
        document = painted(picture(), AREA)
        label, after = apply_result(document, answer(make_request(document, draft(prompt="a red boat"))), document)
        assert label == "Repaint as “a red boat”"
        assert after.layers[-1].painted is document.strength

    @quick
    @given(placements, st.integers(0, 20), st.booleans())
    def test_the_extent_bounds_what_is_let_in(self, placement: Placement, cut: int, transparent: bool) -> None:
        _, exemplar = with_exemplar(picture(), placement, side=60)
        cutout = exemplar.cutout.write(0, 0, np.zeros((60, cut), np.float32))
        if transparent:
            pixels = exemplar.pixels.copy()
            pixels[:33, :, 3] = 0
            exemplar = replace(exemplar, pixels=pixels)
        exemplar = replace(exemplar, cutout=cutout)
        around = Rect(-300, -300, 600, 500)
        placed = place_exemplar(exemplar, around)
        tight = Rect.of_mask(placed.alpha * placed.strength)
        assert exemplar_extent(exemplar).holds(tight.moved(*placed.rect[:2]) if not tight.empty else tight)

    def test_the_extent_of_a_cut_out_thing_is_that_of_the_thing(self) -> None:
        _, exemplar = with_exemplar(picture(), Placement(150, 100), side=100)
        cutout = Tiles.filled((100, 100), 0, np.float32).write(70, 70, np.ones((10, 10), np.float32))
        assert exemplar_extent(replace(exemplar, cutout=cutout)).size.area <= 15 * 15
        for gone in (replace(exemplar, strength=0.0), replace(exemplar, placement=Placement(150, 100, 0, 1))):
            assert exemplar_extent(gone).empty


class TestFrame:
    def test_the_frame_has_context_and_the_models_size(self) -> None:
        request = make_request(painted(picture(1500, 1200), Rect(600, 500, 700, 560)), draft())
        assert request.frame.rect.holds(Rect(600, 500, 700, 560).grow(25))
        assert min(request.frame.rect.size) >= 256
        assert request.frame.working == Size(512, 512)

    def test_a_frame_that_was_dragged_is_kept_and_what_is_outside_dropped(self) -> None:
        document = painted(picture(), AREA)
        request = make_request(document, draft(frame=Rect(-20, 0, 100, 120)))
        assert request.frame.rect == Rect(0, 0, 100, 120)
        assert Rect.of_mask(request.strength) == Rect(60, 50, 99, 110)  # fades out before the edge
        assert request.image.shape == (120, 100, 3)
        for frame in (Rect(200, 0, 300, 100), Rect(900, 900, 950, 950)):
            with pytest.raises(InvalidRequest, match="inside the frame") as caught:
                make_request(document, draft(frame=frame))
            assert "Move the frame" in caught.value.advice

    def test_the_working_size_follows_the_setting(self) -> None:
        document = painted(picture(900, 900), Rect(100, 100, 600, 600))
        areas = [
            make_request(document, draft(settings=PixelsSettings(scale=scale))).frame.working.area
            for scale in (0.5, 1.0, 1.5)
        ]
        assert areas == [256**2, 512**2, 768**2]

    def test_no_action_has_no_frame(self) -> None:
        assert frame_for(picture(), draft()) is None
        assert frame_for(painted(picture(), AREA), draft(model=None)) is None


class TestNumbers:
    def test_they_come_from_the_draft_else_the_model_else_its_family(self) -> None:
        document = painted(picture(), AREA)
        request = make_request(document, draft())
        assert (request.steps, request.guidance_scale) == (30, 7.0)
        own = replace(MODEL, steps=6, guidance_scale=1.5)
        request = make_request(document, draft(model=own))
        assert (request.steps, request.guidance_scale, request.model) == (6, 1.5, MODEL.key)
        request = make_request(document, draft(model=own, steps=9, guidance_scale=0.0, sampler="lcm"))
        assert (request.steps, request.guidance_scale, request.sampler) == (9, 0.0, "lcm")


class TestNothing:
    def half(self) -> Document:
        """A picture whose right half is transparent."""
        pixels = flatten(picture())
        pixels[:, 150:] = 0
        return Document.of_picture(pixels)

    def test_what_is_transparent_is_not_painted_on_but_things_may_be_laid_there(self) -> None:
        document, _ = with_exemplar(painted(self.half(), Rect(100, 50, 250, 150), 0.5), Placement(200, 100))
        found = whole(document)
        assert (found[90:110, 190:210] == 1).all()
        assert found[60, 140] == 0.5
        assert not found[60, 150:].any()
        assert not found[100, 216:].any()
        with pytest.raises(InvalidRequest, match="transparent here"):
            make_request(painted(self.half(), Rect(200, 50, 250, 150)), draft())

    @pytest.mark.parametrize(
        ("changes", "message"), [({"strength": 0.0}, "overall strength nothing changes"), ({}, "protected")]
    )
    def test_why_nothing_may_change(self, changes: dict[str, float], message: str) -> None:
        document = painted(picture(), AREA)
        document = document.with_map("protect", Tiles.filled(document.size.shape, 1, np.float32))
        with pytest.raises(InvalidRequest, match=message) as caught:
            make_request(document, draft(**changes))
        assert caught.value.advice

    def test_exemplars_that_let_nothing_in(self) -> None:
        document, exemplar = with_exemplar(picture(), Placement(150, 100))
        with pytest.raises(InvalidRequest, match="Nothing of the reference picture comes in"):
            make_request(document.with_exemplar(replace(exemplar, strength=0.0)), draft())


def test_a_large_picture_is_not_looked_at_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    size = Size(4096, 4096)
    empty = Tiles.filled(size.shape, 0, np.float32)
    sheet = Layer(1, "Sheet", Tiles.filled((*size.shape, 4), 255))
    document = Document(size, (sheet,), empty, empty, empty, empty, next_id=2)
    document, _ = with_exemplar(painted(document, Rect(3000, 3000, 3100, 3080)), Placement(3150, 3050))
    read = Tiles.read
    sizes: list[int] = []

    def counting(self: Tiles, rect: Rect | None = None) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        sizes.append((rect or self.rect).size.area)
        return read(self, rect)

    monkeypatch.setattr(Tiles, "read", counting)
    chosen = draft()
    planned = plan(document, chosen)
    assert frame_for(document, chosen, planned) is not None
    assert reach(document, chosen, planned).size.area < 400**2
    assert sizes == []
    make_request(document, chosen, planned)
    assert max(sizes) < 512**2


class TestUsedUp:
    """What becomes of the painted strength when the result is accepted."""

    def accepted(self, document: Document, **changes: object) -> Map:
        request = make_request(document, draft(**changes))
        found = answer(request)
        inner = Rect.of_mask(request.strength).grow(-3)  # a soft edge: nothing is seen of the outermost pixels
        pixels = np.zeros_like(found.pixels)
        pixels[inner.slices] = found.pixels[inner.slices]
        _, after = apply_result(document, replace(found, pixels=pixels), document)
        return after.strength.read()

    def test_all_of_it_though_the_change_fades_in_from_its_edge(self) -> None:
        assert not self.accepted(painted(picture(), AREA)).any()

    def test_what_lies_outside_the_frame_or_is_protected_stays(self) -> None:
        document = painted(picture(), AREA)
        patch = np.ones((10, 10), np.float32)
        document = document.with_map("protect", document.protect.write(AREA.left, AREA.top, patch))
        frame = Rect(0, 0, 100, 200)
        left = self.accepted(document, frame=frame)
        assert (left[AREA.top : AREA.top + 10, AREA.left : AREA.left + 10] == 1).all()
        # On the frame's own edge nothing changes, so that the rest goes on without a gap.
        assert (left[AREA.top : AREA.bottom, frame.right - 1 : AREA.right] == 1).all()
        assert not left[AREA.top + 10 : AREA.bottom, AREA.left : frame.right - 1].any()


class TestHowMuchIsLetIn:
    """What is painted on an exemplar says how far the picture under it, and around it, may change."""

    def laid(self, let_in: float, at: Placement | None = None) -> Document:
        document, exemplar = with_exemplar(picture(), at or Placement(150, 100), side=40)
        return document.with_exemplar(replace(exemplar, strength=let_in, rim=20.0))

    def free(self, document: Document, **changes: object) -> Map:
        return change_map(document, draft(**changes), document.rect)

    def test_the_picture_is_freed_by_twice_what_is_let_in_until_a_half(self) -> None:
        for let_in in (0.0, 0.02, 0.1, 0.3, 0.5, 0.6, 1.0):
            found = self.free(self.laid(let_in), strength=0.5)
            assert found[100, 150] == pytest.approx(0.5 * min(1, 2 * let_in))
            assert found.max() == found[100, 150]

    def test_a_selection_of_strengths_is_freed_as_painted(self) -> None:
        document, exemplar = with_exemplar(picture(), Placement(150, 100), side=40)
        part = exemplar.strength_map.write(0, 0, np.full((40, 20), 0.1, np.float32))
        found = self.free(document.with_exemplar(replace(exemplar, strength_map=part, rim=0.0)))
        assert (found[80:120, 130:150] == np.float32(0.2)).all()
        assert (found[80:120, 151:170] == 1).all()
        assert Rect.of_mask(found) == Rect(130, 80, 170, 120)

    def test_the_rim_is_in_proportion(self) -> None:
        whole = self.free(self.laid(1.0))
        for let_in in (0.02, 0.1, 0.3, 0.49):
            assert np.allclose(self.free(self.laid(let_in)), 2 * let_in * whole, atol=FAINTEST)
        for let_in in (0.5, 0.8):
            assert np.array_equal(self.free(self.laid(let_in)), whole)

    def test_a_soft_stroke_on_a_flat_strength_takes_nothing_from_its_rim(self) -> None:
        document, exemplar = with_exemplar(picture(), Placement(150, 100), side=60)
        flat = np.full((60, 60), 0.3, np.float32)
        y, x = np.mgrid[0:60, 0:60]
        stroke = 0.8 * np.exp(-((y - 30.0) ** 2 + (x - 20.0) ** 2) / 40).astype(np.float32)
        before, after = (
            self.free(document.with_exemplar(replace(exemplar, strength_map=Tiles.of(painted), rim=20.0)))
            for painted in (flat, np.maximum(flat, stroke))
        )
        assert before[100, 185] > 0.1
        assert (after >= before).all()

    def test_at_full_strength_it_is_as_it_was(self) -> None:
        for at in (Placement(150, 100), Placement(140.3, 90.7, 1.3, 0.8, 33)):
            document = self.laid(1.0, at)
            assert np.array_equal(self.free(document), drop_faint(self.free(document, revision=1)))
            now, then = (make_request(document, draft(revision=revision)) for revision in (2, 1))
            assert np.array_equal(now.strength, drop_faint(then.strength.copy()))
            assert np.array_equal(now.exemplars[0].rim, drop_faint(then.exemplars[0].rim.copy()))

    def test_at_nothing_nothing_may_change(self) -> None:
        assert not self.free(self.laid(0.0)).any()
        assert frame_for(self.laid(0.0), draft()) is None

    @quick
    @given(
        st.floats(0, 1, width=32),
        st.floats(0, 1, width=32),
        st.integers(0, 2**31),
        st.sampled_from(["whole", "two", "soft"]),
        st.floats(0, 40),
    )
    def test_nothing_jumps_and_more_never_changes_less(
        self, one: float, other: float, seed: int, kind: str, rim: float
    ) -> None:
        document, exemplar = with_exemplar(picture(), Placement(140.3, 90.7, 1.3, 0.8, 33), side=40)
        random = np.random.default_rng(seed)
        painted = {
            "whole": np.ones((40, 40)),
            "two": np.where(np.indices((40, 40))[1] < 17, random.random(), random.random()),
            "soft": random.random((40, 40)),
        }[kind].astype(np.float32)
        exemplar = replace(exemplar, strength_map=Tiles.of(painted), rim=rim)
        less, more = (
            self.free(document.with_exemplar(replace(exemplar, strength=let_in))) for let_in in sorted((one, other))
        )
        assert (more - less >= -1e-6).all()
        assert (more - less).max() <= 2 * abs(one - other) + 2 * FAINTEST + 1e-6  # what is faint is nothing

    @quick
    @given(st.floats(0, 1, width=32), st.floats(0, 1, width=32))
    def test_nor_does_it_by_what_is_painted(self, one: float, other: float) -> None:
        document, exemplar = with_exemplar(picture(), Placement(150, 100, 1.2, 1.2, 20), side=40)
        less, more = (
            self.free(
                document.with_exemplar(
                    replace(exemplar, strength_map=Tiles.filled((40, 40), let_in, np.float32), rim=15.0)
                )
            )
            for let_in in sorted((one, other))
        )
        assert (more - less >= -1e-6).all()
        assert (more - less).max() <= 2 * abs(one - other) + 2 * FAINTEST + 1e-6  # what is faint is nothing

    def test_the_cells_of_the_model_are_let_go_in_proportion_too(self) -> None:
        """Beside something that is free for the whole run, so that its steps do not depend on the exemplar."""
        document = painted(picture(), Rect(10, 10, 60, 60))
        document, exemplar = with_exemplar(document, Placement(200, 100), side=80)
        held, steps = [], 30
        for let_in in (np.arange(0, 101) / 100).tolist():
            weak = replace(exemplar, strength=let_in, rim=30.0)
            request = make_request(document.with_exemplar(weak), draft(frame=document.rect))
            working = ModelCanvas.of(request.frame, MODEL)
            held.append(relative_counts(PixelsSettings(), request.exemplars, request.strength, working, steps))
        fewer = np.stack(held[:-1]) - np.stack(held[1:])
        assert fewer.min() >= 0
        assert fewer.max() <= 1  # 1 % lets go of 2 % of 30 steps at most
        row, column = (
            math.floor(at * scale / 8) for at, scale in zip((100, 200), request.frame.scale[::-1], strict=True)
        )
        assert [counts[row, column] for counts in held][::10] == [30, 24, 18, 12, 6, 0, 0, 0, 0, 0, 0]


class TestAFullFrameExemplar:
    """Source, exemplar and map of one size, as the published scripts take them."""

    def triple(self, map: Map) -> Document:
        height, width = map.shape
        document = picture(width, height).with_strength(Tiles.of(map.copy()))
        pixels = np.random.default_rng(7).integers(0, 256, (height, width, 4)).astype(np.uint8)
        pixels[..., 3] = 255
        return document.adding_exemplar(Exemplar.of("other", pixels, Placement(width / 2, height / 2)))

    def greys(self) -> Map:
        map = np.zeros((200, 300), np.float32)
        map[40:160, 60:240] = 0.6
        map[80:120, 100:200] = 1
        map[100, 150] = 252 / 255  # as JPEG has it
        return map

    def test_the_map_says_how_far_everything_may_change(self) -> None:
        document, map = self.triple(self.greys()), self.greys()
        request = make_request(document, draft(strength=0.45))
        seen = map[request.frame.rect.slices]
        assert np.allclose(request.strength, 0.45 * seen)
        assert np.allclose(change_map(document, draft(strength=0.45), document.rect), 0.45 * map)
        (made,) = request.exemplars
        assert np.array_equal(made.alpha, (seen > 0.98).astype(np.float32))
        assert np.array_equal(made.rim, request.strength)
        assert request.action == "blend"
        planned = plan(document, draft())
        assert reach(document, draft(), planned) == Rect(60, 40, 240, 160)
        assert frame_for(document, draft()) == request.frame

    @pytest.mark.parametrize("overall", [1.0, 0.6])
    def test_steps_are_held_as_published(self, overall: float) -> None:
        """All cells: round(m T), where the map says all 0, so that what shows the exemplar is free from the start."""
        map = np.repeat(np.repeat(np.linspace(0, 1, 24 * 32, dtype=np.float32).reshape(24, 32), 8, 0), 8, 1)
        document = self.triple(map)
        request = make_request(document, draft(strength=overall, frame=document.rect))
        working = ModelCanvas(Frame.full_size(document.rect), document.size, 8)
        steps = run_length(request.strength, 40)
        assert steps == round(40 * overall)
        held = relative_counts(PixelsSettings(), request.exemplars, request.strength, working, steps)
        keep = 1 - map[::8, ::8].astype(np.float64)
        inner = (keep > 0.02) & (keep < 0.98)
        inner[:, -1] = inner[-1] = False  # nothing changes on an edge of the frame that is not one of the picture
        assert (np.abs(held - keep * steps)[inner] <= 0.5 + 1e-4).all()
        assert np.array_equal(owners(request.exemplars, working) == 0, keep < DEAD_BAND)

    def test_without_a_map_it_is_let_in_everywhere(self) -> None:
        found = change_map(self.triple(np.zeros((200, 300), np.float32)), draft(), Rect(0, 0, 300, 200))
        assert (found == 1).all()

    def test_one_with_holes_or_that_does_not_reach_is_one_as_any(self) -> None:
        document = self.triple(self.greys())
        (exemplar,) = document.exemplars
        holes = exemplar.cutout.write(10, 10, np.zeros((20, 20), np.float32))
        pixels = exemplar.pixels.copy()
        pixels[10:30, 10:30, 3] = 0
        half = exemplar.strength_map.write(0, 0, np.zeros((200, 150), np.float32))
        for other in (
            replace(exemplar, cutout=holes),
            replace(exemplar, pixels=pixels),
            replace(exemplar, strength_map=half),
            replace(exemplar, placement=Placement(140, 100)),
        ):
            found = change_map(document.with_exemplar(other), draft(), document.rect)
            assert found[100, 250] == 1
        for other in (replace(exemplar, placement=Placement(150, 100, -1, 1)), replace(exemplar, strength=0.4)):
            assert np.allclose(change_map(document.with_exemplar(other), draft(), document.rect), self.greys())

    def test_a_map_that_nowhere_says_all_lets_none_of_it_in(self) -> None:
        document = self.triple(np.full((200, 300), 0.6, np.float32))
        request = make_request(document, draft())
        assert (request.exemplars, request.action) == ((), "fill")
        assert "nowhere 100\u202f%" in advice(document, draft(), plan(document, draft()))
