"""A cell of a sweep: a model and its settings, checked, with defaults filled in, under an id that they alone decide.

No torch here: a plan can be made, checked and read on any machine.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

from layerprof.errors import InputError
from layerprof.records import SCHEMA, AxisValue, CellFailure, CellRecord, CellStatus, FrozenMapping

_ID_DIGITS = 16  # hexadecimal, 64 bits: two cells of a sweep share an id once in 10**13 sweeps of a thousand cells

_LEAST_OF = {
    "batch_size": 1,
    "samples": 1,
    "text_tokens": 1,
    "seq_len": 1,
    "image_size": 1,
    "seed": 0,
    "warmup": 0,
    "repeats": 1,
}
_EXAMPLE_OF_WORD = {"device": "cpu", "dtype": "bf16", "weights": "random", "dataset": "sample"}
_NEVER_NONE = ("weights", "dataset", "batch_size", "seed")
_OF_ANY_MODEL = ("device", "dtype", "seed", "warmup", "repeats")  # any other model brings its own inputs
_LATER = {"optimization": "the axis 'optimization' comes with a later version of layerprof; leave it out"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides what a cell measures, besides the model.

    Attributes:
        device: such as ``cpu`` or ``cuda:1``; None leaves the model where its callable put it.
        dtype: ``fp32``, ``bf16``, ``fp16`` or their long names; None is the model's own.
        weights: ``random``, ``pretrained``, or a folder.
        dataset: the task that the samples come from; this version has ``sample``.
        batch_size: samples of one step.
        samples: how many of the data set are used, in batches of ``batch_size``; None is one batch.
        text_tokens: exactly so many text tokens a sample.
        seq_len: at most so many text tokens a sample.
        image_size: height and width in pixels; None is the model's own.
        seed: of random weights.
        warmup: steps before measuring; None is until they stop getting faster.
        repeats: measured steps; None is until the median is steady.

    Raises:
        InputError: when a value is of the wrong type or too small.
    """

    device: str | None = None
    dtype: str | None = None
    weights: str = "random"
    dataset: str = "sample"
    batch_size: int = 1
    samples: int | None = None
    text_tokens: int | None = None
    seq_len: int | None = None
    image_size: int | None = None
    seed: int = 0
    warmup: int | None = None
    repeats: int | None = None

    def __post_init__(self) -> None:
        for name, least in _LEAST_OF.items():
            _require_count(name, getattr(self, name), least=least)
        for name in _EXAMPLE_OF_WORD:
            _require_word(name, getattr(self, name))
        _require_known_dataset(self.dataset)
        if self.text_tokens is not None and self.seq_len is not None:
            raise InputError("text_tokens fixes the text's length and seq_len limits it; give one of the two")


def settings_of(model: str, values: Mapping[str, AxisValue]) -> Settings:
    """The settings with defaults resolved as far as they are known without building the model.

    Args:
        model: a preset's name, or ``package.module:callable``.
        values: by name of the setting.

    Raises:
        InputError: for a name that is no setting of this model, or a bad value.
    """
    require_names(model, values)
    settings = Settings(**cast("dict[str, Any]", dict(values)))  # types are checked there
    if _is_generic(model):
        return settings
    samples = settings.batch_size if settings.samples is None else settings.samples
    return dataclasses.replace(settings, device=settings.device or "cpu", samples=samples)


def require_names(model: str, names: Iterable[str]) -> None:
    """Returns where all names are settings of the model.

    Raises:
        InputError: naming those that are.
    """
    known = tuple(field.name for field in fields(Settings))
    for name in names:
        if name not in known:
            raise InputError(_LATER.get(name, f"there is no axis {name!r}; the known ones are {', '.join(known)}"))
        if _is_generic(model) and name not in _OF_ANY_MODEL:
            raise InputError(
                f"{name} does not apply to {model}, which brings its own inputs; what applies is "
                f"{', '.join(_OF_ANY_MODEL)}"
            )


def _is_generic(model: str) -> bool:
    return ":" in model


def _require_count(name: str, value: object, *, least: int) -> None:
    if value is None and name not in _NEVER_NONE:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} is a whole number from {least} up; found {value!r}")


def _require_word(name: str, value: object) -> None:
    if value is None and name not in _NEVER_NONE:
        return
    if not isinstance(value, str) or not value:
        raise InputError(f"{name} is a word, such as {_EXAMPLE_OF_WORD[name]}; found {value!r}")


def _require_known_dataset(name: str) -> None:
    from layerprof.tasks import TASKS  # opens pictures with a library that a plan does not need

    if name not in TASKS:
        raise InputError(
            f"there is no dataset {name!r} in this version, only {', '.join(TASKS)}; those of the hub come later"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """One point of a plan.

    Attributes:
        model: a preset's name, or ``package.module:callable``.
        settings: resolved.
        skipped: why it is not to be measured, or None.
    """

    model: str
    settings: Settings
    skipped: CellFailure | None = None

    @property
    def id(self) -> str:
        """The beginning of the SHA-256 of the schema, the model and all settings in canonical JSON."""
        content = {"schema": SCHEMA, "model": self.model, "settings": dataclasses.asdict(self.settings)}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]

    @property
    def axes(self) -> FrozenMapping[AxisValue]:
        """Every setting that the model has, by name."""
        settings = dataclasses.asdict(self.settings)
        return FrozenMapping(
            {name: value for name, value in settings.items() if name in _OF_ANY_MODEL or not _is_generic(self.model)}
        )

    def planned(self) -> CellRecord:
        """The cell's record before it is measured: pending, or skipped with its reason."""
        status: CellStatus = "pending" if self.skipped is None else "skipped"
        return CellRecord(id=self.id, axes=self.axes, status=status, failure=self.skipped)


def cell_to_json(cell: PlannedCell) -> str:
    """The cell as text, for another process."""
    return json.dumps({"model": cell.model, "settings": dataclasses.asdict(cell.settings)})


def cell_from_json(text: str) -> PlannedCell:
    """The cell that `cell_to_json` wrote."""
    content = json.loads(text)
    return PlannedCell(model=content["model"], settings=Settings(**content["settings"]))
