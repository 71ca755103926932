"""What a step may be: the model's call, one of its methods, or a callable that reaches layers without the root."""

from __future__ import annotations

import pytest
import torch

import layerprof as lp
from layerprof.testing import PRODUCT_FLOPS, ROWS, TICK_S, WIDTH, GeneratingNet, Work

PASSES = ("time", "flops", "memory")
X = torch.ones(ROWS, WIDTH)
STEPS = 2


def ticks(distribution: lp.Distribution | None) -> float:
    """The same in every step, in ticks."""
    assert distribution is not None
    assert distribution.samples == (distribution.samples[0],) * STEPS
    return distribution.samples[0] / TICK_S


def of_method(**method_kwargs: object) -> lp.Profile:
    net = GeneratingNet()
    return lp.profile(
        net, X, method="generate", method_kwargs=method_kwargs, clock=net.clock, passes=PASSES, warmup=0, repeats=STEPS
    )


def of_call(net: GeneratingNet | None = None) -> lp.Profile:
    net = net or GeneratingNet()
    return lp.profile(net, call=lambda: net.generate(X), clock=net.clock, passes=PASSES, warmup=0, repeats=STEPS)


def test_a_method_is_the_roots_row() -> None:
    answers = GeneratingNet.answers.layers

    profile = of_method()

    assert {layer.path: (layer.calls, ticks(layer.self_s) * TICK_S, layer.flops) for layer in profile.layers} == {
        path: (layer.calls, layer.self_s, layer.flops) for path, layer in answers.items()
    }
    assert profile.call_tree is not None
    assert profile.call_tree.calls == 1


def test_a_methods_own_arguments_reach_it() -> None:
    assert of_method(steps=5)["decoder"].calls == 5


def test_a_method_is_named_in_the_spec() -> None:
    assert of_method().spec.method == "generate"


def test_a_method_that_calls_the_root_counts_the_method_alone() -> None:
    net = CallingItself()

    profile = lp.profile(net, X, method="run", clock=net.clock, passes=PASSES, warmup=0, repeats=STEPS)

    assert profile.root.calls == 1
    assert ticks(profile.root.total_s) == 1 + 3 + 2
    assert profile.root.flops == 3 * PRODUCT_FLOPS


class CallingItself(GeneratingNet):
    """A net with a method around its own call."""

    def run(self, x: torch.Tensor) -> torch.Tensor:
        return self(self.work(x))


def test_a_step_that_never_calls_the_root_is_its_own_range() -> None:
    profile = of_call()

    assert profile.root.calls == 0
    assert (ticks(profile.root.total_s), ticks(profile.root.self_s)) == (0, 0)
    assert profile.root.flops == 0
    assert ticks(profile.step_s) == 10


def test_work_of_the_step_under_no_layer_is_unattributed() -> None:
    net = GeneratingNet()

    profile = lp.profile(
        net, call=lambda: net.generate(X) @ net.weight, clock=net.clock, passes=PASSES, warmup=0, repeats=STEPS
    )

    assert ticks(profile.unattributed_s) == 1
    assert profile.unattributed_flops == PRODUCT_FLOPS
    assert profile.step_flops == (2 + 3 + 1) * PRODUCT_FLOPS


def test_layers_called_without_the_root_have_their_rows() -> None:
    profile = of_call()

    assert {layer.path: layer.calls for layer in profile.layers} == {"": 0, "encoder": 1, "decoder": 3}
    assert ticks(profile["decoder"].total_s) == 6


def test_the_top_of_the_call_tree_is_the_range_where_the_root_is_not_called() -> None:
    tree = of_call().call_tree

    assert tree is not None
    assert (tree.path, tree.calls, ticks(tree.total_s), ticks(tree.self_s)) == ("", 0, 10, 0)
    assert [(node.path, node.calls) for node in tree.children] == [("encoder", 1), ("decoder", 3)]


def test_the_range_at_the_top_holds_the_flops_of_the_step() -> None:
    tree = of_call().call_tree

    assert tree is not None
    assert (tree.flops, tree.self_flops) == (5 * PRODUCT_FLOPS, 0)


