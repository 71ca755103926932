"""Published figures beside ours: those of the same model one by one, ratios along an axis for any BLIP-2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from layerprof.analysis.base import Study
from layerprof.analysis.published.base import REFERENCES, PublishedFigures, pairings, published_figures
from layerprof.analysis.published.figures import figures_of
from layerprof.analysis.published.oddities import oddities_of
from layerprof.analysis.published.ratios import ratios_of
from layerprof.records import AnalysisRecord, Comparison, Oddity

__all__ = ["REFERENCES", "compared_with", "published_figures"]

_FAMILY = "blip2-"  # presets that are built like the published model


def compared_with(name: str, model: str, studies: Iterable[Study], analysis: AnalysisRecord) -> AnalysisRecord:
    """The analysis with published figures beside ours, and what is odd about them.

    Figures themselves are compared for the published model alone; ratios along an axis also for other sizes of it. Of
    any other model there is only a notice.

    Args:
        name: of the figures, one of `REFERENCES`.
        model: that the sweep is of.
        studies: its tests.
        analysis: without comparisons.
    """
    figures = published_figures(name)
    is_same, is_family = figures.model.endswith(f"/{model}"), model.startswith(_FAMILY)
    if not is_family:
        text = f"The figures are of {figures.model} and this model is {model}, so nothing is compared."
        return replace(analysis, oddities=(Oddity(test="", text=text),), published=figures.model)
    comparisons = tuple(each for study in studies for each in _of_study(study, figures, model, is_same=is_same))
    return replace(
        analysis,
        comparisons=comparisons,
        oddities=(*_notices(figures, model, is_same=is_same), *oddities_of(figures)),
        published=figures.model,
    )


def _of_study(study: Study, figures: PublishedFigures, model: str, *, is_same: bool) -> Iterator[Comparison]:
    for test in figures.tests:
        if test.name == study.test:
            pairs = tuple(pairings(study, test, figures, model))
            if is_same:
                yield from figures_of(pairs)
            yield from ratios_of(pairs)


def _notices(figures: PublishedFigures, model: str, *, is_same: bool) -> Iterator[Oddity]:
    if not is_same:
        text = (
            f"The figures are of {figures.model} and this model is {model}: another size of it, so that only ratios "
            "along an axis are compared."
        )
        yield Oddity(test="", text=text)
