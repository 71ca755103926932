"""What the doctor's parts share: a fact, and the devices there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Fact = tuple[str, str, str]  # what, yes or no or "", detail

YES, NO = "yes", "no"


def failure_text(error: RuntimeError) -> str:
    """Why a device did not do what was asked of it: the first line, as CUDA's errors go on for a page.

    Raises:
        KeyboardInterrupt: where that is what it is.
    """
    if isinstance(error, KeyboardInterrupt):  # an interrupted measurement is an error of both kinds
        raise error
    return str(error).strip().partition("\n")[0] or type(error).__name__


def all_devices() -> list[torch.device]:
    """The processor, and every CUDA device."""
    import torch

    return [torch.device("cpu"), *(torch.device("cuda", index) for index in range(torch.cuda.device_count()))]
