"""Ops that stand for launches made in none, in TensorBoard's copy: its plugin counts device work by ops alone.

layer     |------------- Linear -------------|
stand-in     |-- (no op) cudaGraphLaunch --|
launch       |------ cudaGraphLaunch ------|        of which the device's work is then the layer's
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layerprof.attribute.base.intervals import NONE, inherited, nested

if TYPE_CHECKING:
    from layerprof.traces.writing.base.base.launches import Launches
    from layerprof.traces.writing.base.base.tables import IntArray, Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchOps:
    """By which op's id readers link each launch and what came of it.

    Attributes:
        external: the id of the op that each launch was made in, or of what stands for one; 0 for none.  (launches,)
        stands_in: the id of the op to be written for each launch; 0 where there is none to write.  (launches,)
    """

    external: IntArray
    stands_in: IntArray


def launch_ops(tables: Tables, launches: Launches, *, for_plugin: bool) -> LaunchOps:
    """The ids of ops are their rows from 1 up, and those of stand-ins follow them.

    Args:
        tables: of the timeline.
        launches: of device work.
        for_plugin: whether launches in no op get one that stands for it. One launch inside another has that one's,
            as the plugin takes two ops of one name, of which one is all that the other holds, for one.
    """
    external, stands_in = launches.op + 1, np.zeros_like(launches.op)
    if for_plugin:
        lacking = np.flatnonzero(launches.op == NONE)
        nest = nested(launches.start_ns[lacking], launches.end_ns[lacking], launches.thread[lacking])
        own = np.full(lacking.size, NONE, dtype=np.int64)
        outermost = nest.levels[0] if nest.levels else lacking
        own[outermost] = tables.ops["start_ns"].size + 1 + np.arange(outermost.size)
        stands_in[lacking] = np.maximum(own, 0)
        external[lacking] = inherited(nest, own)
    return LaunchOps(external=external, stands_in=stands_in)
