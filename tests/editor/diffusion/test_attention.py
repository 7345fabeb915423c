"""Attention control, against attention that is written out from its equation: on a U-Net of every kind and on joint attention."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from editor.diffusion.attention.control import AttentionControl, attention_probabilities, begin
from editor.diffusion.attention.label_grid import labels_on_grid
from editor.diffusion.attention.operations import (
    SHARED,
    Group,
    Operation,
    Record,
    Replace,
    Scale,
    ValueInput,
    only,
)
from editor.diffusion.attention.sites import BatchLayout, Call, Site
from editor.errors import OutOfMemory
from tests.editor.diffusion.attention_stage import (
    NETWORKS,
    SIZE,
    TOKENS,
    WITH_TEXT,
    Network,
    grid_of,
    inputs,
    network,
    predicted,
    weights,
    written_out,
)
from tests.support import tiny_models

GUIDED = BatchLayout(("negative", "positive"), ("source", "target"))
BY_ITSELF = Replace(compute=lambda call, own, source: own)
# The left part of the picture is item 0, the right part item 1; the last token belongs to both.
LABELS = np.zeros((80, 48), np.int16)
LABELS[:, 20:] = 1
OWNERS = torch.tensor([0, 0, 0, 1, 1, 1, SHARED])


@pytest.fixture(autouse=True)
def no_gradients(request: pytest.FixtureRequest) -> Iterator[None]:
    with torch.set_grad_enabled("gradient" in request.node.name or "checkpoint" in request.node.name):
        yield


def controlled(
    net: Any, operations: Any, given: Any, rows: BatchLayout | None = None, step: int | None = None
) -> torch.Tensor:
    control = AttentionControl(net, operations, rows)
    control.begin(step)
    with control:
        return predicted(net, given)


def controlled_on(grid: tuple[int, int], net: Any, operation: Operation, given: Any) -> torch.Tensor:
    with AttentionControl(net, operation, grid=grid):
        return predicted(net, given)


def processors(net: Any) -> dict[str, int]:
    return {name: id(own) for name, own in net.attn_processors.items()}


def recorded(net: Any, given: Any) -> dict[str, torch.Tensor]:
    """Probabilities of every site by their equation."""
    seen: dict[str, torch.Tensor] = {}

    def note(name: str, probabilities: torch.Tensor) -> torch.Tensor:
        seen[name] = probabilities
        return probabilities

    with written_out(net, note):
        predicted(net, given)
    return seen


@pytest.mark.parametrize("kind", NETWORKS)
def test_what_is_recorded_is_the_softmax_of_the_projections(kind: Network) -> None:
    net, given = network(kind), inputs(kind, 3)
    record = Record(heads="each", part="all")
    plain = predicted(net, given)
    assert torch.allclose(controlled(net, record, given), plain, atol=1e-5)
    expected = recorded(net, given)
    assert {name for _, name in record.maps} == set(expected)
    for name, probabilities in expected.items():
        kept = record.maps[None, name]
        assert torch.allclose(kept, probabilities, atol=1e-5)
        assert torch.allclose(kept.sum(-1), torch.ones(()), atol=1e-5)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("size", [SIZE, (4, 12), (8, 8)])
def test_probabilities_put_back_change_nothing(kind: Network, size: tuple[int, int]) -> None:
    net, given = network(kind), inputs(kind, 2, size)
    assert torch.allclose(controlled(net, BY_ITSELF, given), predicted(net, given), atol=1e-5)


@pytest.mark.parametrize("kind", ["sd", "sdxl"])
def test_odd_sides_have_the_grids_of_the_network(kind: Network) -> None:
    net, given = network(kind), inputs(kind, 1, (7, 5))
    record = Record()
    assert torch.allclose(controlled(net, [record, BY_ITSELF], given), predicted(net, given), atol=1e-5)
    grids = {site.level: site.grid for site in record.sites.values()}
    assert grids == ({0: (7, 5), 1: (4, 3)} if kind == "sd" else {1: (4, 3)})


def test_sites_of_a_unet() -> None:
    sites = AttentionControl(network("sd"), Record()).sites(SIZE)
    known = {(site.place, site.block, site.index): (site.kind, site.level, site.grid, site.heads) for site in sites}
    assert known == {
        ("down", 0, 0): ("self", 0, (10, 6), 2),
        ("down", 0, 1): ("cross", 0, (10, 6), 2),
        ("mid", 0, 0): ("self", 1, (5, 3), 2),
        ("mid", 0, 1): ("cross", 1, (5, 3), 2),
        ("up", 1, 0): ("self", 0, (10, 6), 2),
        ("up", 1, 1): ("cross", 0, (10, 6), 2),
        ("up", 1, 2): ("self", 0, (10, 6), 2),
        ("up", 1, 3): ("cross", 0, (10, 6), 2),
    }


def test_sites_of_stable_diffusion_1() -> None:
    """The published network: 16 layers of cross-attention, 6 down, 1 in the middle, 9 up, 5 of them on a quarter of the latents' sides."""
    with torch.device("meta"):
        net = diffusers.UNet2DConditionModel(
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            block_out_channels=(320, 640, 1280, 1280),
            cross_attention_dim=768,
        )
    sites = [site for site in AttentionControl(net, Record()).sites((64, 48)) if site.kind == "cross"]
    assert [sum(site.place == place for site in sites) for place in ("down", "mid", "up")] == [6, 1, 9]
    quarter = [(site.place, site.block) for site in sites if site.grid == (16, 12)]
    assert quarter == [("down", 2)] * 2 + [("up", 1)] * 3
    assert {site.grid for site in sites if site.place == "mid"} == {(8, 6)}


