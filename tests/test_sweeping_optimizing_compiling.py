"""Models compiled by parts and as a whole: graphs counted when they are made and when they run, and no claim beyond."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
import torch
from optimized_models import BATCH, TOKENS, WIDTH, Pair
from torch import nn

import layerprof as lp
from layerprof.records import TruthRecord
from layerprof.sweeping.base.failures import failure_of
from layerprof.sweeping.base.refusals import RefusedError
from layerprof.sweeping.measuring.optimizing import Optimized, failure_of_truth, optimized
from layerprof.sweeping.measuring.optimizing.base import GraphCounter, graph_breaks

PARTS = {"vision": 1, "language": 1}
LONGER = {"x": torch.ones(2, TOKENS + 2, WIDTH)}


class Hand:
    """A clock that moves by a second with each reading."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> int:
        self._now_ns += 10**9
        return self._now_ns


class Broken(nn.Module):
    """A part in which a graph breaks once."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.line(x)
        torch._dynamo.graph_break()
        return x + 1


class Idle(nn.Module):
    """A model with a part that is not called, and a list of parts."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Broken(), Broken()])
        self.spare = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Restless(nn.Module):
    """A model of which a part is other code at every call."""

    def __init__(self) -> None:
        super().__init__()
        self.part = Counting()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.part(x)
        return result


class Counting(nn.Module):
    """Its graph holds the number of its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(WIDTH, WIDTH)
        self.word = "a"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.word += "a"
        result: torch.Tensor = self.line(x) * len(self.word)
        return result


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def generated(model: nn.Module, batch: Mapping[str, object]) -> object:
    result: object = model.generate(**batch, max_new_tokens=2)  # type: ignore[operator]  # a method of the model's
    return result


def truth_of(way: Optimized, *batches: Mapping[str, object]) -> TruthRecord:
    for batch in batches or (BATCH,):
        way.prepare(batch)
    way.mark()
    return way.truth(batches[0] if batches else BATCH)


def test_each_part_has_its_graphs_and_runs_them() -> None:
    with optimized(Pair(), "compile", backend="eager", clock=Hand()) as way:
        truth = truth_of(way)

    assert dict(truth.graphs) == PARTS
    assert truth.is_in_force
    assert (truth.recompiles, truth.graph_breaks) == (0, 0)
    assert truth.compile_s == 1.0
    assert {op.part for op in truth.attention_ops} == {"vision", "language"}
    assert truth.vision_tokens == TOKENS
    assert failure_of_truth(truth) is None


def test_seconds_are_those_of_the_first_calls_of_all_shapes() -> None:
    with optimized(Pair(), "compile", backend="eager", clock=Hand()) as way:
        truth = truth_of(way, BATCH, LONGER)

    assert truth.compile_s == 2.0
    assert sum(truth.graphs.values()) == 4
    assert truth.recompiles == 0


@pytest.mark.parametrize("optimization", ["compile", "compile_whole"])
def test_a_profile_compiles_nothing_anew_and_counts_the_same_flops(optimization: str) -> None:
    model = Pair()
    wanted = lp.count_flops(model, BATCH).total

    with optimized(model, optimization, backend="eager") as way:
        way.prepare(BATCH)
        way.mark()
        profiled = lp.profile(
            way.model, BATCH, passes=("time", "ops", "flops", "memory"), warmup=1, repeats=2, ceilings=None
        )
        counted = lp.count_flops(way.model, BATCH).total
        truth = way.truth(BATCH)

    assert profiled.step_flops == counted == wanted
    assert [check for check in profiled.checks if not check.ok] == []
    assert truth.recompiles == 0
    assert truth.is_in_force


def test_a_compiled_part_keeps_its_row_and_its_children_have_no_time() -> None:
    with optimized(Pair(), "compile", backend="eager") as way:
        way.prepare(BATCH)
        profiled = lp.profile(way.model, BATCH, passes=("time",), warmup=1, repeats=2, ceilings=None)

    assert profiled["vision"].total_s is not None
    assert profiled["vision.line"].total_s is None


def test_after_the_block_nothing_is_compiled() -> None:
    model = Pair()
    own = Pair().vision.forward
    model.language.forward = own  # type: ignore[method-assign]  # as a user may

    with pytest.raises(ArithmeticError), optimized(model, "compile", backend="eager"):
        assert "forward" in vars(model.vision)
        raise ArithmeticError

    assert "forward" not in vars(model.vision)
    assert model.language.forward == own


def test_what_is_generated_by_a_model_compiled_by_parts_runs_their_graphs() -> None:
    with optimized(Pair(), "compile", backend="eager") as way:
        truth_of(way)

        assert way.generate_graphs(BATCH) == PARTS["language"]


def test_graphs_that_run_again_count_though_none_is_compiled() -> None:
    with optimized(Pair(), "compile", backend="eager") as way:
        way.prepare(BATCH)
        first = way.generate_graphs(BATCH)
        again = way.generate_graphs(BATCH)

    assert first == again == 1


def test_a_model_compiled_as_a_whole_is_so_for_its_call_alone() -> None:
    with optimized(Pair(), "compile_whole", backend="eager") as way:
        truth = truth_of(way)
        generate_graphs = way.generate_graphs(BATCH)

    assert way.model is not way.inner
    assert dict(truth.graphs) == {"": 1}
    assert truth.is_in_force
    assert truth.vision_tokens == TOKENS
    assert {op.part for op in truth.attention_ops} == {"model"}
    assert generate_graphs == 0


def test_a_generation_of_a_model_compiled_as_a_whole_is_not_in_force() -> None:
    with optimized(Pair(), "compile_whole", backend="eager") as way:
        way.prepare(BATCH, generated)
        way.mark()
        failure = failure_of_truth(way.truth(BATCH))

    assert failure is not None
    assert failure.kind == "not_in_force"
    assert "0 compiled graphs ran in the step" in failure.text


def test_how_many_graphs_generating_ran_is_told_of_a_model_that_takes_tokens() -> None:
    model = Reader()
    batch = {"input_ids": torch.tensor([[1, 2]])}

    with optimized(model, "compile_whole", backend="eager") as way:
        way.prepare(batch)
        truth = way.truth(batch)

    assert truth.generate_graphs == 0
    assert truth.reasons == ("a call of the model is compiled; generate ran 0 compiled graphs",)
    assert truth.is_in_force


class Reader(nn.Module):
    """Takes tokens, and generates without calling itself."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(4, WIDTH)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.table(input_ids))

    def generate(self, input_ids: torch.Tensor, **_options: object) -> torch.Tensor:
        self.table(input_ids)
        return input_ids


