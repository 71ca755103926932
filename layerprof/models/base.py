"""What every model adapter shares: its options, its description, the protocol, and what is in force in a live model.

A `ModelAdapter` answers three questions about a family of models: how to build one, how to turn pictures and prompts
into its inputs, and what its parts are. The answers about parts are read from the live module, never from what was
asked for, because a library may keep a part in another precision or exchange its attention without saying so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

from layerprof.errors import InputError, UnavailableError
from layerprof.records import PartInfo, PhaseRules, Prompt
from layerprof.tree import wrapped_in

if TYPE_CHECKING:
    from PIL import Image

ModelInputs = dict[str, torch.Tensor | bool]  # what ``model(**inputs)`` takes

DTYPES = {
    "fp32": torch.float32,
    "float32": torch.float32,
    "bf16": torch.bfloat16,
    "bfloat16": torch.bfloat16,
    "fp16": torch.float16,
    "float16": torch.float16,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How a model is to be built.

    Attributes:
        device: such as ``cpu``, ``cuda``, ``cuda:1``; ``meta`` builds shapes without storage.
        dtype: a key of `DTYPES`, or None for the model's own choice.
        weights: ``random``, ``pretrained``, or a folder that ``save_pretrained`` wrote.
        seed: of random weights.
    """

    device: str = "cpu"
    dtype: str | None = None
    weights: str = "random"
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOptions:
    """How pictures and prompts are to become tensors.

    Attributes:
        text_tokens: exactly so many text tokens per sample, a beginning token included: a longer prompt loses the end
            of its context, then of its body; a shorter one is padded on the left. None pads to the longest of the
            batch.
        max_text_tokens: at most so many, padded to the longest of the batch; a longer prompt loses the end of its
            context, then of its body.
        max_total_tokens: likewise, but with the tokens that stand for the picture counted in.
        image_size: height and width in pixels, or None for the model's own.
        new_tokens: that a generation will add, for which the model has to have room.

    Raises:
        InputError: when more than one of the three lengths is given.
    """

    text_tokens: int | None = None
    max_text_tokens: int | None = None
    max_total_tokens: int | None = None
    image_size: int | None = None
    new_tokens: int = 0

    def __post_init__(self) -> None:
        lengths = ("text_tokens", "max_text_tokens", "max_total_tokens")
        given = [name for name in lengths if getattr(self, name) is not None]
        if len(given) > 1:
            raise InputError(
                f"{' and '.join(given)} are given: text_tokens fixes the text's length, max_text_tokens limits it, and "
                f"max_total_tokens limits it with the picture's; give one of them"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptReport:
    """A prompt as a model sees it.

    Attributes:
        text: what is left of it after cutting; special tokens, padding and the picture's tokens are left out.
        text_tokens: of the text, a beginning token included; padding and the picture's tokens are left out.
        cut_tokens: that were cut from it to fit.
    """

    text: str
    text_tokens: int
    cut_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
    """What a model said to one sample.

    Attributes:
        text: of the new tokens, special ones left out.
        new_tokens: how many there are, the one that ends the answer left out.
    """

    text: str
    new_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """What a live model is.

    Attributes:
        label: what the record calls it; it says where the weights came from where that is known.
        stages: (name, globs over module paths) in order; the first match wins and descendants inherit. None where the
            adapter knows of none. What matches no glob is left to the profiler's stage ``other``.
        parts: dtype, attention and device of each part, as in force.
        phases: which calls begin which phase of a generation; None for a model that does not generate, or of which
            the adapter does not know how.
    """

    label: str
    stages: tuple[tuple[str, tuple[str, ...]], ...] | None
    parts: tuple[PartInfo, ...]
    phases: PhaseRules | None = None


class ModelAdapter(Protocol):
    """What layerprof has to know about a family of models."""

    def load(self, name: str, options: LoadOptions) -> nn.Module:
        """The model of that name on its device.

        Raises:
            InputError: when the name or an option is not one the adapter knows.
            UnavailableError: when a device, memory or weights are missing.
        """
        ...

    def inputs(
        self, model: nn.Module, images: Sequence[Image.Image], prompts: Sequence[Prompt], options: InputOptions
    ) -> ModelInputs:
        """The keyword arguments of one call of ``model``, one picture and one prompt a sample, on its device.

        Raises:
            InputError: when there is no sample, the counts differ, or an option cannot be met.
        """
        ...

    def prompt_report(
        self, model: nn.Module, prompts: Sequence[Prompt], options: InputOptions
    ) -> tuple[PromptReport, ...]:
        """Each prompt as the model sees it.

        Raises:
            InputError: as for `inputs`.
        """
        ...

    def answers(
        self, model: nn.Module, inputs: Mapping[str, object], *, max_new_tokens: int
    ) -> tuple[GivenAnswer, ...]:
        """What the model says to each sample of a batch, as likely as it can and until it ends by itself.

        Args:
            model: compiled or not, in eval mode.
            inputs: as `inputs` makes them.
            max_new_tokens: at which an answer is cut off.

        Raises:
            InputError: when the inputs are not of this family, or how its models answer is not known.
            MeasurementError: when the answer cannot be told from the prompt.
        """
        ...

    def describe(self, model: nn.Module) -> ModelDescription:
        """Label, stages and parts, read from the live model; a compiled one is described as the one inside."""
        ...


def parse_dtype(name: str) -> torch.dtype:
    """The torch dtype of that name.

    Raises:
        InputError: when the name is not in `DTYPES`.
    """
    if name not in DTYPES:
        raise InputError(f"no dtype {name!r}; use one of {', '.join(DTYPES)}")
    return DTYPES[name]


def parse_device(name: str) -> torch.device:
    """The torch device of that name, once it is known to be there.

    Raises:
        InputError: when torch knows no device of that name.
        UnavailableError: when this machine, or this build of torch, does not have it.
    """
    try:
        device = torch.device(name)
    except RuntimeError as err:
        raise InputError(f"no device {name!r}; use cpu, cuda or cuda:<number>") from err
    if device.type not in ("cpu", "meta"):
        _require_accelerator(device)
    return device


def _require_accelerator(device: torch.device) -> None:
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None or found.type != device.type:
        raise UnavailableError(
            f"device {str(device)!r} was asked for and torch {torch.__version__} finds none here; use device='cpu', "
            f"or a machine with such a device and a torch built for it"
        )
    count = torch.accelerator.device_count()
    if device.index is not None and device.index >= count:
        raise UnavailableError(
            f"device {str(device)!r} was asked for and the last of {count} is '{device.type}:{count - 1}'; use that one"
        )


def uncompiled(model: nn.Module) -> nn.Module:
    """The module that was compiled, where ``torch.compile`` returned ``model``; else ``model`` itself."""
    inner = wrapped_in(model)
    return model if inner is None else inner


def part_info(name: str, path: str, module: nn.Module) -> PartInfo:
    """A part as it is in force: dtype and device of its parameters, attention of its own config."""
    tensors: list[torch.Tensor] = list(module.parameters()) or list(module.buffers())
    return PartInfo(
        name=name,
        path=path,
        dtype=_joined(str(tensor.dtype).removeprefix("torch.") for tensor in tensors),
        attention=_attention(module),
        device=_joined(str(tensor.device) for tensor in tensors),
    )


def _attention(module: nn.Module) -> str | None:
    # The request may have been exchanged for another; this private name is where transformers keeps what it runs.
    attention = getattr(getattr(module, "config", None), "_attn_implementation", None)
    return attention if isinstance(attention, str) else None


def _joined(words: Iterable[str]) -> str:
    return "+".join(dict.fromkeys(words)) or "none"


def config_label(model: nn.Module) -> str:
    """The ``name_or_path`` of the model's config where that is a word, else the name of its class."""
    label = getattr(getattr(model, "config", None), "name_or_path", None)
    return label if isinstance(label, str) and label else type(model).__name__


def first_line(err: BaseException) -> str:
    """An exception in one line: its class and the first line of its text."""
    lines = str(err).strip().splitlines()
    return f"{type(err).__name__}: {lines[0]}" if lines else type(err).__name__
