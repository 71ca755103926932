from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from energy_replays import Bench
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.hooks import RemovableHandle

from layerprof import models
from layerprof.measure.energy.base import CallSignature, Survey, UnitCalls, UnitKey
from layerprof.measure.energy.distinct import distinct_units
from layerprof.records import PhaseRules
from layerprof.testing import (
    TICK_S,
    CaptioningNet,
    FakeClock,
    RaisingChildNet,
    RecursiveNet,
    SharedNet,
    ThreadNet,
    TrainingNet,
)
from layerprof.testing.energy import Planted, PoweredNet, SimulatedDevice


def powered_bench(*planted: Planted, gap_s: float = 0.0) -> Bench:
    device = SimulatedDevice()
    net = PoweredNet(device, planted, gap_s=gap_s)
    return Bench(net, net.inputs, clock=device)


WIDE = Planted(name="wide", count=5, power_w=300.0, seconds=0.010, spread_rel=0.1)
SLIM = Planted(name="slim", count=2, power_w=100.0, seconds=0.002, width=3)


def test_a_unit_takes_the_time_of_its_calls_in_every_step() -> None:
    bench = powered_bench(WIDE, gap_s=0.001)

    survey = bench.survey(steps=3)

    assert [unit.samples_s for unit in survey.units] == [(0.010,) * 3] * 5
    assert survey.step_s == pytest.approx((0.055,) * 3)
    assert survey.phase_s == {0: pytest.approx((0.055,) * 3)}


def test_layers_of_one_class_and_shape_are_measured_once() -> None:
    bench = powered_bench(WIDE, SLIM)

    classes = distinct_units(bench.survey(steps=2), bench.target.tree.layers)

    assert [(one.name, len(one.members), one.calls) for one in classes] == [("wide.0", 5, 5), ("slim.0", 2, 2)]
    assert bench.paths(tuple(one.key for one in classes[0].sampled)) == ["wide.0", "wide.2", "wide.4"]
    assert bench.paths(tuple(one.key for one in classes[1].sampled)) == ["slim.0", "slim.1"]
    assert classes[0].samples_s == pytest.approx((0.050, 0.050))
    assert classes[1].share == pytest.approx(4 / 54)


def test_a_class_that_takes_no_time_is_left_out_of_replay_only() -> None:
    bench = powered_bench(WIDE, SLIM)
    survey = bench.survey()

    classes = distinct_units(survey, bench.target.tree.layers, least_share=0.08)

    assert [one.name for one in classes] == ["wide.0"]
    assert len(survey.units) == 7


def test_the_same_work_in_two_phases_is_measured_in_each() -> None:
    bench = powered_bench(WIDE)
    signature = CallSignature(work="alike")
    units = [
        UnitCalls(key=UnitKey(2, phase), samples_s=(1.0,), calls=1, module="alike", signatures={signature: 1})
        for phase in (0, 1)
    ]
    survey = Survey(units=tuple(units), phase_s={0: (1.0,), 1: (1.0,)}, step_s=(2.0,))

    classes = distinct_units(survey, bench.target.tree.layers)

    assert [(one.phase, one.share) for one in classes] == [(0, 0.5), (1, 0.5)]


def test_what_a_unit_calls_of_another_counts_for_the_outermost() -> None:
    net = SharedNet()
    bench = Bench(net, net.inputs, clock=net.clock)

    survey = bench.survey(paths=("left", "left.child", "right"))

    seconds = {bench.target.tree.layers[unit.key.layer].path: unit.seconds / TICK_S for unit in survey.units}
    assert seconds == {"left": 5, "right": 10}


def test_of_a_layer_that_calls_itself_the_outermost_call_counts() -> None:
    net = RecursiveNet()
    bench = Bench(net, net.inputs, clock=net.clock)

    (unit,) = bench.survey(paths=("again",)).units

    assert (unit.calls, unit.seconds) == (1, 6 * TICK_S)


def test_a_unit_that_raises_inside_of_the_model_ends_all_the_same() -> None:
    net = RaisingChildNet()
    bench = Bench(net, net.inputs, clock=net.clock)

    survey = bench.survey(paths=("passing", "sibling"))

    assert [unit.seconds / TICK_S for unit in survey.units] == [6, 5]


