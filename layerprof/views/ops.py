"""The ops inside the layers: where they cost most, merged by name, and family by family.

Ops of layers of one class and size that differ only by index are one row where name and shapes agree. The rows that are
shown and those that are not add up to the row of all ops, which is what shares are of; work under no layer is not in
these tables.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from layerprof.records import LayerProfile, OpProfile, Profile, family_of
from layerprof.views.base import (
    ROOT_LABEL,
    Cell,
    Closing,
    Column,
    Measured,
    Metric,
    Reading,
    Row,
    Table,
    likeness_of,
    measured,
)

_MOST_SHAPES = 3  # of one op, named in a row
_FORMAT_JOINT = "+"  # between the formats of a row of several ops
_MOST_KERNELS = 2  # of one op, named in a row
_FOOTNOTE = "Ops: times of the ops pass, whose instruments cost time; without the ops and layers that an op called."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Intensity(Reading):
    """FLOPs of the ops for each byte that they move."""

    def over(self, records: Sequence[Measured]) -> Cell:
        flops = [record.flops for record in records]
        sizes = [record.bytes_moved for record in records]
        if any(value is None for value in (*flops, *sizes)):
            return None
        whole = sum(size or 0 for size in sizes)
        return sum(each or 0 for each in flops) / whole if whole else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Formats(Reading):
    """The formats that the ops' products are computed in."""

    def over(self, records: Sequence[Measured]) -> Cell:
        names = (record.dtype for record in records if isinstance(record, OpProfile) and record.dtype is not None)
        return _FORMAT_JOINT.join(dict.fromkeys(names))


_METRICS: tuple[Reading, ...] = (
    Metric(column=Column(name="calls", quantity="integer"), attribute="calls"),
    Metric(column=Column(name="device time", quantity="s"), attribute="device_s"),
    Metric(column=Column(name="self time", quantity="s"), attribute="self_s"),
    Metric(column=Column(name="FLOPs", quantity="flops"), attribute="flops"),
    Metric(column=Column(name="bytes", quantity="bytes"), attribute="bytes_moved"),
    _Intensity(column=Column(name="intensity", quantity="flops_per_byte"), attribute="intensity"),
    _Formats(column=Column(name="format", align="left"), attribute="dtype"),
)
_RANKED_BY = ("device_s", "self_s")  # the first that was measured ranks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """One kind of op in one layer."""

    layer: LayerProfile
    op: OpProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranking:
    """The measured columns of a set of ops, and the one among them by which it is ranked, as a share of all."""

    metrics: tuple[Reading, ...]
    rank: Metric

    def cells(self, uses: Sequence[_Use]) -> tuple[Cell, ...]:
        """The values of one row made of ``uses``."""
        ops = [use.op for use in uses]
        return tuple(metric.over(ops) for metric in self.metrics)

    def largest_first(self, rows: Iterable[list[_Use]]) -> list[list[_Use]]:
        """The rows by what they took; equals keep their order."""
        return sorted(rows, key=lambda uses: -(self.rank.over([use.op for use in uses]) or 0.0))

    @property
    def columns(self) -> tuple[Column, ...]:
        """The headings of ``cells``."""
        return tuple(metric.column for metric in self.metrics)


def top_ops_table(profile: Profile, *, count: int = 10) -> Table:
    """The ``count`` ops, by name, shapes and family of layers, of the longest device time, else of the longest own.

    It is empty where there was no ops pass.
    """
    return _table(
        profile,
        "Top ops",
        count=count,
        key=lambda use: (use.op.name, use.op.shapes, likeness_of(use.layer)),
        words=(
            ("op", lambda uses: uses[0].op.name),
            ("shapes", lambda uses: _shapes_text(uses[0].op.shapes)),
            ("layer", _family_label),
        ),
    )


def op_names_table(profile: Profile, *, count: int = 30) -> Table:
    """The ``count`` op names of the longest device time, else of the longest own, over all shapes and layers.

    It is empty where there was no ops pass.
    """
    return _table(
        profile, "Ops by name", count=count, key=lambda use: use.op.name, words=(("op", lambda uses: uses[0].op.name),)
    )


def layer_ops_tables(profile: Profile) -> tuple[Table, ...]:
    """One table for each family of layers that has ops, in definition order: all its ops and what they launched."""
    uses = _uses(profile)
    ranking = _ranking(uses)
    if ranking is None:
        return ()
    families = _grouped(uses, key=lambda use: likeness_of(use.layer))
    return tuple(_family_table(members, ranking) for members in families)


