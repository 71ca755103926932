"""The invariants of a profile, each as a check with the numbers behind its verdict.

Only what must hold is a check. Noise, overhead and unsteadiness are notes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase

from layerprof.records import CallNode, Check, Distribution, LayerProfile, PhaseProfile, Profile, Quantities

_SECOND_FRACTION = 1e-12  # s; sums of nanoseconds as floats differ by less
_RELATIVE = 1e-9  # of the step; samples are integer nanoseconds as floats, so only their sums round
_WHOLE_STEP = (
    "latency_s",
    "step_s",
    "unattributed_s",
    "unattributed_flops",
    "unattributed_bytes_moved",
    "unattributed_device_s",
    "memory",
    "energy",
    "unattributed_energy",
    "call_tree",
)
_NAMES = (
    "paths_unique",
    "stages_partition",
    "host_time_books",
    "flops_books",
    "bytes_books",
    "phase_books",
    "device_time_books",
    "peak_books",
    "energy_books",
    "call_tree_nests",
    "call_tree_is_rows",
    "finite_and_non_negative",
    "missing_is_explained",
)


def checks_of(profile: Profile) -> tuple[Check, ...]:
    """The verdict on every invariant that the record's quantities allow to be checked."""
    verdicts = (
        _paths(profile),
        _stages(profile),
        _host_time(profile),
        _flops(profile),
        _bytes(profile),
        _phases(profile),
        _device_time(profile),
        _peak(profile),
        _energy(profile),
        _nesting(profile),
        _tree_rows(profile),
        _finite(profile),
        _explained(profile),
    )
    return tuple(
        Check(name=name, ok=verdict[0], detail=verdict[1])
        for name, verdict in zip(_NAMES, verdicts, strict=True)
        if verdict is not None
    )


_Verdict = tuple[bool, str] | None


def _paths(profile: Profile) -> _Verdict:
    names = [name for layer in profile.layers for name in (layer.path, *layer.aliases)]
    return len(names) == len(set(names)), f"{len(profile.layers)} layers under {len(names)} names"


def _stages(profile: Profile) -> _Verdict:
    members = sorted(path for stage in profile.stages for path in stage.paths)
    is_partition = members == sorted(layer.path for layer in profile.layers)
    return is_partition, f"{len(profile.stages)} stages hold {len(members)} of {len(profile.layers)} layers"


def _host_time(profile: Profile) -> _Verdict:
    if profile.step_s is None or profile.unattributed_s is None:
        return None
    rows = [_on_step_thread(layer) for layer in profile.layers if layer.self_s is not None]
    errors = [
        abs(math.fsum(row[step] for row in rows) + left - whole) / whole if whole else 0.0
        for step, (whole, left) in enumerate(zip(profile.step_s.samples, profile.unattributed_s.samples, strict=True))
    ]
    worst = max(errors)
    left = profile.unattributed_s.median
    is_closed = worst <= _RELATIVE and min(profile.unattributed_s.samples) >= 0
    return is_closed, f"layers + unattributed ({left:.3g} s) differ from the step by at most {worst:.1e} of it"


def _on_step_thread(layer: LayerProfile) -> Sequence[float]:
    if layer.self_s is None:
        return ()
    if layer.concurrent_s is None:
        return layer.self_s.samples
    return [own - other for own, other in zip(layer.self_s.samples, layer.concurrent_s.samples, strict=True)]


def _flops(profile: Profile) -> _Verdict:
    whole = _sum_flops(profile)
    if whole is None or profile.unattributed_flops is None:
        return None
    parts = profile.unattributed_flops + sum(layer.self_flops or 0 for layer in profile.layers)
    rows: Sequence[Quantities] = (*profile.layers, *profile.stages, *profile.phases)
    is_by_format = all(row.flops_by_dtype is None or sum(row.flops_by_dtype.values()) == row.flops for row in rows)
    text = "" if is_by_format else "; a row's formats do not add up to it"
    return parts == whole and is_by_format, f"layers + unattributed = {parts}, step = {whole}{text}"


def _bytes(profile: Profile) -> _Verdict:
    phases = [phase.bytes_moved for phase in profile.phases if phase.bytes_moved is not None]
    if not phases or profile.unattributed_bytes_moved is None:
        return None
    parts = profile.unattributed_bytes_moved + sum(layer.self_bytes_moved or 0 for layer in profile.layers)
    return parts == sum(phases), f"layers + unattributed = {parts}, step = {sum(phases)} bytes"


def _sum_flops(profile: Profile) -> int | None:
    counted = [phase.flops for phase in profile.phases if phase.flops is not None]
    return sum(counted) if counted else None


