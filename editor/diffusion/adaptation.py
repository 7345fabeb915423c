"""Adaptation of a borrowed network: named weights in the place of its own, and LoRA adapters beside them, only while a `with` lasts.

What was learned is a mapping of names to tensors, as safetensors keeps it: a parameter's own name for a weight that takes its place;
`<module>.lora_A.weight`, `<module>.lora_B.weight` and `<module>.alpha` for an adapter of a module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from diffusers.utils.torch_utils import get_module_execution_device
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from editor.errors import ModelUnavailable

Weights = Mapping[str, torch.Tensor]
_ADAPTATION = "_palimpsest_adaptation"  # where a network carries the adaptation that is on
_ADAPTER = "learned"  # its name, to peft
_DOWN, _UP, _ALPHA = ".lora_A.weight", ".lora_B.weight", ".alpha"


@dataclass(frozen=True, slots=True)
class Lora:
    """Low-rank adapters to learn: W + alpha / rank B A (Hu et al., arXiv 2106.09685). A starts as Gaussian noise, B as zeros.

    rank: of each.
    alpha: how strongly they act, in units of `rank`.
    targets: modules, by name or by how their names end ("attn2.to_v").
    """

    rank: int = 4
    alpha: float = 4.0
    targets: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0")


class Adaptation:
    """A `with` in which a network has other weights; afterwards it has its own objects back, on errors and cancel too.

    It may be entered as often as wanted, which is cheap, but not twice at a time.

    parameters: float32 leaves to optimise, whatever the network's own precision; empty where nothing is to be learned.
    """

    def __init__(
        self, network: nn.Module, weights: Sequence[_Weight], adapters: Sequence[_Adapter], *, learns: bool
    ) -> None:
        """Made by `adapted` and `trainable`."""
        self._network, self._weights, self._adapters, self._learns = network, weights, adapters, learns
        leaves = [weight.leaf for weight in weights]
        leaves += [half for adapter in adapters for half in (adapter.down, adapter.up)]
        self.parameters: tuple[nn.Parameter, ...] = tuple(leaves) if learns else ()
        self._own = list(network.parameters()) if learns else []
        self._wanted: list[nn.Parameter] = []  # those of the network's own that had gradients
        self._hook: Any = None

    def tensors(self) -> dict[str, torch.Tensor]:
        """What the network has now in place of its own, or beside it: copies, float32 where it was learned, on the processor."""
        named: dict[str, torch.Tensor] = {weight.name: weight.leaf for weight in self._weights}
        for adapter in self._adapters:
            named |= {adapter.name + _DOWN: adapter.down, adapter.name + _UP: adapter.up}
            named[adapter.name + _ALPHA] = torch.tensor(adapter.alpha)
        return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in named.items()}

    def load(self, tensors: Weights) -> None:
        """Goes on from what an earlier one had learned. Raises ValueError where it learned something else."""
        leaves = {weight.name: weight.leaf for weight in self._weights}
        for adapter in self._adapters:
            leaves |= {adapter.name + _DOWN: adapter.down, adapter.name + _UP: adapter.up}
        alphas = {adapter.name + _ALPHA: adapter.alpha for adapter in self._adapters}
        names = leaves.keys() | alphas.keys()
        if tensors.keys() != names or any(float(tensors[name]) != alpha for name, alpha in alphas.items()):
            raise ValueError(
                f"these tensors are of something else: {', '.join(sorted(tensors.keys() ^ names)) or 'alpha'}"
            )
        for name, leaf in leaves.items():
            _fill(name, leaf, tensors[name])

    def __enter__(self) -> Adaptation:
        if _ADAPTATION in self._network.__dict__:
            raise _already()
        self._network.__dict__[_ADAPTATION] = self
        try:
            if self._learns:
                self._wanted = [own for own in self._own if own.requires_grad]
                for own in self._wanted:
                    own.requires_grad_(False)
            for adapter in self._adapters:
                adapter.install()
            self._place()
            if any(weight.casts for weight in self._weights):
                # Between two calls an optimiser may have moved the leaves.
                self._hook = self._network.register_forward_pre_hook(lambda network, given: self._place())
        except BaseException:
            self._restore()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _place(self) -> None:
        for weight in self._weights:
            weight.install()

    def _restore(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None
        for weight in self._weights:
            weight.uninstall()
        for adapter in self._adapters:
            adapter.uninstall()
        for own in self._wanted:
            own.requires_grad_(True)
        self._wanted = []
        self._network.__dict__.pop(_ADAPTATION, None)


def adapted(network: nn.Module, weights: Weights) -> Adaptation:
    """A network with what was learned. Raises ValueError where a name or a shape is not one of the network's."""
    _refuse_altered(network)
    weights = dict(weights)
    modules = [name.removesuffix(_DOWN) for name in weights if name.endswith(_DOWN)]
    adapters = []
    if modules:
        parts = {module: [weights.pop(module + end, None) for end in (_DOWN, _UP, _ALPHA)] for module in modules}
        missing = [module for module, (_, up, _) in parts.items() if up is None]
        if missing:
            raise ValueError(f"half of the adapter is missing of {', '.join(missing)}")
        shapes = {
            module: (len(down), len(down) if alpha is None else float(alpha))
            for module, (down, _, alpha) in parts.items()
            if down is not None
        }
        adapters = _inject(network, shapes)
        for adapter in adapters:
            down, up, _ = parts[adapter.name]
            _fill(adapter.name + _DOWN, adapter.down, down)
            _fill(adapter.name + _UP, adapter.up, up)
            adapter.requires_grad_(False)
    named, device = [], get_module_execution_device(network)
    for name, tensor in weights.items():
        module, own = _parameter(network, name)
        if own.shape != tensor.shape:
            raise ValueError(f"{name} is {tuple(own.shape)}, not {tuple(tensor.shape)}")
        instead = nn.Parameter(tensor.detach().to(device, own.dtype), requires_grad=False)
        named.append(_Weight(name, module, own, instead))
    return Adaptation(network, named, adapters, learns=False)


