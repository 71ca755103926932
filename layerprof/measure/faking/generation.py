"""A generation of stated length: which token comes out is not known, so none of them may end it.

A sequence that ends early makes a generation cheaper, and only a real run can tell. So what is counted is the whole
stated number of tokens, as in a run with ``min_new_tokens`` equal to ``max_new_tokens``.

Facts this stands on (transformers 5): ``generate`` asks ``_get_stopping_criteria`` for what may end it, of which the
criterion of length alone needs no token; ``_get_logits_processor`` looks whether the prompt's ids are negative, which
they are not. It is told by ``_prepare_generated_length`` that the length is transformers' own default of 20 tokens.

Limits: a search over beams, a model that proposes tokens to another and one that reads its own text (Whisper) are
refused: how they go on depends on what was generated.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from layerprof.errors import InputError

_LENGTHS = ("max_new_tokens", "max_length")
_MASK = "attention_mask"  # how transformers ends their names; 1 is what may be attended to
_CRITERIA = "_get_stopping_criteria"
_PROMPT = "encoder_input_ids"
_PROCESSORS = "_get_logits_processor"
_GENERATE = "generate"
_LENGTH = "_prepare_generated_length"
_UNSTATED = (
    "how many tokens generate makes depends on data that fake tensors lack; "
    'state it: method_kwargs={"max_new_tokens": 20}, or as an argument of generate'
)
_Method = Callable[..., object]
_MOST_ELEMENTS = 2**26  # of a mask that is made to let everything through: 512 MiB of int64


def _checked(generate: _Method, model: nn.Module, depth: list[None]) -> _Method:
    """The method, which refuses a length that nobody stated; what it calls itself it gives a length that it chose."""

    def checked(*args: object, **kwargs: object) -> object:
        if not depth:
            _require_stated_length(generate, model, args, kwargs)
        depth.append(None)
        try:
            return generate(*args, **kwargs)
        finally:
            depth.pop()

    return checked


def _require_stated_length(
    generate: _Method, model: nn.Module, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> None:
    named = inspect.signature(generate).bind_partial(*args, **kwargs).arguments
    arguments = {**named, **kwargs}
    places = (*_configs(arguments), *_configs(vars(model)))
    if not any(arguments.get(name) for name in _LENGTHS) and not any(map(_states_length, places)):
        raise InputError(_UNSTATED)


def _configs(holder: Mapping[str, object]) -> tuple[object, ...]:
    config = holder.get("generation_config")
    return () if config is None else (config,)


def _states_length(config: object) -> bool:
    """Whether a config says how long; transformers' own default is not stated."""
    if getattr(config, "max_new_tokens", None) is not None:
        return True
    length, default = getattr(config, "max_length", None), getattr(type(config)(), "max_length", None)
    return length is not None and length != default


def with_full_masks(inputs: object) -> object:
    """The inputs, with attention masks that have no data letting everything through: of padding nobody knows."""
    if not isinstance(inputs, Mapping):
        return inputs
    return {name: _full(value) if str(name).endswith(_MASK) else value for name, value in inputs.items()}


def _full(mask: object) -> object:
    if not isinstance(mask, torch.Tensor) or not mask.is_meta or mask.dtype.is_floating_point:
        return mask
    if mask.numel() > _MOST_ELEMENTS:
        return mask
    return torch.ones_like(mask, device="cpu")


@contextmanager
def without_early_end(model: nn.Module) -> Iterator[None]:
    """The block in which every generation of transformers inside the model is as long as it may be.

    Raises:
        InputError: in the step, when the length of a generation is not stated.
    """
    depth: list[None] = []  # as long as the generations that run are deep in each other
    with ExitStack() as stack:
        for module in model.modules():
            if not hasattr(module, _CRITERIA):
                continue
            for name, wrapped in _wrappers(module, depth).items():
                original = getattr(module, name, None)
                if callable(original) and name not in vars(module):
                    setattr(module, name, wrapped(original))
                    stack.callback(delattr, module, name)
        yield


def _wrappers(model: nn.Module, depth: list[None]) -> Mapping[str, Callable[[_Method], _Method]]:
    """What is put around a model's own methods, by their names."""
    return {
        _GENERATE: lambda generate: _checked(generate, model, depth),
        _LENGTH: lambda prepare: _of_stated_length(prepare, depth),
        _CRITERIA: _by_length_alone,
        _PROCESSORS: _with_any_prompt,
    }


def _of_stated_length(prepare: _Method, depth: list[None]) -> _Method:
    """The preparation of a length, also of a ``generate`` that somebody kept from before the step."""

    def prepared(*args: object, **kwargs: object) -> object:
        config = args[0] if args else kwargs.get("generation_config")
        if not depth and kwargs.get("has_default_max_length") and getattr(config, "max_new_tokens", None) is None:
            raise InputError(_UNSTATED)
        return prepare(*args, **kwargs)

    return prepared


def _by_length_alone(criteria_of: _Method) -> _Method:
    """The criteria without those that ask what was generated, or what time it is."""

    def kept(*args: object, **kwargs: object) -> object:
        criteria = criteria_of(*args, **kwargs)
        assert isinstance(criteria, list)
        criteria[:] = [one for one in criteria if hasattr(one, "max_length")]
        return criteria

    return kept


def _with_any_prompt(processors_of: _Method) -> _Method:
    """The processors for a prompt of ids without data: all of them do elementwise work, whatever the ids are."""

    def prepared(*args: object, **kwargs: object) -> object:
        ids = kwargs.get(_PROMPT)
        if isinstance(ids, FakeTensor) and not ids.dtype.is_floating_point:
            kwargs[_PROMPT] = torch.zeros(tuple(ids.shape), dtype=ids.dtype)
        return processors_of(*args, **kwargs)

    return prepared
