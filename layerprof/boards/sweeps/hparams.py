"""The HParams page: which settings vary, over which values, and what each cell brought.

Every setting has a discrete domain: TensorBoard offers no filter for one without. Settings whose values are of several
kinds, such as a size that may be left to the model, are text throughout, and so are whole numbers beyond 2**53, which
filters would round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from google.protobuf.struct_pb2 import ListValue, Value
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

from layerprof.boards.base import Point, label
from layerprof.boards.sweeps.base import Group, Setting, is_number, metric_names, metric_tag, metric_title, value_text
from layerprof.records import AxisValue, CellRecord, SweepRecord

_TEST = "test of the plan"
_SUCCESS, _FAILURE, _RUNNING = 1, 2, 3  # of TensorBoard's ``Status``
_TYPES = {bool: api_pb2.DATA_TYPE_BOOL, float: api_pb2.DATA_TYPE_FLOAT64, str: api_pb2.DATA_TYPE_STRING}


def settings_of(groups: Sequence[Group]) -> Mapping[str, Mapping[str, Setting]]:
    """By cell, the settings that vary in any of the groups, each of one type throughout; and the tests it is in."""
    cells = {cell.id: cell for group in groups for cell in group.cells}
    settings: dict[str, dict[str, Setting]] = {id_: {} for id_ in cells}
    for axis in dict.fromkeys(axis for group in groups for axis in group.axes):
        values = _of_one_type([cell.axes.get(axis) for cell in cells.values()])
        for id_, value in zip(cells, values, strict=True):
            settings[id_][label(axis)] = value
    if len(groups) > 1:
        tests: dict[str, list[str]] = {}
        for group in groups:
            for cell in group.cells:
                tests.setdefault(cell.id, []).append(group.name)
        for id_, names in tests.items():
            settings[id_][_TEST] = label(" + ".join(names))
    return settings


def _of_one_type(values: Sequence[AxisValue]) -> list[Setting]:
    if all(isinstance(value, bool) for value in values):
        return [bool(value) for value in values]
    numbers = [float(value) for value in values if is_number(value)]
    return list(numbers) if len(numbers) == len(values) else [value_text(value) for value in values]


def experiment(
    record: SweepRecord, settings: Iterable[Mapping[str, Setting]], cells: Iterable[CellRecord], *, wall_time_s: float
) -> Point:
    """What the page's columns are.

    Args:
        record: of the sweep.
        settings: of the cells that are runs.
        cells: these.
        wall_time_s: when it was measured.
    """
    content = api_pb2.Experiment(
        name=label(record.plan.name),
        description=f"Sweep {label(record.plan.name)} of {label(record.plan.model)}",
        time_created_secs=wall_time_s,
        hparam_infos=[_hparam(name, values) for name, values in _domains(settings).items()],
        metric_infos=[_metric(name) for name in metric_names(cells)],
    )
    return _point(metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=content))


def session(cell: CellRecord, settings: Mapping[str, Setting], *, name: str, wall_time_s: float) -> tuple[Point, ...]:
    """The row of a cell.

    Args:
        cell: one that is a run.
        settings: of the cell.
        name: of the run.
        wall_time_s: when it was measured.
    """
    start = SessionStartInfo(
        hparams={key: _value(value) for key, value in settings.items()}, group_name=name, start_time_secs=wall_time_s
    )
    end = SessionEndInfo(status=_status(cell), end_time_secs=wall_time_s)
    return (
        _point(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start)),
        _point(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end)),
    )


def _status(cell: CellRecord) -> int:
    """A cell that was measured and not in force has failed too."""
    if cell.failure is not None or cell.status == "failed":
        return _FAILURE
    return _SUCCESS if cell.status == "done" else _RUNNING


def _domains(settings: Iterable[Mapping[str, Setting]]) -> Mapping[str, Sequence[Setting]]:
    domains: dict[str, dict[Setting, None]] = {}
    for row in settings:
        for name, value in row.items():
            domains.setdefault(name, {})[value] = None
    return {name: _ordered(tuple(values)) for name, values in domains.items()}


def _ordered(values: Sequence[Setting]) -> Sequence[Setting]:
    """Numbers by size; texts as the plan has them."""
    numbers = [value for value in values if not isinstance(value, str)]
    return sorted(numbers) if len(numbers) == len(values) else values


def _hparam(name: str, values: Sequence[Setting]) -> api_pb2.HParamInfo:
    domain = ListValue(values=[_value(value) for value in values])
    return api_pb2.HParamInfo(name=name, type=_TYPES[type(values[0])], domain_discrete=domain)


def _metric(name: str) -> api_pb2.MetricInfo:
    return api_pb2.MetricInfo(name=api_pb2.MetricName(tag=metric_tag(name)), display_name=metric_title(name))


def _value(value: Setting) -> Value:
    if isinstance(value, bool):
        return Value(bool_value=value)
    return Value(string_value=value) if isinstance(value, str) else Value(number_value=value)


def _point(tag: str, content: HParamsPluginData) -> Point:
    described = metadata.create_summary_metadata(content)
    return Point(0, Summary.Value(tag=tag, metadata=described, tensor=metadata.NULL_TENSOR))