def test_a_unit_on_another_thread_is_left_out_with_a_note() -> None:
    net = ThreadNet()
    bench = Bench(net, net.inputs, clock=net.clock)

    survey = bench.survey(paths=("aside", "inline"))

    assert bench.paths(tuple(unit.key for unit in survey.units)) == ["inline"]
    assert [(note.code, note.scope) for note in survey.notes] == [("unit_elsewhere", "aside")]


def test_a_layer_called_with_two_shapes_varies() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shared = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.shared(x), self.shared(x[:1])])

    bench = Bench(Two(), torch.ones(3, 2))

    (unit,) = bench.survey().units

    assert unit.calls == 2
    assert unit.flags == ("varying_inputs",)


class Timed(nn.Module):
    """Takes a second for each row."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.clock.advance_s(float(len(x)))
        return x * 2


class Rows(nn.Module):
    """Calls its child with so many rows, one call after the other; other ones in other steps, if there are."""

    def __init__(self, *rows: tuple[int, ...]) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.child = Timed(self.clock)
        self.rows, self.steps = rows, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, self.steps = self.rows[self.steps % len(self.rows)], self.steps + 1
        return torch.cat([self.child(torch.ones(count, 2)) for count in rows])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((9, 1), 0),
        ((1, 9), 1),
        ((9, 9, 9, 1, 1, 1, 1, 1), 1),
        ((4, 4, 4, 9, 1), 1),
        ((1, 2, 3), 2),
        ((7, 1, 8), 2),
        ((101, 102, 103, 104, 105), 2),
        ((5, 5, 5, 5), 2),
    ],
    ids=["first", "last", "many short ones", "more often", "as long as both", "short between", "growing", "alike"],
)
def test_a_call_of_the_work_that_takes_the_most_time_stands_for_all(rows: tuple[int, ...], expected: int) -> None:
    net = Rows(rows)

    (unit,) = Bench(net, torch.ones(1), clock=net.clock).survey(paths=("child",), steps=2).units

    assert unit.wanted.call == expected


def test_where_steps_differ_in_their_calls_the_middle_one_stands_for_all() -> None:
    net = Rows((9, 1, 1, 1), (9, 1, 1))

    (unit,) = Bench(net, torch.ones(1), clock=net.clock).survey(paths=("child",), steps=2).units

    assert (unit.calls, unit.wanted.call) == (4, 2)
    assert "calls_vary" in unit.flags


def no_change(module: nn.Module, args: object, output: object) -> None:
    """A hook that does nothing."""


@pytest.mark.parametrize("kind", ["forward", "pre", "inside", "of all"])
def test_hooks_of_the_users_own_are_flagged(kind: str) -> None:
    inner = nn.Linear(1, 1)
    net = nn.Sequential(nn.Sequential(inner), nn.ReLU())
    hooks: dict[str, Callable[[], RemovableHandle]] = {
        "forward": lambda: net[0].register_forward_hook(lambda *_: None),
        "pre": lambda: net[0].register_forward_pre_hook(lambda *_: None),
        "inside": lambda: inner.register_forward_hook(lambda *_: None),
        "of all": lambda: register_module_forward_hook(no_change),
    }
    handle = hooks[kind]()
    try:
        survey = Bench(net, torch.ones(1, 1)).survey(paths=("0", "1"))
    finally:
        handle.remove()

    flags = ["user_hooks" in unit.flags for unit in survey.units]
    assert flags == [True, kind == "of all"]


@pytest.mark.parametrize("change", ["train", "flag", "dtype", "strides", "stride of the layer"])
def test_layers_that_work_differently_are_of_different_classes(change: str) -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = (nn.Conv1d(2, 2, 1) for _ in range(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            other = x.transpose(1, 2).contiguous().transpose(1, 2) if change == "strides" else x
            with torch.autocast("cpu", enabled=change == "dtype"):
                return torch.stack([self.one(x).sum(), self.other(other).sum()])

    model = Pair()
    if change == "flag":
        model.other.is_causal = True  # type: ignore[assignment]  # an attribute of a user's own
    if change == "stride of the layer":
        model.other.stride = (2,)
    bench = Bench(model, torch.ones(1, 2, 4))
    if change == "train":
        model.eval()
        model.other.dropout = nn.Dropout()
    survey = bench.survey()

    assert len(distinct_units(survey, bench.target.tree.layers, least_share=0.0)) == (1 if change == "dtype" else 2)


def test_the_hooks_are_gone_after_a_step_that_raised() -> None:
    class Raising(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.child = nn.Linear(1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.child(x)
            raise KeyError("on purpose")

    model = Raising()

    with pytest.raises(KeyError, match="on purpose"):
        Bench(model, torch.ones(1, 1)).survey()

    assert not model.child._forward_hooks
    assert not model.child._forward_pre_hooks


def test_a_survey_of_no_step_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        powered_bench(WIDE).survey(steps=0)


def test_prefill_and_decode_are_different_units() -> None:
    net = CaptioningNet()
    bench = Bench(net, clock=net.clock, function=net.step, rules=net.rules)

    survey = bench.survey(paths=("language_model.layer", "vision"), steps=2)

    found = {
        (bench.target.tree.layers[unit.key.layer].path, bench.phases.shown()[unit.key.phase].name): unit.calls
        for unit in survey.units
    }
    assert found == {
        ("vision", "vision"): 1,
        ("language_model.layer", "prefill"): 1,
        ("language_model.layer", "decode"): 3,
    }
    expected = {name: answers.total_s for name, answers in net.phases.items()}
    names = [phase.name for phase in bench.phases.shown()]
    assert {names[at]: samples[0] for at, samples in survey.phase_s.items()} == pytest.approx(expected)


def test_backward_is_a_phase_of_its_own_in_training() -> None:
    net = TrainingNet()
    bench = Bench(net, clock=net.clock, function=net.step, train=True)

    survey = bench.survey(steps=2)

    assert sum(samples[0] for samples in survey.phase_s.values()) == pytest.approx(survey.step_s[0])
    assert survey.phase_s[1][0] > 0
    assert {unit.key.phase for unit in survey.units} == {0}
    assert bench.phases.shown()[1].steps == 1
    assert not any(note.code == "phases_vary" for note in bench.phases.notes())


def blip2_inputs(model: nn.Module) -> dict[str, object]:
    ids = torch.cat([torch.full((1, 32), 50_258), torch.randint(3, 90, (1, 5))], dim=1)
    pixels = torch.randn(1, 3, 224, 224)
    return {"pixel_values": pixels, "input_ids": ids, "attention_mask": torch.ones_like(ids)}


@pytest.fixture(scope="module")
def blip2() -> nn.Module:
    return models.load("blip2-tiny")


def test_blip2_has_few_distinct_blocks(blip2: nn.Module) -> None:
    bench = Bench(blip2, blip2_inputs(blip2))

    classes = distinct_units(bench.survey(), bench.target.tree.layers, least_share=0.0)

    blocks = [one for one in classes if one.type_name in ("Blip2EncoderLayer", "Blip2QFormerLayer", "OPTDecoderLayer")]
    by_type: dict[str, list[int]] = {}
    for one in blocks:
        by_type.setdefault(one.type_name, []).append(len(one.members))
    counts = {kind: sum(layer.type_name == kind for layer in bench.target.tree.layers) for kind in by_type}
    assert {kind: len(sizes) for kind, sizes in by_type.items()} == {
        "Blip2EncoderLayer": 1,
        "Blip2QFormerLayer": 2,  # with cross-attention and without
        "OPTDecoderLayer": 1,
    }
    assert {kind: sum(sizes) for kind, sizes in by_type.items()} == counts


def test_blip2_generates_by_one_class_in_prefill_and_one_in_decode(blip2: nn.Module) -> None:
    rules: PhaseRules | None = models.adapter_for(blip2).describe(blip2).phases
    bench = Bench(
        blip2,
        blip2_inputs(blip2),
        method="generate",
        method_kwargs={"max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False},
        rules=rules,
    )

    survey = bench.survey()
    classes = distinct_units(survey, bench.target.tree.layers, least_share=0.0)

    names = [phase.name for phase in bench.phases.shown()]
    opt = [(names[one.phase], one) for one in classes if one.type_name == "OPTDecoderLayer"]
    assert [(name, one.calls // len(one.members)) for name, one in opt] == [("prefill", 1), ("decode", 3)]
    assert "varying_inputs" in opt[1][1].flags
