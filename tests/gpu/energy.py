"""The counter of a GPU's joules and what it is worth, in one call: ``python tests/gpu/energy.py [energy.json]``.

First the counter is tried and the self-checks are made, about four minutes; then BLIP-2 at full geometry is measured at
batch 1 and 16, in one process, with as many distinct layers as fit into what is left of the time. The JSON is written
anew after each part, and the profiles lie beside it. The card's settings stay as they are.

Exit status: 0 when everything was measured, 1 when a part failed, 2 without CUDA.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE.parent))

import layerprof as lp  # noqa: E402 - tests are no package that is installed
from gpu.figures import machine  # noqa: E402
from gpu.subjects import blip2  # noqa: E402
from layerprof.clock import SystemClock  # noqa: E402
from layerprof.energy import best_counter, calibrate, device_asked, self_checks, sources_of  # noqa: E402
from layerprof.machine.loads import CopyLoad, ProductLoad  # noqa: E402

BATCHES = (1, 16)
MOST_S = {1: 150.0, 16: 120.0}  # of each batch's pass
Part = Callable[[], Mapping[str, object]]


def counter() -> Mapping[str, object]:
    """What the sources of the device are worth, and the checks of the best one."""
    device, clock, draw = torch.device("cuda"), SystemClock(), random.Random("probe")
    sources = sources_of(device_asked(device), clock=clock)
    refusals = [asdict(refusal) for refusal in sources.refusals]
    if not sources.energy:
        return {"refusals": refusals}
    load, other = ProductLoad(device), CopyLoad(device)
    source, counters = best_counter(sources.energy, load, clock, call_s=calibrate(load, clock), draw=draw)
    found = [plain(asdict(one)) for one in counters]
    if source is None:
        return {"refusals": refusals, "counters": found}
    power = next((one for one in sources.energy if one.facts.poll_s is not None and one is not source), None)
    checks = self_checks(source, counters[-1], clock, load, other, power=power, draw=draw)
    for one in sources.energy:
        one.close()
    return {"refusals": refusals, "counters": found, "checks": [asdict(check) for check in checks]}


def blip2_at(batch: int, folder: Path) -> Mapping[str, object]:
    """BLIP-2 at full geometry: joules of the step and its closure; the profile is saved beside."""
    model, inputs = blip2("blip2-opt-2.7b", dtype="fp16")
    many = {name: torch.cat([one] * batch) for name, one in inputs.items() if isinstance(one, torch.Tensor)}
    options = lp.EnergyOptions(samples=batch, max_s=MOST_S[batch])
    profile = lp.profile(model, many, passes=("time", "ops", "flops", "energy"), repeats=10, energy_options=options)
    lp.save(profile, folder / f"blip2_energy_{batch}.json")
    lp.save(profile, folder / f"blip2_energy_{batch}.md")
    if profile.energy is None:
        return {"notes": [str(note) for note in profile.notes if note.quantity == "energy"]}
    return plain(
        {
            "step": asdict(profile.energy.step),
            "step_s": profile.energy.step_s,
            "closure": None if profile.energy.closure is None else asdict(profile.energy.closure),
            "conditions": asdict(profile.energy.conditions),
            "duration_s": profile.energy.duration_s,
            "notes": [str(note) for note in profile.notes if "energy" in note.quantity],
        }
    )


def plain(value: Mapping[str, object]) -> Mapping[str, object]:
    """With the record's mappings as dicts, through JSON."""
    found: Mapping[str, object] = json.loads(json.dumps(value, default=lambda one: dict(one) if one else str(one)))
    return found


def main() -> int:
    """Runs the parts; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, default=Path("energy.json"))
    out = parser.parse_args().out
    if not torch.cuda.is_available():
        return 2
    out.parent.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Part] = {"machine": machine, "counter": counter}
    parts |= {f"batch {batch}": partial(blip2_at, batch, out.parent) for batch in BATCHES}
    found: dict[str, object] = {}
    has_failed = False
    for name, part in parts.items():
        began_s = time.monotonic()
        try:
            found[name] = dict(part())
        except Exception:  # the other parts are still wanted
            found[name], has_failed = {"failed": traceback.format_exc()}, True
        found[f"{name}, seconds"] = time.monotonic() - began_s
        out.write_text(json.dumps(found, indent=1, default=str), encoding="utf-8")
    return 1 if has_failed else 0


if __name__ == "__main__":
    sys.exit(main())
