from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

import pytest
import torch
from energy_replays import CPU, Bench
from torch import nn
from transformers import DynamicCache, OPTConfig, OPTForCausalLM, StaticCache

from layerprof.measure.energy.base import budget
from layerprof.measure.energy.replay import ReplayLoad, replay_of
from layerprof.measure.energy.verification import verified
from layerprof.testing import LayerFailedError
from layerprof.testing.energy import Planted, PoweredNet, SimulatedDevice


class Holder(nn.Module):
    """A model around one layer."""

    def __init__(self, child: nn.Module) -> None:
        super().__init__()
        self.child = child

    def forward(self, x: torch.Tensor, **kwargs: object) -> torch.Tensor:
        result: torch.Tensor = self.child(x.clone(), **kwargs)
        return result


class Function(nn.Module):
    """A layer with a weight and a buffer, whose forward a test writes."""

    def __init__(self, function: Callable[[Function, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0, 3.0]))
        self.register_buffer("count", torch.zeros(2))
        self.count: torch.Tensor
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self, x)


def bench_of(function: Callable[[Function, torch.Tensor], torch.Tensor]) -> tuple[Function, Bench]:
    child = Function(function)
    return child, Bench(Holder(child), torch.ones(2))


def test_a_launch_makes_so_many_calls_on_the_device() -> None:
    device = SimulatedDevice(idle_w=50.0)
    net = PoweredNet(device, [Planted(name="blocks", count=3, power_w=300.0, seconds=0.01)])
    load = Bench(net, net.inputs, clock=device).load("blocks.1")
    began_ns, began_j = device.now_ns(), device.joules(device.now_ns())

    load.launch(7)
    load.launch(3)
    load.settle()

    assert device.now_ns() - began_ns == pytest.approx(10 * 0.01e9)
    assert device.joules(device.now_ns()) - began_j == pytest.approx(10 * 3.0)


def test_a_layer_that_repeats_itself_is_replayable() -> None:
    _, bench = bench_of(lambda layer, x: x * layer.weight)

    verdict = verified(bench.load("child"))

    assert (verdict.is_replayable, verdict.flags, verdict.reason) == (True, (), None)


def test_a_weight_that_was_changed_since_shows_in_the_output() -> None:
    child, bench = bench_of(lambda layer, x: x * layer.weight)
    load = bench.load("child")
    with torch.no_grad():
        child.weight[1] += 0.01

    verdict = verified(load)

    assert not verdict.is_replayable
    assert verdict.flags == ("not_replayable",)
    assert "not the one that the model got" in str(verdict.reason)


def test_a_difference_of_rounding_is_none() -> None:
    child, bench = bench_of(lambda layer, x: x * layer.weight)
    load = bench.load("child")
    with torch.no_grad():
        child.weight[1] += 1e-6

    assert verified(load).is_replayable


def test_whole_numbers_have_to_be_equal() -> None:
    child, bench = bench_of(lambda layer, x: (1e6 * layer.weight).long())
    load = bench.load("child")
    with torch.no_grad():
        child.weight[1] += 1e-6

    assert not verified(load).is_replayable


def test_an_output_of_nan_is_like_itself_and_like_no_number() -> None:
    child, bench = bench_of(lambda layer, x: x * layer.weight * layer.count.log().exp() / layer.count)
    load = bench.load("child")

    assert load.captured.output[0].isnan().all()
    assert verified(load).is_replayable
    child.count.fill_(1.0)
    assert not verified(load).is_replayable


def test_a_number_where_there_was_nan_is_another_output() -> None:
    child, bench = bench_of(lambda layer, x: torch.stack([layer.count[0], x[0]]))
    child.count.fill_(float("nan"))
    load = bench.load("child")
    child.count.zero_()

    assert not verified(load).is_replayable


def test_an_output_in_another_format_is_another_output() -> None:
    child, bench = bench_of(lambda layer, x: x * layer.weight)
    load = bench.load("child")
    child.double()

    assert not verified(load).is_replayable


def test_dropout_that_is_off_is_replayable() -> None:
    bench = Bench(Holder(nn.Dropout()).eval(), torch.ones(64))

    assert verified(bench.load("child")).is_replayable


def test_random_numbers_in_the_output_are_refused() -> None:
    _, bench = bench_of(lambda layer, x: nn.functional.dropout(x.expand(64, 2), 0.5))

    verdict = verified(bench.load("child"))

    assert "draws random numbers" in str(verdict.reason)


def test_random_numbers_beside_the_output_are_told() -> None:
    _, bench = bench_of(lambda layer, x: x + 0 * torch.rand(2))

    assert verified(bench.load("child")).flags == ("draws_random",)


