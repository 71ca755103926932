"""Whether what was asked for is what ran, from what was seen of one step; no torch is asked anything here.

    the setting ─ what should be seen of each part ─┐
    the step ──── what was seen of it ──────────────┴─▶ faults: it was not in force;  remarks: where it holds

A row of a table says that an optimisation was in force only where that was seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from layerprof.records import CellFailure, FailureKind, PartInfo, SeenOp, TruthRecord
from layerprof.sweeping.base.failures import one_line
from layerprof.sweeping.measuring.optimizing.base import WHOLE, Sighting

_SDPA = r"::_scaled_dot_product_"
_FLASH = r"^(?!pytorch_flash|.*_scaled_dot_product_).*flash"
_OP = "::_"  # an op of torch's own; a kernel's name may be anything, and stands beside the op that launched it

_WANTED: Mapping[str, re.Pattern[str]] = {
    "eager": re.compile(r"::(_softmax|bmm|baddbmm)$"),
    "sdpa": re.compile(_SDPA),
    "sdpa_flash": re.compile(rf"{_SDPA}(fused_)?flash_attention"),
    "sdpa_efficient": re.compile(rf"{_SDPA}efficient_attention"),
    "sdpa_math": re.compile(rf"{_SDPA}attention_math"),
    "flash_attention_2": re.compile(_FLASH, re.IGNORECASE),
    "flash_attention_2_parts": re.compile(_FLASH, re.IGNORECASE),
}
"""What computes attention, by the setting.

Source:
    ``sdp_utils`` and ``attention.cpp`` of PyTorch 2.13, whose ops are named after their kernels; the package flash_attn
    and the kernels of the hub have "flash" in the names of theirs.
"""


def faults(optimization: str, seen: Sighting) -> Iterator[str]:
    """What was not in force, in one line each; nothing where all of it was.

    Args:
        optimization: that was asked for.
        seen: of one step.
    """
    if optimization in _WANTED:
        attending = [part for part in seen.parts if part.attention is not None and part.name in seen.called]
        if not attending:
            yield "no part that computes attention was seen in the step"
        for part in attending:
            yield from _faults_of_attention(optimization, part, seen)
    else:
        yield from _faults_of_graphs(seen)


def remarks(optimization: str | None, seen: Sighting, *, recompiles: int | None) -> Iterator[str]:
    """Where what was asked for holds and where not, in one line each.

    Args:
        optimization: that was asked for, or None.
        seen: of one step.
        recompiles: graphs that were compiled while steps were measured, or None.
    """
    for part in seen.parts:
        if part.attention is not None and "/" in part.attention:
            yield f"{part.name} computes {part.attention}, a kernel of the hub in the place of a package"
    if optimization == "flash_attention_2_parts":
        others = [part.name for part in seen.parts if part.attention == "sdpa"]
        if others:
            yield f"{' and '.join(others)} stays with sdpa, which is what its class supports"
    if recompiles:
        yield f"{recompiles} graphs were compiled while steps were measured; those steps are in the numbers"
    if optimization == "compile_whole" and seen.generate_graphs is not None:
        yield f"a call of the model is compiled; generate ran {seen.generate_graphs} compiled graphs"


def failure_of_truth(truth: TruthRecord) -> CellFailure | None:
    """Why a run's numbers are not those of what it was asked for; None where they are, or nothing was asked."""
    if truth.is_in_force is not False:
        return None
    kind: FailureKind = "not_in_force"
    text = f"{truth.optimization} was asked for and was not in force: {'; '.join(truth.reasons)}"
    return CellFailure(kind=kind, text=one_line(text))


def _faults_of_attention(optimization: str, part: PartInfo, seen: Sighting) -> Iterator[str]:
    ops = [op for op in seen.ops if op.part == part.name]
    if not ops and not part.path and seen.ops:
        return  # a model whose parts compute it, and not itself
    setting = "sdpa" if optimization == "flash_attention_2_parts" and part.attention == "sdpa" else optimization
    wanted = _WANTED[setting]
    if not any(wanted.search(op.name) for op in ops):
        yield f"{part.name}: no attention by {setting} was seen, but {_named(ops) or 'none that is known'}"
        return
    others = [op for op in ops if _is_other(op, wanted)]
    if others:
        yield f"{part.name}: attention by {_named(others)} was seen beside {setting}"


def _is_other(op: SeenOp, wanted: re.Pattern[str]) -> bool:
    return _OP in op.name and wanted.search(op.name) is None


def _named(ops: list[SeenOp]) -> str:
    return ", ".join(op.name for op in ops)


def _faults_of_graphs(seen: Sighting) -> Iterator[str]:
    if not sum(seen.ran.values()):
        yield "0 compiled graphs ran in the step"
        return
    for part, graphs in seen.ran.items():
        if graphs == 0 and part != WHOLE and part in seen.called:
            yield f"{part} was called and ran 0 compiled graphs"
    if seen.compiled:
        yield f"the step is compiled anew each time: {seen.compiled} more graphs when it was made once more"
