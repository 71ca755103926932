"""Compiled code out of sight, deep models, odd ops: nothing is lost in silence and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import nn

import layerprof as lp

X = torch.ones(2, 4)


class Backend:
    """Counts how often compiled graphs run."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., object]:
        def run(*args: object) -> object:
            self.runs += 1
            return graph.forward(*args)

        return run


class Holder(nn.Module):
    """Calls a child through a compiled function that no attribute of a module shows."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.child = nn.Linear(4, 4)
        self.hidden = [torch.compile(lambda x: self.child(x), backend=backend)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.hidden[0](x)
        return result


def test_code_compiled_out_of_sight_still_runs_compiled_afterwards() -> None:
    backend = Backend()
    model = Holder(backend).eval()
    with torch.no_grad():
        model(X)

    lp.profile(model, X, passes=("time", "flops", "memory"), warmup=1, repeats=2)

    before = backend.runs
    with torch.no_grad():
        model(X)
    assert backend.runs == before + 1


def test_a_layer_inside_code_compiled_out_of_sight_has_no_time_and_a_note() -> None:
    model = Holder(Backend()).eval()
    with torch.no_grad():
        model(X)

    profile = lp.profile(model, X, passes=("time", "flops"), warmup=1, repeats=2)

    child = profile["child"]
    assert (child.calls, child.total_s, child.flops) == (1, None, 2 * 2 * 4 * 4)
    times, rates = ["total_s", "self_s", "concurrent_s"], ["flops_per_s", "bytes_per_s", "efficiency"]
    assert [note.quantity for note in profile.notes if note.scope == "child"] == times + rates
    assert all(check.ok for check in profile.checks)


def test_a_root_that_the_first_step_does_not_call_keeps_the_books_closed() -> None:
    model = nn.Sequential(nn.Linear(4, 4))
    turns = [0]

    def step() -> None:
        turns[0] += 1
        (model if turns[0] % 2 == 0 else model[0])(X)

    profile = lp.profile(model, call=step, passes=("time", "flops"), warmup=0, repeats=4)

    assert [check for check in profile.checks if not check.ok] == []


def test_a_wrapper_that_forwards_names_keeps_its_own_layers() -> None:
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = torch.compile(nn.Sequential(nn.Linear(4, 4)), backend="eager")
            self.head = nn.Linear(4, 4)

        def __getattr__(self, name: str) -> torch.Tensor | nn.Module:
            try:
                return super().__getattr__(name)
            except AttributeError:
                found: torch.Tensor | nn.Module = getattr(super().__getattr__("inside"), name)
                return found

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.head(self.inside(x))
            return result

    profile = lp.profile(Wrapper(), X, passes=("time",), warmup=1, repeats=1)

    assert profile.spec.model_type == "Wrapper"
    assert "head" in profile


def test_a_model_of_two_hundred_levels_runs_under_hooks() -> None:
    model: nn.Module = nn.Linear(4, 4)
    for _ in range(200):
        model = nn.Sequential(model)

    profile = lp.profile(model, X, passes=("time",), warmup=0, repeats=1)

    assert len(profile.layers) == 201


def test_what_an_op_that_takes_functions_runs_is_counted() -> None:
    class Branch(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = torch.cond(x.sum() > 0, lambda v: v @ v.T, lambda v: v.cos(), (x,))
            return result

    profile = lp.profile(Branch(), X, passes=("flops", "memory"), warmup=0, repeats=1)

    assert profile.uncounted == ()
    assert profile.root.flops == 2 * X.shape[0] * X.shape[0] * X.shape[1]


def test_counting_on_fakes_leaves_no_fake_behind() -> None:
    class Remembering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table: torch.Tensor | None = None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.table is None:
                self.table = torch.cos(torch.arange(4.0))
                self.register_buffer("late", torch.ones(4))
            return x * self.table

    model = Remembering()

    lp.count_flops(model, X)

    assert type(model(X)) is torch.Tensor
    assert list(model.state_dict()) == ["late"]


def test_a_model_of_the_meta_device_may_hold_plain_tensors() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)
            self.mask = torch.ones(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.linear(x * self.mask)
            return result

    with torch.device("meta"):
        model = Masked()

    assert lp.count_flops(model, X).total == 2 * 2 * 4 * 4


def test_a_step_that_raised_gives_its_turn_back() -> None:
    model = nn.Linear(4, 4)

    with torch.no_grad(), lp.Profiler(model, passes=("flops", "time")) as profiler:
        with pytest.raises(ValueError, match="on purpose"), profiler.step():
            raise ValueError("on purpose")
        for _ in range(3):
            with profiler.step():
                model(X)

    assert profiler.result().root.flops == 2 * 2 * 4 * 4


def test_lazy_modules_are_refused_with_the_remedy() -> None:
    with pytest.raises(lp.InputError, match="call it once before"):
        lp.profile(nn.Sequential(nn.LazyLinear(4)), X)


def test_a_layer_called_from_the_second_step_on_has_its_phase() -> None:
    model = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
    turns = [0]

    def step() -> None:
        turns[0] += 1
        model["a" if turns[0] <= 2 else "b"](X)

    profile = lp.profile(model, call=step, passes=("time",), warmup=0, repeats=4)

    assert list(profile["b"].by_phase) == ["forward"]


def test_a_train_method_that_raises_leaves_the_mode_as_it_was() -> None:
    class Stubborn(nn.Linear):
        def train(self, mode: bool = True) -> Stubborn:
            super().train(mode)
            if not mode:
                raise RuntimeError("never")
            return self

    model = Stubborn(4, 4)

    with pytest.raises(lp.MeasurementError, match="never"):
        lp.profile(model, X)

    assert model.training


@pytest.mark.parametrize(
    "options",
    [
        {"passes": None},
        {"passes": 5},
        {"stages": {"a": [1]}},
        {"method": 3},
        {"method": "forward", "method_kwargs": 3},
        {"energy": "guess"},
    ],
)
def test_an_option_of_the_wrong_type_is_one_line(options: dict[str, object]) -> None:
    with pytest.raises(lp.InputError):
        lp.profile(nn.Linear(4, 4), X, **options)  # type: ignore[arg-type]  # wrong on purpose


def test_a_child_that_was_compiled_keeps_its_path_and_its_own_time() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    model[1] = cast("nn.Module", torch.compile(model[1], backend="eager"))
    with torch.no_grad():
        model(X)

    profile = lp.profile(model, X, passes=("time", "flops"), warmup=1, repeats=2)

    assert [layer.path for layer in profile.layers] == ["", "0", "1", "1.0", "1.1"]
    assert profile["1"].calls == 1
    assert profile["1"].total_s is not None
    assert profile["1.0"].total_s is None
    assert profile["1.0"].flops == 2 * 2 * 4 * 4
    assert all(check.ok for check in profile.checks)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # scripted modules exist, whatever torch advises
@pytest.mark.parametrize("passes", [("time", "flops", "memory"), ("flops",), ()])
def test_no_quantity_has_two_notes_of_one_scope(passes: tuple[str, ...]) -> None:
    model = nn.Sequential(nn.TransformerEncoderLayer(4, 2, batch_first=True), torch.jit.trace(nn.Linear(4, 4), X))

    notes = lp.profile(model, X[None], passes=passes, warmup=0, repeats=1).notes

    places = [(note.quantity, note.scope) for note in notes if note.code != "unsteady"]
    assert len(places) == len(set(places))
