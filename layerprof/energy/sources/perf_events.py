"""The kernel's performance events, by one system call that no library of Python has."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

# Of perf_event_open. Source: linux/arch/*/entry/syscalls and include/uapi/asm-generic/unistd.h.
_CALL_NUMBERS = {"x86_64": 298, "amd64": 298, "i386": 336, "i686": 336, "aarch64": 241, "riscv64": 241}
_ATTRIBUTES = struct.Struct("=IIQ48x")  # type, size, config; PERF_ATTR_SIZE_VER0 of 64 bytes, the rest 0: count, now
_COUNT = struct.Struct("=Q")
_EVERY_PROCESS, _NO_GROUP = -1, -1
_CLOSE_ON_EXEC = 8  # PERF_FLAG_FD_CLOEXEC
_IS_64_BIT = sys.maxsize > 2**32


class SystemPerfEvents:
    """Counters of this machine's kernel, each of one CPU and all of its processes.

    Source:
        perf_event_open(2).
    """

    def open(self, pmu_type: int, config: int, cpu: int) -> int:  # noqa: D102 - as `PerfEvents`
        number = _call_number(platform.machine())
        if number is None:
            raise OSError(errno.ENOSYS, f"the number of perf_event_open on {platform.machine()} is not known")
        attributes = ctypes.create_string_buffer(_ATTRIBUTES.pack(pmu_type, _ATTRIBUTES.size, config))
        call = ctypes.CDLL(None, use_errno=True).syscall
        call.restype = ctypes.c_long
        long = ctypes.c_long
        descriptor = call(
            long(number), attributes, long(_EVERY_PROCESS), long(cpu), long(_NO_GROUP), long(_CLOSE_ON_EXEC)
        )
        if descriptor < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return int(descriptor)

    def read(self, descriptor: int) -> int:  # noqa: D102 - as `PerfEvents`
        answer = os.read(descriptor, _COUNT.size)
        if len(answer) != _COUNT.size:  # the end of the file is how the kernel says that the counter is in error
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        count: int = _COUNT.unpack(answer)[0]
        return count

    def close(self, descriptor: int) -> None:  # noqa: D102 - as `PerfEvents`
        os.close(descriptor)


def _call_number(machine: str) -> int | None:
    name = machine.lower()
    if name in ("x86_64", "amd64") and not _IS_64_BIT:
        name = "i386"
    return _CALL_NUMBERS.get(name)