def test_sites_of_joint_attention() -> None:
    net, given, record = network("sd3"), inputs("sd3"), Record()
    controlled(net, record, given)
    assert [
        (site.name, site.kind, site.place, site.block, site.index, site.grid) for site in record.sites.values()
    ] == [
        ("transformer_blocks.0.attn", "joint", "stack", 0, 0, (5, 3)),
        ("transformer_blocks.1.attn", "joint", "stack", 1, 1, (5, 3)),
        ("transformer_blocks.1.attn2", "self", "stack", 1, 2, (5, 3)),
        ("transformer_blocks.2.attn", "joint", "stack", 2, 3, (5, 3)),
    ]
    spans = record.sites["transformer_blocks.0.attn"].spans(22, 22)
    assert (spans.image_keys, spans.text_keys) == (slice(0, 15), slice(15, 22))
    assert record.maps[None, "transformer_blocks.0.attn"].shape == (2, 15, TOKENS)
    added = AttentionControl(network("kandinsky"), Record()).sites(SIZE)
    assert {(site.kind, site.grid) for site in added} == {("joint", (5, 3))}
    assert added[0].spans(15, 47).text_keys == slice(0, 32)  # the picture that is the prompt comes first
    assert added[0].spans(15, 47).text_queries == slice(0, 0)


