"""Training steps: forward and backward of every layer are what the net says, whatever the graph between them."""

from __future__ import annotations

import pytest
import torch
from answers import (
    PASSES,
    REPEATS,
    Whole,
    calls_in,
    constant,
    failed_checks,
    nodes_of,
    phases_of,
    rows_of,
    trained_profile,
    wholes_of,
)
from torch import nn
from torch.optim import optimizer

import layerprof as lp
from layerprof.measure import resolve
from layerprof.measure.base import TimedStep
from layerprof.measure.phases import TrainingBook
from layerprof.testing import (
    PRODUCT_FLOPS,
    ROWS,
    TICK_S,
    TRAINING,
    WIDTH,
    CheckpointNet,
    NestedNet,
    OptimizerNet,
    PhasedNet,
    QueryKeyValueNet,
    ReentrantCheckpointNet,
    SharedTrainingNet,
    SpinningClock,
)

RECOMPUTING = (CheckpointNet, ReentrantCheckpointNet)


def inputs() -> torch.Tensor:
    return torch.ones(ROWS, WIDTH, requires_grad=True)


@pytest.fixture(scope="module", params=TRAINING)
def net(request: pytest.FixtureRequest) -> PhasedNet:
    made: PhasedNet = request.param()
    return made


@pytest.fixture(scope="module")
def profile(net: PhasedNet) -> lp.Profile:
    return trained_profile(net)


def test_every_phase_is_what_the_net_says(net: PhasedNet, profile: lp.Profile) -> None:
    assert phases_of(profile) == net.phases
    assert [phase.name for phase in profile.phases] == ["forward", "backward", "optimizer"]


def test_phases_add_up_to_the_rows_and_calls_are_the_forward_ones(net: PhasedNet, profile: lp.Profile) -> None:
    assert rows_of(profile) == net.answers.layers
    assert calls_in(profile.call_tree) == net.answers.calls


def test_phases_add_up_to_the_step(net: PhasedNet, profile: lp.Profile) -> None:
    wholes = {name: Whole(answers.total_s, answers.flops) for name, answers in net.phases.items()}

    assert wholes_of(profile) == wholes
    assert constant(profile.step_s) == sum(whole.total_s for whole in wholes.values())
    assert profile.step_flops == sum(whole.flops for whole in wholes.values())


def test_the_walk_over_the_graph_is_no_part_of_the_step(profile: lp.Profile) -> None:
    assert profile.step_s == profile.latency_s


def test_every_check_holds(profile: lp.Profile) -> None:
    assert failed_checks(profile) == []
    assert "phase_books" in {check.name for check in profile.checks}


def test_recomputation_alone_is_noted(net: PhasedNet, profile: lp.Profile) -> None:
    texts = [note.text for note in profile.notes if note.code == "recomputed"]

    assert len(texts) == isinstance(net, RECOMPUTING)
    assert all("2 layers were called again" in text and "first 'block'" in text for text in texts)


def test_a_second_profile_is_the_same(net: PhasedNet, profile: lp.Profile) -> None:
    assert trained_profile(net) == profile


def test_counting_without_running_gives_the_same_flops(net: PhasedNet) -> None:
    report = lp.count_flops(net, call=net.step, train=True)

    assert dict(report.by_layer) == {path: layer.flops for path, layer in net.answers.layers.items()}


def test_flops_do_not_depend_on_the_time_pass(net: PhasedNet, profile: lp.Profile) -> None:
    alone = trained_profile(net, ("flops",))

    assert [row.flops for row in alone.layers] == [row.flops for row in profile.layers]
    assert [phase.flops for phase in alone.phases] == [phase.flops for phase in profile.phases]


def test_nothing_is_left_behind(net: PhasedNet, profile: lp.Profile) -> None:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

    assert [kind for module in net.modules() for kind in hooks if getattr(module, kind)] == []
    assert [weight for weight in net.parameters() if weight._backward_hooks] == []
    assert not optimizer._global_optimizer_pre_hooks
    assert not optimizer._global_optimizer_post_hooks


@pytest.mark.parametrize("net_type", TRAINING)
def test_a_loop_in_train_mode_has_the_phases_that_came_about(net_type: type[PhasedNet]) -> None:
    net = net_type().train()

    with lp.Profiler(net, passes=("bare", *PASSES), clock=net.clock) as profiler:
        for _ in range(6):
            with profiler.step():
                net.step()

    profile = profiler.result()
    assert phases_of(profile) == {name: answers for name, answers in net.phases.items() if answers.steps}
    assert failed_checks(profile) == []


def test_layers_on_one_input_have_their_own_backward_flops_and_no_others() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(8, 8, bias=False) for _ in range(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = (self.q(x) @ self.k(x).T).softmax(-1) @ self.v(x)
            return result

    model, x = Attention(), torch.ones(4, 8, requires_grad=True)

    profile = lp.profile(
        model, call=lambda: model(x).sum().backward(), train=True, passes=("flops",), warmup=0, repeats=1
    )

    one = 2 * 4 * 8 * 8
    assert {name: profile[name].by_phase["backward"].flops for name in "qkv"} == dict.fromkeys("qkv", 2 * one)
    assert profile.root.by_phase["backward"].self_flops == 2 * 2 * (2 * 4 * 4 * 8)
    assert profile.unattributed_flops == 0


def test_backward_work_of_a_shared_layer_is_told_apart_by_caller() -> None:
    tree = trained_profile(SharedTrainingNet()).call_tree

    found = {path: node for path, node in nodes_of(tree) if node.phase == "backward"}
    from_left, from_right = (found["", side, "left.child"] for side in ("left", "right"))
    assert (from_left.flops, from_right.flops) == (2 * PRODUCT_FLOPS, 4 * PRODUCT_FLOPS)
    assert (constant(from_left.total_s), constant(from_right.total_s)) == (5 * TICK_S, 10 * TICK_S)


def test_the_top_of_the_call_tree_is_the_step_and_below_it_stand_the_phases() -> None:
    tree = trained_profile(OptimizerNet()).call_tree

    assert tree is not None
    assert (tree.is_range, tree.phase, tree.calls) == (True, "step", 0)
    assert [(node.path, node.phase, node.calls) for node in tree.children] == [("", "forward", 1), ("", "backward", 0)]


def test_the_books_close_on_a_clock_that_runs_while_the_graph_is_walked() -> None:
    net = QueryKeyValueNet(SpinningClock())

    profile = lp.profile(net, call=net.step, train=True, passes=PASSES, warmup=0, repeats=1)

    assert failed_checks(profile) == []


def test_a_graph_that_outlives_the_last_timed_step_writes_nothing() -> None:
    net = OptimizerNet()
    timed = TimedStep(resolve(net, runs_step=False), net.clock, TrainingBook(net))
    with timed.installed() as recorder:
        recorder.begin()
        loss = net.loss()
    before = recorder.events(start_ns=0, end_ns=0).threads[0].codes.tolist()

    loss.backward()

    assert recorder.events(start_ns=0, end_ns=0).threads[0].codes.tolist() == before


def test_training_without_backward_has_all_three_phases() -> None:
    net = NestedNet()

    profile = lp.profile(net, net.inputs, train=True, clock=net.clock, passes=PASSES, warmup=0, repeats=REPEATS)

    assert rows_of(profile) == net.answers.layers
    assert [(phase.name, phase.steps, constant(phase.total_s)) for phase in profile.phases] == [
        ("forward", 1, net.answers.step_s),
        ("backward", 0, 0.0),
        ("optimizer", 0, 0.0),
    ]
    assert failed_checks(profile) == []
