"""Vendor peaks: by families of names, dense, with a source for each; and of CPUs from instruction sets and clock."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from layerprof import machine
from layerprof.errors import UnavailableError
from layerprof.machine import Processor, peaks_of_cpu, peaks_of_gpu
from layerprof.machine.peaks import cpus, this_processor

TERA, GIGA = 1e12, 1e9
FORMATS = {"float64", "float32", "tf32", "bfloat16", "float16", "float8_e4m3fn", "float8_e4m3fnuz", "int8"}


def families() -> list[dict[str, Any]]:
    table = tomllib.loads((resources.files("layerprof.machine.peaks") / "gpus.toml").read_text(encoding="utf-8"))
    return [dict(family) for family in table["gpu"]]


@pytest.mark.parametrize(
    ("name", "dtype", "tflops", "gb_per_s"),
    [
        ("NVIDIA H100 80GB HBM3", "bfloat16", 1979 / 2, 3350),
        ("NVIDIA H100 PCIe", "bfloat16", 1513 / 2, 2000),
        ("NVIDIA H100 NVL", "float8_e4m3fn", 3341 / 2, 3900),
        ("NVIDIA H200", "float8_e4m3fn", 3958 / 2, 4800),
        ("NVIDIA H200 NVL", "bfloat16", 1671 / 2, 4800),
        ("NVIDIA GH200 480GB", "bfloat16", 1979 / 2, 4000),
        ("NVIDIA GH200 144G HBM3e", "bfloat16", 1979 / 2, 4900),
        ("NVIDIA B200", "bfloat16", 4500 / 2, 7700),
        ("NVIDIA GB200", "bfloat16", 5000 / 2, 8000),
        ("NVIDIA A100-SXM4-80GB", "float16", 312, 2039),
        ("NVIDIA A100-SXM4-40GB", "tf32", 156, 1555),
        ("A100-SXM4-40GB", "float64", 19.5, 1555),
        ("NVIDIA A100-PCIE-40GB", "int8", 624, 1555),
        ("NVIDIA A100 80GB PCIe", "bfloat16", 312, 1935),
        ("Tesla V100-SXM2-16GB", "float16", 125, 900),
        ("Tesla V100-SXM3-32GB", "float16", 125, 900),
        ("Tesla V100-DGXS-32GB", "float16", 125, 900),
        ("Tesla P100-SXM2-16GB", "float16", 21.2, 732),
        ("Tesla P100-PCIE-12GB", "float32", 9.3, 549),
        ("Tesla V100-PCIE-32GB", "float32", 14, 900),
        ("Tesla T4", "float16", 65, 320),
        ("NVIDIA A2", "bfloat16", 18, 200),
        ("NVIDIA A10", "bfloat16", 125, 600),
        ("NVIDIA A10G", "bfloat16", 70, 600),
        ("NVIDIA A30", "bfloat16", 165, 933),
        ("NVIDIA A40", "bfloat16", 149.7, 696),
        ("NVIDIA RTX A6000", "bfloat16", 154.8, 768),
        ("NVIDIA L4", "float16", 242 / 2, 300),
        ("NVIDIA L40", "float16", 362.1 / 2, 864),
        ("NVIDIA L40S", "float16", 362.05, 864),
        ("NVIDIA RTX 6000 Ada Generation", "float8_e4m3fn", 1457 / 2, 960),
        ("NVIDIA GeForce RTX 3090", "float16", 71, 936),
        ("NVIDIA GeForce RTX 4090", "float16", 165.2, 1008),
        ("NVIDIA GeForce RTX 5090", "float16", 209.5, 1792),
        ("AMD Instinct MI210", "float16", 181, 1638.4),
        ("AMD Instinct MI250X", "bfloat16", 383 / 2, 3276.8 / 2),
        ("AMD Instinct MI300X", "bfloat16", 1307.4, 5300),
    ],
)
def test_a_drivers_name_finds_its_dense_peaks(name: str, dtype: str, tflops: float, gb_per_s: float) -> None:
    peaks = peaks_of_gpu(name)

    assert (peaks.kind, peaks.device) == ("vendor", name)
    assert peaks.matrix_flops_per_s[dtype] == pytest.approx(tflops * TERA, rel=1e-3)
    assert peaks.copy_bytes_per_s == pytest.approx(gb_per_s * GIGA)
    assert peaks.source.startswith("https://")


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 3090 Ti",
        "NVIDIA H800",
        "NVIDIA A100X",
        "NVIDIA A40-48Q",
        "NVIDIA L400",
        "Quadro RTX 6000",
        "NVIDIA A100-SXM-64GB",
        "NVIDIA A100",
        "NVIDIA H100",
        "A card of tomorrow",
        "",
    ],
)
def test_a_name_of_no_family_has_no_peaks(name: str) -> None:
    with pytest.raises(UnavailableError, match="no family in the table"):
        peaks_of_gpu(name)


@pytest.mark.parametrize(
    ("name", "stated"), [("NVIDIA H100 PCIe", "float8_e4m3fn"), ("AMD Instinct MI300X", "float8_e4m3fnuz")]
)
def test_the_other_format_of_8_bit_floats_has_the_same_peak(name: str, stated: str) -> None:
    rates = peaks_of_gpu(name).matrix_flops_per_s

    assert rates[stated.replace("e4m3fnuz", "e5m2fnuz").replace("e4m3fn", "e5m2")] == rates[stated]


def test_a_gpu_without_8_bit_floats_has_no_peak_in_any_format_of_them() -> None:
    assert not [dtype for dtype in peaks_of_gpu("NVIDIA A100-SXM4-80GB").matrix_flops_per_s if "float8" in dtype]


def test_a_slice_of_a_gpu_has_no_peaks_and_says_why() -> None:
    with pytest.raises(UnavailableError, match=r"1g.*a slice of a GPU"):
        peaks_of_gpu("NVIDIA H100 80GB HBM3 MIG 1g.10gb")


def test_every_family_has_a_source_a_bandwidth_and_known_formats() -> None:
    for family in families():
        assert re.fullmatch(r"https://\S+", family["source"]), family
        assert family["memory_gb_per_s"] > 0, family
        assert family["tflops"].keys() <= FORMATS, family


def test_half_the_bits_are_at_least_as_fast_which_a_rate_with_sparsity_would_break() -> None:
    for family in families():
        rates = family["tflops"]
        half = rates["float16"]
        assert rates.get("bfloat16", half) == half, family
        assert rates["float32"] < half, family
        assert rates.get("tf32", rates["float32"]) <= 1.02 * half / 2, family  # documents round each rate by itself
        eight = [rates[dtype] for dtype in rates if dtype.startswith("float8") or dtype == "int8"]
        assert all(half <= rate <= 4.1 * half for rate in eight), family


def processor(*flags: str, name: str = "A processor", cores: int = 2, clock_hz: float | None = 3e9) -> Processor:
    return Processor(name=name, flags=frozenset(flags), cores=cores, clock_hz=clock_hz)


AVX2 = ("sse2", "avx", "avx2", "fma")


@pytest.mark.parametrize(
    ("flags", "dtype", "flops_per_cycle"),
    [
        (("sse2",), "float32", 4 + 4),  # four adds beside four multiplies
        (("sse2", "avx"), "float64", 4 + 4),
        (AVX2, "float32", 2 * 8 * 2),  # two units of eight multiply-adds
        ((*AVX2, "avx512f"), "float32", 2 * 16 * 2),
        ((*AVX2, "avx512f", "avx512_bf16"), "bfloat16", 2 * 16 * 2 * 2),
        ((*AVX2, "avx512f", "avx512_fp16"), "float16", 2 * 32 * 2),
        ((*AVX2, "avx512f", "avx512_vnni"), "int8", 2 * 64 * 2),
        ((*AVX2, "avx512f", "avx512_bf16", "amx_tile", "amx_bf16"), "bfloat16", 16 * 16 * 32 * 2 // 16),
        (("amx_tile", "amx_int8"), "int8", 16 * 16 * 64 * 2 // 16),  # a product of tiles takes 16 cycles
    ],
)
def test_the_best_instruction_set_times_cores_times_clock(
    flags: tuple[str, ...], dtype: str, flops_per_cycle: int
) -> None:
    peaks = peaks_of_cpu(processor(*flags, cores=3, clock_hz=2e9))

    assert peaks.matrix_flops_per_s[dtype] == flops_per_cycle * 3 * 2e9


@pytest.mark.parametrize(
    "name",
    [
        "Intel(R) Xeon(R) Silver 4114 CPU @ 2.20GHz",
        "Intel(R) Core(TM) i7-1065G7 CPU @ 1.30GHz",
        "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz",
        "11th Gen Intel(R) Core(TM) i9-11900K @ 3.50GHz",
        "AMD EPYC 9654 96-Core Processor",
        "AMD EPYC 4564P 16-Core Processor",
        "AMD Ryzen 9 7950X",
    ],
)
def test_a_processor_with_one_wide_unit_does_half_in_it(name: str) -> None:
    one_unit = peaks_of_cpu(processor(*AVX2, "avx512f", "avx512_bf16", name=name))
    two_units = peaks_of_cpu(processor(*AVX2, "avx512f", "avx512_bf16", name="Intel(R) Xeon(R) Platinum 8480+"))

    for dtype in ("float32", "float64", "bfloat16"):
        assert 2 * one_unit.matrix_flops_per_s[dtype] == two_units.matrix_flops_per_s[dtype]


@pytest.mark.parametrize("model", ["10900X", "10920X", "10940X", "10980XE"])
def test_a_core_of_the_tenth_generation_for_workstations_has_two_wide_units(model: str) -> None:
    name = f"Intel(R) Core(TM) i9-{model} CPU @ 3.70GHz"

    peaks = peaks_of_cpu(processor(*AVX2, "avx512f", name=name, cores=1, clock_hz=1.0))

    assert peaks.matrix_flops_per_s["float32"] == 2 * 16 * 2


def test_a_cpu_has_no_peak_in_a_format_that_it_does_not_multiply_nor_a_bandwidth() -> None:
    peaks = peaks_of_cpu(processor(*AVX2))

    assert set(peaks.matrix_flops_per_s) == {"float32", "float64"}
    assert peaks.copy_bytes_per_s is None


def test_without_a_clock_there_are_no_peaks_and_the_reason_is_told() -> None:
    with pytest.raises(UnavailableError, match="clock"):
        peaks_of_cpu(processor(*AVX2, clock_hz=None))


def test_instruction_sets_that_are_not_in_the_table_have_no_peaks() -> None:
    with pytest.raises(UnavailableError, match="instruction sets"):
        peaks_of_cpu(processor("asimd"))


def test_the_clock_is_the_systems_or_else_the_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    highest = tmp_path / "cpuinfo_max_freq"
    monkeypatch.setattr(cpus, "_HIGHEST_CLOCK", highest)

    named = this_processor(name="Intel(R) Xeon(R) CPU E5-2680 v3 @ 2.50GHz", cores=1)
    unknown = this_processor(name="Intel(R) Xeon(R) Processor", cores=1)
    highest.write_text("3300000\n")
    told = this_processor(name="Intel(R) Xeon(R) CPU E5-2680 v3 @ 2.50GHz", cores=1)

    assert (named.clock_hz, unknown.clock_hz, told.clock_hz) == (2.5e9, None, 3.3e9)


def test_threads_of_one_core_do_not_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda *, logical: 8 if logical else 4)

    assert this_processor(name="any", cores=8).cores == 4
    assert this_processor(name="any", cores=3).cores == 3


def test_a_device_of_another_kind_has_no_peaks() -> None:
    assert machine.vendor_peaks(torch.device("meta")) is None
    with pytest.raises(UnavailableError, match="only CPUs and CUDA devices"):
        machine.required_peaks(torch.device("meta"))


def test_peaks_of_this_machines_cpu_are_there_or_their_absence_has_a_reason() -> None:
    cpu = torch.device("cpu")

    peaks = machine.vendor_peaks(cpu)

    if peaks is None:
        with pytest.raises(UnavailableError, match="peaks of"):
            machine.required_peaks(cpu)
    else:
        assert peaks.matrix_flops_per_s["float32"] > 0
