"""Traces made elsewhere: two CUDA steps as torch writes them, damaged a little, and layerprof's own, read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch_traces import (
    BASE_NS,
    COPY_US,
    DEVICE_NAME,
    DEVICE_US,
    FILL_US,
    LINEAR_6_BACKWARD_US,
    LINEAR_6_US,
    LINEAR_7_BACKWARD_US,
    LINEAR_7_US,
    PROCESS,
    RELU_0_US,
    STEP_US,
    SUM_US,
    THREAD,
    Event,
    KinetoTrace,
    Trace,
    cuda_trace,
    trace_of,
    written,
)
from trace_profiles import cpu_profile

import layerprof as lp
from layerprof.traces import export_trace
from layerprof.traces.reading import is_trace, load_trace

STORED = Path(__file__).parent / "data" / "cuda.pt.trace.json.gz"
US = 1e-6


def loaded(trace: Trace, folder: Path) -> lp.Profile:
    return load_trace(written(trace, folder / "trace.json"))


def median(distribution: lp.Distribution | None) -> float:
    assert distribution is not None
    return distribution.median


def failed(record: lp.Profile) -> list[str]:
    return [check.name for check in record.checks if not check.ok]


def texts_of(record: lp.Profile, code: str) -> list[str]:
    return [note.text for note in record.notes if note.code == code]


@pytest.fixture(scope="module")
def cuda() -> lp.Profile:
    return load_trace(STORED)


def test_the_stored_trace_is_the_one_that_is_made(tmp_path: Path) -> None:
    assert STORED.read_bytes() == written(cuda_trace(), tmp_path / "again.json.gz").read_bytes()


def test_device_time_is_that_of_the_layer_that_launched_it_or_whose_backward_work_it_is(cuda: lp.Profile) -> None:
    own = {layer.path: median(layer.device_self_s) for layer in cuda.layers}

    assert own == {
        "": 0.0,
        "Linear_6": pytest.approx((LINEAR_6_US + LINEAR_6_BACKWARD_US) * US),
        "ReLU_0": pytest.approx(RELU_0_US * US),
        "Linear_7": pytest.approx((LINEAR_7_US + FILL_US + LINEAR_7_BACKWARD_US) * US),
    }
    assert median(cuda.unattributed_device_s) == pytest.approx((SUM_US + COPY_US) * US)
    assert median(cuda.device_total_s) == pytest.approx(DEVICE_US * US)
    assert failed(cuda) == []


def test_host_time_is_of_calls_and_of_the_engine_while_it_works_for_them(cuda: lp.Profile) -> None:
    forward_us, backward_us = 180 - 40, 740 - 650  # its call; its node and the accumulator after it

    assert median(cuda["Linear_6"].self_s) == pytest.approx((forward_us + backward_us) * US)
    assert median(cuda.step_s) == pytest.approx(STEP_US * US)
    assert [phase.name for phase in cuda.phases] == ["forward", "backward"]


def test_what_a_trace_tells_of_its_machine_is_known_and_the_rest_is_not(cuda: lp.Profile) -> None:
    assert cuda.environment.device == DEVICE_NAME
    assert cuda.environment.torch == "unknown"
    assert cuda.spec.model == "cuda"
    assert cuda.latency_s is None
    assert cuda.root.flops is None
    assert "with_stack" in texts_of(cuda, "under_profiler")[0]
    assert not texts_of(cuda, "pass_not_asked")


def test_the_category_of_the_plugin_is_known_too(cuda: lp.Profile, tmp_path: Path) -> None:
    trace = cuda_trace()
    for event in trace["traceEvents"]:
        if event.get("cat") in ("cuda_runtime", "cuda_driver"):
            event["cat"] = "runtime"

    assert loaded(trace, tmp_path).layers == cuda.layers


def test_the_order_of_events_does_not_matter(cuda: lp.Profile, tmp_path: Path) -> None:
    trace = cuda_trace()
    trace["traceEvents"].reverse()

    assert [layer.self_s for layer in loaded(trace, tmp_path).layers] == [layer.self_s for layer in cuda.layers]


def test_kernels_without_launch_or_op_are_under_no_layer(tmp_path: Path) -> None:
    trace = cuda_trace()
    kernel = next(event for event in trace["traceEvents"] if event.get("cat") == "kernel")
    kernel["args"] = {"device": 0, "stream": 7}

    record = loaded(trace, tmp_path)

    assert record.unattributed_device_s is not None
    assert record.unattributed_device_s.samples[0] == pytest.approx((SUM_US + COPY_US + LINEAR_6_US) * US)
    assert texts_of(record, "orphan_activities")
    assert failed(record) == []


def test_a_launch_on_a_thread_that_is_not_known_is_where_the_op_is_that_it_is_linked_to(tmp_path: Path) -> None:
    trace = cuda_trace()
    for event in trace["traceEvents"]:
        if event.get("cat") in ("cuda_runtime", "cuda_driver"):
            event["tid"] = 999_999

    record = loaded(trace, tmp_path)

    assert median(record["ReLU_0"].device_self_s) == pytest.approx(RELU_0_US * US)


def test_two_runs_of_the_engine_are_apart_and_an_op_may_begin_with_its_layer(tmp_path: Path) -> None:
    trace = KinetoTrace()
    trace.op("ProfilerStep#0", (0, STEP_US), cat="user_annotation")
    for run, at_us in enumerate((100, 500)):
        trace.module("Net_0", (at_us, at_us + 100), 1 + 2 * run, None)
        trace.module("Linear_0", (at_us + 10, at_us + 90), 2 + 2 * run, 1 + 2 * run)
        trace.op("aten::addmm", (at_us + 10, at_us + 80), sequence=7 + run)
        trace.node("AddmmBackward0", (at_us + 150, at_us + 180), sequence=7 + run)

    record = loaded(trace_of(trace.events), tmp_path)

    assert median(record["Linear_0"].self_s) == pytest.approx(2 * (80 + 30) * US)
    assert median(record.root.self_s) == pytest.approx(2 * 20 * US)
    assert failed(record) == []


def test_a_step_that_begins_within_another_is_left_out(tmp_path: Path) -> None:
    trace = KinetoTrace()
    for number, span_us in enumerate(((0, 100), (50, 150), (200, 300))):
        trace.op(f"ProfilerStep#{number}", span_us, cat="user_annotation")
    trace.op("aten::add", (10, 20))

    record = loaded(trace_of(trace.events), tmp_path)

    assert record.step_s is not None
    assert record.step_s.samples == pytest.approx((100 * US, 100 * US))


def modules(*calls: tuple[str, tuple[float, float], int, int | None]) -> Trace:
    """A trace of one step with an op and these calls: name, span, id, id of the frame around it."""
    trace = KinetoTrace()
    trace.op("ProfilerStep#0", (0, STEP_US), cat="user_annotation")
    trace.op("aten::add", (1, 2))
    for call in calls:
        trace.module(*call)
    return trace_of(trace.events)


def test_a_call_that_reaches_into_the_next_one_is_cut_off_there(tmp_path: Path) -> None:
    trace = modules(("Net_0", (10, 500), 1, None), ("Linear_0", (20, 150), 2, 1), ("Linear_1", (100, 200), 3, 1))

    record = loaded(trace, tmp_path)

    assert [layer.path for layer in record.layers] == ["", "Linear_0", "Linear_1"]
    assert median(record["Linear_0"].total_s) == pytest.approx(80 * US)
    assert texts_of(record, "clipped_calls")[0].startswith("1 calls")
    assert failed(record) == []


def test_a_call_that_reaches_past_its_caller_ends_with_it(tmp_path: Path) -> None:
    trace = modules(("Net_0", (10, 500), 1, None), ("Linear_0", (20, 600), 2, 1))

    record = loaded(trace, tmp_path)

    assert median(record["Linear_0"].total_s) == pytest.approx(480 * US)
    assert texts_of(record, "clipped_calls")


def test_a_call_whose_caller_has_ended_lies_in_what_is_open(tmp_path: Path) -> None:
    trace = modules(("Net_0", (0, 900), 1, None), ("Block_0", (100, 200), 2, 1), ("Linear_0", (400, 500), 3, 2))

    record = loaded(trace, tmp_path)

    found = {layer.type_name: median(layer.total_s) for layer in record.layers}
    assert found == pytest.approx({"Net": 900 * US, "Block": 100 * US, "Linear": 100 * US})
    assert texts_of(record, "clipped_calls") == []


def test_a_call_may_lie_in_one_without_a_length_that_begins_with_it(tmp_path: Path) -> None:
    trace = modules(("Net_0", (0, 900), 1, None), ("Block_0", (100, 100), 2, 1), ("Linear_0", (100, 100), 3, 2))

    record = loaded(trace, tmp_path)

    assert [layer.path for layer in record.layers] == ["", "Block_0", "Block_0.Linear_0"]


@pytest.mark.parametrize(("sequence", "did"), [(0, "did"), (None, "did not")])
def test_whether_it_was_trained_goes_by_autograds_numbers(tmp_path: Path, sequence: int | None, did: str) -> None:
    trace = KinetoTrace()
    trace.op("ProfilerStep#1", (0, 100), cat="user_annotation")
    trace.op("aten::add", (10, 90), sequence=sequence)

    record = loaded(trace_of(trace.events), tmp_path)

    assert record.spec.train is (sequence is not None)
    (text,) = texts_of(record, "mode_not_in_trace")
    assert text.endswith(f", which it {did}")


def test_what_is_missing_is_what_is_not_read_of_a_trace(cuda: lp.Profile) -> None:
    texts = {note.text for note in cuda.notes if note.code == "not_in_trace" and note.quantity == "flops"}

    assert {text.partition(";")[0] for text in texts} == {"layerprof does not read it from a trace"}


def test_frames_that_are_no_modules_are_looked_through(tmp_path: Path) -> None:
    builder = KinetoTrace()
    builder.op("ProfilerStep#0", (0, STEP_US), cat="user_annotation")
    builder.module("Net_0", (10, 500), 1, None)
    builder.frame("net.py(3): forward", (12, 499), 2, 1)
    builder.module("Linear_0", (20, 100), 3, 2)

    record = loaded(trace_of(builder.events), tmp_path)

    assert record["Linear_0"].depth == 1
    assert record.root.calls == 1


@pytest.mark.parametrize(
    "change",
    [
        {"dur": -1.0},
        {"dur": float("nan")},
        {"dur": None},
        {"ts": "N/A"},
        {"ts": 10**400},
        {"ts": 0.0},
        {"name": None},
        {"name": 7},
        {"dur": 1e300},
    ],
)
def test_an_event_that_cannot_be_believed_is_left_out_and_counted(tmp_path: Path, change: Event) -> None:
    trace = modules(("Net_0", (10, 500), 1, None), ("Linear_0", (20, 100), 2, 1))
    trace["traceEvents"].append({**trace["traceEvents"][1], **change})

    record = loaded(trace, tmp_path)

    assert texts_of(record, "damaged_events")[0].startswith("1 events")
    assert [(op.name, op.calls) for op in record["Linear_0"].ops] == []
    assert failed(record) == []


@pytest.mark.parametrize("tid", ["main thread", -3, None, 2**70, [1], 4.5])
def test_threads_may_have_names_of_any_sort(tmp_path: Path, tid: object) -> None:
    trace = cuda_trace()
    for event in trace["traceEvents"]:
        if event.get("tid") == THREAD and event.get("pid") == PROCESS:
            event["tid"] = tid

    record = loaded(trace, tmp_path)

    assert [layer.calls for layer in record.layers] == [1, 1, 1, 1]
    assert median(record["ReLU_0"].device_self_s) == pytest.approx(RELU_0_US * US)
    assert failed(record) == []


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "a\nb", "\u202egnp.exe", "\ud800", "]", "", "x" * 10_000, "a.b", "_", "]_0_0"]
)
def test_hostile_names_are_names(tmp_path: Path, name: str) -> None:
    trace = modules(("Net_0", (10, 500), 1, None), ("Linear_0", (20, 100), 2, 1))
    trace["traceEvents"][1]["name"] = name
    trace["traceEvents"][3]["name"] = f"nn.Module: {name}"

    record = loaded(trace, tmp_path)

    assert record.layers[1].calls == 1
    assert failed(record) == []
    lp.save(record, tmp_path / "saved.json")
    assert lp.load(tmp_path / "saved.json") == record
    assert "\n" not in str(record.layers[1].path.replace("a\nb", ""))


def test_json_that_is_not_strict_is_read(tmp_path: Path) -> None:
    text = json.dumps(modules(("Net_0", (10, 500), 1, None)))
    text = text.replace('"aten::add"', '"aten::add\t\\q C:\\dir N/A"').replace(
        '"host_name": "node"', '"host_name": nan'
    )
    (tmp_path / "loose.json").write_text(text.replace('"displayTimeUnit": "ms"', '"displayTimeUnit": N/A'))

    record = load_trace(tmp_path / "loose.json")

    assert record.timeline is not None
    assert "aten::add\t\\q C:\\dir N/A" in record.timeline.strings


def test_parameters_that_a_trace_does_not_tell_are_missing(cuda: lp.Profile) -> None:
    assert {layer.param_count for layer in cuda.layers} == {None}
    assert {stage.param_bytes for stage in cuda.stages} == {None}


def test_times_hold_every_nanosecond_though_they_are_floats_of_microseconds(tmp_path: Path) -> None:
    after_base_ns = 4_450_000_000_000_001 + 1001 * np.arange(500)  # where float64 products go wrong
    events = [
        {"ph": "X", "cat": "cpu_op", "name": "aten::add", "pid": 1, "tid": 1, "ts": at_ns / 1000, "dur": 0.001}
        for at_ns in after_base_ns.tolist()
    ]

    record = loaded(trace_of(events), tmp_path)

    assert record.timeline is not None
    assert np.array_equal(record.timeline.ops["start_ns"], BASE_NS + after_base_ns)
    assert np.array_equal(record.timeline.ops["end_ns"], BASE_NS + after_base_ns + 1)


def test_a_look_at_a_file_tells_traces_from_other_files(tmp_path: Path) -> None:
    trace = cuda_trace()
    lp.save(replace(cpu_profile(), timeline=None), tmp_path / "record.json")
    (tmp_path / "text.json").write_text("hello")

    assert is_trace(STORED)
    assert is_trace(written(trace, tmp_path / "a.json"))
    assert is_trace(export_trace(cpu_profile(), tmp_path / "own.json.gz"))
    assert not is_trace(tmp_path / "record.json")
    assert not is_trace(tmp_path / "text.json")
    assert not is_trace(tmp_path / "absent.json")
