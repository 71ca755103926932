"""What the doctor says of counters: which there are, why not, and with ``--energy`` what they are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch

from layerprof.cli import doctor
from layerprof.cli.doctor import ceilings, counters
from layerprof.cli.doctor.base import failure_text
from layerprof.cli.main import main
from layerprof.energy import EnergySource, Load, Refusal, Sources
from layerprof.energy.qualification import forget_counters
from layerprof.energy.sources import DeviceAsked, sources_of
from layerprof.errors import MeasurementInterruptedError, UnavailableError
from layerprof.testing.energy import PRESETS, SimulatedDevice, SimulatedLoad
from layerprof.testing.energy.nvml import FakeNvml

MakeLoads = Callable[[], tuple[Load, Load]]


@pytest.fixture(autouse=True)
def _no_findings_of_others() -> Iterator[None]:
    forget_counters()
    yield
    forget_counters()


class Counted:
    """A source that knows whether it was closed."""

    def __init__(self, source: EnergySource) -> None:
        self.source, self.closed = source, 0
        self.facts = source.facts

    def read_j(self) -> float:
        return self.source.read_j()

    def state(self) -> object:
        return self.source.state()

    def close(self) -> None:
        self.closed += 1


def trial_on(
    monkeypatch: pytest.MonkeyPatch,
    sources: Sources,
    device: SimulatedDevice,
    *,
    make_loads: MakeLoads | None = None,
) -> None:
    def loads() -> tuple[Load, Load]:
        return SimulatedLoad(device, power_w=300.0, call_s=0.002), SimulatedLoad(device, power_w=180.0, call_s=0.002)

    trial = counters.Trial(device="cuda:0", sources=sources, make_loads=make_loads or loads, clock=device)
    monkeypatch.setattr(counters, "trials", lambda: iter((trial,)))
    monkeypatch.setattr(doctor, "_facts", lambda: iter(()))
    monkeypatch.setenv("COLUMNS", "200")


def sources_on(device: SimulatedDevice, preset: str) -> tuple[Sources, list[Counted]]:
    sensors = PRESETS[preset].build(device, seed=3)
    found = [Counted(source) for source in (sensors.energy, sensors.power) if source is not None]
    return Sources(energy=tuple(found)), found  # type: ignore[arg-type]  # its state is the source's own


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_every_source_and_every_refusal_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    device = SimulatedDevice()
    sources, counted = sources_on(device, "hopper")
    refusal = Refusal(name="nvml_other", code="permission", text="not yours; ask")
    monkeypatch.setattr(
        counters,
        "trials",
        lambda: iter(
            [
                counters.Trial(
                    device="cuda:0",
                    sources=Sources(energy=sources.energy, refusals=(refusal,)),
                    make_loads=lambda: pytest.fail("no load was asked for"),
                    clock=device,
                )
            ]
        ),
    )

    facts = list(counters.counter_facts())

    assert [(what, found) for what, found, _ in facts] == [
        ("energy of cuda:0", found) for found in ("yes", "yes", "no")
    ]
    assert facts[0][2].startswith("simulated_energy")
    assert facts[2][2] == "nvml_other: [permission] not yours; ask"
    assert [one.closed for one in counted] == [1, 1]


@pytest.mark.parametrize(("found", "answer"), [("yes", "yes"), ("no", "no")])
def test_the_energy_pass_is_there_where_a_counter_is(monkeypatch: pytest.MonkeyPatch, found: str, answer: str) -> None:
    monkeypatch.setattr(doctor, "counter_facts", lambda: iter([("energy of cpu", found, "why")]))
    monkeypatch.setattr(doctor, "_sample_data", lambda: iter(()))
    monkeypatch.setattr(doctor, "_large_preset", lambda: ("", "", ""))

    facts = {what: answered for what, answered, _ in doctor._facts()}

    assert facts["pass energy"] == answer


def test_without_a_counter_the_refusals_are_printed_and_all_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = SimulatedDevice()
    asked = DeviceAsked(type="cuda", uuid="GPU-none")
    sources = sources_of(asked, clock=device, pynvml=FakeNvml(start_fails="LibraryNotFound"))
    trial_on(monkeypatch, sources, device, make_loads=lambda: pytest.fail("a load was made for no counter"))

    assert main(["doctor", "--energy"]) == 0

    output = capsys.readouterr().out
    assert "No counter of cuda:0" in output
    assert output.count("[unsupported_device]") == 2


def test_a_counter_is_tried_and_checked_against_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = SimulatedDevice(idle_w=80.0, seed=2)
    sources, counted = sources_on(device, "volta")
    trial_on(monkeypatch, sources, device)

    assert main(["doctor", "--energy"]) == 0

    rows = lines_of(capsys)
    assert ["verdict", "accepted;"] in [row[:2] for row in rows]
    assert ["linearity", "yes"] in [row[:2] for row in rows]
    assert ["two_sources", "yes"] in [row[:2] for row in rows]
    assert [one.closed for one in counted] == [1, 1]


def test_a_counter_that_is_not_to_be_believed_is_named_with_its_findings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = SimulatedDevice(idle_w=80.0, seed=2)
    sources, _ = sources_on(device, "laptop")
    trial_on(monkeypatch, Sources(energy=sources.energy[:1]), device)

    assert main(["doctor", "--energy"]) == 0

    rows = lines_of(capsys)
    assert ["verdict", "rejected"] in rows
    assert "finding" in [row[0] for row in rows if row]
    assert "linearity" not in [row[0] for row in rows if row]


def test_loads_that_cannot_be_made_are_a_line_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = SimulatedDevice()
    sources, counted = sources_on(device, "hopper")

    def make_loads() -> tuple[Load, Load]:
        raise UnavailableError("no memory is left on cuda:0")

    trial_on(monkeypatch, sources, device, make_loads=make_loads)

    assert main(["doctor", "--energy"]) == 0

    assert "not tried: no memory is left on cuda:0" in capsys.readouterr().out
    assert [one.closed for one in counted] == [1, 1]


def test_numbers_are_in_the_unit_that_their_name_ends_with() -> None:
    assert counters._amount(0.0125, "intercept_j") == "12.5 mJ"
    assert counters._amount(80.0, "power_w") == "80.0 W"
    assert counters._amount(1.25, "ratio") == "1.25"
    assert counters._amount(None, "ratio") == "–"


CUDA_TEXT = "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported.\nCompile with more."


@dataclass(frozen=True, kw_only=True)
class Properties:
    """Of a CUDA device, as torch gives them."""

    name: str = "a GPU"
    uuid: str = "none"


def two_gpus_of_which_the_first_fails(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def on_the_second(answer: object) -> Callable[[object], object]:
        def asked(device: object) -> object:
            index = device.index if isinstance(device, torch.device) else device
            if index == 0:
                raise error
            return answer

        return asked

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(torch.cuda, "mem_get_info", on_the_second((2**30, 2**31)))
    monkeypatch.setattr(torch.cuda, "get_device_properties", on_the_second(Properties()))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.parametrize("kind", [RuntimeError, torch.OutOfMemoryError, torch.AcceleratorError])
def test_a_gpu_that_cannot_be_used_is_a_line_and_the_next_is_told(
    monkeypatch: pytest.MonkeyPatch, kind: type[RuntimeError]
) -> None:
    two_gpus_of_which_the_first_fails(monkeypatch, kind(CUDA_TEXT))

    facts = list(doctor._devices())
    joules = [(what, found, detail) for what, found, detail in counters.counter_facts() if "cuda" in what]

    assert facts[1] == ("device cuda:0", "no", "CUDA error: out of memory")
    assert facts[2] == ("device cuda:1", "yes", "a GPU, 1.00 GiB free of 2.00 GiB")
    assert joules[0] == (
        "energy of cuda:0",
        "no",
        "cuda: [unsupported_device] cuda:0 cannot be asked: CUDA error: out of memory",
    )
    assert {what for what, _, _ in joules[1:]} == {"energy of cuda:1"}


def test_an_error_without_words_has_its_name() -> None:
    assert failure_text(torch.OutOfMemoryError()) == "OutOfMemoryError"


def test_an_interrupt_is_no_failing_device() -> None:
    with pytest.raises(KeyboardInterrupt):
        failure_text(MeasurementInterruptedError("interrupted"))


def test_a_gpu_that_fails_under_its_load_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = SimulatedDevice()
    sources, counted = sources_on(device, "hopper")

    def make_loads() -> tuple[Load, Load]:
        raise torch.OutOfMemoryError(CUDA_TEXT)

    trial_on(monkeypatch, sources, device, make_loads=make_loads)

    assert main(["doctor", "--energy"]) == 0

    output = capsys.readouterr().out
    assert "no, not tried: CUDA error: out of memory\n" in output
    assert "asynchronously" not in output
    assert [one.closed for one in counted] == [1, 1]


def test_ceilings_of_a_gpu_that_fails_are_a_line_and_the_next_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def measure(device: torch.device, formats: tuple[str, ...], *, is_shown: bool) -> None:
        asked.append(str(device))
        if device.index == 0:
            raise torch.OutOfMemoryError(CUDA_TEXT)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(ceilings, "_measure", measure)

    ceilings.print_ceilings(is_shown=False)

    assert asked == ["cpu", "cuda:0", "cuda:1"]
    assert capsys.readouterr().out == "\nceilings of cuda:0  no  CUDA error: out of memory\n"
