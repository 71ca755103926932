"""Names that a plan may use, checked without torch: presets, number formats, devices.

The rooms that run models have the same names with what they stand for; a test holds the two equal. Here they are for a
process that must not load torch, such as a sweep's own, so that a misspelt name is found before anything is started.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping

from layerprof.errors import InputError

DTYPES: Mapping[str, str] = {
    "fp32": "float32",
    "float32": "float32",
    "bf16": "bfloat16",
    "bfloat16": "bfloat16",
    "fp16": "float16",
    "float16": "float16",
}
"""Number formats by every name that they may be called by."""

_SHORT_DTYPES = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}

DTYPE_OF_PRESET: Mapping[str, str] = {"blip2-tiny": "float32", "blip2-opt-2.7b": "bfloat16"}
"""The presets, with the format that each is built in where none is asked for."""

PUBLISHED_PRESETS = ("blip2-opt-2.7b",)
"""Those whose trained weights are on the hub."""

SAMPLE_SOURCE, HUB_SOURCE = "sample", "hub"

PUBLISHED_DATASETS = ("TextVQA", "ScienceQA", "COCO")
"""The data sets of the hub, each of which the offline sample data also have in the same columns."""

DATASETS = (SAMPLE_SOURCE, *PUBLISHED_DATASETS)
"""The data sets by the one name that each has; ``sample`` has no other source than itself."""

_CAPTIONS = ("coco", "coco captions", "coco_captions")

DEVICE_KINDS = (
    *("cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia", "xla", "lazy"),
    *("vulkan", "mps", "meta", "hpu", "mtia", "privateuseone"),
)
"""The kinds of device that torch has a name for, whether or not this machine has one."""

_DEVICE = re.compile(rf"({'|'.join(DEVICE_KINDS)})(:(0|[1-9][0-9]{{0,2}}))?")


def is_of_any_model(name: str) -> bool:
    """Whether it is ``package.module:callable``, of whose model nothing is known before it is called."""
    return ":" in name


def kind_of_device(name: str) -> str:
    """The device's kind, such as ``cuda`` of ``cuda:1``."""
    return name.partition(":")[0]


def short_dtype(name: str) -> str:
    """The format's short name, such as ``bf16`` of ``bfloat16``; a name that no format has stays as it is."""
    return _SHORT_DTYPES.get(name, name)


def dtype_of(model: str, asked: str | None) -> str | None:
    """The format by its long name: the one asked for, else the preset's own; None where nothing is known of it."""
    return DTYPE_OF_PRESET.get(model) if asked is None else DTYPES.get(asked)


def require_model(name: str) -> None:
    """Returns where it is a preset, or of the form ``package.module:callable`` with a module that others can import.

    Raises:
        InputError: where it is neither, or another process would import something else under that name.
    """
    module = name.partition(":")[0].partition(".")[0]
    if is_of_any_model(name) and module == "__main__":
        raise InputError(
            f"{name!r} is in the program itself, which no other process imports; put it into a file of its own"
        )
    if is_of_any_model(name) and module in sys.stdlib_module_names:
        raise InputError(
            f"{name!r}: {module!r} is a module of Python's standard library, which may be found in the place of yours; "
            f"give your file another name"
        )
    if not is_of_any_model(name) and name not in DTYPE_OF_PRESET:
        nearest = difflib.get_close_matches(name, DTYPE_OF_PRESET, n=len(DTYPE_OF_PRESET), cutoff=0.0)
        raise InputError(
            f"no model {name!r}; the presets are {', '.join(nearest)}, any other is package.module:callable"
        )


def dataset_named(name: str) -> str | None:
    """The data set by its one name, whatever the case; None where there is none."""
    low = name.casefold()
    if low in _CAPTIONS:
        return "COCO"
    return next((known for known in DATASETS if known.casefold() == low), None)


def require_dtype(name: str) -> None:
    """Returns where a number format is called so.

    Raises:
        InputError: where none is.
    """
    if name not in DTYPES:
        raise InputError(f"no dtype {name!r}; use one of {', '.join(DTYPES)}")


def require_device(name: str) -> None:
    """Returns where torch has devices of that name, whether or not they are here.

    Raises:
        InputError: where it has none.
    """
    if not _DEVICE.fullmatch(name):
        raise InputError(f"no device {name!r}; use cpu, cuda or cuda:<number>")
