"""What a device can do at most, measured on it once and kept in the user's cache folder.

    facts that change speed ── digest ──► ceilings-<key>.json ── every format there? ──► Ceilings
                                                  ▲                        │ no
                                                  └──── copies, launches, products, best of repeats

Only what the file lacks is measured, by one process at a time, so a profile in known formats costs the reading of one
small file.

Limits:
    A ceiling is the best of a few repeats: a busy machine lowers it and nothing raises it. Where more processes than
    there are cores wanted one, the next profiles measure once more, and of each ceiling the higher one counts.
    Products have smooth values, which draw less power than trained weights do, so a GPU at its power limit stays a
    little below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from layerprof.machine.ceilings.base import Bench, Reading
from layerprof.machine.ceilings.copies import copy_rate, launch_time
from layerprof.machine.ceilings.kept import facts_of, keep, path_of, read
from layerprof.machine.ceilings.locking import alone
from layerprof.machine.ceilings.merging import higher_of, is_doubtful, load_conditions, with_load
from layerprof.machine.ceilings.products import product_rate
from layerprof.records import Ceilings, FrozenMapping

__all__ = ["SUPPORTED", "Bench", "Reading", "ceilings_on", "kept_at", "measure_on", "raised_on"]

SUPPORTED = ("cpu", "cuda")  # kinds of device whose end of work can be waited for here

_SOURCE = "measured on this machine, best of repeats"


def ceilings_on(
    bench: Bench,
    dtypes: Iterable[str],
    *,
    folder: Path,
    may_measure: bool = True,
    refresh: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Ceilings | None:
    """The bench's ceilings in at least these formats: kept ones, and those that were missing measured and kept too.

    Args:
        bench: the device, and how to time it.
        dtypes: formats of matrix products; a format that cannot be measured is left out, its reason in ``conditions``.
        folder: where they are kept; one that cannot be written keeps nothing.
        may_measure: False gives what is kept, even if formats are missing; None where nothing is.
        refresh: True measures anew and forgets what was kept.
        tell: is called with the name of what is measured next.
    """
    wanted = tuple(dict.fromkeys(dtypes))
    path, facts = kept_at(bench, folder), facts_of(bench)
    is_kept_wanted = not (refresh and may_measure)
    known = read(path, facts) if is_kept_wanted else None
    if not may_measure or _is_enough(known, wanted):
        return known
    with alone(path):
        known = read(path, facts) if is_kept_wanted else None  # another process may have measured in the meantime
        if _is_enough(known, wanted):
            return known
        found = _measured_after(known, bench, wanted, tell)
        if found.copy_bytes_per_s is not None:  # else memory was short, which may be over by the next time
            keep(found, path, facts)
    return found


def raised_on(bench: Bench, known: Ceilings, *, folder: Path) -> Ceilings:
    """The ceilings measured once more, of each the higher one kept: for when something was found above them.

    Other work on the machine can only have made them too low.
    """
    path, facts = kept_at(bench, folder), facts_of(bench)
    with alone(path):
        kept = read(path, facts)
        found = measure_on(bench, known.matrix_flops_per_s)
        raised = higher_of(known if kept in (None, known) else higher_of(known, kept), found)
        keep(raised, path, facts)
    return raised


def _is_enough(known: Ceilings | None, wanted: Sequence[str]) -> bool:
    return known is not None and not is_doubtful(known) and all(dtype in known.conditions for dtype in wanted)


def _measured_after(
    known: Ceilings | None, bench: Bench, wanted: Sequence[str], tell: Callable[[str], None] | None
) -> Ceilings:
    """What is missing, or everything once more where the kept ceilings were measured on a busy machine."""
    if known is None or not is_doubtful(known):
        return measure_on(bench, wanted, known=known, tell=tell)
    dtypes = dict.fromkeys((*known.matrix_flops_per_s, *wanted))
    return higher_of(known, measure_on(bench, dtypes, tell=tell))


def kept_at(bench: Bench, folder: Path) -> Path:
    """The file that the bench's ceilings are kept in, whether or not it is there yet."""
    return path_of(folder, facts_of(bench))


def measure_on(
    bench: Bench,
    dtypes: Iterable[str],
    *,
    known: Ceilings | None = None,
    tell: Callable[[str], None] | None = None,
) -> Ceilings:
    """The ceilings, measured now: all of them, or those that ``known`` lacks.

    It takes about a second, and a third of one for each format; for a moment also memory, about 2 GiB of a GPU.
    """
    say = tell or (lambda what: None)
    missing = [dtype for dtype in dtypes if known is None or dtype not in known.conditions]
    if known is not None and not missing:
        return known
    with _undisturbed(bench.device):
        ceilings = _without_products(bench, say) if known is None else with_load(known, bench)
        for dtype in dict.fromkeys(missing):
            say(dtype)
            ceilings = _with_product(ceilings, dtype, product_rate(dtype, bench))
    return ceilings


def _without_products(bench: Bench, say: Callable[[str], None]) -> Ceilings:
    load = load_conditions(bench)
    say("copy")
    copy = copy_rate(bench)
    say("launch")
    launch = launch_time(bench)
    how = {"threads": str(torch.get_num_threads()), "copy": copy.how, "launch": launch.how}
    return Ceilings(
        kind="measured",
        device=bench.name,
        source=_SOURCE,
        copy_bytes_per_s=copy.value,
        launch_s=launch.value,
        conditions=FrozenMapping(how | load),
    )


def _with_product(ceilings: Ceilings, dtype: str, rate: Reading) -> Ceilings:
    rates = dict(ceilings.matrix_flops_per_s) | ({} if rate.value is None else {dtype: rate.value})
    conditions = dict(ceilings.conditions) | {dtype: rate.how}
    return replace(ceilings, matrix_flops_per_s=FrozenMapping(rates), conditions=FrozenMapping(conditions))


@contextmanager
def _undisturbed(device: torch.device) -> Iterator[None]:
    """Neither gradients nor autocast have a part in what is timed, and the memory that it took goes back."""
    before_bytes = _reserved_bytes(device)
    try:
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        if _reserved_bytes(device) > before_bytes:
            torch.cuda.empty_cache()


def _reserved_bytes(device: torch.device) -> int:
    """What torch holds of a GPU's memory."""
    return torch.cuda.memory_reserved(device) if device.type == "cuda" else 0
