"""What importing layerprof and reading a saved record load, and what they leave alone.

Seen in a process of their own, since this one has imported everything. No time is asserted: a module that is not
loaded costs nothing, and `python -X importtime -c "import layerprof"` shows the rest.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import layerprof as lp
from layerprof.records import Environment, ProfileSpec

ROOT = Path(__file__).parent.parent
HEAVY = {
    "PIL",
    "datasets",
    "fvcore",
    "jinja2",
    "matplotlib",
    "numpy",
    "pandas",
    "psutil",
    "ray",
    "rich",
    "tensorboard",
    "torch",
    "transformers",
    "typer",
    "yaml",
}
MODEL_LIBRARIES = {"datasets", "torch", "transformers"}


RENDERERS = ("text", "markdown", "html", "csv")
STEPS = {  # one after the other in one process: what one loads is in those after it, which may load more
    "import": "import layerprof as lp; dir(lp); lp.__version__",
    "records": "lp.Profile; lp.SweepRecord; lp.LayerprofError",
    "load": "profile = lp.load(sys.argv[1]); assert profile.layers",
    **{name: f"assert lp.render(profile, {name!r})" for name in RENDERERS},
    "--version": "from layerprof.cli.main import main; assert main(['--version']) == 0",
    "--help": "assert main(['--help']) == 0",
}


@pytest.fixture(scope="module")
def saved_profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment = Environment(
        layerprof=lp.__version__,
        python="3.11",
        torch=None,
        transformers=None,
        platform="Linux",
        cpu="a cpu",
        cores=2,
        threads=None,
        memory_bytes=None,
        device="cpu",
    )
    root = lp.LayerProfile(path="", type_name="Net", kind="container", depth=0, stage="other")
    profile = lp.Profile(
        spec=ProfileSpec(model="net", model_type="Net", passes=()), environment=environment, layers=(root,)
    )
    path = tmp_path_factory.mktemp("saved") / "profile.json"
    lp.save(profile, path)
    return path


@pytest.fixture(scope="module")
def loaded(saved_profile: Path) -> dict[str, set[str]]:
    """Top-level names of the modules that are loaded in a fresh interpreter after each of the steps."""
    program = ["import json, sys", "before, found = set(sys.modules), {}"]
    for name, statements in STEPS.items():
        seen = "sorted({name.split('.')[0] for name in set(sys.modules) - before})"
        program += [statements, f"found[{name!r}] = {seen}"]
    program.append("print(json.dumps(found))")
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(program), str(saved_profile)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {name: set(modules) for name, modules in json.loads(done.stdout.splitlines()[-1]).items()}


def test_importing_the_package_loads_nothing_heavy(loaded: dict[str, set[str]]) -> None:
    assert "layerprof" in loaded["import"]
    assert not loaded["import"] & HEAVY


def test_records_and_errors_load_nothing_heavy(loaded: dict[str, set[str]]) -> None:
    assert not loaded["records"] & HEAVY


def test_loading_a_profile_does_not_load_torch(loaded: dict[str, set[str]]) -> None:
    assert not loaded["load"] & MODEL_LIBRARIES


@pytest.mark.parametrize("renderer", RENDERERS)
def test_rendering_a_loaded_profile_does_not_load_torch(loaded: dict[str, set[str]], renderer: str) -> None:
    assert not loaded[renderer] & MODEL_LIBRARIES


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_the_command_line_answers_without_torch(loaded: dict[str, set[str]], option: str) -> None:
    assert not loaded[option] & MODEL_LIBRARIES
