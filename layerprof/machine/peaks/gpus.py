"""Peaks of GPUs by families of names, from the table beside this file.

    NVIDIA H100 80GB HBM3 ── h100 80gb hbm3 ── h100 (sxm5 )?(80gb )?hbm3|… ── 989.5 TFLOP/s in bfloat16, 3.35 TB/s
      the driver's name        normalised        a family, over all of it        dense

A family has to fit the whole name. So an L40 is no L4, and a laptop's or a China-only variant of a card, which runs at
another rate, is unknown rather than the card itself.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from layerprof.errors import UnavailableError
from layerprof.records import Ceilings, FrozenMapping

_TABLE = "gpus.toml"
_SEPARATORS = re.compile(r"[^a-z0-9.]+")
_SAYS_NOTHING = frozenset({"nvidia", "tesla", "geforce", "amd", "instinct", "gpu", "generation"})
_GIGA, _TERA = 1e9, 1e12
_SLICE = "mig"
# The vendors' documents state one rate for both formats of 8-bit floats.
_AS_FAST_AS = {"float8_e5m2": "float8_e4m3fn", "float8_e5m2fnuz": "float8_e4m3fnuz"}


def peaks_of_gpu(name: str) -> Ceilings:
    """The dense peaks of the GPU that the driver calls ``name``.

    Raises:
        UnavailableError: when the name is of no family in the table, or of a slice of a GPU.
    """
    words = [word for word in _SEPARATORS.split(name.casefold()) if word and word not in _SAYS_NOTHING]
    if _SLICE in words:
        raise UnavailableError(f"vendor's peaks of {name!r}: it is a slice of a GPU, with a fraction of its peaks")
    for family in _families():
        if re.fullmatch(family["name"], " ".join(words)):
            return _ceilings(name, family)
    raise UnavailableError(f"vendor's peaks of {name!r}: no family in the table has this name; use measured ceilings")


def _ceilings(name: str, family: Mapping[str, Any]) -> Ceilings:  # Any: as the table's parser gives it
    note = family.get("note")
    rates = {dtype: rate * _TERA for dtype, rate in family["tflops"].items()}
    rates |= {dtype: rates[twin] for dtype, twin in _AS_FAST_AS.items() if twin in rates}
    return Ceilings(
        kind="vendor",
        device=name,
        source=family["source"],
        matrix_flops_per_s=FrozenMapping(rates),
        copy_bytes_per_s=family["memory_gb_per_s"] * _GIGA,
        conditions=FrozenMapping({"sparsity": "none"} | ({"note": note} if note else {})),
    )


@cache
def _families() -> list[dict[str, Any]]:  # Any: as the table's parser gives it
    text = (resources.files(__package__) / _TABLE).read_text(encoding="utf-8")
    families: list[dict[str, Any]] = tomllib.loads(text)["gpu"]
    return families