def test_text_first_in_flux() -> None:
    with tiny_models.seeded(0):
        net = diffusers.FluxTransformer2DModel(
            patch_size=1,
            in_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=12,
            pooled_projection_dim=10,
            axes_dims_rope=(2, 2, 4),
        ).eval()
    generator = torch.Generator().manual_seed(0)
    text = torch.randn(1, TOKENS, 12, generator=generator)
    given = {
        "hidden_states": torch.randn(1, 15, 4, generator=generator),
        "encoder_hidden_states": text,
        "pooled_projections": torch.randn(1, 10, generator=generator),
        "timestep": torch.tensor([0.4]),
        "img_ids": torch.cartesian_prod(torch.zeros(1), torch.arange(5.0), torch.arange(3.0)),
        "txt_ids": torch.zeros(TOKENS, 3),
    }
    with pytest.raises(ValueError, match="token grid"):
        controlled(net, Record(), given)
    record = Record()
    # The text's last token belongs to nobody, so that it cannot be heard, however it changes.
    group = Group(labels=np.zeros((5, 3), np.int16), owners=torch.tensor([0] * (TOKENS - 1) + [1]))
    with AttentionControl(net, [group, record], grid=(5, 3)):
        first = predicted(net, given)
        given["encoder_hidden_states"] = torch.cat([text[:, :-1], torch.ones(1, 1, 12)], 1)
        second = predicted(net, given)
    assert torch.allclose(first, second, atol=1e-6)
    kinds = {name: site.kind for name, site in record.sites.items()}
    assert kinds == {"transformer_blocks.0.attn": "joint", "single_transformer_blocks.0.attn": "joint"}
    spans = record.sites["single_transformer_blocks.0.attn"].spans(22, 22)
    assert (spans.text_keys, spans.image_queries) == (slice(0, TOKENS), slice(TOKENS, 22))
    given["encoder_hidden_states"] = text
    assert torch.allclose(controlled_on((5, 3), net, BY_ITSELF, given), predicted(net, given), atol=1e-5)


def test_padding_of_the_text_stays_unread_in_qwen_image() -> None:
    """Its processor takes arguments that diffusers hands only to processors which name them."""
    with tiny_models.seeded(0):
        net = diffusers.QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=12,
            axes_dims_rope=(4, 6, 6),
        ).eval()
    generator = torch.Generator().manual_seed(0)
    given = {
        "hidden_states": torch.randn(2, 15, 16, generator=generator),
        "encoder_hidden_states": torch.randn(2, TOKENS, 12, generator=generator),
        "encoder_hidden_states_mask": torch.tensor([[1] * 7, [1] * 5 + [0] * 2]),
        "timestep": torch.tensor([0.5, 0.5]),
        "img_shapes": [[(1, 5, 3)]] * 2,
    }
    record = Record()
    with AttentionControl(net, [record, BY_ITSELF], grid=(5, 3)):
        output = predicted(net, given)
    assert torch.allclose(output, predicted(net, given), atol=1e-5)
    for kept in record.maps.values():
        assert kept.shape == (2, 15, TOKENS)
        assert (kept[0] > 0).all()
        assert (kept[1, :, :5] > 0).all()
        assert (kept[1, :, 5:] == 0).all()


@pytest.mark.parametrize("kind", WITH_TEXT)
def test_replace_takes_the_sources_probabilities_in_every_branch(kind: Network) -> None:
    net, given = network(kind), inputs(kind, 4)

    def expected(name: str, probabilities: torch.Tensor) -> torch.Tensor:
        changed = probabilities.clone()
        changed[1], changed[3] = probabilities[0], probabilities[2]
        return changed

    with written_out(net, expected):
        wanted = predicted(net, given)
    replace = Replace(source="source", role="target")
    output = controlled(net, replace, given, GUIDED)
    assert torch.allclose(output, wanted, atol=1e-5)
    plain = predicted(net, given)
    assert torch.allclose(output[[0, 2]], plain[[0, 2]], atol=1e-5)
    assert not torch.allclose(output[[1, 3]], plain[[1, 3]], atol=1e-3)


def test_replace_in_one_branch_at_small_self_attention_for_some_steps() -> None:
    """Prompt-to-Prompt's injection of self-attention, and its cross-attention by a mapping of tokens."""
    net, given = network("sd"), inputs("sd", 4)
    mapper = torch.rand(TOKENS, TOKENS, generator=torch.Generator().manual_seed(3))

    def mapped(call: Call, own: torch.Tensor, source: torch.Tensor | None) -> torch.Tensor:
        assert source is not None
        assert call.step == 2
        return source @ mapper

    operations = [
        Replace(where=only("self", max_tokens=15), steps=range(3), branch="negative", role="target", source="source"),
        Replace(
            where=only("cross"), steps=range(2, 5), branch="positive", role="target", source="source", compute=mapped
        ),
    ]

    def expected(name: str, probabilities: torch.Tensor) -> torch.Tensor:
        changed = probabilities.clone()
        if name.endswith("attn1") and name.startswith("mid"):
            changed[1] = probabilities[0]
        elif name.endswith("attn2"):
            changed[3] = probabilities[2] @ mapper
        return changed

    with written_out(net, expected):
        wanted = predicted(net, given)
    assert torch.allclose(controlled(net, operations, given, GUIDED, step=2), wanted, atol=1e-5)
    assert torch.equal(controlled(net, operations, given, GUIDED, step=5), predicted(net, given))
    with pytest.raises(ValueError, match="without one"):
        controlled(net, operations, given, GUIDED)


