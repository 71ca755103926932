"""A profile as a pandas data frame: one row a layer, indexed by path."""

from __future__ import annotations

import pandas

from layerprof.records import Profile
from layerprof.views import FlatColumn, layer_columns

_DTYPES = {"integer": "Int64", "float": "float64", "flag": "bool"}  # Int64 keeps counts exact where some are missing


def to_dataframe(profile: Profile) -> pandas.DataFrame:
    """One row a layer in definition order, indexed by ``path``; the root's path is "".

    Scalar fields keep their names; a distribution ``total_s`` becomes ``total_s_median``, ``total_s_ci95_low`` and
    ``total_s_ci95_high``, an energy ``energy_j``, ``energy_kind``, the ends of its interval such as
    ``energy_ci95_low_j``, and ``energy_power_w``. Where the step has several phases, each has columns such as
    ``decode.total_s_median``. Missing numbers are NA or NaN, never 0.
    """
    columns = {column.name: _series(profile, column) for column in layer_columns(profile)}
    return pandas.DataFrame(columns).set_index("path")


def _series(profile: Profile, column: FlatColumn) -> pandas.Series:
    values = [column.read(layer) for layer in profile.layers]
    return pandas.Series(values, dtype=_DTYPES.get(column.kind, "str"))
