"""Training steps with a twist: losses outside, gradients of gradients, kept graphs, backward passes that raise."""

from __future__ import annotations

import pytest
import torch
from answers import PASSES, REPEATS, constant, failed_checks, hooks_of, phases_of, rows_of, trained_profile
from torch import nn
from torch.optim import optimizer
from torch.utils.checkpoint import checkpoint

import layerprof as lp
from layerprof.testing import (
    PRODUCT_FLOPS,
    ROWS,
    TICK_S,
    WIDTH,
    LayerFailedError,
    OptimizerNet,
    QueryKeyValueNet,
    RetainedNet,
    TowersNet,
    TrainingNet,
)


def inputs() -> torch.Tensor:
    return torch.ones(ROWS, WIDTH, requires_grad=True)


class _Loss(torch.autograd.Function):
    """A loss that takes two ticks forward and three backward."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: torch.Tensor, net: TrainingNet) -> torch.Tensor:
        ctx.net = net  # type: ignore[attr-defined]  # a context is there to be written to
        net.take(2)
        return x.sum()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        ctx.net.take(3)  # type: ignore[attr-defined]  # written above
        return gradient.expand(ROWS, WIDTH), None


def test_a_loss_outside_of_every_layer_is_under_none_and_its_time_in_forward() -> None:
    net = TowersNet()

    def step() -> None:
        loss: torch.Tensor = _Loss.apply(net(inputs()) @ net.weight, net)  # type: ignore[no-untyped-call]
        loss.backward()

    profile = lp.profile(net, call=step, train=True, clock=net.clock, passes=PASSES, warmup=0, repeats=REPEATS)

    forward, backward, _ = profile.phases
    assert rows_of(profile) == net.answers.layers
    assert (constant(forward.unattributed_s), constant(backward.unattributed_s)) == ((2 + 3) * TICK_S, 0.0)
    assert profile.unattributed_flops == (1 + 2) * PRODUCT_FLOPS
    assert failed_checks(profile) == []


def test_gradients_that_a_layer_asks_for_itself_are_its_own_forward_work() -> None:
    class Penalty(QueryKeyValueNet):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.query(x)
            (gradient,) = torch.autograd.grad(y.sum(), self.query.weight, retain_graph=True)
            return self.key(y) + gradient.sum()

    net = Penalty()

    profile = trained_profile(net)

    root = profile.root.by_phase["forward"]
    assert (constant(root.self_s), root.self_flops) == (3 * TICK_S, PRODUCT_FLOPS)
    assert constant(profile["query"].by_phase["backward"].total_s) == 3 * TICK_S
    assert profile["query"].by_phase["backward"].flops == 2 * PRODUCT_FLOPS
    assert failed_checks(profile) == []


def test_work_that_gradients_of_gradients_make_is_under_no_layer() -> None:
    net = QueryKeyValueNet()

    def step() -> None:
        x = inputs()
        loss = net(x).pow(2).sum()
        (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
        (loss + gradient.pow(2).sum()).backward()

    profile = lp.profile(net, call=step, train=True, clock=net.clock, passes=PASSES, warmup=0, repeats=REPEATS)

    once = net.phases["backward"].layers
    assert profile.phases[1].steps == 2
    assert {path: constant(profile[path].by_phase["backward"].self_s) for path in once} == {
        path: 2 * layer.self_s for path, layer in once.items()
    }
    assert profile.unattributed_flops == 2 * 4 * PRODUCT_FLOPS  # gradients of the four products for x, by both operands
    assert failed_checks(profile) == []


def test_a_closure_of_the_optimizer_is_forward_and_backward() -> None:
    net = OptimizerNet()

    def closure() -> float:
        net.loss().backward()
        return 0.0

    profile = lp.profile(
        net, call=lambda: net.optimizer.step(closure), train=True, clock=net.clock, passes=PASSES, warmup=0, repeats=2
    )

    steps = {phase.name: phase.steps for phase in profile.phases}
    assert steps == {"forward": 1, "backward": 1, "optimizer": 1}
    assert rows_of(profile) == net.answers.layers
    assert constant(profile.unattributed_s) == 7 * TICK_S
    assert failed_checks(profile) == []


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.AdamW])
def test_every_optimizer_of_torch_is_the_optimizers_phase(make: type[torch.optim.Optimizer]) -> None:
    net = TowersNet()
    chosen = make(net.parameters(), lr=0.0)  # type: ignore[call-arg]  # each of these has a rate

    def step() -> None:
        net.step()
        chosen.step()

    profile = lp.profile(net, call=step, train=True, clock=net.clock, passes=("time",), warmup=0, repeats=1)

    assert [(phase.name, phase.steps) for phase in profile.phases] == [
        ("forward", 1),
        ("backward", 1),
        ("optimizer", 1),
    ]


def test_a_graph_of_an_earlier_step_is_under_no_layer_and_the_books_close() -> None:
    net = OptimizerNet()
    kept = [net.loss()]

    def step() -> None:
        kept.append(net.loss())
        kept.pop(0).backward()

    profile = lp.profile(net, call=step, train=True, clock=net.clock, passes=PASSES, warmup=0, repeats=REPEATS)

    assert constant(profile.unattributed_s) == 7 * TICK_S
    assert profile.unattributed_flops == 2 * PRODUCT_FLOPS
    assert {path: row.total_s for path, row in rows_of(profile).items()} == {
        path: layer.total_s for path, layer in net.phases["forward"].layers.items()
    }
    assert failed_checks(profile) == []


def test_a_backward_that_raises_and_is_caught_leaves_the_next_one_whole() -> None:
    net = RetainedNet()

    def step() -> None:
        handle = net.child.weight.register_post_accumulate_grad_hook(_fail)
        try:
            net.loss().backward()
        except LayerFailedError:
            handle.remove()
        net.loss().backward()

    profile = lp.profile(net, call=step, train=True, clock=net.clock, passes=PASSES, warmup=0, repeats=REPEATS)

    assert profile.phases[1].steps == 2
    assert constant(profile["child"].by_phase["backward"].total_s) == 2 * 5 * TICK_S
    assert constant(profile.root.by_phase["backward"].self_s) == 2 * TICK_S
    assert failed_checks(profile) == []


def _fail(*_: object) -> float:
    raise LayerFailedError("on purpose")


@pytest.mark.parametrize("pass_name", PASSES)
def test_a_backward_that_raises_is_an_error_and_leaves_no_trace(pass_name: str) -> None:
    net = OptimizerNet()
    handle = net.child.weight.register_post_accumulate_grad_hook(_fail)

    with pytest.raises(lp.MeasurementError, match="LayerFailedError in the"):
        trained_profile(net, (pass_name,))

    handle.remove()
    assert hooks_of(net) == hooks_of(OptimizerNet())
    assert phases_of(trained_profile(net)) == net.phases


def test_an_optimizer_that_raises_leaves_no_trace() -> None:
    net = OptimizerNet()

    with pytest.raises(lp.MeasurementError, match="LayerFailedError in the time pass"):
        lp.profile(
            net, call=lambda: net.optimizer.step(_fail), train=True, clock=net.clock, passes=PASSES, warmup=0, repeats=1
        )

    assert not optimizer._global_optimizer_pre_hooks


@pytest.mark.parametrize("is_reentrant", [False, True])
def test_checkpointed_blocks_in_a_row_have_the_backward_work_of_kept_ones_and_their_forward_again(
    is_reentrant: bool,
) -> None:
    blocks = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(3)))

    def backward_flops(*, is_kept: bool) -> list[int | None]:
        def step() -> None:
            x = inputs()
            for block in blocks:
                x = block(x) if is_kept else checkpoint(block, x, use_reentrant=is_reentrant)
            x.sum().backward()

        profile = lp.profile(blocks, call=step, train=True, passes=("flops",), warmup=0, repeats=1)
        assert profile.unattributed_flops == 0
        return [profile[name].by_phase["backward"].flops for name in "012"]

    again = PRODUCT_FLOPS if is_reentrant else 0  # else torch stops before the product: its operands are all it needs

    assert backward_flops(is_kept=True) == [2 * PRODUCT_FLOPS] * 3
    assert backward_flops(is_kept=False) == [2 * PRODUCT_FLOPS + again] * 3


def test_operations_in_place_and_views_do_not_move_backward_work() -> None:
    class Viewing(TrainingNet):
        def __init__(self) -> None:
            super().__init__()
            self.net = QueryKeyValueNet(self.clock)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.work(x).clone().mul_(2)[:, :].view(ROWS, WIDTH)
            return self.net(x.t().t()).add_(1).relu_()

    net = Viewing()

    profile = trained_profile(net)

    for path, layer in QueryKeyValueNet.phases["backward"].layers.items():
        row = profile[f"net.{path}".rstrip(".")].by_phase["backward"]
        assert (constant(row.self_s), row.self_flops) == (layer.self_s, layer.self_flops)
