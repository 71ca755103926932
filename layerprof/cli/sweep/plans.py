"""Which plan a command line means: a built-in one with its options, or one from a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from layerprof.errors import InputError
from layerprof.names import HUB_SOURCE, PUBLISHED_PRESETS, SAMPLE_SOURCE

if TYPE_CHECKING:
    from layerprof.sweeping import Plan
    from layerprof.sweeping.plans import LengthKind

Options = Mapping[str, str | int]

_MODEL = "blip2-tiny"
_SUFFIXES = (".py", ".yaml", ".yml")


def plan_named(name: str, options: Options) -> Plan:
    """The plan of that name, or in that file.

    Args:
        name: ``reference``, ``batch``, or a file.
        options: that were given, by name.

    Raises:
        InputError: where there is no such plan, or an option is another plan's.
    """
    if name in _BUILT_IN:
        make, known = _BUILT_IN[name]
        _require_of(name, options, known)
        return make(options)
    path = Path(name)
    names = " or ".join(_BUILT_IN)
    if path.suffix not in _SUFFIXES:
        raise InputError(f"there is no plan {name!r}; give {names}, a .py file with a `plan`, or a .yaml file")
    if not path.is_file():
        raise InputError(f"there is no file {path}; give a .py or .yaml file with a plan, or {names}")
    if options:
        raise InputError(f"--{next(iter(options))} belongs to the plans {names}; write it into {path} instead")
    from layerprof.sweeping.plans import read_plan

    return read_plan(path)


def _require_of(name: str, options: Options, known: tuple[str, ...]) -> None:
    unknown = next((option for option in options if option not in known), None)
    if unknown is not None:
        raise InputError(f"--{unknown} is no option of the plan {name}, which has --{', --'.join(known)}")


def _batch_plan(options: Options) -> Plan:
    from layerprof.sweeping import plans

    dtype = options.get("dtype")
    return plans.batch(
        str(options.get("model", _MODEL)),
        sizes=_numbers(str(options.get("sizes", "1,4,8,16"))),
        samples=cast("int", options.get("samples", 16)),
        device=str(options.get("device", "cpu")),
        dtype=None if dtype is None else str(dtype),
    )


def _reference_plan(options: Options) -> Plan:
    from layerprof.sweeping import plans

    def word(name: str) -> str | None:
        value = options.get(name)
        return None if value is None else str(value)

    model = word("model") or _MODEL
    plan = plans.reference(
        model,
        samples=cast("int", options.get("samples", 300)),
        source=word("source") or (HUB_SOURCE if model in PUBLISHED_PRESETS else SAMPLE_SOURCE),
        device=word("device"),
        dtype=word("dtype"),
        weights=word("weights"),
        length=cast("LengthKind", word("length") or "seq_len"),
    )
    tests = word("tests")
    return plan if tests is None else plan.only([name.strip() for name in tests.split(",")])


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise InputError(f"--sizes takes whole numbers separated by commas, such as 1,4,8; found {text!r}") from error


_BUILT_IN: Mapping[str, tuple[Callable[[Options], Plan], tuple[str, ...]]] = {
    "reference": (
        _reference_plan,
        ("model", "samples", "source", "weights", "tests", "length", "dtype", "device"),
    ),
    "batch": (_batch_plan, ("model", "samples", "sizes", "dtype", "device")),
}
