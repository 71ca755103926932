# Every target sets up what it needs in .venv, once; a changed pyproject.toml or constraints.txt sets it up again.
# Another interpreter (3.11 or newer): make PYTHON=python3.12 run

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
QUICKSTART := runs/quickstart
EXTRAS := sample,test,lint,docs

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help run test lint docs bench clean

help:
	@echo "make run    profile blip2-tiny and sweep its batch sizes, into $(QUICKSTART)/"
	@echo "make test   all tests that need no GPU"
	@echo "make lint   ruff and mypy"
	@echo "make docs   build the documentation into site/"
	@echo "make bench  measure the profiler's own overhead"
	@echo "make clean  remove what these targets made"

run: $(STAMP)
	@$(VENV)/bin/layerprof profile blip2-tiny --batch-size 2 --out $(QUICKSTART)
	@$(VENV)/bin/layerprof sweep batch --model blip2-tiny --samples 16 --quick --out $(QUICKSTART)

test: $(STAMP)
	@$(PY) -m pytest -q -n auto --dist worksteal -m "not gpu"

lint: $(STAMP)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

docs: $(STAMP)
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

bench: $(STAMP)
	@$(PY) tests/bench/run.py

clean:
	@rm -rf $(VENV) $(QUICKSTART) site build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache

# torch comes first and pinned: an unpinned request may bring gigabytes of CUDA packages that a CPU machine cannot use.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "layerprof needs Python 3.11 or newer and found $$($(PYTHON) --version 2>&1); try: make PYTHON=python3.12" >&2; \
	  exit 1; }
	@echo "Setting up $(VENV); this happens once."
	@rm -f $@
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install -qq -c constraints.txt torch
	@$(PY) -m pip install -qq -c constraints.txt -e ".[$(EXTRAS)]"
	@touch $@
