"""What `count_flops` says of a step that cannot run on fakes: the layer, the line, the op, and what to do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

import layerprof as lp

X = torch.ones(3, 4)
REAL_RUN = 'count a real run instead: layerprof.profile(..., passes=("flops",))'


class Inner(nn.Module):
    """A layer that does what it is told."""

    def __init__(self, then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        return self.then(x)


def refusal_of(then: Callable[[Tensor], Tensor], x: Tensor = X) -> str:
    """The text of the error for a model whose innermost layer does that."""
    with pytest.raises(lp.MeasurementError) as caught:
        lp.count_flops(nn.Sequential(nn.Linear(4, 4), nn.Sequential(Inner(then))), x)

    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.__cause__ is not None
    return text


@pytest.fixture(scope="module")
def custom_op() -> Iterator[Callable[[Tensor], Tensor]]:
    """A custom op that has no kernel for fakes."""
    with torch.library._scoped_library("layerprof_refused", "FRAGMENT") as library:
        library.define("twice(Tensor x) -> Tensor")
        library.impl("twice", lambda x: x * 2, "CPU")
        yield torch.ops.layerprof_refused.twice


def test_a_branch_on_data_names_layer_line_and_op() -> None:
    text = refusal_of(lambda x: x if x.sum() > 0 else -x)

    assert text.startswith("Sequential cannot be counted on fake tensors in layer '1.0', at ")
    assert f"{__file__}:" in text
    assert "(text = refusal_of(lambda x: x if x.sum() > 0 else -x))" in text
    assert "aten._local_scalar_dense.default asks for data, which fakes do not have" in text


def test_a_shape_that_depends_on_data_names_the_op_it_comes_from() -> None:
    text = refusal_of(lambda x: x[x.sum(1) > 0] @ torch.ones(4, 4))

    assert "aten.index.Tensor asks for data" in text
    assert text.endswith(REAL_RUN)


def test_a_custom_op_without_fake_kernel_is_named_with_the_remedy(custom_op: Callable[[Tensor], Tensor]) -> None:
    text = refusal_of(custom_op)

    assert "in layer '1.0'" in text
    assert "layerprof_refused.twice.default has no kernel that says the shape of its result" in text
    assert "register one with torch.library.register_fake" in text


def test_a_custom_op_with_fake_kernel_runs(custom_op: Callable[[Tensor], Tensor]) -> None:
    with torch.library._scoped_library("layerprof_refused", "FRAGMENT") as library:
        library.define("thrice(Tensor x) -> Tensor")
        torch.library.register_fake("layerprof_refused::thrice", torch.empty_like, lib=library)
        model = nn.Sequential(nn.Linear(4, 4), Inner(torch.ops.layerprof_refused.thrice))

        report = lp.count_flops(model, X)

    assert [one.op for one in report.uncounted] == ["layerprof_refused.thrice.default"]


def test_two_devices_are_both_named() -> None:
    text = refusal_of(lambda x: x + torch.ones(3, 4, device="cuda"))

    assert "in layer '1.0'" in text
    assert "aten.add.Tensor met tensors of two devices" in text
    assert "cpu" in text
    assert "cuda:0" in text
    assert text.endswith("have the inputs on the model's device")


def test_an_op_that_gives_no_shape_is_named() -> None:
    text = refusal_of(lambda x: torch._nested_tensor_from_tensor_list([x[:1], x[1:]]))

    assert "in layer '1.0'" in text
    assert "aten._nested_tensor_from_tensor_list.default has no kernel that says the shape of its result" in text
    assert text.endswith(REAL_RUN)


def test_an_encoder_that_nests_its_batch_is_refused_with_its_own_remedy() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    inputs = {"src": torch.ones(2, 3, 4), "src_key_padding_mask": torch.tensor([[False] * 3, [False, True, True]])}

    with pytest.raises(lp.MeasurementError, match=r"enable_nested_tensor=False"):
        lp.count_flops(nn.TransformerEncoder(layer, 1), inputs)

    assert lp.count_flops(nn.TransformerEncoder(layer, 1, enable_nested_tensor=False), inputs).total > 0


def test_a_formula_that_does_not_fit_is_told_with_the_layer() -> None:
    with torch.library._scoped_library("layerprof_formula", "FRAGMENT") as library:
        library.define("thrice(Tensor x) -> Tensor")
        torch.library.register_fake("layerprof_formula::thrice", torch.empty_like, lib=library)
        lp.register_flops("layerprof_formula::thrice", lambda shapes: 1 // 0)
        model = nn.Sequential(nn.Linear(4, 4), Inner(torch.ops.layerprof_formula.thrice))

        with pytest.raises(lp.MeasurementError, match=r"in layer '1', at .*the FLOP formula of layerprof_formula"):
            lp.count_flops(model, X)


def test_shapes_that_do_not_fit_are_told_in_torchs_words() -> None:
    text = refusal_of(lambda x: x @ torch.ones(5, 5))

    assert "aten.mm.default failed (RuntimeError: " in text
    assert "try the step without layerprof" in text


def test_an_error_of_the_models_own_names_no_op() -> None:
    text = refusal_of(lambda x: {"a": x}["b"])

    assert "in layer '1.0'" in text
    assert "the model's code failed (KeyError: 'b')" in text


def test_an_error_that_the_model_handles_is_not_told() -> None:
    def then(x: Tensor) -> Tensor:
        try:
            return x @ torch.ones(5, 5)
        except RuntimeError:
            return {"a": x}["b"]

    assert "the model's code failed (KeyError: 'b')" in refusal_of(then)


def test_an_error_outside_of_layers_says_so() -> None:
    model = nn.Linear(4, 4)

    with pytest.raises(lp.MeasurementError, match="on fake tensors in no layer, at "):
        lp.count_flops(model, call=lambda: model(X).sum().item() > 0 or 1 / 0)


def test_an_error_on_a_layers_thread_names_the_layer() -> None:
    class Threaded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Inner(lambda x: x if x.sum() > 0 else -x)

        def forward(self, x: Tensor) -> Tensor:
            with ThreadPoolExecutor(1) as pool:
                hidden: Tensor = pool.submit(self.inner, x).result()
            return hidden

    with pytest.raises(lp.MeasurementError, match=r"in layer 'inner', at .*asks for data"):
        lp.count_flops(Threaded(), X)


def test_a_model_is_afterwards_as_before() -> None:
    model = nn.Sequential(nn.Linear(4, 4), Inner(lambda x: x if x.sum() > 0 else -x))
    before = {name: id(tensor) for name, tensor in model.state_dict(keep_vars=True).items()}

    with pytest.raises(lp.MeasurementError):
        lp.count_flops(model, X)

    assert {name: id(tensor) for name, tensor in model.state_dict(keep_vars=True).items()} == before
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())


def test_torch_logs_nothing_beside_the_error(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("torch._subclasses.fake_tensor")

    refusal_of(lambda x: x @ torch.ones(5, 5))

    assert caplog.records == []
    assert not logger.disabled