def test_recorded_probabilities_can_be_put_into_a_later_call() -> None:
    net, first, second = network("sdxl"), inputs("sdxl", 1, seed=1), inputs("sdxl", 1, seed=2)
    record = Record(heads="each", part="all")
    controlled(net, record, first, step=0)
    kept = recorded(net, first)
    replay = Replace(compute=lambda call, own, source: record.maps[0, call.site.name])
    with written_out(net, lambda name, probabilities: kept[name]):
        wanted = predicted(net, second)
    assert torch.allclose(controlled(net, replay, second), wanted, atol=1e-5)


@pytest.mark.parametrize("kind", WITH_TEXT)
@pytest.mark.parametrize("renormalise", [False, True])
def test_scale_weighs_the_text_that_the_picture_reads(kind: Network, renormalise: bool) -> None:
    net, given = network(kind), inputs(kind, 4)
    factors = torch.tensor([1, 2, 0.5, 1, 0, 1, 3.0])

    def expected(name: str, probabilities: torch.Tensor) -> torch.Tensor:
        changed = probabilities.clone()
        if name.endswith("attn2") == (kind == "sd3"):
            return changed
        image = 15 if kind == "sd3" else probabilities.shape[-2]
        text = slice(15, None) if kind == "sd3" else slice(None)
        changed[2:, :, :image, text] *= factors
        return changed / changed.sum(-1, keepdim=True) if renormalise else changed

    with written_out(net, expected):
        wanted = predicted(net, given)
    scale = Scale(weights=factors, branch="positive", renormalise=renormalise)
    assert torch.allclose(controlled(net, scale, given, GUIDED), wanted, atol=1e-5)
    with pytest.raises(ValueError, match="weights for 7 tokens"):
        controlled(net, Scale(weights=torch.ones(6)), given)


