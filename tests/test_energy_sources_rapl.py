"""The processor's counters on a fake tree of the kernel's files: which zones add up, and why there may be none."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from layerprof.clock import SystemClock
from layerprof.energy.base import EnergySource, SourceError, Sources
from layerprof.energy.sources import DeviceAsked, sources_of
from layerprof.energy.sources.perf_events import SystemPerfEvents
from layerprof.testing.energy import SimulatedDevice
from layerprof.testing.energy.sysfs import FakePerfEvents, FakeSysfs

CPU = DeviceAsked(type="cpu", name="a processor")
IDLE_W = 50.0


@pytest.fixture
def device() -> SimulatedDevice:
    """A package that draws 50 W at rest; 100 J have been drawn already."""
    device = SimulatedDevice(idle_w=IDLE_W)
    device.sleep_s(2.0)
    return device


@pytest.fixture
def files(tmp_path: Path) -> FakeSysfs:
    files = FakeSysfs(tmp_path)
    files.processor()
    return files


def joules_of(device: SimulatedDevice, *, factor: float = 1.0, start_j: float = 0.0) -> Callable[[], float]:
    return lambda: start_j + factor * device.joules(device.now_ns())


def sources(files: FakeSysfs, *, system: str = "Linux", perf: FakePerfEvents | None = None) -> Sources:
    kernel = files.kernel(system=system, perf=perf)
    return sources_of(CPU, clock=SimulatedDevice(), root=files.root, kernel=kernel)


def only(found: Sources) -> EnergySource:
    (source,) = found.energy
    return source


def codes(found: Sources) -> dict[str, str]:
    return {refusal.name: refusal.code for refusal in found.refusals}


def counted_j(source: EnergySource, device: SimulatedDevice, *, power_w: float = 200.0, seconds: float = 3.0) -> float:
    before_j = source.read_j()
    device.run(power_w=power_w, seconds=seconds)
    return source.read_j() - before_j


def test_packages_are_counted_by_the_power_pmu_before_powercap(files: FakeSysfs, device: SimulatedDevice) -> None:
    files.intel(joules_of(device))
    files.pmu(cpumask="0,24")
    perf = FakePerfEvents({0: joules_of(device), 24: joules_of(device, factor=0.5)})

    source = only(sources(files, perf=perf))

    assert source.facts.name == "rapl_perf"
    assert source.facts.domain == "cpu_package"
    assert perf.opened == [(9, 0x02, 0), (9, 0x02, 24)]
    assert counted_j(source, device) == pytest.approx(600.0 * 1.5)


def test_the_counters_of_the_pmu_are_given_back_once(files: FakeSysfs, device: SimulatedDevice) -> None:
    files.pmu(cpumask="0-1")
    perf = FakePerfEvents({0: joules_of(device), 1: joules_of(device)})
    source = only(sources(files, perf=perf))

    source.close()
    source.close()

    assert perf.closed == [0, 1]
    with pytest.raises(SourceError, match="rapl_perf cannot be read: it was closed"):
        source.read_j()


def test_what_was_closed_is_not_read_by_a_descriptor_that_is_anothers_now(
    files: FakeSysfs, device: SimulatedDevice
) -> None:
    files.pmu()
    perf = FakePerfEvents({0: joules_of(device)})
    source = only(sources(files, perf=perf))

    source.close()
    perf.closed.clear()  # the number is given out again

    with pytest.raises(SourceError, match="closed"):
        source.read_j()


def test_a_counter_that_cannot_be_given_back_keeps_no_other(files: FakeSysfs, device: SimulatedDevice) -> None:
    files.pmu(cpumask="0-1")
    perf = FakePerfEvents({0: joules_of(device), 1: joules_of(device)})
    source = only(sources(files, perf=perf))
    perf.stuck.add(0)

    source.close()

    assert perf.closed == [1]


def test_files_are_not_read_after_closing(files: FakeSysfs, device: SimulatedDevice) -> None:
    files.intel(joules_of(device))
    source = only(sources(files))

    source.close()
    source.close()

    with pytest.raises(SourceError, match="rapl_powercap cannot be read: it was closed"):
        source.read_j()


def test_a_counter_that_goes_away_while_it_is_open_is_an_error(files: FakeSysfs, device: SimulatedDevice) -> None:
    files.pmu()
    perf = FakePerfEvents({0: joules_of(device)})
    source = only(sources(files, perf=perf))
    perf.closed.append(0)

    with pytest.raises(SourceError, match="does not answer any more: Bad file descriptor"):
        source.read_j()


def test_a_descriptor_that_gives_no_whole_count_is_an_error_of_the_system() -> None:
    reading, writing = os.pipe()
    os.close(writing)

    try:
        with pytest.raises(OSError, match="Input/output error"):
            SystemPerfEvents().read(reading)
    finally:
        os.close(reading)


def test_a_counter_that_was_opened_is_given_back_where_the_next_is_refused(files: FakeSysfs) -> None:
    files.pmu(cpumask="0,7")
    perf = FakePerfEvents({0: lambda: 0.0})

    found = sources(files, perf=perf)

    assert codes(found)["rapl_perf"] == "unsupported_device"
    assert perf.closed == [0]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_a_pmu_that_may_not_be_opened_is_refused_with_the_remedy(
    files: FakeSysfs, device: SimulatedDevice, code: int
) -> None:
    files.intel(joules_of(device))
    files.pmu()

    found = sources(files, perf=FakePerfEvents({}, refused=code))

    assert codes(found) == {"rapl_perf": "permission"}
    assert "perf_event_paranoid" in found.refusals[0].text
    assert only(found).facts.name == "rapl_powercap"


def test_a_pmu_that_counts_the_platform_alone_is_no_source(files: FakeSysfs) -> None:
    files.processor(is_virtual=True)
    files.pmu(events={"energy-psys": 0x05})  # as a virtual machine of 2025 shows it; it opens, and is always 0
    perf = FakePerfEvents({0: lambda: 0.0})

    found = sources(files, perf=perf)

    assert found.energy == ()
    assert perf.opened == []
    assert codes(found) == {"rapl_perf": "virtual_machine", "rapl_powercap": "virtual_machine"}


@pytest.mark.parametrize(("vendor", "opened"), [("AuthenticAMD", [0, 64]), ("GenuineIntel", [0, 8, 64])])
def test_dies_of_one_package_are_opened_once_where_all_show_the_package(
    files: FakeSysfs, vendor: str, opened: list[int]
) -> None:
    files.processor(vendor=vendor)
    files.pmu(cpumask="0,8,64")
    for cpu, package in ((0, 0), (8, 0), (64, 1)):
        files.package_of_cpu(cpu, package)
    perf = FakePerfEvents(dict.fromkeys((0, 8, 64), lambda: 0.0))

    sources(files, perf=perf)

    assert [cpu for _, _, cpu in perf.opened] == opened


@pytest.mark.parametrize(
    "broken", [("events/energy-pkg.scale", "?"), ("events/energy-pkg.unit", "Watts"), ("cpumask", "")]
)
def test_a_pmu_that_is_not_understood_is_no_source(files: FakeSysfs, broken: tuple[str, str]) -> None:
    files.pmu()
    files.write(f"sys/bus/event_source/devices/power/{broken[0]}", broken[1])

    found = sources(files, perf=FakePerfEvents({0: lambda: 0.0}))

    assert found.energy == ()
    assert codes(found)["rapl_perf"] == "unsupported_device"


def test_of_powercap_the_package_is_counted_once_and_nothing_inside_or_around_it(
    files: FakeSysfs, device: SimulatedDevice
) -> None:
    files.intel(joules_of(device))

    source = only(sources(files))

    assert source.facts.name == "rapl_powercap"
    assert source.facts.facts["zones"] == "package-0"
    assert counted_j(source, device) == pytest.approx(600.0, abs=1e-5)
    assert source.facts.limit_w == 250.0  # the short-term one: the long-term one is exceeded every day


def test_all_packages_add_up(files: FakeSysfs, device: SimulatedDevice) -> None:
    files.zone("intel-rapl:0", "package-0", joules=joules_of(device))
    files.zone("intel-rapl:1", "package-1", joules=joules_of(device, factor=0.25, start_j=4000.0))

    source = only(sources(files))

    assert counted_j(source, device) == pytest.approx(600.0 * 1.25, abs=1e-5)
    assert source.facts.limit_w is None


def test_a_processor_of_amd_has_its_package_counted(files: FakeSysfs, device: SimulatedDevice) -> None:
    files.amd(joules_of(device))

    assert counted_j(only(sources(files)), device) == pytest.approx(600.0, abs=1e-5)


@pytest.mark.parametrize(
    ("vendor", "second_start_j", "factor"),
    [
        ("GenuineIntel", 5000.0, 2.0),  # each die counts its own
        ("GenuineIntel", 0.0, 1.0),  # the counters agree: the same joules twice
        ("AuthenticAMD", 5000.0, 1.0),  # AMD's register is the package's on every die
    ],
)
def test_dies_add_up_unless_they_show_the_same_joules(
    files: FakeSysfs, device: SimulatedDevice, vendor: str, second_start_j: float, factor: float
) -> None:
    files.processor(vendor=vendor)
    files.zone("intel-rapl:0", "package-0-die-0", joules=joules_of(device))
    files.zone("intel-rapl:1", "package-0-die-1", joules=joules_of(device, start_j=second_start_j))

    source = only(sources(files))

    assert counted_j(source, device) == pytest.approx(600.0 * factor, abs=1e-5)
    assert ("counted once" in source.facts.facts) == (factor == 1.0)


def test_a_counter_that_starts_anew_goes_on(files: FakeSysfs, device: SimulatedDevice) -> None:
    range_j = 1000.0
    files.zone("intel-rapl:0", "package-0", joules=joules_of(device, start_j=850.0), range_uj=10**9 - 1)
    source = only(sources(files))
    start_j = source.read_j()

    for _ in range(10):  # 6000 J, six wraps
        device.run(power_w=200.0, seconds=3.0)
        last_j = source.read_j()

    assert last_j - start_j == pytest.approx(6 * range_j, abs=1e-4)


def test_the_facts_say_how_long_a_counter_takes_to_start_anew(files: FakeSysfs) -> None:
    files.zone("intel-rapl:0", "package-0", range_uj=65_536_000_000, limits_w=(128.0,))

    facts = only(sources(files)).facts

    assert facts.facts["wraps"].startswith("after 512 s at its limit of 128 W")
    assert facts.longest_unread_s == 512.0 / 2


def test_of_all_counters_that_are_added_up_the_one_that_starts_anew_first_counts(files: FakeSysfs) -> None:
    files.zone("intel-rapl:0", "package-0", range_uj=65_536_000_000, limits_w=(64.0, 128.0))
    files.zone("intel-rapl:1", "package-1", range_uj=65_536_000_000, limits_w=(64.0, 256.0))

    assert only(sources(files)).facts.longest_unread_s == 256.0 / 2  # at the highest of its limits


def test_without_a_limit_half_a_kilowatt_is_taken_and_said(files: FakeSysfs, device: SimulatedDevice) -> None:
    files.zone("intel-rapl:0", "package-0", range_uj=65_536_000_000)

    facts = only(sources(files)).facts

    assert facts.longest_unread_s == 65_536.0 / 500.0 / 2
    assert "500 W, as the zone states no limit" in facts.facts["wraps"]


def test_read_that_often_no_joules_are_lost_even_above_the_limit(files: FakeSysfs, device: SimulatedDevice) -> None:
    files.zone("intel-rapl:0", "package-0", joules=joules_of(device), range_uj=10**9 - 1, limits_w=(100.0,))
    source = only(sources(files))
    longest_s = source.facts.longest_unread_s
    assert longest_s is not None
    before_j = source.read_j()

    for _ in range(10):
        device.run(power_w=190.0, seconds=longest_s)
        last_j = source.read_j()

    assert last_j - before_j == pytest.approx(190.0 * 10 * longest_s, abs=1e-4)


def test_the_pmu_is_unwrapped_by_the_kernel_and_may_stay_unread(files: FakeSysfs, device: SimulatedDevice) -> None:
    files.pmu()

    assert only(sources(files, perf=FakePerfEvents({0: joules_of(device)}))).facts.longest_unread_s is None


def test_a_frozen_counter_stays_where_it_is(files: FakeSysfs, device: SimulatedDevice) -> None:
    files.zone("intel-rapl:0", "package-0", joules=lambda: 5.0)

    assert counted_j(only(sources(files)), device) == 0.0


def test_files_that_may_not_be_read_are_refused_with_the_command_that_helps(
    files: FakeSysfs, device: SimulatedDevice
) -> None:
    files.zone("intel-rapl:0", "package-0", joules=joules_of(device))
    files.unreadable.add(files.zone("intel-rapl:1", "package-1", joules=joules_of(device)))

    found = sources(files)

    assert found.energy == ()  # half of the packages would be half of the joules
    assert codes(found)["rapl_powercap"] == "permission"
    assert "sudo chmod a+r" in found.refusals[1].text
    assert "\n" not in found.refusals[1].text


def test_a_file_that_goes_away_is_an_error(files: FakeSysfs, device: SimulatedDevice) -> None:
    path = files.zone("intel-rapl:0", "package-0", joules=joules_of(device))
    source = only(sources(files))
    files.unreadable.add(path)

    with pytest.raises(SourceError, match="cannot be read") as error:
        source.read_j()

    assert error.value.code == "permission"


@pytest.mark.parametrize("missing", ["name", "max_energy_range_uj"])
def test_a_zone_with_a_file_missing_is_none(files: FakeSysfs, missing: str) -> None:
    path = files.zone("intel-rapl:0", "package-0")
    (path.parent / missing).unlink()

    assert codes(sources(files)) == {"rapl_perf": "no_powercap", "rapl_powercap": "no_powercap"}


def test_a_file_without_a_number_is_refused(files: FakeSysfs) -> None:
    path = files.zone("intel-rapl:0", "package-0")
    del files._joules[path]
    path.write_text("?\n")

    assert codes(sources(files))["rapl_powercap"] == "unsupported_device"


def test_zones_are_found_below_the_devices_too(files: FakeSysfs, device: SimulatedDevice) -> None:
    parent = "sys/devices/virtual/powercap/intel-rapl"
    files.zone("intel-rapl:0", "package-0", joules=joules_of(device), parent=parent)
    files.zone("intel-rapl:0:0", "core", joules=joules_of(device), parent=f"{parent}/intel-rapl:0")

    assert counted_j(only(sources(files)), device) == pytest.approx(600.0, abs=1e-5)


def test_a_counter_in_a_virtual_machine_is_there_with_a_note(files: FakeSysfs, device: SimulatedDevice) -> None:
    files.processor(is_virtual=True)
    files.zone("intel-rapl:0", "package-0", joules=joules_of(device))

    (note,) = only(sources(files)).facts.notes

    assert (note.code, note.quantity, note.scope) == ("virtual_machine", "energy", "rapl_powercap")


def test_without_any_counter_the_system_is_the_first_reason(files: FakeSysfs) -> None:
    files.processor(is_virtual=True)

    assert set(codes(sources(files, system="Darwin")).values()) == {"not_linux"}


def test_without_any_counter_a_virtual_machine_is_the_second_reason(files: FakeSysfs) -> None:
    files.processor(is_virtual=True)
    files.mask_powercap()

    assert set(codes(sources(files)).values()) == {"virtual_machine"}


@pytest.mark.parametrize(
    ("path", "text"),
    [(".dockerenv", ""), ("run/.containerenv", ""), ("proc/1/cgroup", "0::/kubepods/burstable/pod1"), (None, "")],
)
def test_without_any_counter_a_container_is_the_third_reason(files: FakeSysfs, path: str | None, text: str) -> None:
    if path is None:
        files.mask_powercap()
    else:
        files.write(path, text)

    assert set(codes(sources(files)).values()) == {"masked_in_container"}


def test_without_any_counter_and_any_reason_the_kernel_has_none(files: FakeSysfs) -> None:
    files.write("proc/1/cgroup", "0::/init.scope")

    found = sources(files)

    assert found.energy == ()
    assert codes(found) == {"rapl_perf": "no_powercap", "rapl_powercap": "no_powercap"}
    assert all(refusal.text for refusal in found.refusals)


@pytest.mark.parametrize("system", ["Linux", "Darwin", ""])
@pytest.mark.parametrize("is_virtual", [True, False])
@pytest.mark.parametrize("is_masked", [True, False])
def test_refusals_share_their_reason_and_end_with_what_helps(
    files: FakeSysfs, system: str, is_virtual: bool, is_masked: bool
) -> None:
    files.processor(is_virtual=is_virtual)
    if is_masked:
        files.mask_powercap()

    texts = [refusal.text for refusal in sources(files, system=system).refusals]

    whats, whys = zip(*(text.split(": ", 1) for text in texts), strict=True)
    assert whats == ("no power PMU", "no package in powercap")
    assert len(set(whys)) == 1
    assert all(whys[0].split("; "))
    assert len(whys[0].split("; ")) == 2


def test_a_machine_without_any_file_is_no_error(tmp_path: Path) -> None:
    assert sources(FakeSysfs(tmp_path)).energy == ()


def test_other_devices_have_no_counter_that_is_known() -> None:
    found = sources_of(DeviceAsked(type="mps"), clock=SimulatedDevice())

    assert found.energy == ()
    assert codes(found) == {"mps": "unsupported_device"}
    assert found.refusals[0].text == "no counter of a device of type mps: none is known; run on cpu or cuda"


def test_this_kernel_counts_an_event_of_its_own_or_says_why_not() -> None:
    """The system call itself, on the software event of the CPU's clock, which every Linux kernel has."""
    if platform.system() != "Linux":
        pytest.skip("performance events are Linux's")
    events, software, cpu_clock = SystemPerfEvents(), 1, 0  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK
    try:
        descriptor = events.open(software, cpu_clock, 0)
    except OSError as error:
        assert error.errno in (errno.EACCES, errno.EPERM, errno.ENOSYS, errno.ENODEV)
    else:
        first, second = events.read(descriptor), events.read(descriptor)
        events.close(descriptor)

        assert 0 <= first <= second


def test_an_event_that_there_is_not_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match=r"Errno") as error:
        SystemPerfEvents().open(2**31 - 1, 0, 0)

    assert error.value.errno in errno.errorcode


def test_here_there_is_a_counter_or_a_reason_and_never_a_number_out_of_nothing() -> None:
    found = sources_of(CPU, clock=SystemClock())

    if found.energy:
        for source in found.energy:
            source.close()
        pytest.skip("this machine has a counter")
    assert {refusal.name for refusal in found.refusals} == {"rapl_perf", "rapl_powercap"}
    possible = {
        "virtual_machine",
        "no_powercap",
        "masked_in_container",
        "permission",
        "not_linux",
        "unsupported_device",
    }
    assert set(codes(found).values()) <= possible
    if "hypervisor" in Path("/proc/cpuinfo").read_text().split():
        assert codes(found)["rapl_powercap"] == "virtual_machine"
