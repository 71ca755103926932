"""An assumption instead of a counter: only by name, never taken for a measurement."""

from __future__ import annotations

from dataclasses import replace

import pytest

from layerprof.energy.base import SourceError
from layerprof.energy.sources import DeviceAsked, estimated_source
from layerprof.energy.sources.estimate import _DESIGNS
from layerprof.errors import InputError
from layerprof.testing.energy import SimulatedDevice

CPU = DeviceAsked(type="cpu", name="a processor")


@pytest.mark.parametrize("spec", ["estimate:65", "estimate:65W", "estimate: 65 w", "estimate:65.0"])
def test_watts_become_joules_by_time_whatever_runs(spec: str) -> None:
    device = SimulatedDevice(idle_w=10.0)
    source = estimated_source(spec, CPU, clock=device)
    start_j = source.read_j()

    device.run(power_w=300.0, seconds=2.0)
    device.sleep_s(2.0)

    assert source.read_j() - start_j == pytest.approx(65.0 * 4.0)


def test_it_is_estimated_and_says_what_is_assumed() -> None:
    source = estimated_source("estimate:65", CPU, clock=SimulatedDevice())

    assert source.facts.kind == "estimated"
    assert source.facts.domain == "cpu_package"
    assert [note.code for note in source.facts.notes] == ["estimated"]
    assert "65 W" in source.facts.notes[0].text
    assert source.facts.facts["assumption"] == "65 W, as the caller said"
    assert source.state().temperature_c is None
    source.close()


@pytest.mark.parametrize(
    ("name", "watts"),
    [
        ("Tesla V100-SXM2-16GB", 300.0),
        ("NVIDIA A100-SXM4-80GB", 400.0),
        ("NVIDIA A100 80GB PCIe", 300.0),
        ("NVIDIA H100 80GB HBM3", 700.0),
        ("NVIDIA H200", 700.0),
        ("NVIDIA GeForce RTX 4090", 450.0),
    ],
)
def test_a_vendors_power_is_taken_from_the_table_with_its_source(name: str, watts: float) -> None:
    device = SimulatedDevice()
    source = estimated_source("estimate:tdp", DeviceAsked(type="cuda", name=name), clock=device)

    device.sleep_s(1.0)

    assert source.read_j() == pytest.approx(watts)
    assert source.facts.domain == "gpu_board"
    assert "https://" in source.facts.facts["assumption"]


@pytest.mark.parametrize(
    "name", ["NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA H100 80GB HBM3 MIG 1g.10gb", "a processor"]
)
def test_a_device_that_is_not_quite_in_the_table_is_not_in_it(name: str) -> None:
    with pytest.raises(InputError, match=r'no vendor.*"estimate:65"'):
        estimated_source("estimate:tdp", DeviceAsked(type="cuda", name=name), clock=SimulatedDevice())


@pytest.mark.parametrize(
    "spec",
    [
        "estimate",
        "estimate:",
        "estimate:-5",
        "estimate:0",
        "estimate:nan",
        "estimate:inf",
        "estimate:x",
        "estimate:-nan",
        "estimate:-inf",
        "estimate:+65",
        "estimate:1e3",
        "estimate:0.0",
        "estimate:-0",
        "estimate: ",
        "estimate:W",
        "estimate:65:66",
        "estimate:65 kW",
        "estimate:\u0666\u0665",  # digits, and none that anyone means
        "estimate:0.0000001",
        "estimate:1" + 300 * "0",
        "estimate:1" + 400 * "0",
        "",
        ":65",
        "65",
        "guess:65",
    ],
)
def test_what_says_no_watts_is_refused_in_one_line(spec: str) -> None:
    with pytest.raises(InputError, match="estimate:65") as error:
        estimated_source(spec, CPU, clock=SimulatedDevice())

    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("type_", "domain"), [("cpu", "cpu_package"), ("cuda", "gpu_board")])
def test_the_domain_is_that_of_the_device(type_: str, domain: str) -> None:
    source = estimated_source("estimate:65", DeviceAsked(type=type_, name="a device"), clock=SimulatedDevice())

    assert source.facts.domain == domain


def test_findings_about_one_estimate_are_never_those_of_another() -> None:
    gpu = DeviceAsked(type="cuda", name="NVIDIA H100 80GB HBM3", uuid="one", index=0)
    asked = [
        ("estimate:700", gpu),
        ("estimate:tdp", gpu),
        ("estimate:700.25", gpu),
        ("estimate:700.250001", gpu),
        ("estimate:700", replace(gpu, name="NVIDIA H200")),
        ("estimate:700", replace(gpu, uuid="other")),
        ("estimate:700", replace(gpu, uuid=None, index=1)),
        ("estimate:700", CPU),
    ]

    identities = [estimated_source(spec, of, clock=SimulatedDevice()).facts.identity for spec, of in asked]
    again = estimated_source("estimate:700W", gpu, clock=SimulatedDevice()).facts.identity

    assert len(set(identities)) == len(asked)
    assert again == identities[0]


def test_what_was_closed_gives_no_joules() -> None:
    source = estimated_source("estimate:65", CPU, clock=SimulatedDevice())

    source.close()
    source.close()

    with pytest.raises(SourceError, match="closed"):
        source.read_j()


def test_every_entry_of_the_table_has_its_page() -> None:
    assert all(design.source.startswith("https://") and design.watts > 0.0 for design in _DESIGNS)
