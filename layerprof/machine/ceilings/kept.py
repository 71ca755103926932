"""Ceilings in a file: one for each set of facts that change speed, whole or not there, and never trusted unread.

A damaged file, one of another version and one of other facts count as none. It holds plain fields only:

    {"version": 1, "facts": {…}, "device": …, "source": …, "matrix_flops_per_s": {…}, "copy_bytes_per_s": …, …}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch

from layerprof.errors import InputError, RecordError
from layerprof.machine.base import backend_precisions, single_precision
from layerprof.machine.ceilings.base import Bench
from layerprof.records import Ceilings, FrozenMapping
from layerprof.store.files import read_json, write_text

_VERSION = 1  # of the file and of the way of measuring: another one is measured again
_KEY_LENGTH = 16


def facts_of(bench: Bench) -> dict[str, str]:
    """What changes the speed of a device under torch."""
    return {
        "device": bench.name,
        "kind": bench.device.type,
        "cpu": bench.cpu,
        "cores": str(bench.cores),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "float32_matmul_precision": single_precision(),
        **backend_precisions(),
        "mkldnn": str(torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled),
        "deterministic": str(torch.are_deterministic_algorithms_enabled()),
    }


def path_of(folder: Path, facts: Mapping[str, str]) -> Path:
    """The file of these facts."""
    text = json.dumps([_VERSION, facts], sort_keys=True)
    return folder / f"ceilings-{hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]}.json"


def read(path: Path, facts: Mapping[str, str]) -> Ceilings | None:
    """What is kept of these facts; None where that is nothing, or nothing to rely on."""
    try:
        content = read_json(path)
    except (InputError, RecordError):
        return None
    if not isinstance(content, dict) or (content.get("version"), content.get("facts")) != (_VERSION, dict(facts)):
        return None
    try:
        return _decoded(content)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def keep(ceilings: Ceilings, path: Path, facts: Mapping[str, str]) -> None:
    """Writes them, and the folder; where that is not possible nothing is kept."""
    content = {
        "version": _VERSION,
        "facts": dict(facts),
        "device": ceilings.device,
        "source": ceilings.source,
        "matrix_flops_per_s": dict(ceilings.matrix_flops_per_s),
        "copy_bytes_per_s": ceilings.copy_bytes_per_s,
        "launch_s": ceilings.launch_s,
        "conditions": dict(ceilings.conditions),
    }
    with suppress(InputError):
        write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _decoded(content: Mapping[str, object]) -> Ceilings:
    rates = {name: _positive(rate) for name, rate in _mapping(content["matrix_flops_per_s"]).items()}
    conditions = {name: _text(how) for name, how in _mapping(content["conditions"]).items()}
    if not rates.keys() <= conditions.keys():
        raise ValueError("a rate without how it was measured")
    copy, launch = content["copy_bytes_per_s"], content["launch_s"]
    return Ceilings(
        kind="measured",
        device=_text(content["device"]),
        source=_text(content["source"]),
        matrix_flops_per_s=FrozenMapping(rates),
        copy_bytes_per_s=None if copy is None else _positive(copy),
        launch_s=None if launch is None else _positive(launch),
        conditions=FrozenMapping(conditions),
    )


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError("not a mapping")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _positive(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError("not a positive number")
    return float(value)
