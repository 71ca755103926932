"""What is profiled on the device: BLIP-2, and nets of which it is known what they launch."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from PIL import Image
from torch import nn

from layerprof import models
from layerprof.records import Prompt

DEVICE = "cuda"
WIDTH = 1024  # of the small nets
SLEEP_CYCLES = 20_000_000  # of the device's clock: more than 10 ms at 1.98 GHz, the highest of an H200
SPIN_S = 0.01


def blip2(
    name: str = "blip2-tiny", *, dtype: str | None = None, device: str = DEVICE
) -> tuple[nn.Module, models.ModelInputs]:
    """The model, and one picture with a question on its device."""
    model = models.load(name, device=device, dtype=dtype)
    prompt = Prompt(head="Question:", body="what is this?", tail="Short answer:")
    picture = Image.new("RGB", (64, 48), "red")
    return model, models.adapter_for(model).inputs(model, [picture], [prompt], models.InputOptions())


def training_step(model: nn.Module, inputs: models.ModelInputs) -> Callable[[], None]:
    """Forward, backward and optimizer; gradients are gone afterwards."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)

    def step() -> None:
        model(**inputs).logits.float().mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def some_input() -> torch.Tensor:
    """Shape: (WIDTH, WIDTH)."""
    return torch.ones(WIDTH, WIDTH, device=DEVICE)


class OnDevice(nn.Module):
    """A layer that holds a tensor, by which it is seen to be on the device."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("anchor", torch.zeros(1, device=DEVICE))


class Sleeper(OnDevice):
    """A layer whose one kernel keeps one of the device's processors busy for a set number of cycles."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Launches it on the current stream."""
        torch.cuda._sleep(SLEEP_CYCLES)
        return x


class TwoStreams(OnDevice):
    """Two layers that sleep at the same time, each on a stream of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = Sleeper(), Sleeper()
        self._side = torch.cuda.Stream()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The right one aside, the left one on the current stream, which then waits for the other."""
        current = torch.cuda.current_stream()
        self._side.wait_stream(current)
        with torch.cuda.stream(self._side):
            self.right(x)
        self.left(x)
        current.wait_stream(self._side)
        return x


class Spinner(OnDevice):
    """A layer that keeps the device waiting: Python works between its two kernels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Adds, spins, adds."""
        x = x + 1
        until_s = time.perf_counter() + SPIN_S
        while time.perf_counter() < until_s:
            pass
        return x + 1


class Host(OnDevice):
    """Two layers, of which the first leaves the device idle in between and the second does not."""

    def __init__(self) -> None:
        super().__init__()
        self.spinner, self.sleeper = Spinner(), Sleeper()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One after the other."""
        spun: torch.Tensor = self.sleeper(self.spinner(x))
        return spun


class Copier(OnDevice):
    """Copies within the device, to the host and back, and a sum so large that its kernel needs zeroed counters."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """All of it."""
        there = x.clone().cpu()
        return there.to(x.device) + x.repeat(16, 1).sum()


class QueryKeyValue(nn.Module):
    """Three linears on one input."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH, device=DEVICE) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As in attention, without the softmax."""
        mixed: torch.Tensor = (self.query(x) @ self.key(x)) @ self.value(x)
        return mixed


class Greedy(nn.Module):
    """Asks for more memory than any device has, from a set call on.

    Args:
        calls: that go well.
    """

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH, device=DEVICE)
        self._left = calls

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A linear, and then too much."""
        x = self.inner(x)
        self._left -= 1
        return x if self._left >= 0 else x + torch.empty(1 << 48, device=DEVICE)
