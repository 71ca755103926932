"""`count_flops`: the FLOPs of a step that is not run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from layerprof.attribute import flop_report
from layerprof.measure import Call, count_on_fakes, one_count_at_a_time
from layerprof.profiling.base import checked_kwargs, described
from layerprof.records import FlopReport


def count_flops(
    model: nn.Module,
    inputs: object = None,
    *,
    call: Callable[[], object] | None = None,
    method: str | None = None,
    method_kwargs: Mapping[str, object] | None = None,
    train: bool = False,
) -> FlopReport:
    """The FLOPs of one step on fake tensors: no weight is read and nothing is computed.

    Whole numbers and flags among the inputs decide as in a real run: a mask, ids, the sizes of pictures. So does what
    the model computes from them alone. Mixtures of experts of transformers take the batched path, which is the same
    products as the grouped one; `by_op` names its ops, and `bytes_moved` is None, for it moves other bytes.

    Args:
        model: any module, also one built under ``torch.device("meta")``; its mode is afterwards as before.
        inputs: a mapping is passed by name, a tuple or list by position, anything else as the one argument; of floats
            only shapes and dtypes matter. On the meta device an attention mask lets everything through.
        call: instead of ``inputs``, a callable that is the whole step.
        method: the name of a method to call with ``inputs`` instead of the model. ``generate`` makes the number of
            tokens that was stated: no sequence ends early. So it does in ``call`` and inside another model.
        method_kwargs: passed to it beside ``inputs``, such as ``{"max_new_tokens": 20}``.
        train: train mode and gradients.

    Returns:
        Totals by layer and by op, and every op that was not counted.

    Raises:
        InputError: for arguments that make no sense, and for a generation of which no length is stated.
        MeasurementError: when the step cannot run on fakes, for instance because its course depends on data. The text
            names the layer, the line of code, the op, and what to do.

    Limits:
        A step whose course or shapes depend on what the weights had a part in cannot be faked; profile it with the
        flops pass. Nothing else may use the model meanwhile; counts on other threads wait. An optimizer's step is not
        in the count: it holds the model's own parameters, which get no gradients. What the step leaves in a global
        variable, or in what ``call`` holds, is fake tensors afterwards. A graph of gradients from before the step that
        a backward runs through is spent afterwards, as in a real run.
    """
    step = Call(model=model, inputs=inputs, function=call, method=method, method_kwargs=checked_kwargs(method_kwargs))
    with one_count_at_a_time():
        known = described(model, stages=None, method=method, runs_step=call is None)
        counted, phases = count_on_fakes(step, known.target, train=train, rules=known.phases)
    return flop_report(counted, known.target.tree.layers, phases)
