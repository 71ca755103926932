"""A profile exported to TensorBoard and read back by TensorBoard's own readers."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from boards_reading import ReadRun, as_page, read
from report_phases import generation_profile
from report_records import HOSTILE, Leaf, many_blocks, profile_of, two_blocks
from report_roofs import blocks_under_roof

import layerprof as lp
from layerprof.boards import export_tensorboard
from layerprof.boards.base import MOST_ROWS
from layerprof.records import Energy, Profile, middle_steps, typical
from layerprof.views import summary_table
from layerprof.views.base import Amount

ROOT = Path(__file__).parent.parent
STEP_FACTS = [
    ("step/step_s", "step"),
    ("step/latency_s", "latency"),
    ("step/device_total_s", "device total"),
    ("step/device_busy_s", "device busy"),
    ("step/device_span_s", "device span"),
]


def exported(profile: Profile, folder: Path) -> ReadRun:
    export_tensorboard(profile, folder)
    return read(folder)


def as_float32(number: float) -> float:
    return float(np.float32(number))


def test_the_numbers_of_the_step_are_the_records(tmp_path: Path) -> None:
    profile = profile_of(two_blocks())
    assert profile.latency_s is not None
    assert profile.step_flops is not None
    assert profile.memory is not None

    found = exported(profile, tmp_path).scalars

    latency_s = profile.latency_s.median
    assert found["step/latency_s"] == [(0, as_float32(latency_s))]
    assert found["step/flops"] == [(0, float(profile.step_flops))]
    assert found["step/flops_per_s"] == [(0, as_float32(profile.step_flops / latency_s))]
    assert found["step/peak_bytes"] == [(0, float(profile.memory.peak_bytes))]
    assert found["step/overhead_ratio/time"] == [(0, as_float32(1.02))]


def test_every_measured_step_is_a_point(tmp_path: Path) -> None:
    samples = (0.3, 0.1, 0.2)
    profile = replace(profile_of(two_blocks()), latency_s=lp.Distribution(samples=samples))

    found = exported(profile, tmp_path).scalars

    assert found["samples/latency_s"] == [(step, as_float32(sample)) for step, sample in enumerate(samples)]


@pytest.mark.parametrize(
    ("tag", "read_off"),
    [
        ("layers/self_time_s", lambda layer, steps: typical(layer.self_s, steps)),
        ("layers/total_time_s", lambda layer, steps: typical(layer.total_s, steps)),
        ("layers/self_flops", lambda layer, steps: layer.self_flops),
        ("layers/total_flops", lambda layer, steps: layer.flops),
        ("layers/peak_bytes", lambda layer, steps: layer.peak_bytes),
        ("layers/calls", lambda layer, steps: layer.calls),
    ],
)
def test_a_layers_number_stands_at_its_index(
    tmp_path: Path, tag: str, read_off: Callable[[lp.LayerProfile, tuple[int, ...]], float]
) -> None:
    profile = profile_of(two_blocks())
    steps = middle_steps(profile.step_s)

    found = exported(profile, tmp_path).scalars[tag]

    assert found == [(place, as_float32(read_off(layer, steps))) for place, layer in enumerate(profile.layers)]


def uneven(scale: float) -> lp.Distribution:
    """Six samples whose median is neither the mean of all nor that of the middle four."""
    return lp.Distribution(samples=tuple(scale * sample for sample in (1.0, 1.0, 1.0, 2.0, 4.0, 9.0)))


def uneven_profile() -> Profile:
    profile = generation_profile(has_device=True)
    layers = tuple(
        replace(layer, self_s=uneven(1.0), total_s=uneven(2.0), device_self_s=uneven(3.0), device_total_s=uneven(4.0))
        for layer in profile.layers
    )
    return replace(
        profile,
        layers=layers,
        latency_s=uneven(0.9),
        step_s=uneven(1.0),
        unattributed_s=uneven(0.25),
        device_total_s=uneven(0.5),
        device_busy_s=uneven(0.4),
        device_span_s=uneven(0.6),
    )


@pytest.mark.parametrize(("tag", "fact"), STEP_FACTS)
def test_a_time_of_the_step_is_that_of_the_summary(tmp_path: Path, tag: str, fact: str) -> None:
    profile = uneven_profile()

    found = exported(profile, tmp_path)

    (row,) = [row for row in summary_table(profile).rows if row.cells[0] == fact]
    amount, remark = row.cells[1:]
    assert isinstance(amount, Amount)
    assert found.scalars[tag] == [(0, as_float32(amount.value))]
    statistic = re.search(r"(median|mean) of \d+", str(remark))
    assert statistic is not None
    assert statistic[0] in found.abouts[tag]


@pytest.mark.parametrize(
    ("tag", "statistic"),
    [
        ("layers/self_time_s", "means over the middle 4 of 6 steps"),
        ("layers/total_time_s", "means over the middle 4 of 6 steps"),
        ("layers/device_self_time_s", "means of 6 steps"),
        ("step/unattributed_s", "mean over the middle 4 of 6 steps"),
        ("phases/decode/total_s", "mean over the middle 4 of 6 steps"),
        ("step/flops", "the whole step"),
        ("step/overhead_ratio/time", "over bare ones"),
    ],
)
def test_a_number_tells_which_statistic_it_is(tmp_path: Path, tag: str, statistic: str) -> None:
    assert statistic in exported(uneven_profile(), tmp_path).abouts[tag]


def test_what_has_no_samples_to_choose_from_tells_no_statistic(tmp_path: Path) -> None:
    found = exported(replace(profile_of(two_blocks()), step_s=lp.Distribution(samples=(0.1,))), tmp_path)

    assert found.abouts["step/step_s"].endswith("one step")


def test_bytes_moved_are_those_of_the_summary_where_the_root_is_not_called(tmp_path: Path) -> None:
    profile = blocks_under_roof()
    root = replace(profile.root, calls=0, self_bytes_moved=0)
    profile = replace(profile, layers=(root, *profile.layers[1:]))
    (row,) = [row for row in summary_table(profile).rows if row.cells[0] == "bytes moved"]

    found = exported(profile, tmp_path).scalars

    assert isinstance(row.cells[1], Amount)
    assert found["step/bytes_moved"] == [(0, as_float32(row.cells[1].value))]


def test_joules_of_the_step_are_those_of_the_summary_where_only_layers_have_them(tmp_path: Path) -> None:
    profile = profile_of(two_blocks())
    joules = Energy(total_j=2.5, kind="replayed", source="nvml", ci95_j=None, window_s=1.0, resolution_s=0.1)
    root = replace(profile.root, energy=joules)

    found = exported(replace(profile, layers=(root, *profile.layers[1:])), tmp_path).scalars

    assert found["step/energy_j"] == [(0, 2.5)]


def test_the_layers_own_times_and_the_rest_are_the_step(tmp_path: Path) -> None:
    found = exported(profile_of(two_blocks()), tmp_path).scalars

    own_s = sum(number for _, number in found["layers/self_time_s"])
    assert own_s + found["step/unattributed_s"][0][1] == pytest.approx(found["step/step_s"][0][1], rel=1e-6)


def test_what_was_not_measured_has_no_point(tmp_path: Path) -> None:
    profile = profile_of(two_blocks(), has_time=False)

    found = exported(profile, tmp_path).scalars

    missing = ("step/latency_s", "step/step_s", "step/energy_j", "layers/self_time_s", "layers/device_self_time_s")
    assert not set(missing) & set(found)
    assert not [tag for tag in found if tag.startswith("samples/")]


def test_a_layer_without_a_number_is_left_out_of_its_series(tmp_path: Path) -> None:
    profile = profile_of(two_blocks())
    joules = Energy(total_j=2.5, kind="replayed", source="nvml", ci95_j=None, window_s=1.0, resolution_s=0.1)
    layers = list(profile.layers)
    layers[3] = replace(layers[3], efficiency=0.25, self_energy=joules)

    found = exported(replace(profile, layers=tuple(layers)), tmp_path).scalars

    assert found["layers/efficiency"] == [(3, 0.25)]
    assert found["layers/self_energy_j"] == [(3, 2.5)]


def test_phases_have_their_times_where_there_are_several(tmp_path: Path) -> None:
    profile = generation_profile(has_device=True)
    steps = middle_steps(profile.step_s)

    found = exported(profile, tmp_path).scalars

    for phase in profile.phases:
        assert phase.total_s is not None
        assert found[f"phases/{phase.name}/total_s"] == [(0, as_float32(typical(phase.total_s, steps)))]
    assert "layers/device_self_time_s" in found


def test_the_reports_tables_are_texts_in_their_order(tmp_path: Path) -> None:
    found = exported(profile_of(two_blocks()), tmp_path)

    tags = [tag for tag in found.texts if tag.startswith("tables/")]
    assert tags[0] == "tables/01 Summary"
    assert tags == sorted(tags)
    assert "<strong>step</strong>" in as_page(found.text("tables/02 Stages"))
    assert "<td>no_counter</td>" in as_page(found.texts[tags[-1]]).replace(' align="left"', "")


def test_every_index_is_mapped_to_its_path_in_pieces_that_a_browser_can_show(tmp_path: Path) -> None:
    profile = profile_of(many_blocks(90))  # 632 layers

    found = exported(profile, tmp_path)

    pieces = [words for tag, words in found.texts.items() if tag.startswith("layers/")]
    rows = [re.findall(r"^\| (\d+) \| (\S+(?: model\))?) \|", words, flags=re.MULTILINE) for words in pieces]
    assert [row for piece in rows for row in piece] == [
        (str(place), layer.path or "(the model)") for place, layer in enumerate(profile.layers)
    ]
    assert all(0 < len(piece) <= MOST_ROWS for piece in rows)


def test_a_long_table_is_split_where_a_component_begins(tmp_path: Path) -> None:
    leaves = [Leaf(path="", type_name="Net")]
    for part in ("vision", "language"):
        leaves += [Leaf(path=part, type_name="Part")]
        leaves += [Leaf(path=f"{part}.layer{place}", type_name=f"Own{place}") for place in range(150)]

    found = exported(profile_of(leaves), tmp_path)

    tags = [tag for tag in found.texts if " Layers" in tag]
    assert [tag.partition(" from ")[2] for tag in tags] == ["(model)", "language"]


@pytest.mark.parametrize("name", [HOSTILE, "a](http://evil.example)", "\ud800 lone", "x" * 10_000, "*b* _c_ ~~d~~ <b>"])
def test_hostile_names_stay_text(tmp_path: Path, name: str) -> None:
    leaves = [Leaf(path="", type_name="Net"), Leaf(path=name, type_name=name, self_s=0.1)]

    found = exported(profile_of(leaves, model=name), tmp_path)

    for words in found.texts.values():
        page = as_page(words)
        assert not re.search(r"<(script|a|em|b|del|code|img)\b", page)
        assert "\u202e" not in page
    table = as_page(found.text("layers/"))
    assert table.count("<tr>") == 3  # the heading and two layers
    assert all("\n" not in tag for tag in (*found.texts, *found.scalars))


def test_the_layout_shows_tags_that_are_there(tmp_path: Path) -> None:
    found = exported(profile_of(two_blocks()), tmp_path)

    assert found.layout is not None
    charts = [chart for category in found.layout.category for chart in category.chart]
    assert [category.title for category in found.layout.category] == ["step by step", "by layer"]
    assert [category.closed for category in found.layout.category] == [False, True]  # open ones are drawn at once
    for chart in charts:
        assert any(re.match(pattern, tag) for pattern in chart.multiline.tag for tag in found.scalars)
    assert "device time by layer (s)" not in [chart.title for chart in charts]


def test_an_export_loads_neither_torch_nor_tensorflow(tmp_path: Path) -> None:
    lp.save(profile_of(two_blocks()), tmp_path / "profile.json")
    program = (
        "import sys, threading, layerprof as lp\n"
        "from layerprof.boards import export_tensorboard\n"
        f"export_tensorboard(lp.load({str(tmp_path / 'profile.json')!r}), {str(tmp_path / 'logs')!r})\n"
        "print([name for name in ('torch', 'tensorflow', 'transformers') if name in sys.modules], "
        "threading.active_count())"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "[] 1"
