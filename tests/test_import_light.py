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


def modules_loaded_by(statements: str, *arguments: str) -> set[str]:
    """Top-level names of the modules that the statements load in a fresh interpreter."""
    program = (
        "import sys",
        "before = set(sys.modules)",
        statements,
        "import json",
        "print(json.dumps(sorted({name.split('.')[0] for name in set(sys.modules) - before})))",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(program), *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def saved_profile(tmp_path: Path) -> Path:
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
    path = tmp_path / "profile.json"
    lp.save(profile, path)
    return path


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = modules_loaded_by("import layerprof as lp; dir(lp); lp.__version__")

    assert "layerprof" in loaded
    assert not loaded & HEAVY


def test_records_and_errors_load_nothing_heavy() -> None:
    loaded = modules_loaded_by("import layerprof as lp; lp.Profile; lp.SweepRecord; lp.LayerprofError")

    assert not loaded & HEAVY


def test_loading_a_profile_does_not_load_torch(saved_profile: Path) -> None:
    loaded = modules_loaded_by("import layerprof as lp; assert lp.load(sys.argv[1]).layers", str(saved_profile))

    assert not loaded & MODEL_LIBRARIES


@pytest.mark.parametrize("renderer", ["text", "markdown", "html", "csv"])
def test_rendering_a_loaded_profile_does_not_load_torch(saved_profile: Path, renderer: str) -> None:
    loaded = modules_loaded_by(
        "import layerprof as lp; assert lp.render(lp.load(sys.argv[1]), sys.argv[2])", str(saved_profile), renderer
    )

    assert not loaded & MODEL_LIBRARIES


def test_the_command_line_answers_help_without_torch() -> None:
    loaded = modules_loaded_by(
        "from layerprof.cli.main import main\n"
        "sys.argv[:] = ['layerprof', '--help']\n"
        "try:\n"
        "    status = main()\n"
        "except SystemExit as end:\n"
        "    status = end.code\n"
        "assert not status, status"
    )

    assert not loaded & MODEL_LIBRARIES
