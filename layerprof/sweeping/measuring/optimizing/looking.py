"""What one step shows: the ops and kernels that computed attention, by part; the tokens of the picture.

    one step ─ layerprof's ops pass ─ ops by layer, their kernels ─▶ those of attention, by the layer's part
             └ the vision tower's output ─▶ the length of its sequence

The ops pass sees a graph's ops too, as those of the layer that the graph belongs to, so compiled code needs no other
way. Ops of a model that is compiled as a whole are under no part.

Limits:
    An op is known by its name. Matrix products and a softmax in one layer are taken for eager attention, and only
    where the layer has no fused one; a compiler may fuse them away, and then nothing is seen. Names of CUDA's kernels
    are as torch 2.13 and flash-attn 2.8 have them in their sources, and were not seen on a device.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from layerprof.errors import LayerprofError
from layerprof.models import Blip2Adapter, adapter_for
from layerprof.models.blip2 import processor_of
from layerprof.records import LayerProfile, OpProfile, Profile, SeenOp
from layerprof.sweeping.measuring.optimizing.base import ModelPart, part_owning

_SCALED = re.compile(r"::_scaled_dot_product_")  # the op without the underscore only chooses among these
_FUSED = re.compile(r"flash_?attn|_flash_attention|_efficient_attention|_cudnn_attention|flex_attention", re.IGNORECASE)
_EAGER = re.compile(r"::(_softmax|bmm|baddbmm)$")
_SOFTMAX = "aten::_softmax"
_KERNEL = re.compile(r"flash|fmha|sdpa", re.IGNORECASE)
_TEMPLATE = re.compile(r"^(void )?([^<(]+)")

_VISION = "vision"
_DIMENSIONS = 3  # of a sequence: samples, tokens, width


def attention_ops(profile: Profile, parts: Iterable[ModelPart]) -> tuple[SeenOp, ...]:
    """Ops and kernels that computed attention in one step, in the layers' order.

    Args:
        profile: with an ops pass.
        parts: of the model.
    """
    known, counts = tuple(parts), Counter[tuple[str, str]]()
    for layer in profile.layers:
        part = part_owning(layer.path, known)
        for name, calls in _attention_in(layer):
            counts["" if part is None else part.name, name] += calls
    return tuple(SeenOp(part=part, name=name, calls=calls) for (part, name), calls in counts.items())


def called_parts(profile: Profile, parts: Iterable[ModelPart]) -> frozenset[str]:
    """Names of the parts that were called in the step; those inside compiled code are not known to be."""
    calls = {layer.path: layer.calls for layer in profile.layers}
    return frozenset(part.name for part in parts if calls.get(part.path, 0) > 0)


def _attention_in(layer: LayerProfile) -> Iterator[tuple[str, int]]:
    ops = [op for op in layer.ops if _SCALED.search(op.name)] or [op for op in layer.ops if _FUSED.search(op.name)]
    if not ops and any(op.name == _SOFTMAX for op in layer.ops):
        products = [op for op in layer.ops if _EAGER.search(op.name)]
        ops = products if len({op.name for op in products}) > 1 else []  # a softmax by itself is a classifier's
    for op in ops:
        yield op.name, op.calls
    for op in layer.ops:
        yield from _attention_kernels(op)


def _attention_kernels(op: OpProfile) -> Iterator[tuple[str, int]]:
    for kernel in op.kernels:
        if _KERNEL.search(kernel.name):
            yield _bare_name(kernel.name), kernel.calls


def _bare_name(kernel: str) -> str:
    """A kernel's name without its template's arguments, which take hundreds of characters."""
    found = _TEMPLATE.match(kernel)
    return kernel if found is None else found.group(2).strip()


class TokenCounter:
    """Keeps the length of the sequence that a model's vision tower returns.

    Args:
        parts: of the model.
    """

    def __init__(self, parts: Iterable[ModelPart]) -> None:
        self._tower = next((part.module for part in parts if part.name == _VISION), None)
        self.tokens: int | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The block in which the tower's outputs are looked at."""
        if self._tower is None:
            yield
            return
        handle = self._tower.register_forward_hook(self._keep)
        try:
            yield
        finally:
            handle.remove()

    def _keep(self, _module: nn.Module, _inputs: object, output: object) -> None:
        leaves = (leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor))
        self.tokens = next((leaf.shape[1] for leaf in leaves if leaf.dim() == _DIMENSIONS), self.tokens)


def image_tokens(model: nn.Module, batch: object) -> int | None:
    """Tokens that stand for a picture, of the sample that has the fewest; None for a model that has none.

    Args:
        model: not what ``torch.compile`` returned.
        batch: of one step.
    """
    token: object = getattr(getattr(model, "config", None), "image_token_id", None)
    ids: object = batch.get("input_ids") if isinstance(batch, Mapping) else None
    if not isinstance(token, int) or not isinstance(ids, torch.Tensor):
        return None
    return int((ids == token).sum(dim=-1).min())


def image_processor(model: nn.Module) -> str:
    """The class that made a model's pixels, where that is known; else "".

    Args:
        model: not what ``torch.compile`` returned.
    """
    if not isinstance(adapter_for(model), Blip2Adapter):
        return ""
    try:
        return type(processor_of(model).image_processor).__name__
    except LayerprofError:
        return ""
