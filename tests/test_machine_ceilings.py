"""Measured ceilings: what is timed and how often, with a clock held in the hand, and the file that keeps them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs
import pytest
import torch

from layerprof import machine
from layerprof.errors import UnavailableError
from layerprof.machine import ceilings
from layerprof.machine.ceilings import Bench, ceilings_on, copies, kept_at, locking, measure_on, products, raised_on
from layerprof.records import Ceilings, FrozenMapping
from layerprof.testing import TICK_S, FakeClock

CPU = torch.device("cpu")
NOTHING: Callable[[], None] = lambda: None  # noqa: E731 (a value to hand over)
SMALL_WIDTHS = (8, 16)


@contextmanager
def precision_of(setting: Any, value: str) -> Iterator[None]:  # Any: torch's modules of settings have no common type
    before = setting.fp32_precision
    setting.fp32_precision = value
    try:
        yield
    finally:
        setting.fp32_precision = before


class SettlingClock(FakeClock):
    """A clock on which a tick passes whenever the device is waited for, so that any two readings around work differ."""

    def settle(self) -> None:
        self.advance_s(TICK_S)


def bench_with(
    clock: FakeClock,
    *,
    settle: Callable[[], None] = NOTHING,
    free_bytes: int | None = None,
    loads: Sequence[float] = (0.5,),
) -> Bench:
    """A device with one core; the loads follow one another, the last one stays."""
    left = list(loads)
    return Bench(
        device=CPU,
        name="a device",
        cpu="a processor",
        cores=1,
        settle=settle,
        available_bytes=lambda: free_bytes,
        load=lambda: left.pop(0) if len(left) > 1 else left[0],
        clock=clock,
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buffers and matrices that take no time, each timed no more often than it must be."""
    monkeypatch.setattr(copies, "_LEAST_BYTES", {"cpu": 4096})
    monkeypatch.setattr(copies, "_SMALLEST_BYTES", 1024)
    monkeypatch.setattr(copies, "_CPU_CACHES", Path("nothing here"))
    monkeypatch.setattr(products, "_WIDTHS", SMALL_WIDTHS)
    for module, budget in ((copies, "_COPY_BUDGET_S"), (copies, "_LAUNCH_BUDGET_S"), (products, "_BUDGET_S")):
        monkeypatch.setattr(module, budget, 0.0)


@pytest.fixture
def bench(small: None) -> Bench:
    clock = SettlingClock()
    return bench_with(clock, settle=clock.settle)


def measured(bench: Bench, folder: Path, *dtypes: str) -> Ceilings:
    found = ceilings_on(bench, dtypes, folder=folder)
    assert found is not None
    return found


class TestBestTime:
    def test_it_is_the_shortest_of_the_samples(self) -> None:
        clock = FakeClock()
        lengths_s = iter([8 * TICK_S, 4 * TICK_S, TICK_S, 2 * TICK_S, 16 * TICK_S])

        best_s = bench_with(clock).best_s(lambda: clock.advance_s(next(lengths_s)), budget_s=31 * TICK_S)

        assert best_s == TICK_S
        assert next(lengths_s, None) is None

    def test_a_sample_follows_the_warm_up_even_past_the_budget(self) -> None:
        clock = FakeClock()
        lengths_s = iter([9.0, 3.0])

        assert bench_with(clock).best_s(lambda: clock.advance_s(next(lengths_s)), budget_s=0.0) == 3.0

    def test_short_work_runs_many_times_in_a_sample_and_the_wait_is_shared(self) -> None:
        clock = FakeClock()
        runs: list[int] = []

        def settle() -> None:
            clock.advance_s(runs.count(1) and 1e-5)

        def work() -> None:
            runs.append(1)
            clock.advance_s(1e-6)

        best_s = bench_with(clock, settle=settle).best_s(work, budget_s=0.0)

        # The warm-up took 11 µs with its wait, so a sample of 1 ms has 91 runs.
        assert len(runs) == 1 + 91
        assert best_s == pytest.approx((91 * 1e-6 + 1e-5) / 91)

    def test_it_waits_before_and_after_each_sample(self) -> None:
        clock = FakeClock()
        events: list[str] = []

        def work() -> None:
            events.append("work")
            clock.advance_s(1.0)

        bench_with(clock, settle=lambda: events.append("settle")).best_s(work, budget_s=0.0)

        assert events == ["settle", "work", "settle"] * 2

    def test_a_clock_that_stands_still_ends_nothing_in_a_division_by_zero(self) -> None:
        assert bench_with(FakeClock()).best_s(NOTHING, budget_s=0.0) > 0


