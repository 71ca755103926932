"""One flat row a layer: every scalar of it under a stable name, for spreadsheets and data frames.

A distribution ``total_s`` becomes ``total_s_median`` and the ends of its 95 % interval; an energy becomes its joules
with how they were got, the ends of their interval and their mean power. The order of the columns is part of the
contract: new ones are added at the end. A record of several phases has a few more columns for each, such as
``decode.total_s_median``, empty where the layer did not run; one whose FLOPs are told apart by format has a column for
each, such as ``flops.bfloat16``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from layerprof.records import Distribution, Energy, LayerProfile, Profile, Quantities

Scalar = str | int | float | bool | None

_DISTRIBUTIONS = ("total_s", "self_s", "device_total_s", "device_self_s", "concurrent_s")
_INTEGERS = (
    "flops",
    "self_flops",
    "causal_flops",
    "bytes_moved",
    "self_bytes_moved",
    "param_count",
    "param_bytes",
    "output_bytes",
    "allocated_bytes",
    "peak_bytes",
)
_ENERGIES = ("energy", "self_energy")
_LATER_INTEGERS = ("at_peak_bytes", "self_at_peak_bytes")
_PHASE_DISTRIBUTIONS = ("total_s", "self_s", "device_total_s", "device_self_s")
_PHASE_INTEGERS = ("calls", "flops", "self_flops")
_PHASE_ROOF_INTEGERS = ("bytes_moved", "self_bytes_moved", "launches")
_PHASE_ROOF_FLOATS = ("flops_per_s", "bytes_per_s", "intensity", "efficiency")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatColumn:
    """A column of the flat rows.

    Attributes:
        name: with the unit as a suffix.
        kind: of its values; any of them may be None, save in ``path``, ``calls`` and ``depth``.
        read: the value of one layer.
    """

    name: str
    kind: Literal["text", "integer", "float", "flag"]
    read: Callable[[LayerProfile], Scalar]


def _text(name: str) -> FlatColumn:
    return FlatColumn(name=name, kind="text", read=lambda layer: _scalar(getattr(layer, name)))


def _integer(name: str) -> FlatColumn:
    return FlatColumn(name=name, kind="integer", read=lambda layer: _scalar(getattr(layer, name)))


def _float(name: str) -> FlatColumn:
    return FlatColumn(name=name, kind="float", read=lambda layer: _scalar(getattr(layer, name)))


def _scalar(value: Scalar) -> Scalar:
    return value


def _bound(row: Quantities | None) -> str | None:
    """What bounds the row; None where it did no work, of which nothing can be known."""
    if row is None or (row.bound == "unknown" and not row.flops and not row.bytes_moved):
        return None
    return row.bound


def _distribution(name: str) -> tuple[FlatColumn, ...]:
    def column(suffix: str, read: Callable[[Distribution], float | None]) -> FlatColumn:
        return FlatColumn(
            name=f"{name}_{suffix}",
            kind="float",
            read=lambda layer: None if getattr(layer, name) is None else read(getattr(layer, name)),
        )

    return (
        column("median", lambda value: value.median),
        column("ci95_low", lambda value: value.ci95[0] if value.ci95 else None),
        column("ci95_high", lambda value: value.ci95[1] if value.ci95 else None),
    )


def _energy_columns(name: str, *, phase: str | None = None) -> tuple[FlatColumn, ...]:
    """An energy's joules and how they were got, then the ends of its interval and its mean power."""

    def energy(layer: LayerProfile) -> Energy | None:
        row = layer if phase is None else layer.by_phase.get(phase)
        value: Energy | None = getattr(row, name, None)
        return value

    def column(suffix: str, read: Callable[[Energy], Scalar], *, is_text: bool = False) -> FlatColumn:
        def read_layer(layer: LayerProfile) -> Scalar:
            value = energy(layer)
            return None if value is None else read(value)

        prefix = "" if phase is None else f"{phase}."
        return FlatColumn(name=f"{prefix}{name}_{suffix}", kind="text" if is_text else "float", read=read_layer)

    return (
        column("j", lambda value: value.total_j),
        column("kind", lambda value: value.kind, is_text=True),
        column("ci95_low_j", lambda value: value.ci95_j[0] if value.ci95_j else None),
        column("ci95_high_j", lambda value: value.ci95_j[1] if value.ci95_j else None),
        column("power_w", lambda value: value.power_w),
    )


LAYER_COLUMNS: tuple[FlatColumn, ...] = (
    _text("path"),
    _text("type_name"),
    _text("kind"),
    _integer("depth"),
    _text("stage"),
    _integer("calls"),
    *(column for name in _DISTRIBUTIONS for column in _distribution(name)),
    *map(_integer, _INTEGERS),
    *(column for name in _ENERGIES for column in _energy_columns(name)[:2]),
    _float("flops_per_s"),
    _float("intensity"),
    FlatColumn(name="bound", kind="text", read=lambda layer: _bound(layer)),
    _float("efficiency"),
    _text("provenance"),
    FlatColumn(name="shared", kind="flag", read=lambda layer: layer.shared),
    FlatColumn(name="aliases", kind="text", read=lambda layer: " ".join(layer.aliases)),
    *map(_integer, _LATER_INTEGERS),
    _integer("launches"),
    _float("bytes_per_s"),
    _float("least_s"),
    *(column for name in _ENERGIES for column in _energy_columns(name)[2:]),
    _float("j_per_gflop"),
    _float("energy_delay_j_s"),
)


def layer_columns(profile: Profile) -> tuple[FlatColumn, ...]:
    """The columns of a profile's flat rows: those of every profile, of its phases where it has several, of formats."""
    phases = profile.phases if len(profile.phases) > 1 else ()
    formats = dict.fromkeys(dtype for layer in profile.layers for dtype in layer.flops_by_dtype or ())
    return (
        *LAYER_COLUMNS,
        *(column for phase in phases for column in _phase_columns(phase.name)),
        *map(_format_column, formats),
    )


def _phase_columns(phase: str) -> tuple[FlatColumn, ...]:
    return (
        *(_phase_column(phase, name, "integer") for name in _PHASE_INTEGERS),
        *(_phase_column(phase, name, "float", suffix="_median") for name in _PHASE_DISTRIBUTIONS),
        *(_phase_column(phase, name, "integer") for name in _PHASE_ROOF_INTEGERS),
        *(_phase_column(phase, name, "float") for name in _PHASE_ROOF_FLOATS),
        FlatColumn(name=f"{phase}.bound", kind="text", read=lambda layer: _bound(layer.by_phase.get(phase))),
        _phase_column(phase, "least_s", "float"),
        *(column for name in _ENERGIES for column in _energy_columns(name, phase=phase)),
    )


def _phase_column(phase: str, name: str, kind: Literal["text", "integer", "float"], *, suffix: str = "") -> FlatColumn:
    def read(layer: LayerProfile) -> Scalar:
        value = getattr(layer.by_phase.get(phase), name, None)
        return value.median if isinstance(value, Distribution) else _scalar(value)

    return FlatColumn(name=f"{phase}.{name}{suffix}", kind=kind, read=read)


def _format_column(dtype: str) -> FlatColumn:
    """FLOPs in one format; 0 in a layer that has FLOPs in others alone."""

    def read(layer: LayerProfile) -> Scalar:
        return None if layer.flops_by_dtype is None else layer.flops_by_dtype.get(dtype, 0)

    return FlatColumn(name=f"flops.{dtype}", kind="integer", read=read)