def _family_table(uses: Sequence[_Use], ranking: _Ranking) -> Table:
    has_kernels = any(use.op.kernels for use in uses)
    rows = ranking.largest_first(_grouped(uses, key=lambda use: (use.op.name, use.op.shapes)))
    kernels = (Column(name="launched", align="left"),) if has_kernels else ()
    closing = Row(cells=("all ops", "", *ranking.cells(uses), *([""] if has_kernels else [])), role="closing")
    members = _layer_count(uses)
    return Table(
        title=f"{_family_label(uses)} ({members}×)" if members > 1 else _family_label(uses),
        columns=(Column(name="op", align="left"), Column(name="shapes", align="left"), *ranking.columns, *kernels),
        rows=(*(_family_row(row, ranking, has_kernels=has_kernels) for row in rows), closing),
    )


def _family_row(uses: Sequence[_Use], ranking: _Ranking, *, has_kernels: bool) -> Row:
    op = uses[0].op
    kernels = (_kernels_text(uses),) if has_kernels else ()
    return Row(cells=(op.name, _shapes_text(op.shapes), *ranking.cells(uses), *kernels))


def _table(
    profile: Profile,
    title: str,
    *,
    count: int,
    key: Callable[[_Use], Hashable],
    words: tuple[tuple[str, Callable[[Sequence[_Use]], str]], ...],
) -> Table:
    uses = _uses(profile)
    ranking = _ranking(uses)
    if ranking is None:
        return Table(title=title, columns=(Column(name="op", align="left"),), rows=())
    rows = ranking.largest_first(_grouped(uses, key=key))
    hidden = [use for row in rows[count:] for use in row]
    closing = {**({"(other ops)": hidden} if hidden else {}), "all ops": uses}
    blank = ("",) * len(words)  # for the words but the first, and for the layers
    body = (Row(cells=(*(word(row) for _, word in words), _layer_count(row), *ranking.cells(row))) for row in rows)
    return Table(
        title=f"{title} by {ranking.rank.column.name}",
        columns=(
            *(Column(name=name, align="left") for name, _ in words),
            Column(name="layers", quantity="integer"),
            *ranking.columns,
        ),
        rows=(
            *islice(body, count),
            *(
                Row(cells=(label, *blank, *ranking.cells(members)), role="closing")
                for label, members in closing.items()
            ),
        ),
        footnotes=(_FOOTNOTE,),
    )


def _uses(profile: Profile) -> list[_Use]:
    return [_Use(layer=layer, op=op) for layer in profile.layers for op in layer.ops]


def _ranking(uses: Sequence[_Use]) -> _Ranking | None:
    """The columns that were measured, the share of the ranking one behind it; None where no op has a time."""
    ops = [use.op for use in uses]
    metrics = measured(_METRICS, ops)
    times = [metric for metric in metrics if isinstance(metric, Metric) and metric.attribute in _RANKED_BY]
    rank = next((metric for name in _RANKED_BY for metric in times if metric.attribute == name), None)
    if rank is None:
        return None
    share = replace(rank, column=Column(name="share", quantity="share"), closing=Closing(step=rank.over(ops)))
    place = metrics.index(rank) + 1
    return _Ranking(metrics=(*metrics[:place], share, *metrics[place:]), rank=rank)


def _grouped(uses: Iterable[_Use], *, key: Callable[[_Use], Hashable]) -> list[list[_Use]]:
    groups: dict[Hashable, list[_Use]] = {}
    for use in uses:
        groups.setdefault(key(use), []).append(use)
    return list(groups.values())


def _layer_count(uses: Sequence[_Use]) -> int:
    return len({use.layer.path for use in uses})


def _family_label(uses: Sequence[_Use]) -> str:
    path = uses[0].layer.path
    return (family_of(path) if _layer_count(uses) > 1 else path) or ROOT_LABEL


def _shapes_text(shapes: Sequence[tuple[int, ...]]) -> str:
    """The first few shapes of tensors, such as ``2×41×2560, 2560``; inputs without one are left out."""
    texts = ["×".join(map(str, shape)) for shape in shapes if shape]
    return ", ".join([*texts[:_MOST_SHAPES], *(["…"] if len(texts) > _MOST_SHAPES else [])])


def _kernels_text(uses: Sequence[_Use]) -> str:
    """The kernels of the longest device time in the first layer; they are kept the longest first."""
    names = list(dict.fromkeys(kernel.name for use in uses for kernel in use.op.kernels))
    hidden = len(names) - _MOST_KERNELS
    named = ", ".join(names[:_MOST_KERNELS])
    return f"{named} and {hidden} more" if hidden > 0 else named
