"""The rooms of layerprof and who may import whom; docs/architecture.md tells why.

An import that happens at run time, at the top of a file or inside a function, points to a room of lower rank. Inside a
package, siblings share its ``base`` alone; only the file that assembles the package reaches the others. What stands
under ``if TYPE_CHECKING`` is free.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "layerprof"

RANK_OF_ROOM = {
    "clock": 0,
    "errors": 0,
    "units": 0,
    "stats": 0,
    "texts": 0,
    "estimates": 0,
    "progress": 0,
    "host": 0,
    "names": 1,
    "records": 1,
    "store": 2,
    "tree": 2,
    "attribute": 2,
    "analysis": 2,
    "diff": 2,
    "views": 3,
    "ledger": 3,
    "report": 4,
    "instruments": 3,
    "flops": 3,
    "energy": 3,
    "machine": 3,
    "traces": 3,
    "viewer": 3,
    "quality": 3,
    "measure": 4,
    "models": 4,
    "output": 5,
    "tasks": 4,
    "profiling": 5,
    "boards": 5,
    "sweeping": 6,
    "cli": 7,
    "__main__": 8,
}
TESTING = "testing"  # imported by no other room
RANK_OF_TESTING = 7  # so it may import anything up to rank 6

FACADE = "layerprof"  # __init__.py: imports every room, on first use, and is imported by none
ASSEMBLERS = {  # besides each package's __init__; an executor puts together where a run goes and what measures it
    "layerprof.cli.main",
    "layerprof.sweeping.executors.base",
    "layerprof.sweeping.executors.inline",
    "layerprof.sweeping.executors.process",
    "layerprof.sweeping.executors.ray.node",
}
LAZY_EXCEPTIONS = {  # a record shows itself, and a cell reads its profile, by an import inside the method
    ("layerprof.records.profile", "report"),
    ("layerprof.records.sweeps", "store"),
}

HEAVY = frozenset({"torch", "transformers", "datasets"})
FORBIDDEN_IN_ROOM = {
    **dict.fromkeys(
        ("errors", "units", "stats", "texts", "estimates", "host", "names", "records"), HEAVY | {"numpy", "pandas"}
    ),
    **dict.fromkeys(
        (
            "views",
            "report",
            "store",
            "ledger",
            "attribute",
            "analysis",
            "diff",
            "quality",
            "traces",
            "viewer",
            "boards",
        ),
        HEAVY,
    ),
}
PRINTING_ROOMS = {"cli", "__main__"}
PRINTS_OR_EXITS = {"print", "input", "exit", "quit", "sys.exit", "SystemExit", "logging.basicConfig"}
IMPORTS_BY_NAME = ("import_module", "__import__")
ENDS_OF_CALLS = tuple(name.rpartition(".")[2] for name in (*PRINTS_OR_EXITS, *IMPORTS_BY_NAME))


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One module imported at run time."""

    target: str
    line: int
    is_lazy: bool


@dataclass(frozen=True, kw_only=True)
class Module:
    """One file of the library, by its dotted name."""

    name: str
    is_package: bool
    source: str

    @cached_property
    def nodes(self) -> tuple[tuple[ast.AST, bool], ...]:
        """Every import and call that can run, and whether it waits for one; no call where none has a name to find."""
        has_calls = any(name in self.source for name in ENDS_OF_CALLS)
        return tuple(run_time_nodes(ast.parse(self.source, filename=self.name), has_calls=has_calls))

    @property
    def room(self) -> str:
        return room_of(self.name)

    @property
    def package(self) -> str:
        return self.name if self.is_package else self.name.rpartition(".")[0]


def room_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def modules_under(root: Path) -> dict[str, Module]:
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = [FACADE, *path.relative_to(root).with_suffix("").parts]
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        found[name] = Module(name=name, is_package=is_package, source=path.read_text())
    return found


