"""Where runs are measured: the facts that decide whose results may be compared, under an id that they alone decide.

    cpu      environment_of_cpu()                               versions, processor, cores, threads, label, variables
    others   probe() ─▶ a fresh process ─▶ environment_of()      beside them the device, its driver and its power limit

A host's name, a device's index and the time are no facts: the same kind of machine gives the same environment. As a
program, ``python -m layerprof.sweeping.environments cuda``, it prints the devices of a kind as JSON.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from layerprof.errors import UnavailableError
from layerprof.host import cpu_type, difference
from layerprof.names import kind_of_device
from layerprof.records import FrozenMapping
from layerprof.sweeping.base import EnvironmentKey
from layerprof.sweeping.base.facts import IsolationAsked, facts_of_host

__all__ = [
    "FoundDevice",
    "IsolationAsked",
    "Probed",
    "difference",
    "environment_id",
    "environment_of",
    "environment_of_cpu",
    "main",
    "probe",
]

_ID_DIGITS = 16
_PROBE_S = 120.0  # importing torch and waking a driver takes seconds; a driver that hangs takes for ever
_MODULE = "layerprof.sweeping.environments"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDevice:
    """A device that is there.

    Attributes:
        device: as torch names it in this process's view, such as ``cuda:0``.
        device_type: its name as the driver gives it.
        environment: of the runs that are measured on it.
    """

    device: str
    device_type: str
    environment: EnvironmentKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """The devices of one kind.

    Attributes:
        devices: in torch's order; none where there is none.
        reason: why there is none, in one line; "" where there are some.
    """

    devices: tuple[FoundDevice, ...]
    reason: str = ""


def environment_id(facts: Mapping[str, str]) -> str:
    """The beginning of the SHA-256 of the facts in canonical JSON, whatever their order."""
    canonical = json.dumps(dict(facts), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]


def environment_of_cpu(*, isolation: IsolationAsked) -> EnvironmentKey:
    """The environment of runs on this machine's processor, found in a few milliseconds without torch.

    Args:
        isolation: ``process`` where each run has a process of its own; ``inline`` where it is this process.

    Limits:
        A cell's own number of threads is one of its settings, not of its environment. Frequency limits and power plans
        of the processor are not looked at.
    """
    return _key({**facts_of_host(isolation), "device": "cpu", "device_type": cpu_type()})


def environment_of(device: str, *, isolation: IsolationAsked) -> EnvironmentKey:
    """The environment of runs on a device; for any but a CPU it loads torch and wakes the driver.

    Args:
        device: such as ``cpu`` or ``cuda:1``.
        isolation: as for `environment_of_cpu`.

    Raises:
        UnavailableError: when there is no such device here.
    """
    kind = kind_of_device(device)
    if kind == "cpu":
        return environment_of_cpu(isolation=isolation)
    index = int(device.partition(":")[2] or 0)
    if index >= _count_of(kind):
        raise UnavailableError(f"device {device!r} was asked for and is not here: {_reason_for_none(kind)}")
    return _key({**facts_of_host(isolation), **_facts_of_accelerator(kind, index)})


def probe(kind: str, *, isolation: IsolationAsked = "process", timeout_s: float = _PROBE_S) -> Probed:
    """The devices of a kind that this machine has, asked in a fresh process: torch is loaded there and not here.

    Args:
        kind: such as ``cuda``; ``cpu`` is answered here at once.
        isolation: as for `environment_of_cpu`.
        timeout_s: after which the driver is held to hang.

    Raises:
        UnavailableError: when the process fails or does not answer.
    """
    if kind == "cpu":
        key = environment_of_cpu(isolation=isolation)
        return Probed(devices=(FoundDevice(device="cpu", device_type=key.facts["device_type"], environment=key),))
    command = (sys.executable, "-P", "-m", _MODULE, kind, isolation)
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout_s
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"asking for {kind} devices took longer than {timeout_s:.0f} s; see whether nvidia-smi answers"
        ) from error
    if done.returncode:
        last = next((line.strip() for line in reversed(done.stderr.splitlines()) if line.strip()), "it said nothing")
        raise UnavailableError(f"asking for {kind} devices ended with exit status {done.returncode}: {last}")
    return _from_json(done.stdout)


def main(arguments: list[str]) -> None:
    """Writes the devices of a kind to standard output as JSON, the last line of it.

    Args:
        arguments: the kind, then, if not ``process``, the isolation.
    """
    kind = arguments[0]
    isolation: IsolationAsked = "inline" if arguments[1:] == ["inline"] else "process"
    found = [environment_of(f"{kind}:{index}", isolation=isolation) for index in range(_count_of(kind))]
    devices = [
        {"device": f"{kind}:{index}", "device_type": key.facts["device_type"], "facts": dict(key.facts)}
        for index, key in enumerate(found)
    ]
    content = {"devices": devices, "reason": "" if devices else _reason_for_none(kind)}
    sys.stdout.write(json.dumps(content) + "\n")


def _from_json(text: str) -> Probed:
    content = json.loads(text.strip().splitlines()[-1])  # libraries may have written lines before
    devices = tuple(
        FoundDevice(device=each["device"], device_type=each["device_type"], environment=_key(each["facts"]))
        for each in content["devices"]
    )
    return Probed(devices=devices, reason=content["reason"])


def _key(facts: Mapping[str, str]) -> EnvironmentKey:
    return EnvironmentKey(id=environment_id(facts), facts=FrozenMapping(facts))


def _count_of(kind: str) -> int:
    import torch

    found = torch.accelerator.current_accelerator(check_available=True)
    return torch.accelerator.device_count() if found is not None and found.type == kind else 0


def _reason_for_none(kind: str) -> str:
    import torch

    return f"torch {torch.__version__} finds {_count_of(kind)} {kind} devices on this machine"


def _facts_of_accelerator(kind: str, index: int) -> dict[str, str]:
    """What is known of a device; of one that is not CUDA's only its kind."""
    if kind != "cuda":
        return {"device": kind, "device_type": kind}
    import torch

    properties = torch.cuda.get_device_properties(index)
    return {
        "device": kind,
        "device_type": torch.cuda.get_device_name(index),
        "memory_bytes": str(properties.total_memory),
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
        **_facts_of_board(str(getattr(properties, "uuid", ""))),
    }


def _facts_of_board(uuid: str) -> dict[str, str]:
    """What NVML tells of the board with that UUID, never of one by its index; nothing where it does not answer."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no bindings, no driver, or one of another version: then there is nothing to be told
        return {}
    try:
        facts = {"driver": _words(pynvml.nvmlSystemGetDriverVersion())}
        board = pynvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}")
        return {**facts, "power_limit_w": f"{pynvml.nvmlDeviceGetEnforcedPowerLimit(board) / 1000.0:.0f}"}
    except pynvml.NVMLError:
        return {}
    finally:
        pynvml.nvmlShutdown()


def _words(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


if __name__ == "__main__":
    main(sys.argv[1:])
