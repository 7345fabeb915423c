"""The noise levels of one run over a diffusers scheduler.

`noised` is in closed form and never the scheduler's `add_noise`: that of most schedulers forgets its `timesteps` argument once a begin index
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
# Schedulers whose state is z + sigma e; the others keep alpha z + sigma e with alpha^2 + sigma^2 = 1.
_EXPLODING = (
    diffusers.EulerDiscreteScheduler,
    diffusers.EulerAncestralDiscreteScheduler,
    diffusers.LMSDiscreteScheduler,
)
# Those that count sigmas, but keep a variance-preserving state.
_PRESERVING = (
    diffusers.DPMSolverMultistepScheduler,
    diffusers.DPMSolverSinglestepScheduler,
    diffusers.UniPCMultistepScheduler,
    diffusers.DEISMultistepScheduler,
)
# Those that count timesteps.
_TIMED = (diffusers.DDIMScheduler, diffusers.DDPMScheduler, diffusers.LCMScheduler, diffusers.PNDMScheduler)
# What one solver calls by these names, another refuses, or divides by zero with.
_SOLVERS_OWN = ("algorithm_type", "solver_type", "lower_order_final")
# Those that cannot step by a network that predicts clean latents.
_NEVER_CLEAN = (diffusers.EulerAncestralDiscreteScheduler, diffusers.PNDMScheduler)
# What earlier steps were is kept for the later ones.
_MULTISTEP = (*_PRESERVING, diffusers.LMSDiscreteScheduler)


class Schedule:
    """T steps, i = 0 (the most noise) to T - 1, the last of `steps`. A run owns its schedule: schedulers remember where they are."""

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
    ) -> None:
        """`own`: the model's own diffusers scheduler; it is only read. `strength`: 0 to 1, the share of `steps` that run. `first`: skip so
        many of the steps instead of going by strength. `changes`: to its configuration. `timesteps`: these, the noisiest first, instead of
        those that the sampler would choose; for samplers that count timesteps.

        Raises `InvalidRequest` for a number of steps that the sampler cannot do, and for samplers whose levels are not known.
        """
        kind = SAMPLERS[sampler] if sampler else type(own)
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
        self._own, self._steps, self._device, self._listed = own, steps, torch.device(device), tuple(timesteps)
        self._scheduler = self._fresh()
        if getattr(self._scheduler, "order", 1) != 1:
            raise InvalidRequest(
                f"The sampler {kind.__name__} takes two looks at each step.", "Choose another sampler."
            )
        self.offset = steps - round(steps * strength) if first is None else first
        if not isinstance(self._scheduler, (*_EXPLODING, *_PRESERVING, *_TIMED)):
            raise InvalidRequest(
                f"The model's own sampler, {kind.__name__}, cannot hold parts of a picture.", "Choose another sampler."
            )
        if self.prediction == "sample" and isinstance(self._scheduler, _NEVER_CLEAN):
            raise InvalidRequest(
                f"The sampler {kind.__name__} cannot work with what this model predicts.", "Choose another sampler."
            )
        self.timesteps: torch.Tensor = self._left(self._scheduler.timesteps)
        self._levels = [self._level(i) for i in range(len(self))]
        self._begin(0)

    def __len__(self) -> int:
        return len(self.timesteps)

    def altered(self, sampler: Sampler, first: int, *, timesteps: Sequence[int] = (), **changes: object) -> Schedule:
        """A fresh one of as many steps over the same model's scheduler; the rest as in `__init__`."""
        return Schedule(
            self._own,
            sampler=sampler,
            steps=self._steps,
            first=first,
            device=self._device,
            changes=changes,
            timesteps=timesteps,
        )

    @property
    def prediction(self) -> str:
        found: str = self._scheduler.config.prediction_type
        return found

    @property
    def looks_twice(self) -> bool:
        """Whether one of its levels comes twice, and what earlier steps said is carried far: good for comparison with published code only."""
        return isinstance(self._scheduler, diffusers.PNDMScheduler)

    @property
    def learned_variance(self) -> bool:
        """Whether `step` wants the variances that some networks predict beside the noise."""
        return getattr(self._scheduler.config, "variance_type", None) in ("learned", "learned_range")

    def noised(self, latents: torch.Tensor, noise: torch.Tensor, i: int) -> torch.Tensor:
        """Clean latents at the level of step i: alpha z + sigma e. Equal to `add_noise` of a fresh scheduler, bit for bit."""
        alpha, sigma = self._levels[i]
        return alpha * latents + sigma * noise

    def level(self, i: int) -> float:
        """How much noise there is at step i, relative to the picture: sigma for exploding schedules, sqrt(1 - alpha_bar) otherwise."""
        return float(self._levels[i][1])

    @property
    def levels(self) -> tuple[float, ...]:
        return tuple(self.level(i) for i in range(len(self)))

    def model_input(self, latents: torch.Tensor, i: int) -> torch.Tensor:
        """What the network sees of the state at step i."""
        scaled: torch.Tensor = self._scheduler.scale_model_input(latents, self.timesteps[i])
        return scaled

    def step(
        self,
        prediction: torch.Tensor,
        i: int,
        latents: torch.Tensor,
        generators: Sequence[torch.Generator] | None = None,
    ) -> torch.Tensor:
        """One step of the scheduler's own. `generators`: one for each picture, for samplers that add noise."""
        if not self.learned_variance:
            prediction = prediction[:, : latents.shape[1]]
        extra: dict[str, Any] = {}
        if self._takes_generator and generators is not None:
            extra["generator"] = list(generators)
        stepped: torch.Tensor = self._scheduler.step(
            prediction, self.timesteps[i], latents, return_dict=False, **extra
        )[0]
        return stepped

    def estimate(self, prediction: torch.Tensor, i: int, latents: torch.Tensor) -> torch.Tensor:
        """The clean latents that the prediction points at (Ho et al. 2020, eq. 15; for v Salimans and Ho 2022, eq. 13)."""
        prediction = prediction[:, : latents.shape[1]]
        alpha, sigma = self._levels[i]
        match self.prediction:
            case "epsilon":
                return (latents - sigma * prediction) / alpha
            case "v_prediction":
                norm = (alpha**2 + sigma**2).sqrt()
                return (alpha * latents / norm - sigma * prediction) / norm
            case _:
                return prediction

    def restart(self, i: int) -> None:
        """Forget what multistep solvers remember of earlier steps, before step i."""
        if isinstance(self._scheduler, _MULTISTEP):
            self._scheduler = self._fresh()
            self._begin(i)

    def _fresh(self) -> Any:
        try:
            scheduler = self._make()
        except (NotImplementedError, ValueError) as error:
            raise InvalidRequest(
                "This sampler cannot make the noise that this model was trained with.", "Choose another sampler."
            ) from error
        try:
            scheduler.set_timesteps(self._steps, device=self._device)
        except ValueError as error:
            raise InvalidRequest(
                f"This sampler cannot make {self._steps} steps.", "Choose fewer steps, or another sampler."
            ) from error
        if self._listed:
            scheduler.timesteps = torch.tensor(self._listed, device=self._device)
        self._takes_generator = "generator" in inspect.signature(scheduler.step).parameters
        return scheduler

    def _left(self, timesteps: torch.Tensor) -> torch.Tensor:
        """Those from `offset` on."""
        if not isinstance(self._scheduler, diffusers.PNDMScheduler):
            return timesteps[self.offset :]
        # It looks twice from its second timestep on, wherever it begins; without the second look all that follows is one level too noisy.
        each = torch.cat([timesteps[:1], timesteps[2:]])[self.offset :]
        return torch.cat([each[:2], each[1:]])

    def _begin(self, i: int) -> None:
        if hasattr(self._scheduler, "set_begin_index"):
            self._scheduler.set_begin_index(self.offset + i)

    def _level(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Alpha and sigma of step i, on the CPU: a GPU takes plain numbers without waiting for a copy."""
        scheduler = self._scheduler
        if isinstance(scheduler, _EXPLODING):
            return torch.tensor(1.0), scheduler.sigmas[self.offset + i].float().cpu()
        if isinstance(scheduler, _PRESERVING):
            sigma = scheduler.sigmas[self.offset + i].float().cpu()
            alpha = 1 / ((sigma**2 + 1) ** 0.5)
            return alpha, sigma * alpha
        kept = scheduler.alphas_cumprod[self.timesteps[i].long().cpu()].float().cpu()
        return kept**0.5, (1 - kept) ** 0.5
