"""A cell of a sweep: a model and its settings, under an id that they alone decide.

No torch here: a plan can be made, checked and read on any machine.

The id has a version of its own, `IDENTITY`. Within a version the same cell has the same id for ever, whatever happens
to the stored records: a setting that is added later takes part only where it is not at its default.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field

from layerprof.errors import InputError, RecordError
from layerprof.names import is_of_any_model
from layerprof.records import AxisValue, CellFailure, CellRecord, CellStatus, FrozenMapping, PlanRecord
from layerprof.sweeping.base.cells.settings import (
    DEFAULTS,
    OF_ANY_MODEL,
    Settings,
    one_name,
    require_names,
    settings_of,
)
from layerprof.sweeping.base.cells.source import source_of

__all__ = [
    "IDENTITY",
    "PlannedCell",
    "Settings",
    "cell_from_json",
    "cell_of",
    "cell_to_json",
    "one_name",
    "require_names",
    "settings_of",
    "source_of",
]

IDENTITY = 1  # another one makes all stored results those of other cells

_ID_DIGITS = 16  # hexadecimal, 64 bits: two cells of a sweep share an id once in 10**13 sweeps of a thousand cells

_SINCE_FIRST = (  # the settings of the first identity, which its ids are made of even at their defaults
    "device",
    "dtype",
    "weights",
    "dataset",
    "batch_size",
    "samples",
    "text_tokens",
    "seq_len",
    "image_size",
    "seed",
    "warmup",
    "repeats",
    "optimization",
    "device_type",
    "threads",
    "quick",
    "trace",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """One point of a plan.

    Attributes:
        model: a preset's name, or ``package.module:callable``.
        settings: resolved.
        skipped: why it is not to be measured, or None.
        id: the beginning of the SHA-256 of the model and its settings in canonical JSON; not given, but found.
    """

    model: str
    settings: Settings
    skipped: CellFailure | None = None
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", _id_of(self.model, self.settings))

    @property
    def axes(self) -> FrozenMapping[AxisValue]:
        """Every setting that the model has, by name."""
        names = OF_ANY_MODEL if is_of_any_model(self.model) else DEFAULTS
        return FrozenMapping({name: getattr(self.settings, name) for name in DEFAULTS if name in names})

    def planned(self) -> CellRecord:
        """The cell's record before it is measured: pending, or skipped with its reason; and what its module is now."""
        status: CellStatus = "pending" if self.skipped is None else "skipped"
        return CellRecord(id=self.id, axes=self.axes, status=status, failure=self.skipped, source=source_of(self.model))


def _id_of(model: str, settings: Settings) -> str:
    values = {name: getattr(settings, name) for name in DEFAULTS}
    told = {name: value for name, value in values.items() if name in _SINCE_FIRST or value != DEFAULTS[name]}
    content = {"identity": IDENTITY, "model": model, "settings": told}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]


def cell_of(plan: PlanRecord, record: CellRecord) -> PlannedCell:
    """The cell that a stored record of the plan's was made of, for a worker that has the folder alone.

    Raises:
        RecordError: where this version of layerprof would plan another cell, or none, from the record's settings.
    """
    skipped = record.failure if record.status == "skipped" else None
    try:
        cell = PlannedCell(model=plan.model, settings=settings_of(plan.model, record.axes), skipped=skipped)
    except InputError as error:
        raise _other_version(plan, record, str(error)) from error
    if cell.id != record.id:
        raise _other_version(plan, record, f"its settings are now those of cell {cell.id}")
    return cell


def _other_version(plan: PlanRecord, record: CellRecord, reason: str) -> RecordError:
    return RecordError(
        f"cell {record.id} of the sweep {plan.name!r} was planned by another version of layerprof ({reason}); work on "
        "it with that version, or start the sweep again with this one"
    )


def cell_to_json(cell: PlannedCell) -> str:
    """The cell as text, for another process."""
    return json.dumps({"model": cell.model, "settings": dataclasses.asdict(cell.settings)})


def cell_from_json(text: str) -> PlannedCell:
    """The cell that `cell_to_json` wrote."""
    content = json.loads(text)
    return PlannedCell(model=content["model"], settings=Settings(**content["settings"]))
