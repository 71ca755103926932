"""The adapter for any ``nn.Module``: named as ``package.module:callable``, or handed over as it is.

The callable takes no argument and returns the model, or ``(model, inputs)`` with inputs in any form that
``layerprof.profile`` takes. It is imported as ``python -m`` would, from the current directory first.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import nn

from layerprof.errors import InputError
from layerprof.models.base import (
    GivenAnswer,
    InputOptions,
    LoadOptions,
    ModelDescription,
    ModelInputs,
    PromptReport,
    config_label,
    first_line,
    parse_device,
    parse_dtype,
    part_info,
    uncompiled,
)
from layerprof.records import PartInfo, PhaseRules, Prompt

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class GenericAdapter:
    """Builds models by calling what their name points to, and describes what it can see of any module."""

    def load(self, name: str, options: LoadOptions) -> nn.Module:
        """The model that the callable returns, moved to the device, and to the dtype where one was given.

        The seed is the CPU's while the callable runs; the global random state is afterwards as it was.

        Raises:
            InputError: when weights other than the callable's own are asked for, or as `build` does.
        """
        if options.weights != "random":
            raise InputError(f"{name!r} brings its own weights; weights={options.weights!r} cannot be given with it")
        device = parse_device(options.device)
        dtype = None if options.dtype is None else parse_dtype(options.dtype)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(options.seed)
            model, _ = build(name)
        return model.to(device=device, dtype=dtype)

    def inputs(
        self, model: nn.Module, images: Sequence[Image.Image], prompts: Sequence[Prompt], options: InputOptions
    ) -> ModelInputs:
        """Never returns.

        Raises:
            InputError: always; how pictures and prompts become inputs is not known for any module.
        """
        raise _unknown(model)

    def prompt_report(
        self, model: nn.Module, prompts: Sequence[Prompt], options: InputOptions
    ) -> tuple[PromptReport, ...]:
        """Never returns.

        Raises:
            InputError: always, as `inputs` does.
        """
        raise _unknown(model)

    def answers(
        self, model: nn.Module, inputs: Mapping[str, object], *, max_new_tokens: int
    ) -> tuple[GivenAnswer, ...]:
        """Never returns.

        Raises:
            InputError: always, as `inputs` does.
        """
        raise _unknown(model)

    def describe(self, model: nn.Module) -> ModelDescription:
        """A part for the whole model and one for each child that has a config of its own; no stages."""
        inner = uncompiled(model)
        children = tuple(
            part_info(name, name, child) for name, child in inner.named_children() if _has_own_config(child, inner)
        )
        root: PartInfo = part_info("model", "", inner)
        phases = _generation_phases(inner)
        return ModelDescription(label=config_label(inner), stages=None, parts=(root, *children), phases=phases)


def _unknown(model: nn.Module) -> InputError:
    return InputError(
        f"how {config_label(uncompiled(model))} takes pictures and prompts is not known; "
        f"hand over its inputs, or name a callable that returns (model, inputs)"
    )


def _generation_phases(model: nn.Module) -> PhaseRules | None:
    """How a model of transformers generates: it is called itself for every token, after its encoder if it has one."""
    can_generate: object = getattr(model, "can_generate", None)
    if not (callable(can_generate) and can_generate() is True):
        return None
    paths = tuple(path for path, module in model.named_modules() if module is _encoder_of(model))
    return PhaseRules(opened_by=(("encoder", paths),) if paths else (), language="")


def _encoder_of(model: nn.Module) -> object | None:
    """The encoder of an encoder-decoder of transformers."""
    get_encoder: object = getattr(model, "get_encoder", None)
    is_encoder_decoder = getattr(getattr(model, "config", None), "is_encoder_decoder", False) is True
    return get_encoder() if is_encoder_decoder and callable(get_encoder) else None


def build(name: str) -> tuple[nn.Module, object | None]:
    """The model that ``package.module:callable`` makes, and its inputs where it gives some.

    Args:
        name: module and attribute, separated by a colon; the attribute may have dots, and may be a model itself.

    Returns:
        (model, inputs); inputs are None where the callable returns the model alone.

    Raises:
        InputError: when the name has another form, points to nothing that can be called, or the call fails or
            returns something else.
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise InputError(f"{name!r} does not name a model; write it as package.module:callable")
    with _current_directory_first():
        target = _attribute(_module(module_name), attribute)
        result = target if isinstance(target, nn.Module) else _called(target, name)
    return _model_and_inputs(result, name)


@contextmanager
def _current_directory_first() -> Iterator[None]:
    here = str(_working_directory())
    sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(here)


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as err:
        raise InputError("the working directory was deleted; change to one that exists (cd) and start again") from err


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as err:
        if err.name is not None and (name == err.name or name.startswith(f"{err.name}.")):
            raise InputError(f"no module {name!r} in {Path.cwd()} or among the installed packages") from err
        raise InputError(f"importing {name!r} failed: {first_line(err)}") from err
    except Exception as err:  # a user's module may raise anything while it is imported
        raise InputError(f"importing {name!r} failed: {first_line(err)}") from err


def _attribute(module: ModuleType, name: str) -> object:
    target: object = module
    for part in name.split("."):
        if not hasattr(target, part):
            raise InputError(f"module {module.__name__!r} has no {name!r}")
        target = getattr(target, part)
    return target


def _called(target: object, name: str) -> object:
    if not callable(target):
        raise InputError(f"{name!r} is a {type(target).__name__}, which cannot be called; name a callable")
    function: Callable[[], object] = target
    try:
        return function()
    except Exception as err:  # a user's callable may raise anything
        raise InputError(f"calling {name!r} failed: {first_line(err)}") from err


def _model_and_inputs(result: object, name: str) -> tuple[nn.Module, object | None]:
    if isinstance(result, nn.Module):
        return result, None
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], nn.Module):
        return result[0], result[1]
    raise InputError(f"{name!r} returned a {type(result).__name__}; it has to return a model or (model, inputs)")


def _has_own_config(child: nn.Module, parent: nn.Module) -> bool:
    config = getattr(child, "config", None)
    return config is not None and config is not getattr(parent, "config", None)
