"""Any module by the name of a callable: what it may return, and one clear line for all that can be wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from layerprof.errors import InputError
from layerprof.models import GenericAdapter, InputOptions, LoadOptions, build

SOURCE = """
import torch
from torch import nn

helper = __name__
instance = nn.Linear(2, 3)

class Factory:
    make = staticmethod(lambda: nn.Linear(2, 5))

def model():
    return nn.Linear(2, 2)

def model_and_inputs():
    return nn.Linear(2, 2), torch.ones(1, 2)

def fails():
    raise ValueError("no weights\\nsecond line")

def wrong():
    return [nn.Linear(2, 2)]

def three():
    return nn.Linear(2, 2), 1, 2
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's project: its modules are found in the current directory alone."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "nets.py").write_text(SOURCE)
    (tmp_path / "shop" / "broken.py").write_text("raise RuntimeError('half done')")
    (tmp_path / "shop" / "needy.py").write_text("import a_package_that_is_not_there")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "shop"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def test_a_callable_may_return_the_model_alone() -> None:
    model, inputs = build("shop.nets:model")

    assert isinstance(model, nn.Linear)
    assert inputs is None


def test_a_callable_may_return_inputs_beside_the_model() -> None:
    _, inputs = build("shop.nets:model_and_inputs")

    assert isinstance(inputs, torch.Tensor)


def test_a_model_may_be_named_itself() -> None:
    model, _ = build("shop.nets:instance")

    assert model is sys.modules["shop.nets"].instance


def test_the_attribute_may_have_dots() -> None:
    model, _ = build("shop.nets:Factory.make")

    assert model.out_features == 5


def test_the_import_path_is_afterwards_as_it_was() -> None:
    before = list(sys.path)

    build("shop.nets:model")

    assert sys.path == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shop.nets", "write it as package.module:callable"),
        (":model", "write it as package.module:callable"),
        ("shop.nets:", "write it as package.module:callable"),
        ("shop.absent:model", "no module 'shop.absent'"),
        ("absent_shop.nets:model", "no module 'absent_shop.nets'"),
        ("shop.broken:model", "importing 'shop.broken' failed: RuntimeError: half done"),
        ("shop.needy:model", "importing 'shop.needy' failed: ModuleNotFoundError: .*a_package_that_is_not_there"),
        ("shop.nets:modle", "module 'shop.nets' has no 'modle'"),
        ("shop.nets:helper", "is a str, which cannot be called"),
        ("shop.nets:fails", "calling 'shop.nets:fails' failed: ValueError: no weights$"),
        ("shop.nets:wrong", r"returned a list; it has to return a model or \(model, inputs\)"),
        ("shop.nets:three", "returned a tuple"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        build(name)

    assert "\n" not in str(caught.value)


def test_an_error_in_the_callable_stays_the_cause() -> None:
    with pytest.raises(InputError) as caught:
        build("shop.nets:fails")

    assert isinstance(caught.value.__cause__, ValueError)


def test_a_module_without_a_config_is_described_by_its_class() -> None:
    description = GenericAdapter().describe(nn.Linear(2, 2))

    assert (description.label, description.stages) == ("Linear", None)
    assert [part.name for part in description.parts] == ["model"]


def test_a_child_with_a_config_of_its_own_is_a_part() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    vars(model[1])["config"] = SimpleNamespace(_attn_implementation="sdpa")

    parts = GenericAdapter().describe(model).parts

    assert [(part.path, part.attention) for part in parts] == [("", None), ("1", "sdpa")]


def test_without_a_dtype_the_callables_own_stays() -> None:
    model = GenericAdapter().load("shop.nets:model", LoadOptions())

    assert model.weight.dtype == torch.float32


def test_pretrained_weights_of_a_callable_are_refused() -> None:
    with pytest.raises(InputError, match="brings its own weights"):
        GenericAdapter().load("shop.nets:model", LoadOptions(weights="pretrained"))


def test_inputs_of_an_unknown_model_name_the_way_out() -> None:
    with pytest.raises(InputError, match=r"returns \(model, inputs\)"):
        GenericAdapter().inputs(nn.Linear(2, 2), [], [], InputOptions())


def test_a_working_directory_that_was_deleted_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = project / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(InputError, match="the working directory was deleted; change to one that exists"):
        build("shop.nets:model")
