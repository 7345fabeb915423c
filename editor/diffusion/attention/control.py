"""Attention control of a network: its own processors stay at work, and only the attention between their projections is done otherwise.

A processor projects queries, keys and values, normalises and rotates them as its family does, calls `scaled_dot_product_attention` once, and
projects the output. That one call is caught, by a mode of torch that reaches no further than this processor in this thread; so a control needs to
know nothing of families. Layers that no operation wants are left to the fused attention of their processor, untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from editor.diffusion.attention.operations import Operation
from editor.diffusion.attention.sites import BatchLayout, Call, Grid, Layer, Site, attention_layers, entry_grid

_CONTROL = "_palimpsest_attention_control"  # where a network carries the control that is on


class AttentionControl:
    """A `with` in which operations act on a network's attention; its processors are put back afterwards, on errors and cancel too.

    It is made once and may be entered as often as wanted, which is cheap, but not twice at a time: one network has one control, of as many
    operations as wanted. What is checkpointed runs again on the way back, so gradients belong inside the `with` as well, and those of calls at
    several steps are taken one by one (`evaluated` sees to the first).
    """

    def __init__(
        self,
        network: torch.nn.Module,
        operations: Operation | Sequence[Operation],
        rows: BatchLayout | None = None,
        grid: Grid | None = None,
    ) -> None:
        """
        network: of diffusers, a U-Net or a transformer.
        operations: what to do, in this order.
        rows: layout of the batches that it will be called with, unless `begin` says another; one unnamed branch without it.
        grid: (h, w) of the picture's tokens, for networks that take latents packed into a sequence.
        """
        self._network = network
        self._operations = (operations,) if isinstance(operations, Operation) else tuple(operations)
        self._rows = self.rows = rows or BatchLayout()
        self.step: int | None = None
        self._given_grid = grid
        layers = attention_layers(network) if self._operations else ()
        self._processors = [_Processor(layer, self) for layer in layers]
        self._sites: dict[Grid, list[Site]] = {}
        self._grid: Grid | None = None
        self._hook: Any = None

    def begin(self, step: int | None, rows: BatchLayout | None = None) -> None:
        """Says which sampling step (absolute index) the next calls of the network belong to, and how their batch is laid out."""
        self.step = step
        self.rows = rows or self._rows

    def sites(self, grid: Grid) -> tuple[Site, ...]:
        """All attention sites for a token grid (h, w) at the network's entry."""
        if grid not in self._sites:
            self._sites[grid] = [processor.layer.site(grid) for processor in self._processors]
        return tuple(self._sites[grid])

    def __enter__(self) -> AttentionControl:
        if _CONTROL in self._network.__dict__:
            raise RuntimeError(
                "the attention of this network is under control already; give one control all operations"
            )
        self._network.__dict__[_CONTROL] = self
        try:
            if self._processors:
                self._hook = self._network.register_forward_pre_hook(self._entered, with_kwargs=True)
            for processor in self._processors:
                processor.install()
        except BaseException:
            self._restore()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _restore(self) -> None:
        for processor in self._processors:
            processor.uninstall()
        if self._hook is not None:
            self._hook.remove()
            self._hook = None
        self._network.__dict__.pop(_CONTROL, None)

    def _entered(self, network: torch.nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        """The network is called: from the size of its latents follow the grids of all sites."""
        grid = self._given_grid
        if grid is None:
            latents = given[0] if given else named["sample" if "sample" in named else "hidden_states"]
            grid = entry_grid(network, latents)
        if grid != self._grid:
            for processor, site in zip(self._processors, self.sites(grid), strict=True):
                processor.site = site
                processor.operations = tuple(operation for operation in self._operations if operation.wants(site))
            self._grid = grid


def begin(network: torch.nn.Module, step: int | None, rows: BatchLayout | None = None) -> None:
    """Tells the control that is on at a network, if any, which step comes: for whoever calls the network."""
    control: AttentionControl | None = network.__dict__.get(_CONTROL)
    if control is not None:
        control.begin(step, rows)


class _Processor:
    """Stands in for one attention layer's own processor."""

    def __init__(self, layer: Layer, control: AttentionControl) -> None:
        self.layer = layer
        self.site: Site | None = None
        self.operations: tuple[Operation, ...] = ()
        self._control = control
        self._own: Any = None

    def install(self) -> None:
        self._own = self.layer.module.get_processor()
        # diffusers reads the names of arguments from here; calls go to the class.
        self.__dict__["__call__"] = self._own.__call__
        self._put(self)

    def uninstall(self) -> None:
        if self._own is not None:
            self._put(self._own)
            self._own = None

    def _put(self, processor: Any) -> None:
        module = self.layer.module
        if isinstance(self._own, torch.nn.Module):
            module.set_processor(processor)
        else:
            module.__dict__["processor"] = (
                processor  # what that comes to, without a module's checks: a step has hundreds
            )

    def __call__(self, module: Any, *given: Any, **named: Any) -> Any:
        if not self.operations:
            return self._own(module, *given, **named)
        step = self._control.step
        acting = [operation for operation in self.operations if operation.acts(step)]
        if not acting or self.site is None:
            return self._own(module, *given, **named)
        core = _Core(self.site, acting, step, self._control.rows)
        hook = core.watch_values(module)
        try:
            with core:
                output = self._own(module, *given, **named)
        finally:
            if hook is not None:
                hook.remove()
        if core.calls != 1:
            kind = type(self._own).__name__
            raise RuntimeError(f"{kind} at {self.site.name} attends {core.calls} times, which cannot be controlled")
        return output


class _Core(TorchFunctionMode):
    """Attention of one call of one site."""

    def __init__(self, site: Site, operations: Sequence[Operation], step: int | None, rows: BatchLayout) -> None:
        super().__init__()
        self.calls = 0
        self._site, self._operations, self._step, self._rows = site, operations, step, rows

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is functional.scaled_dot_product_attention:
            self.calls += 1
            return self._attend(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def watch_values(self, module: Any) -> Any:
        """A hook on what the values of text tokens are projected from; None where no operation changes that."""
        if all(type(operation).values is Operation.values for operation in self._operations):
            return None
        added = getattr(module, "added_kv_proj_dim", None) is not None
        projection = getattr(module, "add_v_proj" if added else "to_v", None)
        if (
            projection is None
            or getattr(module, "fused_projections", False)
            or (self._site.kind == "joint" and not added)
        ):
            raise RuntimeError(f"{self._site.name} has no projection of the text's values alone")

        def other(_: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
            context = given[0]
            for operation in self._operations:
                context = operation.values(self._call(len(context)), context)
            return (context, *given[1:])

        return projection.register_forward_pre_hook(other)

    def _call(self, batch: int) -> Call:
        return Call(self._site, self._step, self._rows, batch)

    def _attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        *,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> torch.Tensor:
        if dropout_p or is_causal:
            raise RuntimeError(f"{self._site.name} has dropout or is causal, which cannot be controlled")
        call, queries, keys = self._call(len(query)), query.shape[-2], key.shape[-2]
        self._site.spans(queries, keys)
        mask = attn_mask
        for operation in self._operations:
            allowed = operation.allowed(call, queries, keys, query.device)
            if allowed is not None:
                mask = _masked(mask, allowed)
        if not any(operation.explicit for operation in self._operations):
            return functional.scaled_dot_product_attention(
                query, key, value, attn_mask=mask, scale=scale, enable_gqa=enable_gqa
            )
        if enable_gqa:
            shared_by = query.shape[1] // key.shape[1]
            key, value = key.repeat_interleave(shared_by, dim=1), value.repeat_interleave(shared_by, dim=1)
        probabilities = attention_probabilities(query, key, mask, scale)
        for operation in self._operations:
            probabilities = operation.changed(call, probabilities)
        return probabilities.to(value.dtype) @ value


def attention_probabilities(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None = None, scale: float | None = None
) -> torch.Tensor:
    """softmax(scale q k^T + mask), (..., queries, keys) float32; `mask` is added, or says with True what may be read. `scale`: 1 / sqrt(width)."""
    scores = (query.float() @ key.float().transpose(-1, -2)) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(-1)


def _masked(mask: torch.Tensor | None, allowed: torch.Tensor) -> torch.Tensor:
    """Both masks at once."""
    if mask is None:
        return allowed
    return mask & allowed if mask.dtype == torch.bool else mask.masked_fill(~allowed, -torch.inf)
