"""What of this machine and its user's settings changes a result: the facts of an environment that need no device.

Versions, processor, cores, quota, threads, niceness, and the variables that libraries take their orders from. Names of
places and of logs are none: they differ from user to user, and change nothing.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from typing import Literal

from layerprof.host import cpu_name, cpu_quota, default_threads, usable_cores, version_of

IsolationAsked = Literal["inline", "process"]

_PACKAGES = ("layerprof", "torch", "transformers")
_KERNEL_PACKAGES = ("flash-attn", "triton", "kernels")  # facts where they are installed: then libraries take them
_ABSENT = "none"

_CHANGES_SPEED = re.compile(
    r"LD_PRELOAD|LD_LIBRARY_PATH|GLIBC_TUNABLES|PYTHON(MALLOC|DEVMODE|OPTIMIZE)|USE_HUB_KERNELS|NVIDIA_TF32_OVERRIDE|"
    r"CUDA_(LAUNCH_BLOCKING|DEVICE_MAX_CONNECTIONS|MODULE_LOADING)|"
    r"(MALLOC|DNNL|ONEDNN|MKL|OMP|GOMP|KMP|ATEN|PYTORCH|TRITON)_.*|(TORCH|CUBLAS|OPENBLAS).*"
)
_CHANGES_NOTHING = re.compile(
    r"(?!LD_LIBRARY_PATH$).*_(HOME|DIR|PATH|FILE|LOGS?|LOGS_FORMAT|LOG_LEVEL|OUT|TRACE)|"
    r"CUBLAS(LT)?_LOG.*|TORCHELASTIC_.*|TORCH_SHOW_CPP_STACKTRACES"
)
_SET_BY_ISOLATION = frozenset({"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"})


def facts_of_host(isolation: IsolationAsked) -> dict[str, str]:
    """The facts by name, found in a few milliseconds without torch.

    Args:
        isolation: ``process`` where each run has a process of its own, for which numbers of threads are set: there the
            fact ``threads`` says what a cell has that asks for none, the user's own number where there is one;
            ``inline`` where it is this process, with the variables as they are.
    """
    return {
        **{name: version_of(name) or _ABSENT for name in _PACKAGES},
        **{name: version for name in _KERNEL_PACKAGES if (version := version_of(name)) is not None},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cores": str(usable_cores()),
        **dict(_limits()),
        **({"threads": str(default_threads())} if isolation == "process" else {}),
        "isolation": isolation,
        **_variables(isolation),
    }


def _limits() -> Iterator[tuple[str, str]]:
    """What holds this process back, and so those that it starts; nothing where nothing does."""
    quota = cpu_quota()
    if quota is not None:
        yield "cpu_quota", f"{quota:.2f}"
    niceness = os.getpriority(os.PRIO_PROCESS, 0) if hasattr(os, "getpriority") else 0
    if niceness:
        yield "niceness", str(niceness)


def _variables(isolation: IsolationAsked) -> dict[str, str]:
    """The variables that change speed, as far as they are set."""
    ignored = _SET_BY_ISOLATION if isolation == "process" else frozenset[str]()
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if _CHANGES_SPEED.fullmatch(name) and not _CHANGES_NOTHING.fullmatch(name) and name not in ignored
    }
