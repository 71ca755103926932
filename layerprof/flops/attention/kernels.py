"""FLOPs of attention kernels: torch's own below ``scaled_dot_product_attention``, and those of other libraries.

They take the tokens before the heads, either as (batch, tokens, heads, width) or with the sequences of a batch one
behind the other, (all tokens, heads, width), and tensors that tell where each begins. Then the count is the sum over
sequences: those lengths are data, and without it the op is not counted. Arguments are found by name, as the libraries
put them in different orders.

Where there are more keys than queries, flash kernels count a query's place from the last key, cuDNN's from the first;
the memory-efficient ones are told. Source: ``_flash_attention_forward`` and its kind in torch's
``native_functions.yaml``; ``torch/nn/attention/varlen.py`` and ``bias.py``; flash-attention's README ("2.1: Change
behavior of causal flag") and ``flash_attn_interface.py``; xformers' ``ops/fmha/flash.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch

from layerprof.flops.attention.base import Mask, Work, attention_flops, backward_work, forward_work, numbers_in
from layerprof.flops.base import Flops, Formula, OpCall, shape_of

_PACKED = 3  # dimensions of (all tokens, heads, width)

_QUERY, _KEY, _VALUE = ("query", "q"), ("key", "k"), ("value", "v")
_QUERY_STARTS = ("cum_seq_q", "cu_seq_q", "cu_seqlens_q")
_KEY_STARTS = ("cum_seq_k", "cu_seq_k", "cu_seqlens_k")
_KEYS_USED = ("seqused_k", "seqlen_k")
_KEYS_ELSEWHERE = ("block_table", "block_tables", "page_table", "kv_batch_idx")
_UNUSUAL_WORK = ("q_v", "qv", "k_new", "seqused_q", "leftpad_k")  # the shapes do not tell all products or tokens
_CAUSAL = ("is_causal", "causal")
_LEFT, _RIGHT = ("window_size_left", "window_left"), ("window_size_right", "window_right")

_FROM_FIRST, _FROM_LAST = 1, 2  # `custom_mask_type` of the memory-efficient kernels; 0 is no mask


def _formula(work: Work, mask_of: Callable[[OpCall], Mask], *, has_heads_first: bool = False) -> Formula:
    """Of a kernel.

    Args:
        work: multiply-adds of a pair.
        mask_of: reads the mask off the arguments.
        has_heads_first: whether batches that are not packed come as (batch, heads, tokens, width).
    """

    def formula(call: OpCall) -> Flops | None:
        query, key, value = (_given(call, names) for names in (_QUERY, _KEY, _VALUE))
        if query is None or key is None or value is None or _given(call, _UNUSUAL_WORK) is not None:
            return None
        queries = _lengths(call, query, _QUERY_STARTS, has_heads_first=has_heads_first)
        keys = _key_lengths(call, key, has_heads_first=has_heads_first)
        if queries is None or keys is None or len(queries) != len(keys):
            return None
        heads = query.shape[-3 if has_heads_first and query.dim() > _PACKED else -2]
        per_pair = heads * work(query.shape[-1], value.shape[-1])
        return attention_flops(zip(queries, keys, strict=True), per_pair, mask_of(call))

    return formula


def _key_lengths(call: OpCall, key: torch.Tensor, *, has_heads_first: bool) -> list[int] | None:
    used = _given(call, _KEYS_USED)
    if used is not None:
        return numbers_in(used)
    if _given(call, _KEYS_ELSEWHERE) is not None and _given(call, _KEY_STARTS) is None:
        return None
    return _lengths(call, key, _KEY_STARTS, has_heads_first=has_heads_first)


def _lengths(
    call: OpCall, tensor: torch.Tensor, starts_names: tuple[str, ...], *, has_heads_first: bool
) -> list[int] | None:
    """The number of tokens of each sequence; None where it is not known."""
    starts = _given(call, starts_names)
    if starts is None:
        batch, *between, _ = shape_of(tensor)
        return None if tensor.dim() == _PACKED else [between[1 if has_heads_first else 0]] * batch
    numbers = numbers_in(starts)
    return None if numbers is None else [end - start for start, end in itertools.pairwise(numbers)]


def _given(call: OpCall, names: tuple[str, ...]) -> torch.Tensor | None:
    values = (call.named.get(name) for name in names)
    return next((value for value in values if isinstance(value, torch.Tensor)), None)


def _flash_mask(call: OpCall) -> Mask:
    left, right = _window(call)
    is_causal = any(call.named.get(name) for name in _CAUSAL)
    return Mask(before=left, after=0 if is_causal else right, is_at_end=True)


def _window(call: OpCall) -> tuple[int | None, int | None]:
    """How far a sliding window reaches to either side; None where it has no end."""
    both = call.named.get("window_size")
    if isinstance(both, list | tuple):
        left, right = both
        return _reach(left), _reach(right)
    left, right = (next((call.named[name] for name in names if name in call.named), None) for names in (_LEFT, _RIGHT))
    return _reach(left), _reach(right)


def _reach(size: object) -> int | None:
    return size if isinstance(size, int) and size >= 0 else None


def _efficient_mask(call: OpCall) -> Mask:
    """By the type of mask; the window is of keys up to the query's own, that one included."""
    mask_type, window = call.named.get("custom_mask_type"), call.named.get("window_size")
    before = window - 1 if isinstance(window, int) and window > 0 else None
    if mask_type not in (_FROM_FIRST, _FROM_LAST):
        return Mask()
    return Mask(before=before, after=0, is_at_end=mask_type == _FROM_LAST)


def _cudnn_mask(call: OpCall) -> Mask:
    return Mask(after=0 if call.named.get("is_causal") else None)


_FLASH_FORWARD = """
aten._flash_attention_forward aten._flash_attention_forward_no_dropout_inplace torch_attn._varlen_attn
torch_attn._varlen_attn_out flash_attn._flash_attn_forward flash_attn._flash_attn_varlen_forward flash_attn_3.fwd
flash_attn_3._flash_attn_forward xformers_flash.flash_fwd
"""
_FLASH_BACKWARD = """
aten._flash_attention_backward torch_attn._varlen_attn_backward flash_attn._flash_attn_backward
flash_attn._flash_attn_varlen_backward flash_attn_3.bwd flash_attn_3._flash_attn_backward xformers_flash.flash_bwd
"""
FORMULAS: dict[str, Formula] = {
    **dict.fromkeys(_FLASH_FORWARD.split(), _formula(forward_work, _flash_mask)),
    **dict.fromkeys(_FLASH_BACKWARD.split(), _formula(backward_work, _flash_mask)),
    "aten._efficient_attention_forward": _formula(forward_work, _efficient_mask),
    "aten._efficient_attention_backward": _formula(backward_work, _efficient_mask),
    "aten._cudnn_attention_forward": _formula(forward_work, _cudnn_mask, has_heads_first=True),
    "aten._cudnn_attention_backward": _formula(backward_work, _cudnn_mask, has_heads_first=True),
}
