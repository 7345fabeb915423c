"""Noise schedule of one run over a diffusers scheduler: its levels in closed form, and the scheduler's own steps.

`noised` never calls the scheduler's `add_noise` or `scale_noise`: those of most schedulers forget their `timesteps` argument once a begin index
is set, and a whole run would then be held at one level.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import diffusers
import torch

from editor.diffusion.predictions import PREDICTIONS, Prediction
from editor.diffusion.step import Step
from editor.errors import InvalidRequest
from editor.requests.samplers import Sampler

SAMPLERS: MappingProxyType[Sampler, type] = MappingProxyType(
    {
        "euler": diffusers.EulerDiscreteScheduler,
        "euler_a": diffusers.EulerAncestralDiscreteScheduler,
        "ddim": diffusers.DDIMScheduler,
        "dpmpp_2m": diffusers.DPMSolverMultistepScheduler,
        "unipc": diffusers.UniPCMultistepScheduler,
        "lcm": diffusers.LCMScheduler,
        "ddpm": diffusers.DDPMScheduler,
        "pndm": diffusers.PNDMScheduler,
    }
)
# Those of models that were trained by flow matching; the others know no straight paths.
FLOW_SAMPLERS: MappingProxyType[Sampler, type] = MappingProxyType({"euler": diffusers.FlowMatchEulerDiscreteScheduler})
# Schedulers whose state is z + sigma e.
_EXPLODING = (
    diffusers.EulerDiscreteScheduler,
    diffusers.EulerAncestralDiscreteScheduler,
    diffusers.LMSDiscreteScheduler,
)
# Those that count sigmas, but keep a variance-preserving state: alpha z + sigma e with alpha^2 + sigma^2 = 1.
_PRESERVING = (
    diffusers.DPMSolverMultistepScheduler,
    diffusers.DPMSolverSinglestepScheduler,
    diffusers.UniPCMultistepScheduler,
    diffusers.DEISMultistepScheduler,
)
# Those that count timesteps, with the same kind of state.
_TIMED = (diffusers.DDIMScheduler, diffusers.DDPMScheduler, diffusers.LCMScheduler, diffusers.PNDMScheduler)
# Those that end at the level of `final_alpha_cumprod`; the others end clean.
_ENDING_NOISY = (diffusers.DDIMScheduler, diffusers.PNDMScheduler)
# Straight paths: (1 - sigma) z + sigma e.
_FLOW = (diffusers.FlowMatchEulerDiscreteScheduler,)
# What one solver calls by these names, another refuses, or divides by zero with.
_SOLVERS_OWN = ("algorithm_type", "solver_type", "lower_order_final")
# Those that cannot step by a network that predicts clean latents.
_NEVER_CLEAN = (diffusers.EulerAncestralDiscreteScheduler, diffusers.PNDMScheduler)
# Those that reckon the next timestep from an even spacing.
_EVEN_ONLY = (diffusers.DDIMScheduler, diffusers.PNDMScheduler)
# What earlier steps were is kept for the later ones.
_MULTISTEP = (*_PRESERVING, diffusers.LMSDiscreteScheduler)
_OTHER_SAMPLER = "Choose another sampler."

Levels = tuple[
    torch.Tensor, torch.Tensor
]  # alpha and sigma, float32 on the CPU: a GPU takes plain numbers without waiting for a copy
Generators = Sequence[torch.Generator]


class Schedule:
    """T steps, of which a run takes those from `first` on. A run owns its schedule: schedulers remember where they are.

    Everywhere i is the absolute index of a level, 0 (the most noise) to T - 1; T is the level after the last step. The levels are fixed when the
    schedule is made.

    first: the absolute index of the run's first step
    total: T; one more than was asked for where the sampler takes one level twice
    timesteps: of the steps that run, on the device
    steps: those that run
    alphas, sigmas: (T + 1,) float32 on the CPU, of all levels
    """

    def __init__(
        self,
        own: Any,
        *,
        sampler: Sampler = "",
        steps: int,
        strength: float = 1.0,
        first: int | None = None,
        device: torch.device | str = "cpu",
        changes: Mapping[str, object] = MappingProxyType({}),
        timesteps: Sequence[int] = (),
        finer: Sequence[int] = (),
        tokens: int | None = None,
    ) -> None:
        """
        own: the model's own diffusers scheduler; it is only read
        sampler: another one over the same noise levels; empty for the model's own
        strength: 0 to 1, the share of `steps` that run
        first: skip so many of the steps instead of going by strength
        changes: to the scheduler's configuration
        timesteps: these, the noisiest first, instead of those that the sampler would choose; for samplers that count timesteps
        finer: run these of the sampler's 2 `steps` steps, by index, instead of all of its `steps`; `first` then counts them
        tokens: how many the network makes of the canvas; what schedulers with a dynamic shift go by

        Raises `InvalidRequest` for a number of steps that the sampler cannot do, and for samplers whose levels are not known.
        """
        kind = _kind(own, sampler)
        config = dict(own.config)
        if kind is not type(own):
            config.setdefault("clip_sample", False)  # latents are not pictures in [-1, 1]
            config.pop("variance_type", None)  # only the model's own knows what its network says of variances
            for name in _SOLVERS_OWN:
                config.pop(name, None)
            config["skip_prk_steps"] = True  # Runge-Kutta steps take several looks at one level
        config.update(changes)
        known = inspect.signature(kind).parameters
        self._make: Callable[[], Any] = partial(kind, **{name: config[name] for name in config if name in known})
        self._own, self._asked, self._device, self._listed = own, steps, torch.device(device), tuple(timesteps)
        self._tokens, self._finer = tokens, tuple(finer)
        self._scheduler = self._fresh()
        if getattr(self._scheduler, "order", 1) != 1:
            raise InvalidRequest(f"The sampler {kind.__name__} takes two looks at each step.", _OTHER_SAMPLER)
        self.first = steps - round(steps * strength) if first is None else first
        if not isinstance(self._scheduler, (*_EXPLODING, *_PRESERVING, *_TIMED, *_FLOW)):
            raise InvalidRequest(
                f"The model's own sampler, {kind.__name__}, cannot hold parts of a picture.", _OTHER_SAMPLER
            )
        if self.prediction not in PREDICTIONS or (
            self.prediction == "sample" and isinstance(self._scheduler, _NEVER_CLEAN)
        ):
            raise InvalidRequest(
                f"The sampler {kind.__name__} cannot work with what this model predicts.", _OTHER_SAMPLER
            )
        before, self.timesteps = self._ladder(self._scheduler.timesteps)
        self.total = len(before) + len(self.timesteps)
        self.alphas, self.sigmas = _levels(self._scheduler, torch.cat([before, self.timesteps]), steps)
        self.steps = tuple(
            Step(i, self.timesteps[i - self.first], self.alphas[i], self.sigmas[i], self.sigmas[i + 1])
            for i in range(self.first, self.total)
        )
        self._begin(self.first)

    def __len__(self) -> int:
        """How many steps run."""
        return len(self.steps)

    def altered(self, sampler: Sampler, first: int, *, timesteps: Sequence[int] = (), **changes: object) -> Schedule:
        """A fresh one of as many steps over the same model's scheduler; the rest as in `__init__`."""
        return Schedule(
            self._own,
            sampler=sampler,
            steps=self._asked,
            first=first,
            device=self._device,
            changes=changes,
            timesteps=timesteps,
            finer=self._finer,
            tokens=self._tokens,
        )

    @property
    def prediction(self) -> str:
        """The name of the row in `PREDICTIONS`."""
        return str(getattr(self._scheduler.config, "prediction_type", "flow_prediction"))

    @property
    def row(self) -> Prediction:
        """What the network's output says about its input."""
        return PREDICTIONS[self.prediction]

    @property
    def train_steps(self) -> int:
        """How many timesteps the model was trained on."""
        return int(self._scheduler.config.num_train_timesteps)

    @property
    def evaluates_twice(self) -> bool:
        """Whether one of its levels comes twice, and what earlier steps said is carried far: good for comparison with published code only."""
        return isinstance(self._scheduler, diffusers.PNDMScheduler)

    @property
    def learned_variance(self) -> bool:
        """Whether `step` wants the variances that some networks predict beside the noise."""
        return getattr(self._scheduler.config, "variance_type", None) in ("learned", "learned_range")

    @property
    def levels(self) -> tuple[float, ...]:
        """How much noise there is at each step that runs, relative to the picture: sigma for exploding schedules and flow, sqrt(1 - alpha_bar)
        otherwise."""
        return tuple(float(step.sigma) for step in self.steps)

    def noised(self, latents: torch.Tensor, noise: torch.Tensor, i: int) -> torch.Tensor:
        """Clean latents at level i: alpha z + sigma e. Equal to `add_noise` of a fresh scheduler, bit for bit."""
        return self.alphas[i] * latents + self.sigmas[i] * noise

    def at(self, t: torch.Tensor) -> Step:
        """The levels of any of the timesteps that the model was trained on, as it was trained: for learning.

        t: (B,), whole numbers; for flow models anything from 0 to `train_steps`. The state is what the network sees, without `model_input`.
        """
        if isinstance(self._scheduler, _FLOW):
            sigma = t.float() / self.train_steps
            alpha = 1 - sigma
        else:
            kept = self._scheduler.alphas_cumprod.to(t.device, torch.float32)[t.long()]
            alpha, sigma = kept**0.5, (1 - kept) ** 0.5
        alpha, sigma = (level.reshape(-1, 1, 1, 1) for level in (alpha, sigma))
        return Step(-1, t, alpha, sigma, torch.zeros_like(sigma))

    def target(self, latents: torch.Tensor, noise: torch.Tensor, step: Step) -> torch.Tensor:
        """What the network was trained to predict for clean latents, noised to the level of `step`."""
        target: torch.Tensor = self.row.target(latents, noise, step.alpha, step.sigma)
        return target

    def model_input(self, latents: torch.Tensor, i: int) -> torch.Tensor:
        """What the network sees of the state at level i: exploding states are brought back to unit variance."""
        return latents / ((self.sigmas[i] ** 2 + 1) ** 0.5) if isinstance(self._scheduler, _EXPLODING) else latents

    def step(
        self, prediction: torch.Tensor, i: int, latents: torch.Tensor, generators: Generators | None = None
    ) -> torch.Tensor:
        """The scheduler's own step from level i to the next one. `generators`: one for each picture, for samplers that add noise."""
        if not self.learned_variance:
            prediction = prediction[:, : latents.shape[1]]
        extra: dict[str, Any] = {}
        if self._takes_generator and generators is not None:
            extra["generator"] = list(generators)
        t = self.timesteps[i - self.first]
        stepped: torch.Tensor = self._scheduler.step(prediction, t, latents, return_dict=False, **extra)[0]
        return stepped

    def estimate(self, prediction: torch.Tensor, i: int, latents: torch.Tensor) -> torch.Tensor:
        """The clean latents that the prediction at level i points at."""
        clean: torch.Tensor = self.row.clean(latents, prediction[:, : latents.shape[1]], self.alphas[i], self.sigmas[i])
        return clean

    def move(self, latents: torch.Tensor, prediction: torch.Tensor, i: int, j: int) -> torch.Tensor:
        """The state at level j on the line that a prediction at level i draws: alpha_j z + sigma_j e. DDIM with eta 0, or Euler.

        In closed form, without the scheduler, differentiable, and in both directions; i and j may be 0 to T.
        """
        keep, add = self._line(i, j)
        return keep * latents + add * prediction[:, : latents.shape[1]]

    def origin(self, latents: torch.Tensor, prediction: torch.Tensor, i: int, j: int) -> torch.Tensor:
        """The state at level i from which `move` leads to `latents` at level j, if the network predicts so there.

        Raises `ZeroDivisionError` where what is left at level j tells nothing of it.
        """
        keep, add = self._line(i, j)
        return (latents - add * prediction[:, : latents.shape[1]]) / keep

    def _line(self, i: int, j: int) -> tuple[float, float]:
        """What the state at level i, and the prediction, are multiplied by to get the state at level j: all rows are linear in both."""
        (alpha, sigma), (then_alpha, then_sigma) = (self._level(level) for level in (i, j))
        row = self.row
        keep, add = (
            then_alpha * row.clean(*unit, alpha, sigma) + then_sigma * row.noise(*unit, alpha, sigma)
            for unit in ((1.0, 0.0), (0.0, 1.0))
        )
        return keep, add

    def _level(self, i: int) -> tuple[float, float]:
        """Alpha and sigma of level i; of flow so that their sum is 1 in double precision too."""
        sigma = float(self.sigmas[i])
        return (1 - sigma if isinstance(self._scheduler, _FLOW) else float(self.alphas[i])), sigma

    def restart(self, i: int) -> None:
        """Forget what multistep solvers remember of earlier steps, before step i."""
        if isinstance(self._scheduler, _MULTISTEP):
            self._scheduler = self._fresh()
            self._begin(i)

    def memory(self) -> Mapping[str, Any]:
        """What the sampler remembers of the steps so far, to be given to `resume`; the tensors in it are those of the run."""
        return {
            name: _copied(value)
            for name, value in vars(self._scheduler).items()
            if isinstance(value, list) or value is not self._initial.get(name)
        }

    def resume(self, i: int, memory: Mapping[str, Any]) -> None:
        """Go on before step i, which is one of those that run, with what `memory` gave there."""
        self._scheduler = self._fresh()
        self._begin(i)
        vars(self._scheduler).update({name: _copied(value) for name, value in memory.items()})

    def _fresh(self) -> Any:
        try:
            scheduler = self._make()
        except (NotImplementedError, ValueError) as error:
            raise InvalidRequest(
                "This sampler cannot make the noise that this model was trained with.", _OTHER_SAMPLER
            ) from error
        extra: dict[str, Any] = {}
        if getattr(scheduler.config, "use_dynamic_shifting", False):
            extra["mu"] = _shift(scheduler.config, self._tokens)
        count = self._asked * (2 if self._finer else 1)
        try:
            scheduler.set_timesteps(count, device=self._device, **extra)
        except ValueError as error:
            raise InvalidRequest(
                f"This sampler cannot make {count} steps.", "Choose fewer steps, or another sampler."
            ) from error
        if self._finer:
            _pick(scheduler, self._finer)
        if self._listed:
            scheduler.timesteps = torch.tensor(self._listed, device=self._device)
        if hasattr(scheduler, "is_scale_input_called"):
            scheduler.is_scale_input_called = True  # `model_input` does that
        self._takes_generator = "generator" in inspect.signature(scheduler.step).parameters
        self._initial = dict(vars(scheduler))
        return scheduler

    def _ladder(self, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Those before the run, and those of it."""
        if not isinstance(self._scheduler, diffusers.PNDMScheduler):
            return timesteps[: self.first], timesteps[self.first :]
        # It looks twice from its second timestep on, wherever it begins; without the second look all that follows is one level too noisy.
        once = torch.cat([timesteps[:1], timesteps[2:]])
        left = once[self.first :]
        return once[: self.first], torch.cat([left[:2], left[1:]])

    def _begin(self, i: int) -> None:
        if hasattr(self._scheduler, "set_begin_index"):
            self._scheduler.set_begin_index(i)


def _kind(own: Any, sampler: Sampler) -> type:
    """The class of the sampler for the model of a scheduler."""
    if not sampler:
        return type(own)
    samplers = FLOW_SAMPLERS if isinstance(own, _FLOW) else SAMPLERS
    if sampler not in samplers:
        raise InvalidRequest("This sampler cannot make the noise that this model was trained with.", _OTHER_SAMPLER)
    return samplers[sampler]


def _levels(scheduler: Any, timesteps: torch.Tensor, steps: int) -> Levels:
    """Alpha and sigma of all levels, the last that after the last step. `steps`: as many as were asked for."""
    if isinstance(scheduler, _TIMED):
        kept = scheduler.alphas_cumprod.float().cpu()
        joined = kept[timesteps.long().cpu()]
        end = torch.ones(1)
        if isinstance(scheduler, _ENDING_NOISY) and len(timesteps):
            last = int(timesteps[-1]) - len(kept) // steps
            end = (kept[last] if last >= 0 else scheduler.final_alpha_cumprod.float().cpu()).reshape(1)
        joined = torch.cat([joined, end])
        return joined**0.5, (1 - joined) ** 0.5
    sigmas = scheduler.sigmas.float().cpu()
    if isinstance(scheduler, _FLOW):
        return 1 - sigmas, sigmas
    if isinstance(scheduler, _EXPLODING):
        return torch.ones_like(sigmas), sigmas
    alphas = 1 / ((sigmas**2 + 1) ** 0.5)
    return alphas, sigmas * alphas


def _pick(scheduler: Any, indices: Sequence[int]) -> None:
    """Leave out all of the scheduler's steps but these."""
    if isinstance(scheduler, _EVEN_ONLY):
        raise InvalidRequest(
            f"The sampler {type(scheduler).__name__} takes evenly spaced steps only.",
            "Choose another sampler, or switch off “Finer at low strength”.",
        )
    picked = list(indices)
    scheduler.timesteps = scheduler.timesteps[picked]
    if not isinstance(scheduler, _TIMED):
        scheduler.sigmas = scheduler.sigmas[[*picked, -1]]  # the last is the level after the last step
    scheduler.num_inference_steps = len(picked)  # by which some know which step is the last


def _shift(config: Any, tokens: int | None) -> float:
    """The dynamic shift of a canvas: on the straight line through the two sizes that the configuration names (Esser et al. 2024, section 5.3.2)."""
    if tokens is None:
        raise ValueError("this model's noise levels depend on the canvas, and nobody said how large it is")
    low, high = config.base_image_seq_len, config.max_image_seq_len
    slope = (config.max_shift - config.base_shift) / (high - low)
    return float(tokens * slope + (config.base_shift - slope * low))


def _copied(value: Any) -> Any:
    """Schedulers change their lists in place, and never a tensor."""
    return list(value) if isinstance(value, list) else value