def test_every_check_holds_without_the_root() -> None:
    checks = of_call().checks

    assert [check for check in checks if not check.ok] == []


def test_a_call_of_the_root_alone_is_the_root() -> None:
    net = GeneratingNet()

    profile = lp.profile(net, call=lambda: net(X), clock=net.clock, passes=PASSES, warmup=0, repeats=STEPS)

    assert profile.root.calls == 1
    assert profile.call_tree is not None
    assert (profile.call_tree.path, profile.call_tree.calls) == ("", 1)


def test_two_calls_of_the_root_in_a_step_are_two() -> None:
    net = GeneratingNet()

    profile = lp.profile(net, call=lambda: (net(X), net(X)), clock=net.clock, passes=PASSES, warmup=0, repeats=STEPS)

    assert profile.root.calls == 2
    assert ticks(profile.root.total_s) == ticks(profile.step_s) == 2 * (3 + 2)
    assert profile.root.flops == 2 * 3 * PRODUCT_FLOPS


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_flops_are_the_same_in_every_mode_of_the_caller(
    mode: type[torch.no_grad] | type[torch.inference_mode] | type[torch.enable_grad],
) -> None:
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    x = torch.ones(2, 5, 8)
    expected = lp.profile(layer.train(), x, train=True, passes=("flops",), warmup=0, repeats=1)

    def step() -> None:
        with mode():
            layer(x)

    profile = lp.profile(layer, call=step, train=True, passes=("flops",), warmup=0, repeats=1)

    assert profile.step_flops == expected.step_flops
    assert {row.path: row.flops for row in profile.layers} == {row.path: row.flops for row in expected.layers}
    assert profile.uncounted == ()


def test_calls_that_vary_between_steps_are_noted() -> None:
    net = GeneratingNet()
    lengths = iter((1, 2, 3, 4, 5, 6, 7, 8))

    profile = lp.profile(
        net, call=lambda: net.generate(X, steps=next(lengths)), clock=net.clock, passes=("time",), warmup=0, repeats=2
    )

    assert [note.text for note in profile.notes if note.code == "calls_vary"] == [
        "1 layers were not called equally often in all steps, first 'decoder'; calls are the first step's"
    ]
    assert profile["decoder"].calls == 2  # the first hooked step is the second step


def test_a_layer_not_called_in_a_step_has_zero_there() -> None:
    net = Skipping()

    profile = lp.profile(net, X, clock=net.clock, passes=("time",), warmup=0, repeats=4)

    row = profile["decoder"].total_s
    assert row is not None
    assert sorted(set(row.samples)) == [0.0, 2 * TICK_S]
    assert [check for check in profile.checks if not check.ok] == []


class Skipping(GeneratingNet):
    """Calls its decoder in every third step alone."""

    def __init__(self) -> None:
        super().__init__()
        self._steps = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._steps += 1
        return self.decoder(x) if self._steps % 3 == 0 else self.work(x)


def test_training_steps_have_gradients_and_their_flops() -> None:
    layer = Work(GeneratingNet().clock, ticks=1, products=1)

    profile = lp.profile(
        layer, call=lambda: layer(X).sum().backward(), train=True, passes=("flops",), warmup=0, repeats=1
    )

    flops = {name: part.flops for name, part in profile.root.by_phase.items()}
    assert flops == {
        "forward": PRODUCT_FLOPS,
        "backward": PRODUCT_FLOPS,
    }  # the weight's gradient, X' times the output's
    assert (profile.root.calls, profile.root.flops) == (1, 2 * PRODUCT_FLOPS)
    assert profile.unattributed_flops == 0


@pytest.mark.parametrize("train", [False, True])
def test_a_layer_that_torch_runs_another_way_under_hooks_has_a_note(train: bool) -> None:
    net = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(8, 2, batch_first=True), 1)

    profile = lp.profile(net, torch.ones(1, 3, 8), passes=("time",), train=train, warmup=0, repeats=1)

    found = [note for note in profile.notes if note.code == "hooks_change_path"]
    assert len(found) == (0 if train else 1)
