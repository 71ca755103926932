"""What went wrong, as a kind that a sweep can count, retry and show.

An exception is told by the names of its classes and by its message, so nothing heavy is imported to know it: torch's
``OutOfMemoryError`` is known without torch.

Limits:
    Libraries say "no" in words, which change. What is not recognised is an ``exception``, with its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from layerprof.records import CellFailure, FailureKind

_MOST_CHARACTERS = 600  # of a failure's text: a run's file has 20 kB for all it holds

_MESSAGES: tuple[tuple[FailureKind, re.Pattern[str]], ...] = (
    (
        "oom_cuda",
        re.compile(
            r"(CUDA|HIP) out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED|cudaErrorMemoryAlloc"
        ),
    ),
    ("oom_host", re.compile(r"DefaultCPUAllocator|[Cc]annot allocate memory|[Cc]an't allocate memory|std::bad_alloc")),
    (
        "unavailable",
        re.compile(
            r"FlashAttention.{0,200}(not installed|doesn't seem to be installed)|flash_attn seems to be not installed|"
            r"No working C\+\+ compiler|Cannot find a working triton|Python\.h: No such file|"
            r"(Dynamo|torch\.compile) (is )?not supported on Python",
            re.DOTALL,
        ),
    ),
    (
        "unsupported",
        re.compile(
            r"No viable backend for scaled_dot_product_attention|No available kernel\. Aborting execution|"
            r"does not support (an attention implementation|Flash ?Attention|SDPA)|attn_implementation|"
            r"FlashAttention only supports|not implemented for '\w+'|Flash Attention.{0,80}only support",
        ),
    ),
)
_CLASSES: dict[str, FailureKind] = {
    "OutOfMemoryError": "oom_cuda",
    "MemoryError": "oom_host",
    "InputError": "invalid",
    "UnavailableError": "unavailable",
    "NotImplementedError": "unsupported",
}
_WRAPPERS = re.compile(r"(calling|importing) '[^']*' failed: ")  # the models room's words around a user's own error
_OF_THE_USERS_NAME = ("ModuleNotFoundError",)  # a name that there is not: the settings are at fault
_OUT_OF_MEMORY: tuple[FailureKind, ...] = ("oom_cuda", "oom_host")
REMEDIES: dict[str, str] = {
    "oom_cuda": "use a smaller batch, a shorter input or a smaller dtype, or a device with more memory",
    "oom_host": "use a smaller batch, a shorter input or a smaller dtype, or a machine with more memory",
    "segv": "look at the end of its log; a library or an extension is at fault, so try another version of it",
    "crash": "look at the end of its log",
    "timeout": "give the plan a longer timeout_s, or the cell less work",
    "hang": "look at its log for where it stood, or give the plan a longer hang_s if a single step takes that long",
    "worker_lost": "the run is tried again where there is a worker",
}
"""What helps, by the kind of failure; kinds that are not here have their remedy in the message."""


def failure_of(error: BaseException) -> CellFailure:
    """The failure that an exception of a cell stands for.

    Errors that it was raised from are looked at too: a measurement that ended because the device had no memory left is
    a failure of memory, whatever error it was wrapped in. An error of the user's own module has the kind of what the
    module raised.
    """
    links = tuple(_chain(error))
    kinds = [(None if _wraps(link) else _kind_of(link), link) for link in links]
    found = [pair for pair in kinds if pair[0] in _OUT_OF_MEMORY] or [pair for pair in kinds if pair[0] is not None]
    if not found:
        return CellFailure(kind="exception", text=_text_of(error))
    kind, link = found[0]
    remedy = REMEDIES[kind] if kind in _OUT_OF_MEMORY else ""
    link = next((other for other in links[: links.index(link)] if _wraps(other)), link)  # it says whose error it is
    return CellFailure(kind=str(kind), text="; ".join(filter(None, (_text_of(link), remedy))))


def failure(kind: FailureKind, text: str) -> CellFailure:
    """A failure with what helps against it.

    Args:
        kind: of the failure.
        text: what was seen, without a full stop.
    """
    return CellFailure(kind=kind, text="; ".join(filter(None, (one_line(text), REMEDIES.get(kind, "")))))


def one_line(text: str) -> str:
    """The text without line breaks, cut where it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _MOST_CHARACTERS else flat[: _MOST_CHARACTERS - 1] + "…"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it was raised from."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__


def _wraps(error: BaseException) -> bool:
    """Whether it says no more than that importing or calling what is the user's failed, and the cause says why."""
    cause = error.__cause__
    if cause is None or type(cause).__name__ in _OF_THE_USERS_NAME or type(error).__name__ != "InputError":
        return False
    return _WRAPPERS.match(str(error)) is not None


def _kind_of(error: BaseException) -> FailureKind | None:
    for cls in type(error).__mro__:
        if cls.__name__ in _CLASSES:
            return _CLASSES[cls.__name__]
    message = str(error)
    return next((kind for kind, pattern in _MESSAGES if pattern.search(message)), None)


def _text_of(error: BaseException) -> str:
    """The message; with the class's name where it is not ours, whose messages are whole sentences."""
    text, name = one_line(str(error)), type(error).__name__
    is_ours = any(cls.__name__ == "LayerprofError" for cls in type(error).__mro__)
    return text if is_ours and text else one_line(f"{name}: {text}" if text else name)