def test_a_step_whose_parts_are_not_what_was_compiled_is_not_in_force() -> None:
    model = Pair()
    with optimized(model, "compile", backend="eager") as way:
        way.prepare(BATCH)
        model.vision.forward = Pair().vision.forward  # type: ignore[method-assign]  # as a library might
        truth = way.truth(BATCH)

    assert truth.is_in_force is False
    assert truth.reasons == ("vision was called and ran 0 compiled graphs",)


def test_graphs_compiled_while_measuring_are_counted_and_told() -> None:
    with optimized(Pair(), "compile", backend="eager") as way:
        way.prepare(BATCH)
        way.mark()
        with torch.no_grad():
            way.model(**LONGER)
        truth = way.truth(BATCH)

    assert truth.recompiles == 2
    assert dict(truth.graphs) == PARTS
    assert truth.is_in_force
    assert truth.reasons == ("2 graphs were compiled while steps were measured; those steps are in the numbers",)


def test_what_is_compiled_aside_is_no_recompile() -> None:
    with optimized(Pair(), "compile", backend="eager") as way:
        way.prepare(BATCH)
        way.mark()
        with way.aside(), torch.no_grad():
            way.model(**LONGER)
        truth = way.truth(BATCH)

    assert truth.recompiles == 0


def test_a_step_that_is_compiled_anew_each_time_is_not_in_force() -> None:
    with optimized(Restless(), "compile", backend="eager") as way:
        way.prepare(BATCH["x"])
        truth = way.truth(BATCH["x"])

    assert truth.is_in_force is False
    assert "the step is compiled anew each time" in truth.reasons[0]


