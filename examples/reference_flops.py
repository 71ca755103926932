"""The FLOPs that an earlier benchmark of BLIP-2 printed, counted anew without running the model.

That benchmark took 300 samples a test and printed the FLOPs of one batch without saying which. They come out for the
last batch, which is smaller than the others wherever the batch size does not divide 300. Nothing is downloaded and
nothing is computed: the model has shapes and no weights.
"""

from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table

import layerprof as lp

SAMPLES = 300
IMAGE_SIZE = 224
IMAGE_TOKENS = 32  # of a picture, before the text


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """One figure of that benchmark.

    Attributes:
        test: what it stands under.
        batch_size: of the test.
        text_tokens: as many as the longest question of the last batch would have.
        flops: as printed, to the digits that were.
    """

    test: str
    batch_size: int
    text_tokens: int
    flops: float

    @property
    def last_batch(self) -> int:
        """How many samples are left for the last batch."""
        return SAMPLES % self.batch_size or self.batch_size


PRINTED = (
    Printed(test="TextVQA", batch_size=1, text_tokens=9, flops=751.3e9),
    Printed(test="TextVQA", batch_size=4, text_tokens=16, flops=3.15e12),
    Printed(test="TextVQA", batch_size=8, text_tokens=16, flops=3.15e12),
    Printed(test="TextVQA", batch_size=16, text_tokens=16, flops=9.46e12),
    Printed(test="COCO", batch_size=16, text_tokens=10, flops=9.08e12),
    Printed(test="ScienceQA", batch_size=16, text_tokens=68, flops=12.8e12),
)


def counted(model: torch.nn.Module, samples: int, text_tokens: int) -> int:
    """FLOPs of one forward of so many samples, each a picture and a question; what is in them does not matter."""
    with torch.device("meta"):
        pixels = torch.empty(samples, 3, IMAGE_SIZE, IMAGE_SIZE, dtype=torch.bfloat16)
        ids = torch.empty(samples, IMAGE_TOKENS + text_tokens, dtype=torch.long)
    return lp.count_flops(model, {"pixel_values": pixels, "input_ids": ids}).total


def main() -> None:
    """Counts and prints the table."""
    model = lp.models.load("blip2-opt-2.7b", device="meta")
    table = Table(title="blip2-opt-2.7b, one forward of the last batch of 300 samples")
    for column in ("test", "batch size", "last batch", "text tokens", "counted", "printed", "ratio"):
        table.add_column(column, justify="left" if column == "test" else "right")
    batches = {(one.last_batch, one.text_tokens) for one in PRINTED}
    flops_of = {batch: counted(model, *batch) for batch in batches}
    for one in PRINTED:
        flops = flops_of[one.last_batch, one.text_tokens]
        table.add_row(
            one.test,
            *map(str, (one.batch_size, one.last_batch, one.text_tokens)),
            f"{flops / 1e12:.4f} T",
            f"{one.flops / 1e12:g} T",
            f"{flops / one.flops:.4f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
