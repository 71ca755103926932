"""Layers with weights in a form of their own count what their plain layers count."""

from __future__ import annotations

import pytest
import torch
from flop_counts import by_hand, counted, flops_of, shaped
from torch import nn
from torch.ao.nn import quantized

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

ROWS, INNER, COLUMNS = 6, 32, 16
PRODUCT = 2 * ROWS * INNER * COLUMNS


def integers(*sizes: int) -> torch.Tensor:
    return torch.quantize_per_tensor(torch.ones(*sizes), 0.1, 0, torch.quint8)


def test_a_dynamically_quantized_linear_layer() -> None:
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(INNER, COLUMNS)), {nn.Linear})

    assert flops_of(lambda: model(torch.ones(ROWS, INNER))) == PRODUCT


def test_a_statically_quantized_linear_layer() -> None:
    layer = quantized.Linear(INNER, COLUMNS)

    assert flops_of(lambda: layer(integers(ROWS, INNER))) == PRODUCT


@pytest.mark.parametrize("groups", [1, 2])
def test_a_quantized_convolution_is_counted_by_the_kernel_in_its_packed_weight(groups: int) -> None:
    plain, packed = nn.Conv2d(4, 6, 3, groups=groups), quantized.Conv2d(4, 6, 3, groups=groups)
    x = integers(1, 4, 9, 9)

    assert flops_of(lambda: packed(x)) == flops_of(lambda: plain(torch.ones(1, 4, 9, 9))) > 0


def test_a_quantized_transposed_convolution_too() -> None:
    plain, packed = nn.ConvTranspose2d(4, 6, 3), quantized.ConvTranspose2d(4, 6, 3)
    weight = packed._packed_params
    output = shaped(1, 6, 11, 11)

    found = by_hand("quantized.conv_transpose2d", shaped(1, 4, 9, 9), packed_weight=weight, output=output)

    assert found is not None
    assert found.dense == flops_of(lambda: plain(torch.ones(1, 4, 9, 9)))


def test_a_packed_weight_that_cannot_be_read_is_not_known() -> None:
    x, output = shaped(1, 4, 9, 9), shaped(1, 6, 7, 7)

    assert by_hand("quantized.conv2d", x, packed_weight=object(), output=output) is None


F32, I64, EIGHT_BITS, HALF = 4, 8, 1, 2  # bytes of an element


def dynamic(dtype: torch.dtype) -> nn.Module:
    plain = nn.Sequential(nn.Linear(INNER, COLUMNS))
    quantized_model: nn.Module = torch.ao.quantization.quantize_dynamic(plain, {nn.Linear}, dtype=dtype)
    return quantized_model


@pytest.mark.parametrize(("dtype", "width"), [(torch.qint8, EIGHT_BITS), (torch.float16, HALF)])
def test_a_dynamically_quantized_layer_reads_its_packed_weight(dtype: torch.dtype, width: int) -> None:
    model, x = dynamic(dtype), torch.ones(ROWS, INNER)

    with torch.no_grad():
        counter = counted(lambda: model(x))

    rows_in_and_out = ROWS * INNER + ROWS * COLUMNS
    assert counter.total_bytes == (rows_in_and_out + COLUMNS) * F32 + COLUMNS * INNER * width
    assert counter.unsized == set()


def test_a_quantized_convolution_reads_its_packed_weight() -> None:
    layer, x = quantized.Conv2d(4, 6, 3), integers(1, 4, 9, 9)

    counter = counted(lambda: layer(x))

    eight_bits = 4 * 9 * 9 + 6 * 4 * 3 * 3 + 6 * 7 * 7
    assert counter.total_bytes == eight_bits * EIGHT_BITS + 6 * F32


def test_asking_about_a_packed_weight_does_not_read_it() -> None:
    packed = quantized.Conv2d(4, 6, 3)._packed_params

    counter = counted(lambda: torch.ops.quantized.conv2d_groups(packed))

    assert counter.total_bytes == 0


