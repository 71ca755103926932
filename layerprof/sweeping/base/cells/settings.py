"""A cell's settings: checked, with defaults filled in, each under the one name that its value has.

No torch here: a plan can be made, checked and read on any machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

from layerprof.errors import InputError
from layerprof.names import is_of_any_model, kind_of_device, short_dtype
from layerprof.records import AxisValue

_MOST = 2**63 - 1  # of any number: what torch takes as a seed, and what a stored record holds

_LEAST_OF = {
    "batch_size": 1,
    "samples": 1,
    "text_tokens": 1,
    "seq_len": 1,
    "image_size": 1,
    "seed": 0,
    "warmup": 0,
    "repeats": 1,
    "threads": 1,
}
_EXAMPLE_OF_WORD = {
    "device": "cpu",
    "dtype": "bf16",
    "weights": "random",
    "dataset": "sample",
    "optimization": "sdpa",
    "device_type": "H200",
}
_SEVERAL_NAMES = ("dtype", "device")
_SWITCHES = ("quick", "trace", "allow_nan")
_NEVER_NONE = ("weights", "dataset", "batch_size", "seed")
OF_ANY_MODEL = (  # any other model brings its own inputs
    "device",
    "dtype",
    "seed",
    "warmup",
    "repeats",
    "device_type",
    "threads",
    "quick",
    "trace",
    "allow_nan",
)
_OPTIMIZATIONS = ("eager", "sdpa", "flash_attention_2")
_LATER_OPTIMIZATIONS = ("sdpa_flash", "sdpa_efficient", "sdpa_math", "compile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides what a cell measures, besides the model.

    Attributes:
        device: such as ``cpu`` or ``cuda:1``; None leaves the model where its callable put it, which has to be a CPU.
        dtype: ``fp32``, ``bf16`` or ``fp16``, as which their long names are kept; None is the model's own.
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
        optimization: how attention is computed: ``eager``, ``sdpa`` or ``flash_attention_2``; None is the model's own.
        device_type: what the device's name has to have in it, in any case, such as ``H200``: the driver's name, or of
            a CPU the system's name or its label (``LAYERPROF_DEVICE_TYPE``); None is any.
        threads: of a CPU cell: torch's intra-op threads and the cores it may use; None is all of them.
        quick: one step to warm up and six to measure, for a look and not for a comparison; ``warmup`` and
            ``repeats`` go before it.
        trace: whether the cell keeps a timeline, for which the ops pass is added.
        allow_nan: whether outputs that hold NaN are as they should be, which makes a note of them and no failure.

    Raises:
        InputError: when a value is of the wrong type, too small or too large.
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
    optimization: str | None = None
    device_type: str | None = None
    threads: int | None = None
    quick: bool = False
    trace: bool = False
    allow_nan: bool = False

    def __post_init__(self) -> None:
        for name, least in _LEAST_OF.items():
            _require_count(name, getattr(self, name), least=least)
        for name in _EXAMPLE_OF_WORD:
            _require_word(name, getattr(self, name))
        for name in _SWITCHES:
            _require_switch(name, getattr(self, name))
        _require_known_dataset(self.dataset)
        _require_known_optimization(self.optimization)
        for name in _SEVERAL_NAMES:
            object.__setattr__(self, name, one_name(name, getattr(self, name)))
        if self.text_tokens is not None and self.seq_len is not None:
            raise InputError("text_tokens fixes the text's length and seq_len limits it; give one of the two")


DEFAULTS = {each.name: each.default for each in fields(Settings)}


def settings_of(model: str, values: Mapping[str, AxisValue]) -> Settings:
    """The settings with defaults resolved as far as they are known without building the model.

    Args:
        model: a preset's name, or ``package.module:callable``.
        values: by name of the setting.

    Raises:
        InputError: for a name that is no setting of this model, or a bad value.
    """
    require_names(model, values)
    given = cast("dict[str, Any]", dict(values))  # types are checked by Settings
    if not is_of_any_model(model):
        if given.get("device") is None:
            given["device"] = "cpu"
        if given.get("samples") is None:
            given["samples"] = given.get("batch_size", DEFAULTS["batch_size"])
    return Settings(**given)


def one_name(setting: str, value: AxisValue) -> AxisValue:
    """The value by the one name that a setting keeps it under: ``bf16`` for ``bfloat16``, ``cpu`` for ``cpu:0``.

    Raises:
        InputError: for a number of a CPU other than 0; there is one.
    """
    if setting == "dtype" and isinstance(value, str):
        return short_dtype(value)
    if setting == "device" and isinstance(value, str) and kind_of_device(value) == "cpu":
        if value not in ("cpu", "cpu:0"):
            raise InputError(f"no device {value!r}: all of a machine's processors are the one device cpu; ask for that")
        return "cpu"
    return value


def require_names(model: str, names: Iterable[str]) -> None:
    """Returns where all names are settings of the model.

    Raises:
        InputError: naming those that are.
    """
    for name in names:
        if name not in DEFAULTS:
            raise InputError(f"there is no axis {name!r}; the known ones are {', '.join(DEFAULTS)}")
        if is_of_any_model(model) and name not in OF_ANY_MODEL:
            raise InputError(
                f"{name} does not apply to {model}, which brings its own inputs; what applies is "
                f"{', '.join(OF_ANY_MODEL)}"
            )


def _require_count(name: str, value: object, *, least: int) -> None:
    if value is None and name not in _NEVER_NONE:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} is a whole number from {least} up; found {value!r}")
    if value > _MOST:
        raise InputError(f"{name} is at most 2**63 - 1; found {value}")


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


def _require_switch(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InputError(f"{name} is True or False; found {value!r}")


def _require_known_optimization(name: str | None) -> None:
    if name is None or name in _OPTIMIZATIONS:
        return
    those = f"this one has {', '.join(_OPTIMIZATIONS)}"
    if name in _LATER_OPTIMIZATIONS:
        raise InputError(f"the optimization {name!r} comes with a later version of layerprof; {those}")
    raise InputError(f"there is no optimization {name!r} in this version of layerprof; {those}")
