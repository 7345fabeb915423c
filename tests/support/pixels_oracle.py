"""The published algorithm, written straight down from its description, over raw diffusers parts.

It shares nothing with the implementation: no loop, blending, guidance, schedule or noising of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Net = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def q(scheduler: Any, z: torch.Tensor, place: int, e: torch.Tensor) -> Any:
    """z at the level of the timestep at `place` of the whole schedule; section 3's closed forms."""
    name = type(scheduler).__name__
    if name.startswith("Euler"):
        return z + scheduler.sigmas[place] * e
    if "Multistep" in name:
        alpha = 1 / (scheduler.sigmas[place] ** 2 + 1) ** 0.5
        return alpha * z + scheduler.sigmas[place] * alpha * e
    kept = scheduler.alphas_cumprod[int(scheduler.timesteps[place])]
    return kept**0.5 * z + (1 - kept) ** 0.5 * e


def pixels(
    net: Net,
    scheduler: Any,
    places: range,
    *,
    lat_s: torch.Tensor,
    lat_e: torch.Tensor,
    m: torch.Tensor,
    e_s: torch.Tensor,
    e_e: torch.Tensor,
    guidance: float,
    generator: torch.Generator | None = None,
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The final latents, and what the network saw at every step. `m`: (1, 1, h, w), 1 keeps. `places`: which steps of the schedule run.

    `net`: (latents of twice the batch, negative half first, t) -> prediction. With lat_e = lat_s and e_e = e_s it is Differential Diffusion.
    """
    x, seen, extra = lat_e, [], {} if generator is None else {"generator": generator}
    for i, place in enumerate(places):
        t = scheduler.timesteps[place]
        hold = m > torch.tensor(i, dtype=torch.float32) / len(places) + 1e-6  # the map has been turned round twice
        base = q(scheduler, lat_e, place, e_e) if i == 0 else x
        x = torch.where(hold, q(scheduler, lat_s, place, e_s), base)
        seen.append(scheduler.scale_model_input(x, t))
        negative, positive = net(torch.cat([seen[-1]] * 2), t).chunk(2)
        eps = negative[:, :4] + guidance * (positive[:, :4] - negative[:, :4])
        if type(scheduler).__name__ == "DDPMScheduler":  # Kandinsky's, with learned variances
            eps = torch.cat([eps, positive[:, 4:]], 1)
        x = scheduler.step(eps, t, x, **extra).prev_sample
    return x, seen
