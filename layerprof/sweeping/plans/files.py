"""Plans from files: Python with a ``plan`` in it, or YAML with the plan's arguments.

model: blip2-tiny
axes: {batch_size: [1, 4], dtype: [fp32, bf16]}
fixed: {samples: 8}
exclude:
  - {batch_size: 4, dtype: [bf16]}
rounds: 3

In the place of ``axes`` there may be ``tests``, a list of mappings with ``name``, ``axes``, ``fixed`` and ``links``.
"""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from layerprof.errors import InputError
from layerprof.sweeping.plans.base import Plan, Subplan

_KEYS = tuple(each.name for each in fields(Plan) if each.init)
_TESTS_KEYS = tuple(each.name for each in fields(Subplan))
_SUFFIXES = (".py", ".yaml", ".yml")


def read_plan(path: str | Path) -> Plan:
    """The plan that a file describes.

    Args:
        path: of a ``.py`` file, which is run and has a `Plan` called ``plan``, or of a ``.yaml`` or ``.yml`` file.

    Raises:
        InputError: where there is no such file, it cannot be read or run, or it describes no plan.
    """
    file = Path(path)
    if file.suffix not in _SUFFIXES:
        raise InputError(f"{file} is no plan; give a .py file with a `plan`, or a .yaml file")
    if not file.is_file():
        raise InputError(f"there is no file {file}; give a .py or .yaml file with a plan")
    return _python_plan(file) if file.suffix == ".py" else _yaml_plan(file)


def _python_plan(path: Path) -> Plan:
    try:
        found = runpy.run_path(str(path)).get("plan")
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # a user's file may raise anything
        raise InputError(f"{path} could not be run: {type(error).__name__}: {error}") from error
    if not isinstance(found, Plan):
        raise InputError(f"{path} has no `plan` that is a layerprof.Plan; found {type(found).__name__}")
    return found


def _yaml_plan(path: Path) -> Plan:
    import yaml

    from layerprof.sweeping.plans.base.mappings import from_yaml  # with yaml, which nothing else here needs

    try:
        content = from_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: not UTF-8, or a date that there is not
        raise InputError(f"{path} could not be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not set(_KEYS) >= set(content) or not _has_points(content):
        raise InputError(f"{path} has to be a mapping of {', '.join(_KEYS)}, with model and axes (or tests) at least")
    tests = content.pop("tests", None)
    return Plan(**content, tests=() if tests is None else _tests(tests, path))


def _has_points(content: Mapping[str, object]) -> bool:
    return "model" in content and ("axes" in content or "tests" in content)


def _tests(content: object, path: Path) -> tuple[Subplan, ...]:
    tests = content if isinstance(content, list) else []
    if not tests or not all(isinstance(each, dict) and {"name", "axes"} <= set(each) for each in tests):
        raise InputError(f"{path}: tests is a list of mappings of {', '.join(_TESTS_KEYS)}, the first two at least")
    unknown = next((key for each in tests for key in each if key not in _TESTS_KEYS), None)
    if unknown is not None:
        raise InputError(f"{path}: a test has {', '.join(_TESTS_KEYS)}; found {unknown!r}")
    return tuple(Subplan(**each) for each in tests)
