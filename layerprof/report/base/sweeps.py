"""What all formats do before they show a sweep: its analysis, and which columns a terminal may do without."""

from __future__ import annotations

from layerprof.records import SweepRecord
from layerprof.report.base.base import Record

COLUMNS_TO_SPARE = (
    "environment",
    "exact match",
    "WER, best reference",
    "attention seen",
    "samples in it",
    "new tokens, mean",
    "latency per sample",
    "FLOPs per sample",
    "graphs in generate",
    "text tokens, most",
    "% of FLOPs",
    "peak memory",
    "compile time",
    "FLOPs of last batch",
    "convolutions",
    "% of energy",
    "FLOPs",
    "recompiles",
    "WER, prompt echoed",
    "own metric",
    "FLOP/s",
    "energy per sample",
    "WER",
)
"""Columns of a sweep's tables that other formats have too, those that are missed least first."""


def with_analysis(record: Record) -> Record:
    """The record, with the analysis of a sweep of several tests filled in where it has none."""
    if not isinstance(record, SweepRecord) or not record.plan.tests or record.analysis is not None:
        return record
    from layerprof.analysis import analysed  # reads layer profiles, which no other record needs

    return analysed(record)