def trainable(network: nn.Module, what: Sequence[str] | Lora, seed: int = 0) -> Adaptation:
    """A network of which some weights, or adapters beside them, are to be learned; all else is frozen while it is on.

    what: names of parameters, or how they end ("attn2.to_k.weight"); or adapters.
    seed: of the noise that adapters start from.

    Raises ValueError where something matches nothing.
    """
    _refuse_altered(network)
    if isinstance(what, Lora):
        names = [name for name, module in network.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
        adapters = _inject(network, dict.fromkeys(_matching(names, what.targets), (what.rank, what.alpha)))
        generator = torch.Generator().manual_seed(seed)
        for adapter in adapters:
            noise = torch.randn(adapter.down.shape, generator=generator) / what.rank
            _fill(adapter.name + _DOWN, adapter.down, noise)
            nn.init.zeros_(adapter.up)
            adapter.requires_grad_(True)
        return Adaptation(network, (), adapters, learns=True)
    weights, device = [], get_module_execution_device(network)
    for name in _matching([name for name, _ in network.named_parameters()], what):
        module, own = _parameter(network, name)
        weights.append(_Weight(name, module, own, nn.Parameter(own.detach().to(device, torch.float32, copy=True))))
    return Adaptation(network, weights, (), learns=True)


class _Weight:
    """One parameter of a network, and what takes its place: a leaf, in the network's precision or a wider one."""

    def __init__(self, name: str, module: nn.Module, own: nn.Parameter, leaf: nn.Parameter) -> None:
        self.name, self.own, self.leaf = name, own, leaf
        self._module, self._attribute = module, name.rpartition(".")[2]

    @property
    def casts(self) -> bool:
        return self.leaf.dtype != self.own.dtype

    def install(self) -> None:
        # Past `__setattr__`, which takes no tensor that was computed, as one in the network's precision is.
        parameters: dict[str, Any] = self._module._parameters
        parameters[self._attribute] = self.leaf.to(self.own.dtype) if self.casts else self.leaf

    def uninstall(self) -> None:
        self._module._parameters[self._attribute] = self.own


class _Adapter:
    """One module of a network, and peft's wrapper around it."""

    def __init__(self, name: str, parent: nn.Module, own: nn.Module, wrapper: Any, alpha: float) -> None:
        self.name, self.alpha = name, alpha
        self._parent, self._child = parent, name.rpartition(".")[2]
        self._own, self._wrapper = own, wrapper

    @property
    def down(self) -> nn.Parameter:
        weight: nn.Parameter = self._wrapper.lora_A[_ADAPTER].weight
        return weight

    @property
    def up(self) -> nn.Parameter:
        weight: nn.Parameter = self._wrapper.lora_B[_ADAPTER].weight
        return weight

    def requires_grad_(self, wanted: bool) -> None:
        self.down.requires_grad_(wanted)
        self.up.requires_grad_(wanted)

    def install(self) -> None:
        self._parent._modules[self._child] = self._wrapper

    def uninstall(self) -> None:
        self._parent._modules[self._child] = self._own


def _matching(names: Sequence[str], ends: Sequence[str]) -> list[str]:
    """Names that are one of `ends`, or end in a dot and one of them."""
    matches = [name for name in names if any(f".{name}".endswith(f".{end}") for end in ends)]
    idle = [end for end in ends if not any(f".{name}".endswith(f".{end}") for name in matches)]
    if idle or not matches:
        raise ValueError(f"nothing in this network is called {', '.join(idle) or 'nothing'}")
    return matches


def _parameter(network: nn.Module, name: str) -> tuple[nn.Module, nn.Parameter]:
    """A parameter, and the module that it stands in."""
    try:
        own = network.get_parameter(name)
    except AttributeError as error:
        raise ValueError(f"this network has no parameter {name}") from error
    _refuse_elsewhere(own)
    return network.get_submodule(name.rpartition(".")[0]), own


def _fill(name: str, parameter: nn.Parameter, tensor: torch.Tensor | None) -> None:
    if tensor is None or tensor.shape != parameter.shape:
        shape = None if tensor is None else tuple(tensor.shape)
        raise ValueError(f"{name} is {tuple(parameter.shape)}, not {shape}")
    with torch.no_grad():
        parameter.copy_(tensor)


def _inject(network: nn.Module, shapes: Mapping[str, tuple[int, float]]) -> list[_Adapter]:
    """Adapters of modules, by name with rank and alpha; the network is left as it was, they are put in later.

    Random numbers are drawn by peft, and not used; torch's own generator goes on as if they had not been.
    """
    try:
        own = {name: network.get_submodule(name) for name in shapes}
    except AttributeError as error:
        raise ValueError(f"this network lacks a module that an adapter is for: {error}") from error
    for parameter in network.parameters():
        _refuse_elsewhere(parameter)
    parents = {name: network.get_submodule(name.rpartition(".")[0]) for name in shapes}
    wanted = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    device = get_module_execution_device(network)
    adapters = []
    # Those of one shape at a time: peft looks for the shape of every module among patterns of all, which takes seconds.
    for rank, alpha in dict.fromkeys(shapes.values()):
        names = [name for name, shape in shapes.items() if shape == (rank, alpha)]
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=names)
        try:
            with torch.random.fork_rng(devices=[]):
                inject_adapter_in_model(config, network, _ADAPTER)
            wrappers: list[Any] = [network.get_submodule(name) for name in names]
        finally:
            for name in names:
                parents[name]._modules[name.rpartition(".")[2]] = own[name]
            network.__dict__.pop("peft_config", None)
            for parameter, before in wanted:
                parameter.requires_grad_(before)
        for name, wrapper in zip(names, wrappers, strict=True):
            for half in (wrapper.lora_A, wrapper.lora_B):
                half.to(device, torch.float32)  # peft takes the module's own, which may wait elsewhere for its turn
            adapters.append(_Adapter(name, parents[name], own[name], wrapper, alpha))
    return adapters


def _refuse_altered(network: nn.Module) -> None:
    if _ADAPTATION in network.__dict__:
        raise _already()
    if any(isinstance(module, BaseTunerLayer) for module in network.modules()):
        raise RuntimeError("this network carries adapters of its own")


def _already() -> RuntimeError:
    return RuntimeError("this network is adapted already; put all tensors into one mapping")


def _refuse_elsewhere(parameter: torch.Tensor) -> None:
    if parameter.is_meta:
        raise ModelUnavailable(
            "This model is too large for the graphics card and is brought there layer by layer, so nothing can be added to it.",
            "Use a smaller model, or a card with more memory.",
        )
