"""`count_flops`: the flops pass without running anything."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import layerprof as lp
from layerprof.testing import PRODUCT_FLOPS, ROWS, WIDTH, ZOO, GeneratingNet, KnownNet, NestedNet, ThreadNet

X = torch.ones(ROWS, WIDTH)


@pytest.mark.parametrize("make_net", ZOO)
def test_layers_have_the_flops_that_the_net_says(make_net: type[KnownNet]) -> None:
    net = make_net()

    report = lp.count_flops(net, net.inputs)

    assert report.by_layer == {path: layer.flops for path, layer in net.answers.layers.items()}
    assert report.total == report.causal_total == net.answers.step_flops
    assert report.uncounted == ()


@pytest.mark.parametrize("make_net", [net for net in ZOO if net is not ThreadNet])
def test_a_net_on_the_meta_device_has_the_same_flops(make_net: type[KnownNet]) -> None:
    real, meta = make_net(), make_net().to("meta")

    assert lp.count_flops(meta, meta.inputs) == lp.count_flops(real, real.inputs)


def test_a_model_built_on_the_meta_device_stays_there() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    before = {name: id(tensor) for name, tensor in model.state_dict(keep_vars=True).items()}

    lp.count_flops(model, X)

    assert {name: id(tensor) for name, tensor in model.state_dict(keep_vars=True).items()} == before
    assert all(tensor.is_meta for tensor in model.state_dict().values())


def test_inputs_may_be_on_the_meta_device_too() -> None:
    with torch.device("meta"):
        model, x = nn.Linear(4, 4), torch.empty(2, 4)

    assert lp.count_flops(model, x).total == 2 * 2 * 4 * 4


def test_buffers_are_neither_read_nor_written() -> None:
    model = nn.BatchNorm1d(4)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    lp.count_flops(model, torch.full((2, 4), 7.0), train=True)

    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_huge_model_is_counted_without_its_memory() -> None:
    with torch.device("meta"):
        model = nn.Linear(10**6, 10**6)  # 4 TB of weights

    assert lp.count_flops(model, torch.empty(1, 10**6, device="meta")).total == 2 * 10**12


def test_by_op_adds_up_to_the_total() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))

    report = lp.count_flops(model, torch.ones(2, 3, 8, 8))

    assert set(report.by_op) == {"aten.convolution.default", "aten.addmm.default"}
    assert sum(report.by_op.values()) == report.total
    assert report.macs == report.total / 2


def test_a_method_is_counted_as_the_root() -> None:
    report = lp.count_flops(GeneratingNet(), X, method="generate", method_kwargs={"steps": 5})

    assert report.by_layer == {"": 7 * PRODUCT_FLOPS, "encoder": 2 * PRODUCT_FLOPS, "decoder": 5 * PRODUCT_FLOPS}


def test_a_callable_is_counted_without_the_root() -> None:
    net = GeneratingNet()

    report = lp.count_flops(net, call=lambda: net.generate(torch.ones(ROWS, WIDTH)) @ torch.ones(WIDTH, WIDTH))

    assert report.total == 6 * PRODUCT_FLOPS
    assert report.by_layer[""] == 0


def test_with_train_the_backward_pass_is_counted() -> None:
    model = nn.Linear(WIDTH, WIDTH)

    report = lp.count_flops(model, call=lambda: model(X).sum().backward(), train=True)

    assert report.total == 2 * PRODUCT_FLOPS


def test_no_gradients_on_fakes_are_left_behind() -> None:
    model = nn.Linear(WIDTH, WIDTH)

    lp.count_flops(model, call=lambda: model(X).sum().backward(), train=True)

    assert model.weight.grad is None


class Selecting(NestedNet):
    """A net whose shapes depend on what the data are."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x[x.sum(1) > 0])


class Branching(NestedNet):
    """A net that takes a turn by what the data are."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x) if x.sum().item() > 0 else self.block(x)


@pytest.mark.parametrize("make_net", [Selecting, Branching])
def test_a_step_whose_course_depends_on_data_is_refused_with_the_remedy(make_net: type[NestedNet]) -> None:
    message = r"cannot be counted on fake tensors .* passes=\(\"flops\",\)"

    with pytest.raises(lp.MeasurementError, match=message) as caught:
        lp.count_flops(make_net(), X)

    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_step_that_needs_data_is_counted_by_the_flops_pass() -> None:
    profile = lp.profile(Branching(), X, passes=("flops",), warmup=0, repeats=1)

    assert profile.root.flops == 2 * PRODUCT_FLOPS


def test_a_model_that_raises_is_a_measurement_error() -> None:
    with pytest.raises(lp.MeasurementError, match="TypeError"):
        lp.count_flops(NestedNet(), {"pixels": X})


def test_a_step_on_fakes_takes_no_random_numbers() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout())
    before = torch.get_rng_state()

    lp.count_flops(model, X, train=True)

    assert torch.equal(torch.get_rng_state(), before)


def test_gradients_that_a_real_optimizer_drops_on_the_way_are_there_afterwards() -> None:
    model = nn.Linear(WIDTH, WIDTH)
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        model(X).sum().backward()
        optimizer.step()

    step()
    before = {name: parameter.grad for name, parameter in model.named_parameters()}

    lp.count_flops(model, call=step, train=True)

    assert all(parameter.grad is before[name] is not None for name, parameter in model.named_parameters())
    assert all(type(value) is torch.Tensor for state in optimizer.state.values() for value in state.values())


class Registering(nn.Module):
    """A net that gives a layer a hook in its first call, and keeps a mark that it did."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not hasattr(self, "is_ready"):
            self.is_ready = True
            self.fc.register_forward_hook(lambda module, args, output: output + 1)
        result: torch.Tensor = self.fc(x)
        return result


def test_hooks_that_a_model_gives_itself_while_it_is_counted_are_gone_with_their_mark() -> None:
    model = Registering()

    lp.count_flops(model, X)

    assert not model.fc._forward_hooks
    assert not hasattr(model, "is_ready")


def test_a_report_has_stages_phases_formats_and_bytes() -> None:
    net = NestedNet()

    report = lp.count_flops(net, net.inputs)

    assert sum(report.by_stage.values()) == report.total
    assert report.by_phase == {"forward": report.total}
    assert report.by_dtype == {"float32": report.total}
    assert report.bytes_moved == lp.profile(net, net.inputs, passes=("flops",), warmup=0, repeats=1).root.bytes_moved
    assert report.intensity == report.total / (report.bytes_moved or 0)


def test_training_has_a_count_for_each_phase() -> None:
    model = nn.Linear(WIDTH, WIDTH)

    report = lp.count_flops(model, call=lambda: model(X).sum().backward(), train=True)

    assert report.by_phase == {"forward": PRODUCT_FLOPS, "backward": PRODUCT_FLOPS, "optimizer": 0}


class Sizing(nn.Module):
    """A net in which the size of something that is looked at alone depends on data."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (x @ x.T).nonzero()
        return x


def test_bytes_that_are_not_known_have_a_note_that_names_the_op() -> None:
    report = lp.count_flops(Sizing(), X)

    assert (report.bytes_moved, report.intensity) == (None, None)
    assert [(note.quantity, note.scope) for note in report.notes] == [("bytes_moved", "step")]
    assert "aten.nonzero" in report.notes[0].text
    assert report.notes[0].text in lp.render(report, "text")


def test_a_report_of_which_all_is_known_has_no_notes() -> None:
    assert lp.count_flops(NestedNet(), X).notes == ()
