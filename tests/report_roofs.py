"""Profiles with a place under the roofline, built by hand from round ceilings, and one as large as a real model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from report_phases import generation_profile
from report_records import Leaf, profile_of, stage_profiles, two_blocks

from layerprof.records import Ceilings, FrozenMapping, LayerProfile, Note, Profile, Quantities

RATE, BANDWIDTH, LAUNCH_S = 1e6, 1e5, 1e-6  # FLOP/s in single precision, B/s, seconds
DTYPE = "float32"
ABOVE_TEXT = "120 % of the roof; its data stay in a cache"
CEILINGS = Ceilings(
    kind="measured",
    device="a device",
    source="a benchmark",
    matrix_flops_per_s=FrozenMapping({DTYPE: RATE, "bfloat16": 4 * RATE}),
    copy_bytes_per_s=BANDWIDTH,
    launch_s=LAUNCH_S,
)
PEAKS = replace(
    CEILINGS,
    kind="vendor",
    source="a page",
    matrix_flops_per_s=FrozenMapping({DTYPE: 1.5 * RATE, "bfloat16": 6 * RATE}),
    copy_bytes_per_s=1.2 * BANDWIDTH,
    launch_s=None,
)
RowType = TypeVar("RowType", bound=Quantities)


def placed(row: RowType, ceilings: Ceilings = CEILINGS, *, dtype: str = DTYPE) -> RowType:
    """The row with FLOPs of one format and its place under the roof; the efficiency is left out where it is above 1."""
    taken_s = row.total_s.median if row.total_s is not None else 0.0
    if not row.bytes_moved or row.flops is None or not taken_s or ceilings.copy_bytes_per_s is None:
        return row
    least_s = {
        "compute": row.flops / ceilings.matrix_flops_per_s[dtype],
        "memory": row.bytes_moved / ceilings.copy_bytes_per_s,
    }
    share = max(least_s.values()) / taken_s
    return replace(
        row,
        flops_by_dtype=FrozenMapping({dtype: row.flops} if row.flops else {}),
        flops_per_s=row.flops / taken_s,
        bytes_per_s=row.bytes_moved / taken_s,
        intensity=row.flops / row.bytes_moved,
        bound=("compute" if least_s["compute"] >= least_s["memory"] else "memory") if share <= 1.0 else "unknown",
        efficiency=share if share <= 1.0 else None,
    )


def under_roof(
    profile: Profile, self_bytes: Callable[[LayerProfile], int], ceilings: Ceilings = CEILINGS, *, dtype: str = DTYPE
) -> Profile:
    """The profile with these bytes of its layers' own, totals of them, ceilings, and every row's place.

    A layer moves the same bytes in each of its phases.
    """
    own = {layer.path: self_bytes(layer) for layer in profile.layers}
    layers = tuple(_with_bytes(layer, own, ceilings, dtype=dtype) for layer in profile.layers)
    stages = [
        replace(stage, bytes_moved=(size := sum(own[path] for path in stage.paths)), self_bytes_moved=size)
        for stage in stage_profiles(layers)
    ]
    phases = [
        replace(phase, bytes_moved=sum(own[layer.path] for layer in layers if phase.name in layer.by_phase))
        for phase in profile.phases
    ]
    return replace(
        profile,
        layers=layers,
        stages=tuple(placed(stage, ceilings, dtype=dtype) for stage in stages),
        phases=tuple(placed(phase, ceilings, dtype=dtype) for phase in phases),
        ceilings=ceilings,
        notes=(*profile.notes, *_notes_above(layers)),
    )


def _with_bytes(layer: LayerProfile, own: Mapping[str, int], ceilings: Ceilings, *, dtype: str) -> LayerProfile:
    below = [size for path, size in own.items() if path == layer.path or path.startswith(f"{layer.path}.".lstrip("."))]
    sizes = {"self_bytes_moved": own[layer.path], "bytes_moved": sum(below) if layer.calls else 0}
    phases = {
        name: placed(replace(part, **sizes), ceilings, dtype=dtype)  # type: ignore[arg-type]
        for name, part in layer.by_phase.items()
    }
    return placed(replace(layer, **sizes, by_phase=FrozenMapping(phases)), ceilings, dtype=dtype)  # type: ignore[arg-type]


def _notes_above(layers: tuple[LayerProfile, ...]) -> Iterator[Note]:
    for layer in layers:
        if layer.flops_per_s is not None and layer.efficiency is None:
            yield Note(code="above_ceiling", quantity="efficiency", scope=layer.path, text=ABOVE_TEXT)


def blocks_under_roof() -> Profile:
    """The two blocks: fc1 at 10 %, 10 FLOP/B; fc2 at 10 %, 5 FLOP/B; the head at 80 %; the embedding above the roof."""
    sizes = {"embed": 480, "head": 100}
    return under_roof(profile_of(two_blocks()), lambda layer: sizes.get(layer.path, (layer.self_flops or 0) // 10))


def generation_under_roof() -> Profile:
    """A generation whose layers move 100 bytes in every phase that they run in."""
    return under_roof(generation_profile(), lambda layer: 100 if layer.self_flops else 0)


def large_profile(*, blocks: int = 16, has_peaks: bool = True) -> Profile:
    """A vision encoder, a small query transformer and a language model of some 200 layers that do work."""
    rate, bandwidth = 7.6e14, 4.1e12
    ceilings = replace(
        CEILINGS,
        device="NVIDIA H200",
        matrix_flops_per_s=FrozenMapping({"bfloat16": rate, "float32": 5.1e13}),
        copy_bytes_per_s=bandwidth,
        launch_s=2.3e-6,
    )
    peaks = replace(
        ceilings,
        kind="vendor",
        matrix_flops_per_s=FrozenMapping({"bfloat16": 9.89e14, "float32": 6.7e13}),
        copy_bytes_per_s=4.8e12,
    )
    products = [*_products("vision_model.encoder.layers", 257 * 8, 1408, 6144, blocks)]
    products += _products("qformer.encoder.layer", 32 * 8, 768, 3072, 6)
    products += _products("language_model.model.decoder.layers", 41 * 8, 2560, 10240, blocks)
    products += [("language_model.lm_head", 41 * 8, 2560, 50304), ("language_projection", 32 * 8, 768, 2560)]
    sizes: dict[str, int] = {}
    leaves = {"": Leaf(path="", type_name="Blip2")}
    for place, (path, rows, columns, outputs) in enumerate(products):
        flops, size = 2 * rows * columns * outputs, 2 * (rows * columns + columns * outputs + rows * outputs)
        reached = 0.18 + 0.62 * ((place * 37) % 11) / 11 if path != "language_projection" else 1.4
        least_s = max(flops / rate, size / bandwidth)
        for end, letter in enumerate(path):
            if letter == ".":
                leaves.setdefault(path[:end], Leaf(path=path[:end], type_name="Block", self_s=1e-6))
        leaves[path] = Leaf(path=path, type_name="Linear", self_s=least_s / reached, self_flops=flops)
        sizes[path] = size
    profile = under_roof(
        profile_of(list(leaves.values()), model="blip2-opt-2.7b (random weights, seed 0)"),
        lambda layer: sizes.get(layer.path, 0),
        ceilings,
        dtype="bfloat16",
    )
    return replace(profile, peaks=peaks if has_peaks else None)


def _products(prefix: str, rows: int, width: int, inner: int, blocks: int) -> Iterator[tuple[str, int, int, int]]:
    for block in range(blocks):
        start = f"{prefix}.{block}"
        yield f"{start}.self_attn.qkv", rows, width, 3 * width
        yield f"{start}.self_attn.scores", rows, 64, 257
        yield f"{start}.self_attn.projection", rows, width, width
        yield f"{start}.mlp.fc1", rows, width, inner
        yield f"{start}.mlp.fc2", rows, inner, width