def _phases(profile: Profile) -> _Verdict:
    """Whether phases add up to the step, each layer's phases to its row, and the layers in a phase to the phase."""
    if not profile.phases:
        return None
    wrong = [layer.path or "the root" for layer in profile.layers if not _adds_up(layer, layer.by_phase.values())]
    wrong += [f"phase {phase.name}" for phase in profile.phases if not _is_its_layers(phase, profile)]
    if profile.step_s is not None:
        step = [phase.total_s.samples for phase in profile.phases if phase.total_s is not None]
        sums = [math.fsum(samples) for samples in zip(*step, strict=True)]
        if not all(map(_is_close, sums, profile.step_s.samples)):
            wrong.insert(0, "the step")
    names = ", ".join(phase.name for phase in profile.phases)
    return not wrong, f"{names}: {len(wrong)} differ from the sum of parts" + (f", first {wrong[0]}" if wrong else "")


def _is_its_layers(phase: PhaseProfile, profile: Profile) -> bool:
    """Whether a phase is what its layers did in it and what is under no layer; of FLOPs, at least what they did."""
    parts = [layer.by_phase[phase.name] for layer in profile.layers if phase.name in layer.by_phase]
    if phase.flops is not None and sum(part.self_flops or 0 for part in parts) > phase.flops:
        return False
    if phase.total_s is None or phase.unattributed_s is None:
        return True
    own = math.fsum(_added(part.self_s) - _added(part.concurrent_s) for part in parts)
    return _is_close(own + _added(phase.unattributed_s), _added(phase.total_s))


def _adds_up(row: LayerProfile, phases: Collection[Quantities]) -> bool:
    for name in ("self_s", "device_self_s"):
        whole = getattr(row, name)
        parts = [getattr(phase, name) for phase in phases]
        if whole is not None and not math.isclose(
            math.fsum(map(_added, parts)), _added(whole), rel_tol=_RELATIVE, abs_tol=_SECOND_FRACTION
        ):
            return False
    counts = ((getattr(row, name), [getattr(phase, name) for phase in phases]) for name in ("flops", "self_flops"))
    return all(whole is None or whole == sum(part or 0 for part in parts) for whole, parts in counts)


def _is_close(part: float, whole: float) -> bool:
    return math.isclose(part, whole, rel_tol=_RELATIVE, abs_tol=_SECOND_FRACTION)


def _device_time(profile: Profile) -> _Verdict:
    if profile.device_total_s is None or profile.unattributed_device_s is None:
        return None
    rows = [layer.device_self_s.samples for layer in profile.layers if layer.device_self_s is not None]
    left = profile.unattributed_device_s.samples
    parts = [math.fsum(samples) for samples in zip(left, *rows, strict=True)]
    is_closed = all(map(_is_close, parts, profile.device_total_s.samples))
    return (
        is_closed,
        f"layers + unattributed = {parts[0]:.6g} s, activities = {profile.device_total_s.samples[0]:.6g} s",
    )


def _peak(profile: Profile) -> _Verdict:
    """Whether the owners of the peak are all of it, and the rows say the same of each layer."""
    memory = profile.memory
    if memory is None or any(layer.self_at_peak_bytes is None for layer in profile.layers):
        return None
    owned = sum(owner.size_bytes for owner in memory.owners)
    by_path = Counter({layer.path: layer.self_at_peak_bytes or 0 for layer in profile.layers})
    for owner in memory.owners:
        if owner.path is not None:
            by_path[owner.path] -= owner.size_bytes
    wrong = [path for path, difference in by_path.items() if difference]
    is_whole = owned + memory.unowned_bytes >= memory.step_peak_bytes and (
        owned + memory.unowned_bytes == memory.step_peak_bytes or not memory.unowned_bytes
    )
    text = f"owners {owned} + unowned {memory.unowned_bytes}, peak {memory.step_peak_bytes} bytes"
    return is_whole and not wrong, f"{text}; {len(wrong)} rows differ from the owners"


def _energy(profile: Profile) -> _Verdict:
    """Whether the layers' own joules and those of no layer are what was measured in one piece; not the step's own."""
    summary, left = profile.energy, profile.unattributed_energy
    own = [layer.self_energy for layer in profile.layers]
    known = [energy.total_j for energy in own if energy is not None]
    if summary is None or left is None or len(known) < len(own):
        return None
    parts = math.fsum((*known, left.total_j))
    closure = summary.closure
    whole = summary.step.total_j if closure is None else closure.units_j + closure.outside_j
    is_closed = math.isclose(parts, whole, rel_tol=_RELATIVE, abs_tol=_SECOND_FRACTION)
    return is_closed, f"layers + unattributed = {parts:.6g} J, {'step' if closure is None else 'parts'} = {whole:.6g} J"


