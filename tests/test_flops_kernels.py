"""Attention kernels with sequences of their own lengths, sliding windows and blocks, pair by pair of query and key."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from flop_counts import MULTIPLY_AND_ADD, by_hand, counted, shaped
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask

from layerprof.flops import attention
from layerprof.flops.base import Flops

HEADS, KEY_HEADS, WIDTH, VALUE_WIDTH = 4, 2, 8, 6
FORWARD, BACKWARD = WIDTH + VALUE_WIDTH, 3 * WIDTH + 2 * VALUE_WIDTH
QUERIES, KEYS = (3, 1, 5), (3, 4, 7)  # of three sequences


def every_pair(query: int, key: int) -> bool:
    return True


def causal(query: int, key: int) -> bool:
    return key <= query


def pairs(sees: Callable[[int, int], bool], *, is_at_end: bool = True) -> int:
    """The definition: each query's place is that of a key, and it sees those that the mask lets it."""
    return sum(
        sees(query + (keys - queries if is_at_end else 0), key)
        for queries, keys in zip(QUERIES, KEYS, strict=True)
        for query, key in itertools.product(range(queries), range(keys))
    )


def flops(work: int, sees: Callable[[int, int], bool], *, is_at_end: bool = True) -> Flops:
    scale = MULTIPLY_AND_ADD * HEADS * work
    return Flops(scale * pairs(every_pair), scale * pairs(sees, is_at_end=is_at_end))


def starts(lengths: tuple[int, ...]) -> Tensor:
    return torch.tensor([0, *itertools.accumulate(lengths)], dtype=torch.int32)


def packed() -> tuple[Tensor, Tensor, Tensor]:
    return (
        shaped(sum(QUERIES), HEADS, WIDTH),
        shaped(sum(KEYS), KEY_HEADS, WIDTH),
        shaped(sum(KEYS), KEY_HEADS, VALUE_WIDTH),
    )


TORCHS = ("query", "key", "value", "cum_seq_q", "cum_seq_k", "is_causal")
LONG = ("query", "key", "value", "cu_seqlens_q", "cu_seqlens_k", "is_causal")
SHORT = ("q", "k", "v", "cu_seqlens_q", "cu_seqlens_k", "causal")
FLASH: dict[str, tuple[tuple[str, ...], int]] = {
    "aten._flash_attention_forward": (TORCHS, FORWARD),
    "aten._flash_attention_backward": (TORCHS, BACKWARD),
    "torch_attn._varlen_attn": (("query", "key", "value", "cu_seq_q", "cu_seq_k", "is_causal"), FORWARD),
    "torch_attn._varlen_attn_backward": (("query", "key", "value", "cu_seq_q", "cu_seq_k", "is_causal"), BACKWARD),
    "flash_attn._flash_attn_varlen_forward": (SHORT, FORWARD),
    "flash_attn._flash_attn_varlen_backward": (SHORT, BACKWARD),
    "flash_attn_3.fwd": ((*SHORT[:-1], "is_causal"), FORWARD),
    "flash_attn_3.bwd": ((*SHORT[:-1], "is_causal"), BACKWARD),
    "xformers_flash.flash_fwd": (LONG, FORWARD),
    "xformers_flash.flash_bwd": (LONG, BACKWARD),
}


def arguments(names: tuple[str, ...], *, is_causal: bool = True) -> dict[str, object]:
    return dict(zip(names, (*packed(), starts(QUERIES), starts(KEYS), is_causal), strict=True))


@pytest.mark.parametrize("name", FLASH)
@pytest.mark.parametrize("is_causal", [False, True])
def test_each_sequence_counts_by_its_own_length(name: str, is_causal: bool) -> None:
    names, work = FLASH[name]

    found = by_hand(name, **arguments(names, is_causal=is_causal))

    assert found == flops(work, causal if is_causal else every_pair)


def test_lengths_without_data_are_not_known() -> None:
    given = {**arguments(TORCHS), "cum_seq_q": shaped(4, dtype=torch.int32)}

    assert by_hand("aten._flash_attention_forward", **given) is None


@pytest.mark.parametrize("name", ["k_new", "q_v", "seqused_q"])
def test_work_that_the_shapes_do_not_tell_is_not_known(name: str) -> None:
    given = arguments((*SHORT[:-1], "is_causal"))

    assert by_hand("flash_attn_3.fwd", **given, **{name: starts(QUERIES)}) is None


WINDOWS: dict[str, tuple[int, int, Callable[[int, int], bool]]] = {
    "none": (-1, -1, every_pair),
    "to the left": (2, -1, lambda query, key: key >= query - 2),
    "to the right": (-1, 1, lambda query, key: key <= query + 1),
    "to both sides": (1, 2, lambda query, key: query - 1 <= key <= query + 2),
    "its own place alone": (0, 0, lambda query, key: key == query),
    "wider than all": (50, 50, every_pair),
}


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("is_causal", [False, True])
def test_a_sliding_window_counts_the_keys_that_it_shows(name: str, is_causal: bool) -> None:
    left, right, sees = WINDOWS[name]
    given = {**arguments(TORCHS, is_causal=is_causal), "window_size_left": left, "window_size_right": right}

    found = by_hand("aten._flash_attention_forward", **given)
    of_a_list = by_hand("torch_attn._varlen_attn", **arguments(TORCHS, is_causal=is_causal), window_size=[left, right])

    # torch turns the right end of a causal window to 0
    assert found == of_a_list == flops(FORWARD, lambda query, key: sees(query, key) and (key <= query or not is_causal))


