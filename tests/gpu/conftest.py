"""Everything in this folder needs a CUDA device, and is skipped where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of this folder; other folders' pass through here too where both are collected."""
    is_missing = not torch.cuda.is_available()
    for item in items:
        if _HERE not in item.path.parents:
            continue
        item.add_marker(pytest.mark.gpu)
        # What libraries warn of on other devices and in other versions is not what these tests are about.
        item.add_marker(pytest.mark.filterwarnings("default"))
        if is_missing:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
