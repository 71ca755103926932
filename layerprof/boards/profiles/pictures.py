"""A profile's figures as pictures, each only where the profile has what it shows."""

from __future__ import annotations

from collections.abc import Iterator

from layerprof.boards.base import Point, picture
from layerprof.records import Profile
from layerprof.views import has_roofline


def profile_pictures(profile: Profile) -> Iterator[Point]:
    """The stages' bars, the phases' bars and the roofline."""
    from layerprof.report.plots import figure_png, phase_bars, stage_bars  # matplotlib, which takes half a second

    if any(stage.self_s is not None for stage in profile.stages):
        yield picture("figures/stages", figure_png(stage_bars(profile)))
    if sum(phase.total_s is not None for phase in profile.phases) > 1:
        yield picture("figures/phases", figure_png(phase_bars(profile)))
    if has_roofline(profile):
        from layerprof.report.roofline import roofline_png

        yield picture("figures/roofline", roofline_png(profile))
