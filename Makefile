# What a person types. Every target does its own set-up; `make env` alone makes the environment.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Programs start in half the time with their bytecode at hand, whatever the shell that calls make thinks of it.
export PYTHONDONTWRITEBYTECODE :=
UV_VERSION := 0.13.9
WORKERS ?= 2
ACCOUNTING ?= 0

.DEFAULT_GOAL := help
.PHONY: help env lock demo demo-campaign test test-fast test-faults test-clients bench bench-peers validate train test-training docs slurm-up slurm-down postgres-up postgres-down clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

KERNELS := $(shell find ztfpipe -name '*_nb.py')

env: $(VENV)/.warm  ## the pinned environment in .venv, kernels compiled

$(VENV)/.ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "ztfpipe needs Python 3.11, and $(PYTHON) was not found" >&2; exit 1; }
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

$(VENV)/.warm: $(VENV)/.ready $(KERNELS)
	$(BIN)/python -m ztfpipe.methods.warm
	touch $@

bench: env  ## speed beside peers, docs/performance.md
	$(BIN)/python -m benchmarks

bench-peers: env  ## peers of the benchmarks: Debian packages (root); crowdsource, heliolinx, sfft in environments of their own
	apt-get install --yes --no-install-recommends source-extractor psfex scamp
	[ -x .venv-crowdsource/bin/python ] || $(PYTHON) -m venv .venv-crowdsource
	.venv-crowdsource/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r benchmarks/crowdsource/requirements.txt
	for peer in heliolinx sfft; do \
	  $(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-$$peer; \
	  $(BIN)/uv pip sync --quiet --python .venv-$$peer/bin/python --require-hashes benchmarks/$$peer/requirements.txt; \
	done

validate: env  ## full-size products against truth, docs/accuracy.md
	$(BIN)/python -m benchmarks validate

.venv-training/.ready: training/requirements.lock $(VENV)/.ready
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-training
	$(BIN)/uv pip sync --quiet --python .venv-training/bin/python --require-hashes training/requirements.lock
	$(BIN)/uv pip install --quiet --python .venv-training/bin/python --no-deps --editable .
	touch $@

train: .venv-training/.ready  ## fit the real-bogus classifiers anew (docs/scores.md), in .venv-training
	PATH=$(CURDIR)/.venv-training/bin:$$PATH PYTHONPATH=$(CURDIR) OPENBLAS_NUM_THREADS=1 \
	  snakemake --snakefile training/Snakefile --directory $(CURDIR) --cores $(WORKERS) --forcerun training_trees training_network

test-training: .venv-training/.ready  ## a tiny training, in .venv-training
	ZTFPIPE_TRAINING=1 .venv-training/bin/python -m pytest -q tests/training

docs: env  ## docs/pictures/floors.png and docs/columns.md from the code as it is
	$(BIN)/python tools/draw_floors.py
	$(BIN)/python tools/describe_columns.py

lock:  ## pin the newest dependencies again (requirements.lock)
	$(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 --extra dev --extra bench pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 --extra dev --extra training -c requirements.lock pyproject.toml -o training/requirements.lock
	$(BIN)/python tools/conda_env.py

# Fast tests first; then whole nights, two at a time because each waits for its slowest job, with SLURM among them.
PYTEST := $(BIN)/python -m pytest -q

test: env  ## fast tests first, then mini nights through Snakemake, then one on SLURM
	$(PYTEST) -n $(WORKERS) -m "not workflow and not slurm and not fault and not clients" tests
	$(PYTEST) -n $(WORKERS) --dist loadscope --no-loadscope-reorder -m "workflow or slurm" tests/workflow

demo: env  ## a simulated mini night from raw files to alerts, light curves and tracks
	$(BIN)/python -m tools.demo

demo-campaign: env  ## a simulated season in i, and a campaign that takes its fringes out, compared
	$(BIN)/python -m tools.demo_campaign

test-fast: env  ## the fast tests only
	$(PYTEST) -n $(WORKERS) -m "not workflow and not slurm and not fault and not clients" tests

test-faults: env  ## strike running nights: killed jobs and operators, a full disk; on SLURM lost nodes, jobs over their limits
	$(PYTEST) -m fault tests/workflow

test-clients: env  ## other projects' readers on our products, in environments of their own (.venv-clients, .venv-ampel)
	ZTFPIPE_CLIENTS=1 $(PYTEST) -m clients tests/clients

slurm-up:  ## start a SLURM cluster of several virtual nodes on this machine (root, Debian packages); ACCOUNTING=1: sacct, too
	ACCOUNTING=$(ACCOUNTING) tools/slurm/cluster.sh up

slurm-down:  ## stop it and remove what it left
	tools/slurm/cluster.sh down

postgres-up:  ## start a PostgreSQL for tests on this machine (Debian package; a Unix socket only) and print its URL
	tools/postgres/cluster.sh up && tools/postgres/cluster.sh url

postgres-down:  ## stop it and remove it
	tools/postgres/cluster.sh down

clean:  ## remove the demonstration and caches (never the environment, never a workspace)
	rm -rf demo demo-campaign .snakemake .pytest_cache .ruff_cache .hypothesis .import_linter_cache
