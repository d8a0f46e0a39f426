# The two commands of the README, `make demo` and `make test`, do all their own set-up in $(VENV).
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo-output
# The whole suite must stay below ten minutes on two cores.
TEST_WORKERS ?= 2

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Processes share the work; threads inside each would only fight for the same cores.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1

.PHONY: help demo test lint benchmark wheel clean

help:
	@echo "make demo        install, then recipe -> corpus -> estimator -> report ($(DEMO)/report/report.html)"
	@echo "make test        install, then the whole test suite"
	@echo "make lint        ruff and mypy"
	@echo "make benchmark   aggregates/s, response images/s, multislice seconds per image"
	@echo "make wheel       build the distribution into dist/"

demo: $(VENV)/.demo-ready
	$(BIN)/heterostem demo --out $(DEMO)

test: $(VENV)/.test-ready
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal $(PYTEST_ARGS)

lint: $(VENV)/.test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: $(VENV)/.demo-ready
	@for script in benchmarks/*.py; do echo "== $$script"; $(ONE_THREAD) $(BIN)/python $$script || exit 1; done

wheel: $(VENV)/.test-ready
	$(BIN)/python -m build --wheel --no-isolation

clean:
	rm -rf $(VENV) $(DEMO) build dist

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "heterostem needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Try: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo-ready: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) --editable '.[simulate,learn]'
	@touch $@

$(VENV)/.test-ready: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) --editable '.[all,test,lint]'
	@touch $@ $(VENV)/.demo-ready
