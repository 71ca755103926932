"""Sweep a model of one's own over number formats and threads; every run has a process of its own."""

import contextlib
import tempfile
from pathlib import Path

import layerprof as lp

# The processes import the model by its name, from the current directory or an installed package.
MODULE = """
import torch

def build():
    layers = [torch.nn.Linear(256, 1024), torch.nn.GELU(), torch.nn.Linear(1024, 256)]
    return torch.nn.Sequential(*layers), torch.randn(64, 256)
"""

with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    Path("my_net.py").write_text(MODULE)
    plan = lp.Plan(
        name="threads",
        model="my_net:build",
        axes={"dtype": ("fp32", "bf16"), "threads": (1, 2)},  # on a machine with one core, those of two are failed rows
        fixed={"device": "cpu"},
    )
    record = lp.sweep(plan.quick(), "runs/threads", progress=False)  # a look; plan itself is three runs a cell
    print(lp.render(record))
    done = [cell for cell in record.cells if cell.status == "done"]
    fastest = min(done, key=lambda cell: cell.metrics["latency_s"] or 0.0)
    print("the fastest:", fastest.axes["dtype"], "on", fastest.axes["threads"], "threads")