def test_a_quantized_embedding_reads_the_rows_that_it_picks() -> None:
    layer, ids = quantized.Embedding(100, 12), torch.tensor([3, 5])

    counter = counted(lambda: layer(ids))

    assert counter.total_bytes == 2 * I64 + 2 * 12 * (EIGHT_BITS + F32)


def test_a_quantized_bag_reads_the_rows_that_it_picks() -> None:
    layer, ids, starts = quantized.EmbeddingBag(100, 12), torch.tensor([3, 5, 7]), torch.tensor([0, 2])

    counter = counted(lambda: layer(ids, starts))

    assert counter.total_bytes == (3 + 2) * I64 + 3 * 12 * EIGHT_BITS + 2 * 12 * F32


def test_a_packed_weight_that_does_not_say_what_is_in_it_leaves_the_bytes_unknown() -> None:
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(4, 4)), {nn.LSTM})

    with torch.no_grad():
        counter = counted(lambda: model(torch.ones(3, 1, 4)))

    assert counter.unsized == {"aten.quantized_lstm.input"}


@pytest.mark.parametrize(("dtype", "name"), [(torch.qint8, "int8"), (torch.float16, "float32")])
def test_products_with_a_quantized_weight_are_in_integers(dtype: torch.dtype, name: str) -> None:
    model, x = dynamic(dtype), torch.ones(ROWS, INNER)

    with torch.no_grad():
        counter = counted(lambda: model(x))

    assert {one: by_place.total() for one, by_place in counter.flops_by_dtype.items()} == {name: PRODUCT}


def test_products_of_quantized_tensors_are_in_integers() -> None:
    layer, x = quantized.Linear(INNER, COLUMNS), integers(ROWS, INNER)

    counter = counted(lambda: layer(x))

    assert set(counter.flops_by_dtype) == {"int8"}


PACKED = (
    "aten._weight_int8pack_mm",
    "aten._weight_int4pack_mm",
    "aten._dyn_quant_matmul_4bit",
    "aten._mixed_dtypes_linear",
    "mkl._mkl_linear",
    "mkldnn._linear_pointwise",
    "onednn.qlinear_pointwise",
    "quantized.linear_relu",
)


@pytest.mark.parametrize("name", PACKED)
def test_a_packed_weight_is_counted_by_what_goes_in_and_what_comes_out(name: str) -> None:
    found = by_hand(name, shaped(ROWS, INNER), shaped(3, 3, 3, 3), output=shaped(ROWS, COLUMNS))

    assert found is not None
    assert found.dense == PRODUCT


def test_weights_of_eight_bits_are_counted_where_they_run() -> None:
    x, weight = torch.ones(ROWS, INNER).bfloat16(), torch.ones(COLUMNS, INNER, dtype=torch.int8)

    assert flops_of(lambda: torch._weight_int8pack_mm(x, weight, torch.ones(COLUMNS).bfloat16())) == PRODUCT


def test_of_two_in_four_elements_half_are_multiplied() -> None:
    x, dense, half = shaped(ROWS, INNER), shaped(INNER, COLUMNS), shaped(ROWS, INNER // 2)
    weight, other = shaped(COLUMNS, INNER // 2), shaped(ROWS, INNER // 16)

    found = [
        by_hand("aten._sparse_semi_structured_linear", x, weight, other),
        by_hand("aten._sparse_semi_structured_mm", half, other, dense),
        by_hand("aten._sparse_semi_structured_addmm", shaped(COLUMNS), half, other, dense),
        by_hand("aten._cslt_sparse_mm", shaped(99), dense, output=shaped(ROWS, COLUMNS)),
        by_hand("aten._cslt_sparse_mm", shaped(99), dense, output=shaped(COLUMNS, ROWS)),
    ]

    assert [one.dense for one in found if one is not None] == 5 * [PRODUCT // 2]
