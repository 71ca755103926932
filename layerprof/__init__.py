"""layerprof tells which layer of a PyTorch model spends the time, the FLOPs and the memory, and closes the books.

Importing this package loads nothing heavy; every public name is imported on first use.
"""

from __future__ import annotations

__version__ = "0.1.0"
