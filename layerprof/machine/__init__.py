"""What this machine is, how much memory there is, and what its devices can do at most."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import platformdirs
import torch

from layerprof.clock import SystemClock
from layerprof.errors import UnavailableError
from layerprof.machine import ceilings, facts, peaks
from layerprof.machine.ceilings.copies import last_level_cache_bytes
from layerprof.machine.facts import cpu_name, device_name, load_of_last_minute, settle, usable_cores, version_of
from layerprof.machine.memory import available_bytes, group_available_bytes, memory_limit_bytes
from layerprof.machine.peaks import Processor, peaks_of_cpu, peaks_of_gpu
from layerprof.records import Ceilings, Environment

__all__ = [
    "Processor",
    "available_bytes",
    "cache_bytes",
    "ceilings_of",
    "ceilings_path",
    "cpu_name",
    "device_name",
    "environment_of",
    "group_available_bytes",
    "measured_ceilings",
    "memory_limit_bytes",
    "peaks_of_cpu",
    "peaks_of_gpu",
    "raised_ceilings",
    "required_peaks",
    "settle",
    "usable_cores",
    "vendor_peaks",
    "version_of",
]

_PROCESSORS = Path("/sys/devices/system/cpu")
_NOWHERE = Path(os.devnull) / "layerprof"  # below a device there are no folders, whoever asks


def environment_of(device: torch.device) -> Environment:
    """The facts about this process and ``device`` that travel with a record."""
    return facts.environment_of(device, memory_bytes=memory_limit_bytes())


def ceilings_of(
    device: torch.device,
    dtypes: Iterable[str],
    *,
    may_measure: bool = True,
    refresh: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Ceilings | None:
    """What a device can do at most, from the user's cache folder; what is missing there is measured and kept.

    Args:
        device: that is meant; None is returned for one that is neither a CPU nor a CUDA device.
        dtypes: formats of matrix products, as torch names them, and ``tf32``. One that cannot be measured is left out
            of the rates, and ``conditions`` has the reason under its name.
        may_measure: False gives what is kept, even if formats are missing, or None.
        refresh: True measures everything anew.
        tell: is called with the name of what is measured next.
    """
    if device.type not in ceilings.SUPPORTED:
        return None
    return ceilings.ceilings_on(
        _bench(device), dtypes, folder=_cache_folder(), may_measure=may_measure, refresh=refresh, tell=tell
    )


def raised_ceilings(device: torch.device, known: Ceilings) -> Ceilings:
    """Ceilings measured once more and kept, of each the higher: for when something was found to be above them."""
    return ceilings.raised_on(_bench(device), known, folder=_cache_folder())


def measured_ceilings(device: torch.device, dtypes: Iterable[str]) -> Ceilings:
    """What a device can do at most, measured now and not kept: about a second, and a third of one for each format.

    For a moment it takes about 2 GiB of a GPU, and on a CPU two buffers of twice its caches; less where less is free.

    Raises:
        UnavailableError: when it is neither a CPU nor a CUDA device.
    """
    if device.type not in ceilings.SUPPORTED:
        raise UnavailableError(
            f"ceilings of {device}: only those of {' and '.join(ceilings.SUPPORTED)} can be measured"
        )
    return ceilings.measure_on(_bench(device), dtypes)


def ceilings_path(device: torch.device) -> Path:
    """The file that the ceilings of a device are kept in, whether or not it is there."""
    return ceilings.kept_at(_bench(device), _cache_folder())


def vendor_peaks(device: torch.device) -> Ceilings | None:
    """What the vendor says a device can do at most; None where that is not known."""
    try:
        return required_peaks(device)
    except UnavailableError:
        return None


def required_peaks(device: torch.device) -> Ceilings:
    """What the vendor says a device can do at most.

    Raises:
        UnavailableError: when that is not known; the message says why.
    """
    if device.type == "cuda":
        return peaks_of_gpu(device_name(device))
    if device.type == "cpu":
        threads = min(usable_cores(), torch.get_num_threads())
        return peaks_of_cpu(peaks.this_processor(name=cpu_name(), cores=threads))
    raise UnavailableError(f"vendor's peaks of {device}: only CPUs and CUDA devices are in the tables")


def cache_bytes(device: torch.device) -> int | None:
    """Bytes of the last cache before a device's memory; of a CPU, of all of them together. None where not known."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).L2_cache_size) or None
    return (last_level_cache_bytes(_PROCESSORS) or None) if device.type == "cpu" else None


def _bench(device: torch.device) -> ceilings.Bench:
    return ceilings.Bench(
        device=device,
        name=cpu_name() if device.type == "cpu" else device_name(device),
        cpu=cpu_name(),
        cores=usable_cores(),
        settle=partial(settle, device),
        available_bytes=partial(available_bytes, device),
        load=load_of_last_minute,
        clock=SystemClock(),
    )


def _cache_folder() -> Path:
    """The user's, which ``XDG_CACHE_HOME`` moves on Linux; of a user without a home, one that cannot be written."""
    try:
        return platformdirs.user_cache_path("layerprof")
    except RuntimeError:  # no HOME, and a user whom the system does not know, as containers run under
        return _NOWHERE
