"""Weights from a folder: what was saved comes back, and what is damaged is named in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn
from transformers import Blip2ForConditionalGeneration, OPTConfig

from layerprof import models
from layerprof.errors import InputError, UnavailableError
from layerprof.models import Blip2Adapter, InputOptions, LoadOptions, ModelInputs
from layerprof.models.blip2 import offline_processor
from layerprof.records import Prompt

PROMPT = Prompt(head="Question:", body="what is this?", tail="Short answer:")
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def tiny() -> nn.Module:
    return models.load("blip2-tiny", seed=5)


@pytest.fixture(scope="module")
def folder(tiny: Blip2ForConditionalGeneration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "my-blip2"
    tiny.save_pretrained(path)
    offline_processor().save_pretrained(path)
    return path


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """A folder of one's own to damage; the weights are linked, not copied."""
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


def replace(folder: Path, name: str, text: str) -> None:
    (folder / name).unlink()
    (folder / name).write_text(text)


def inputs_of(model: nn.Module) -> ModelInputs:
    return models.adapter_for(model).inputs(model, [Image.new("RGB", (64, 64), "blue")], [PROMPT], InputOptions())


def logits_of(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(**inputs_of(model)).logits
    return logits


def test_a_saved_model_gives_the_same_answers(tiny: nn.Module, folder: Path) -> None:
    loaded = models.load("blip2-tiny", weights=str(folder))

    assert logits_of(loaded).equal(logits_of(tiny))


def test_the_label_names_the_folder(folder: Path) -> None:
    loaded = models.load("blip2-tiny", weights=str(folder))

    assert models.adapter_for(loaded).describe(loaded).label == "my-blip2 (weights of a folder)"


def test_the_qformer_is_described_as_the_library_loaded_it(folder: Path) -> None:
    loaded = models.load("blip2-tiny", weights=str(folder), dtype="fp16")

    parts = {part.name: part.dtype for part in models.adapter_for(loaded).describe(loaded).parts}

    assert parts == {"vision": "float16", "qformer": "float32", "language": "float16", "projection": "float16"}


def test_random_weights_have_the_dtypes_of_loaded_ones(folder: Path) -> None:
    loaded = models.load("blip2-tiny", weights=str(folder), dtype="fp16")
    random = models.load("blip2-tiny", dtype="fp16", device="meta")

    assert {name: parameter.dtype for name, parameter in loaded.named_parameters()} == {
        name: parameter.dtype for name, parameter in random.named_parameters()
    }


def test_attention_asked_for_at_loading_is_described(folder: Path) -> None:
    loaded = Blip2ForConditionalGeneration.from_pretrained(folder, attn_implementation="eager")

    parts = {part.name: part.attention for part in models.adapter_for(loaded).describe(loaded).parts}

    assert parts == {"vision": "eager", "qformer": "eager", "language": "eager", "projection": None}


def test_a_model_the_user_loaded_uses_the_processor_of_its_folder(folder: Path) -> None:
    loaded = Blip2ForConditionalGeneration.from_pretrained(folder)

    assert logits_of(loaded).equal(logits_of(models.load("blip2-tiny", weights=str(folder))))


def test_a_folder_without_a_processor_gets_the_offline_one(tiny: nn.Module, copied: Path) -> None:
    for name in ("processor_config.json", "tokenizer.json", "tokenizer_config.json"):
        (copied / name).unlink()

    loaded = models.load("blip2-tiny", weights=str(copied))

    assert logits_of(loaded).equal(logits_of(tiny))


def test_weights_that_do_not_fit_are_refused(folder: Path) -> None:
    adapter = Blip2Adapter(available_bytes=lambda device: 1)

    with pytest.raises(UnavailableError, match=r"1\.00 B are free"):
        adapter.load("blip2-tiny", LoadOptions(weights=str(folder)))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no folder with a config.json; use 'random', 'pretrained', or a folder"):
        models.load("blip2-tiny", weights=str(tmp_path / "absent"))


def test_a_folder_without_weights_is_refused(copied: Path) -> None:
    (copied / WEIGHTS).unlink()

    with pytest.raises(InputError, match="could not be read"):
        models.load("blip2-tiny", weights=str(copied))


def test_damaged_weights_are_refused(copied: Path) -> None:
    replace(copied, WEIGHTS, "not a tensor")

    with pytest.raises(InputError, match="could not be read"):
        models.load("blip2-tiny", weights=str(copied))


def test_weights_that_are_not_all_there_are_refused(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    config["vision_config"]["num_hidden_layers"] += 1
    replace(copied, "config.json", json.dumps(config))

    with pytest.raises(InputError, match=r"lacks \d+ of the model's tensors, such as 'vision_model.encoder.layers.6"):
        models.load("blip2-tiny", weights=str(copied))


def test_a_damaged_config_is_refused(copied: Path) -> None:
    replace(copied, "config.json", "{")

    with pytest.raises(InputError, match="could not be read"):
        models.load("blip2-tiny", weights=str(copied))


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    OPTConfig().save_pretrained(tmp_path)

    with pytest.raises(InputError, match="holds a OPTConfig, which is not BLIP-2's"):
        models.load("blip2-tiny", weights=str(tmp_path))


def test_a_language_model_with_an_encoder_is_refused(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    config["text_config"] = {"model_type": "t5", "d_model": 32, "num_layers": 1}
    replace(copied, "config.json", json.dumps(config))

    with pytest.raises(InputError, match="not decoder-only"):
        models.load("blip2-tiny", weights=str(copied))


def test_a_hub_that_cannot_be_reached_names_the_remedy() -> None:
    with pytest.raises(UnavailableError, match=r"'Salesforce/blip2-opt-2.7b' could not be fetched .*folder") as caught:
        models.load("blip2-opt-2.7b", weights="pretrained")

    assert "\n" not in str(caught.value)


def test_a_damaged_processor_is_refused(copied: Path) -> None:
    replace(copied, "tokenizer.json", "{")

    with pytest.raises(InputError, match=r"the processor of .* could not be read"):
        models.load("blip2-tiny", weights=str(copied))
