"""The five tests of the reference report: device, batch size, image size, text length and optimisation.

    device         GPU and CPU, each in float32 and in the format it is used in
    batch          1, 4, 8, 16 samples a step
    image_size     224, 336, 448 pixels, before the processor and behind it, on each data set
    seq_len        200, 100, 50 tokens of text at most, on each data set
    optimization   ways of computing attention, and compiling

What several tests have in common is measured once. Every cell is measured for its latency by equal work, and answers
all samples for its quality.

Source:
    The tests of the published benchmark of Salesforce/blip2-opt-2.7b whose figures `layerprof.analysis` has; its other
    settings are the base that each test leaves as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from layerprof.errors import InputError
from layerprof.host import has_cuda
from layerprof.names import (
    DTYPE_OF_PRESET,
    HUB_SOURCE,
    PUBLISHED_DATASETS,
    PUBLISHED_PRESETS,
    kind_of_device,
    short_dtype,
)
from layerprof.records import AxisValue
from layerprof.sweeping.plans.base import Plan, Subplan

LengthKind = Literal["seq_len", "total_tokens", "new_tokens"]

_NAME = "reference"
_BATCH_SIZES, _IMAGE_SIZES, _LENGTHS = (1, 4, 8, 16), (224, 336, 448), (200, 100, 50)
_BATCH_SIZE = _BATCH_SIZES[-1]
_DATASETS = tuple(sorted(PUBLISHED_DATASETS))
_OPTIMIZATIONS = (
    *("eager", "sdpa", "sdpa_flash", "sdpa_efficient", "sdpa_math", "compile", "compile_whole"),
    *("flash_attention_2", "flash_attention_2_parts"),
)
_GPU, _CPU, _HALF, _FULL = "cuda", "cpu", "fp16", "fp32"
_SUCH_AS = {"source": HUB_SOURCE, "device": _CPU, "dtype": _FULL, "weights": "random"}

Values = Mapping[str, AxisValue]

_SIZE: Values = {"image_size": _IMAGE_SIZES[0]}  # the base, which each test leaves but for its own axis
_TEXT: Values = {"seq_len": _LENGTHS[0]}
_ATTENTION: Values = {"optimization": "sdpa"}
_QUESTIONS: Values = {"dataset": "TextVQA"}


def reference(  # noqa: PLR0913  # each is a choice that users make by itself
    model: str = "blip2-opt-2.7b",
    samples: int = 300,
    source: str = HUB_SOURCE,
    *,
    device: str | None = None,
    dtype: str | None = None,
    weights: str | None = None,
    length: LengthKind = "seq_len",
) -> Plan:
    """The five tests of the reference report.

    Args:
        model: a BLIP-2 preset.
        samples: of each data set; batches of 16 need so many, and where there are fewer, the tests other than that of
            the batch size take all of them as one batch.
        source: of the data sets: ``hub``, ``hub@<revision>``, ``sample`` (offline, in the same columns), or a folder.
        device: of all tests but that of the device, which has a GPU and a CPU in any case. None is ``cuda`` where this
            machine has a GPU that its torch can use, else ``cpu``.
        dtype: of all tests but that of the device; None is fp16 on a GPU, as in the report, and the preset's own on a
            CPU.
        weights: ``pretrained``, ``random`` or a folder; None is pretrained where the data are the hub's and the preset
            has published weights.
        length: what the text length limits: ``seq_len`` the text's tokens, ``total_tokens`` with those of the picture,
            ``new_tokens`` those that are generated.

    Raises:
        InputError: for a model that is no preset, or a bad value.
    """
    _require_words(source=source, device=device, dtype=dtype, weights=weights)
    if not isinstance(model, str) or model not in DTYPE_OF_PRESET:
        presets = " or ".join(DTYPE_OF_PRESET)
        raise InputError(f"the reference's tests ask questions about pictures; use {presets}, not {model!r}")
    if length not in get_args(LengthKind):
        raise InputError(f"the text length is one of {', '.join(get_args(LengthKind))}; found {length!r}")
    if device is None:
        device = _GPU if has_cuda() else _CPU
    here: Values = {"device": device, "dtype": dtype or _dtype_on(device, model)}
    batch = min(_BATCH_SIZE, samples) if isinstance(samples, int) and samples > 0 else _BATCH_SIZE
    full: Values = {**here, "batch_size": batch}
    return Plan(
        name=_NAME,
        model=model,
        fixed=_common(model, samples, source, weights),
        tests=(_devices(model, here), _batches(here), _image_sizes(full), _lengths(full, length), _optimizations(full)),
    )


def _require_words(**words: object) -> None:
    """Returns where each is a word, or None, which only ``source`` may not be.

    Raises:
        InputError: naming the first that is not.
    """
    for name, word in words.items():
        if not isinstance(word, str) and (word is not None or name == "source"):
            raise InputError(f"the reference's {name} is a word, such as {_SUCH_AS[name]!r}; found {word!r}")


def _devices(model: str, here: Values) -> Subplan:
    """GPU and CPU, first in the formats in use, then both in float32, which is a test of the device alone."""
    on = {kind_of_device(str(here["device"])): here}
    gpu, cpu = (on.get(kind, {"device": kind, "dtype": _dtype_on(kind, model)}) for kind in (_GPU, _CPU))
    used = [(row["device"], short_dtype(str(row["dtype"]))) for row in (gpu, cpu)]
    rows = dict.fromkeys([*used, (gpu["device"], _FULL), (cpu["device"], _FULL)])
    devices, dtypes = zip(*rows, strict=True)
    return Subplan(
        name="device",
        axes={"device": devices, "dtype": dtypes},
        links=(("device", "dtype"),),
        fixed={"batch_size": 1, **_SIZE, **_TEXT, **_ATTENTION, **_QUESTIONS},
    )


def _batches(here: Values) -> Subplan:
    return Subplan(
        name="batch",
        axes={"batch_size": _BATCH_SIZES},
        fixed={**here, **_SIZE, **_TEXT, **_ATTENTION, **_QUESTIONS},
    )


def _image_sizes(full: Values) -> Subplan:
    """Sizes before the processor, which brings all to one as in the report, and then sizes that the model sees."""
    return Subplan(
        name="image_size",
        axes={
            "resized_to": (*_IMAGE_SIZES, *(None for _ in _IMAGE_SIZES)),
            "image_size": (*(_IMAGE_SIZES[0] for _ in _IMAGE_SIZES), *_IMAGE_SIZES),
            "dataset": _DATASETS,
        },
        links=(("resized_to", "image_size"),),
        fixed={**full, **_TEXT, **_ATTENTION},
    )


def _lengths(full: Values, length: LengthKind) -> Subplan:
    """Limits of the text; how many tokens are generated leaves the text's own limit as it is."""
    text = _TEXT if length == "new_tokens" else {}
    return Subplan(
        name="seq_len",
        axes={length: _LENGTHS, "dataset": _DATASETS},
        fixed={**full, **_SIZE, **_ATTENTION, **text},
    )


def _optimizations(full: Values) -> Subplan:
    return Subplan(
        name="optimization",
        axes={"optimization": _OPTIMIZATIONS},
        fixed={**full, **_SIZE, **_TEXT, "dataset": "ScienceQA"},
    )


def _common(model: str, samples: int, source: str, weights: str | None) -> Values:
    is_published = model in PUBLISHED_PRESETS and source.partition("@")[0] == HUB_SOURCE
    chosen = ("pretrained" if is_published else "random") if weights is None else weights
    return {"weights": chosen, "samples": samples, "source": source, "quality": True, "echo": True}


def _dtype_on(device: str, model: str) -> str:
    return short_dtype(DTYPE_OF_PRESET[model]) if kind_of_device(device) == _CPU else _HALF
