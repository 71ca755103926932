"""A net of BLIP-2's structure: its `generate` reaches the parts past the root's call, one phase after the other.

vision ─▶ qformer ─▶ language_model.embed ─▶ language_model (the prompt) ─▶ language_model, once for each more token
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from layerprof.records import PhaseRules
from layerprof.testing.base import (
    ROWS,
    WIDTH,
    MovableClock,
    PhaseAnswers,
    PhasedNet,
    Work,
    expected,
    whole_step,
)

PROMPT = 2  # tokens of it; a product with all of them is twice one with a single token
TOKENS = 4  # that are generated: the first comes out of the prefill


class Language(Work):
    """A language model of one layer, with an embedding that others call directly.

    Shape:
        inputs_embeds: (ROWS, tokens, WIDTH)
    """

    def __init__(self, clock: MovableClock) -> None:
        super().__init__(clock, ticks=1)
        self.embed = Work(clock, ticks=2, products=1)
        self.layer = Work(clock, ticks=3, products=1)

    def forward(self, inputs_embeds: torch.Tensor) -> torch.Tensor:
        """The layer, after its own work."""
        return self.layer(self.work(inputs_embeds))


class CaptioningNet(PhasedNet):
    """Vision, then the Q-Former, then a prompt and token after token, each of which takes a tick to choose.

    Choosing a token belongs to the phase of the call that it comes out of: the first one's is prefill.

    Attributes:
        rules: which calls begin which phase.
    """

    rules = PhaseRules(
        opened_by=(("vision", ("vision",)), ("qformer", ("qformer",))),
        language="language_model",
        early=("language_model.embed",),
    )
    phases: ClassVar[Mapping[str, PhaseAnswers]] = {  # of generate, as the root's method
        "vision": PhaseAnswers(
            layers={
                "": expected(ticks=1, inner_ticks=5, inner_products=2),
                "vision": expected(ticks=5, products=2),
            },
            calls={("",): 1, ("", "vision"): 1},
        ),
        "qformer": PhaseAnswers(
            layers={
                "": expected(calls=0, ticks=0, inner_ticks=4, inner_products=1),
                "qformer": expected(ticks=4, products=1),
            },
            calls={("",): 0, ("", "qformer"): 1},
        ),
        "prefill": PhaseAnswers(
            layers={
                "": expected(calls=0, ticks=1, inner_ticks=2 + 1 + 3, inner_products=2 * PROMPT),
                "language_model": expected(ticks=1, inner_ticks=3, inner_products=PROMPT),
                "language_model.embed": expected(ticks=2, products=PROMPT),
                "language_model.layer": expected(ticks=3, products=PROMPT),
            },
            calls={
                ("",): 0,
                ("", "language_model.embed"): 1,
                ("", "language_model"): 1,
                ("", "language_model", "language_model.layer"): 1,
            },
        ),
        "decode": PhaseAnswers(
            steps=TOKENS - 1,
            layers={
                "": expected(calls=0, ticks=3, inner_ticks=3 * (1 + 3), inner_products=3),
                "language_model": expected(calls=3, ticks=3, inner_ticks=9, inner_products=3),
                "language_model.layer": expected(calls=3, ticks=9, products=3),
            },
            calls={
                ("",): 0,
                ("", "language_model"): 3,
                ("", "language_model", "language_model.layer"): 3,
            },
        ),
    }
    answers = whole_step(
        phases,
        paths=("", "vision", "qformer", "language_model", "language_model.embed", "language_model.layer"),
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.vision = Work(self.clock, ticks=5, products=2)
        self.qformer = Work(self.clock, ticks=4, products=1)
        self.language_model = Language(self.clock)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Picture and prompt once through all of it: what a training step calls, and `generate` never."""
        return self.language_model(inputs_embeds=self._prompt(x))

    def generate(self, x: torch.Tensor, *, tokens: int = TOKENS) -> torch.Tensor:
        """So many tokens; each takes a tick to choose."""
        self.take(1)
        hidden = self.language_model(inputs_embeds=self._prompt(x))
        for _ in range(tokens - 1):
            self.take(1)
            hidden = self.language_model(inputs_embeds=hidden[:, -1:])
        self.take(1)
        return hidden

    def step(self) -> object:
        """The generation, without the root's bracket."""
        return self.generate(torch.ones(ROWS, WIDTH))

    def _prompt(self, x: torch.Tensor) -> torch.Tensor:
        seen = self.qformer(self.vision(x))
        text = torch.ones(ROWS, PROMPT, WIDTH)
        return self.language_model.embed(text) + seen[:, None]