class TestProducts:
    def test_the_rate_is_two_flops_for_each_multiply_add_over_the_time(self) -> None:
        reading = products.best_rate(lambda width: width**3 * 1e-15 if width == 2048 else width**3 * 4e-15)

        assert reading.value == pytest.approx(2 / 1e-15)
        assert "2048" in reading.how

    def test_no_wider_product_is_tried_than_is_expected_to_be_short(self) -> None:
        widths: list[int] = []

        def time_s(width: int) -> float:
            widths.append(width)
            return products._LONGEST_S / 8

        def slow_s(width: int) -> float:
            widths.append(width)
            return 1.01 * products._LONGEST_S / 8

        products.best_rate(time_s)
        assert widths == list(products._WIDTHS)
        widths.clear()
        products.best_rate(slow_s)
        assert widths == [products._WIDTHS[0]]

    def test_what_a_wider_product_refuses_leaves_the_rate_of_the_narrower(self) -> None:
        def time_s(width: int) -> float:
            if width > 256:
                raise torch.OutOfMemoryError("too much")
            return width**3 * 1e-12

        assert products.best_rate(time_s).value == pytest.approx(2e12)

    def test_what_torch_refuses_has_its_reason_and_no_rate(self) -> None:
        def time_s(width: int) -> float:
            raise NotImplementedError('"addmm_impl" not implemented\nand a long trace')

        assert products.best_rate(time_s) == ceilings.Reading(
            value=None, how='torch refused: "addmm_impl" not implemented'
        )

    @pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16", "int8"])
    def test_every_format_of_a_cpu_is_multiplied(self, bench: Bench, dtype: str) -> None:
        assert products.product_rate(dtype, bench).value is not None

    @pytest.mark.parametrize("dtype", ["tf32", "float8_e4m3fn", "float8_e5m2", "complex64", "no_such_format"])
    def test_a_format_without_products_on_a_cpu_has_a_reason(self, bench: Bench, dtype: str) -> None:
        reading = products.product_rate(dtype, bench)

        assert reading.value is None
        assert reading.how

    def test_single_precision_is_tf32_where_torch_rounds_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cuda = torch.device("cuda")

        assert products._refusal("float32", cuda) is None
        assert "do not round" in str(products._refusal("tf32", cuda))
        before = torch.get_float32_matmul_precision()
        try:
            torch.set_float32_matmul_precision("high")
            assert products._refusal("tf32", cuda) is None
            assert "round" in str(products._refusal("float32", cuda))
        finally:
            torch.set_float32_matmul_precision(before)

    def test_too_little_memory_is_a_reason(self, small: None) -> None:
        reading = products.product_rate("float32", bench_with(FakeClock(), free_bytes=1))

        assert (reading.value, reading.how) == (None, "torch refused: not enough memory")

    @pytest.mark.parametrize(
        ("dtype", "multiplied"), [("float8_e5m2", "float8_e4m3fn"), ("float8_e5m2fnuz", "float8_e4m3fnuz")]
    )
    def test_a_format_that_torch_does_not_multiply_by_itself_is_measured_as_its_twin(
        self, monkeypatch: pytest.MonkeyPatch, dtype: str, multiplied: str
    ) -> None:
        formats: list[str] = []

        def note_format(dtype: str, width: int, device: torch.device) -> Callable[[], object]:
            formats.append(dtype)
            return NOTHING

        monkeypatch.setattr(products, "_WIDTHS", SMALL_WIDTHS)
        monkeypatch.setattr(products, "_product", note_format)
        monkeypatch.setattr(products, "_refusal", lambda dtype, device: None)
        clock = SettlingClock()

        reading = products.product_rate(dtype, bench_with(clock, settle=clock.settle))

        assert formats == [multiplied] * len(SMALL_WIDTHS)
        assert reading.value is not None
        assert reading.how.startswith(f"as {multiplied}: ")

    @pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e4m3fn"])
    def test_no_factor_is_too_small_for_a_processor_to_take_it_at_full_speed(self, dtype: str) -> None:
        smallest = float(products._matrix(dtype, 64, CPU).to(torch.float32).abs().min())

        assert smallest >= torch.finfo(getattr(torch, dtype)).tiny


