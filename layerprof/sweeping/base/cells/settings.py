"""A cell's settings: checked, with defaults filled in, each under the one name that its value has.

No torch here: a plan can be made, checked and read on any machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

from layerprof.errors import InputError
from layerprof.names import (
    DATASETS,
    HUB_SOURCE,
    SAMPLE_SOURCE,
    dataset_named,
    is_of_any_model,
    kind_of_device,
    short_dtype,
)
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
    "resized_to": 1,
    "total_tokens": 1,
    "new_tokens": 1,
    "max_new_tokens": 1,
}
_MOST_PIXELS = 8192  # a side of a picture: more takes gigabytes for one sample
_EXAMPLE_OF_WORD = {
    "device": "cpu",
    "dtype": "bf16",
    "weights": "random",
    "dataset": "sample",
    "optimization": "sdpa",
    "device_type": "H200",
    "source": "hub",
}
_SEVERAL_NAMES = ("dtype", "device", "dataset")
_SWITCHES = ("quick", "trace", "allow_nan", "quality", "echo")
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
OPTIMIZATIONS = (
    "eager",
    "sdpa",
    "sdpa_flash",
    "sdpa_efficient",
    "sdpa_math",
    "flash_attention_2",
    "flash_attention_2_parts",
    "compile",
    "compile_whole",
)
_LENGTHS = ("text_tokens", "seq_len", "total_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides what a cell measures, besides the model.

    Attributes:
        device: such as ``cpu`` or ``cuda:1``; None leaves the model where its callable put it, which has to be a CPU.
        dtype: ``fp32``, ``bf16`` or ``fp16``, as which their long names are kept; None is the model's own.
        weights: ``random``, ``pretrained``, or a folder.
        dataset: the task that the samples come from: ``sample``, ``TextVQA``, ``ScienceQA`` or ``COCO``.
        source: where the data set is: ``hub``, ``sample`` (offline, in the same columns), or a folder or Parquet file;
            None is the hub, and of the data set ``sample`` the package that it is in.
        batch_size: samples of one step.
        samples: how many of the data set are used, in batches of ``batch_size``; None is one batch.
        text_tokens: exactly so many text tokens a sample.
        seq_len: at most so many text tokens a sample.
        total_tokens: at most so many tokens a sample, those of the picture included.
        image_size: height and width in pixels that the model sees; None is the model's own.
        resized_to: height and width in pixels that a picture is brought to before the processor, which then brings it
            to ``image_size``; None leaves it as it is.
        new_tokens: the measured step is a generation of exactly so many tokens; None is one forward pass.
        seed: of random weights.
        warmup: steps before measuring; None is until they stop getting faster.
        repeats: measured steps; None is until the median is steady.
        optimization: how attention is computed, or what is compiled: ``eager``, ``sdpa``, ``sdpa_flash``,
            ``sdpa_efficient``, ``sdpa_math`` (one kernel of PyTorch's alone), ``flash_attention_2``,
            ``flash_attention_2_parts`` (those that support it), ``compile`` (each part by itself) or ``compile_whole``
            (``torch.compile(model)``); None is the model's own.
        device_type: what the device's name has to have in it, in any case, such as ``H200``: the driver's name, or of
            a CPU the system's name or its label (``LAYERPROF_DEVICE_TYPE``); None is any.
        threads: of a CPU cell: torch's intra-op threads and the cores it may use; None is all of them.
        quick: one step to warm up and six to measure, for a look and not for a comparison; ``warmup`` and
            ``repeats`` go before it.
        quality: whether the model also answers all samples, by greedy generation with a natural stop, and the answers
            are scored.
        max_new_tokens: at which such an answer is cut off; None is the data set's own.
        echo: whether the prompt and the answer together are scored as well, as if the model had said both.
        trace: whether the cell keeps a timeline, for which the ops pass is added.
        allow_nan: whether outputs that hold NaN are as they should be, which makes a note of them and no failure.

    Raises:
        InputError: when a value is of the wrong type, too small or too large.
    """

    device: str | None = None
    dtype: str | None = None
    weights: str = "random"
    dataset: str = "sample"
    source: str | None = None
    batch_size: int = 1
    samples: int | None = None
    text_tokens: int | None = None
    seq_len: int | None = None
    total_tokens: int | None = None
    image_size: int | None = None
    resized_to: int | None = None
    new_tokens: int | None = None
    seed: int = 0
    warmup: int | None = None
    repeats: int | None = None
    optimization: str | None = None
    device_type: str | None = None
    threads: int | None = None
    quick: bool = False
    trace: bool = False
    allow_nan: bool = False
    quality: bool = False
    max_new_tokens: int | None = None
    echo: bool = False

    def __post_init__(self) -> None:
        for name, least in _LEAST_OF.items():
            _require_count(name, getattr(self, name), least=least)
        for name in ("image_size", "resized_to"):
            _require_pixels(name, getattr(self, name))
        for name in _EXAMPLE_OF_WORD:
            _require_word(name, getattr(self, name))
        for name in _SWITCHES:
            _require_switch(name, getattr(self, name))
        _require_known_dataset(self.dataset)
        _require_known_optimization(self.optimization)
        for name in _SEVERAL_NAMES:
            object.__setattr__(self, name, one_name(name, getattr(self, name)))
        _require_one_length([name for name in _LENGTHS if getattr(self, name) is not None])
        _require_source(self.dataset, self.source)


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
        if given.get("source") is None and dataset_named(str(given.get("dataset", SAMPLE_SOURCE))) != SAMPLE_SOURCE:
            given["source"] = HUB_SOURCE
    return Settings(**given)


def one_name(setting: str, value: AxisValue) -> AxisValue:
    """The value by the one name that a setting keeps it under: ``bf16`` for ``bfloat16``, ``cpu`` for ``cpu:0``.

    Raises:
        InputError: for a number of a CPU other than 0; there is one.
    """
    if setting == "dataset" and isinstance(value, str):
        return dataset_named(value) or value
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


def _require_pixels(name: str, value: int | None) -> None:
    if value is not None and value > _MOST_PIXELS:
        raise InputError(f"{name} is at most {_MOST_PIXELS} pixels; found {value}")


def _require_word(name: str, value: object) -> None:
    if value is None and name not in _NEVER_NONE:
        return
    if not isinstance(value, str) or not value:
        raise InputError(f"{name} is a word, such as {_EXAMPLE_OF_WORD[name]}; found {value!r}")


def _require_known_dataset(name: str) -> None:
    if dataset_named(name) is None:
        raise InputError(f"there is no dataset {name!r}; there are {', '.join(DATASETS)}")


def _require_source(dataset: str, source: str | None) -> None:
    if dataset == SAMPLE_SOURCE and source is not None:
        raise InputError(f"the dataset {SAMPLE_SOURCE!r} has no other source; leave out source={source!r}")


def _require_one_length(given: Sequence[str]) -> None:
    if len(given) > 1:
        raise InputError(
            f"{' and '.join(given)} are given: text_tokens fixes the text's length, seq_len limits it, and "
            "total_tokens limits it with the picture's; give one of them"
        )


def _require_switch(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InputError(f"{name} is True or False; found {value!r}")


def _require_known_optimization(name: str | None) -> None:
    if name is not None and name not in OPTIMIZATIONS:
        raise InputError(f"there is no optimization {name!r}; there are {', '.join(OPTIMIZATIONS)}")
