"""Recurrent layers against the products of their gates, step by step."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
from flop_counts import by_hand, counted, flops_of, shaped, training_flops
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

LENGTH, BATCH, WIDTH, HIDDEN = 3, 2, 4, 6
GATES = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}
Recurrent = type[nn.LSTM] | type[nn.GRU] | type[nn.RNN]


def definition(kind: Recurrent, steps: int, *, layers: int = 1, directions: int = 1, projected: int = 0) -> int:
    """Each gate of each layer and direction takes its input and its hidden state at each step of each sample."""
    hidden_out = projected or HIDDEN
    flops = 0
    for layer, _direction in product(range(layers), range(directions)):
        taken = (directions * hidden_out if layer else WIDTH) + hidden_out
        flops += 2 * steps * (GATES[kind] * HIDDEN * taken + HIDDEN * projected)
    return flops


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("is_bidirectional", [False, True])
def test_a_layer_counts_the_products_of_its_gates(kind: Recurrent, layers: int, is_bidirectional: bool) -> None:
    model = kind(WIDTH, HIDDEN, num_layers=layers, bidirectional=is_bidirectional)

    found = flops_of(lambda: model(torch.ones(LENGTH, BATCH, WIDTH)))

    assert found == definition(kind, LENGTH * BATCH, layers=layers, directions=1 + is_bidirectional)


@pytest.mark.parametrize("kind", GATES)
def test_inference_mode_counts_the_same(kind: Recurrent) -> None:
    model = kind(WIDTH, HIDDEN)

    with torch.inference_mode():
        counter = counted(lambda: model(torch.ones(LENGTH, BATCH, WIDTH)))

    assert counter.uncounted == {}
    assert counter.total == definition(kind, LENGTH * BATCH)


@pytest.mark.parametrize("kind", GATES)
def test_samples_of_unequal_lengths_count_the_steps_that_exist(kind: Recurrent) -> None:
    model = kind(WIDTH, HIDDEN)
    samples = pack_sequence([torch.ones(3, WIDTH), torch.ones(2, WIDTH)])

    assert flops_of(lambda: model(samples)) == definition(kind, 3 + 2)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning")
def test_a_projected_hidden_state_is_a_product_more() -> None:
    model = nn.LSTM(WIDTH, HIDDEN, proj_size=2)

    found = flops_of(lambda: model(torch.ones(LENGTH, BATCH, WIDTH)))

    assert found == definition(nn.LSTM, LENGTH * BATCH, projected=2)


def test_training_an_lstm_that_runs_in_one_op_takes_three_times_its_forward() -> None:
    model = nn.LSTM(WIDTH, HIDDEN)
    x = torch.randn(LENGTH, BATCH, WIDTH, requires_grad=True)

    def run() -> Tensor:
        output: Tensor = model(x)[0]
        return output

    forward, backward = training_flops(run)

    assert forward == definition(nn.LSTM, LENGTH * BATCH)
    assert backward == 2 * forward


CELLS = {nn.LSTMCell: 4, nn.GRUCell: 3, nn.RNNCell: 1}


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_is_one_step(kind: type[nn.LSTMCell]) -> None:
    cell = kind(WIDTH, HIDDEN)

    assert flops_of(lambda: cell(torch.ones(BATCH, WIDTH))) == 2 * BATCH * CELLS[kind] * HIDDEN * (WIDTH + HIDDEN)


ON_ACCELERATORS = {"aten._cudnn_rnn": "weight", "aten.miopen_rnn": "weight", "aten._lstm_mps": "params"}


@pytest.mark.parametrize("name", ON_ACCELERATORS)
@pytest.mark.parametrize(("layers", "directions", "projected"), [(1, 1, 0), (2, 2, 0), (2, 2, 2)])
def test_an_accelerators_op_counts_each_matrix_once_a_step(
    name: str, layers: int, directions: int, projected: int
) -> None:
    model = nn.LSTM(WIDTH, HIDDEN, num_layers=layers, bidirectional=directions == 2, proj_size=projected)
    given = {ON_ACCELERATORS[name]: [shaped(*weight.shape) for weight in model.parameters()]}

    found = by_hand(name, input=shaped(LENGTH, BATCH, WIDTH), **given)

    assert found is not None
    expected = definition(nn.LSTM, LENGTH * BATCH, layers=layers, directions=directions, projected=projected)
    assert found.dense == expected


@pytest.mark.parametrize(("wants_weights", "times"), [(True, 2), (False, 1)])
def test_gradients_of_the_weights_cost_as_much_again(wants_weights: bool, times: int) -> None:
    weights = [shaped(*weight.shape) for weight in nn.LSTM(WIDTH, HIDDEN).parameters()]
    mask = [True, True, True, wants_weights]

    found = by_hand("aten._cudnn_rnn_backward", input=shaped(LENGTH * BATCH, WIDTH), weight=weights, output_mask=mask)

    assert found is not None
    assert found.dense == times * definition(nn.LSTM, LENGTH * BATCH)


QUANTIZED: dict[str, Callable[[], nn.Module]] = {
    "lstm": lambda: nn.LSTM(WIDTH, HIDDEN, num_layers=2, bidirectional=True),
    "gru": lambda: nn.GRU(WIDTH, HIDDEN, num_layers=2, bidirectional=True),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", QUANTIZED)
def test_a_quantized_layer_counts_what_it_did_before(name: str) -> None:
    model, x = QUANTIZED[name](), torch.ones(LENGTH, BATCH, WIDTH)
    quantized = torch.ao.quantization.quantize_dynamic(nn.Sequential(model), {type(model)}, dtype=torch.qint8)

    assert flops_of(lambda: quantized(x)) == flops_of(lambda: model(x)) > 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("kind", CELLS)
def test_a_quantized_cell_counts_what_it_did_before(kind: type[nn.LSTMCell]) -> None:
    cell, x = kind(WIDTH, HIDDEN), torch.ones(BATCH, WIDTH)
    quantized = torch.ao.quantization.quantize_dynamic(nn.Sequential(cell), {kind}, dtype=torch.qint8)

    assert flops_of(lambda: quantized(x)) == flops_of(lambda: cell(x)) > 0
