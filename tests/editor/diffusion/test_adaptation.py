"""Named weights and LoRA on networks of every kind: what they compute, what is learned, and that nothing of them stays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from editor.diffusion.adaptation import Adaptation, Lora, adapted, trainable
from editor.diffusion.attention.control import AttentionControl
from editor.diffusion.attention.operations import Record, Scale, only
from editor.diffusion.evaluation import during, evaluated
from editor.errors import ModelUnavailable
from tests.editor.diffusion.attention_stage import NETWORKS, TOKENS, Network, inputs, network, predicted

LORA = Lora(rank=2, alpha=3.0)
LORAS: Mapping[Network, Lora] = {
    "sd": LORA,
    "sdxl": LORA,
    "kandinsky": Lora(2, 3.0, ("to_q", "add_k_proj", "add_v_proj", "to_out.0")),
    "sd3": Lora(2, 3.0, ("attn.to_q", "attn.add_v_proj", "attn2.to_v", "to_out.0")),
}
NAMES: Mapping[Network, tuple[str, ...]] = {
    "sd": ("attn2.to_k.weight", "attn2.to_v.weight"),
    "sdxl": ("attn2.to_k.weight", "attn2.to_out.0.bias"),
    "kandinsky": ("add_k_proj.weight", "conv_in.weight"),
    "sd3": ("attn.add_k_proj.weight", "attn2.to_v.weight"),
}


def whole(net: Any) -> tuple[Any, ...]:
    """A network to its last bit and object."""
    digest = hashlib.blake2b()
    for tensor in net.state_dict().values():
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    parts = [(name, id(module), module.training, sorted(module.__dict__)) for name, module in net.named_modules()]
    parameters = [
        (name, id(own), own.requires_grad, own.is_leaf and own.grad is None, own.dtype)
        for name, own in net.named_parameters()
    ]
    hooks = [len(module._forward_pre_hooks) + len(module._forward_hooks) for module in net.modules()]
    places = {name: id(processor) for name, processor in net.attn_processors.items()}
    return digest.digest(), parts, parameters, hooks, places, bytes(torch.random.get_rng_state().numpy())


def in_precision(net: Any, dtype: torch.dtype) -> Any:
    return torch.nn.Module.to(net, dtype)  # diffusers' own warns that some models keep parts in float32


def cast(given: Mapping[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    def one(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: one(inner) for name, inner in value.items()}
        return value.to(dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value

    return {name: one(value) for name, value in given.items()}


def moved(adaptation: Adaptation, seed: int = 5) -> Adaptation:
    """As if something had been learned."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for leaf in adaptation.parameters:
            leaf.add_(torch.randn(leaf.shape, generator=generator), alpha=0.3)
    return adaptation


