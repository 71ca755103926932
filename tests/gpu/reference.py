"""The reference's five tests on hardware: ``python tests/gpu/reference.py OUT [--samples 32] [--quick]``.

Full geometry, random weights and the offline samples, since machines with a GPU may have no network. What it leaves in
the folder is all that a report needs: the tables, the plots, and ``record.json``, from which they can be made again.
It can be interrupted and started again. Exit status: 0 when all that can run here did, 1 when not, 2 without CUDA.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

import layerprof as lp
from layerprof.analysis import analysed
from layerprof.cli.base import exit_status, write_sweep_files


def main() -> int:
    """Sweeps and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--quick", action="store_true", help="one process a cell, short windows")
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        sys.stderr.write(f"torch {torch.__version__} finds no CUDA device here\n")
        return 2
    plan = lp.plans.reference("blip2-opt-2.7b", asked.samples, "sample", device="cuda")
    record = analysed(lp.sweep(plan.quick() if asked.quick else plan, asked.out), against="reference")
    write_sweep_files(record, asked.out)
    lp.save(record, asked.out / "record.json")
    return exit_status(record)


if __name__ == "__main__":
    sys.exit(main())