class TestCopies:
    def test_bytes_are_counted_as_read_and_as_written(self, small: None) -> None:
        clock = SettlingClock()

        reading = copies.copy_rate(bench_with(clock, settle=clock.settle))

        assert reading.value == 2 * 4096 / TICK_S

    def test_a_buffer_is_twice_the_caches(self, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_caches(tmp_path, {"0-3": 64, "4-7": 32})
        monkeypatch.setattr(copies, "_CPU_CACHES", tmp_path)
        clock = SettlingClock()

        reading = copies.copy_rate(bench_with(clock, settle=clock.settle))

        assert reading.how == "a copy of 192 KiB"

    def test_caches_of_which_the_system_does_not_tell_are_none(self, tmp_path: Path) -> None:
        write_caches(tmp_path, {"0": 64})
        (tmp_path / "cpu0/cache/index3/size").write_text("many")

        assert copies.last_level_cache_bytes(tmp_path) == 0
        assert copies.last_level_cache_bytes(tmp_path / "elsewhere") == 0

    def test_without_the_memory_there_is_no_rate_but_a_reason(self, small: None) -> None:
        reading = copies.copy_rate(bench_with(FakeClock(), free_bytes=8 * 1024 - 1))

        assert reading.value is None
        assert "8.00 KiB" in reading.how

    def test_with_little_memory_two_buffers_take_a_quarter_of_it_and_the_caches_part_is_told(self, small: None) -> None:
        clock = SettlingClock()

        reading = copies.copy_rate(bench_with(clock, settle=clock.settle, free_bytes=8 * 2048))

        assert reading.value == 2 * 2048 / TICK_S
        assert reading.how.startswith("a copy of 2.00 KiB")
        assert reading.how.endswith("of which a cache may hold part: too little memory is free for more")

    def test_with_enough_memory_no_cache_is_spoken_of(self, small: None) -> None:
        clock = SettlingClock()

        reading = copies.copy_rate(bench_with(clock, settle=clock.settle, free_bytes=8 * 4096))

        assert reading.how == "a copy of 4.00 KiB"

    def test_a_launch_is_one_of_many_in_a_sample(self) -> None:
        clock = SettlingClock()

        reading = copies.launch_time(bench_with(clock, settle=clock.settle))

        assert reading.value is not None
        assert 0 < reading.value <= TICK_S


def write_caches(root: Path, kibibytes: dict[str, int]) -> None:
    """Third-level caches, each named by the two processors at either end that share it."""
    for sharers, size in kibibytes.items():
        for number in {*sharers.split("-")}:
            folder = root / f"cpu{number}" / "cache" / "index3"
            folder.mkdir(parents=True)
            (folder / "shared_cpu_list").write_text(f"{sharers}\n")
            (folder / "size").write_text(f"{size}K\n")


class TestMeasuring:
    def test_everything_asked_is_in_the_record_or_has_its_reason(self, bench: Bench) -> None:
        found = measure_on(bench, ("float32", "int8", "tf32"))

        assert (found.kind, found.device) == ("measured", "a device")
        assert set(found.matrix_flops_per_s) == {"float32", "int8"}
        assert found.copy_bytes_per_s is not None
        assert found.launch_s is not None
        assert {"float32", "int8", "tf32", "copy", "launch", "threads"} <= set(found.conditions)

    def test_no_trace_is_left(self, bench: Bench) -> None:
        torch.manual_seed(7)
        state = torch.get_rng_state()

        with torch.autocast("cpu"):
            measure_on(bench, ("float32", "bfloat16"))
            assert torch.is_autocast_enabled("cpu")

        assert torch.equal(torch.get_rng_state(), state)
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()

    def test_autocast_does_not_change_the_format(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        formats: list[torch.dtype] = []

        def note_format(dtype: str, bench: Bench) -> ceilings.Reading:
            formats.append((torch.ones(2, 2) @ torch.ones(2, 2)).dtype)
            return ceilings.Reading(value=1.0, how="noted")

        monkeypatch.setattr(ceilings, "product_rate", note_format)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            measure_on(bench, ("float32",))

        assert formats == [torch.float32]

    def test_what_is_measured_next_is_told(self, bench: Bench) -> None:
        told: list[str] = []

        measure_on(bench, ("float32", "int8"), tell=told.append)

        assert told == ["copy", "launch", "float32", "int8"]

    def test_a_device_that_cannot_be_waited_for_is_refused(self) -> None:
        with pytest.raises(UnavailableError, match="cpu and cuda"):
            machine.measured_ceilings(torch.device("meta"), ())

        assert machine.ceilings_of(torch.device("meta"), ()) is None


class TestKeeping:
    def test_what_is_kept_is_read_back_equal_and_nothing_is_measured_or_written(
        self, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = measured(bench, tmp_path, "float32", "tf32")
        told: list[str] = []
        monkeypatch.setattr(ceilings, "keep", lambda *arguments: told.append("kept"))

        second = ceilings_on(bench, ("tf32", "float32"), folder=tmp_path, tell=told.append)

        assert second == first
        assert told == []

    def test_what_was_measured_without_the_memory_for_a_copy_is_not_kept(self, small: None, tmp_path: Path) -> None:
        clock = SettlingClock()
        starved = bench_with(clock, settle=clock.settle, free_bytes=8 * 1024 - 1)

        found = measured(starved, tmp_path, "float32")

        assert found.copy_bytes_per_s is None
        assert ceilings_on(starved, (), folder=tmp_path, may_measure=False) is None

    def test_what_was_measured_with_little_memory_is_kept(self, small: None, tmp_path: Path) -> None:
        clock = SettlingClock()
        short = bench_with(clock, settle=clock.settle, free_bytes=8 * 2048)

        found = measured(short, tmp_path, "float32")

        assert found.copy_bytes_per_s is not None
        assert ceilings_on(short, (), folder=tmp_path, may_measure=False) == found

    def test_only_the_missing_format_is_measured(self, bench: Bench, tmp_path: Path) -> None:
        first = measured(bench, tmp_path, "float32")
        told: list[str] = []

        second = ceilings_on(bench, ("float32", "int8"), folder=tmp_path, tell=told.append)

        assert told == ["int8"]
        assert second is not None
        assert second.matrix_flops_per_s["float32"] == first.matrix_flops_per_s["float32"]
        assert ceilings_on(bench, (), folder=tmp_path) == second

    def test_a_refresh_measures_everything_again(self, bench: Bench, tmp_path: Path) -> None:
        measured(bench, tmp_path, "float32", "int8")
        told: list[str] = []

        found = ceilings_on(bench, ("int8",), folder=tmp_path, refresh=True, tell=told.append)

        assert told == ["copy", "launch", "int8"]
        assert found is not None
        assert set(found.matrix_flops_per_s) == {"int8"}

    @pytest.mark.parametrize("refresh", [False, True])
    def test_without_leave_to_measure_there_is_what_is_kept_or_none(
        self, bench: Bench, tmp_path: Path, refresh: bool
    ) -> None:
        nothing = ceilings_on(bench, ("float32",), folder=tmp_path, may_measure=False, refresh=refresh)
        first = measured(bench, tmp_path, "float32")

        kept = ceilings_on(bench, ("int8",), folder=tmp_path, may_measure=False, refresh=refresh)

        assert nothing is None
        assert kept == first

    def test_other_facts_are_another_file(self, bench: Bench, tmp_path: Path) -> None:
        measured(bench, tmp_path)

        others = (replace(bench, name="another"), replace(bench, cores=2), replace(bench, cpu="another"))

        assert [ceilings_on(other, (), folder=tmp_path, may_measure=False) for other in others] == [None] * 3

    def test_another_precision_of_products_is_another_file(self, bench: Bench, tmp_path: Path) -> None:
        before = torch.get_float32_matmul_precision()
        path = kept_at(bench, tmp_path)
        try:
            torch.set_float32_matmul_precision("medium")
            assert kept_at(bench, tmp_path) != path
        finally:
            torch.set_float32_matmul_precision(before)

    @pytest.mark.parametrize(
        ("backend", "precision"),
        [
            (torch.backends.cuda.matmul, "tf32"),
            (getattr(torch.backends.mkldnn, "matmul"), "bf16"),  # noqa: B009 - not in its stubs
            (getattr(torch.backends.cudnn, "conv"), "ieee"),  # noqa: B009 - not in its stubs
        ],
    )
    def test_another_precision_of_one_backend_is_another_file(
        self, bench: Bench, tmp_path: Path, backend: object, precision: str
    ) -> None:
        path = kept_at(bench, tmp_path)

        with precision_of(backend, precision):
            assert kept_at(bench, tmp_path) != path

    @pytest.mark.parametrize(
        "damage",
        [
            lambda text: "",
            lambda text: text[: len(text) // 2],
            lambda text: "[]",
            lambda text: text.replace('"version": 1', '"version": 99'),
            lambda text: text.replace('"cores": "1"', '"cores": "64"'),
            lambda text: text.replace('"launch_s"', '"lunch_s"'),
            lambda text: with_value(text, "copy_bytes_per_s", -1.0),
            lambda text: with_value(text, "copy_bytes_per_s", "fast"),
            lambda text: with_value(text, "copy_bytes_per_s", 10**400),
            lambda text: with_value(text, "matrix_flops_per_s", {"float32": 0}),
            lambda text: with_value(text, "matrix_flops_per_s", {"int4": 1.0}),
            lambda text: with_value(text, "matrix_flops_per_s", [1.0]),
            lambda text: with_value(text, "conditions", {"float32": None}),
        ],
    )
    def test_a_damaged_or_foreign_file_is_measured_again(
        self, bench: Bench, tmp_path: Path, damage: Callable[[str], str]
    ) -> None:
        measured(bench, tmp_path, "float32")
        path = kept_at(bench, tmp_path)
        path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
        told: list[str] = []

        found = ceilings_on(bench, ("float32",), folder=tmp_path, tell=told.append)

        assert told == ["copy", "launch", "float32"]
        assert ceilings_on(bench, (), folder=tmp_path, may_measure=False) == found

    def test_a_folder_that_cannot_be_written_keeps_nothing(self, bench: Bench, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")

        found = measured(bench, tmp_path / "file" / "folder", "float32")

        assert found.matrix_flops_per_s["float32"] > 0
        assert ceilings_on(bench, (), folder=tmp_path / "file" / "folder", may_measure=False) is None

    def test_the_file_holds_plain_fields(self, bench: Bench, tmp_path: Path) -> None:
        found = measured(bench, tmp_path, "float32")

        content = json.loads(kept_at(bench, tmp_path).read_text(encoding="utf-8"))

        assert content["matrix_flops_per_s"] == dict(found.matrix_flops_per_s)
        assert content["facts"]["threads"] == str(torch.get_num_threads())


def with_value(text: str, name: str, value: object) -> str:
    return json.dumps(json.loads(text) | {name: value})


@pytest.fixture
def own_cache(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(machine, "_cache_folder", lambda: tmp_path)
    yield tmp_path


def test_this_machines_cpu_has_ceilings_that_are_kept(own_cache: Path) -> None:
    found = machine.ceilings_of(CPU, ("float32",))

    assert found is not None
    assert found.device == machine.cpu_name()
    assert machine.ceilings_path(CPU).parent == own_cache
    assert machine.ceilings_of(CPU, ("float32",), may_measure=False) == found


@pytest.mark.skipif(sys.platform != "linux", reason="the variable moves the cache folder on Linux")
def test_the_tests_and_what_they_start_share_a_cache_that_is_not_the_users() -> None:
    program = "import platformdirs; print(platformdirs.user_cache_path('layerprof'))"  # as machine asks, without torch

    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()

    assert Path(told) == machine._cache_folder()
    assert not Path(told).is_relative_to(Path.home() / ".cache")


class TestRaising:
    def test_of_each_ceiling_the_higher_one_is_kept(self, bench: Bench, tmp_path: Path) -> None:
        known = measured(bench, tmp_path, "float32", "float64")
        rates = dict(known.matrix_flops_per_s)
        low = replace(
            known,
            matrix_flops_per_s=FrozenMapping({"float32": rates["float32"] / 8, "float64": rates["float64"] * 8}),
            copy_bytes_per_s=1.0,
            launch_s=1e9,
        )

        raised = raised_on(bench, low, folder=tmp_path)

        assert raised.matrix_flops_per_s["float32"] > low.matrix_flops_per_s["float32"]
        assert raised.matrix_flops_per_s["float64"] == low.matrix_flops_per_s["float64"]
        assert raised.copy_bytes_per_s == known.copy_bytes_per_s
        assert raised.launch_s == known.launch_s
        assert ceilings_on(bench, ("float32", "float64"), folder=tmp_path, may_measure=False) == raised

    def test_a_copy_that_no_cache_held_counts_before_a_faster_one(self, small: None, tmp_path: Path) -> None:
        clock = SettlingClock()
        short = bench_with(clock, settle=clock.settle, free_bytes=8 * 2048)
        cached = measured(short, tmp_path, "float32")
        fast = replace(cached, copy_bytes_per_s=1e30)

        raised = raised_on(bench_with(clock, settle=clock.settle), fast, folder=tmp_path)

        assert raised.copy_bytes_per_s == 2 * 4096 / TICK_S
        assert raised.conditions["copy"] == "a copy of 4.00 KiB"

    def test_formats_that_another_process_has_kept_meanwhile_stay(self, bench: Bench, tmp_path: Path) -> None:
        known = measured(bench, tmp_path, "float32")
        measured(bench, tmp_path, "float64", "tf32")

        raised = raised_on(bench, known, folder=tmp_path)

        assert set(raised.matrix_flops_per_s) == {"float32", "float64"}
        assert "tf32" in raised.conditions


class TestABusyMachine:
    def told_by(self, bench: Bench, folder: Path, *dtypes: str) -> list[str]:
        """What is measured for these formats."""
        told: list[str] = []
        ceilings_on(bench, dtypes, folder=folder, tell=told.append)
        return told

    def test_it_is_measured_at_most_three_times(self, small: None, tmp_path: Path) -> None:
        clock = SettlingClock()
        busy = bench_with(clock, settle=clock.settle, loads=[1.5])

        told = [self.told_by(busy, tmp_path, "float32") for _ in range(4)]

        assert told == [["copy", "launch", "float32"]] * 3 + [[]]
        assert measured(busy, tmp_path, "float32").conditions["busy"] == "3"

    def test_a_quiet_measurement_ends_it(self, small: None, tmp_path: Path) -> None:
        clock = SettlingClock()
        bench = bench_with(clock, settle=clock.settle, loads=[1.5, 0.5])

        marked = measured(bench, tmp_path, "float32").conditions
        unmarked = measured(bench, tmp_path, "float32").conditions

        assert (marked["busy"], marked["load"]) == ("1", "1.5")
        assert ("busy" in unmarked, unmarked["load"]) == (False, "0.5")
        assert self.told_by(bench, tmp_path, "float32") == []

    def test_a_load_of_as_many_processes_as_cores_is_not_busy(self, small: None, tmp_path: Path) -> None:
        clock = SettlingClock()

        found = measured(bench_with(clock, settle=clock.settle, loads=[1.0]), tmp_path, "float32")

        assert "busy" not in found.conditions

    def test_of_each_ceiling_the_higher_of_the_measurements_counts(self, small: None, tmp_path: Path) -> None:
        clock = SettlingClock()
        busy = bench_with(clock, settle=clock.settle, loads=[1.5])
        first = measured(busy, tmp_path, "float32")
        clock.settle = lambda: clock.advance_s(2 * TICK_S)  # type: ignore[method-assign] # a slower machine

        again = measured(replace(busy, settle=clock.settle), tmp_path, "float32", "float64")

        assert again.copy_bytes_per_s == first.copy_bytes_per_s
        assert again.launch_s == first.launch_s
        assert again.matrix_flops_per_s["float32"] == first.matrix_flops_per_s["float32"]
        assert 0 < again.matrix_flops_per_s["float64"] < first.matrix_flops_per_s["float32"]

    def test_without_leave_to_measure_the_marked_ones_are_given(self, small: None, tmp_path: Path) -> None:
        clock = SettlingClock()
        busy = bench_with(clock, settle=clock.settle, loads=[1.5])
        found = measured(busy, tmp_path, "float32")

        assert ceilings_on(busy, ("float32",), folder=tmp_path, may_measure=False) == found

    def test_the_load_is_that_of_the_last_measurement(self, small: None, tmp_path: Path) -> None:
        clock = SettlingClock()
        bench = bench_with(clock, settle=clock.settle, loads=[0.25, 0.75, 1.5])

        loads = [measured(bench, tmp_path, dtype).conditions for dtype in ("float32", "float64", "int8")]

        assert [conditions["load"] for conditions in loads] == ["0.2", "0.8", "1.5"]
        assert [conditions.get("busy") for conditions in loads] == [None, None, "1"]

    def test_a_load_that_is_not_known_is_no_mark(self, bench: Bench, tmp_path: Path) -> None:
        conditions = measured(replace(bench, load=lambda: None), tmp_path).conditions

        assert (conditions["load"], "busy" in conditions) == ("not known", False)

    @pytest.mark.parametrize("mark", ["yes", "²", "-1", ""])
    def test_a_mark_that_is_no_number_is_none(self, bench: Bench, tmp_path: Path, mark: str) -> None:
        found = measured(bench, tmp_path, "float32")
        path = kept_at(bench, tmp_path)
        conditions = {**found.conditions, "busy": mark}
        path.write_text(with_value(path.read_text(encoding="utf-8"), "conditions", conditions), encoding="utf-8")

        assert self.told_by(bench, tmp_path, "float32") == []


class TestOneAtATime:
    def test_what_another_process_measures_meanwhile_is_read_and_not_measured_again(
        self, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        @contextmanager
        def after_another(path: Path) -> Iterator[None]:
            with monkeypatch.context() as patch:
                patch.setattr(ceilings, "alone", lambda path: nullcontext())
                measured(bench, tmp_path, "float32")
            yield

        monkeypatch.setattr(ceilings, "alone", after_another)
        told: list[str] = []

        found = ceilings_on(bench, ("float32",), folder=tmp_path, tell=told.append)

        assert told == []
        assert found is not None
        assert "float32" in found.matrix_flops_per_s

    @pytest.mark.parametrize("method", [ceilings_on, raised_on])
    def test_measuring_is_done_alone_and_reading_is_not(
        self, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: Callable[..., object]
    ) -> None:
        events: list[str] = []

        @contextmanager
        def noted(path: Path) -> Iterator[None]:
            assert path == kept_at(bench, tmp_path)
            events.append("in")
            yield
            events.append("out")

        def rate(dtype: str, bench: Bench) -> ceilings.Reading:
            events.append(dtype)
            return ceilings.Reading(value=1.0, how="noted")

        known = measure_on(bench, ("float32",))
        monkeypatch.setattr(ceilings, "alone", noted)
        monkeypatch.setattr(ceilings, "product_rate", rate)

        method(bench, known if method is raised_on else ("float32",), folder=tmp_path)
        ceilings_on(bench, ("float32",), folder=tmp_path)

        assert events == ["in", "float32", "out"]

    @pytest.mark.skipif(sys.platform == "win32", reason="no file is locked there")
    def test_a_lock_is_waited_for_and_let_go(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pauses_s: list[float] = []
        monkeypatch.setattr(time, "sleep", pauses_s.append)
        path = tmp_path / "ceilings.json"

        with locking.alone(path):
            assert pauses_s == []
            with locking.alone(path):  # another's, which hangs
                assert sum(pauses_s) == pytest.approx(locking._LONGEST_WAIT_S)
        pauses_s.clear()
        with locking.alone(path):
            assert pauses_s == []

    def test_where_nothing_can_be_written_nobody_waits(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")

        with locking.alone(tmp_path / "file" / "ceilings.json"):
            pass

        assert (tmp_path / "file").read_text() == ""


class TestAGpusMemory:
    @pytest.mark.parametrize(("held_bytes", "calls"), [([5, 5], 0), ([5, 9], 1)])
    def test_it_goes_back_only_where_measuring_took_some(
        self, monkeypatch: pytest.MonkeyPatch, held_bytes: list[int], calls: int
    ) -> None:
        emptied: list[str] = []
        left = list(held_bytes)
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: left.pop(0))
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append("now"))

        with ceilings._undisturbed(torch.device("cuda")):
            pass

        assert len(emptied) == calls

    def test_nothing_is_touched_where_nothing_is_missing(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        known = measure_on(bench, ("float32",))
        touched: list[torch.device] = []
        monkeypatch.setattr(ceilings, "_undisturbed", touched.append)

        assert measure_on(bench, ("float32",), known=known) is known
        assert touched == []


class TestAUserWithoutAHome:
    def test_ceilings_are_measured_and_not_kept(self, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(name: str) -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(platformdirs, "user_cache_path", refuse)

        found = machine.ceilings_of(CPU, ("float32",))

        assert found is not None
        assert found.matrix_flops_per_s["float32"] > 0
        assert machine.ceilings_of(CPU, ("float32",), may_measure=False) is None
        assert not machine.ceilings_path(CPU).is_file()