@pytest.mark.parametrize("kind", WITH_TEXT)
def test_grouping_by_a_mask_equals_the_loop_over_items(kind: Network) -> None:
    net, given = network(kind), inputs(kind, 4)
    grids = {site.name: site.grid for site in AttentionControl(net, Record()).sites(grid_of(kind))}

    def loop(name: str, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        output = weights(query, key) @ value
        if name.endswith("attn2") == (kind == "sd3"):
            return output
        items = torch.from_numpy(labels_on_grid(LABELS, grids[name]).astype(np.int64)).flatten()
        image = len(items)
        for item in (0, 1):
            text = [token for token in range(TOKENS) if OWNERS[token] in (item, SHARED)]
            own = (items == item).nonzero().flatten().tolist()
            if kind != "sd3":
                readers, read = own, text
                output[2:, :, readers] = (weights(query[2:, :, readers], key[2:, :, read])) @ value[2:, :, read]
                continue
            heard = [*range(image), *(image + token for token in text)]
            output[2:, :, own] = weights(query[2:, :, own], key[2:, :, heard]) @ value[2:, :, heard]
            for token in (token for token in range(TOKENS) if OWNERS[token] == item):
                heard = [*own, *(image + other for other in text)]
                one = [image + token]
                output[2:, :, one] = weights(query[2:, :, one], key[2:, :, heard]) @ value[2:, :, heard]
        return output

    with written_out(net, loop=loop):
        wanted = predicted(net, given)
    group = Group(labels=LABELS, owners=OWNERS, branch="positive")
    assert torch.allclose(controlled(net, group, given, GUIDED), wanted, atol=1e-5)
    # The same with probabilities in sight, which then are 0 where nothing may be read.
    record = Record(heads="each", part="text", branch="positive")
    assert torch.allclose(controlled(net, [group, record], given, GUIDED), wanted, atol=1e-5)
    for (_, name), kept in record.maps.items():
        if record.sites[name].kind != "self":
            items = torch.from_numpy(labels_on_grid(LABELS, grids[name]).astype(np.int64)).flatten()
            foreign = (items[:, None] != OWNERS[None]) & (OWNERS != SHARED)[None]
            assert (kept[..., foreign] == 0).all()


def test_one_item_that_covers_everything_is_ordinary_attention() -> None:
    net, given = network("sd"), inputs("sd")
    group = Group(labels=np.full((5, 5), 4), owners=torch.full((TOKENS,), 4))
    assert torch.allclose(controlled(net, group, given), predicted(net, given), atol=1e-5)


def test_an_items_prompt_reaches_its_own_cells_of_a_layer_only() -> None:
    net = network("sd")
    layer = net.mid_block.attentions[0].transformer_blocks[0].attn2
    cells = torch.from_numpy(labels_on_grid(LABELS, (5, 3)).astype(np.int64)).flatten()
    seen: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda module, given, output: seen.append(output))
    group = Group(labels=LABELS, owners=OWNERS)
    given = inputs("sd")
    with AttentionControl(net, group):
        predicted(net, given)
        queries: dict[str, torch.Tensor] = {}
        before = layer.register_forward_pre_hook(lambda module, args: queries.setdefault("x", args[0]))
        predicted(net, given)
        before.remove()
        other = given["encoder_hidden_states"].clone()
        other[:, 3:6] += 1
        seen.clear()
        for text in (given["encoder_hidden_states"], other):
            layer(queries["x"], encoder_hidden_states=text)
    hook.remove()
    assert torch.equal(seen[0][:, cells == 0], seen[1][:, cells == 0])
    assert not torch.allclose(seen[0][:, cells == 1], seen[1][:, cells == 1], atol=1e-3)


def test_grouped_and_ungrouped_rows_of_different_length_share_a_batch() -> None:
    """The negative prompt has 4 tokens and is filled up with whatever; nobody may read that."""
    net, given = network("sd"), inputs("sd", 2)
    alone = {
        name: tensor[:1] if isinstance(tensor, torch.Tensor) and tensor.dim() else tensor
        for name, tensor in given.items()
    }
    alone["encoder_hidden_states"] = alone["encoder_hidden_states"][:, :4]
    group = Group(labels=LABELS, owners=OWNERS, branch="positive", other_tokens=4)
    output = controlled(net, group, given, BatchLayout(("negative", "positive")))
    assert torch.allclose(output[:1], predicted(net, alone), atol=1e-5)
    given["encoder_hidden_states"][0, 4:] = 50.0
    assert torch.equal(controlled(net, group, given, BatchLayout(("negative", "positive"))), output)


def test_items_without_a_token_are_refused() -> None:
    net, given = network("sd"), inputs("sd")
    with pytest.raises(ValueError, match=r"items \[1\]"):
        controlled(net, Group(labels=LABELS, owners=torch.zeros(TOKENS, dtype=torch.int64)), given)
    with pytest.raises(ValueError, match="owners for 7 tokens"):
        controlled(net, Group(labels=LABELS, owners=OWNERS[:5]), given)


