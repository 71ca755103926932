"""Which profiler plugin TensorBoard gets: the mended one, the installed one as it is, or none."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path

from layerprof.errors import UnavailableError
from layerprof.viewer.base import KNOWN_VERSION, REPLACED, Choice

_TENSORBOARD = "tensorboard"
_PLUGIN = "torch-tb-profiler"
_PLUGIN_PACKAGE = "torch_tb_profiler"
_SETUPTOOLS = "setuptools"
_FIRST_WITHOUT_PKG_RESOURCES = (2, 21)  # TensorBoard's release that no longer imports it
_WITHOUT_PKG_RESOURCES = (81,)  # setuptools' release from which it may be gone

Versions = Callable[[str], str | None]


def chosen_plugin(versions: Versions | None = None, pages: Path | None = None) -> Choice:
    """The plugin to serve with the packages that are installed.

    Args:
        versions: of a distribution by its name, None where it is not installed; by default the installed ones.
        pages: the folder of the plugin's pages; by default the installed plugin's.

    Raises:
        UnavailableError: where TensorBoard is missing or cannot start here.
    """
    version_of = versions or _installed
    _require_tensorboard(version_of)
    found = version_of(_PLUGIN)
    if found is None:
        note = f"{_PLUGIN} is not installed, so traces are not shown; pip install {_PLUGIN}=={KNOWN_VERSION}"
        return Choice(is_mended=False, note=note)
    fault = _fault_of(found, pages if pages is not None else _installed_pages())
    if fault is None:
        return Choice(is_mended=True)
    loses = "its pages stay empty without the internet, and device times of CUDA traces are 0"
    return Choice(is_mended=False, note=f"{fault}: it is served as it is, so {loses}")


def _require_tensorboard(version_of: Versions) -> None:
    found = version_of(_TENSORBOARD)
    if found is None:
        raise UnavailableError("tensorboard is not installed; pip install 'tensorboard>=2.21'")
    setuptools = version_of(_SETUPTOOLS)
    is_old = _numbers(found) < _FIRST_WITHOUT_PKG_RESOURCES
    if is_old and (setuptools is None or _numbers(setuptools) >= _WITHOUT_PKG_RESOURCES):
        beside = f"setuptools {setuptools}" if setuptools else "no setuptools"
        raise UnavailableError(
            f"tensorboard {found} cannot start beside {beside}, which lacks pkg_resources; "
            "pip install 'tensorboard>=2.21'"
        )


def _fault_of(version: str, pages: Path) -> str | None:
    """Why the installed plugin is not the one that is known, or None."""
    if version != KNOWN_VERSION:
        return f"{_PLUGIN} is {version}, not {KNOWN_VERSION}"
    for page, pairs in REPLACED.items():
        path = pages / page
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if any(text.count(piece) != 1 for piece, _ in pairs):
            return f"{page} of {_PLUGIN} {version} is not as released"
    return None


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _installed_pages() -> Path:
    found = util.find_spec(_PLUGIN_PACKAGE)
    places = (found.submodule_search_locations if found is not None else None) or ["."]
    return Path(places[0]) / "static"


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: 2.21.0a1 is (2, 21)."""
    numbers: list[int] = []
    for part in version.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)
