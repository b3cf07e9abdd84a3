# The commands of the project; each sets up $(VENV) first, if it is missing or pyproject.toml has changed.
#
#   make lab         JupyterLab on notebooks/01-tour.ipynb
#   make test        everything but what is marked long
#   make check       the quick ones of them, in under a minute: no servers, kernels, other interpreters, browser, nor what takes 0.07 s
#   make test-long   what is marked long, and property tests with all their examples
#   make lint        ruff and mypy
#   make notebooks   run the notebooks and store their outputs
#   make pictures    draw the pictures of the documents again; needs chromium
#   make bench       the benchmarks
#   make clean       remove caches and built files ($(VENV) stays)
#
# Tests in the browser need chromium (Debian, Ubuntu: apt-get install chromium fonts-dejavu); without it they are skipped.
#
# Settings: PYTHON=python3.12  VENV=.venv  JOBS=2  LAB_ARGS=--no-browser  PYTEST_ARGS='-k load'  BENCH_ARGS=...

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
LAB_ARGS ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
NOTEBOOKS ?= $(wildcard notebooks/*.ipynb)

SHELL := /bin/sh
PY := $(VENV)/bin/python
# The plugin of nbval is loaded by the runs of it that tests start; by itself it takes two seconds a process.
PYTEST := $(PY) -m pytest -n $(JOBS) --dist loadgroup -p no:nbval
# Tests start a hundred interpreters: without bytecode each would compile all again. `make clean` removes it.
unexport PYTHONDONTWRITEBYTECODE
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
# Jupyter refuses to start as root unless told; in a container root is the only user there is.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: help lab test check test-long lint notebooks pictures bench clean

help:
	@sed -n 's/^#   //p' Makefile

lab: $(VENV)/.ok-lab
	$(PY) -m jupyterlab $(AS_ROOT) --ServerApp.root_dir="$(CURDIR)" $(LAB_ARGS) notebooks/01-tour.ipynb

test: $(VENV)/.ok-test
	$(PYTEST) $(PYTEST_ARGS)

check: $(VENV)/.ok-test
	$(PYTEST) --quick -m 'not servers and not browser and not long' $(PYTEST_ARGS)

test-long: $(VENV)/.ok-test
	KIT_THOROUGH=1 $(PYTEST) -m 'long or hypothesis' $(PYTEST_ARGS)

lint: $(VENV)/.ok-test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict kit

notebooks: $(VENV)/.ok-test
	$(PY) tests/notebooks/refresh.py $(NOTEBOOKS)

pictures: $(VENV)/.ok-test
	$(PY) docs/pictures.py
	$(PY) docs/screenshots.py
	$(PY) docs/view_shots.py

bench: $(VENV)/.ok-bench
	$(PY) -m benchmarks $(BENCH_ARGS)

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find kit tests benchmarks notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# The stamp is written last, so an interrupted installation is taken up again. The pip of an older Python takes twice as long as a new
# one, and to compile all modules takes as long again: Python compiles those that are imported.
$(VENV)/.ok-%: pyproject.toml
	@test -x "$(PY)" || command -v "$(PYTHON)" >/dev/null || { \
	  echo "There is no '$(PYTHON)' on this machine. Install Python 3.11 or newer, or name one:" \
	       "make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@test -x "$(PY)" || "$(PYTHON)" -c '$(NEW_ENOUGH)' || { \
	  echo "'$(PYTHON)' is $$("$(PYTHON)" --version 2>&1), the kit needs Python 3.11 or newer. Name one:" \
	       "make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@test -x "$(PY)" || "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments: its venv module is missing." \
	       "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@test -x "$(PY)" || "$(PYTHON)" -m venv "$(VENV)"
	@"$(PY)" -c '$(NEW_ENOUGH)' || { \
	  echo "$(VENV) holds no working Python 3.11 or newer. Remove the folder and run" \
	       "make $(MAKECMDGOALS) again." >&2; exit 1; }
	@echo "Installing namespace-kit[$*] into $(VENV); the first time this takes a minute or two."
	@"$(PY)" -m pip install --quiet --disable-pip-version-check --upgrade pip
	@"$(PY)" -m pip install --quiet --disable-pip-version-check --no-compile -e '.[$*]'
	@touch $@ $(if $(filter test,$*),$(VENV)/.ok-lab)