def _nesting(profile: Profile) -> _Verdict:
    if profile.call_tree is None:
        return None
    late = [
        f"{child.path} in {node.path or 'the root'}"
        for node in profile.call_tree.walk()
        for child in node.children
        if not child.is_concurrent and (_exceeds(child.total_s, node.total_s) or _has_more(child.flops, node.flops))
    ]
    return not late, f"{len(late)} calls take more than their callers" + (f", first {late[0]}" if late else "")


def _exceeds(part: Distribution | None, whole: Distribution | None) -> bool:
    if part is None or whole is None:
        return False
    return any(inner > outer * (1 + _RELATIVE) for inner, outer in zip(part.samples, whole.samples, strict=True))


def _has_more(part: int | None, whole: int | None) -> bool:
    return part is not None and whole is not None and part > whole


def _tree_rows(profile: Profile) -> _Verdict:
    if profile.call_tree is None:
        return None
    sums = _added_up(profile.call_tree, [layer.path for layer in profile.layers])
    wrong = [layer.path for layer in profile.layers if not _agrees(layer, sums[layer.path])]
    return not wrong, f"{len(wrong)} rows differ from the call tree" + (f", first {wrong[0]!r}" if wrong else "")


@dataclass(slots=True)
class _Sums:
    """What the call tree holds of one layer: of all its nodes, and of the outermost ones with what is below them."""

    self_s: float = 0.0
    total_s: float = 0.0
    self_flops: int = 0
    flops: int = 0


def _added_up(top: CallNode, paths: Sequence[str]) -> Mapping[str, _Sums]:
    """The sums of each layer; the top node that stands for the step's range is no call of the root.

    Nodes wait on a stack, each to be entered and then to be left: no depth is too deep for a list.
    """
    sums = {path: _Sums() for path in paths}
    is_open: Counter[str] = Counter()
    waiting = [(top, True)]
    while waiting:
        node, is_entered = waiting.pop()
        if not is_entered:
            is_open[node.path] -= 1
            continue
        if not node.is_range:
            _add(node, sums.get(node.path, _Sums()), is_outermost=not is_open[node.path])
            is_open[node.path] += 1
            waiting.append((node, False))
        waiting.extend((child, True) for child in reversed(node.children))
    return sums


def _add(node: CallNode, sums: _Sums, *, is_outermost: bool) -> None:
    sums.self_s += _added(node.self_s)
    sums.self_flops += node.self_flops or 0
    if is_outermost:
        sums.total_s += _added(node.total_s)
        sums.flops += node.flops or 0


def _added(distribution: Distribution | None) -> float:
    return math.fsum(distribution.samples) if distribution else 0.0


def _agrees(layer: LayerProfile, sums: _Sums) -> bool:
    """Whether a row is what its nodes add up to; a quantity that the row does not have is not compared."""
    times = ((layer.self_s, sums.self_s), (layer.total_s, sums.total_s))
    counts = ((layer.self_flops, sums.self_flops), (layer.flops, sums.flops))
    return all(
        row is None or math.isclose(_added(row), nodes, rel_tol=_RELATIVE, abs_tol=_SECOND_FRACTION)
        for row, nodes in times
    ) and all(row is None or row == nodes for row, nodes in counts)


def _finite(profile: Profile) -> _Verdict:
    rows: Sequence[Quantities | Profile] = (*profile.layers, *profile.stages, *profile.phases, profile)
    wrong = [
        f"{name} of {_name_of(row)}"
        for row in rows
        for name, value in _numbers(row)
        if not all(math.isfinite(number) and number >= 0 for number in value)
    ]
    return not wrong, f"{len(wrong)} negative or not finite" + (f", first {wrong[0]}" if wrong else "")


def _name_of(row: Quantities | Profile) -> str:
    return str(getattr(row, "path", "") or getattr(row, "name", "") or "the root")


def _numbers(row: Quantities | Profile) -> Iterator[tuple[str, Sequence[float]]]:
    for field in fields(row):
        value = getattr(row, field.name)
        if isinstance(value, Distribution):
            yield field.name, value.samples
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield field.name, (value,)


def _explained(profile: Profile) -> _Verdict:
    scopes: dict[str, list[str]] = {}
    for note in profile.notes:
        scopes.setdefault(note.quantity, []).append(note.scope)
    silent = [
        f"{field.name} of {layer.path or 'the root'}"
        for layer in profile.layers
        for field in fields(layer)
        if getattr(layer, field.name) is None and not _covers(scopes.get(field.name, ()), layer.path)
    ]
    silent += [name for name in _WHOLE_STEP if getattr(profile, name) is None and name not in scopes]
    return not silent, f"{len(silent)} missing without a note" + (f", first {silent[0]}" if silent else "")


def _covers(scopes: Sequence[str], path: str) -> bool:
    return any(scope in ("*", path) or fnmatchcase(path, scope) for scope in scopes)
