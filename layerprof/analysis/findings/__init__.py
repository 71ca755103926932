"""Sentences that are computed from a test's cells and their layers, with the numbers that they rest on.

A sentence says that something grows, helps or hurts only where intervals allow it. An effect of the size of the noise
is called that, and a cell of one process, of short windows or of a disturbed machine carries no verdict.

    convolutions ▸ growth ▸ knee ▸ what is fixed ▸ each name against its baseline ▸ layers ▸ answers ▸ memory, what
    takes most, energy ▸ cells without numbers
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from layerprof.analysis.base import Series, Study, series_of
from layerprof.analysis.findings.contrast import baseline_of, contrasts, parts, without_numbers
from layerprof.analysis.findings.fixed import fixed
from layerprof.analysis.findings.growth import energy_growth, growth, memory_growth
from layerprof.analysis.findings.knee import knee
from layerprof.analysis.findings.layers import convolutions, dominant
from layerprof.analysis.findings.quality import quality
from layerprof.analysis.findings.stages import stage_growth
from layerprof.records import Finding

__all__ = ["findings_of"]


def findings_of(study: Study) -> tuple[Finding, ...]:
    """What a test's numbers say, the most useful first; the cells without numbers last, each reason once."""
    series = tuple(series_of(study))
    found = [each for tellers in _TELLERS for each in _strongest_first(tellers, series)]
    return (*found, *without_numbers(study))


def _strongest_first(tellers: Iterable[_Teller], series: Sequence[Series]) -> list[Finding]:
    return sorted((each for tell in tellers for each in tell(series)), key=lambda each: -each.strength)


def _each(tell: Callable[[Series], Iterator[Finding]]) -> _Teller:
    """What is told of each series by itself."""
    return lambda series: (each for one in series for each in tell(one))


_Teller = Callable[[Sequence[Series]], Iterator[Finding]]
_TELLERS: tuple[tuple[_Teller, ...], ...] = (
    (_each(convolutions),),
    (_each(growth),),
    (_each(knee),),
    (_each(fixed),),
    (_each(contrasts),),
    (_each(stage_growth), _each(parts)),
    (lambda series: quality((one, baseline_of(one)) for one in series),),
    (_each(memory_growth),),
    (_each(lambda one: dominant(one, baseline_of(one))),),
    (_each(energy_growth),),
)
"""By use to a reader, the counterparts of the published sentences first; strength counts within a line."""
