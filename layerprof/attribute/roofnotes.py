"""Why a row has no place under the roofline, or no efficiency there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from layerprof.attribute.base import LeastTime, RawTrace
from layerprof.records import LayerProfile, Note, Profile, Quantities, family_of, typical

if TYPE_CHECKING:
    from layerprof.attribute.roofline import Placed, Roof, Rows

ABOVE = "above_ceiling"

_QUANTITIES = ("flops_per_s", "bytes_per_s", "intensity", "least_s", "bound", "efficiency")
_RATES = ("flops_per_s", "bytes_per_s", "efficiency")
_OF_CEILINGS = ("least_s", "bound", "efficiency")
_OF_EAGER_BYTES = ("bytes_per_s", "least_s", "bound", "efficiency")
_IDLE = "it was not called, or its ops move nothing"
_UNCLOCKED = "it took less than the clock can tell"
_UNLIKE = "steps had inputs of other shapes, and FLOPs and bytes are of one of them; give every step the same shapes"
_FUSED = "compiled code is in it, which moves fewer bytes than its ops one by one; profile it before torch.compile"
_NOT_ASKED = "no ceilings were asked for; leave out ceilings=None"
_MEASURABLE = ("float64", "float32", "tf32", "bfloat16", "float16", "int8", "float8_e4m3fn", "float8_e5m2")
_MOST_TIMES = 10.0  # above its ceilings, that a busy machine can explain


def outruns_products(profile: Profile) -> bool:
    """Whether a layer did its FLOPs faster than the measured rates of products allow, but not beyond belief.

    A rate that is off by more than a busy machine explains is a wrong formula, which measuring again does not mend.
    """
    rates = profile.ceilings.matrix_flops_per_s if profile.ceilings else {}
    shares = [
        sum(flops / rates[dtype] for dtype, flops in layer.flops_by_dtype.items()) * layer.flops_per_s / layer.flops
        for layer in profile.layers
        if layer.flops and layer.flops_per_s and layer.flops_by_dtype and layer.flops_by_dtype.keys() <= rates.keys()
    ]
    return any(share > 1.0 for share in shares) and max(shares) <= _MOST_TIMES


def notes_on_roofline(raw: RawTrace, roof: Roof, placed: Placed) -> Iterator[Note]:
    """A note for each quantity and scope that is missing."""
    if raw.flops is None:
        return
    yield from _notes_on_all(raw, roof)
    yield from _notes_on_some(roof, placed.rows)
    for scope in placed.fused:
        for quantity in _OF_EAGER_BYTES:
            yield Note(code="compiled", quantity=quantity, scope=scope, text=_FUSED)
    for scope, row in _scoped(placed.rows):
        text = _above(roof, row, placed.least.get(scope))
        if text:
            yield Note(code=ABOVE, quantity="efficiency", scope=scope, text=text)


def _notes_on_all(raw: RawTrace, roof: Roof) -> Iterator[Note]:
    is_timed = raw.time is not None if roof.is_on_host else raw.ops is not None and raw.has_device
    if not is_timed:
        text = f"there is no time to rate the work by; add {'time' if roof.is_on_host else 'ops'!r} to passes"
        yield from _of(_RATES, "no_time", text)
    elif not roof.has_rates:
        yield from _of(_RATES, "unlike_steps", _UNLIKE)
    assert raw.flops is not None
    lacking = [dtype for dtype in raw.flops.dtypes if dtype not in roof.matrix_flops_per_s]
    if raw.ceilings is None and raw.no_ceilings is not None:
        yield from _of(_OF_CEILINGS, "ceilings_failed", raw.no_ceilings)
    elif raw.ceilings is None and raw.peaks is None and is_timed:
        yield from _of(_OF_CEILINGS, "ceilings_not_asked", _NOT_ASKED)
    elif lacking or roof.copy_bytes_per_s is None:
        yield from _of(_OF_CEILINGS, "no_ceiling", _lacking(raw, lacking))


def _lacking(raw: RawTrace, dtypes: Collection[str]) -> str:
    """Which ceilings are missing, why, and what to do where anything can be done."""
    conditions: Mapping[str, str] = raw.ceilings.conditions if raw.ceilings else {}
    what = f"products in {', '.join(dtypes)}" if dtypes else "its memory"
    reasons = [conditions[name] for name in (dtypes or ("copy",)) if name in conditions]
    remedy = "; measure them by layerprof doctor --ceilings" if all(one in _MEASURABLE for one in dtypes) else ""
    return f"no ceiling is known of {what} on this device" + (f" ({'; '.join(reasons)})" if reasons else remedy)


def _of(quantities: Iterable[str], code: str, text: str) -> Iterator[Note]:
    for quantity in quantities:
        yield Note(code=code, quantity=quantity, scope="*", text=text)


def _notes_on_some(roof: Roof, rows: Rows) -> Iterator[Note]:
    """Rows that did nothing, and rows too short for the clock."""
    layers, stages, phases = rows
    others = [(f"stage {one.name}", one) for one in stages] + [(f"phase {one.name}", one) for one in phases]
    idle = (*_scopes(layers, lambda layer: layer.bytes_moved == 0), *(s for s, row in others if row.bytes_moved == 0))
    unclocked = _scopes(layers, lambda layer: bool(layer.total_s and not typical(layer.total_s, roof.steps)))
    for quantity in _QUANTITIES:
        for scope in idle:
            yield Note(code="no_work", quantity=quantity, scope=scope, text=_IDLE)
        for scope in unclocked if quantity in _RATES else ():
            yield Note(code="no_time", quantity=quantity, scope=scope, text=_UNCLOCKED)


def _scopes(layers: Iterable[LayerProfile], is_meant: Callable[[LayerProfile], bool]) -> tuple[str, ...]:
    """Globs over the paths of the layers that are meant, or the paths where a glob would cover others."""
    meant = [layer.path for layer in layers if is_meant(layer)]
    others = [layer.path for layer in layers if not is_meant(layer)]
    globs = dict.fromkeys(map(family_of, meant))
    exact = {glob for glob in globs if glob == "*" or any(fnmatchcase(path, glob) for path in others)}
    return tuple(dict.fromkeys(path if family_of(path) in exact else family_of(path) for path in meant))


def _scoped(rows: Rows) -> Iterator[tuple[str, Quantities]]:
    """Every row with the scope by which notes speak of it."""
    layers, stages, phases = rows
    for layer in layers:
        yield layer.path, layer
        yield from ((f"{layer.path} in {name}", part) for name, part in layer.by_phase.items())
    yield from ((f"stage {stage.name}", stage) for stage in stages)
    yield from ((f"phase {phase.name}", phase) for phase in phases)


def _above(roof: Roof, row: Quantities, least: LeastTime | None) -> str:
    """What is above a ceiling in a row without an efficiency; "" where nothing is."""
    taken_s = roof.taken_s(row)
    if least is None or taken_s is None or row.efficiency is not None or not row.bytes_moved:
        return ""
    share = least.total_s / taken_s
    if share <= 1.0:
        part = least.above_s / least.total_s
        return f"{100 * part:.0f} % of its least time is of layers that came out above their ceilings"
    by_dtype: Mapping[str, int] = row.flops_by_dtype or {}
    products_s = sum(flops / roof.matrix_flops_per_s[dtype] for dtype, flops in by_dtype.items())
    if products_s <= taken_s:
        why = "it moves its least traffic faster than memory copies: its data stay in a cache, which has no ceiling"
    else:
        why = "its FLOPs are done faster than the best matrix product measured: the ceiling or a count is wrong"
    return f"{100 * share:.0f} % of the roof; {why}"