@pytest.mark.parametrize("kind", NETWORKS)
def test_values_have_an_input_of_their_own(kind: Network) -> None:
    """K = W_K c, V = W_V (gamma c + beta), for the target alone: what a bias of the projected values makes of it."""
    net, given = network(kind), inputs(kind, 2)
    linear = [
        attention.add_v_proj if getattr(attention, "added_kv_proj_dim", None) else attention.to_v
        for name, attention in net.named_modules()
        if hasattr(attention, "set_processor") and not name.endswith("attn1") and (kind != "sd3" or "attn2" not in name)
    ]

    def other(call: Call, context: torch.Tensor) -> torch.Tensor:
        return 1.5 * context + 0.5

    hooks = [
        projection.register_forward_hook(
            lambda module, args, output: torch.cat(
                [output[:1], torch.nn.functional.linear(1.5 * args[0][1:] + 0.5, module.weight, module.bias)]
            )
        )
        for projection in linear
    ]
    wanted = predicted(net, given)
    for hook in hooks:
        hook.remove()
    values = ValueInput(compute=other, role="target")
    output = controlled(net, values, given, BatchLayout(roles=("source", "target")))
    assert torch.allclose(output, wanted, atol=1e-5)
    assert not torch.allclose(output[1], predicted(net, given)[1], atol=1e-4)


def test_operations_act_in_order() -> None:
    net, given = network("sd"), inputs("sd", 1)
    before, after = Record(), Record()
    twice = Scale(weights=torch.full((TOKENS,), 2.0))
    controlled(net, [before, twice, after], given)
    for key, kept in after.maps.items():
        factor = 2 if before.sites[key[1]].kind == "cross" else 1
        assert torch.equal(kept, factor * before.maps[key])


def test_mean_over_evaluations_and_over_sites() -> None:
    net = network("sd")
    by_step = Record(where=only("cross", max_tokens=15))
    mean = Record(where=only("cross", max_tokens=15), over_steps="mean")
    with AttentionControl(net, [by_step, mean]) as control:
        for step in range(3):
            control.begin(step)
            predicted(net, inputs("sd", seed=step))
    (name,) = by_step.sites
    expected = torch.stack([by_step.maps[step, name] for step in range(3)]).mean(0)
    assert torch.allclose(mean.maps[None, name], expected, atol=1e-6)
    assert torch.equal(by_step.mean(step=1), by_step.maps[1, name])
    assert by_step.bytes == 3 * 2 * 15 * TOKENS * 4
    assert mean.bytes == by_step.bytes / 3
    assert by_step.maps[2, name].untyped_storage().nbytes() == by_step.bytes / 3  # nothing larger is kept alive


def test_record_of_some_rows() -> None:
    net, given = network("sd"), inputs("sd", 4)
    some, all_rows = Record(role="target"), Record()
    controlled(net, [some, all_rows], given, GUIDED)
    for key, kept in some.maps.items():
        assert torch.equal(kept, all_rows.maps[key][[1, 3]])