def run_time_nodes(tree: ast.AST, *, has_calls: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Every import and call that can run, and whether it waits for a call; expressions are left out without calls."""
    left = [(tree, False)]
    while left:
        node, is_lazy = left.pop()
        if isinstance(node, ast.expr) and not has_calls:
            continue
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Call):
            yield node, is_lazy
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            left += [(statement, is_lazy) for statement in node.orelse]
            continue
        is_lazy = is_lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        left += [(child, is_lazy) for child in ast.iter_child_nodes(node)]


def imports_of(module: Module, known: Mapping[str, Module]) -> Iterator[Import]:
    for node, is_lazy in module.nodes:
        for target in targets_of(node, module, known):
            yield Import(target=target, line=getattr(node, "lineno", 0), is_lazy=is_lazy)


def targets_of(node: ast.AST, module: Module, known: Mapping[str, Module]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        source = absolute_source(node, module)
        names = [f"{source}.{alias.name}" for alias in node.names]
        return [name if source == FACADE or name in known else source for name in names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(IMPORTS_BY_NAME):
        return [text.value for text in node.args[:1] if isinstance(text, ast.Constant) and isinstance(text.value, str)]
    return []


def absolute_source(node: ast.ImportFrom, module: Module) -> str:
    if not node.level:
        return node.module or ""
    start = module.package.split(".")[: len(module.package.split(".")) - node.level + 1]
    return ".".join([*start, *([node.module] if node.module else [])])


def violations_in(modules: Mapping[str, Module]) -> list[str]:
    complaints = []
    for module in modules.values():
        if module.name == FACADE:
            continue
        if module.room not in RANK_OF_ROOM and module.room != TESTING:
            complaints.append(f"{module.name}: room {module.room!r} is not in the table of ranks")
        for found in imports_of(module, modules):
            reason = fault_of(module, found)
            if reason:
                complaints.append(f"{module.name}:{found.line} imports {found.target}: {reason}")
        complaints.extend(printing_in(module))
    return complaints


def fault_of(module: Module, found: Import) -> str | None:
    """Why the import is not allowed, or None."""
    top = found.target.split(".")[0]
    if top != FACADE:
        return "too heavy for this room" if top in FORBIDDEN_IN_ROOM.get(module.room, ()) else None
    if found.target == f"{FACADE}.__version__":
        return None
    if found.target == FACADE:
        return "a room imports rooms, never the facade"
    room = room_of(found.target)
    if room == module.room:
        return fault_among_siblings(module, found.target)
    if found.is_lazy and (module.name, room) in LAZY_EXCEPTIONS:
        return None
    return fault_between_rooms(module.room, room)


def fault_among_siblings(module: Module, target: str) -> str | None:
    if module.name in ASSEMBLERS:
        return None
    own, other = module.package.split("."), target.split(".")
    depth = next((i for i, pair in enumerate(zip(own, other, strict=False)) if pair[0] != pair[1]), 0)
    shared = depth or min(len(own), len(other))
    assembles_it = module.is_package and shared == len(own) and len(other) > shared
    if assembles_it or other[shared : shared + 1] == ["base"]:
        return None
    return "siblings share only their package's base"


def fault_between_rooms(source: str, target: str) -> str | None:
    if target == TESTING:
        return "the shipped fakes are for tests"
    if target not in RANK_OF_ROOM:
        return f"room {target!r} is not in the table of ranks"
    source_rank = RANK_OF_TESTING if source == TESTING else RANK_OF_ROOM.get(source, 0)
    if RANK_OF_ROOM[target] < source_rank:
        return None
    return f"rank {source_rank} ({source}) may not import rank {RANK_OF_ROOM[target]} ({target})"


def printing_in(module: Module) -> Iterator[str]:
    if module.room in PRINTING_ROOMS:
        return
    for node, _ in module.nodes:
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if called in PRINTS_OR_EXITS:
            line = getattr(node, "lineno", 0)
            yield f"{module.name}:{line} calls {called}: only cli prints, exits or sets up logging"


@pytest.fixture(scope="module")
def modules() -> Mapping[str, Module]:
    return modules_under(ROOT)


def test_every_import_points_to_a_lower_rank(modules: Mapping[str, Module]) -> None:
    assert violations_in(modules) == []


def test_the_walk_finds_the_rooms_and_their_imports(modules: Mapping[str, Module]) -> None:
    found = {one.target for one in imports_of(modules["layerprof.records.base"], modules)}

    assert "layerprof.stats" in found


def write_tree(root: Path, files: dict[str, str]) -> Path:
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return root


@pytest.mark.parametrize(
    ("name", "source", "complaint"),
    [
        ("tree.py", "from layerprof import store", "rank 2 (tree) may not import rank 2 (store)"),
        ("records/a.py", "import layerprof.measure", "rank 1 (records) may not import rank 4 (measure)"),
        (
            "tree.py",
            "def f():\n    from layerprof.flops import formulas",
            "rank 2 (tree) may not import rank 3 (flops)",
        ),
        ("tree.py", "import importlib\nimportlib.import_module('layerprof.cli')", "may not import rank 7 (cli)"),
        ("tree.py", "from layerprof import profile", "room 'profile' is not in the table"),
        ("tree.py", "import layerprof", "never the facade"),
        ("shapes.py", "", "room 'shapes' is not in the table"),
        ("cli/run.py", "from layerprof.testing import fakes", "fakes are for tests"),
        ("testing.py", "from layerprof import cli", "rank 7 (testing) may not import rank 7 (cli)"),
        ("flops/a.py", "from layerprof.flops import b", "siblings share only"),
        ("flops/a.py", "from layerprof.flops.b import f", "siblings share only"),
        ("flops/a.py", "from . import b", "siblings share only"),
        ("flops/a.py", "from layerprof.flops import f", "siblings share only"),
        ("models/x/a.py", "from layerprof.models.y import f", "siblings share only"),
        (
            "records/profile.py",
            "from layerprof.report import render",
            "rank 1 (records) may not import rank 4 (report)",
        ),
        ("records/a.py", "import numpy as np", "too heavy"),
        ("report/a.py", "def f():\n    import torch.nn", "too heavy"),
        ("store.py", "if X:\n    from torch import nn", "too heavy"),
        ("measure.py", "print(1)", "calls print"),
        ("measure.py", "import sys\ndef f():\n    sys.exit(1)", "calls sys.exit"),
    ],
)
def test_the_checker_finds_a_violation(tmp_path: Path, name: str, source: str, complaint: str) -> None:
    root = write_tree(tmp_path, {"__init__.py": "", "flops/b.py": "f = 1", name: source})

    found = violations_in(modules_under(root))

    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("__init__.py", "from layerprof import cli, records\nfrom layerprof.flops.b import f"),
        (
            "tree.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n    from layerprof import cli",
        ),
        ("tree.py", "import torch\nfrom layerprof import __version__, errors, stats\nfrom layerprof.records import x"),
        ("records/profile.py", "def f():\n    from layerprof.report import render"),
        ("records/sweeps.py", "def f():\n    from layerprof.store import load_profile"),
        ("flops/a.py", "from layerprof.flops import base\nfrom layerprof.flops.base import f\nfrom .base import g"),
        ("flops/__init__.py", "from layerprof.flops.a import f\nfrom layerprof.flops import b\nfrom .b import g"),
        ("models/x/a.py", "from layerprof.models.base import f\nfrom layerprof.models.x.base import g"),
        ("models/x/__init__.py", "from layerprof.models.base import f\nfrom layerprof.models.x.a import g"),
        ("models/__init__.py", "from layerprof.models.x.a import f\nfrom layerprof.models.x import b"),
        ("cli/main.py", "from layerprof.cli import run\nprint(run)\nraise SystemExit(0)"),
        ("testing.py", "import torch\nfrom layerprof import flops, records"),
    ],
)
def test_the_checker_lets_pass_what_the_rules_allow(tmp_path: Path, name: str, source: str) -> None:
    siblings = {"flops/a.py": "", "flops/b.py": "", "flops/base.py": "", "cli/run.py": ""}
    root = write_tree(tmp_path, {"__init__.py": "", **siblings, name: source})

    assert violations_in(modules_under(root)) == []
