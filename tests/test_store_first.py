"""Files of the first form, schema 1: they are read as they always were."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from store_records import cell, first_form, full_profile, samples, sweep

import layerprof as lp
from layerprof.records import (
    SCHEMA,
    CellRecord,
    Environment,
    FrozenMapping,
    MemorySummary,
    ProfileSpec,
    Quantities,
    SweepRecord,
)

WRITTEN_BY_0_1 = """
{"format": "layerprof", "schema": 1, "record": {"is": "Profile", "schema": 1,
 "spec": {"is": "ProfileSpec", "model": "net", "model_type": "Net", "passes": ["time", "flops"], "method": null,
  "train": false, "warmup": 0, "repeats": 2, "inputs": [["x", "float32[2, 8]"]], "is_compiled": false, "parts": [],
  "labels": {"is": "map", "items": [["task", "captioning"]]}},
 "environment": {"is": "Environment", "layerprof": "0.1.0", "python": "3.11.7", "torch": "2.13.0",
  "transformers": null, "platform": "Linux", "cpu": "a processor", "cores": 2, "threads": 2, "memory_bytes": null,
  "device": "cpu", "flags": {"is": "map", "items": []}},
 "layers": [{"is": "LayerProfile", "calls": 1, "total_s": {"is": "Distribution", "samples": [0.001, 0.002]},
  "self_s": {"is": "Distribution", "value": 0.0, "n": 2}, "device_total_s": null, "flops": 18446744073709551617,
  "path": "", "aliases": ["twin"], "type_name": "Net", "kind": "container", "depth": 0, "stage": "other",
  "by_phase": "forward", "ops": [], "provenance": "measured", "shared": false}],
 "stages": [], "phases": [],
 "call_tree": {"is": "CallNode", "path": "", "called_as": "", "phase": "forward", "calls": 1, "children": [
  {"is": "CallNode", "path": "fc", "called_as": "fc", "phase": "forward", "calls": 2, "children": []}]},
 "unattributed_flops": 0, "memory": {"is": "MemorySummary", "baseline_bytes": 4, "step_peak_bytes": 2, "device": "cpu"},
 "checks": [{"is": "Check", "name": "books", "ok": true, "detail": "closed"}], "notes": []}}
"""


def test_a_file_of_the_first_release_is_read(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(WRITTEN_BY_0_1)
    own = Quantities(calls=1, total_s=samples(0.001, 0.002), self_s=samples(0.0, 0.0), flops=2**64 + 1)
    root = lp.LayerProfile(
        path="",
        aliases=("twin",),
        type_name="Net",
        kind="container",
        depth=0,
        stage="other",
        calls=1,
        total_s=own.total_s,
        self_s=own.self_s,
        flops=own.flops,
        by_phase=FrozenMapping({"forward": own}),
    )
    below = lp.CallNode(path="fc", called_as="fc", phase="forward", calls=2)

    assert lp.load(path) == lp.Profile(
        schema=1,
        spec=ProfileSpec(
            model="net",
            model_type="Net",
            passes=("time", "flops"),
            warmup=0,
            repeats=2,
            inputs=(("x", "float32[2, 8]"),),
            labels=FrozenMapping({"task": "captioning"}),
        ),
        environment=Environment(
            layerprof="0.1.0",
            python="3.11.7",
            torch="2.13.0",
            transformers=None,
            platform="Linux",
            cpu="a processor",
            cores=2,
            threads=2,
            memory_bytes=None,
            device="cpu",
        ),
        layers=(root,),
        call_tree=replace(below, path="", called_as="", calls=1, children=(below,)),
        unattributed_flops=0,
        memory=MemorySummary(baseline_bytes=4, step_peak_bytes=2, device="cpu"),
        checks=(lp.Check(name="books", ok=True, detail="closed"),),
    )


@pytest.mark.parametrize(
    "record", [full_profile(), cell(), sweep(cell("a1"), cell("b2"))], ids=["profile", "cell", "sweep"]
)
def test_every_record_of_the_first_form_comes_back_equal(
    record: lp.Profile | CellRecord | SweepRecord, tmp_path: Path
) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(first_form(record)))

    assert lp.load(path) == record


def test_a_file_of_the_first_form_is_saved_in_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(first_form(full_profile())))

    lp.save(lp.load(path), path)

    assert json.loads(path.read_text())["schema"] == SCHEMA
    assert lp.load(path) == full_profile()


Damage = tuple[Callable[[dict[str, object]], object], str]
DAMAGES: dict[str, Damage] = {
    "an unknown record": (lambda record: record.update({"is": "Secret"}), "damaged: unknown record 'Secret'"),
    "a record without a class": (lambda record: record.pop("is"), "damaged: unknown record None"),
    "a field too many": (lambda record: record.update(colour="red"), "damaged: .*colour"),
    "a field too few": (lambda record: record.pop("spec"), "damaged: .*spec"),
    "no layers": (lambda record: record.update(layers=[]), "damaged: .*first layer is the root"),
    "a layer of a number": (lambda record: record.update(layers=[5]), "damaged"),
    "a field of another type": (lambda record: record.update(unattributed_flops="9"), "unattributed_flops .* is a str"),
    "truth for a number": (lambda record: record.update(unattributed_flops=True), "unattributed_flops .* is a bool"),
    "samples that are none": (
        lambda record: record.update(step_s={"is": "Distribution", "samples": 5}),
        "damaged: .*no list",
    ),
    "no samples": (lambda record: record.update(step_s={"is": "Distribution"}), "damaged"),
    "samples of words": (
        lambda record: record.update(step_s={"is": "Distribution", "samples": ["1"]}),
        "damaged: '1' is no number",
    ),
    "samples of truth": (
        lambda record: record.update(step_s={"is": "Distribution", "value": True, "n": 2}),
        "damaged: True is no number",
    ),
    "more samples than memory holds": (
        lambda record: record.update(step_s={"is": "Distribution", "value": 1.0, "n": 10**15}),
        "damaged: a distribution of 1000000000000000 samples",
    ),
    "a mapping of words": (
        lambda record: record.update(timeline={"is": "map", "items": "text"}),
        "damaged: .*no list",
    ),
    "a mapping of triples": (
        lambda record: record.update(timeline={"is": "map", "items": [["a", 1, 2]]}),
        "damaged: .*no pair",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_of_the_first_form_says_what_is_wrong(tmp_path: Path, name: str) -> None:
    edit, message = DAMAGES[name]
    content = first_form(full_profile())
    record = content["record"]
    assert isinstance(record, dict)
    edit(record)
    path = tmp_path / "old.json"
    path.write_text(json.dumps(content))

    with pytest.raises(lp.RecordError, match=message) as caught:
        lp.load(path)

    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
