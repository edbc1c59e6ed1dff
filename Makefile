# The verbs for people and for continuous integration alike.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_DIR ?= nasflow-demo
PEERS := .bench

.PHONY: setup check test unit integration gpu e2e browser demo bench fuzz reference lock clean

setup: $(STAMP)

# Installed again only when a lock or the package's metadata has changed.
$(STAMP): infra/requirements/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not here; install Python 3.11, or give PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "error: $(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r infra/requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# The last two mostly wait for servers and runs, so they wait together.
test: setup check unit integration gpu
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target e2e browser

unit: setup
	$(BIN)/pytest tests/unit -q --numprocesses 2

# Three files at a time, since these tests often wait for servers and child processes; in the order of the conftest there.
integration: setup
	$(BIN)/pytest tests/integration -q --numprocesses 3 --dist loadfile --no-loadscope-reorder

# Several trainers at a time: threads that wait for each other on cores that others use are slower by far than one.
integration e2e browser: export OMP_NUM_THREADS := 1

gpu: setup
	$(BIN)/pytest tests/gpu -q

# Two files at a time, each with a stack of its own.
e2e: setup
	$(BIN)/pytest tests/e2e -q --timeout 600 --numprocesses 2 --dist loadfile

browser: setup
	$(BIN)/pytest tests/browser -q --timeout 600

demo: setup
	$(BIN)/nasflow demo --dir $(DEMO_DIR)

# The peers of the benchmarks, in a folder of their own that only their processes see.
$(PEERS)/.installed: infra/requirements/bench.txt | $(STAMP)
	rm -rf $(PEERS)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --target $(PEERS) -r infra/requirements/bench.txt
	@touch $@

bench: setup
	@$(MAKE) --no-print-directory $(PEERS)/.installed || echo "the peers are not here; their rows say so" >&2
	@for file in tests/benchmarks/bench_*.py; do \
		echo "== $$file"; $(BIN)/python -m tests.benchmarks.$$(basename $$file .py) || exit 1; \
	done

# Twenty minutes of labels that nobody would think of.
fuzz: setup
	$(BIN)/python -m tests.fuzz.labels

# docs/reference.md from the code.
reference: setup
	$(BIN)/python -m tests.reference > docs/reference.md.tmp
	mv docs/reference.md.tmp docs/reference.md

lock: setup
	infra/requirements/compile.sh

clean:
	rm -rf $(VENV) build *.egg-info
