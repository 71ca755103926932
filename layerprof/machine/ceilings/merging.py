"""Two measurements of one device made into one: of each ceiling the higher, for other work only makes them too low.

Measurements on a busy machine are marked and counted, so that the next profile measures once more:

    busy ── marked 1 ──► busy ── marked 2 ──► busy ── marked 3, kept for good
                  └────► quiet ── no mark
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from layerprof.machine.ceilings.base import MAY_BE_CACHED, Bench
from layerprof.records import Ceilings, FrozenMapping

_BUSY, _LOAD = "busy", "load"  # of the conditions
_MOST_BUSY = 3  # measurements on a busy machine, after which it is taken to be busy always


def load_conditions(bench: Bench) -> dict[str, str]:
    """The load as text, and the mark where more processes than there are cores wanted one."""
    load = bench.load()
    if load is None:
        return {_LOAD: "not known"}
    return {_LOAD: f"{load:.1f}"} | ({_BUSY: "1"} if load > bench.cores else {})


def with_load(known: Ceilings, bench: Bench) -> Ceilings:
    """Known ceilings to which others are added under the load that is now; a mark that they have stays."""
    return replace(known, conditions=FrozenMapping(load_conditions(bench) | _without_load(known.conditions)))


def is_doubtful(known: Ceilings) -> bool:
    """Whether they were measured on a busy machine, and not yet often enough."""
    return 0 < _times_busy(known) < _MOST_BUSY


def higher_of(known: Ceilings, found: Ceilings) -> Ceilings:
    """Of each ceiling the higher one; they are marked if both measurements are."""
    how = dict(found.conditions) | _without_load(known.conditions)
    rates = dict(known.matrix_flops_per_s)
    for dtype, rate in found.matrix_flops_per_s.items():
        if rate > rates.get(dtype, 0.0):
            rates[dtype], how[dtype] = rate, found.conditions[dtype]
    copy = found if _has_better_copy(found, known) else known
    how["copy"] = copy.conditions["copy"]
    launches_s = [one.launch_s for one in (known, found) if one.launch_s is not None]
    times_busy = _times_busy(known) + 1 if _times_busy(known) and _times_busy(found) else 0
    how.pop(_BUSY, None)
    return replace(
        known,
        matrix_flops_per_s=FrozenMapping(rates),
        copy_bytes_per_s=copy.copy_bytes_per_s,
        launch_s=min(launches_s, default=None),
        conditions=FrozenMapping(how | ({_BUSY: str(times_busy)} if times_busy else {})),
    )


def _has_better_copy(found: Ceilings, known: Ceilings) -> bool:
    """A copy that no cache held is better than a faster one that a cache may have held."""
    return _copy_rank(found) > _copy_rank(known)


def _copy_rank(ceilings: Ceilings) -> tuple[bool, bool, float]:
    rate = ceilings.copy_bytes_per_s
    return rate is not None, not ceilings.conditions.get("copy", "").endswith(MAY_BE_CACHED), rate or 0.0


def _times_busy(ceilings: Ceilings) -> int:
    """How often they were measured on a busy machine; 0 once they were measured on a quiet one."""
    text = ceilings.conditions.get(_BUSY, "")
    return int(text) if text.isdecimal() else 0


def _without_load(conditions: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in conditions.items() if name != _LOAD}