def test_the_random_generators_are_afterwards_where_they_were() -> None:
    def draw(layer: Function, x: torch.Tensor) -> torch.Tensor:
        random.random()
        return x + torch.rand(2)

    _, bench = bench_of(draw)
    load = bench.load("child")
    torch_state, python_state = torch.get_rng_state(), random.getstate()

    verified(load)
    with load.kept():
        load.launch(3)

    assert torch.equal(torch_state, torch.get_rng_state())
    assert python_state == random.getstate()


def test_an_input_that_each_call_changes_further_is_refused() -> None:
    _, bench = bench_of(lambda layer, x: x.add_(1).clone())

    verdict = verified(bench.load("child"))

    assert "writes to its inputs" in str(verdict.reason)


def test_an_input_that_is_written_alike_each_time_is_replayable() -> None:
    _, bench = bench_of(lambda layer, x: x.copy_(layer.weight).clone())

    assert verified(bench.load("child")).flags == ("writes_inputs",)


def test_batch_norm_in_training_writes_buffers_and_they_are_put_back() -> None:
    norm = nn.BatchNorm1d(3)
    bench = Bench(Holder(norm).train(), torch.randn(5, 3), train=True)
    load = bench.load("child")
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}

    verdict = verified(load)
    with load.kept():
        load.launch(4)
        moved = bool(norm.num_batches_tracked != before["num_batches_tracked"])

    assert (verdict.is_replayable, verdict.flags, moved) == (True, ("writes_buffers",), True)
    assert all(torch.equal(buffer, before[name]) for name, buffer in norm.named_buffers())


@pytest.mark.parametrize("is_unseen", [False, True], ids=["counted", "behind the version's back"])
def test_a_buffer_that_a_call_writes_is_put_back(is_unseen: bool) -> None:
    def write(layer: Function, x: torch.Tensor) -> torch.Tensor:
        (layer.count.data if is_unseen else layer.count).add_(2)
        return x * 1

    child, bench = bench_of(write)
    load = bench.load("child")
    before = child.count.clone()

    assert verified(load).flags == ("writes_buffers",)
    with load.kept():
        load.launch(2)

    assert torch.equal(child.count, before)


