"""The names, signatures and homes of what a user may rely on."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import layerprof as lp

ROOT = Path(__file__).parent.parent
POSITIONAL, KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
REQUIRED = inspect.Parameter.empty

PUBLIC_NAMES = {
    "CallNode",
    "Ceilings",
    "CellRecord",
    "Check",
    "Distribution",
    "Energy",
    "EnergyOptions",
    "EnergySource",
    "EnergySummary",
    "FlopReport",
    "InputError",
    "KernelProfile",
    "LayerProfile",
    "LayerprofError",
    "MeasurementError",
    "MeasurementInterruptedError",
    "MemorySummary",
    "Note",
    "OpProfile",
    "Overhead",
    "PeakOwner",
    "PhaseProfile",
    "Plan",
    "Profile",
    "Profiler",
    "RecordError",
    "RunRecord",
    "StageProfile",
    "SweepRecord",
    "UnavailableError",
    "Timeline",
    "UncountedOp",
    "__version__",
    "count_flops",
    "export_tensorboard",
    "export_trace",
    "load",
    "load_trace",
    "models",
    "plans",
    "profile",
    "register_flops",
    "render",
    "save",
    "sweep",
}
PUBLIC_MODULES = {"models", "plans"}

# name -> positional parameters and keyword-only parameters, with their defaults; more keyword-only ones may be added
SIGNATURES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "profile": (
        {"model": REQUIRED, "inputs": None},
        {
            "call": None,
            "method": None,
            "method_kwargs": None,
            "train": False,
            "passes": ("time", "ops", "flops", "memory"),
            "warmup": None,
            "repeats": None,
            "stages": None,
            "energy": "auto",
            "progress": False,
        },
    ),
    "count_flops": (
        {"model": REQUIRED, "inputs": None},
        {"call": None, "method": None, "method_kwargs": None, "train": False},
    ),
    "register_flops": ({"op": REQUIRED, "formula": REQUIRED}, {}),
    "save": ({"record": REQUIRED, "path": REQUIRED}, {}),
    "load": ({"path": REQUIRED}, {}),
    "export_trace": ({"profile": REQUIRED, "path": REQUIRED}, {}),
    "export_tensorboard": ({"record": REQUIRED, "logdir": REQUIRED}, {"progress": False}),
    "load_trace": ({"path": REQUIRED}, {}),
    "sweep": ({"plan": REQUIRED, "out": REQUIRED}, {"executor": "process", "resume": True, "progress": True}),
}


def parameters_of(function: Callable[..., Any], kind: object) -> dict[str, object]:
    parameters = inspect.signature(function).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind is kind}


def test_the_public_names_are_exactly_these() -> None:
    assert set(lp.__all__) == PUBLIC_NAMES
    assert len(lp.__all__) == len(PUBLIC_NAMES)


@pytest.mark.parametrize("name", sorted(PUBLIC_NAMES))
def test_every_public_name_resolves(name: str) -> None:
    assert isinstance(getattr(lp, name), ModuleType) is (name in PUBLIC_MODULES)
    assert name in dir(lp)


@pytest.mark.parametrize("name", ["diff", "no_such_name"])
def test_a_name_that_does_not_exist_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match=f"'layerprof' has no attribute '{name}'"):
        getattr(lp, name)


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_a_function_has_the_parameters_of_the_contract(name: str) -> None:
    positional, keyword_only = SIGNATURES[name]

    function = getattr(lp, name)

    assert list(parameters_of(function, POSITIONAL).items()) == list(positional.items())
    assert keyword_only.items() <= parameters_of(function, KEYWORD).items()


def test_render_takes_the_record_and_the_format_by_position() -> None:
    positional = list(parameters_of(lp.render, POSITIONAL))

    assert positional[0] == "record"
    assert len(positional) == 2


def test_models_load_has_the_parameters_of_the_contract() -> None:
    assert parameters_of(lp.models.load, POSITIONAL) == {"name": REQUIRED}
    assert {"device": "cpu", "dtype": None, "weights": "random", "seed": 0}.items() <= parameters_of(
        lp.models.load, KEYWORD
    ).items()


@pytest.mark.parametrize("name", ["profile", "count_flops", "register_flops", "save", "load", "render", "sweep"])
def test_a_public_function_annotates_everything_and_passes_nothing_through(name: str) -> None:
    signature = inspect.signature(getattr(lp, name))

    kinds = {parameter.kind for parameter in signature.parameters.values()}
    annotations = [parameter.annotation for parameter in signature.parameters.values()]

    assert kinds <= {POSITIONAL, KEYWORD}
    assert REQUIRED not in [*annotations, signature.return_annotation]


def test_no_room_takes_the_place_of_a_public_function() -> None:
    rooms = {path.stem for path in (ROOT / "layerprof").iterdir() if path.suffix == ".py" or path.is_dir()}

    assert rooms & PUBLIC_NAMES <= PUBLIC_MODULES


@contextmanager
def not_imported() -> Iterator[None]:
    """Nothing of layerprof is imported in the block; what was before it is again after it."""
    kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "layerprof"}
    for name in kept:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "layerprof"]:
            del sys.modules[name]
        sys.modules.update(kept)


def test_functions_stay_functions_when_their_rooms_are_imported_directly() -> None:
    with not_imported():
        for room in ("sweeping", "sweeping.plans", "profiling", "store", "report"):
            importlib.import_module(f"layerprof.{room}")
        fresh = importlib.import_module("layerprof")

        assert fresh is not lp
        assert all(map(callable, (fresh.sweep, fresh.profile, fresh.load, fresh.save, fresh.render, fresh.Plan)))


def test_type_checkers_see_each_name_where_the_run_time_finds_it() -> None:
    tree = ast.parse((ROOT / "layerprof" / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")

    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}

    assert seen.keys() == PUBLIC_NAMES - {"__version__"}
    assert {name: seen[name] for name in lp._HOME_OF} == lp._HOME_OF
    assert {name: f"{seen[name]}.{name}" for name in lp._MODULES} == lp._MODULES


def test_the_version_is_the_one_of_the_package() -> None:
    assert f'version = "{lp.__version__}"' in (ROOT / "pyproject.toml").read_text()
