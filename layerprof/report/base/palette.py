"""The colours of stages, those of the Okabe-Ito palette, which stay apart for colour-blind readers.

Source:
    M. Okabe, K. Ito, Color Universal Design (2008).
"""

from __future__ import annotations

STAGE_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
OTHER_COLOUR = "#BBBBBB"  # of what has no name, or no colour left
