"""Nets of which every layer's joules are known: each layer runs on a simulated device for so long at so many watts."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from layerprof.testing.energy.base import SimulatedDevice


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One kind of block of a `PoweredNet`.

    Attributes:
        name: of the list that its blocks stand in.
        count: of blocks.
        power_w, seconds: of a block's call.
        spread_rel: standard deviation of power from one block to the next, as a fraction.
        width: of its weight; kinds of equal width and class would be taken for one.
    """

    name: str
    count: int
    power_w: float
    seconds: float
    spread_rel: float = 0.0
    width: int = 1


class PoweredLayer(nn.Module):
    """A layer that takes so many watts for so long, and hands on its input with a factor.

    Args:
        device: that it runs on.
        power_w, seconds: of a call.
        width: of its weight.
    """

    def __init__(self, device: SimulatedDevice, *, power_w: float, seconds: float, width: int = 1) -> None:
        super().__init__()
        self.device, self.power_w, self.seconds = device, power_w, seconds
        self.weight = nn.Parameter(torch.ones(width))

    @property
    def joules(self) -> float:
        """Of one call."""
        return self.power_w * self.seconds

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Runs on the device.

        Shape:
            hidden: any; the result has the same.
        """
        self.device.run(power_w=self.power_w, seconds=self.seconds)
        return hidden * self.weight[0]


class PoweredBlock(nn.Module):
    """A block of two layers, with two thirds and a third of its time; the second takes a fifth less power.

    Args:
        device: that it runs on.
        power_w, seconds: of a call of the whole block.
        width: of its layers' weights.
    """

    def __init__(self, device: SimulatedDevice, *, power_w: float, seconds: float, width: int = 1) -> None:
        super().__init__()
        first_w = power_w / (2.0 / 3.0 + 0.8 / 3.0)
        self.first = PoweredLayer(device, power_w=first_w, seconds=seconds * 2.0 / 3.0, width=width)
        self.second = PoweredLayer(device, power_w=0.8 * first_w, seconds=seconds / 3.0, width=width)

    @property
    def joules(self) -> float:
        """Of one call."""
        return self.first.joules + self.second.joules

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Runs both, one after the other.

        Shape:
            hidden: any; the result has the same.
        """
        result: torch.Tensor = self.second(self.first(hidden))
        return result


class PoweredNet(nn.Module):
    """Lists of blocks, with gaps between them in which nothing runs.

    Args:
        device: that it runs on; its clock too.
        planted: the kinds of blocks, in order.
        gap_s: after each block.
        seed: of the spread.
    """

    def __init__(
        self, device: SimulatedDevice, planted: Sequence[Planted], *, gap_s: float = 0.0, seed: int = 0
    ) -> None:
        super().__init__()
        draw = random.Random(f"net {seed}")
        self.device, self.gap_s = device, gap_s
        for kind in planted:
            powers_w = [kind.power_w * (1.0 + kind.spread_rel * draw.gauss(0.0, 1.0)) for _ in range(kind.count)]
            blocks = [PoweredBlock(device, power_w=w, seconds=kind.seconds, width=kind.width) for w in powers_w]
            self.add_module(kind.name, nn.ModuleList(blocks))

    @property
    def inputs(self) -> torch.Tensor:
        """What it is called with.

        Shape:
            (1, 1)
        """
        return torch.ones(1, 1)

    def planted_joules(self) -> Mapping[str, float]:
        """The true joules of one step of each block and each layer in it, by path; without those of gaps."""
        return {
            path: module.joules
            for path, module in self.named_modules()
            if isinstance(module, PoweredBlock | PoweredLayer)
        }

    def step_joules(self) -> float:
        """The true joules of one step, gaps at idle power among them."""
        blocks = [module for module in self.modules() if isinstance(module, PoweredBlock)]
        return sum(block.joules for block in blocks) + len(blocks) * self.gap_s * self.device.idle_w

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Runs all blocks.

        Shape:
            hidden: any; the result has the same.
        """
        for blocks in self.children():
            for block in blocks.children():
                hidden = block(hidden)
                self.device.sleep_s(self.gap_s)
        return hidden
