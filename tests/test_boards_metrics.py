"""What TensorBoard's pages call the metrics of a sweep, and in which order they have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from boards_reading import Hparams, read
from boards_sweeps import bare_making, sweep_of

from layerprof.boards.sweeps import export_sweep
from layerprof.boards.sweeps.base import metric_title
from layerprof.records import FrozenMapping, SweepRecord

IN_ORDER = (
    *(
        "latency_s",
        "latency_per_sample_s",
        "flops",
        "flops_per_sample",
        "peak_bytes",
        "energy_j",
        "energy_j_per_sample",
    ),
    *("wer", "accuracy"),
    *("conv_s", "own_ratio"),  # in the order in which they were met
    *("scored_samples", "image_tokens", "steps", "warmup_steps", "batches"),
)


def measured_sweep() -> SweepRecord:
    """Two cells with numbers for all metrics, which come in another order."""
    names = [*(name for name in reversed(IN_ORDER) if name not in ("conv_s", "own_ratio")), "conv_s", "own_ratio"]
    return sweep_of([{"a": 1}, {"a": 2}], metrics=FrozenMapping(dict.fromkeys(names, 1.0)))


def test_hparams_have_the_metrics_in_the_order_of_the_tables(tmp_path: Path) -> None:
    export_sweep(measured_sweep(), tmp_path, bare_making())

    tags = [info.name.tag for info in Hparams(tmp_path).experiment().metric_infos]

    assert tags == [f"metrics/{name}" for name in IN_ORDER]


def test_charts_of_the_sweep_have_the_order_and_the_words_of_hparams(tmp_path: Path) -> None:
    export_sweep(measured_sweep(), tmp_path, bare_making())

    found = read(tmp_path / "report").layout

    assert found is not None
    shown = [info.display_name for info in Hparams(tmp_path).experiment().metric_infos]
    assert [chart.title for chart in found.category[0].chart] == [f"{words} by a" for words in shown]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("latency_s", "latency (s)"),
        ("flops", "FLOPs"),
        ("flops_per_sample", "FLOPs per sample"),
        ("flops_last_batch", "FLOPs of last batch"),
        ("conv_flops", "conv FLOPs"),
        ("macs", "MACs"),
        ("flops_per_s", "FLOPs per s"),
        ("peak_bytes", "peak memory (B)"),
        ("energy_j", "energy (J)"),
        ("energy_j_per_sample", "energy per sample (J)"),
        ("wer_echo", "WER, prompt echoed"),
        ("steps", "steps"),
        ("own\nratio", "own\\nratio"),
    ],
)
def test_a_metric_has_its_unit_once(name: str, title: str) -> None:
    assert metric_title(name) == title
