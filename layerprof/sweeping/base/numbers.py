"""Whether what a model returns are numbers.

A model whose outputs are NaN runs as fast as any, and its row in a table would look like the others.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.utils._pytree import keystr, tree_flatten_with_path

from layerprof.measure import Call
from layerprof.measure.base import bound_step
from layerprof.measure.feed import InputFeed
from layerprof.measure.session import quiet_session

_MOST_NAMED = 3  # outputs that the text spells out


def nan_in_outputs(model: nn.Module, inputs: object) -> str | None:
    """Which outputs of one call hold NaN and how many, in one line; None where none does.

    Infinities are let pass: masks are made of them.

    Args:
        model: called once, in eval mode and without gradients; mode and random state are afterwards as before.
        inputs: as `layerprof.profile` takes them; they are not changed.

    Limits:
        Tensors are looked at where torch's own containers, lists, tuples, mappings and the outputs of transformers
        hold them; those in objects of other classes are not found.
    """
    with quiet_session(model, train=False):
        outputs = bound_step(Call(model=model, inputs=inputs), InputFeed(inputs).next())()
        found = list(_found_in(outputs))
    if not found:
        return None
    named = "; ".join(found[:_MOST_NAMED]) + (f"; and {len(found) - _MOST_NAMED} more" * (len(found) > _MOST_NAMED))
    return f"the model's outputs are not numbers: {named}"


def _found_in(outputs: object) -> Iterator[str]:
    for path, leaf in tree_flatten_with_path(outputs)[0]:
        count = _count_of_nan(leaf) if isinstance(leaf, torch.Tensor) else 0
        if count:
            place = f"output{keystr(path)}"
            yield f"{count:,} of the {leaf.numel():,} values of {place} are NaN"


def _count_of_nan(tensor: torch.Tensor) -> int:
    if tensor.is_meta or not (tensor.is_floating_point() or tensor.is_complex()):
        return 0
    if tensor.is_nested:
        return sum(map(_count_of_nan, tensor.unbind()))
    stored = tensor if tensor.layout == torch.strided else tensor.to_dense()
    wide = stored.float() if stored.element_size() == 1 else stored  # formats of 8 bits have no test of their own
    return int(wide.isnan().sum().item())
