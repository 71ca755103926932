"""`count_flops`: the FLOPs of a step that is not run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from layerprof.attribute import flop_report
from layerprof.errors import LayerprofError, MeasurementError
from layerprof.measure import Call, count_on_fakes
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

    Args:
        model: any module, also one built under ``torch.device("meta")``; its mode is afterwards as before.
        inputs: a mapping is passed by name, a tuple or list by position, anything else as the one argument; only
            shapes and dtypes matter.
        call: instead of ``inputs``, a callable that is the whole step.
        method: the name of a method to call with ``inputs`` instead of the model.
        method_kwargs: passed to it beside ``inputs``.
        train: train mode and gradients.

    Returns:
        Totals by layer and by op, and every op that was not counted.

    Raises:
        InputError: for arguments that make no sense.
        MeasurementError: when the step cannot run on fakes, for instance because its course depends on data.

    Limits:
        A step whose shapes depend on data (a mask that selects rows) cannot be faked; profile it with the flops pass.
    """
    step = Call(model=model, inputs=inputs, function=call, method=method, method_kwargs=checked_kwargs(method_kwargs))
    known = described(model, stages=None, method=method, runs_step=call is None)
    try:
        counted = count_on_fakes(step, known.target, train=train)
    except LayerprofError:
        raise
    except Exception as error:
        first_line = next(iter(str(error).splitlines()), "")
        raise MeasurementError(
            f"{known.label} cannot be counted on fake tensors ({type(error).__name__}: {first_line}); "
            'count a real run instead: layerprof.profile(..., passes=("flops",))'
        ) from error
    return flop_report(counted, known.target.tree.layers)
