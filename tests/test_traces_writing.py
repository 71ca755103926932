"""What a written trace holds: threads, layers, devices, and what is known besides."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest
from report_records import Leaf, profile_of
from trace_profiles import (
    BEGAN_NS,
    ENGINE_THREAD,
    FC1,
    PATHS,
    STEP_THREAD,
    TYPES,
    TimelineRows,
    cpu_profile,
    cuda_profile,
    events_of,
    without_new_tables,
    written,
)

import layerprof as lp
from layerprof.records import FrozenMapping, Note, Timeline
from layerprof.traces import trace_json
from layerprof.traces.base import DEVICE_LAYERS_PID, HOST_PID, LAYERS_PID

HOSTILE = ("<script>alert(1)</script>", "a\nb", "\u202eabc", "\ud800", "]", "", "x" * 10_000, "ProfilerStep#nine")


def profile_with(timeline: Timeline, *, path: str = "layer") -> lp.Profile:
    bare = profile_of([Leaf(path="", type_name="Net"), Leaf(path=path, type_name="Linear")])
    return replace(bare, timeline=timeline)


def one_op(name: str = "aten::add") -> Timeline:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    rows.range(0, 100, 900)
    rows.range(1, 200, 800, parent=0)
    rows.op(name, (200, 800), around=1, shapes=((2, 3), ()))
    return rows.timeline()


def test_the_events_are_the_last_key_and_the_last_bracket_is_theirs() -> None:
    content = gzip.decompress(trace_json(cuda_profile(), for_plugin=True))

    assert list(json.loads(content))[-1] == "traceEvents"
    assert content.rstrip().endswith(b"]}")
    assert list(json.loads(content)).index("layerprof") < list(json.loads(content)).index("traceEvents")


def test_every_event_has_what_readers_rely_on() -> None:
    trace = written(cuda_profile(), for_plugin=True)

    assert all(event["name"] and isinstance(event["tid"], int) for event in trace["traceEvents"])
    assert all(event["cat"] for event in trace["traceEvents"] if event["ph"] != "M")


def test_modules_are_python_functions_named_by_their_paths() -> None:
    trace = written(cpu_profile(steps=1))

    modules = events_of(trace, "X", cat="python_function")

    assert [event["name"] for event in modules] == [
        f"nn.Module: {path or name}" for path, name in zip(PATHS, TYPES, strict=True)
    ]
    assert [event["args"]["Python module id"] for event in modules] == [0, 1, 2, 3, 4]
    assert [event["args"]["Python parent id"] for event in modules] == [None, 1, 2, 2, 1]
    assert {(event["pid"], event["tid"]) for event in modules} == {(HOST_PID, STEP_THREAD)}


def test_calls_have_ids_of_their_own_and_places_have_in_the_plugins_copy() -> None:
    profile = cpu_profile(steps=2)

    ids = [
        [
            event["args"]["Python id"]
            for event in events_of(written(profile, for_plugin=copy), "X", cat="python_function")
        ]
        for copy in (False, True)
    ]

    assert ids[0] == list(range(1, 2 * len(PATHS) + 1))
    assert ids[1] == [*range(1, len(PATHS) + 1)] * 2


def test_a_module_stands_before_the_op_that_is_all_of_it() -> None:
    trace = written(profile_with(one_op()))

    names = [event["name"] for event in events_of(trace, "X", pid=HOST_PID)]

    assert names == ["ProfilerStep#0", "nn.Module: Net", "nn.Module: layer", "aten::add"]


def test_an_op_has_its_shapes_and_its_id() -> None:
    trace = written(profile_with(one_op()))

    (op,) = events_of(trace, "X", cat="cpu_op")

    assert op["args"] == {"External id": 1, "Input Dims": [[2, 3], []]}


def test_a_range_of_the_users_own_is_an_annotation() -> None:
    trace = written(cpu_profile(steps=1))

    names = [event["name"] for event in events_of(trace, "X", cat="user_annotation")]

    assert names == ["ProfilerStep#0", "my range"]


def test_times_are_exact_to_the_nanosecond() -> None:
    trace = written(profile_with(one_op()))

    (op,) = events_of(trace, "X", cat="cpu_op")
    base_ns = trace["baseTimeNanoseconds"]

    assert base_ns + round(op["ts"] * 1000) == BEGAN_NS + 200
    assert base_ns + round((op["ts"] + op["dur"]) * 1000) == BEGAN_NS + 800


def test_layers_have_a_row_for_each_depth_with_what_is_known_of_them() -> None:
    trace = written(cpu_profile(steps=1))

    rows = events_of(trace, "X", pid=LAYERS_PID)
    (fc1,) = (event for event in rows if event["name"] == PATHS[FC1])
    tid_names = {
        event["tid"]: event["args"]["name"] for event in events_of(trace, "M", pid=LAYERS_PID, name="thread_name")
    }

    assert [tid_names[event["tid"]] for event in rows] == ["steps", "phases", *(f"depth {n}" for n in (0, 1, 2, 2, 1))]
    assert fc1["args"] == {
        **{"path": PATHS[FC1], "type": "Linear", "kind": "other", "stage": "encoder", "phase": "forward", "step": 0},
        **{"flops (mean of a call)": 512.0, "bytes_moved (mean of a call)": 1024.0},
        "energy_mJ (mean of a call, replayed by nvml_energy)": 2.0,
    }


def test_what_is_not_known_of_a_layer_is_not_there() -> None:
    profile = profile_with(one_op())
    bare = replace(profile, layers=tuple(replace(layer, flops=None) for layer in profile.layers))

    (row,) = (event for event in events_of(written(bare), "X", pid=LAYERS_PID) if event["name"] == "layer")

    assert set(row["args"]) == {"path", "type", "kind", "stage", "step"}


def test_layers_of_other_threads_have_rows_of_their_own() -> None:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    rows.range(0, 100, 900)
    rows.range(1, 200, 300, thread=ENGINE_THREAD)

    trace = written(profile_with(rows.timeline()))

    names = [event["args"]["name"] for event in events_of(trace, "M", pid=LAYERS_PID, name="thread_name")]
    assert names == ["steps", "depth 0", f"thread {ENGINE_THREAD}, depth 0"]


@pytest.mark.parametrize("for_plugin", [False, True])
def test_launches_are_in_the_category_that_the_reader_knows(for_plugin: bool) -> None:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    for number, name in enumerate(("cudaLaunchKernel", "cuLaunchKernelEx", "hipLaunchKernel")):
        rows.kernel("k", (500, 510), launch_ns=(10 * number, 10 * number + 5), launch_name=name, correlation=number)

    trace = written(profile_with(rows.timeline()), for_plugin=for_plugin)

    found = {
        event["name"]: event["cat"]
        for event in events_of(trace, "X", pid=HOST_PID)
        if "correlation" in event.get("args", {})
    }
    usual = {"cudaLaunchKernel": "cuda_runtime", "cuLaunchKernelEx": "cuda_driver", "hipLaunchKernel": "cuda_runtime"}
    assert found == (dict.fromkeys(usual, "runtime") if for_plugin else usual)


def test_a_kernel_has_the_numbers_of_its_launch_and_of_its_op() -> None:
    trace = written(cuda_profile(steps=1))

    (kernel,) = events_of(trace, "X", name="gemm_backward")
    (launch,) = (
        event
        for event in events_of(trace, "X", cat="cuda_runtime")
        if event["args"]["correlation"] == kernel["args"]["correlation"]
    )
    (op,) = events_of(trace, "X", name="aten::mm")

    assert kernel["args"]["External id"] == launch["args"]["External id"] == op["args"]["External id"]
    assert (kernel["pid"], kernel["tid"], kernel["cat"]) == (0, 7, "kernel")
    assert launch["tid"] == ENGINE_THREAD


def test_activities_of_one_launch_share_it() -> None:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    for start_ns in (500, 600):
        rows.kernel("k", (start_ns, start_ns + 50), launch_ns=(10, 20), correlation=5)

    trace = written(profile_with(rows.timeline()))

    assert len(events_of(trace, "X", name="cudaLaunchKernel")) == 1
    assert len(events_of(trace, "s", cat="ac2g")) == 2


def test_a_kernel_in_a_range_of_the_users_own_belongs_to_the_op_around_it() -> None:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    op = rows.op("aten::mul", (0, 900))
    mine = rows.op("mine", (10, 800), parent=op, is_annotation=True)
    rows.kernel("k", (500, 550), op=mine, launch_ns=(20, 30), correlation=5)

    (kernel,) = events_of(written(profile_with(rows.timeline())), "X", name="k")

    assert kernel["args"]["External id"] == op + 1


def test_a_kernel_whose_launch_was_not_recorded_keeps_its_op() -> None:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    op = rows.op("aten::mul", (0, 900))
    rows.kernel("k", (500, 550), op=op)

    (kernel,) = events_of(written(profile_with(rows.timeline())), "X", name="k")

    assert kernel["args"] == {"External id": op + 1, "device": 0, "stream": 7}


def test_a_launch_without_a_number_gets_one_that_no_activity_has() -> None:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    rows.kernel("first", (500, 550), launch_ns=(10, 20), correlation=-1)
    rows.kernel("second", (600, 650))
    timeline = rows.timeline()
    correlation = np.asarray([-1, 1])  # that of an activity whose launch was not recorded
    profile = profile_with(replace(timeline, kernels=FrozenMapping({**timeline.kernels, "correlation": correlation})))

    numbers = [event["args"]["correlation"] for event in events_of(written(profile), "X", cat="kernel")]

    assert numbers == [2, 1]


def test_an_older_timeline_has_launches_on_the_threads_of_its_ops() -> None:
    profile = cuda_profile(steps=1)
    assert profile.timeline is not None

    trace = written(replace(profile, timeline=without_new_tables(profile.timeline)))

    launches = events_of(trace, "X", cat="cuda_runtime")
    assert [(event["name"], event["dur"]) for event in launches] == [("launch", 0.0)] * 6
    assert sorted(event["tid"] for event in launches) == [STEP_THREAD] * 5 + [ENGINE_THREAD]
    assert len({event["args"]["correlation"] for event in launches}) == 6
    assert events_of(trace, "i") == []


def test_memory_is_told_where_it_was_taken() -> None:
    trace = written(cuda_profile(steps=1))

    first = events_of(trace, "i")[0]

    assert (first["name"], first["s"], first["cat"]) == ("[memory]", "t", "cpu_instant_event")
    assert first["args"] == {
        **{"Total Reserved": 2**20, "Total Allocated": 4096, "Bytes": 4096},
        **{"Device Id": 0, "Device Type": 1, "Addr": 2**40},
    }
    assert {event["args"]["Device Type"] for event in events_of(trace, "i") if event["args"]["Device Id"] == -1} == {0}


def test_no_name_can_do_harm() -> None:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    rows.range(0, 0, 900)
    for place, name in enumerate(HOSTILE):
        rows.op(name, (10 * place, 10 * place + 5), around=0)

    trace = written(profile_with(rows.timeline(), path="a\n\u202e]\ud800"), for_plugin=True)

    names = [event["name"] for event in events_of(trace, "X", cat="cpu_op")]
    assert names == [
        *("<script>alert(1)</script>", "a\\nb", "\\u202eabc", "\\ud800", "]", "(no name)", "x" * 10_000),
        "(ProfilerStep#nine)",
    ]
    assert trace["layerprof"]["layers"][1][0] == "a\\n\\u202e]\\ud800"


def test_what_is_known_besides_the_events_stands_before_them() -> None:
    note = Note(code="weak", quantity="energy", scope="*", text="a\nb")

    known = written(replace(cpu_profile(), notes=(note,)))["layerprof"]

    assert known["schema"] == 1
    fc1 = cpu_profile().layers[FC1]
    counts = (fc1.param_count, fc1.param_bytes)
    assert known["layers"][FC1] == [PATHS[FC1], "Linear", "other", "encoder", list(fc1.aliases), *counts]
    assert known["phases"] == ["forward"]
    assert known["environment"]["torch"] == "2.13.0"
    assert known["notes"] == [{"code": "weak", "quantity": "energy", "scope": "*", "text": "a\\nb"}]


def test_spans_that_had_to_be_cut_off_are_noted() -> None:
    rows = TimelineRows()
    rows.begin_step(0, 1000)
    rows.range(0, 100, 500)
    rows.op("aten::add", (200, 600), around=0)

    trace = written(profile_with(rows.timeline()))

    assert [note["code"] for note in trace["layerprof"]["notes"]][-1] == "clipped_spans"
    assert trace["layerprof"]["notes"][-1]["text"].startswith("1 spans")


def test_rows_by_device_span_the_work_of_a_call_and_of_those_in_it() -> None:
    trace = written(cuda_profile(steps=1))

    rows = events_of(trace, "X", pid=DEVICE_LAYERS_PID)
    began_us = (BEGAN_NS - trace["baseTimeNanoseconds"]) / 1000
    spans = {event["name"]: (event["ts"] - began_us, event["ts"] + event["dur"] - began_us) for event in rows}

    assert spans == {
        name: (pytest.approx(begins_us), pytest.approx(ends_us))
        for name, (begins_us, ends_us) in {
            "Net": (100, 700),
            "encoder": (100, 400),
            "encoder.fc1": (100, 350),
            "encoder.act": (290, 400),
            "head": (600, 700),
            "Net (backward)": (860, 900),
            "encoder (backward)": (860, 900),
            "encoder.fc1 (backward)": (860, 900),
        }.items()
    }


def test_rows_of_backward_work_have_no_means_of_calls() -> None:
    trace = written(cuda_profile(steps=1))

    facts = {event["name"]: event["args"] for event in events_of(trace, "X", pid=DEVICE_LAYERS_PID)}

    assert facts["head"]["phase"] == "forward"
    assert set(facts["encoder.fc1 (backward)"]) == {"path", "type", "kind", "stage", "device activities"}
