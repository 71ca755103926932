"""Whether a replay does what the model did: the same output as then, and again; what it changes is put back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from layerprof.instruments.base import tensors_in
from layerprof.measure.energy.base import (
    Saved,
    Verdict,
    Versions,
    bytes_of,
    cloned,
    copies_budget_bytes,
    random_state,
)

if TYPE_CHECKING:
    from layerprof.measure.energy.replay import ReplayLoad, Turn

# Norm of the difference over that of the output. The same kernels on the same values mostly give the same bits; those
# that add in any order (atomics, split reductions) differ by a few units in the last place: some 2**-52, 2**-23,
# 2**-10 and 2**-7. Other formats, and numbers that are no fractions, have to be equal.
_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 1.6e-2}

_DRAWS = "it draws random numbers, and its output is another one each time"
_REMEMBERS = "its output depends on what earlier calls left in it"
_WRITES_WEIGHTS = "it writes to its parameters"
_OTHER = "its output is not the one that the model got"
_SPOILS = "it writes to its inputs, and the next call with them gives another output"
_COPY = "a copy of it, made to keep it out of the cache, gives another output"


def verified(load: ReplayLoad, *, budget_bytes: int | None = None) -> Verdict:
    """Runs a replay's call twice, and those of its copies once; the unit is afterwards as before.

    The load learns what its calls change, and puts back that alone from then on.

    Args:
        load: that was not launched yet.
        budget_bytes: of copies of what calls may change, which is not the parameters; None is a quarter of what is
            free on the device.

    Limits:
        A unit that wrote to its parameters in the model is refused before it runs; of one that only begins to do so
        in the replay, they stay written. Writes to them that torch does not count (``.data``) are not seen, unless
        the output is another one.
    """
    if load.captured.has_written_weights:
        return _refused(_WRITES_WEIGHTS)
    own = load.turns[0]
    needed_bytes = bytes_of((*own.state, *own.inputs))
    if budget_bytes is None:
        budget_bytes = copies_budget_bytes(load.device)
    if needed_bytes > budget_bytes:
        return _beyond_memory(
            f"copies of what it may change take {needed_bytes} bytes, and {budget_bytes} may be taken"
        )
    try:
        with load.kept() as state:
            return _verdict(load, state)
    except torch.OutOfMemoryError:
        return _beyond_memory("the device has no memory left for it")
    except Exception as error:  # whatever a forward raises that is called outside of its model
        first_line = next(iter(str(error).splitlines()), "")
        return _refused(f"it raises {type(error).__name__}: {first_line}".rstrip(": "))


def _verdict(load: ReplayLoad, state: Saved) -> Verdict:
    own, *copies = load.turns
    before = random_state(load.device)
    weights = Versions(own.weights)
    inputs = Saved(own.inputs, cloned)
    agrees = _agrees(load, own)
    draws = not all(map(torch.equal, before, random_state(load.device)))
    writes_state = bool(state.written())
    writes_inputs = bool(own.learn(inputs, state))
    own.restore()
    if weights.have_changed():
        return _refused(_WRITES_WEIGHTS)
    if not agrees:
        return _refused(_DRAWS if draws else _REMEMBERS if writes_state else _OTHER)
    agrees_again = _agrees(load, own)
    own.restore()
    if weights.have_changed():
        return _refused(_WRITES_WEIGHTS)
    if not agrees_again:
        return _refused(_DRAWS if draws else _SPOILS if writes_inputs else _REMEMBERS)
    if not all(_try_copy(load, turn) for turn in copies):
        return _refused(_COPY)
    flags = {"writes_buffers": writes_state, "writes_inputs": writes_inputs, "draws_random": draws}
    return Verdict(is_replayable=True, flags=tuple(flag for flag, is_set in flags.items() if is_set))


def _refused(reason: str) -> Verdict:
    return Verdict(is_replayable=False, flags=("not_replayable",), reason=reason)


def _beyond_memory(reason: str) -> Verdict:
    return Verdict(is_replayable=False, flags=("no_memory",), reason=reason)


def _try_copy(load: ReplayLoad, turn: Turn) -> bool:
    """Whether a copy gives the same output; what its calls leave in itself is nobody's loss."""
    inputs = Saved(turn.inputs, cloned)
    agrees = _agrees(load, turn)
    turn.learn(inputs, Saved((), cloned))
    turn.restore()
    return agrees


def _agrees(load: ReplayLoad, turn: Turn) -> bool:
    """Whether a call gives the output that was captured; the call is not undone."""
    found = list(tensors_in(load.run_once(turn)))
    return _are_alike(found, load.captured.output)


def _are_alike(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> bool:
    return len(found) == len(expected) and all(
        _is_alike(one.detach(), other) for one, other in zip(found, expected, strict=True)
    )


def _is_alike(found: torch.Tensor, expected: torch.Tensor) -> bool:
    if found.dtype != expected.dtype or found.layout != expected.layout or found.is_nested != expected.is_nested:
        return False
    if found.is_nested:
        return _are_alike(found.unbind(), expected.unbind())
    if found.shape != expected.shape:
        return False
    if torch.equal(found, expected):
        return True
    tolerance = _TOLERANCE.get(found.dtype)
    return tolerance is not None and _relative_difference(found, expected) <= tolerance


def _relative_difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Norm of the difference over that of what was expected; infinite where only one of the two is NaN somewhere."""
    if not torch.equal(found.isnan(), expected.isnan()):
        return float("inf")
    wide = torch.promote_types(found.dtype, torch.float32)
    reference = expected.nan_to_num().to(wide)
    difference = found.nan_to_num().to(wide) - reference
    off = torch.linalg.vector_norm(difference, dtype=torch.float64).item()
    norm = torch.linalg.vector_norm(reference, dtype=torch.float64).item()
    return off / norm if norm else (float("inf") if off else 0.0)
