"""The way in and the way out: what the button means, what the request holds, and what a result does to a document."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from editor.document.compose import flatten
from editor.document.contents import Exemplar, Item
from editor.document.document import Document
from editor.document.placing import place_exemplar
from editor.document.tiles import Tiles
from editor.edits.apply import apply_result
from editor.edits.dispatch import candidates, change_map, make_request, plan, reach
from editor.errors import InvalidRequest
from editor.geometry import Placement, Rect
from editor.methods.quick_fill.settings import QuickFillSettings
from editor.planning.plan import Draft, Plan, removal
from editor.requests.edit_request import EditRequest
from editor.requests.results import EditResult, Recipe
from editor.requests.variants import VariantsRequest


def make_document(width: int = 60, height: int = 40) -> Document:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 4)).astype(np.uint8)
    pixels[..., 3] = 255
    return Document.of_picture(pixels)


def painted(document: Document, rect: Rect, value: float = 1.0) -> Document:
    return document.with_strength(
        document.strength.write(rect.left, rect.top, np.full(rect.size.shape, value, np.float32))
    )


def with_item(document: Document, rect: Rect, name: str = "cup") -> tuple[Document, Item]:
    mask = document.empty_map().write(rect.left, rect.top, np.ones(rect.size.shape, np.float32))
    document = document.adding_item(Item.of(name, mask))
    return document, document.items[-1]


def with_exemplar(document: Document, placement: Placement, side: int = 10) -> tuple[Document, Exemplar]:
    pixels = np.full((side, side, 4), (200, 10, 10, 255), np.uint8)
    document = document.adding_exemplar(Exemplar.of("red", pixels, placement))
    return document, document.exemplars[-1]


def answer(request: EditRequest) -> EditResult:
    """A result that paints everything it may green."""
    pixels = np.zeros((*request.strength.shape, 4), np.uint8)
    pixels[...] = (0, 255, 0, 0)
    pixels[..., 3] = np.rint(request.strength * 255)
    return EditResult(request.frame.rect, pixels, Recipe.of(request), doubt=0.2)


class TestPlan:
    def test_nothing_to_do_says_what_to_do(self) -> None:
        planned = plan(make_document(), Draft(QuickFillSettings()))
        assert planned.action is None
        assert "Paint" in planned.reason

    def test_painted_strength_is_filled(self) -> None:
        assert plan(painted(make_document(), Rect(3, 3, 9, 9)), Draft(QuickFillSettings())).label == "Fill"

    def test_strength_that_was_painted_away_again_is_nothing(self) -> None:
        document = painted(painted(make_document(), Rect(3, 3, 9, 9)), Rect(3, 3, 9, 9), 0.0)
        assert plan(document, Draft(QuickFillSettings())).action is None

    def test_a_selection_is_filled_when_no_strength_is_painted(self) -> None:
        document = make_document()
        selected = document.with_map("selection", document.selection.write(5, 5, np.ones((6, 6), np.float32)))
        planned = plan(selected, Draft(QuickFillSettings()))
        assert (planned.action, planned.label) == ("fill", "Fill selection")
        request = make_request(selected, Draft(QuickFillSettings(), seed=1))
        assert Rect.of_mask(request.strength).size == (6, 6)

    def test_an_active_item_is_removed_and_a_moved_one_is_moved(self) -> None:
        document, item = with_item(make_document(), Rect(10, 10, 20, 20))
        assert plan(document, Draft(QuickFillSettings(), item=item.id)).label == "Remove “cup”"
        moved = document.with_item(replace(item, placement=Placement(40, 20)))
        assert plan(moved, Draft(QuickFillSettings(), item=item.id)).action == "move"
        assert plan(moved, Draft(QuickFillSettings())).items == (item.id,)

    def test_what_is_active_comes_before_what_is_painted(self) -> None:
        document, exemplar = with_exemplar(painted(make_document(), Rect(0, 0, 5, 5)), Placement(30, 20))
        assert plan(document, Draft(QuickFillSettings(), exemplar=exemplar.id)).action == "blend"
        assert plan(document, Draft(QuickFillSettings())).action == "fill"

    def test_a_hidden_exemplar_is_not_blended(self) -> None:
        document, exemplar = with_exemplar(make_document(), Placement(30, 20))
        document = document.with_exemplar(replace(exemplar, visible=False))
        assert plan(document, Draft(QuickFillSettings(), exemplar=exemplar.id)).action is None


class TestRequest:
    def test_nothing_to_change_is_refused_with_advice(self) -> None:
        with pytest.raises(InvalidRequest) as caught:
            make_request(make_document(), Draft(QuickFillSettings()))
        assert "Paint" in caught.value.advice

    def test_everything_protected_is_refused_with_advice(self) -> None:
        document = painted(make_document(), Rect(3, 3, 9, 9))
        document = document.with_map("protect", Tiles.filled(document.size.shape, 1, np.float32))
        with pytest.raises(InvalidRequest, match="protected") as caught:
            make_request(document, Draft(QuickFillSettings()))
        assert caught.value.advice

    def test_protect_outranks_strength_items_and_exemplars(self) -> None:
        document = painted(make_document(), Rect(0, 0, 60, 40))
        document, item = with_item(document, Rect(10, 10, 20, 20))
        document, exemplar = with_exemplar(document, Placement(15, 15))
        shield = Rect(12, 12, 15, 15)
        document = document.with_map("protect", document.protect.write(12, 12, np.ones((3, 3), np.float32)))
        for draft in (
            Draft(QuickFillSettings(), seed=1),
            Draft(QuickFillSettings(), seed=1, item=item.id),
            Draft(QuickFillSettings(), seed=1, exemplar=exemplar.id),
        ):
            request = make_request(document, draft)
            where = shield.within(request.frame.rect)
            assert not request.strength[where.slices].any()
            assert not any(entry.hole[where.slices].any() for entry in request.items)
            assert not any((each.alpha * each.strength)[where.slices].any() for each in request.exemplars)

    def test_the_frame_holds_the_change_and_its_surroundings_and_the_picture_is_what_is_seen(self) -> None:
        document = painted(make_document(2000, 1500), Rect(900, 700, 950, 720), 0.5)
        request = make_request(document, Draft(QuickFillSettings(), seed=5))
        rect = request.frame.rect
        assert rect.holds(Rect(900, 700, 950, 720).grow(150))
        assert rect.size.area < document.size.area / 4
        assert np.array_equal(request.image, flatten(document, rect)[..., :3])
        assert set(np.unique(request.strength)) == {np.float32(0), np.float32(0.5)}

    def test_the_overall_strength_multiplies_what_was_painted(self) -> None:
        document = painted(make_document(), Rect(3, 3, 9, 9), 0.8)
        request = make_request(document, Draft(QuickFillSettings(), seed=1, strength=0.5))
        assert request.strength.max() == pytest.approx(0.4)

    def test_an_items_hole_is_its_mask_grown_by_the_setting(self) -> None:
        document, item = with_item(make_document(), Rect(20, 10, 30, 20))
        for grow in (0, 3):
            request = make_request(document, Draft(QuickFillSettings(grow=grow), item=item.id, seed=1))
            hole = Rect.of_mask(request.items[0].hole).moved(*request.frame.rect[:2])
            assert hole == Rect(20, 10, 30, 20).grow(grow)
            assert np.array_equal(request.items[0].hole, request.strength > 0)

    def test_a_moved_items_matrix_takes_its_rectangle_to_its_new_place(self) -> None:
        document, item = with_item(make_document(200, 100), Rect(20, 10, 30, 20))
        item = replace(item, placement=Placement(150, 60, scale_x=2, scale_y=2))
        document = document.with_item(item)
        request = make_request(document, Draft(QuickFillSettings(), seed=1))
        matrix, left, top = request.items[0].matrix, *request.frame.rect[:2]
        assert matrix is not None
        corner = matrix @ (20 - left, 10 - top, 1)
        assert corner == pytest.approx((140 - left, 50 - top))
        free = Rect.of_mask(request.strength).moved(left, top)
        assert free.holds(Rect(140, 50, 160, 70))
        assert free.holds(Rect(20, 10, 30, 20))

    def test_an_exemplar_lies_on_the_grid_where_it_was_put(self) -> None:
        document, exemplar = with_exemplar(make_document(), Placement(30.0, 20.0))
        request = make_request(document, Draft(QuickFillSettings(), seed=1, exemplar=exemplar.id))
        placed = request.exemplars[0]
        where = Rect.of_mask(placed.alpha).moved(*request.frame.rect[:2])
        assert where == Rect(25, 15, 35, 25)
        inside = where.within(request.frame.rect).slices
        assert (placed.pixels[inside] == (200, 10, 10)).all()
        assert (placed.strength[inside] == 1).all()

    def test_a_shrunk_exemplar_keeps_its_colour_up_to_the_rim(self) -> None:
        document, exemplar = with_exemplar(make_document(), Placement(30.0, 20.0, 0.25, 0.25), side=80)
        request = make_request(document, Draft(QuickFillSettings(), seed=1, exemplar=exemplar.id))
        placed = request.exemplars[0]
        covered = placed.alpha > 0.01
        assert abs(int(covered.sum()) - 20 * 20) <= 44
        assert np.abs(placed.pixels[covered].astype(int) - (200, 10, 10)).max() <= 2

    def test_seeds_are_drawn_before_the_request_and_variations_count_up(self) -> None:
        document = painted(make_document(), Rect(3, 3, 9, 9))
        drawn = {make_request(document, Draft(QuickFillSettings())).seed for _ in range(4)}
        assert len(drawn) > 1
        chosen = make_request(document, Draft(QuickFillSettings(), seed=41))
        assert [variant.seed for variant in candidates(chosen, 3).variants] == [41, 42, 43]
        with pytest.raises(InvalidRequest, match="same seed twice"):
            VariantsRequest.of_seeds(chosen, (41, 42, 41))


class TestTransparent:
    def half(self) -> Document:
        """A picture whose right half is transparent."""
        document = make_document()
        pixels = flatten(document)
        pixels[:, 30:] = 0
        return Document.of_picture(pixels)

    def test_a_fill_or_removal_stays_within_what_shows_something(self) -> None:
        document, item = with_item(painted(self.half(), Rect(20, 10, 40, 20)), Rect(20, 10, 40, 20))
        for draft in (Draft(QuickFillSettings(), seed=1), Draft(QuickFillSettings(), seed=1, item=item.id)):
            request = make_request(document, draft)
            assert Rect.of_mask(request.strength).right + request.frame.rect.left == 30
            assert not any(entry.hole[:, 30 - request.frame.rect.left :].any() for entry in request.items)
            _, after = apply_result(document, answer(request), document)
            assert not flatten(after)[:, 30:].any()

    def test_nothing_is_copied_from_where_there_is_nothing(self) -> None:
        document = painted(self.half(), Rect(5, 10, 12, 20))
        marked = document.with_map("avoid", document.avoid.write(0, 0, np.ones((5, 5), np.float32)))
        assert (
            make_request(painted(make_document(), Rect(5, 10, 12, 20)), Draft(QuickFillSettings(), seed=1)).avoid
            is None
        )
        for each in (document, marked):
            request = make_request(each, Draft(QuickFillSettings(), seed=1))
            assert request.avoid is not None
            assert request.avoid[:, 30:].all()
            assert request.avoid[:5, :5].all() == (each is marked)
            assert not request.avoid[10:, :30].any()

    def test_things_may_be_laid_where_there_was_nothing(self) -> None:
        document, item = with_item(self.half(), Rect(5, 10, 12, 20))
        document = document.with_item(replace(item, placement=Placement(45, 15)))
        assert make_request(document, Draft(QuickFillSettings(), seed=1)).strength[12:18, 43:47].all()
        document, exemplar = with_exemplar(self.half(), Placement(45.0, 20.0))
        assert (
            make_request(document, Draft(QuickFillSettings(), seed=1, exemplar=exemplar.id))
            .strength[18:22, 43:47]
            .all()
        )

    def test_where_all_is_transparent_there_is_nothing_to_fill(self) -> None:
        with pytest.raises(InvalidRequest, match="transparent here"):
            make_request(painted(self.half(), Rect(40, 10, 50, 20)), Draft(QuickFillSettings(), seed=1))


class TestApply:
    def test_the_result_is_a_new_layer_and_nothing_outside_it_changes(self) -> None:
        document = painted(make_document(), Rect(3, 3, 9, 9))
        request = make_request(document, Draft(QuickFillSettings(), seed=3))
        label, after = apply_result(document, answer(request), document)
        assert (label, len(after.layers), after.layers[-1].recipe) == ("Fill", 2, Recipe.of(request))
        before_seen, after_seen = flatten(document), flatten(after)
        outside = np.ones(document.size.shape, bool)
        outside[3:9, 3:9] = False
        assert np.array_equal(before_seen[outside], after_seen[outside])
        assert (after_seen[3:9, 3:9, :3] == (0, 255, 0)).all()

    def test_filled_strength_is_used_up_but_what_was_painted_meanwhile_stays(self) -> None:
        asked = painted(make_document(), Rect(3, 3, 20, 9))
        request = make_request(asked, Draft(QuickFillSettings(), seed=3))
        meanwhile = painted(painted(asked, Rect(30, 30, 35, 35), 0.7), Rect(3, 3, 6, 6), 0.4)
        _, after = apply_result(meanwhile, answer(request), asked)
        left = after.strength.read()
        assert (left[30:35, 30:35] == np.float32(0.7)).all()
        assert (left[3:6, 3:6] == np.float32(0.4)).all()
        assert not left[3:9, 6:20].any()

    def test_used_up_strength_leaves_a_blank_map(self) -> None:
        document = painted(make_document(), Rect(3, 3, 9, 9))
        _, after = apply_result(document, answer(make_request(document, Draft(QuickFillSettings(), seed=3))), document)
        assert after.strength.blank

    @pytest.mark.parametrize("overall", [1.0, 0.35])
    def test_the_faint_rim_of_a_soft_brush_is_used_up_as_well(self, overall: float) -> None:
        document = make_document()
        soft = np.geomspace(1e-6, 1, 30, dtype=np.float32)[None].repeat(5, axis=0)
        document = document.with_strength(document.strength.write(10, 10, soft))
        result = answer(make_request(document, Draft(QuickFillSettings(), seed=3, strength=overall)))
        assert not result.pixels[..., 3].all(), "some of it is too faint for 8 bits"
        _, after = apply_result(document, result, document)
        assert after.strength.blank

    def test_a_removed_item_leaves_the_list(self) -> None:
        document, item = with_item(make_document(), Rect(20, 10, 30, 20))
        request = make_request(document, Draft(QuickFillSettings(), seed=1), removal(item))
        label, after = apply_result(document, answer(request), document)
        assert label == "Remove “cup”"
        assert after.items == ()

    def test_a_moved_item_rests_at_its_new_place(self) -> None:
        document, item = with_item(make_document(200, 100), Rect(20, 10, 30, 20))
        document = document.with_item(replace(item, placement=Placement(150, 60)))
        _, after = apply_result(document, answer(make_request(document, Draft(QuickFillSettings(), seed=1))), document)
        moved = after.items[0]
        assert (moved.placement, moved.rect) == (None, Rect(145, 55, 155, 65))
        assert (moved.id, moved.name) == (item.id, item.name)

    @pytest.mark.parametrize(
        ("first", "then"),
        [
            (Placement(100, 50), Placement(120, 40)),
            (Placement(100, 50, 2, 2), Placement(60, 60, 1, 1)),
            (Placement(100, 50, 1, 1, 90), Placement(120, 40, -1, 1, 90)),
        ],
    )
    def test_an_item_that_was_moved_on_meanwhile_is_still_on_its_way(self, first: Placement, then: Placement) -> None:
        document, item = with_item(make_document(200, 100), Rect(20, 10, 30, 20))
        asked = document.with_item(replace(item, placement=first))
        request = make_request(asked, Draft(QuickFillSettings(), seed=1))
        moved_on = asked.with_item(replace(item, placement=then))
        _, after = apply_result(moved_on, answer(request), asked)
        found = after.items[0]
        # An enlarged mask has a soft rim, which counts.
        assert tuple(found.rect) == pytest.approx(first.bounds(item.size), abs=1)
        assert tuple(found.bounds) == pytest.approx(then.bounds(item.size), abs=1)

    def test_an_item_that_was_put_back_meanwhile_rests_where_the_picture_has_it(self) -> None:
        document, item = with_item(make_document(200, 100), Rect(20, 10, 30, 20))
        asked = document.with_item(replace(item, placement=Placement(100, 50)))
        _, after = apply_result(document, answer(make_request(asked, Draft(QuickFillSettings(), seed=1))), asked)
        assert (after.items[0].placement, after.items[0].rect) == (None, Rect(95, 45, 105, 55))

    def test_an_item_that_was_moved_out_of_the_picture_leaves_the_list(self) -> None:
        document, item = with_item(make_document(200, 100), Rect(20, 10, 30, 20))
        document = document.with_item(replace(item, placement=Placement(500, 50)))
        request = make_request(document, Draft(QuickFillSettings(), seed=1))
        assert request.items[0].hole.any()
        _, after = apply_result(document, answer(request), document)
        assert after.items == ()

    def test_a_blended_exemplar_is_hidden_and_kept(self) -> None:
        document, exemplar = with_exemplar(make_document(), Placement(30.0, 20.0))
        request = make_request(document, Draft(QuickFillSettings(), seed=1, exemplar=exemplar.id))
        _, after = apply_result(document, answer(request), document)
        assert [each.visible for each in after.exemplars] == [False]

    def test_subjects_that_are_gone_by_then_do_no_harm(self) -> None:
        document, item = with_item(make_document(), Rect(20, 10, 30, 20))
        request = make_request(document, Draft(QuickFillSettings(), seed=1), removal(item))
        _, after = apply_result(document.without_item(item.id), answer(request), document)
        assert len(after.layers) == 2


def test_effect_shows_what_the_request_will_hold() -> None:
    document, item = with_item(make_document(), Rect(20, 10, 30, 20))
    draft = Draft(QuickFillSettings(), item=item.id, seed=1)
    request = make_request(document, draft)
    assert np.array_equal(change_map(document, draft, request.frame.rect), request.strength)


def test_a_plan_for_an_item_that_is_gone_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        make_request(make_document(), Draft(QuickFillSettings()), Plan("remove", "Remove", items=(99,)))


class TestBounds:
    """The cost of a request is that of its region, and what it may change lies inside the reach."""

    @pytest.mark.parametrize("rotation", [0.0, 33.0, 180.0])
    @pytest.mark.parametrize("scales", [(1.0, 1.0), (0.3, 0.3), (-2.5, 2.5), (7.0, 0.4)])
    def test_nothing_outside_the_reach_may_change(self, scales: tuple[float, float], rotation: float) -> None:
        document, item = with_item(make_document(300, 200), Rect(40, 50, 70, 65))
        placement = Placement(180, 90, *scales, rotation)
        document = document.with_item(replace(item, placement=placement))
        document, exemplar = with_exemplar(document, placement, side=12)
        for draft in (Draft(QuickFillSettings(), item=item.id), Draft(QuickFillSettings(), exemplar=exemplar.id)):
            whole = change_map(document, draft, document.rect)
            assert whole.any()
            assert reach(document, draft, plan(document, draft)).holds(Rect.of_mask(whole))

    def test_only_what_shows_of_a_large_exemplar_is_looked_at(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pixels = np.full((2000, 3000, 4), 255, np.uint8)
        document = make_document(100, 80).adding_exemplar(
            Exemplar.of("large", pixels, Placement(1200.0, 900.0, 1, 1, 20))
        )
        read = Tiles.read
        sizes: list[int] = []

        def counting(self: Tiles, rect: Rect | None = None) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
            sizes.append((rect or self.rect).size.area)
            return read(self, rect)

        monkeypatch.setattr(Tiles, "read", counting)
        request = make_request(document, Draft(QuickFillSettings(), exemplar=document.exemplars[0].id, seed=1))
        assert request.exemplars[0].alpha.max() == 1
        assert max(sizes) < 200 * 200

    def test_an_exemplar_that_only_nears_the_picture_lets_nothing_in(self) -> None:
        document = make_document()  # turned by 45 degrees, its corner of air lies over the picture
        document, exemplar = with_exemplar(document, Placement(-60.0, -60.0, 1, 1, 45), side=150)
        assert not exemplar.bounds.intersect(document.rect).empty
        with pytest.raises(InvalidRequest, match="Nothing of the reference picture comes in"):
            make_request(document, Draft(QuickFillSettings(), exemplar=exemplar.id))

    def test_a_cut_out_and_an_uncut_exemplar_lie_the_same_way(self) -> None:
        rng = np.random.default_rng(3)
        pixels = rng.integers(0, 256, (40, 60, 4)).astype(np.uint8)
        pixels[..., 3] = 255
        for placement in (Placement(30.0, 20.0, 0.5, 0.5, 15), Placement(20.3, 18.0, -1.4, 1.4)):
            whole = Exemplar.of("a", pixels, placement)
            cutout = whole.cutout.write(0, 0, np.zeros((1, 1), np.float32))
            found = place_exemplar(whole, Rect(0, 0, 60, 40))
            cut = place_exemplar(replace(whole, cutout=cutout), Rect(0, 0, 60, 40))
            inside = np.ones(found.alpha.shape, bool)
            inside[(found.alpha < 0.99) | (cut.alpha < 0.99)] = False
            assert inside.sum() > 100
            assert np.abs(found.pixels[inside].astype(int) - cut.pixels[inside]).max() <= 2

    def test_an_exemplar_without_extent_lets_nothing_in(self) -> None:
        document, exemplar = with_exemplar(make_document(), Placement(30.0, 20.0, 0.0, 1.0))
        with pytest.raises(InvalidRequest, match="Nothing of the reference picture comes in"):
            make_request(document, Draft(QuickFillSettings(), exemplar=exemplar.id))
