"""Blended Latent Diffusion, canonical and as published, written straight down from its description over raw diffusers
parts.

It shares nothing with the implementation: no loop, blending, masks, guidance, schedule or noising of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import diffusers
import numpy as np
import torch
from numpy.typing import NDArray

Net = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Maps = Sequence[torch.Tensor]  # (1, 1, h, w) each, 1 edits


def levels(scheduler: Any, place: int) -> tuple[Any, Any]:
    """What clean latents and noise are multiplied by at the timestep at `place` of the whole schedule (section 2)."""
    name = type(scheduler).__name__
    if name.startswith("Euler"):
        return 1.0, scheduler.sigmas[place]
    if "Multistep" in name:
        alpha = 1 / (scheduler.sigmas[place] ** 2 + 1) ** 0.5
        return alpha, scheduler.sigmas[place] * alpha
    kept = scheduler.alphas_cumprod[int(scheduler.timesteps[place])]
    return kept**0.5, (1 - kept) ** 0.5


def q(scheduler: Any, z: torch.Tensor, place: int, e: torch.Tensor) -> torch.Tensor:
    alpha, sigma = levels(scheduler, place)
    noised: torch.Tensor = alpha * z + sigma * e
    return noised


def guided(net: Net, scheduler: Any, z: torch.Tensor, t: torch.Tensor, w: float) -> torch.Tensor:
    """`net`: (latents of twice the batch, negative half first, t) -> prediction."""
    x = scheduler.scale_model_input(z, t)
    negative, positive = net(torch.cat([x, x]), t).chunk(2)
    eps = negative[:, :4] + w * (positive[:, :4] - negative[:, :4])
    learned = getattr(scheduler.config, "variance_type", None) == "learned_range"
    return torch.cat([eps, positive[:, 4:]], 1) if learned else eps


def canonical(
    net: Net,
    scheduler: Any,
    k: int,
    *,
    z0: torch.Tensor,
    maps: Maps,
    initial: torch.Tensor,
    blends: Maps,
    w: float,
    generator: Callable[[int], torch.Generator] | None = None,
) -> torch.Tensor:
    """Section 4.1. `scheduler`: its timesteps are set. `maps` and `blends` (noise): one for each step that runs. `generator`: for each step of all,
    where the sampler draws noise."""
    n = len(scheduler.timesteps)
    z = q(scheduler, z0, k, initial)
    for i in range(k, n):
        t = scheduler.timesteps[i]
        extra = {} if generator is None else {"generator": generator(i)}
        z_fg = scheduler.step(guided(net, scheduler, z, t, w), t, z, **extra).prev_sample
        z_bg = z0 if i == n - 1 else q(scheduler, z0, i + 1, blends[i - k])
        z = z_fg * maps[i - k] + z_bg * (1 - maps[i - k])
    return z


def ref_late(
    net: Net,
    scheduler: Any,
    k: int,
    *,
    z0: torch.Tensor,
    m: torch.Tensor,
    start: torch.Tensor,
    blends: Maps,
    w: float,
) -> torch.Tensor:
    """Section 4.2, "ref_sd2" and "ref_sdxl": they differ in `start`, the state before the first step, and in the scheduler."""
    z = start
    for i in range(k, len(scheduler.timesteps)):
        t = scheduler.timesteps[i]
        z = scheduler.step(guided(net, scheduler, z, t, w), t, z).prev_sample
        z = z * m + q(scheduler, z0, i, blends[i - k]) * (1 - m)
    return z


def ldm_list(steps: int) -> list[int]:
    """Section 2, from the top down."""
    c = 1000 // steps
    return [index + 1 for index in range(0, 1000, c)][::-1]


def ref_ldm(
    net: Net,
    scheduler: Any,
    k: int,
    *,
    z0: torch.Tensor,
    maps: Maps,
    initial: torch.Tensor,
    blends: Maps,
    w: float,
    fraction: float = 0.0,
    again: Callable[[torch.Tensor], torch.Tensor] | None = None,
    nets: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Sections 4.2 and 5. `scheduler`: DDIM with its timesteps set to `ldm_list`. `again`: a clean latent -> decoded, laid over the source,
    encoded. `nets`: (z, eps, t) -> the state after a DDIM step, instead of the scheduler's."""
    n = len(scheduler.timesteps)
    c = int((n - k) * (1 - fraction))
    z = q(scheduler, z0, k, initial)
    for i in range(k, n):
        t, r = scheduler.timesteps[i], i - k
        if r < c:
            z = q(scheduler, z0, i, blends[r]) * (1 - maps[r]) + z * maps[r]
        eps = guided(net, scheduler, z, t, w)
        alpha, sigma = levels(scheduler, i)
        x0 = (z - sigma * eps) / alpha
        z = scheduler.step(eps, t, z).prev_sample if nets is None else nets(z, eps, t)
        if r >= c:
            assert again is not None
            z = q(scheduler, again(x0), i, blends[r])
    return z