def test_graph_breaks_are_counted_and_lists_are_compiled_by_what_they_hold() -> None:
    with optimized(Idle(), "compile", backend="eager") as way:
        way.prepare(BATCH["x"])
        truth = way.truth(BATCH["x"])

    assert dict(truth.graphs) == {"layers.0": 2, "layers.1": 2, "spare": 0}
    assert truth.graph_breaks is not None
    assert truth.graph_breaks >= 1
    assert truth.is_in_force  # what is not called need not be compiled


def test_graph_breaks_of_what_was_compiled_before_are_not_counted() -> None:
    found = []
    for _ in range(2):
        with optimized(Idle(), "compile", backend="eager") as way:
            way.prepare(BATCH["x"])
            found.append(way.truth(BATCH["x"]).graph_breaks)

    assert found[0] == found[1]


def test_what_else_was_compiled_is_forgotten_with_the_block() -> None:
    counter = GraphCounter("eager")
    other = torch.compile(lambda x: x + 1, backend=counter)
    other(torch.ones(2))

    with optimized(Pair(), "compile", backend="eager"):
        pass
    other(torch.ones(2))

    assert counter.compiled == 2


def test_a_model_without_parts_is_refused_by_parts() -> None:
    with pytest.raises(RefusedError) as raised, optimized(nn.Linear(2, 2), "compile", backend="eager"):
        pass

    assert raised.value.failure.kind == "unsupported"
    assert raised.value.failure.text.endswith("ask for compile_whole")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inductor scripts, which torch calls deprecated
def test_without_a_compiler_it_is_unavailable_with_the_remedy() -> None:
    from torch._inductor import config

    with (
        config.patch({"cpp.cxx": (None, "no-such-compiler")}),
        pytest.raises(RefusedError) as raised,
        optimized(Pair(), "compile"),
    ):
        pass

    assert raised.value.failure.kind == "unavailable"
    assert raised.value.failure.text.startswith("compile cannot be had here: No working C++ compiler")
    assert raised.value.failure.text.endswith("; install one (apt-get install g++)")


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("error: Python.h: No such file or directory", "python3-dev"),
        ("Cannot find a working triton installation. Either", "pip install triton"),
    ],
)
def test_what_the_first_call_lacks_is_unavailable_with_the_remedy(said: str, remedy: str) -> None:
    def lacking(_model: nn.Module, _batch: object) -> object:
        raise RuntimeError("backend='inductor' raised") from OSError(f"a first line\n{said}\na last line")

    with optimized(Pair(), "compile", backend="eager") as way, pytest.raises(RefusedError) as raised:
        way.prepare(BATCH, lacking)

    assert raised.value.failure.kind == "unavailable"
    assert said.removeprefix("error: ") in raised.value.failure.text
    assert remedy in raised.value.failure.text
    assert failure_of(OSError(said)).kind == "unavailable"


def test_any_other_error_of_a_first_call_is_the_models_own() -> None:
    def failing(_model: nn.Module, _batch: object) -> object:
        raise ZeroDivisionError

    with optimized(Pair(), "compile", backend="eager") as way, pytest.raises(ZeroDivisionError):
        way.prepare(BATCH, failing)


def test_a_counter_counts_graphs_and_the_runs_of_each() -> None:
    counter = GraphCounter("eager")
    compiled = torch.compile(lambda x: x + 1, backend=counter)

    compiled(torch.ones(2))
    compiled(torch.ones(2))

    assert counter.compiled == 1
    assert counter.runs == (2,)


def test_a_torch_that_does_not_tell_of_graph_breaks_makes_them_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._dynamo.utils

    monkeypatch.delattr(torch._dynamo.utils, "counters")

    assert graph_breaks() is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inductor scripts, which torch calls deprecated
def test_inductor_compiles_each_part() -> None:
    with optimized(Pair(), "compile") as way:
        truth = truth_of(way)

    assert dict(truth.graphs) == PARTS
    assert truth.is_in_force
    assert truth.compile_s is not None
