"""Incremental runs: whatever was painted before, the picture is that of a fresh run, bit for bit, and costs what its strength says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from editor.errors import NotFinite
from editor.geometry import Rect, Size
from editor.methods.pixels.model import incremental
from editor.methods.pixels.model.editing import edit
from editor.requests.samplers import OFFERED
from tests.support.live_cases import OVERALL, STEPS, Fidelity, Live, Round, Stroke, Undo, same, stories
from tests.support.pixels_cases import SIDE, Model, by_rule
from tests.support.reports import drive

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]
Models = Callable[[str], Model]
FAMILIES = ("sd", "sd_v", "sdxl", "kandinsky", "sd3")
PAIRS = [
    pytest.param(name, sampler, marks=() if name == "sd" or not sampler else pytest.mark.slow)
    for name in FAMILIES
    for sampler in OFFERED
    if name != "sd3" or sampler in ("", "euler")
]
played = settings(
    deadline=None,
    max_examples=5,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize(("name", "sampler"), PAIRS)
@given(story=stories())
@played
def test_every_round_is_a_fresh_run(models: Models, name: str, sampler: Any, story: list[Round]) -> None:
    Live(models(name), more={"sampler": sampler}).play(story)


@given(
    story=stories(),
    revision=st.sampled_from([1, 2, 3, 4]),
    scale=st.sampled_from(["index", "noise", "absolute"]),
    dither=st.booleans(),
    thin=st.booleans(),
    noise=st.sampled_from(["shared", "independent"]),
    tone=st.sampled_from(["off", "auto", "on"]),
    sampler=st.sampled_from(["euler_a", "dpmpp_2m", "unipc", "ddim", "pndm", "ddpm"]),
    guidance=st.sampled_from([1.0, 4.0]),
)
@settings(played, max_examples=12)
def test_whatever_the_settings_and_rules(models: Models, story: list[Round], **drawn: Any) -> None:
    own = by_rule(
        map_scale=drawn["scale"],
        dither=drawn["dither"],
        thin_strokes=drawn["thin"],
        noise=drawn["noise"],
        match_tone=drawn["tone"],
        feather=5.0,
    )
    more = {"revision": drawn["revision"], "sampler": drawn["sampler"], "guidance_scale": drawn["guidance"]}
    live = Live(models("sd"), settings=own, more=more)
    if drawn["revision"] < 4 or drawn["scale"] != "index" or drawn["thin"]:
        live.max_bytes = 2**29  # what it costs is promised for absolute counts by index only
    live.play(story)


@given(story=stories(Size(100, 52)), scale=st.sampled_from([0.7, 1.0, 1.4]))
@settings(played, max_examples=6)
def test_frames_that_are_no_multiple_and_not_of_the_working_size(
    models: Models, story: list[Round], scale: float
) -> None:
    size = Size(100, 52)
    working = Size(*(round(side * scale) for side in size))
    live = Live(models("sdxl"), size, lays_in=False, more={"working": working, "sampler": "dpmpp_2m"})
    live.max_bytes = 2**29
    live.play([round for round in story if not isinstance(round.change, Fidelity)])


@given(story=stories(), limit=st.sampled_from([0, 1, 20_000, 60_000]), sampler=st.sampled_from(["unipc", "euler_a"]))
@settings(played, max_examples=8)
def test_states_that_were_dropped_change_nothing(models: Models, story: list[Round], limit: int, sampler: Any) -> None:
    live = Live(models("sd"), more={"sampler": sampler}, max_bytes=limit)
    live.play(story)
    assert live.run._kept is None or live.run._kept.states.bytes <= limit


def _live(models: Models, **more: Any) -> Live:
    """With one round made, at the strongest that the tests paint."""
    live = Live(models("sd"), lays_in=False, more={"steps": 20, "sampler": "ddim", **more})
    assert live.compare(live.request(live.history[-1])).evaluations == round(20 * OVERALL)
    return live


@pytest.mark.parametrize(("strength", "evaluations"), [(0.1, 2), (0.2, 4), (0.3, 6), (0.5, 10), (0.75, 15)])
def test_a_stroke_costs_its_strength_of_the_steps(models: Models, strength: float, evaluations: int) -> None:
    live = _live(models)
    live.play([Round(Stroke(Rect(64, 0, 96, 32), strength))])
    assert live.rounds[-1].evaluations == evaluations
    live.play([Round(Stroke(Rect(64, 0, 96, 32), 0.0))])  # what is taken away again is known
    assert live.rounds[-1].evaluations == 0


def test_a_stroke_in_the_place_of_another_costs_its_own_strength(models: Models) -> None:
    live = _live(models)
    place = Rect(64, 0, 96, 32)
    live.play([Round(Stroke(place, strength)) for strength in (0.5, 0.2, 0.3)])
    assert [round.evaluations for round in live.rounds[1:]] == [
        10,
        4,
        6,
    ]  # states of the time before the first are still there


def test_a_larger_maximum_begins_earlier_and_costs_the_whole_run(models: Models) -> None:
    live = _live(models)
    live.play([Round(Stroke(Rect(64, 0, 96, 32), 0.9)), Round(Stroke(Rect(0, 48, 16, 64), 0.2))])
    assert [round.evaluations for round in live.rounds[1:]] == [18, 4]
    assert [round.promise for round in live.rounds[1:]] == [18, 5]


def test_undo_and_redo_cost_nothing(models: Models) -> None:
    live = _live(models)
    first, second = Stroke(Rect(64, 0, 96, 32), 0.5), Stroke(Rect(0, 48, 16, 64), 0.3)
    live.play([Round(first), Round(second), Round(Undo(1)), Round(Undo(1)), Round(first), Round(second)])
    assert [round.evaluations for round in live.rounds[1:]] == [10, 6, 0, 0, 0, 0]


def test_only_so_many_pictures_are_kept_and_the_others_are_made_again(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incremental, "MAX_PICTURES", 2)
    live = _live(models)
    strokes = [Round(Stroke(Rect(64, 8 * number, 96, 8 * number + 8), 0.5)) for number in range(4)]
    live.play([*strokes, Round(Undo(1)), Round(Undo(2))])
    assert live.run._kept is not None
    assert len(live.run._kept.pictures) == 2
    assert live.rounds[-2].evaluations == 0
    assert live.rounds[-1].evaluations != 0


def test_a_stroke_that_changes_no_cell_is_pasted_anew_at_once(models: Models) -> None:
    live = _live(models)
    live.play([Round(Stroke(Rect(8, 8, 40, 24), OVERALL - 0.01))])
    state = live.history[-1]
    painted = state.painted.copy()
    painted[40:42, 40:42] = 0.2  # of a cell next to nothing
    before = live.rounds[-1].result
    after = live.compare(live.request(replace(state, painted=painted)))
    assert (live.rounds[-2].evaluations, after.evaluations) == (0, 0)
    assert (before.rect, after.result.rect) != (after.result.rect, before.rect)


def test_a_round_that_was_left_helps_the_next(models: Models) -> None:
    live = _live(models)
    state = live.history[-1].after(Stroke(Rect(64, 0, 96, 32), 0.5))
    live.leave(live.request(state), 6)
    assert live.compare(live.request(state)).evaluations == 10 - 6 + 1  # the sixth was not stepped to its end


def test_of_the_old_picture_states_are_left_for_who_goes_back(models: Models) -> None:
    """Another stroke in its place, after an undo, costs its own strength and not that of the way back."""
    live = _live(models)
    live.play([Round(Stroke(Rect(64, 0, 96, 32), 0.5)), Round(Undo(1)), Round(Stroke(Rect(0, 48, 16, 64), 0.2))])
    assert [round.evaluations for round in live.rounds[1:]] == [10, 0, 4]


@pytest.mark.parametrize(
    ("change", "evaluations"),
    [
        ({"prompt": "sky"}, 15),
        ({"negative_prompt": "sky"}, 15),
        ({"guidance_scale": 2.0}, 15),
        ({"seed": 3}, 15),
        ({"steps": 10}, 8),
        ({"sampler": "euler"}, 15),
        ({"image": np.full((*SIDE.shape, 3), 99, np.uint8)}, 15),
        ({"settings": by_rule(noise="independent")}, 15),
        ({"settings": by_rule(match_tone="on", feather=2.0)}, 0),
        ({"overall": 0.76}, 0),
        ({}, 0),
    ],
)
def test_what_makes_another_run_and_what_does_not(models: Models, change: dict[str, Any], evaluations: int) -> None:
    live = _live(models)
    live.shown = None
    request = replace(live.request(live.history[-1]), **change)
    assert live.compare(request).evaluations == evaluations
    live.shown = None
    assert live.compare(live.request(live.history[-1])).evaluations == (15 if evaluations else 0)


def test_an_exemplar_that_moves_makes_another_run_and_its_fidelity_does_not(models: Models) -> None:
    live = Live(models("sd"), more={"steps": 20, "sampler": "dpmpp_2m"})
    live.play([Round(Fidelity(0.0)), Round(Fidelity(1.0))])
    assert [round.evaluations for round in live.rounds] == [15, 10]
    request = live.request(live.history[-1])
    own = request.exemplars[0]
    moved = replace(own, pixels=np.roll(own.pixels, 8, 1))
    live.shown = None
    assert live.compare(replace(request, exemplars=(moved,))).evaluations == 15


def test_words_and_picture_are_read_once(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    live = _live(models)
    calls: list[str] = []

    def counted(name: str) -> Any:
        own = getattr(live.model.backend, name)

        def call(*args: Any, **more: Any) -> Any:
            calls.append(name)
            return own(*args, **more)

        return call

    for name in ("embed", "encode"):
        monkeypatch.setattr(live.model.backend, name, counted(name))
    request = live.request(live.history[-1].after(Stroke(Rect(64, 0, 96, 32), 0.5)))
    _rounds(live, request)
    assert not calls
    _rounds(live, replace(request, prompt="sky"))
    assert calls == ["embed"]
    _rounds(live, replace(request, prompt="sky", image=np.full((*SIDE.shape, 3), 99, np.uint8)))
    assert calls == ["embed", "encode"]


def _rounds(live: Live, request: Any) -> None:
    for _ in live.run.edit(request, live.backend):
        pass


def test_another_model_makes_another_run(models: Models) -> None:
    live = _live(models)
    live.model = models("sd_v")
    live.backend = type(live.backend)(live.model.backend)
    live.shown = None
    assert live.compare(live.request(live.history[-1])).evaluations == 15


def test_where_nothing_may_change_for_a_single_step_nothing_runs(models: Models) -> None:
    live = Live(models("sd"), lays_in=False)
    state = replace(live.history[-1], painted=np.full(SIDE.shape, 0.01, np.float32))
    result = live.compare(live.request(state))
    assert (result.evaluations, result.promise, result.steps) == (0, 0, 0)


def test_one_exemplar_after_the_other_is_a_whole_edit_each_time(models: Models) -> None:
    live = Live(models("sd"), settings=by_rule(passes="one_by_one"))
    request = live.request(live.history[-1])
    other = replace(request.exemplars[0], alpha=np.roll(request.exemplars[0].alpha, 48, 1))
    request = replace(request, exemplars=(*request.exemplars, other))
    for _ in range(2):
        result = drive(live.run.edit(request, live.backend))
        assert (result.evaluations, result.promise, result.steps) == (None, None, None)
        same(result.result, drive(edit(request, live.model.backend)))


def test_finished_early_is_as_of_an_edit_and_not_kept(models: Models) -> None:
    def third(report: Any) -> bool:
        return str(getattr(report, "doing", "")).startswith("Step 3 of")

    live = Live(models("sd"), more={"sampler": "ddim"})
    request = live.request(live.history[-1])
    early = drive(live.run.edit(request, live.backend), finish_at=third)
    same(early.result, drive(edit(request, live.model.backend), finish_at=third))
    assert early.evaluations == 3
    assert live.compare(request).evaluations == round(STEPS * OVERALL) - 2


def test_what_came_to_nothing_is_not_gone_on_from(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    live = _live(models)
    request = live.request(live.history[-1].after(Stroke(Rect(64, 0, 96, 32), 0.5)))
    own = live.model.backend.predict
    with monkeypatch.context() as broken:
        broken.setattr(live.model.backend, "predict", lambda *args: own(*args) * float("nan"))
        with pytest.raises(NotFinite):
            _rounds(live, request)
    live.shown = None
    assert live.compare(request).evaluations == 15


def test_rounds_that_take_turns_do_not_mix(models: Models) -> None:
    """One that is suspended while another is asked for has its own words, picture and map."""
    live = _live(models)
    one = live.request(live.history[-1].after(Stroke(Rect(64, 0, 96, 32), 0.5)))
    others = [
        replace(one, prompt="sky"),
        replace(one, image=np.full((*SIDE.shape, 3), 99, np.uint8)),
        live.request(live.history[-1].after(Stroke(Rect(0, 48, 16, 64), 0.6))),
    ]
    for other in others:
        for turns in (1, 3, 6, 9):
            live.run.release()
            rounds = {id(request): live.run.edit(request, live.model.backend) for request in (one, other)}
            ended: dict[int, Any] = {}
            for _ in range(turns):
                next(rounds[id(one)])
            while rounds:
                for number, reports in list(rounds.items()):
                    try:
                        next(reports)
                    except StopIteration as stop:
                        ended[number] = stop.value
                        del rounds[number]
            for request in (one, other):
                same(ended[id(request)].result, drive(edit(request, live.model.backend)))
