"""What Perfetto makes of a trace: its own page and trace processor, in a browser without a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from browser import offline_browser
from perfetto_pages import Perfetto, perfetto
from trace_profiles import Trace, cuda_profile, events_of, written

import layerprof as lp
from layerprof import models, tasks
from layerprof.traces import trace_json

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

FC1 = "nn.Module: vision_model.encoder.layers.0.mlp.fc1"
ABOVE_FC1 = [
    *("ProfilerStep#0", "nn.Module: Blip2ForConditionalGeneration", "nn.Module: vision_model"),
    *("nn.Module: vision_model.encoder", "nn.Module: vision_model.encoder.layers.0"),
    "nn.Module: vision_model.encoder.layers.0.mlp",
]
_TROUBLE = "select name, value from stats where severity in ('error', 'data_loss') and value > 0"
_SLICES = "select count(*), sum(dur) from slice"
_CALLERS = "select name from ancestor_slice((select min(id) from slice where name = '{name}')) order by depth"
_FLOWS = """select source.name, target.name, caller.name from flow
    join slice source on flow.slice_out = source.id join slice target on flow.slice_in = target.id
    left join slice caller on target.parent_id = caller.id"""
_COUNTERS = "select track.name, count(*) from counter join counter_track track on track_id = track.id group by 1"
_TRACKS = (
    "select distinct process.name, thread.name from thread join process using (upid) join thread_track using (utid)"
)


@pytest.fixture(scope="module")
def blip2() -> lp.Profile:
    model, task = lp.models.load("blip2-tiny"), tasks.load("sample")
    samples = task.samples(1)
    prompts = [task.prompt(sample) for sample in samples]
    inputs = models.adapter_for(model).inputs(model, tasks.open_images(samples), prompts, models.InputOptions())
    return lp.profile(model, inputs, passes=("time", "ops", "flops"), warmup=1, repeats=2)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with offline_browser() as found:
        yield found


@pytest.fixture(scope="module")
def of_blip2(browser: Browser, blip2: lp.Profile) -> Iterator[Perfetto]:
    with perfetto(browser, trace_json(blip2, for_plugin=False)) as page:
        yield page
        assert page.errors == []


@pytest.fixture(scope="module")
def of_cuda(browser: Browser) -> Iterator[Perfetto]:
    with perfetto(browser, trace_json(cuda_profile(), for_plugin=False)) as page:
        yield page
        assert page.errors == []


def assert_read_whole(page: Perfetto, trace: Trace) -> None:
    """Nothing was refused or lost, and every slice has its length, flow its ends and counter its values."""
    slices = events_of(trace, "X")
    instants = len(events_of(trace, "i"))  # slices without a length, to Perfetto

    assert page.query(_TROUBLE) == []
    assert page.query(_SLICES) == [(len(slices) + instants, sum(round(event["dur"] * 1_000) for event in slices))]
    assert len(page.query(_FLOWS)) == len(events_of(trace, "s"))
    values = Counter(f"{event['name']} value" for event in events_of(trace, "C"))
    assert dict(page.query(_COUNTERS)) == values  # type: ignore[arg-type]  # rows of two


def test_a_profile_of_blip2_is_read_whole(of_blip2: Perfetto, blip2: lp.Profile) -> None:
    assert_read_whole(of_blip2, written(blip2))


def test_a_profile_of_device_work_is_read_whole(of_cuda: Perfetto) -> None:
    assert_read_whole(of_cuda, written(cuda_profile()))


def test_layers_lie_in_their_callers(of_blip2: Perfetto) -> None:
    callers = [name for (name,) in of_blip2.query(_CALLERS.format(name=FC1))]

    assert callers == ABOVE_FC1


def test_a_layers_flow_ends_at_an_op_of_its_own(of_blip2: Perfetto) -> None:
    flows = of_blip2.query(_FLOWS)

    assert flows
    roots = {"Blip2ForConditionalGeneration"}
    assert [flow for flow in flows if flow[2] != f"nn.Module: {flow[0]}" and flow[0] not in roots] == []


def test_flows_lead_from_launches_to_kernels_and_from_layers_to_backward_work(of_cuda: Perfetto) -> None:
    flows = Counter((source, target) for source, target, _ in of_cuda.query(_FLOWS))

    assert flows == {
        ("encoder.fc1", "aten::linear"): 2,
        ("encoder.act", "aten::relu"): 2,
        ("head", "aten::linear"): 2,
        ("encoder.fc1", "autograd::engine::evaluate_function: AddmmBackward0"): 2,
        ("cudaLaunchKernel", "gemm_fc1"): 2,
        ("cudaLaunchKernel", "relu_kernel"): 2,
        ("cudaLaunchKernel", "gemm_head"): 2,
        ("cudaLaunchKernel", "gemm_backward"): 2,
        ("cudaMemcpyAsync", "Memcpy HtoD (Pageable -> Device)"): 2,
        ("cudaMemsetAsync", "Memset (Device)"): 2,
    }


def test_the_rows_are_drawn_by_depth(of_blip2: Perfetto) -> None:
    for process in ("layers 9", "host 9"):
        of_blip2.unfold(process)

    for row in ("steps", "phases", "depth 0", "depth 5", "FLOP/s of the ops at work"):
        of_blip2.page.get_by_text(row).first.wait_for()
    of_blip2.keep("perfetto")
    names = {name for process, name in of_blip2.query(_TRACKS) if process == "layers"}
    assert names >= {"steps", "phases", *(f"depth {depth}" for depth in range(6))}
