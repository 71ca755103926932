"""What went wrong in a cell, as a kind: from exceptions, and from how a process ended."""

from __future__ import annotations

import signal

import pytest
import torch

from layerprof.errors import InputError, MeasurementError, UnavailableError
from layerprof.records import FailureKind
from layerprof.sweeping.base.failures import failure_of
from layerprof.sweeping.isolation.base import Ending
from layerprof.sweeping.isolation.endings import failure_after, last_words, note_after

CUDA_TEXT = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 139.00 GiB"
CPU_TEXT = "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes. Error code 12"
NO_FLASH = "Blip2ForConditionalGeneration does not support Flash Attention 2.0 yet. Please request to add support"
NO_PACKAGE = "FlashAttention2 has been toggled on, but it cannot be used due to: flash_attn seems to be not installed"

SEGV_LOG = """loading
Fatal Python error: Segmentation fault

Current thread 0x00007f (most recent call first):
  File "/usr/lib/python3.11/ctypes/__init__.py", line 519 in string_at
  File "/home/user/model.py", line 7 in forward
"""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (torch.OutOfMemoryError(CUDA_TEXT), "oom_cuda"),
        (RuntimeError(CUDA_TEXT), "oom_cuda"),
        (RuntimeError("CUDA error: out of memory"), "oom_cuda"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), "oom_cuda"),
        (MemoryError(), "oom_host"),
        (RuntimeError(CPU_TEXT), "oom_host"),
        (OSError(12, "Cannot allocate memory"), "oom_host"),
        (InputError("there is no dtype 'int3'"), "invalid"),
        (UnavailableError("no weights"), "unavailable"),
        (ImportError(NO_PACKAGE), "unavailable"),
        (ValueError(NO_FLASH), "unsupported"),
        (ValueError('Specified `attn_implementation="x"` is not supported'), "unsupported"),
        (NotImplementedError("Could not run 'aten::mm' with arguments from the 'Meta' backend"), "unsupported"),
        (RuntimeError("\"addmm_impl_cpu_\" not implemented for 'Half'"), "unsupported"),
        (ValueError("this model is out of luck"), "exception"),
        (SystemExit(3), "exception"),
    ],
)
def test_an_exception_has_its_kind(error: BaseException, kind: FailureKind) -> None:
    assert failure_of(error).kind == kind


@pytest.mark.parametrize(
    ("cause", "kind"), [(torch.OutOfMemoryError(CUDA_TEXT), "oom_cuda"), (MemoryError(), "oom_host")]
)
def test_the_cause_of_an_error_tells_its_kind(cause: Exception, kind: FailureKind) -> None:
    error = MeasurementError("the model's forward raised")
    middle = RuntimeError("a layer failed")
    middle.__cause__, error.__cause__ = cause, middle

    assert failure_of(error).kind == kind


def test_want_of_memory_is_told_even_where_the_error_around_it_has_a_kind() -> None:
    error = UnavailableError("the weights could not be read")
    error.__cause__ = MemoryError("no room")

    assert failure_of(error).kind == "oom_host"


@pytest.mark.parametrize("wrapper", ["calling 'm:build' failed: why", "importing 'm' failed: why"])
@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (NotImplementedError("no kernel"), "unsupported"),
        (MemoryError(), "oom_host"),
        (torch.OutOfMemoryError(CUDA_TEXT), "oom_cuda"),
        (ImportError(NO_PACKAGE), "unavailable"),
        (UnavailableError("no weights"), "unavailable"),
        (ValueError("wrong"), "exception"),
        (AttributeError("no such thing"), "exception"),
        (ModuleNotFoundError("No module named 'x'"), "invalid"),
        (InputError("there is no dtype 'int3'"), "invalid"),
    ],
)
def test_an_error_of_the_users_module_has_the_kind_of_what_it_raised(wrapper: str, cause: Exception, kind: str) -> None:
    error = InputError(wrapper)
    error.__cause__ = cause

    failure = failure_of(error)

    assert failure.kind == kind
    assert failure.text.startswith(wrapper)


def test_a_name_that_the_users_module_has_not_is_invalid() -> None:
    error = InputError("no module 'm' in /here or among the installed packages")
    error.__cause__ = ModuleNotFoundError("No module named 'm'")

    assert failure_of(error).kind == failure_of(InputError("module 'm' has no 'build'")).kind == "invalid"


def test_causes_that_go_round_in_a_circle_are_looked_at_once() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first

    assert failure_of(first).text == "ValueError: first"


