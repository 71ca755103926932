"""NVML's sources on a fake ``pynvml``: which board, what it says of itself, and what readings do when it stumbles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import pynvml
import pytest
import torch

from layerprof.energy.base import EnergySource, PolledEnergy, ShowsPower, SourceError, SourceFacts, Sources
from layerprof.energy.sources import DeviceAsked, device_asked, nvml, pci_bus_id, sources_of
from layerprof.energy.sources.nvml import handles, periods, readings, states
from layerprof.testing.energy import CounterModel, PowerModel, SimulatedCounter, SimulatedDevice, SimulatedPower
from layerprof.testing.energy import nvml as fake
from layerprof.testing.energy.nvml import FakeBoard, FakeNvml

UUID = "01234567-89ab-cdef-0123-456789abcdef"
ASKED = DeviceAsked(type="cuda", uuid=UUID, index=0, name="a GPU")
FACTS = SourceFacts(name="simulated", domain="gpu_board", device="simulated", identity="simulated")


class Setup:
    """A board on a simulated device that draws 300 W at work and 80 W at rest."""

    def __init__(self, **attributes: object) -> None:
        self.device = SimulatedDevice(idle_w=80.0)
        self.device.run(power_w=300.0, seconds=2.0)
        self.counter = SimulatedCounter(self.device, CounterModel(tick_s=0.1), FACTS)
        sensor = SimulatedPower(self.device, PowerModel(publish_s=0.1, boxcar_s=0.025))
        self.board = FakeBoard(**({"energy": self.counter, "power": sensor} | attributes))  # type: ignore[arg-type]
        self.module = FakeNvml([self.board])

    def sources(self, asked: DeviceAsked = ASKED) -> Sources:
        return sources_of(asked, clock=self.device, pynvml=self.module)


@contextmanager
def closing(sources: Sources) -> Iterator[tuple[EnergySource, ...]]:
    try:
        yield sources.energy
    finally:
        for source in sources.energy:
            source.close()


def names_of(sources: Sources) -> tuple[list[str], list[tuple[str, str]]]:
    return [source.facts.name for source in sources.energy], [(r.name, r.code) for r in sources.refusals]


def test_a_board_has_its_counter_first_and_its_instant_power_second() -> None:
    setup = Setup()

    with closing(setup.sources()) as (energy, power):
        assert energy.facts.name == "nvml_energy"
        assert energy.facts.poll_s is None
        assert isinstance(power, PolledEnergy)
        assert isinstance(power, ShowsPower)
        assert power.facts.poll_s == pytest.approx(0.1 / 4)  # four in each published value
        assert power.facts.averaged_s == 0.025
        assert {energy.facts.domain, power.facts.domain} == {"gpu_board"}
        assert energy.facts.identity != power.facts.identity


def test_the_counters_joules_are_the_devices() -> None:
    setup = Setup()

    with closing(setup.sources()) as (energy, _):
        first_j = energy.read_j()
        setup.device.run(power_w=300.0, seconds=10.0)

        counted_j = energy.read_j() - first_j

    assert counted_j == pytest.approx(3000.0, abs=300.0 * 0.1)  # to within a tick


def test_power_is_summed_between_readings() -> None:
    setup = Setup()
    setup.device.run(power_w=300.0, seconds=1.0)

    with closing(setup.sources()) as (_, power):
        first_j = power.read_j()
        for _ in range(40):
            setup.device.run(power_w=300.0, seconds=0.05)
            last_j = power.read_j()

    assert last_j - first_j == pytest.approx(600.0, rel=1e-3)


def test_the_average_over_a_second_is_never_asked_for() -> None:
    setup = Setup()

    with closing(setup.sources()) as sources:
        for source in sources:
            source.read_j()

    assert "nvmlDeviceGetFieldValues" in setup.module.called
    assert "nvmlDeviceGetPowerUsage" not in setup.module.called


@pytest.mark.parametrize(
    "uuid",
    [
        UUID,
        f"GPU-{UUID}",
        f"gpu-{UUID}",
        f"GPU-{UUID}".encode() + b"\0\0",
        f"{UUID}\0rest",
        bytes.fromhex(UUID.replace("-", "")),
    ],
)
def test_a_board_is_found_by_its_uuid_however_it_is_written(uuid: str | bytes) -> None:
    setup = Setup()

    with closing(setup.sources(DeviceAsked(type="cuda", uuid=uuid))) as (energy, _):
        assert energy.facts.facts["uuid"] == f"GPU-{UUID}"
        assert energy.facts.device == f"NVIDIA H100 80GB HBM3, GPU-{UUID}"


def test_a_board_whose_uuid_is_unknown_is_found_by_its_place_on_the_bus_never_by_its_index() -> None:
    first, second = Setup(uuid="GPU-first"), Setup(uuid="GPU-second", pci_bus_id="00000000:5E:00.0")
    module = FakeNvml([first.board, second.board])
    by_bus = DeviceAsked(type="cuda", uuid="other", pci_bus_id="00000000:5e:00.0", index=0)
    by_nothing = DeviceAsked(type="cuda", index=0)

    found = sources_of(by_bus, clock=second.device, pynvml=module)
    lost = sources_of(by_nothing, clock=second.device, pynvml=module)

    assert found.energy[0].facts.facts["uuid"] == "GPU-second"
    assert lost.energy == ()
    assert "neither a UUID nor a PCI bus id" in lost.refusals[0].text


def test_a_bus_id_is_written_as_nvml_writes_it() -> None:
    assert pci_bus_id(0, 0x3B, 0) == "00000000:3B:00.0"
    assert pci_bus_id(None, 0x3B, 0) is None


def test_a_part_of_a_board_has_the_boards_joules_and_says_so() -> None:
    setup = Setup(parts=(f"MIG-{UUID}",), uuid="GPU-board", mig_mode=1)

    for uuid in (UUID, f"MIG-{UUID}"):
        with closing(setup.sources(DeviceAsked(type="cuda", uuid=uuid))) as (energy, power):
            assert energy.facts.facts["uuid"] == "GPU-board"
            assert [note.code for note in energy.facts.notes] == ["mig_shared"]
            assert [note.scope for note in power.facts.notes] == ["nvml_power"]


def test_a_part_by_its_older_name_leads_to_the_board() -> None:
    assert handles.uuids_of("MIG-GPU-ab-cd/1/0") == ("MIG-GPU-ab-cd/1/0", "GPU-ab-cd")


@pytest.mark.parametrize(("mode", "codes"), [(1, ["mig_shared"]), (0, []), (None, [])])
def test_a_board_in_parts_says_so_though_it_was_asked_for_whole(mode: int | None, codes: list[str]) -> None:
    with closing(Setup(mig_mode=mode).sources()) as (energy, _):
        assert [note.code for note in energy.facts.notes] == codes


def test_a_vgpu_has_no_counter_of_its_own() -> None:
    setup = Setup(virtualization=2)

    sources = setup.sources()

    assert names_of(sources) == ([], [("nvml_energy", "virtual_machine"), ("nvml_power", "virtual_machine")])
    assert setup.module.starts == setup.module.ends == 1


def test_a_board_that_hosts_virtual_gpus_is_shared() -> None:
    with closing(Setup(virtualization=3).sources()) as (energy, _):
        assert [note.code for note in energy.facts.notes] == ["virtual_machine"]


def test_facts_name_driver_limit_and_modes() -> None:
    with closing(Setup(virtualization=1).sources()) as (energy, power):
        facts = energy.facts

        assert dict(facts.facts) == {
            "name": "NVIDIA H100 80GB HBM3",
            "uuid": f"GPU-{UUID}",
            "driver": "580.65.06",
            "power limit": "700 W",
            "persistence mode": "on",
            "virtualization": "passthrough",
        }
        assert facts.limit_w == 700.0
        assert facts.sensor_rel == power.facts.sensor_rel == 0.05


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_every_start_of_nvml_has_its_end_whatever_is_closed_first_and_how_often(order: tuple[int, int]) -> None:
    setup = Setup()
    sources = setup.sources().energy

    sources[order[0]].close()
    sources[order[0]].close()
    assert sources[order[1]].read_j() >= 0.0  # NVML goes on for the one that is left
    assert setup.module.ends == 0

    sources[order[1]].close()
    assert setup.module.starts == setup.module.ends == 1


def test_nothing_that_is_kept_open_is_left_where_there_is_no_source() -> None:
    setup = Setup(energy=None, power=None)

    sources = setup.sources()

    assert names_of(sources) == ([], [("nvml_energy", "unsupported_device"), ("nvml_power", "unsupported_device")])
    assert setup.module.starts == setup.module.ends == 1


def test_a_board_without_a_counter_still_has_its_power() -> None:
    with closing(setup_sources := Setup(energy=None).sources()):
        assert names_of(setup_sources) == (["nvml_power"], [("nvml_energy", "unsupported_device")])


def test_where_only_the_module_has_a_sensor_the_domain_is_the_module() -> None:
    device = SimulatedDevice()
    sensor = SimulatedPower(device, PowerModel(publish_s=0.1, boxcar_s=0.02))
    setup = Setup(power=None, module_power=sensor, name="NVIDIA GH200 480GB")

    with closing(setup.sources()) as (energy, power):
        assert power.facts.domain == "gpu_module"
        assert energy.facts.domain == "gpu_board"
        assert [note.code for note in power.facts.notes] == ["module_scope"]


def test_the_gpus_own_sensor_goes_before_the_modules() -> None:
    module_sensor = SimulatedPower(SimulatedDevice(), PowerModel(publish_s=0.1, boxcar_s=0.02))

    with closing(Setup(module_power=module_sensor).sources()) as (_, power):
        assert power.facts.domain == "gpu_board"


def test_an_absurd_first_reading_is_thrown_away() -> None:
    device = SimulatedDevice(idle_w=4.0)
    device.sleep_s(1.0)
    sensor = SimulatedPower(device, PowerModel(publish_s=0.1, boxcar_s=0.1, first_w=593.0))

    sources = Setup(power=sensor).sources()
    power = sources.energy[1]
    power.read_j()

    assert isinstance(power, ShowsPower)
    assert power.last_w == 4.0


@pytest.mark.parametrize("fault", [{"zero_every": 3}, {"refused_every": 3}])
def test_a_reading_that_is_zero_or_refused_now_and_then_is_taken_again(fault: dict[str, int]) -> None:
    setup = Setup(**fault)

    with closing(setup.sources()) as (energy, power):
        for _ in range(20):
            setup.device.run(power_w=300.0, seconds=0.1)
            assert energy.read_j() > 600.0 - 300.0 * 0.1
            power.read_j()
            assert isinstance(power, ShowsPower)
            assert power.last_w is not None
            assert power.last_w > 250.0  # the device rests for 2 ms while it is waited for


def test_a_counter_that_stops_answering_is_an_error_with_a_code() -> None:
    setup = Setup(refused_from=20)

    with (
        closing(setup.sources()) as (energy, _),
        pytest.raises(SourceError, match=r"energy counter.*NotSupported") as error,
    ):
        for _ in range(20):
            energy.read_j()

    assert error.value.code == "unsupported_device"


def test_a_counter_that_says_zero_for_ever_is_refused() -> None:
    sources = Setup(zero_every=1).sources()

    assert names_of(sources) == ([], [("nvml_energy", "counter_frozen"), ("nvml_power", "counter_frozen")])


def test_a_lost_gpu_is_not_asked_again() -> None:
    setup = Setup()

    with closing(setup.sources()) as (energy, _):
        setup.board.is_lost = True
        before_ns = setup.device.now_ns()

        with pytest.raises(SourceError, match="GpuIsLost"):
            energy.read_j()

        assert setup.device.now_ns() == before_ns
        assert energy.state().temperature_c is None


def test_the_state_names_what_the_board_is_like() -> None:
    setup = Setup(reasons=0x1 | 0x2 | 0x4 | 0x40, compute=(os.getpid(), 7), graphics=(7, 8))

    with closing(setup.sources()) as (energy, power):
        state = energy.state()

        assert state == power.state()
        assert state.temperature_c == 41.0
        assert state.clock_hz == 1980e6
        assert state.throttle_reasons == ("sw_power_cap", "hw_thermal_slowdown")
        assert state.foreign_processes == 2  # 7 and 8, once each


def test_a_reason_without_a_name_is_shown_by_its_bit() -> None:
    assert states.reasons_in(0x1000) == ("reason_0x1000",)
    assert states.reasons_in(0x3) == ()


@pytest.mark.parametrize("how", ["missing", "unknown"])
def test_the_older_name_is_asked_where_the_newer_is_not_there(how: str) -> None:
    setup = Setup(reasons=0x8)
    newer = ["nvmlDeviceGetCurrentClocksEventReasons"]
    is_missing = how == "missing"
    setup.module = FakeNvml([setup.board], missing=newer if is_missing else (), unknown=() if is_missing else newer)

    with closing(setup.sources()) as (energy, _):
        assert energy.state().throttle_reasons == ("hw_slowdown",)


def test_what_cannot_be_read_of_the_state_is_none() -> None:
    setup = Setup()
    unknown = [name for name in dir(FakeNvml) if name.startswith("nvmlDeviceGet") and "Handle" not in name]
    setup.module = FakeNvml([setup.board], unknown=set(unknown) - {"nvmlDeviceGetTotalEnergyConsumption"})

    with closing(setup.sources()) as (energy,):
        state = energy.state()

        assert (state.temperature_c, state.clock_hz, state.foreign_processes) == (None, None, None)
        assert state.throttle_reasons == ()
        assert energy.facts.limit_w is None


def test_the_fake_refuses_names_without_a_version_as_the_real_module_does(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "nvmlDeviceGetComputeRunningProcesses"

    def lacking(function: str) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)

    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer", lacking)

    with pytest.raises(pynvml.NVMLLibraryMismatchError):
        getattr(pynvml, name)(None)
    with pytest.raises(fake.NVMLLibraryMismatchError):
        getattr(FakeNvml(unknown=[f"{name}_v3"]), name)(None)

    assert pynvml.NVMLLibraryMismatchError.__mro__[1] is fake.NVMLLibraryMismatchError.__mro__[1] is Exception


def test_an_older_driver_lists_its_processes_by_its_own_version() -> None:
    setup = Setup(compute=(os.getpid(), 7), graphics=(8,))
    newest = [f"nvmlDeviceGet{kind}RunningProcesses_v3" for kind in ("Compute", "Graphics")]
    setup.module = FakeNvml([setup.board], unknown=newest)

    with closing(setup.sources()) as (energy, _):
        assert energy.state().foreign_processes == 2


def test_a_driver_that_lists_no_processes_in_any_version_leaves_the_rest_of_the_state() -> None:
    setup = Setup()
    lists = [f"nvmlDeviceGet{kind}RunningProcesses" for kind in ("Compute", "Graphics")]
    setup.module = FakeNvml([setup.board], unknown=[f"{name}_v{version}" for name in lists for version in (2, 3)])

    with closing(setup.sources()) as (energy, _):
        state = energy.state()

    assert (state.foreign_processes, state.temperature_c) == (None, 41.0)


def test_a_text_that_is_no_text_is_left_out() -> None:
    setup = Setup()

    def garbled() -> str:
        return b"\xff".decode()

    setattr(setup.module, "nvmlSystemGetDriverVersion", garbled)  # noqa: B010 - the fake has it as a method

    with closing(setup.sources()) as (energy, _):
        assert "driver" not in energy.facts.facts


def test_what_was_closed_gives_no_joules_even_while_nvml_goes_on() -> None:
    setup = Setup()
    sources = setup.sources().energy
    setup.module.nvmlInit()  # another's
    for source in sources:
        source.close()
        source.close()
    setup.module.called.clear()

    for source in sources:
        with pytest.raises(SourceError, match=f"{source.facts.name} cannot be read: it was closed"):
            source.read_j()
        assert source.state().temperature_c is None

    assert setup.module.called == set()
    assert setup.module.ends == 1


@pytest.mark.parametrize(
    ("pids", "is_seen", "strangers"),
    [((5,), True, 0), ((5, 6), True, 1), ((6,), True, 1), ((6,), False, 0), ((5, 6), False, 1), ((), False, 0)],
)
def test_this_process_is_no_stranger_also_where_a_container_hides_its_number(
    pids: tuple[int, ...], is_seen: bool, strangers: int
) -> None:
    setup = Setup(compute=pids)
    process = states.ThisProcess(pid=5, is_seen_by_pid=is_seen)

    sources = nvml.nvml_sources(ASKED, clock=setup.device, module=setup.module, process=process)

    with closing(sources) as (energy, _):
        assert energy.state().foreign_processes == strangers


@pytest.mark.parametrize("name", ["nvmlDeviceGetFieldValues", "NVML_FI_DEV_POWER_INSTANT"])
def test_an_old_module_of_the_same_name_is_refused_with_the_remedy(name: str) -> None:
    setup = Setup()
    setup.module = FakeNvml([setup.board], missing=[name])

    sources = setup.sources()

    assert [refusal.code for refusal in sources.refusals] == ["unsupported_device"] * 2
    assert all(name in refusal.text and "pip install nvidia-ml-py" in refusal.text for refusal in sources.refusals)
    assert setup.module.starts == 0


def test_without_a_driver_there_is_a_reason_and_nothing_is_raised() -> None:
    module = FakeNvml(start_fails="LibraryNotFound")

    sources = sources_of(ASKED, clock=SimulatedDevice(), pynvml=module)

    assert names_of(sources)[0] == []
    assert all("LibraryNotFound" in refusal.text and "\n" not in refusal.text for refusal in sources.refusals)


def test_a_board_that_may_not_be_asked_is_a_matter_of_permission() -> None:
    sources = sources_of(ASKED, clock=SimulatedDevice(), pynvml=FakeNvml(start_fails="NoPermission"))

    assert [refusal.code for refusal in sources.refusals] == ["permission", "permission"]
    assert all("/dev/nvidia*" in refusal.text and "\n" not in refusal.text for refusal in sources.refusals)


def test_a_board_that_may_not_be_asked_by_its_uuid_is_not_one_that_there_is_not() -> None:
    setup = Setup(is_forbidden=True)
    asked = DeviceAsked(type="cuda", uuid=UUID, pci_bus_id="00000000:99:00.0")

    sources = setup.sources(asked)

    assert [refusal.code for refusal in sources.refusals] == ["permission", "permission"]
    assert "NVIDIA_DRIVER_CAPABILITIES=utility" in sources.refusals[0].text


def test_a_board_that_may_not_be_asked_by_its_uuid_is_found_by_its_place_on_the_bus() -> None:
    asked = DeviceAsked(type="cuda", uuid=UUID, pci_bus_id="00000000:3B:00.0")

    with closing(Setup(is_forbidden=True).sources(asked)) as (energy, _):
        assert energy.facts.device.endswith("00000000:3B:00.0")


def refused_by_nvml() -> Iterator[Sources]:
    yield Setup(energy=None, power=None).sources()
    yield Setup(zero_every=1).sources()
    yield Setup(virtualization=2).sources()
    yield Setup(is_lost=True).sources()
    yield Setup().sources(DeviceAsked(type="cuda", index=0))
    yield Setup().sources(DeviceAsked(type="cuda", uuid="other"))
    for module in (FakeNvml(missing=["nvmlInit"]), *(FakeNvml(start_fails=name) for name in fake._CODE_OF_NAME)):
        yield sources_of(ASKED, clock=SimulatedDevice(), pynvml=module)


def test_refusals_say_what_was_found_and_why_in_one_line() -> None:
    refusals = [refusal for sources in refused_by_nvml() for refusal in sources.refusals]

    assert refusals
    for refusal in refusals:
        what, _, why = refusal.text.partition(": ")
        assert what
        assert why
        assert "\n" not in refusal.text


@pytest.mark.parametrize("name", ["NoPermission", "DriverNotLoaded", "LibraryNotFound", "FunctionNotFound"])
def test_refusals_that_have_a_remedy_end_with_it(name: str) -> None:
    sources = sources_of(ASKED, clock=SimulatedDevice(), pynvml=FakeNvml(start_fails=name))

    assert all(refusal.text.partition(f"NVML says {name}; ")[2] for refusal in sources.refusals)


@pytest.mark.parametrize(
    ("architecture", "name", "counter_s", "power_s", "averaged_s"),
    [
        (5, "Tesla V100-SXM2-16GB", 0.02, 0.02, 0.01),
        (6, "Tesla T4", 0.1, 0.1, 0.1),
        (7, "NVIDIA A100-SXM4-80GB", 0.1, 0.1, 0.025),
        (7, "NVIDIA A10", 0.1, 0.1, 0.1),
        (8, "NVIDIA GeForce RTX 4090", 0.1, 0.1, 0.1),
        (8, "NVIDIA GeForce RTX 4090 Laptop GPU", 0.1, 0.5, None),
        (9, "NVIDIA H100 80GB HBM3", 0.1, 0.1, 0.025),
        (9, "NVIDIA GH200 480GB", None, 0.1, 0.02),
        (9, "NVIDIA H200", None, None, None),
        (10, "NVIDIA B200", None, None, None),
        (None, "a GPU", None, None, None),
    ],
)
def test_periods_are_those_that_were_published(
    architecture: int | None, name: str, counter_s: float | None, power_s: float | None, averaged_s: float | None
) -> None:
    found = periods.periods_of(architecture, name)

    assert (found.counter_s, found.power_s, found.averaged_s) == (counter_s, power_s, averaged_s)


def test_a_sensor_of_which_nothing_is_published_is_still_polled() -> None:
    with closing(Setup(name="NVIDIA H200").sources()) as (energy, power):
        assert energy.facts.nominal_tick_s is power.facts.nominal_tick_s is None
        assert power.facts.poll_s is not None


def test_the_fake_has_the_names_and_codes_of_the_real_module() -> None:
    functions = {name for name in dir(FakeNvml) if name.startswith("nvml")}
    asked = set(states._REASONS + states._TEMPERATURES).union(*states._PROCESSES)

    assert [name for name in functions | asked if not hasattr(pynvml, name)] == []
    assert FakeNvml.NVML_FI_DEV_POWER_INSTANT == pynvml.NVML_FI_DEV_POWER_INSTANT
    for code, name in fake._NAME_OF_CODE.items():
        assert type(pynvml.NVMLError(code)).__name__ == f"NVMLError_{name}"


def test_bits_and_members_are_those_of_the_real_module() -> None:
    reasons = {
        bit: getattr(pynvml, f"nvmlClocksThrottleReason{''.join(word.capitalize() for word in word_of.split('_'))}")
        for bit, word_of in states._REASON_OF_BIT.items()
    }

    assert all(bit == real for bit, real in reasons.items())
    assert (
        pynvml.nvmlClocksEventReasonGpuIdle | pynvml.nvmlClocksEventReasonApplicationsClocksSetting
    ) == states._NO_REASONS
    members = {name for name, _ in pynvml.c_nvmlValue_t._fields_}
    assert set(readings._MEMBER_OF_TYPE.values()) == members
    assert (readings.GPU_SCOPE, readings.MODULE_SCOPE) == (pynvml.NVML_POWER_SCOPE_GPU, pynvml.NVML_POWER_SCOPE_MODULE)


def test_the_real_module_without_a_driver_gives_refusals() -> None:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        sources = sources_of(ASKED, clock=SimulatedDevice())

        assert names_of(sources)[0] == []
        assert {refusal.code for refusal in sources.refusals} == {"unsupported_device"}
    else:
        pynvml.nvmlShutdown()
        pytest.skip("this machine has a driver")


def test_counter_and_power_move_at_their_own_pace() -> None:
    laptop = Setup(name="NVIDIA GeForce RTX 4090 Laptop GPU", architecture=8)

    with closing(laptop.sources()) as (energy, power):
        assert (energy.facts.nominal_tick_s, power.facts.nominal_tick_s) == (0.1, 0.5)


@dataclass(frozen=True, kw_only=True)
class Properties:
    """Of a CUDA device, as torch gives them."""

    name: str = "NVIDIA H100 80GB HBM3"
    uuid: str | None = UUID
    pci_domain_id: int = 0
    pci_bus_id: int = 0x3B
    pci_device_id: int = 0


def test_torch_says_what_a_device_is_found_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Properties())
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)

    asked = device_asked(torch.device("cuda"))

    assert asked == DeviceAsked(
        type="cuda", uuid=UUID, pci_bus_id="00000000:3B:00.0", index=1, name="NVIDIA H100 80GB HBM3"
    )
    assert device_asked(torch.device("cpu"), name="a processor") == DeviceAsked(type="cpu", name="a processor")


def test_a_torch_that_knows_no_ids_leaves_them_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(name="a GPU"))

    asked = device_asked(torch.device("cuda", 0))

    assert (asked.uuid, asked.pci_bus_id) == (None, None)
