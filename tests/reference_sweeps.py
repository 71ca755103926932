"""A made-up sweep of the plan ``reference`` with all five tests, whose numbers follow the laws of the layers.

What is in it besides finished cells: a device that is not there, an optimisation that the model refuses, one that was
taken and did not run, one that compiles nothing of ``generate``, a cell of one process, unsteady steps, missing joules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from reference_answers import evidence_of, quality_of
from reference_profiles import (
    LAWS,
    Work,
    flops_of,
    peak_bytes_of,
    reference_profile,
    self_flops_of,
    self_s_of,
    step_s_of,
)

from layerprof.records import (
    AxisValue,
    CellFailure,
    CellRecord,
    FrozenMapping,
    Note,
    PlanRecord,
    PlanTest,
    SweepRecord,
)
from layerprof.store import write_record

MODEL = "blip2-opt-2.7b"
DATASETS = ("TextVQA", "ScienceQA", "COCO")
SAMPLES = 20
POWER_W = 115.0
LATENCY_WIDTH = 0.02  # half the interval of a latency, as a share of it
ENERGY_WIDTH = 0.03
COMPILE_S = 41.5
ENVIRONMENT = "0123456789abcdef0123456789abcdef"
FOUND_TOKENS = {"TextVQA": 12, "ScienceQA": 84, "COCO": 5}  # of text, before any limit
RESIZES = ((224, 224), (336, 224), (448, 224), (None, 224), (None, 336), (None, 448))
BASE: Mapping[str, AxisValue] = {
    "device": "cpu",
    "dtype": None,
    "weights": "random",
    "dataset": "TextVQA",
    "source": "sample",
    "batch_size": 16,
    "samples": SAMPLES,
    "seq_len": 200,
    "image_size": 224,
    "resized_to": None,
    "seed": 0,
    "optimization": "sdpa",
    "quality": True,
    "echo": True,
}
OPTIMIZATIONS = (
    "sdpa",
    "eager",
    "sdpa_flash",
    "sdpa_efficient",
    "sdpa_math",
    "flash_attention_2",
    "flash_attention_2_parts",
    "compile",
    "compile_whole",
)
FAILURES = {
    "sdpa_flash": CellFailure(
        kind="not_in_force", text="sdpa_flash was asked for; the Q-Former computed with the math kernel"
    ),
    "sdpa_efficient": CellFailure(kind="unsupported", text="PyTorch has no memory-efficient kernel for CPUs"),
    "flash_attention_2": CellFailure(
        kind="unsupported", text="flash_attention_2 is refused: the Q-Former does not support it"
    ),
    "flash_attention_2_parts": CellFailure(kind="unavailable", text="flash_attention_2_parts needs a CUDA device"),
}
NO_CUDA = CellFailure(kind="unavailable", text="there is no CUDA device here; run where there is one")
NO_ENERGY = "no energy counter on this machine; run where NVML or RAPL can be read"
_TEST_ROWS: Mapping[str, tuple[Mapping[str, AxisValue], ...]] = {
    "device": tuple(
        {"batch_size": 1, "device": device, "dtype": dtype}
        for device, dtype in (("cuda", "fp16"), ("cpu", None), ("cuda", "fp32"), ("cpu", "fp32"))
    ),
    "batch": tuple({"batch_size": size} for size in (1, 4, 8, 16)),
    "image_size": tuple(
        {"resized_to": resized_to, "image_size": size, "dataset": dataset}
        for resized_to, size in RESIZES
        for dataset in DATASETS
    ),
    "seq_len": tuple({"seq_len": length, "dataset": dataset} for length in (200, 100, 50) for dataset in DATASETS),
    "optimization": tuple({"dataset": "ScienceQA", "optimization": name} for name in OPTIMIZATIONS),
}
_AXES = {
    "device": ("device", "dtype"),
    "batch": ("batch_size",),
    "image_size": ("resized_to", "image_size", "dataset"),
    "seq_len": ("seq_len", "dataset"),
    "optimization": ("optimization",),
}


def reference_sweep(folder: Path) -> SweepRecord:
    """The sweep, with the layer profiles of its finished cells, and the evidence of some, in files of the folder."""
    bare = small_sweep()
    cells = tuple(_with_files(cell, folder) for cell in bare.cells)
    return replace(bare, cells=cells)


def small_sweep() -> SweepRecord:
    """The same sweep without any file behind it."""
    tests = tuple(_plan_test(name) for name in _TEST_ROWS)
    points = {id_: axes for name in _TEST_ROWS for id_, axes in _points(name)}
    plan = PlanRecord(
        name="reference",
        model=MODEL,
        axes=tuple((name, tuple(dict.fromkeys(axes[name] for axes in points.values()))) for name in BASE),
        rounds=3,
        tests=tests,
    )
    return SweepRecord(
        plan=plan,
        cells=tuple(_cell(id_, axes) for id_, axes in points.items()),
        session="session",
        environments=FrozenMapping({ENVIRONMENT: FrozenMapping({"cpu": "a processor", "cores": "16"})}),
    )


def cell_of(record: SweepRecord, test: str, **axes: AxisValue) -> CellRecord:
    """The one cell of a test that has these settings."""
    ids = next(each.cells for each in record.plan.tests if each.name == test)
    found = [
        cell
        for cell in record.cells
        if cell.id in ids and all(cell.axes.get(name) == value for name, value in axes.items())
    ]
    (cell,) = found
    return cell


def work_of(axes: Mapping[str, AxisValue]) -> Work:
    """What decides the laws of a cell."""
    length = int(axes["seq_len"] or 0)
    return Work(
        batch_size=int(axes["batch_size"] or 1),
        image_size=int(axes["image_size"] or 224),
        text_tokens=min(length, FOUND_TOKENS[str(axes["dataset"])]),
        dtype=str(axes["dtype"] or "bf16"),
        optimization=str(axes["optimization"]),
    )


def _plan_test(name: str) -> PlanTest:
    rows = [axes for _, axes in _points(name)]
    varying = tuple((axis, tuple(dict.fromkeys(axes[axis] for axes in rows))) for axis in _AXES[name])
    fixed = {axis: value for axis, value in rows[0].items() if axis not in _AXES[name]}
    return PlanTest(name=name, axes=varying, fixed=FrozenMapping(fixed), cells=tuple(id_ for id_, _ in _points(name)))


def _points(name: str) -> Iterator[tuple[str, Mapping[str, AxisValue]]]:
    for row in _TEST_ROWS[name]:
        axes = {**BASE, **row}
        yield _id_of(axes), axes


def _id_of(axes: Mapping[str, AxisValue]) -> str:
    """Readable, and the same for the same settings."""
    names = dict.fromkeys(name for axes_of_test in _AXES.values() for name in axes_of_test)
    return "-".join(f"{axes[name]}" for name in names)


def _cell(id_: str, axes: Mapping[str, AxisValue]) -> CellRecord:
    failure = NO_CUDA if axes["device"] == "cuda" else FAILURES.get(str(axes["optimization"]))
    if failure is not None:
        return CellRecord(
            id=id_, axes=FrozenMapping(axes), status="failed", failure=failure, runs_planned=3, runs_done=0
        )
    notes = tuple(_notes(axes))
    is_single = any(note.code == "one_process" for note in notes)
    return CellRecord(
        id=id_,
        axes=FrozenMapping(axes),
        status="done",
        metrics=FrozenMapping(_metrics(axes)),
        notes=notes,
        environment=ENVIRONMENT,
        runs_done=1 if is_single else 3,
        runs_planned=3,
    )


def _has_energy(axes: Mapping[str, AxisValue]) -> bool:
    return axes["dtype"] != "fp32" and axes["optimization"] != "compile"


def _notes(axes: Mapping[str, AxisValue]) -> Iterator[Note]:
    if not _has_energy(axes):
        yield Note(code="no_counter", quantity="energy", scope="step", text=NO_ENERGY)
    if axes["batch_size"] == 8:
        yield Note(code="unsteady", quantity="latency_s", scope="step", text="an interval is wider than ±10%")
    if axes["optimization"] == "sdpa_math":
        yield Note(code="one_process", quantity="latency_s", scope="step", text="one of three runs has a result")


def _metrics(axes: Mapping[str, AxisValue]) -> dict[str, float | int | None]:
    work = work_of(axes)
    size = work.batch_size
    last = SAMPLES % size or size
    latency_s, flops = step_s_of(work), flops_of(work)
    return {
        "latency_s": latency_s,
        "latency_low_s": (1 - LATENCY_WIDTH) * latency_s,
        "latency_high_s": (1 + LATENCY_WIDTH) * latency_s,
        "steps": 24,
        "warmup_steps": 9,
        "latency_per_sample_s": latency_s / size,
        "flops": flops,
        "flops_per_sample": flops / size,
        "flops_last_batch": flops // size * last,
        "last_batch_samples": last,
        "batches": -(-SAMPLES // size),
        "peak_bytes": peak_bytes_of(work),
        **_energy(axes, latency_s, size),
        "conv_s": None if work.is_compiled else sum(self_s_of(law, work) for law in LAWS if law.kind == "conv"),
        "conv_flops": sum(self_flops_of(law, work) for law in LAWS if law.kind == "conv"),
        **_truth(work),
        **{estimate.name: estimate.value for estimate in quality_of(axes).estimates},
        **_answers(axes, work),
    }


def _energy(axes: Mapping[str, AxisValue], latency_s: float, size: int) -> dict[str, float | int | None]:
    if not _has_energy(axes):
        return {"energy_j": None, "energy_low_j": None, "energy_high_j": None, "energy_j_per_sample": None}
    energy_j = POWER_W * latency_s
    return {
        "energy_j": energy_j,
        "energy_low_j": (1 - ENERGY_WIDTH) * energy_j,
        "energy_high_j": (1 + ENERGY_WIDTH) * energy_j,
        "energy_j_per_sample": energy_j / size,
    }


def _truth(work: Work) -> dict[str, float | int | None]:
    found: dict[str, float | int | None] = {"image_tokens": 32, "vision_tokens": work.vision_tokens}
    if work.is_compiled:
        is_whole = work.optimization == "compile_whole"
        graphs = {"graphs": 1 if is_whole else 3, "recompiles": 0, "graph_breaks": 0}
        found |= {**graphs, "generate_graphs": 0 if is_whole else 3, "compile_s": COMPILE_S}
    return found


def _answers(axes: Mapping[str, AxisValue], work: Work) -> dict[str, float | int | None]:
    quality = quality_of(axes)
    intervals: dict[str, float | int | None] = {}
    for estimate in quality.estimates:
        intervals |= {f"{estimate.name}_low": estimate.low, f"{estimate.name}_high": estimate.high}
    scores = quality.samples
    return {
        **{name: value for name, value in intervals.items() if value is not None},
        **{
            name: sum(getattr(score, name) or 0 for score in scores)
            for name in ("substitutions", "deletions", "insertions", "reference_words")
        },
        "scored_samples": len(scores),
        "unscored_samples": 0,
        "text_tokens_mean": float(work.text_tokens),
        "text_tokens_max": work.text_tokens,
        "cut_share": sum(score.answer.cut_tokens > 0 for score in scores) / len(scores),
        "new_tokens_mean": sum(score.answer.new_tokens for score in scores) / len(scores),
    }


def _with_files(cell: CellRecord, folder: Path) -> CellRecord:
    if cell.status != "done":
        return cell
    work = work_of(cell.axes)
    profile_path = f"layers/{cell.id}.json"
    write_record(reference_profile(work), folder / profile_path)
    is_kept = work.batch_size == 16 and cell.axes["resized_to"] is None
    evidence_path = f"evidence/{cell.id}.json" if is_kept else None
    if evidence_path is not None:
        write_record(evidence_of(cell.axes, work), folder / evidence_path)
    return replace(cell, profile_path=profile_path, evidence_path=evidence_path, folder=str(folder))
