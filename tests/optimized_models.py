"""Small models whose attention can be chosen, as transformers has it, and which can be compiled by parts."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

WIDTH = 8
TOKENS = 5
BATCH = {"x": torch.linspace(-1.0, 1.0, 2 * TOKENS * WIDTH).reshape(2, TOKENS, WIDTH)}


class Config:
    """A config that keeps an attention where transformers does."""

    def __init__(self, attention: str = "sdpa", **inside: Config) -> None:
        self._attn_implementation_internal = attention
        self.sub_configs = dict.fromkeys(inside)
        for name, config in inside.items():
            setattr(self, name, config)

    @property
    def _attn_implementation(self) -> str:
        return self._attn_implementation_internal

    def set_all(self, attention: str) -> None:
        """Sets it here and in the configs inside."""
        self._attn_implementation_internal = attention
        for name in self.sub_configs:
            getattr(self, name).set_all(attention)


class Tower(nn.Module):
    """A layer of attention; what its class supports is said as transformers says it."""

    def __init__(self, *, supports_flash: bool = False, keeps: str | None = None) -> None:
        super().__init__()
        self.config: object = Config(keeps or "sdpa")
        self.line = nn.Linear(WIDTH, WIDTH)
        self._supports_flash_attn = supports_flash

    def set_attn_implementation(self, name: str) -> None:
        """As transformers has it for one part."""
        if name == "flash_attention_2" and not self._supports_flash_attn:
            raise ValueError("Tower does not support Flash Attention 2 yet. Please request to add support")
        assert isinstance(self.config, Config)
        self.config.set_all(name)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A tower's sequence, of the same shape."""
        x = self.line(x)
        assert isinstance(self.config, Config)
        if self.config._attn_implementation == "eager":
            weights = torch.bmm(x, x.transpose(1, 2)).softmax(dim=-1)
            return torch.bmm(weights, x)
        heads = x.unsqueeze(1)
        return scaled_dot_product_attention(heads, heads, heads).squeeze(1)


class Pair(nn.Module):
    """Two towers, one after the other; generating calls the second alone, and never the model."""

    def __init__(self, *, supports_flash: bool = False) -> None:
        super().__init__()
        self.vision = Tower(supports_flash=supports_flash)
        self.language = Tower()
        self.config: object = Config(vision=self._config_of(self.vision), language=self._config_of(self.language))

    @staticmethod
    def _config_of(tower: Tower) -> Config:
        assert isinstance(tower.config, Config)
        return tower.config

    def set_attn_implementation(self, name: str) -> None:
        """As transformers has it for a model with parts."""
        if name == "flash_attention_2":
            raise ValueError("Pair does not support Flash Attention 2 yet. Please request to add support")
        assert isinstance(self.config, Config)
        self.config.set_all(name)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The second tower's sequence."""
        result: torch.Tensor = self.language(self.vision(x))
        return result

    def generate(self, x: torch.Tensor, max_new_tokens: int, **_options: object) -> torch.Tensor:
        """As many calls of the second tower as there are new tokens."""
        for _ in range(max_new_tokens):
            x = self.language(x)
        return x


class Stubborn(Pair):
    """Takes any attention, and its language tower keeps its own."""

    def set_attn_implementation(self, name: str) -> None:
        """Sets the vision tower's alone."""
        assert isinstance(self.config, Config)
        self.config._attn_implementation_internal = name
        self.vision.set_attn_implementation(name)


class FromHub(Pair):
    """Puts a kernel of the hub in the place of the package."""

    def __init__(self) -> None:
        super().__init__()
        self.vision = HubTower(supports_flash=True)
        self.config = Config(vision=self._config_of(self.vision), language=self._config_of(self.language))


class HubTower(Tower):
    """A tower of which only the kernel's name is another; it computes as any."""

    def set_attn_implementation(self, name: str) -> None:
        """As asked, but Flash Attention 2 by the hub's name."""
        super().set_attn_implementation("kernels-community/flash-attn2" if name == "flash_attention_2" else name)


class Packaged(nn.Module):
    """Would take any attention, had it the package."""

    def set_attn_implementation(self, name: str) -> None:
        """Never returns."""
        raise ImportError("the package for FlashAttention2 doesn't seem to be installed.")