@pytest.mark.parametrize(("mask_type", "is_at_end"), [(0, True), (1, False), (2, True)])
def test_memory_efficient_kernels_are_told_from_where_places_count(mask_type: int, is_at_end: bool) -> None:
    query, key, value = (tensor[None] for tensor in packed())
    lengths = {"cu_seqlens_q": starts(QUERIES), "cu_seqlens_k": starts(KEYS)}
    given = {"query": query, "key": key, "value": value, "custom_mask_type": mask_type, **lengths}

    forward = by_hand("aten._efficient_attention_forward", **given)
    backward = by_hand("aten._efficient_attention_backward", **given)

    sees = causal if mask_type else every_pair
    assert forward == flops(FORWARD, sees, is_at_end=is_at_end)
    assert backward == flops(BACKWARD, sees, is_at_end=is_at_end)


def test_a_memory_efficient_window_includes_the_querys_own_place() -> None:
    given = {**arguments(LONG), "custom_mask_type": 2, "window_size": 2}

    found = by_hand("aten._efficient_attention_forward", **given)

    assert found == flops(FORWARD, lambda query, key: query - 1 <= key <= query)


def test_keys_that_are_not_used_are_not_counted() -> None:
    used = tuple(keys - 1 for keys in KEYS)

    found = by_hand("aten._flash_attention_forward", **arguments(TORCHS), seqused_k=torch.tensor(used))

    assert found is not None
    dense = sum(queries * keys for queries, keys in zip(QUERIES, used, strict=True))
    assert found.dense == MULTIPLY_AND_ADD * HEADS * FORWARD * dense


@pytest.mark.parametrize(
    ("name", "query", "key"),
    [
        ("aten._flash_attention_forward", (2, 3, HEADS, WIDTH), (2, 5, KEY_HEADS, WIDTH)),
        ("aten._efficient_attention_forward", (2, 3, HEADS, WIDTH), (2, 5, KEY_HEADS, WIDTH)),
        ("aten._cudnn_attention_forward", (2, HEADS, 3, WIDTH), (2, KEY_HEADS, 5, WIDTH)),
    ],
)
def test_a_batch_of_equal_lengths_comes_in_the_kernels_own_layout(
    name: str, query: tuple[int, ...], key: tuple[int, ...]
) -> None:
    found = by_hand(name, query=shaped(*query), key=shaped(*key), value=shaped(*key))

    assert found == Flops.same(MULTIPLY_AND_ADD * 2 * HEADS * 3 * 5 * 2 * WIDTH)


@pytest.mark.parametrize(("queries", "keys"), [(16, 16), (16, 24), (12, 16), (10, 10)])
def test_flex_attention_counts_the_blocks_that_it_does_not_skip(queries: int, keys: int) -> None:
    block = 4
    mask = create_block_mask(lambda b, h, q, k: q >= k, None, None, queries, keys, device="cpu", BLOCK_SIZE=block)
    query, key, value = shaped(2, HEADS, queries, WIDTH), shaped(2, 2, keys, WIDTH), shaped(2, 2, keys, VALUE_WIDTH)

    forward = by_hand("flex_attention", query, key, value, None, mask.as_tuple())
    backward = by_hand("flex_attention_backward", query, key, value, *[None] * 6, mask.as_tuple())

    kept = sum(key // block <= query // block for query in range(queries) for key in range(keys))
    scale = MULTIPLY_AND_ADD * 2 * HEADS
    assert forward == Flops(scale * FORWARD * queries * keys, scale * FORWARD * kept)
    assert backward == Flops(scale * BACKWARD * queries * keys, scale * BACKWARD * kept)


def test_flex_attention_without_its_masks_data_is_dense() -> None:
    blocks = (16, 16, *[shaped(1, 1, 4)] * 12, 4, 4, every_pair)
    query = shaped(2, HEADS, 16, WIDTH)

    found = by_hand("flex_attention", query, query, query, None, blocks)

    assert found == Flops.same(MULTIPLY_AND_ADD * 2 * HEADS * 16 * 16 * 2 * WIDTH)


def test_torchs_kernels_are_counted_at_dispatch() -> None:
    query = shaped(2, 5, HEADS, WIDTH)

    counter = counted(
        lambda: torch.ops.aten._flash_attention_forward(query, query, query, None, None, 5, 5, 0.0, True, False)
    )

    triangle = 5 * 6 // 2
    assert counter.uncounted == {}
    assert counter.total == MULTIPLY_AND_ADD * 2 * HEADS * 5 * 5 * 2 * WIDTH
    assert counter.causal_total == MULTIPLY_AND_ADD * 2 * HEADS * triangle * 2 * WIDTH


@pytest.mark.parametrize("sizes", list(itertools.product((1, 2, 5), (1, 3, 6))))
@pytest.mark.parametrize("is_at_end", [False, True])
def test_a_mask_keeps_what_it_lets_each_query_see(sizes: tuple[int, int], is_at_end: bool) -> None:
    queries, keys = sizes
    for before, after in itertools.product((None, 0, 1, 4), (None, 0, 2)):
        mask = attention.base.Mask(before=before, after=after, is_at_end=is_at_end)
        places = [(query + (keys - queries) * is_at_end, key) for query in range(queries) for key in range(keys)]

        assert mask.pairs(queries, keys) == sum(
            (before is None or key >= place - before) and (after is None or key <= place + after)
            for place, key in places
        )
