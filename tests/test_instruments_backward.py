"""The follower of backward work: one mark for each stretch of the graph, none left on it, and the walk cut out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from layerprof.attribute import BACKWARD, BACKWARD_ENDED, PAUSE, RESUME, StepEvents
from layerprof.instruments import BackwardFollower, Site, SpanRecorder
from layerprof.testing import (
    ROWS,
    TICK_S,
    WIDTH,
    FakeClock,
    KnownNet,
    LayerFailedError,
    QueryKeyValueNet,
    RaisingChildNet,
    ReentrantCheckpointNet,
    TowersNet,
    Work,
)

TICK_NS = int(TICK_S * 10**9)
ROOT, FIRST, SECOND = 0, 1, 2  # indices of layers


@dataclass(frozen=True)
class Followed:
    """A recorder, its follower and their clock."""

    recorder: SpanRecorder
    follower: BackwardFollower
    clock: FakeClock

    def events(self) -> StepEvents:
        return self.recorder.events(start_ns=0, end_ns=self.clock.now_ns())

    def codes(self) -> list[str]:
        """What was written, in words; a stretch is named by the event that it follows."""
        (thread,) = self.events().threads
        codes = thread.codes.tolist()
        return [_word(code, codes) for code in codes]

    def backward(self) -> list[tuple[str, int]]:
        """The marks from the end of the last call on, with their ticks."""
        (thread,) = self.events().threads
        codes = thread.codes.tolist()
        start = len(codes) - codes[::-1].index(RESUME)
        return [
            (_word(code, codes), time_ns // TICK_NS)
            for code, time_ns in zip(codes[start:], thread.times_ns[start:].tolist(), strict=True)
        ]


def _word(code: int, codes: list[int]) -> str:
    marks = {PAUSE: "pause", RESUME: "resume", BACKWARD_ENDED: "ended"}
    if code in marks:
        return marks[code]
    if code >= BACKWARD:
        return f"after {_word(codes[code - BACKWARD], codes)}"
    return f"enter {code}" if code >= 0 else f"leave {~code}"


@contextmanager
def followed(model: nn.Module, clock: FakeClock | None = None) -> Iterator[Followed]:
    """The block of one step."""
    clock = clock or FakeClock()
    follower = BackwardFollower(clock)
    recorder = SpanRecorder(clock, follower)
    sites = [Site(index=index, module=module) for index, module in enumerate(model.modules())]
    with recorder.installed(sites):
        recorder.begin()
        yield Followed(recorder, follower, clock)
        follower.end()


def held(net: KnownNet) -> FakeClock:
    assert isinstance(net.clock, FakeClock)
    return net.clock


def inputs() -> torch.Tensor:
    return torch.ones(ROWS, WIDTH, requires_grad=True)


def test_marks_go_backwards_through_what_was_recorded_and_say_when_it_ends() -> None:
    clock = FakeClock()
    model = nn.Sequential(
        Work(clock, ticks=1, products=1, backward_ticks=2), Work(clock, ticks=3, products=2, backward_ticks=5)
    )

    with followed(model, clock) as step:
        model(inputs()).sum().backward()
        codes, backward = step.codes(), step.backward()

    forward = ["enter 0", "enter 1", "leave 1", "enter 2", "leave 2", "leave 0", "pause", "resume"]
    assert codes == [*forward, "after enter 2", "after enter 1", "ended"]
    assert backward == [("after enter 2", 4), ("after enter 1", 9), ("ended", 11)]


def test_branches_on_one_input_are_each_their_own_stretch() -> None:
    net = QueryKeyValueNet()

    with followed(net, held(net)) as step:
        net(inputs()).sum().backward()
        backward = step.backward()

    marks = ["after leave 3", "after enter 3", "after leave 2", "after enter 2", "after enter 1", "after enter 0"]
    assert [mark for mark, _ in backward] == [*marks, "ended"]
    assert [ticks for _, ticks in backward] == [10, 10, 17, 17, 22, 25, 27]


def test_each_stretch_has_one_hook_however_many_calls_return() -> None:
    net = TowersNet()
    x = inputs()

    with followed(net, held(net)) as step:
        left = net.left(x)
        (left + net.right(left)).sum().backward()
        backward = step.backward()

    marks = [mark for mark, _ in backward]
    assert len(marks) == len(set(marks)) == 5  # two layers a tower, and the end


def test_the_walk_over_the_graph_stands_between_pause_and_resume() -> None:
    class Slow(FakeClock):
        """Each reading takes a nanosecond."""

        def now_ns(self) -> int:
            self.advance_s(1e-9)
            return super().now_ns()

    model = nn.Sequential(nn.Linear(WIDTH, WIDTH))

    with followed(model, Slow()) as step:
        model(inputs())
        (thread,) = step.events().threads

    codes = thread.codes.tolist()
    assert codes[-2:] == [PAUSE, RESUME]
    assert codes.count(PAUSE) == codes.count(RESUME) == 1


def test_without_gradients_nothing_is_walked_and_nothing_marked() -> None:
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH))

    with torch.no_grad(), followed(model) as step:
        model(inputs())
        codes = step.codes()

    assert codes == ["enter 0", "enter 1", "leave 1", "leave 0"]


@pytest.mark.parametrize("output", [None, 3, "text", (), {}])
def test_outputs_without_tensors_are_no_graph(output: object) -> None:
    class Answering(nn.Module):
        def forward(self, x: torch.Tensor) -> object:
            return output

    model = Answering()

    with followed(model) as step:
        model(inputs())
        codes = step.codes()

    assert codes == ["enter 0", "leave 0", "pause", "resume"]


def test_outputs_that_need_no_gradient_are_no_graph() -> None:
    model = nn.Linear(WIDTH, WIDTH).requires_grad_(False)

    with followed(model) as step:
        model(torch.ones(ROWS, WIDTH))
        codes = step.codes()

    assert codes == ["enter 0", "leave 0", "pause", "resume"]


def test_every_tensor_in_the_output_leads_to_its_graph() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

        def forward(self, x: torch.Tensor) -> dict[str, object]:
            return {"one": self.a(x), "more": [self.b(x)]}

    model = Two()

    with followed(model) as step:
        model(inputs())["more"][0].sum().backward()
        backward = step.backward()

    assert [mark for mark, _ in backward] == ["after enter 2", "ended"]


def test_operations_in_place_and_views_are_in_the_stretch_that_made_them() -> None:
    class Viewing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(WIDTH, WIDTH)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = (x * 2).view(-1, WIDTH)
            x[0].mul_(3)
            result: torch.Tensor = self.inner(x).t().relu_().t()
            return result

    model = Viewing()

    with followed(model) as step:
        model(inputs()).sum().backward()
        backward = step.backward()

    assert [mark for mark, _ in backward] == ["after leave 1", "after enter 1", "after enter 0", "ended"]


def test_no_hook_is_left_on_a_graph_that_outlives_its_step() -> None:
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH))

    with followed(model) as step:
        loss = model(inputs()).sum()
        before = step.codes()
        step.follower.end()
        loss.backward()
        after = step.codes()

    assert after == before


def test_a_graph_of_the_step_before_writes_nothing_into_the_next() -> None:
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH))

    with followed(model) as step:
        loss = model(inputs()).sum()
        step.recorder.begin()
        model(inputs())
        loss.backward()
        codes, runs = step.codes(), step.follower.runs

    assert codes == ["enter 0", "enter 1", "leave 1", "leave 0", "pause", "resume"]
    assert runs == 0


def test_runs_of_the_engine_are_counted() -> None:
    model = nn.Linear(WIDTH, WIDTH)

    with followed(model) as step:
        for _ in range(3):
            model(inputs()).sum().backward()
        runs = step.follower.runs

    assert runs == 3


def test_gradients_without_accumulation_are_a_run_too() -> None:
    model = nn.Linear(WIDTH, WIDTH)

    with followed(model) as step:
        torch.autograd.grad(model(inputs()).sum(), [model.weight])
        backward = step.backward()

    assert [mark for mark, _ in backward] == ["after enter 0", "ended"]


def test_a_run_inside_a_run_is_part_of_it_and_the_outer_one_goes_on_where_it_was() -> None:
    net = ReentrantCheckpointNet()  # root 0, block 1, block.child 2

    with followed(net, held(net)) as step:
        net(inputs()).sum().backward()
        marks, runs = step.codes()[6:], step.follower.runs

    recomputed = ["enter 1", "enter 2", "leave 2", "leave 1", "pause", "resume"]
    assert marks[:2] == ["pause", "resume"]
    assert marks[2:] == ["after enter 0", *recomputed, "after enter 2", "after enter 1", "after enter 0", "ended"]
    assert runs == 1


def test_a_run_that_raised_is_over_when_the_next_call_begins() -> None:
    model = nn.Linear(WIDTH, WIDTH)

    with followed(model) as step:
        handle = model.weight.register_post_accumulate_grad_hook(_fail)
        with pytest.raises(LayerFailedError):
            model(inputs()).sum().backward()
        handle.remove()
        model(inputs()).sum().backward()
        backward, runs = step.backward(), step.follower.runs

    assert [mark for mark, _ in backward] == ["after enter 0", "ended"]
    assert runs == 2


def _fail(parameter: torch.Tensor) -> None:
    raise LayerFailedError


def test_a_call_that_raises_is_followed_like_any_other() -> None:
    net = RaisingChildNet()

    with followed(net, held(net)) as step:
        net(inputs()).sum().backward()
        backward = step.backward()

    assert [mark for mark, _ in backward] == ["after enter 4", "ended"]  # the sibling's alone


def test_a_checkpointed_call_marks_its_recomputation_inside_the_engine() -> None:
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU())

    with followed(model) as step:
        checkpoint(model, inputs(), use_reentrant=False).sum().backward()
        codes = step.codes()

    entered = [place for place, code in enumerate(codes) if code == "enter 0"]
    marks = [place for place, code in enumerate(codes) if code.startswith("after")]
    assert len(entered) == 2
    assert marks[0] < entered[1] < codes.index("ended")


def test_a_custom_function_is_one_node_of_its_call() -> None:
    clock = FakeClock()
    model = Work(clock, ticks=1, backward_ticks=4)

    with followed(model, clock) as step:
        model(inputs()).sum().backward()
        backward = step.backward()

    assert backward == [("after enter 0", 1), ("ended", 5)]
