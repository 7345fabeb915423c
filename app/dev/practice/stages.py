"""The parts in their order: VAE, judge, the gate between them, CLIP, U-Net with words. Each goes on from where it stands."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from app.dev.practice import sheets
from app.dev.practice.autoencoder import VaeLesson, fold_normalisation, make_vae
from app.dev.practice.clip import ClipLesson
from app.dev.practice.denoiser import DenoiserLesson
from app.dev.practice.export import (
    PIPELINE,
    PROGRESS,
    Progress,
    finished_weights,
    read_progress,
    write_clip,
    write_judge,
    write_pipeline,
    write_progress,
)
from app.dev.practice.gates import Figures, measure_clip, measure_judge, measure_unet, measure_vae
from app.dev.practice.judge import JudgeLesson
from app.dev.practice.plan import GATES, Plan
from app.dev.practice.scenes import draw_scene
from app.dev.practice.training import Clock, Lesson, Training, as_batch, to_signed
from app.dev.practice.world import World

LOOK_EVERY = 600.0  # seconds between sheets
MORE = 0.25  # of a course, when its gate is missed
MAX_COURSES = 2.0  # courses, before a gate counts as out of reach

log = logging.getLogger(__name__)


class GateMissed(Exception):
    """A part did not reach its bars in twice its course; what builds on it is not trained."""


class Stages:
    """One call of the trainer."""

    def __init__(self, plan: Plan, cache: Path, output: Path, device: torch.device, clock: Clock) -> None:
        self._plan, self._cache, self._output, self._device, self._clock = plan, cache, output, device, clock
        before = read_progress(output / PIPELINE / PROGRESS)
        self._before = before if before is not None and before.size == plan.size and plan.seed == 0 else None
        self._progress = read_progress(cache / PROGRESS) or copy.deepcopy(self._before) or Progress(plan.size)

    def run(self) -> None:
        """As far as the clock allows; what was learned is written out at the end.

        Raises `GateMissed` when the VAE or the judge stays below its bars.
        """
        self._cache.mkdir(parents=True, exist_ok=True)
        judge = self._learn(JudgeLesson(self._plan), self._gate_judge) if self._vae_ready() else None
        if not self._vae_ready():
            vae_training = self._training(VaeLesson(self._plan))
            vae_training.train(self._clock, self._look_at_vae, LOOK_EVERY)
            if not vae_training.finished:
                return
            judge = self._learn(JudgeLesson(self._plan), self._gate_judge)
            if judge is None:
                return
            self._settle(vae_training, judge)
        if judge is None or not self._vae_ready():
            return
        vae = self._vae()
        self._progress.figures.update(measure_vae(vae, judge))
        write_judge(self._output, judge)
        clip = self._learn(ClipLesson(self._plan), lambda module: self._gate("clip", measure_clip(module)))
        if clip is None:
            return
        write_clip(self._output, clip)
        self._draw(vae, judge)

    def _draw(self, vae: Any, judge: nn.Module) -> None:
        kept = self._cache if self._device.type == "cpu" else None
        lesson = DenoiserLesson(self._plan, vae, self._device, kept)
        training = self._training(lesson)
        log.info("latents of scenes for the first steps")
        lesson.fill(training.samples // lesson.course.batch)
        training.train(
            self._clock,
            lambda now: sheets.write_samples(self._cache / "samples.png", now.average, vae),
            LOOK_EVERY,
        )
        for gate in GATES["unet"]:
            self._progress.figures.pop(gate.name, None)
        if not self._clock.hurried:
            self._progress.figures.update(measure_unet(training.average, vae, judge))
        self._note(training)
        write_pipeline(self._output, vae, training.average, self._progress)
        if not self._clock.hurried:
            sheets.write_samples(self._cache / "samples.png", training.average, vae)
        for name, value in self._progress.figures.items():
            log.info("%-42s %.3f", name, value)

    def _training(self, lesson: Lesson) -> Training:
        training = Training(lesson, self._cache / f"{lesson.name}.pt", self._device, self._plan.seed)
        if training.samples == 0 and self._before is not None and self._before.samples.get(lesson.name):
            training.start_from(finished_weights(self._output, lesson.name), self._before.samples[lesson.name])
            training.seconds = 60 * self._before.minutes.get(lesson.name, 0.0)
        return training

    def _learn(self, lesson: Lesson, gate: Callable[[nn.Module], bool]) -> nn.Module | None:
        """The trained part, or None when time ran out. Its course is lengthened while the gate is missed."""
        training = self._training(lesson)
        while True:
            training.train(self._clock)
            if not training.finished:
                return None
            if gate(training.average):
                self._note(training)
                return training.average
            self._lengthen(training)

    def _settle(self, training: Training, judge: nn.Module) -> None:
        """Past the gate the VAE is folded and never changes again: every latent depends on it."""
        while True:
            vae = copy.deepcopy(training.average)
            world = World()
            start = self._plan.first_scene
            pictures = as_batch([world.draw(draw_scene(start + seed, "training")).picture for seed in range(512)])
            fold_normalisation(vae, to_signed(torch.from_numpy(pictures).to(self._device)))
            sheets.write_reconstructions(self._cache / "reconstructions.png", vae)
            if self._gate("vae", measure_vae(vae, judge)):
                self._note(training)
                beside = self._settled.with_suffix(".part")
                save_file({name: value.cpu().contiguous() for name, value in vae.state_dict().items()}, beside)
                os.replace(beside, self._settled)
                return
            self._lengthen(training)
            if not training.train(self._clock, self._look_at_vae, LOOK_EVERY):
                return

    @property
    def _settled(self) -> Path:
        return self._cache / "vae-settled.safetensors"

    def _vae_ready(self) -> bool:
        return self._settled.exists() or (self._before is not None and bool(self._before.samples.get("vae")))

    def _vae(self) -> Any:
        vae = make_vae(self._plan)
        kept = load_file(self._settled) if self._settled.exists() else finished_weights(self._output, "vae")
        vae.load_state_dict({name: value.float() for name, value in kept.items()})
        return vae.to(self._device).eval().requires_grad_(False)

    def _gate_judge(self, module: nn.Module) -> bool:
        return self._gate("judge", measure_judge(module))

    def _gate(self, part: str, figures: Figures) -> bool:
        self._progress.figures.update(figures)
        for name, value in figures.items():
            log.info("%-42s %.3f", name, value)
        return all(gate.passed(figures[gate.name]) for gate in GATES[part])

    def _lengthen(self, training: Training) -> None:
        course = training.lesson.course
        if training.planned >= MAX_COURSES * course.samples:
            raise GateMissed(f"{training.lesson.name} missed its bars after {training.samples} samples.")
        training.planned += int(MORE * course.samples)
        log.info("%s: its bars are missed; on to %d samples", training.lesson.name, training.planned)

    def _note(self, training: Training) -> None:
        name = training.lesson.name
        self._progress.samples[name] = training.samples
        self._progress.minutes[name] = training.seconds / 60
        write_progress(self._cache / PROGRESS, self._progress)

    def _look_at_vae(self, training: Training) -> None:
        sheets.write_reconstructions(self._cache / "reconstructions.png", training.average)