def test_memory_of_a_record_is_bounded() -> None:
    net, given = network("sd"), inputs("sd", 1)
    before = processors(net)
    record = Record(max_bytes=60 * 60 * 4 + 100)
    with pytest.raises(OutOfMemory):
        controlled(net, record, given)
    assert record.bytes <= record.max_bytes
    assert processors(net) == before
    again = Record(max_bytes=sum(kept.nbytes for kept in recorded(net, given).values()) // 2)
    for _ in range(3):  # the newest of a step takes the place of the one before
        controlled(net, again, given, step=0)


def test_layers_that_nothing_wants_run_by_their_own_processor_and_bit_for_bit() -> None:
    net, given = network("sd"), inputs("sd")
    plain = predicted(net, given)
    assert torch.equal(controlled(net, Operation(where=lambda site: False), given), plain)
    assert torch.equal(controlled(net, Group(labels=LABELS, owners=OWNERS, where=only("self")), given), plain)
    assert torch.equal(controlled(net, Record(steps=range(2)), given, step=2), plain)
    before = processors(net)
    with AttentionControl(net, ()):
        assert processors(net) == before


@pytest.mark.parametrize("kind", NETWORKS)
def test_processors_are_put_back_after_success_error_and_cancel(kind: Network) -> None:
    net, given = network(kind), inputs(kind)
    before = processors(net)
    modules = [(module, dict(module.__dict__), list(module._modules)) for module in net.modules()]

    def same() -> bool:
        hooks = not net._forward_pre_hooks
        return (
            processors(net) == before
            and hooks
            and all(
                set(module.__dict__) == set(own) and list(module._modules) == parts for module, own, parts in modules
            )
        )

    controlled(net, Record(), given)
    assert same()

    def fails(call: Call, own: torch.Tensor, source: torch.Tensor | None) -> torch.Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        controlled(net, [Replace(compute=fails), ValueInput(compute=lambda call, context: context)], given)
    assert same()

    def job() -> Generator[int, None, None]:
        with AttentionControl(net, Record()):
            for step in range(3):
                predicted(net, given)
                yield step

    running = job()
    next(running)
    assert not same()
    running.close()
    assert same()


class WithWeights(torch.nn.Module):
    """A processor that is a part of the network, as those with adapters are."""

    def __init__(self) -> None:
        super().__init__()
        self.own = diffusers.models.attention_processor.AttnProcessor2_0()

    def forward(self, *given: Any, **named: Any) -> Any:
        return self.own(*given, **named)


def test_processors_that_are_modules_are_put_back_into_their_place() -> None:
    net, given = network("sd"), inputs("sd")
    net.set_attn_processor({name: WithWeights() for name in net.attn_processors})
    before, modules = processors(net), [name for name, _ in net.named_modules()]
    assert torch.allclose(controlled(net, BY_ITSELF, given), predicted(net, given), atol=1e-5)
    assert processors(net) == before
    assert [name for name, _ in net.named_modules()] == modules


def test_a_control_may_be_entered_again_but_not_twice() -> None:
    net, given, record = network("sd"), inputs("sd"), Record()
    control = AttentionControl(net, record)
    for step in range(2):
        control.begin(step)
        with control:
            predicted(net, given)
    assert {step for step, _ in record.maps} == {0, 1}
    before = processors(net)
    with control:
        with pytest.raises(RuntimeError, match="under control already"), AttentionControl(net, Record()):
            pass
        with pytest.raises(RuntimeError, match="under control already"), control:
            pass
        predicted(net, given)
    assert processors(net) == before


def test_the_step_comes_from_whoever_calls_the_network() -> None:
    net, record = network("sd"), Record(where=only("cross"), branch="positive")
    begin(net, 4)  # nobody listens
    with AttentionControl(net, record):
        begin(net, 7, BatchLayout(("negative", "positive")))
        predicted(net, inputs("sd", 4))
    assert {step for step, _ in record.maps} == {7}
    assert {len(kept) for kept in record.maps.values()} == {2}


def test_a_batch_that_is_laid_out_otherwise_is_refused() -> None:
    assert GUIDED.select(4) == (0, 1, 2, 3)
    assert GUIDED.select(4, "positive") == (2, 3)
    assert GUIDED.select(4, role="target") == (1, 3)
    assert GUIDED.select(4, "image") == ()
    assert BatchLayout(("negative", "positive")).select(6, "positive") == (3, 4, 5)
    for rows, batch in ((GUIDED, 2), (GUIDED, 6), (BatchLayout(("a", "b")), 3)):
        with pytest.raises(ValueError, match="batch of"):
            rows.select(batch)
    with pytest.raises(ValueError, match="no picture is called"):
        GUIDED.select(4, role="candidate")


def test_attention_that_cannot_be_caught_is_refused() -> None:
    net, given = network("sd"), inputs("sd")
    with written_out(net), pytest.raises(RuntimeError, match="PlainProcessor at down_blocks"):
        controlled(net, Record(), given)
    site = Site("layer", "self", "down", 0, 0, 0, 2, (4, 3))
    with pytest.raises(ValueError, match="does not explain"):
        site.spans(16, 16)


def test_gradients_flow_through_recorded_probabilities() -> None:
    """dL/dc of a loss on the probabilities of a later layer, by the equation's own graph."""
    net, given = network("sd"), inputs("sd", 1)
    net.requires_grad_(False)

    def gradient(of: Any) -> torch.Tensor:
        text = given["encoder_hidden_states"].clone().requires_grad_()
        slope: torch.Tensor = torch.autograd.grad(of({**given, "encoder_hidden_states": text}), text)[0]
        return slope

    def by_record(arguments: Any) -> torch.Tensor:
        record = Record(where=only("cross", places=("up",)), heads="each")
        controlled(net, record, arguments)
        return sum((kept.square().mean() for kept in record.maps.values()), torch.zeros(()))

    def by_equation(arguments: Any) -> torch.Tensor:
        kept = recorded(net, arguments)
        return sum(
            (
                probabilities.square().mean()
                for name, probabilities in kept.items()
                if name.startswith("up") and name.endswith("attn2")
            ),
            torch.zeros(()),
        )

    wanted = gradient(by_equation)
    assert wanted.abs().max() > 0
    assert torch.allclose(gradient(by_record), wanted, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("kind", ["sd", "sd3"])
def test_checkpointed_blocks_run_under_control_on_the_way_back_too(kind: Network) -> None:
    net, given = network(kind), inputs(kind)
    net.requires_grad_(False)
    group = Group(labels=LABELS, owners=OWNERS)
    gradients, counts = [], []
    for checkpoints in (False, True):
        text = given["encoder_hidden_states"].clone().requires_grad_()
        record = Record(over_steps="mean", detached=True)
        net.train(checkpoints)
        (net.enable_gradient_checkpointing if checkpoints else net.disable_gradient_checkpointing)()
        with AttentionControl(net, [group, Scale(weights=torch.linspace(0.5, 2, TOKENS)), record]):
            loss = predicted(net, {**given, "encoder_hidden_states": text}).square().mean()
            gradients.append(torch.autograd.grad(loss, text)[0])
        counts.append(dict(record._counts))
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-4, atol=1e-8)
    assert gradients[0].abs().max() > 0
    assert counts[0] == counts[1]
    assert set(counts[0].values()) == {1}


def test_half_precision_networks_keep_their_precision() -> None:
    net, given = network("sd").to(torch.bfloat16), inputs("sd")
    given = {
        name: tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor for name, tensor in given.items()
    }
    record = Record()
    output = controlled(net, record, given)
    assert output.dtype == torch.bfloat16
    assert {kept.dtype for kept in record.maps.values()} == {torch.float32}
    assert torch.allclose(output.float(), predicted(net, given).float(), atol=0.05)


def test_the_layers_own_mask_still_holds() -> None:
    net, given = network("sd"), inputs("sd", 2)
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 1, 1]], dtype=torch.bool)
    given["encoder_attention_mask"] = mask
    plain = predicted(net, given)
    record = Record(where=only("cross"))
    assert torch.allclose(controlled(net, record, given), plain, atol=1e-5)
    for kept in record.maps.values():
        assert (kept[1, :, 3:5] == 0).all()
    group = Group(labels=LABELS, owners=OWNERS)
    both = Record(where=only("cross"))
    controlled(net, [group, both], given)
    for kept in both.maps.values():
        assert (kept[1, :, 3:5] == 0).all()
        assert torch.allclose(kept.sum(-1), torch.ones(()), atol=1e-5)


def test_probabilities_of_a_mask_of_either_kind() -> None:
    query, key = torch.randn(2, 1, 3, 4, 8, generator=torch.Generator().manual_seed(0))
    allowed = torch.tensor([[1, 1, 0, 1]] * 4, dtype=torch.bool)
    added = torch.zeros(4, 4).masked_fill(~allowed, -torch.inf)
    expected = weights(query, key[:, :, [0, 1, 3]])
    for mask in (allowed, added):
        probabilities = attention_probabilities(query, key, mask)
        assert torch.allclose(probabilities[..., [0, 1, 3]], expected, atol=1e-6)
        assert (probabilities[..., 2] == 0).all()