def merged(net: Any, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """W + alpha / rank B A of every adapter, by the equation."""
    weights = {}
    for name, down in tensors.items():
        if name.endswith(".lora_A.weight"):
            module = name.removesuffix(".lora_A.weight")
            up, alpha = tensors[f"{module}.lora_B.weight"], tensors[f"{module}.alpha"]
            weights[f"{module}.weight"] = net.get_parameter(f"{module}.weight") + alpha / len(down) * up @ down
    return weights


@pytest.fixture(params=["lora", "names"])
def what(request: pytest.FixtureRequest) -> Any:
    return LORAS if request.param == "lora" else NAMES


@pytest.mark.parametrize("kind", NETWORKS)
def test_lora_adds_the_product_of_its_matrices(kind: Network) -> None:
    net, given = network(kind), inputs(kind)
    plain = predicted(net, given)
    learner = trainable(net, LORAS[kind])
    with learner:
        assert torch.equal(predicted(net, given), plain)  # B starts as zeros
    moved(learner)
    tensors = learner.tensors()
    state = {**net.state_dict(), **merged(net, tensors)}
    wanted = torch.func.functional_call(net, state, (), {**given, "return_dict": False})[0]
    for adaptation in (learner, adapted(net, tensors)):
        with adaptation:
            assert torch.allclose(predicted(net, given), wanted, atol=1e-5)
    assert not torch.allclose(wanted, plain, atol=1e-3)
    assert torch.equal(predicted(net, given), plain)


@pytest.mark.parametrize("kind", NETWORKS)
def test_named_weights_take_the_place_of_the_networks_own(kind: Network) -> None:
    net, given = network(kind), inputs(kind)
    plain = predicted(net, given)
    tensors = moved(trainable(net, NAMES[kind])).tensors()
    ends = tuple(f".{name}" for name in NAMES[kind])
    assert set(tensors) == {name for name, _ in net.named_parameters() if f".{name}".endswith(ends)}
    wanted = torch.func.functional_call(net, {**net.state_dict(), **tensors}, (), {**given, "return_dict": False})[0]
    with adapted(net, tensors):
        assert torch.equal(predicted(net, given), wanted)
    assert torch.equal(predicted(net, given), plain)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_of_what_is_learned_and_of_nothing_else(kind: Network, dtype: torch.dtype, what: Any) -> None:
    """Float32 leaves get the gradients that autograd finds for the weights themselves; the network gets none."""
    net, given = in_precision(network(kind), dtype), cast(inputs(kind), dtype)
    before = whole(net)
    learner = moved(trainable(net, what[kind]))
    with learner:
        output = predicted(net, given)
        assert output.dtype == dtype
        loss = output.float().square().mean()
        gradients = torch.autograd.grad(loss, learner.parameters)
        assert [
            name for name, parameter in net.named_parameters() if parameter.is_leaf and parameter.requires_grad
        ] == [
            name for name, parameter in net.named_parameters() if any(parameter is leaf for leaf in learner.parameters)
        ]
    assert {leaf.dtype for leaf in learner.parameters} == {torch.float32}
    assert all(gradient.isfinite().all() and gradient.abs().max() > 0 for gradient in gradients)
    assert whole(net) == before
    if what is NAMES or dtype == torch.float32:
        state = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
        leaves = learner.tensors()
        if what is NAMES:
            leaves = {name: tensor.to(dtype) for name, tensor in leaves.items()}
        leaves = {name: tensor.requires_grad_(not name.endswith("alpha")) for name, tensor in leaves.items()}
        state |= merged(net, leaves) if what is LORAS else leaves
        output = torch.func.functional_call(net, state, (), {**given, "return_dict": False})[0]
        wanted_of = [tensor for tensor in leaves.values() if tensor.requires_grad]
        wanted = torch.autograd.grad(output.float().square().mean(), wanted_of)
        for gradient, expected in zip(gradients, wanted, strict=True):
            assert torch.allclose(gradient, expected.float(), rtol=1e-3, atol=1e-6)


def test_leaves_that_an_optimiser_moves_count_at_once_in_a_half_precision_network() -> None:
    net, given = in_precision(network("sd"), torch.bfloat16), cast(inputs("sd"), torch.bfloat16)
    with torch.no_grad(), trainable(net, NAMES["sd"]) as learner:
        first = predicted(net, given)
        moved(learner)
        second = predicted(net, given)
    assert not torch.equal(first, second)
    with torch.no_grad(), adapted(net, learner.tensors()):
        assert torch.equal(predicted(net, given), second)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_was_learned_survives_a_file(dtype: torch.dtype, what: Any, tmp_path: Path) -> None:
    net, given = in_precision(network("sdxl"), dtype), cast(inputs("sdxl"), dtype)
    learner = moved(trainable(net, what["sdxl"]))
    with torch.no_grad(), learner:
        wanted = predicted(net, given)
    save_file(learner.tensors(), tmp_path / "learned.safetensors")
    tensors = load_file(tmp_path / "learned.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    with torch.no_grad(), adapted(net, tensors) as again:
        assert torch.equal(predicted(net, given), wanted)
        assert {name: tensor.tolist() for name, tensor in again.tensors().items()} == {
            name: tensor.to(dtype if what is NAMES else torch.float32).tolist() for name, tensor in tensors.items()
        }


def test_learning_goes_on_from_what_was_learned(what: Any) -> None:
    """Half the steps, another start with what they left, the other half: as in one go, with an optimiser that keeps nothing."""
    net, given = network("sd"), inputs("sd")
    with torch.no_grad():
        wanted = predicted(net, given) + 0.5

    def learn(learner: Adaptation, steps: int) -> dict[str, torch.Tensor]:
        optimiser = torch.optim.SGD(learner.parameters, lr=0.1)
        for _ in range(steps):
            optimiser.zero_grad()
            loss = evaluated(lambda: (predicted(net, given) - wanted).square().mean(), learner.parameters, learner)
            torch.autograd.backward(loss())
            optimiser.step()
        return learner.tensors()

    whole_way = learn(trainable(net, what["sd"], 1), 4)
    again = trainable(net, what["sd"], 2)
    again.load(learn(trainable(net, what["sd"], 1), 2))
    resumed = learn(again, 2)
    assert whole_way.keys() == resumed.keys()
    assert all(torch.equal(whole_way[name], resumed[name]) for name in whole_way)
    first = next(iter(resumed))
    with pytest.raises(ValueError, match="something else: "):
        again.load({name: tensor for name, tensor in resumed.items() if name != first})
    with pytest.raises(ValueError, match="is "):
        again.load({**resumed, first: torch.zeros(1, 1)})


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_network_is_put_back_after_success_error_and_cancel(kind: Network, what: Any) -> None:
    net, given = network(kind), inputs(kind)
    net.requires_grad_(True)
    next(net.parameters()).requires_grad_(False)
    before = whole(net)
    learner = trainable(net, what[kind])
    assert whole(net) == before  # to prepare alters nothing, torch's random numbers included
    fixed = adapted(net, learner.tensors())
    assert whole(net) == before
    for adaptation in (learner, fixed):
        with adaptation:
            predicted(net, given)
            assert whole(net) != before
        assert whole(net) == before
        with pytest.raises(ZeroDivisionError), adaptation:
            raise ZeroDivisionError
        assert whole(net) == before

        def job(adaptation: Adaptation = adaptation) -> Generator[int, None, None]:
            with adaptation:
                for step in range(3):
                    predicted(net, given)
                    yield step

        running = job()
        next(running)
        assert whole(net) != before
        running.close()
        assert whole(net) == before


def test_the_noise_of_adapters_is_that_of_the_seed() -> None:
    net = network("sd")
    one, same, other = (trainable(net, LORA, seed).tensors() for seed in (1, 1, 2))
    downs = [name for name in one if name.endswith("lora_A.weight")]
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in downs)
    noise = torch.cat([one[name].flatten() for name in downs])
    assert abs(noise.std().item() - 1 / LORA.rank) < 0.05
    assert all((one[name] == 0).all() for name in one if name.endswith("lora_B.weight"))


def test_names_and_shapes_that_do_not_fit_are_refused() -> None:
    net = network("sd")
    before = whole(net)
    tensors = trainable(net, LORA).tensors()
    first = next(iter(tensors)).removesuffix(".lora_A.weight")
    for wrong, said in (
        ({"conv_in.weights": torch.zeros(1)}, "no parameter conv_in.weights"),
        ({"conv_in.bias": torch.zeros(3)}, "conv_in.bias is"),
        (
            {"elsewhere.lora_A.weight": torch.zeros(2, 8), "elsewhere.lora_B.weight": torch.zeros(8, 2)},
            "lacks a module",
        ),
        ({f"{first}.lora_A.weight": torch.zeros(2, 8)}, "half of the adapter"),
        (
            {f"{first}.lora_A.weight": torch.zeros(2, 5), f"{first}.lora_B.weight": torch.zeros(8, 2)},
            "lora_A.weight is",
        ),
    ):
        with pytest.raises(ValueError, match=said):
            adapted(net, wrong)
    for nothing in (["attn3.to_k.weight"], ["attn2.to_k.weight", "attn3.to_k.weight"], [], Lora(targets=("to_w",))):
        with pytest.raises(ValueError, match="nothing in this network"):
            trainable(net, nothing)
    assert whole(net) == before


def test_adapters_of_different_rank_and_of_convolutions() -> None:
    net, given = network("sd"), inputs("sd")
    narrow = moved(trainable(net, Lora(1, 1.0, ("attn2.to_q",)))).tensors()
    wide = moved(trainable(net, Lora(3, 6.0, ("attn1.to_q",))), 6).tensors()
    state = {**net.state_dict(), **merged(net, narrow), **merged(net, wide)}
    wanted = torch.func.functional_call(net, state, (), {**given, "return_dict": False})[0]
    with adapted(net, {**narrow, **wide}):
        assert torch.allclose(predicted(net, given), wanted, atol=1e-5)
    convolution = moved(trainable(net, Lora(2, 2.0, ("conv_in",))))
    with convolution:
        changed = predicted(net, given)
    with adapted(net, convolution.tensors()):
        assert torch.equal(predicted(net, given), changed)
    assert not torch.equal(predicted(net, given), changed)


def test_an_adaptation_may_be_entered_again_but_not_twice() -> None:
    net, given = network("sd"), inputs("sd")
    adaptation = adapted(net, moved(trainable(net, LORA)).tensors())
    outputs = []
    for _ in range(2):
        with adaptation:
            outputs.append(predicted(net, given))
            with pytest.raises(RuntimeError, match="adapted already"), trainable(net, NAMES["sd"]):
                pass
    assert torch.equal(*outputs)


def test_a_network_with_adapters_of_its_own_is_refused() -> None:
    net = network("sd")
    net.add_adapter(LoraConfig(r=2, target_modules=["to_q"]))  # as diffusers' own loaders of LoRA do
    with pytest.raises(RuntimeError, match="adapters of its own"):
        trainable(net, LORA)
    with pytest.raises(RuntimeError, match="adapters of its own"):
        adapted(net, {"conv_in.bias": torch.zeros(8)})


def test_weights_that_lie_elsewhere_are_refused() -> None:
    net = network("sd").to("meta")
    for what in (LORA, NAMES["sd"]):
        with pytest.raises(ModelUnavailable, match="layer by layer"):
            trainable(net, what)


def learning(loss: Callable[[], torch.Tensor], parameters: Sequence[torch.Tensor]) -> Iterator[float]:
    """Eight steps of Adam, each followed by a report."""
    optimiser = torch.optim.Adam(parameters, lr=0.02)
    for _ in range(8):
        optimiser.zero_grad()
        value = loss()
        torch.autograd.backward(value)
        optimiser.step()
        yield value.item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_between_two_reports_the_network_is_the_plain_one(dtype: torch.dtype, what: Any) -> None:
    net, given = in_precision(network("sd"), dtype), cast(inputs("sd"), dtype)
    before = whole(net)
    with torch.no_grad():
        wanted = predicted(net, given) + 0.5
    learner = trainable(net, what["sd"])
    record = Record(where=only("cross", places=("mid",)))
    control = AttentionControl(net, [Scale(weights=torch.linspace(0.5, 2, TOKENS)), record])

    def loss() -> torch.Tensor:
        assert whole(net) != before
        return (predicted(net, given) - wanted).float().square().mean()

    losses = []
    for value in learning(evaluated(loss, learner.parameters, learner, control), learner.parameters):
        assert whole(net) == before
        losses.append(value)
    assert losses[-1] < 0.9 * losses[0]
    # The same in one `with` around everything.
    again = trainable(net, what["sd"])
    with again, control:
        assert list(learning(loss, again.parameters)) == pytest.approx(losses, rel=1e-5)


def test_evaluated_gradients_are_those_of_checkpointed_blocks_too() -> None:
    net, given = network("sd"), inputs("sd")
    learner = moved(trainable(net, LORA))
    gradients = []
    for checkpoints in (False, True):
        (net.enable_gradient_checkpointing if checkpoints else net.disable_gradient_checkpointing)()
        loss = evaluated(lambda: predicted(net, given).square().mean(), learner.parameters, learner)
        for leaf in learner.parameters:
            leaf.grad = None
        for _ in range(2):  # they add up, as elsewhere
            torch.autograd.backward(3 * loss())
        gradients.append([leaf.grad.clone() for leaf in learner.parameters if leaf.grad is not None])
    net.disable_gradient_checkpointing()
    with learner:
        wanted = torch.autograd.grad(predicted(net, given).square().mean(), learner.parameters)
    for by_loss in gradients:
        assert len(by_loss) == len(wanted)
        for gradient, expected in zip(by_loss, wanted, strict=True):
            assert torch.allclose(gradient, 6 * expected, rtol=1e-3, atol=1e-6)
    with torch.no_grad():
        assert not loss().requires_grad


def test_a_parameter_that_the_loss_does_not_reach_gets_no_gradient() -> None:
    used, idle = (torch.ones(2, requires_grad=True) for _ in range(2))
    torch.autograd.backward(evaluated(lambda: used[1] + 0, [used, idle])())
    assert used.grad is not None
    assert used.grad.tolist() == [0, 1]
    assert idle.grad is None


def test_contexts_of_a_call_are_left_when_it_fails_and_when_one_does_not_open() -> None:
    net, given = network("sd"), inputs("sd")
    before = whole(net)
    adaptation = adapted(net, moved(trainable(net, LORA)).tensors())
    call = during(lambda: predicted(net, given), adaptation)
    with adaptation:
        wanted = predicted(net, given)
    assert torch.equal(call(), wanted)
    assert whole(net) == before

    def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        during(fails, adaptation)()
    with pytest.raises(RuntimeError, match="adapted already"):
        during(fails, adaptation, adapted(net, {"conv_in.bias": torch.zeros(8)}))()
    assert whole(net) == before
