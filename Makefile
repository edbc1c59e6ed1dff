# The same targets for people and for continuous integration.
# The first of these that is here.
PYTHONS := 3.11 3.12 3.13
PYTHON ?= $(or $(firstword $(foreach version,$(PYTHONS),$(shell command -v python$(version) 2>/dev/null))),python3.11)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_DIR ?= nasflow-demo
PEERS := .bench
WRITERS := .writers
SBOM := .sbom

.PHONY: setup check test unit integration gpu e2e browser demo bench chaos fleet rehearse fuzz writers reference lock image-sbom clean

setup: $(STAMP)

# Runs again only after a change of the locked requirements or of the package's metadata.
$(STAMP): infra/requirements/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not here; install Python 3.11, 3.12 or 3.13, or give PYTHON=..." >&2; exit 2; }
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
	$(BIN)/hadolint infra/images/control.Dockerfile infra/images/worker.Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec infra/compose/compose.yaml infra/compose/worker.yaml
	$(BIN)/python -m tests.manifests
	$(BIN)/python -m tests.monitoring

# e2e and browser mostly wait for servers and runs, so they run at the same time.
test: setup check unit integration gpu
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target e2e browser

unit: setup
	$(BIN)/pytest tests/unit -q --numprocesses 2

# Three files at a time, because these tests often wait. Their conftest.py sorts the files, the longest first.
integration: setup
	$(BIN)/pytest tests/integration -q --numprocesses 3 --dist loadfile --no-loadscope-reorder

# Tests start thousands of processes, which load nasflow 0.4 s sooner from byte code.
unexport PYTHONDONTWRITEBYTECODE

# Several trainers run at a time. Then one thread each is much faster than threads that wait for each other.
integration e2e browser: export OMP_NUM_THREADS := 1

gpu: setup
	$(BIN)/pytest tests/gpu -q
	$(BIN)/python -m tests.benchmarks.bench_gpu

# Two files at a time. Each test process has its own stack.
e2e: setup
	$(BIN)/pytest tests/e2e -q --timeout 1800 --numprocesses 2 --dist loadfile

browser: setup
	$(BIN)/pytest tests/browser -q --timeout 1800

demo: setup
	$(BIN)/nasflow demo --dir $(DEMO_DIR)

# Other trainers for the benchmarks, in a folder that only their processes use.
$(PEERS)/.installed: infra/requirements/bench.txt | $(STAMP)
	rm -rf $(PEERS)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --target $(PEERS) -r infra/requirements/bench.txt
	@touch $@

bench: setup
	@$(MAKE) --no-print-directory $(PEERS)/.installed || echo "the peers are not here; their rows say so" >&2
	@for file in tests/benchmarks/bench_*.py; do \
		echo "== $$file"; $(BIN)/python -m tests.benchmarks.$$(basename $$file .py) || exit 1; \
	done

# An hour of faults on a real stack. JSON=FILE keeps all rounds.
chaos: setup
	$(BIN)/python -m tests.chaos $(if $(JSON),--json $(JSON))

# Two thousand runs of two hundred projects, with a trainer that sleeps. JSON=FILE keeps the figures.
fleet: setup
	$(BIN)/python -m tests.fleet $(if $(JSON),--json $(JSON))

# A rehearsal in bare Debian roots and networks of their own, as root. JSON=FILE keeps all steps.
rehearse: setup
	$(BIN)/python -m tests.rehearsal $(if $(JSON),--json $(JSON))

# Twenty minutes of random labels.
fuzz: setup
	$(BIN)/python -m tests.fuzz.labels

# Other labelling tools, in an environment of their own, write one set of labels in every format that is read.
$(WRITERS)/.installed: infra/requirements/writers.txt
	rm -rf $(WRITERS)
	$(PYTHON) -m venv $(WRITERS)
	$(WRITERS)/bin/python -m pip install --quiet --no-deps --require-hashes -r infra/requirements/writers.txt
	@touch $@

writers: setup $(WRITERS)/.installed
	$(BIN)/python -m tests.writers

# Writes docs/reference.md from the code.
reference: setup
	$(BIN)/python -m tests.reference > docs/reference.md.tmp
	mv docs/reference.md.tmp docs/reference.md

# What is in the images, from their locks, as CycloneDX.
$(SBOM)/.installed: infra/requirements/sbom.txt
	rm -rf $(SBOM)
	$(PYTHON) -m venv $(SBOM)
	$(SBOM)/bin/python -m pip install --quiet --no-deps --require-hashes -r infra/requirements/sbom.txt
	@touch $@

image-sbom: $(SBOM)/.installed
	mkdir -p build
	$(SBOM)/bin/cyclonedx-py requirements --output-reproducible --pyproject pyproject.toml \
		--output-file build/nasflow-control.cdx.json infra/requirements/control.txt
	$(SBOM)/bin/cyclonedx-py requirements --output-reproducible --pyproject pyproject.toml \
		--output-file build/nasflow-worker.cdx.json infra/requirements/all.txt

lock: setup
	infra/requirements/compile.sh

clean:
	rm -rf $(VENV) build *.egg-info
