"""Why joules are missing in a row, and whether those that are there add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from layerprof.attribute.base import RawTrace
from layerprof.attribute.energy.base import OUTSIDE, UNTOLD, PhaseTree, Times, uses_host_times
from layerprof.records import EnergySummary, LayerProfile, Note, family_of

if TYPE_CHECKING:
    from layerprof.attribute.roofline import Rows

_NO_TIME = "no_layer_time"
_QUANTITIES = ("energy", "self_energy")
_ROOT = (
    "the step never calls the root; the joules of the step are in profile.energy, those of the layers that it calls "
    "in their rows"
)
_ROOT_UNKNOWN = (
    "no pass that sees calls was run, so nobody knows whether the step is the root's call; see profile.energy"
)
_HIDDEN = "its time is in that of the layer around it, and so are its joules"
_UNCLOCKED = "its layers took less than the clock can tell, so the joules cannot be shared out among them"
_UNTOLD = "what ran outside of the measured layers is not told apart from the gaps without the device's own times"
_PARTS = "the joules of one of its layers are not known"
_WARNING = {"warn": "read layer energies with care", "not_trustworthy": "layer energies not trustworthy"}
_AT_IDLE = "what ran outside the measured layers is counted at idle power"
_SURVEY_DIFFERS = 0.03  # of a step's time in the windows


def notes_on_summary(raw: RawTrace, summary: EnergySummary) -> Iterator[Note]:
    """What weakens the joules that are there."""
    yield from _notes_on_closure(summary)
    if summary.closure is not None and summary.closure.is_lower_bound:
        yield Note(code=UNTOLD, quantity="closure", scope="step", text=f"{_AT_IDLE}{_remedy_of_ops(raw)}")
    if summary.survey_ratio is not None:
        yield from _note_on_survey(round(summary.survey_ratio - 1.0, 9))  # 1.03 - 1 is 0.03 and a little, as a float


def _note_on_survey(more: float) -> Iterator[Note]:
    if abs(more) > _SURVEY_DIFFERS:
        text = (
            f"steps with marks around the measured layers took {100.0 * abs(more):.0f} % "
            f"{'longer' if more > 0.0 else 'less'} than without; times of layers are of those steps"
        )
        yield Note(code="survey_differs", quantity="energy", scope="step", text=text)


def _notes_on_closure(summary: EnergySummary) -> Iterator[Note]:
    """That the parts do not add up to the whole, where they do not."""
    closure = summary.closure
    if closure is None or closure.verdict not in _WARNING:
        return
    least = "at least " if closure.is_lower_bound else ""
    how = "assumed" if summary.counter.kind == "estimated" else "measured"
    text = f"units, rest and gaps make {least}{100.0 * closure.ratio:.0f} % of the step's {how} joules"
    yield Note(code="energy_closure", quantity="energy", scope="step", text=f"{text}; {_WARNING[closure.verdict]}")


def _remedy_of_ops(raw: RawTrace) -> str:
    """What to do where nobody knows how long a device was busy."""
    if "ops" in raw.spec.passes:
        return ", since the ops pass brought no times of the device"
    return ': add "ops" to passes' if raw.has_device else ", since kernels are recorded on CUDA alone"


def once(notes: Iterable[Note]) -> Iterator[Note]:
    """One note for each (quantity, scope, code), with all that those of it said."""
    found: dict[tuple[str, str, str], list[Note]] = {}
    for note in notes:
        found.setdefault((note.quantity, note.scope, note.code), []).append(note)
    for same in found.values():
        yield replace(same[0], text="; ".join(dict.fromkeys(note.text for note in same)))


def notes_on_no_energy(
    raw: RawTrace, rows: Rows, trees: Sequence[PhaseTree], times: Times | None, *, is_booked: bool
) -> Iterator[Note]:
    """A note for each quantity and scope whose joules are missing.

    Args:
        raw: for the passes that ran.
        rows: with their joules.
        trees: of each phase.
        times: by which joules are shared out, or None.
        is_booked: whether the joules of no layer are known.
    """
    remedy = _remedy(raw) if times is None else None
    yield from _notes_on_root(raw, rows[0][0])
    yield from _notes_on_layers(rows[0], trees, remedy)
    others = [(f"stage {row.name}", row) for row in rows[1]] + [(f"phase {row.name}", row) for row in rows[2]]
    for scope, row in others:
        for quantity in _QUANTITIES:
            if getattr(row, quantity) is None:
                yield Note(code=_NO_TIME, quantity=quantity, scope=scope, text=remedy or _PARTS)
    if not is_booked:
        yield Note(code=_NO_TIME, quantity="unattributed_energy", scope="step", text=remedy or _PARTS)


def _remedy(raw: RawTrace) -> str:
    missing = "time" if uses_host_times(raw) else "ops"
    text = f"joules are shared out by the time of layers, which the {missing} pass measures"
    if missing == "ops" and not raw.has_device:
        return f"{text}; kernels are recorded on CUDA alone"
    return text if missing in raw.spec.passes else f"{text}; add {missing!r} to passes"


def _notes_on_root(raw: RawTrace, root: LayerProfile) -> Iterator[Note]:
    if root.energy is not None or root.calls:
        return
    sees_calls = any((raw.time, raw.ops, raw.flops, raw.memory))
    code, text = ("root_not_called", _ROOT) if sees_calls else ("no_pass", _ROOT_UNKNOWN)
    yield Note(code=code, quantity="energy", scope="", text=text)


def _notes_on_layers(layers: Sequence[LayerProfile], trees: Sequence[PhaseTree], remedy: str | None) -> Iterator[Note]:
    """Layers in another's time, layers inside of units, and the others, each with its reason."""
    hidden = {index for tree in trees for index, is_hidden in enumerate(tree.is_hidden) if is_hidden}
    around = {index: head for tree in trees for index, head in enumerate(tree.head) if head not in (OUTSIDE, index)}
    units = {head for tree in trees for head in tree.head}
    for quantity in _QUANTITIES:
        missing = [index for index, layer in enumerate(layers) if getattr(layer, quantity) is None]
        if quantity == "energy" and not layers[0].calls:
            missing = [index for index in missing if index]  # of the root it is said why
        open_ones = [index for index in missing if index not in hidden]
        heads = tuple(dict.fromkeys(around[index] for index in open_ones if index in around))
        others = [index for index in open_ones if index not in around]
        scopes = (
            *((f"{scope}.*" if scope else "*", remedy or _UNCLOCKED) for scope in _families(heads, layers)),
            *((scope, remedy or _UNCLOCKED) for scope in _families(_within(others, units), layers)),
            *((scope, remedy or _UNTOLD) for scope in _families(_without(others, units), layers)),
            *((scope, _HIDDEN) for scope in _families(_within(missing, hidden), layers)),
        )
        for scope, text in scopes:
            yield Note(code=_NO_TIME, quantity=quantity, scope=scope, text=text)


def _within(chosen: Sequence[int], others: Collection[int]) -> list[int]:
    return [index for index in chosen if index in others]


def _without(chosen: Sequence[int], others: Collection[int]) -> list[int]:
    return [index for index in chosen if index not in others]


def _families(chosen: Collection[int], layers: Sequence[LayerProfile]) -> dict[str, None]:
    """The families of layers that are chosen whole, and the paths of the others."""
    if not chosen:
        return {}
    sizes = Counter(family_of(layer.path) for layer in layers)
    found = Counter(family_of(layers[index].path) for index in chosen)
    paths = (layers[index].path for index in chosen)
    return dict.fromkeys(
        family_of(path) if found[family_of(path)] == sizes[family_of(path)] else path for path in paths
    )
