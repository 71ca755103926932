"""Small models of real architectures with random weights, and one batch for each."""

from __future__ import annotations

from architectures import audio, experts, language, multimodal, states, text, vision
from architectures.base import Architecture, Attention, Family, Inputs, Mode

__all__ = ["ALL_ARCHITECTURES", "ARCHITECTURES", "FAMILIES", "Architecture", "Attention", "Family", "Inputs", "Mode"]

FAMILIES: tuple[Family, ...] = (
    *text.FAMILIES,
    *language.FAMILIES,
    *vision.FAMILIES,
    *audio.FAMILIES,
    *multimodal.FAMILIES,
    *experts.FAMILIES,
    *states.FAMILIES,
)
ALL_ARCHITECTURES = tuple(
    Architecture(family=family, attention=attention) for family in FAMILIES for attention in family.attentions
)

_PROFILED = ("resnet", "bert", "t5", "blip2-tiny")  # one of each sort: convolutions, an encoder, two towers, three
ARCHITECTURES = tuple(one for one in ALL_ARCHITECTURES if one.name in _PROFILED)
