# One verb a target. `make demo` and `make test` need only python3 with venv, on Linux or macOS.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

SOURCES := pyproject.toml constraints.txt CMakeLists.txt \
  $(filter-out native/tests/%,$(wildcard native/*.* native/*/*.*))

.DEFAULT_GOAL := help
.PHONY: help demo test test-full test-cluster test-ecosystem check sanitize fuzz ulp older bench docs capabilities results pictures clean

help:           ## list the verbs
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.installed        ## install, then LSTM or GRU on the bundled data
	$(BIN)/gatewise compare --out gatewise-runs/demo

test: $(VENV)/.installed-test   ## install what tests need, run them all
	$(BIN)/python -m pytest

test-full: $(VENV)/.installed-test ## the same and what is slow: every case on every instruction set
	$(BIN)/python -m pytest -m 'slow or not slow'

test-cluster: $(VENV)/.installed-cluster ## the same table from trials on a Ray cluster
	$(BIN)/python -m pytest -m cluster

test-ecosystem: $(VENV)/.installed-ecosystem ## our layers in other projects' models
	$(BIN)/python -m pytest -m '' tests/ecosystem

check: $(VENV)/.installed-test  ## format, lint, types
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

JOBS = $(shell getconf _NPROCESSORS_ONLN)

sanitize:       ## run the C++ core under sanitizers; needs a compiler, no Python
	$(MAKE) --directory native/tests --jobs $(JOBS) sanitize

fuzz:           ## the same with random cases, for SECONDS (600), from SEED if given
	$(MAKE) --directory native/tests --jobs $(JOBS) fuzz

ulp:            ## measure the core's tanh and sigmoid at all floats, against their limits
	$(MAKE) --directory native/tests --jobs $(JOBS) ulp

older:          ## run the C++ core on emulated processors of long ago; needs qemu-user
	$(MAKE) --directory native/tests --jobs $(JOBS) older

bench: $(VENV)/.installed-bench ## time the layers beside their peers, write BENCHMARKS.md
	$(BIN)/python benchmarks/run.py --grid && $(BIN)/python benchmarks/render.py

docs: $(VENV)/.installed-test   ## write docs/support.md, what each backend can do
	$(BIN)/python docs/render_support.py

capabilities: $(VENV)/.installed-test ## write docs/pytorch.md, each entry tried; takes minutes
	$(BIN)/python docs/render_capabilities.py

results: $(VENV)/.installed-test ## write docs/results.md from the log of evaluations
	$(BIN)/python docs/render_results.py

pictures: $(VENV)/.installed-test ## write docs/pictures, the README's; needs Chromium
	$(BIN)/python docs/render_pictures.py

clean:          ## remove the environment, caches and runs
	rm -rf $(VENV) gatewise-runs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.installed: $(SOURCES) | $(BIN)/pip
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-test: $(SOURCES) | $(BIN)/pip
	$(PIP) --editable '.[test,dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-cluster: $(SOURCES) | $(BIN)/pip
	$(PIP) --editable '.[test,ray]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-ecosystem: $(SOURCES) | $(BIN)/pip
	$(PIP) --editable '.[test,ecosystem]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: $(SOURCES) | $(BIN)/pip
	$(PIP) --editable '.[test,bench]'
	@touch $@ $(VENV)/.installed

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || \
	  { echo "Python 3.10 or newer is missing: sudo apt-get install python3 (or make PYTHON=python3.12 ...)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "python3-venv is missing: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
