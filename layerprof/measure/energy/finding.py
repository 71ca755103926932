"""The sources of joules for the device that a model is on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from layerprof.clock import Clock
from layerprof.energy import (
    ESTIMATE,
    EnergySource,
    Refusal,
    SourceError,
    Sources,
    device_asked,
    estimated_source,
    sources_of,
)
from layerprof.machine import cpu_name, device_name


def found_sources(asked: EnergySource | Sources | str | None, device: torch.device, clock: Clock) -> Sources:
    """The sources that were asked for, the most trusted first.

    Args:
        asked: "auto", an estimate's name, a source, or several of one device.
        device: of the model.
        clock: for what is summed or assumed over time.

    Raises:
        InputError: when an estimate's name says nothing.
        SourceError: when an estimate was asked for that cannot be made.
    """
    if isinstance(asked, Sources):
        return asked
    if isinstance(asked, str) and asked.partition(":")[0] == ESTIMATE:
        return Sources(energy=(estimated_source(asked, device_asked(device, name=_name_of(device)), clock=clock),))
    if asked is None or isinstance(asked, str):
        return sources_of(device_asked(device, name=_name_of(device)), clock=clock)
    return Sources(energy=(asked,))


def is_found(asked: EnergySource | Sources | str | None) -> bool:
    """Whether `found_sources` makes the sources, which are then to be closed; others are their maker's."""
    return asked is None or isinstance(asked, str)


def require_source(sources: Sources) -> None:
    """Nothing, where there is a source.

    Raises:
        SourceError: with what was found of each that there could have been, where there is none.
    """
    if sources.energy:
        return
    if not sources.refusals:
        raise SourceError("unsupported_device", "no counter of this kind of device is known")
    raise SourceError(sources.refusals[0].code, _in_one_line(sources.refusals))


def require_one_device(model: nn.Module) -> None:
    """Nothing, for a model that is on one device.

    Raises:
        SourceError: for one that is on several, whose joules no single counter knows.
    """
    devices = sorted({str(tensor.device) for tensor in (*model.parameters(), *model.buffers())})
    if len(devices) > 1:
        text = f"the model is on several devices ({', '.join(devices)}), and a counter knows of one; put it on one"
        raise SourceError("unsupported_device", text)


def _in_one_line(refusals: Sequence[Refusal]) -> str:
    """What was found, and why, with each reason once: ``this and that: the reason; another: its own``."""
    found: dict[str, list[str]] = {}
    for refusal in refusals:
        what, _, why = refusal.text.partition(": ")
        whats = found.setdefault(why, [])
        whats.extend([what] if what not in whats else [])
    return "; ".join(": ".join(part for part in (" and ".join(whats), why) if part) for why, whats in found.items())


def _name_of(device: torch.device) -> str:
    return cpu_name() if device.type == "cpu" else device_name(device)