@pytest.mark.parametrize("through", ["weight", "view"])
def test_a_layer_that_writes_to_its_weights_is_refused_before_it_runs(through: str) -> None:
    def write(layer: Function, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            vars(layer).get("view", layer.weight).mul_(2)
        return x * 1

    child = Function(write)
    if through == "view":
        child.view = child.weight.detach()[:1]
    load = Bench(Holder(child), torch.ones(2)).load("child")
    before = child.weight.detach().clone()

    verdict = verified(load)

    assert (verdict.flags, verdict.reason) == (("not_replayable",), "it writes to its parameters")
    assert torch.equal(child.weight, before)


@pytest.mark.parametrize("first_write", [1, 2])
def test_a_layer_that_writes_to_its_weights_in_the_replay_alone_is_refused(first_write: int) -> None:
    calls: list[int] = []

    def write(layer: Function, x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) > first_write:
            with torch.no_grad():
                layer.weight.mul_(1)
        return x * 1

    _, bench = bench_of(write)

    assert verified(bench.load("child")).reason == "it writes to its parameters"


def test_weights_are_not_copied_and_all_else_is_within_the_budget() -> None:
    child, bench = bench_of(lambda layer, x: x * layer.weight)
    child.large = large = nn.Parameter(torch.ones(1000))
    child.view = large.detach().view(10, 100)
    needed_bytes = 4 * 2 + 4 * 2  # of its buffer and its input

    enough, little = (verified(bench.load("child"), budget_bytes=needed_bytes - less) for less in (0, 1))

    assert enough.is_replayable
    assert (little.is_replayable, little.flags) == (False, ("no_memory",))
    assert f"take {needed_bytes} bytes" in str(little.reason)


@pytest.mark.parametrize("free_bytes", [4 * 16, 4 * 16 - 1, None])
def test_a_quarter_of_what_is_free_is_taken_for_copies(free_bytes: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    _, bench = bench_of(lambda layer, x: x * layer.weight)
    load = bench.load("child")
    monkeypatch.setattr(budget, "available_bytes", lambda device: free_bytes)

    assert verified(load).is_replayable is (free_bytes != 4 * 16 - 1)


def test_a_replay_that_finds_no_memory_is_refused_for_that() -> None:
    calls: list[int] = []

    def fail(layer: Function, x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) > 1:
            raise torch.OutOfMemoryError("all taken")
        return x * 1

    _, bench = bench_of(fail)

    assert verified(bench.load("child")).flags == ("no_memory",)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch calls scripting deprecated
def test_buffers_of_a_scripted_layer_inside_are_put_back() -> None:
    scripted = torch.jit.script(nn.BatchNorm1d(3))
    bench = Bench(Holder(nn.Sequential(scripted)).train(), torch.randn(5, 3), train=True)
    load = bench.load("child")
    before = scripted.running_mean.clone()

    verdict = verified(load)

    assert (verdict.is_replayable, verdict.flags) == (True, ("writes_buffers",))
    assert torch.equal(scripted.running_mean, before)


HELD: dict[str, Callable[[torch.Tensor], object]] = {
    "dict": lambda tensor: {"n": tensor},
    "list": lambda tensor: [tensor],
    "tuple": lambda tensor: (tensor,),
    "deque": lambda tensor: deque([tensor]),
    "nested": lambda tensor: {"of": [(deque([tensor]),)]},
}


@pytest.mark.parametrize("kind", HELD)
def test_a_tensor_in_a_container_of_the_layers_is_put_back(kind: str) -> None:
    tensor = torch.zeros(2)

    def count(layer: Function, x: torch.Tensor) -> torch.Tensor:
        tensor.add_(1)
        return x * 1

    child, bench = bench_of(count)
    vars(child)["stats"] = HELD[kind](tensor)
    load = bench.load("child")
    before = tensor.clone()

    verdict = verified(load)
    with load.kept():
        load.launch(3)

    assert (verdict.is_replayable, verdict.flags) == (True, ("writes_buffers",))
    assert torch.equal(tensor, before)


def test_writing_what_is_there_already_is_writing() -> None:
    def write(layer: Function, x: torch.Tensor) -> torch.Tensor:
        layer.count.mul_(1)
        return x * 1

    _, bench = bench_of(write)

    assert verified(bench.load("child")).flags == ("writes_buffers",)


def test_a_layer_that_remembers_is_refused() -> None:
    def remember(layer: Function, x: torch.Tensor) -> torch.Tensor:
        layer.count += 1
        return x + layer.count

    _, bench = bench_of(remember)

    assert "earlier calls" in str(verified(bench.load("child")).reason)


def test_attributes_that_a_call_sets_are_gone_after_each() -> None:
    def note(layer: Function, x: torch.Tensor) -> torch.Tensor:
        assert "last" not in vars(layer) or vars(layer)["last"] is None
        layer.last = x
        layer.seen = [*getattr(layer, "seen", ()), x]  # type: ignore[assignment]  # a list of a user's own
        return x * 2

    child = Function(note)
    child.last = None  # type: ignore[assignment]
    bench = Bench(Holder(child), torch.ones(2))
    with pytest.raises(AssertionError):
        bench.runner.run()
        bench.runner.run()
    child.last = None  # type: ignore[assignment]
    before = dict(vars(child))
    captured = bench.captured("child")
    vars(child).clear()
    vars(child).update(before)
    load = replay_of(captured, child, CPU)

    assert verified(load).is_replayable
    load.launch(3)

    assert vars(child) == before


def test_a_layer_that_raises_is_refused_with_the_first_line() -> None:
    def fail(layer: Function, x: torch.Tensor) -> torch.Tensor:
        layer.count += 1
        if layer.count[0] > 1:
            raise LayerFailedError("first line\nsecond line")
        return x * 1

    child, bench = bench_of(fail)
    load = bench.load("child")

    verdict = verified(load)

    assert verdict.reason == "it raises LayerFailedError: first line"
    assert torch.equal(child.count, torch.ones(2))


def test_a_launch_that_raises_leaves_the_layer_as_it_was() -> None:
    def fail(layer: Function, x: torch.Tensor) -> torch.Tensor:
        layer.count += 1
        layer.last = x
        if layer.count[0] > 1:
            raise LayerFailedError("on purpose")
        return x * 1

    child, bench = bench_of(fail)
    load = bench.load("child")
    before = dict(vars(child))
    modes = torch.is_grad_enabled()

    with pytest.raises(LayerFailedError), load.kept():
        load.launch(2)

    assert torch.equal(child.count, torch.ones(2))
    assert vars(child)["last"] is before["last"]
    assert torch.is_grad_enabled() == modes


def test_gradients_are_afterwards_the_same_ones() -> None:
    def spoil(layer: Function, x: torch.Tensor) -> torch.Tensor:
        layer.weight.grad = torch.zeros(2)
        return x * 1

    child, bench = bench_of(spoil)
    child.weight.grad = gradient = torch.ones(2)
    load = bench.load("child")
    child.weight.grad = gradient

    verified(load)

    assert child.weight.grad is gradient


def test_no_hook_is_left_and_the_users_own_still_fire() -> None:
    child, bench = bench_of(lambda layer, x: x * layer.weight)
    fired: list[object] = []
    child.register_forward_hook(lambda *_: fired.append(1))

    load = bench.load("child")
    verified(load)
    load.launch(2)

    assert len(child._forward_hooks) == 1
    assert not child._forward_pre_hooks
    assert len(fired) == 1 + 2 + 2


def test_weights_tied_to_another_layer_are_its_own() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(5, 3)
            self.head = nn.Linear(3, 5, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.head(self.embed(ids))
            return result

    bench = Bench(Tied(), torch.tensor([1, 2]))

    assert all(verified(bench.load(path)).is_replayable for path in ("embed", "head"))


def test_a_shared_layer_is_replayed_with_the_inputs_of_the_wanted_call() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.child = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.child(x), self.child(x[:1])])

    bench = Bench(Twice(), torch.ones(3, 2))

    load = bench.load("child", call=1, calls=2)

    assert load.captured.output[0].shape == (1, 2)
    assert verified(load).is_replayable


def test_what_torch_compile_returned_is_replayed_through_it() -> None:
    child = nn.Linear(2, 2)
    compiled = torch.compile(child, backend="eager")
    model = Holder(compiled)  # type: ignore[arg-type]  # a module too
    bench = Bench(model, torch.ones(1, 2))

    load = bench.load("child")

    assert load.turns[0].module is compiled
    assert verified(load).is_replayable


def test_weights_are_cast_for_each_call_as_in_the_model() -> None:
    results: list[torch.Tensor] = []

    class Cast(Holder):
        def forward(self, x: torch.Tensor, **kwargs: object) -> torch.Tensor:
            with torch.autocast("cpu", dtype=torch.bfloat16), torch.enable_grad():
                result: torch.Tensor = self.child(x)
            return result

    child = nn.Linear(2, 2)
    load = Bench(Cast(child), torch.ones(1, 2)).load("child")
    child.register_forward_hook(lambda module, args, output: results.append(output))

    load.launch(3)

    functions = [result.grad_fn for result in results]
    casts = {node for function in functions if function for node, _ in function.next_functions if "Copy" in str(node)}
    assert load.captured.conditions.is_casting
    assert len(casts) == 3  # of the bias, one a call


class FakeEvent:
    """An event that writes down what is done with it."""

    log: list[tuple[str, int]]

    def __init__(self, log: list[tuple[str, int]]) -> None:
        self._log, self._number = log, sum(name == "record" for name, _ in log)

    def record(self) -> None:
        self._log.append(("record", self._number))

    def synchronize(self) -> None:
        self._log.append(("wait", self._number))


def test_a_launch_waits_for_the_lot_before_its_own() -> None:
    log: list[tuple[str, int]] = []
    _, bench = bench_of(lambda layer, x: x * 1)
    captured = bench.captured("child")
    load = ReplayLoad(captured, bench.target.callables[1], CPU, new_event=lambda: FakeEvent(log))

    for _ in range(3):
        load.launch(1)

    assert log == [("record", 0), ("record", 1), ("wait", 0), ("record", 2), ("wait", 1)]


def tiny_opt() -> OPTForCausalLM:
    torch.manual_seed(0)
    config = OPTConfig(
        vocab_size=50,
        hidden_size=16,
        word_embed_proj_dim=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        ffn_dim=32,
        max_position_embeddings=32,
    )
    return OPTForCausalLM(config).eval()


@pytest.mark.parametrize("kind", ["dynamic", "static"])
@pytest.mark.parametrize("is_decode", [False, True], ids=["prefill", "decode"])
def test_a_layer_with_a_cache_is_replayed_with_it_as_it_was(kind: str, is_decode: bool) -> None:
    model = tiny_opt()
    config = model.config
    cache = DynamicCache(config=config) if kind == "dynamic" else StaticCache(config=config, max_cache_len=8)
    ids = torch.tensor([[1, 2, 3, 4]])
    if is_decode:
        with torch.no_grad():
            model(input_ids=ids, past_key_values=cache)
        ids = torch.tensor([[5]])
    bench = Bench(model, {"input_ids": ids, "past_key_values": cache})
    path = "model.decoder.layers.1"

    load = bench.load(path)
    verdict = verified(load)
    load.launch(20)  # more than a static cache has room for, if it went on filling

    assert (verdict.is_replayable, verdict.reason) == (True, None)
    held = load.captured.kwargs["past_key_values"]
    assert int(held.get_seq_length(1)) == (4 if is_decode else 0)  # type: ignore[attr-defined]  # a cache


def test_a_replay_waits_for_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    load = bench_of(lambda module, x: x + 1.0)[1].load("child")
    monkeypatch.setattr("layerprof.measure.energy.replay.settle", waited.append)

    load.launch(2)
    load.settle()

    assert waited == [CPU]