def test_a_text_is_one_line_with_the_class_of_what_is_not_ours() -> None:
    assert failure_of(KeyError("a\nb")).text == r"KeyError: 'a\nb'"
    assert failure_of(ValueError("two\nlines")).text == "ValueError: two lines"
    assert failure_of(InputError("correct the call")).text == "correct the call"
    assert failure_of(MemoryError()).text.startswith("MemoryError; use a smaller batch")


def test_a_long_text_is_cut() -> None:
    text = failure_of(ValueError("x" * 10_000)).text

    assert len(text) == 600
    assert text.endswith("…")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (-signal.SIGKILL, "crash"),
        (-signal.SIGSEGV, "segv"),
        (-signal.SIGBUS, "segv"),
        (-signal.SIGABRT, "crash"),
        (-signal.SIGTERM, "crash"),
        (-signal.SIGRTMIN, "crash"),
        (1, "crash"),
        (139, "crash"),
        (0, "crash"),
        (None, "worker_lost"),
    ],
)
def test_an_end_without_a_result_has_its_kind(status: int | None, kind: FailureKind) -> None:
    failure = failure_after(Ending(status=status))

    assert failure.kind == kind
    assert "; " in failure.text  # what helps


def test_a_limit_that_we_kept_is_no_crash() -> None:
    timeout = failure_after(
        Ending(status=-signal.SIGKILL, stop="timeout", limit_s=3600.0, phase="time", done=3, total=9)
    )
    hang = failure_after(Ending(status=-signal.SIGTERM, stop="hang", limit_s=900.0, phase="build", log=SEGV_LOG))

    assert timeout.kind == "timeout"
    assert "longer than 3600 s and was stopped while it did: time 3 of 9" in timeout.text
    assert hang.kind == "hang"
    assert "no sign of life for 900 s and was stopped while it did: build" in hang.text


def test_a_kill_is_of_memory_with_evidence_alone() -> None:
    peak_bytes = 3 * 2**30
    without = failure_after(Ending(status=-9, peak_bytes=peak_bytes))
    little = failure_after(Ending(status=-9, peak_bytes=peak_bytes, free_bytes=2 * peak_bytes))
    counted = failure_after(Ending(status=-9, peak_bytes=peak_bytes, free_bytes=2 * peak_bytes, oom_kills=1))
    much = failure_after(Ending(status=-9, peak_bytes=peak_bytes, free_bytes=2**30 * 7 // 2))

    assert [failure.kind for failure in (without, little, counted, much)] == ["crash", "crash", "oom_host", "oom_host"]
    assert "killed by signal 9 from outside" in little.text
    assert "it had 3.00 GiB at most of the 6.00 GiB that it could have" in little.text
    assert "the control group counts 1 more killed for want of memory" in counted.text
    assert "3.00 GiB at most of the 3.50 GiB" in much.text


def test_a_server_that_did_not_start_is_a_lost_worker() -> None:
    failure = failure_after(Ending(status=None, stop="start", limit_s=300.0, server="it ended with status -9"))

    assert failure.kind == "worker_lost"
    assert failure.text.startswith("the process with the imports did not start within 300 s")


def test_a_full_disk_is_no_crash() -> None:
    failure = failure_after(Ending(status=0, full="/runs/work/a"))

    assert failure.kind == "unavailable"
    assert failure.text.startswith("no space left in /runs/work/a")


def test_an_allocator_that_ends_the_process_tells_in_the_log() -> None:
    assert failure_after(Ending(status=1, log="terminate called: std::bad_alloc\n")).kind == "oom_host"


def test_the_last_words_are_the_place_of_a_crash_or_the_last_line() -> None:
    assert last_words(SEGV_LOG) == "Fatal Python error: Segmentation fault, in string_at (__init__.py:519)"
    assert last_words("one\ntwo\n\n") == "two"
    assert last_words("") == "it said nothing"


def test_an_end_after_a_result_is_noted_unless_it_was_well() -> None:
    assert note_after(Ending(status=0)) is None
    for ending, words in [
        (Ending(status=9), "ended with exit status 9"),
        (Ending(status=-11), "was ended by SIGSEGV"),
        (Ending(status=None), "was lost with its server"),
        (Ending(status=-15, stop="teardown"), "had to be stopped"),
    ]:
        note = note_after(ending)
        assert note is not None
        assert note.code == "crashed_after"
        assert words in note.text
