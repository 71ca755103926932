"""Tests that need a CUDA device, and `run.py`, which runs them all and measures beside them; never faked."""