def ddim_by_hand(scheduler: Any, timesteps: Sequence[int]) -> Callable[..., torch.Tensor]:
    """Section 2's update with eta 0 over a descending list; the level after the last one is that of timestep 0."""
    kept = scheduler.alphas_cumprod.double()
    after = dict(zip(timesteps, [*timesteps[1:], 0], strict=True))

    def update(z: torch.Tensor, eps: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        now, then = kept[int(t)], kept[after[int(t)]]
        x0 = (z - (1 - now) ** 0.5 * eps) / now**0.5
        updated: torch.Tensor = then**0.5 * x0 + (1 - then) ** 0.5 * eps
        return updated.float()

    return update


def dilated(m: NDArray[Any], side: int) -> NDArray[np.float32]:
    """Binary dilation with an all-ones square; any value above 0 counts."""
    planes = torch.from_numpy((m > 0).astype(np.float32))[None, None]
    return torch.nn.functional.max_pool2d(planes, side, 1, side // 2)[0, 0].numpy()


def stack(m: NDArray[Any], d: int) -> list[NDArray[Any]]:
    """Section 6, from widest to exact: squares of side 3 + 2 j for j = D - 1 .. 0, then the mask itself."""
    return [*(dilated(m, 3 + 2 * j) for j in reversed(range(d))), m.astype(np.float32)]


def canonical_stages(n_run: int, d: int) -> list[int]:
    """Which mask of the stack is in force for each step."""
    k = min(d + 1, n_run)
    return [d + 1 - k + min(k - 1, k * r // n_run) for r in range(n_run)]


def ldm_stages(n_run: int, d: int) -> list[int]:
    return [r // (n_run // (d + 1) + 1) for r in range(n_run)]


def nearest(m: NDArray[Any]) -> NDArray[Any]:
    """Section 3.2: by a factor 8 it reads pixel 4 of each 8-pixel cell."""
    return np.ascontiguousarray(m[4::8, 4::8])


def ddim(config: Any, steps: int, offset: int) -> Any:
    """The scripts' DDIM with a checkpoint's noise levels and kind of prediction."""
    kept = {name: config[name] for name in ("beta_start", "beta_end", "beta_schedule", "prediction_type")}
    found = diffusers.DDIMScheduler(
        **kept, clip_sample=False, set_alpha_to_one=False, steps_offset=offset, timestep_spacing="leading"
    )
    found.set_timesteps(steps)
    return found


def euler(config: Any, steps: int) -> Any:
    """The SDXL checkpoint's Euler."""
    kept = {name: config[name] for name in ("beta_start", "beta_end", "beta_schedule", "prediction_type")}
    found = diffusers.EulerDiscreteScheduler(**kept, steps_offset=1, timestep_spacing="leading")
    found.set_timesteps(steps)
    return found
