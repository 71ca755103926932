"""The layers of a trace: from the head that layerprof wrote, or from the names that torch gives modules.

    nn.Module: Net_0 > nn.Module: Sequential_0 > nn.Module: Linear_1        calls, as torch records them
    ""                 "Sequential_0"            "Sequential_0.Linear_1"    paths, by each module's first call
    nn.Module: Net   > nn.Module: layers.0   > nn.Module: layers.0.fc1      calls by paths, of which no class is known

torch numbers modules within their class, so a name is a module's identity. Where a name has no such number, the names
are paths. The module around all others is the root; where there are several such, the root is none of them and is not
called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from layerprof.errors import RecordError
from layerprof.records import OTHER_STAGE, Kind, LayerInfo, kind_of_class
from layerprof.traces.base import HEADER_KEY, MODULE_PREFIX, SCHEMA
from layerprof.traces.reading.base import NONE, UNKNOWN, Calls, Content, Events, Json, NestedCalls, Steps, ThreadCalls

if TYPE_CHECKING:
    from layerprof.attribute import IntArray

_TORCH_NAME = re.compile(r"(.*)_\d+", re.DOTALL)
_OF_A_LAYER = 7  # values in a row of layerprof's table
_KINDS: Mapping[str, Kind] = {kind: kind for kind in get_args(Kind)}


def read_layers(events: Events, steps: Steps, nested: NestedCalls, head: Content | None, *, source: Path) -> Calls:
    """The layers and their calls within the steps.

    Args:
        events: of the trace.
        steps: of the trace.
        nested: its calls of modules.
        head: what layerprof wrote, or None in a trace that it did not write.
        source: how error messages name the file.

    Raises:
        RecordError: when layerprof's head is damaged, or a newer layerprof's.
    """
    if head is not None:
        layers = _layers_of(head, source)
        if not nested.frame.size and not steps.is_on_host:
            return replace(_root_alone(steps), layers=layers)
        return _written(events, nested, layers)
    return _named(events, nested) if nested.frame.size else _root_alone(steps)


def head_of(content: Content, *, source: Path) -> Content | None:
    """What layerprof wrote into the trace, or None.

    Raises:
        RecordError: when it is of a newer layerprof, or is damaged.
    """
    head = content.get(HEADER_KEY)
    if head is None:
        return None
    schema = head.get("schema") if isinstance(head, dict) else None
    if type(schema) is not int or schema < 1:
        raise RecordError(f"{source} is damaged: what layerprof wrote about its layers has the schema {schema!r}")
    if schema > SCHEMA:
        raise RecordError(f"{source} has schema {schema}, newer than this layerprof's {SCHEMA}; upgrade layerprof")
    return dict(head)


def _written(events: Events, nested: NestedCalls, layers: tuple[LayerInfo, ...]) -> Calls:
    """Calls of layers that the head tells."""
    layer = events.frames.layer[nested.frame]
    calls = _calls(nested, np.where((layer >= 0) & (layer < len(layers)), layer, 0), layers)
    return replace(calls, number=events.frames.number[nested.frame][np.argsort(nested.start_ns, kind="stable")])


def _layers_of(head: Content, source: Path) -> tuple[LayerInfo, ...]:
    rows: Json = head.get("layers")
    is_table = isinstance(rows, list) and all(map(_is_row, rows)) and bool(rows) and rows[0][0] == ""
    if not is_table or len({row[0] for row in rows}) != len(rows):
        raise RecordError(f"{source} is damaged: its table of layers is not one of layerprof's; export it again")
    return tuple(map(_told_layer, rows))


def _told_layer(row: Json) -> LayerInfo:
    path, type_name, kind, stage, aliases, param_count, param_bytes = row
    known = _layer(path, type_name, kind=_KINDS.get(kind, "other"), stage=stage)
    return replace(known, aliases=tuple(aliases), param_count=param_count, param_bytes=param_bytes)


def _is_row(row: Json) -> bool:
    """Whether it is what the writer makes of a layer: four words, its aliases, and two numbers or none."""
    if not isinstance(row, list) or len(row) != _OF_A_LAYER:
        return False
    *words, aliases, param_count, param_bytes = row
    are_words = isinstance(aliases, list) and all(isinstance(word, str) for word in (*words, *aliases))
    return are_words and all(number is None or type(number) is int for number in (param_count, param_bytes))


def _named(events: Events, nested: NestedCalls) -> Calls:
    """Calls of layers by the names that torch gives modules."""
    names = [events.strings[name][len(MODULE_PREFIX) :] for name in events.frames.name[nested.frame].tolist()]
    above: dict[str, str | None] = {}
    for name, caller in zip(names, nested.caller.tolist(), strict=True):
        above.setdefault(name, None if caller == NONE else names[caller])
    tops = [name for name, around in above.items() if around is None]
    are_paths = not all(map(_TORCH_NAME.fullmatch, above))
    paths = _paths(above, root=tops[0] if len(tops) == 1 else None, are_paths=are_paths)
    layers = [_named_layer(name, path, is_path=are_paths and path != "") for name, path in paths.items()]
    if len(tops) > 1:
        layers.insert(0, _layer("", "Trace", kind="other"))
    position = {name: place + (len(tops) > 1) for place, name in enumerate(paths)}
    return _calls(nested, np.asarray([position[name] for name in names], dtype=np.int64), tuple(layers))


def _paths(above: Mapping[str, str | None], *, root: str | None, are_paths: bool) -> dict[str, str]:
    """A path of its own for each module, callers first."""
    paths: dict[str, str] = {}
    taken = {""}
    for name, around in above.items():
        start = paths[around] if around is not None and not are_paths else ""
        label = (name if are_paths else name.replace(".", "_")) or "_"
        path = "" if name == root else f"{start}.{label}" if start else label
        while name != root and path in taken:
            path += "_"
        taken.add(path)
        paths[name] = path
    return paths


def _named_layer(name: str, path: str, *, is_path: bool) -> LayerInfo:
    """The layer of a module of which only the name is known: its path, or its numbered class."""
    type_name = UNKNOWN if is_path else _type_of(name)
    return _layer(path, type_name, kind="other" if is_path else kind_of_class(type_name))


def _root_alone(steps: Steps) -> Calls:
    """Each step as a call of a root, of which nothing else is known."""
    count = steps.start_ns.size
    number = np.arange(count)
    threads = tuple(
        ThreadCalls(
            step=step,
            thread=int(steps.thread[step]),
            codes=np.asarray([0, ~0], dtype=np.int64),
            times_ns=np.asarray([steps.start_ns[step], steps.end_ns[step]], dtype=np.int64),
        )
        for step in number.tolist()
    )
    return Calls(
        layers=(_layer("", "Trace", kind="other"),),
        layer=np.zeros(count, dtype=np.int64),
        start_ns=steps.start_ns,
        end_ns=steps.end_ns,
        thread=steps.thread,
        threads=threads,
        is_root_alone=True,
    )


def _calls(nested: NestedCalls, layer: IntArray, layers: Sequence[LayerInfo]) -> Calls:
    by_start = np.argsort(nested.start_ns, kind="stable")
    return Calls(
        layers=tuple(layers),
        layer=layer[by_start],
        start_ns=nested.start_ns[by_start],
        end_ns=nested.end_ns[by_start],
        thread=nested.thread[by_start],
        threads=tuple(
            ThreadCalls(
                step=one.step,
                thread=one.thread,
                codes=np.where(one.codes >= 0, layer[one.codes], ~layer[~one.codes]),
                times_ns=one.times_ns,
            )
            for one in nested.threads
        ),
        mended=nested.mended,
    )


def _type_of(name: str) -> str:
    found = _TORCH_NAME.fullmatch(name)
    return found.group(1) if found else name


def _layer(path: str, type_name: str, *, kind: Kind, stage: str | None = None) -> LayerInfo:
    return LayerInfo(
        path=path,
        aliases=(),
        type_name=type_name,
        kind=kind,
        depth=path.count(".") + 1 if path else 0,
        stage=(path.split(".")[0] or OTHER_STAGE) if stage is None else stage,
        param_count=None,
        param_bytes=None,
        own_param_count=None,
        own_param_bytes=None,
    )
